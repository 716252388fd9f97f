//! The JSON contract `loong_channel_bridge_v1`: envelopes, the parameters of the
//! four operations, inbound messages, and the errors with their HTTP statuses.
//!
//! Nothing here does I/O. What arrives is read member by member rather than
//! into one strict type: unknown members and missing optional ones are fine, a
//! member of the wrong type is refused with a text that names it.

mod context;
mod envelope;
mod error;
mod inbound;
mod member;
mod params;
mod send;

pub use context::RequestContext;
pub use envelope::{Echo, Envelope, METHOD, Operation, Rejected};
pub use error::ContractError;
pub use inbound::{Addressing, InboundJson};
pub use params::{
    AckParams, CompleteParams, FEATURES, FailedMessage, MAX_MESSAGES, MAX_WAIT, ReceiveParams,
};
pub use send::{OutboundMessage, SendParams};

/// The name of this contract in manifests.
pub const CONTRACT: &str = "loong_channel_bridge_v1";
