//! The types of iLink, WeChat's bot protocol: what its endpoints take and
//! answer, with secrets that do not print and enums that keep unknown values.
//!
//! ```
//! use ilink_client::{Envelope, QrStatus};
//!
//! let status: QrStatus = serde_json::from_str("\"scaned_but_redirect\"")?;
//! assert_eq!(status, QrStatus::ScannedButRedirect);
//!
//! // HTTP 200 says little; the envelope says whether the call worked.
//! let stale: Envelope = serde_json::from_str(r#"{"errcode":-14,"errmsg":"session timeout"}"#)?;
//! assert!(stale.check().is_err_and(|error| error.is_session_expired()));
//! # Ok::<(), serde_json::Error>(())
//! ```

mod envelope;
mod message;
mod onboarding;

pub use envelope::{ApiError, Envelope};
pub use message::{Item, ItemKind, Message, Updates};
pub use onboarding::{Credentials, IncompleteLogin, QrCode, QrPoll, QrStatus};
