//! The WhatsApp driver: [`WaDriver`] keeps one personal account linked and
//! connected as a companion device, puts what arrives into the bridge's inbox
//! and sends what the bridge hands it.
//!
//! The protocol comes from `whatsapp-rust`; this is the only crate that names it.
//! What is ours is everything around it: storage that survives crashes, the
//! transport, linking, and a supervisor that never gives up and never lies about
//! its state.

mod clock;
mod driver;
mod egress;
mod error;
mod http;
mod ingress;
mod jid;
mod options;
pub mod phone_number;
mod session;
pub mod store;
mod text;
pub mod transport;
pub mod version;

pub use driver::WaDriver;
pub use error::WaError;
pub use jid::allow_entry;
pub use options::{PairingRequest, WaOptions};
