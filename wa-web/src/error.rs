//! Why a session could not be started.

use crate::{store::StoreOpenError, transport::TransportError};

/// Errors of [`WaDriver::start`](crate::WaDriver::start). What goes wrong later
/// is a state, not an error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WaError {
    /// The stored credentials cannot be used.
    #[error("the stored session cannot be used")]
    Store(#[from] StoreOpenError),
    /// The transport cannot be set up.
    #[error("the connection to WhatsApp cannot be set up")]
    Transport(#[from] TransportError),
    /// The protocol library refused to start.
    #[error("the protocol client cannot start: {0}")]
    Client(String),
}
