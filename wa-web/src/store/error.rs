//! What can be wrong with a stored session.

use std::fmt;

use bridge_core::vault::VaultError;

/// One of the key pairs that the device record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceKey {
    /// Authenticates the connection.
    Noise,
    /// Signs and identifies the device to its contacts.
    Identity,
    /// The current signed prekey.
    SignedPreKey,
}

impl fmt::Display for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Noise => "noise key",
            Self::Identity => "identity key",
            Self::SignedPreKey => "signed prekey",
        })
    }
}

/// Why a stored session cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreOpenError {
    /// The sealed database could not be read or written.
    #[error("the session store cannot be read")]
    Vault(#[from] VaultError),
    /// The device record exists but is not one.
    #[error("the stored device record does not decode")]
    Device(#[source] serde_json::Error),
    /// A public key is not the one that belongs to its private key: the record was damaged or
    /// put together from two devices, and a login with it would be refused or worse.
    #[error("the stored {which} does not match its private key")]
    KeyMismatch {
        /// The pair that does not fit.
        which: DeviceKey,
    },
    /// An archive record exists but is not one.
    #[error("an archived session does not decode")]
    Archive(#[source] prost::DecodeError),
    /// The worker that moved the records ended before it was done.
    #[error("archiving the session was interrupted")]
    Interrupted(#[source] tokio::task::JoinError),
}
