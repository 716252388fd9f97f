//! One conformance suite for our store and the library's in-memory one, then what only ours has:
//! fencing, durability, the archive.

mod archive;
mod child;
mod device;
mod durability;
mod fencing;
mod indexes;
mod leases;
mod model;
mod suite;

use bridge_core::vault::{MasterKey, Vault, VaultOptions};
use tempfile::TempDir;
use whatsapp_rust::anyhow;

use super::spaces::SESSION_SPACES;
use super::{FenceControl, SledStore};

type TestResult = anyhow::Result<()>;

/// A store in a folder of its own.
struct Opened {
    store: SledStore,
    vault: Vault,
    control: FenceControl,
    dir: TempDir,
}

impl Opened {
    fn new() -> anyhow::Result<Self> {
        Self::in_dir(tempfile::tempdir()?)
    }

    fn in_dir(dir: TempDir) -> anyhow::Result<Self> {
        let vault = open_vault(dir.path())?;
        let control = FenceControl::new();
        let store = SledStore::new(vault.clone(), control.advance());
        Ok(Self {
            store,
            vault,
            control,
            dir,
        })
    }

    /// Closes the database and opens it again, as a restart would.
    fn reopened(self) -> anyhow::Result<Self> {
        let Self {
            store, vault, dir, ..
        } = self;
        drop(store);
        vault.close()?;
        Self::in_dir(dir)
    }
}

fn open_vault(dir: &std::path::Path) -> anyhow::Result<Vault> {
    let options = VaultOptions::new(dir.join("vault"));
    Ok(Vault::open(&options, &MasterKey::from_bytes([7; 32]))?)
}

/// Space, name and value of everything the session has stored.
fn dump(vault: &Vault) -> anyhow::Result<Vec<(u8, String, Vec<u8>)>> {
    let mut rows = Vec::new();
    for id in SESSION_SPACES {
        for row in vault.space(id).scan_all() {
            let (name, value) = row?;
            rows.push((id.byte(), format!("{name:?}"), value.to_vec()));
        }
    }
    Ok(rows)
}
