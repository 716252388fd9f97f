//! `session key rotate`: a new master key, and everything sealed under it.

use std::path::{Path, PathBuf};

use bridge_core::{
    account::Surface,
    vault::{
        Vault, VaultOptions,
        master_key::{self, KeySource},
    },
};

use super::super::keys;
use crate::{
    config::{Config, Overrides, WhatsAppAccount},
    failure::Failure,
};

/// Rotates the key of `account`, and with it every other store that the same key
/// file opens. May be killed at any point and called again. Blocks.
pub(super) fn rotate(config: &Config, account: &WhatsAppAccount) -> Result<String, Failure> {
    let places = keys::places(account, &config.environment);
    let dir = &account.auth_dir.value;
    if !Vault::exists(dir) {
        return Err(
            Failure::usage(format!("there is no session in {}", dir.display()))
                .next("link one first: loong whatsapp-personal bridge run"),
        );
    }
    let found = keys::find(&places, &VaultOptions::new(dir))?;
    let file = match &found.source {
        KeySource::Credential(path) => {
            return Err(Failure::usage(format!(
                "the master key is the systemd credential {}, which cannot be replaced from here",
                path.display()
            ))
            .next(
                "stop the service, run this command with LOONG_MASTER_KEY_FILE naming a copy of \
                 the key, then give the service that file",
            ));
        }
        KeySource::Named(path) | KeySource::Generated(path) => path.clone(),
    };
    let stores = stores_under(config, &file, dir)?;
    // Each must be closed before the first is changed: a key that opens only
    // some of its stores is what must not be left behind.
    for store in &stores {
        drop(Vault::open_any(
            &VaultOptions::new(store),
            &found.candidates(),
        )?);
    }
    let new = master_key::stage(&file)?;
    for store in &stores {
        Vault::rotate(&VaultOptions::new(store), &found.key, &new)?;
    }
    master_key::promote(&file)?;
    let mut report = format!(
        "the master key in {} is new; sealed with it:",
        file.display()
    );
    for store in &stores {
        report.push_str(&format!("\n  {}", store.display()));
    }
    report.push_str("\n  next: make a new backup of the key file; the old key opens nothing now");
    Ok(report)
}

/// Every store that is sealed with the key in `file`: `own`, and those of other
/// accounts of the configuration.
fn stores_under(config: &Config, file: &Path, own: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut stores = vec![own.to_owned()];
    for id in config.account_ids(Surface::WhatsAppPersonal) {
        let other = config.whatsapp(Some(id.as_str()), &Overrides::default())?;
        let dir = other.auth_dir.value.clone();
        if stores.contains(&dir) || !Vault::exists(&dir) {
            continue;
        }
        let places = keys::places(&other, &config.environment);
        let theirs = places.load()?.map(|found| found.source.path().to_owned());
        if theirs.as_deref() == Some(file) {
            stores.push(dir);
        }
    }
    Ok(stores)
}
