//! Tests of what is not visible from outside: raw records, stop points, schemas.

mod damage;
mod key_files;
mod names;
mod rotation;
mod schema;
mod sealing;
mod syncing;

use super::{MasterKey, Vault, VaultError, VaultOptions};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// A folder, and a store to be opened in it.
fn scratch() -> Result<(tempfile::TempDir, VaultOptions)> {
    let dir = tempfile::tempdir()?;
    let options = VaultOptions::new(dir.path().join("store"));
    Ok((dir, options))
}

fn key(byte: u8) -> MasterKey {
    MasterKey::from_bytes([byte; MasterKey::LEN])
}

fn open(options: &VaultOptions, byte: u8) -> std::result::Result<Vault, VaultError> {
    Vault::open(options, &key(byte))
}
