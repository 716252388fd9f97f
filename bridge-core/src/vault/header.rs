//! The header record, the schema version in it, and migrations.

use loong_proto::store::VaultHeader;
use prost::Message;

use super::{Batch, Vault, VaultError, disk::Disk};

/// The header's raw key. No key slot has number 0, so no record can have it.
const HEADER_KEY: &[u8] = &[0];

/// The schema of a store that no migration has touched.
const FIRST_SCHEMA: u32 = 1;

/// A step from one schema version to the next. Migrations are only ever
/// appended; each is one batch, so a store is never between two versions.
pub(super) struct Migration {
    /// What it does, for the log.
    pub(super) name: &'static str,
    /// Reads the store and says what has to change.
    pub(super) run: fn(&Vault) -> Result<Batch, VaultError>,
}

/// All migrations: the first leads to version 2, the next to 3, and so on.
pub(super) const MIGRATIONS: &[Migration] = &[];

/// The newest version that `migrations` lead to.
pub(super) fn newest(migrations: &[Migration]) -> u32 {
    FIRST_SCHEMA.saturating_add(u32::try_from(migrations.len()).unwrap_or(u32::MAX))
}

/// The header, or `None` in a store that has just been created.
pub(super) fn read(disk: &Disk) -> Result<Option<VaultHeader>, VaultError> {
    if let Some(bytes) = disk.db.get(HEADER_KEY)? {
        let header = VaultHeader::decode(&*bytes);
        let header = header
            .map_err(|error| VaultError::corrupt(format!("the header does not decode: {error}")))?;
        return Ok(Some(header));
    }
    if disk.db.is_empty() {
        Ok(None)
    } else {
        Err(VaultError::corrupt("there are records, but no header"))
    }
}

/// Replaces the header; on disk when this returns.
pub(super) fn write(disk: &Disk, header: &VaultHeader) -> Result<(), VaultError> {
    disk.db.insert(HEADER_KEY, header.encode_to_vec())?;
    disk.flush()
}

/// Refuses a store that this program would misread.
pub(super) fn check_schema(header: &VaultHeader, supported: u32) -> Result<(), VaultError> {
    match header.schema {
        0 => Err(VaultError::corrupt("the header has no schema version")),
        found if found > supported => Err(VaultError::NewerSchema { found, supported }),
        _ => Ok(()),
    }
}

/// Brings an open store to the newest version. After a crash, it goes on where
/// it was.
pub(super) fn migrate(vault: &Vault, migrations: &[Migration]) -> Result<(), VaultError> {
    let disk = &vault.0.disk;
    for (migration, to) in migrations.iter().zip(FIRST_SCHEMA.saturating_add(1)..) {
        let mut header = read(disk)?.ok_or_else(|| VaultError::corrupt("the header is gone"))?;
        if header.schema >= to {
            continue;
        }
        tracing::info!(to, name = migration.name, "migrating the store");
        let mut batch = (migration.run)(vault)?;
        header.schema = to;
        batch
            .changes
            .push((HEADER_KEY.to_vec(), Some(header.encode_to_vec())));
        batch.apply_to(&disk.db)?;
        disk.flush()?;
    }
    Ok(())
}
