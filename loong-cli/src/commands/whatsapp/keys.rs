//! The master key of an account's store.

use bridge_core::vault::{
    Vault, VaultOptions,
    master_key::{FoundKey, KeyPlaces},
};

use crate::{
    config::{Environment, WhatsAppAccount},
    exit::Exit,
    failure::Failure,
};

/// The name of the systemd credential.
const CREDENTIAL: &str = "loong-master-key";

/// Where to look for the key of `account`.
pub(super) fn places(account: &WhatsAppAccount, environment: &Environment) -> KeyPlaces {
    KeyPlaces {
        credential: environment
            .get("CREDENTIALS_DIRECTORY")
            .map(|dir| (dir.into(), CREDENTIAL.to_owned())),
        named: account
            .master_key_file
            .as_ref()
            .map(|file| file.value.clone()),
        generated: account.generated_key_file.clone(),
    }
}

/// The key for the store in `dir`. Makes one only for a store that does not exist
/// yet: no new key opens an old store.
pub(super) fn find(places: &KeyPlaces, options: &VaultOptions) -> Result<FoundKey, Failure> {
    if !Vault::exists(&options.dir) {
        return Ok(places.load_or_generate()?);
    }
    places.load()?.ok_or_else(|| {
        Failure::new(
            Exit::MasterKey,
            format!(
                "the session in {} is sealed, and its master key {} is gone",
                options.dir.display(),
                places.generated.display()
            ),
        )
        .next(
            "restore the key file from a backup; without it, move the session folder away and \
             link again",
        )
    })
}
