//! A sealed, crash-proof store for one account.
//!
//! Records live in one sled tree, so that a [`Batch`] over several [`Space`]s is
//! atomic. On disk, a record is
//!
//! ```text
//! key:   key id (1) ‖ space (1) ‖ record name (16 per part, or 8 big-endian)
//! value: key id (1) ‖ nonce (12) ‖ AES-256-GCM(name parts ‖ value) ‖ tag (16)
//! ```
//!
//! with space ‖ record name as associated data, so that a value that is moved to
//! another name does not open. Sizes, numbers of records and of name parts, and
//! the numbers of ordered records are not hidden.
//!
//! # Durability
//!
//! [`Vault::apply`] makes changes visible; a crash may undo it, but only as a
//! whole, and only together with everything applied later. [`Vault::sync`] puts
//! everything applied before onto the disk, for all callers that wait at that
//! moment at once. The `disk` module says why sled's own flush is not enough.

mod disk;
mod error;
mod header;
mod keys;
mod lock;
pub mod master_key;
mod name;
mod rotate;
mod space;
pub mod spaces;
#[cfg(test)]
mod tests;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use loong_proto::store::VaultHeader;

use self::{disk::Disk, header::Migration, keys::Keys, space::ApplyError};
pub use self::{
    error::{LockHolder, VaultError},
    keys::MasterKey,
    name::RecordName,
    space::{Batch, Record, Space},
    spaces::SpaceId,
};

/// Where a store is, and how much memory it may use.
#[derive(Debug, Clone)]
pub struct VaultOptions {
    /// The folder; created if it does not exist.
    pub dir: PathBuf,
    /// The size of the page cache, in bytes.
    pub cache_bytes: u64,
}

impl VaultOptions {
    /// The page cache of a small daemon: 8 MiB.
    pub const DEFAULT_CACHE_BYTES: u64 = 8 << 20;

    /// A store in `dir` with the default cache.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            cache_bytes: Self::DEFAULT_CACHE_BYTES,
        }
    }
}

/// An open store. Clones share it; it closes when the last one, and the last
/// [`Space`], is dropped. Closing goes to the disk: not on an async thread.
#[derive(Clone)]
pub struct Vault(Arc<Inner>);

pub(crate) struct Inner {
    keys: Keys,
    /// Counts applied batches.
    applied: AtomicU64,
    /// How many of them are on disk. Whoever holds it talks to the disk.
    synced: tokio::sync::Mutex<u64>,
    /// Set by the first write that failed, see [`VaultError::Stopped`].
    stopped: OnceLock<String>,
    disk: Disk,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault(…)")
    }
}

impl Vault {
    /// Whether a store was ever created in `dir`. If so, a missing master key is
    /// a reason to stop, not to make a new one.
    #[must_use]
    pub fn exists(dir: &Path) -> bool {
        disk::was_created(dir)
    }

    /// Opens the store, or creates it if there is none. Blocks.
    ///
    /// # Errors
    /// When it is locked, was sealed with another key, is newer than this
    /// program, is damaged, or cannot be read. Nothing is deleted in any case.
    pub fn open(options: &VaultOptions, key: &MasterKey) -> Result<Self, VaultError> {
        Self::open_any(options, &[key])
    }

    /// As [`Vault::open`], with the first of `keys` that fits: during a rotation
    /// there are two.
    ///
    /// # Errors
    /// As [`Vault::open`]; with no key at all, [`VaultError::WrongKey`].
    pub fn open_any(options: &VaultOptions, keys: &[&MasterKey]) -> Result<Self, VaultError> {
        Self::open_with(options, keys, header::MIGRATIONS)
    }

    fn open_with(
        options: &VaultOptions,
        masters: &[&MasterKey],
        migrations: &[Migration],
    ) -> Result<Self, VaultError> {
        let disk = Disk::open(&options.dir, options.cache_bytes)?;
        let mut refusal = VaultError::WrongKey;
        for master in masters {
            match open_keys(&disk, master, migrations) {
                Ok(keys) => {
                    let vault = Self(Arc::new(Inner {
                        keys,
                        applied: AtomicU64::new(0),
                        synced: tokio::sync::Mutex::new(0),
                        stopped: OnceLock::new(),
                        disk,
                    }));
                    header::migrate(&vault, migrations)?;
                    return Ok(vault);
                }
                Err(error @ (VaultError::WrongKey | VaultError::RetiredKey)) => refusal = error,
                Err(error) => return Err(error),
            }
        }
        Err(refusal)
    }

    /// Seals every record and every name anew under `new`. The store must not be
    /// open. May be killed at any point and called again; `new` must be safe on
    /// disk before. Blocks.
    ///
    /// # Errors
    /// As [`Vault::open`], or when a record is damaged; the store then stays
    /// under `old`.
    pub fn rotate(
        options: &VaultOptions,
        old: &MasterKey,
        new: &MasterKey,
    ) -> Result<(), VaultError> {
        Self::rotate_watched(options, old, new, &mut |_| Ok(()))
    }

    fn rotate_watched(
        options: &VaultOptions,
        old: &MasterKey,
        new: &MasterKey,
        watch: rotate::Watch<'_>,
    ) -> Result<(), VaultError> {
        let missing = || VaultError::NoStore {
            dir: options.dir.clone(),
        };
        if !Self::exists(&options.dir) {
            return Err(missing());
        }
        let disk = Disk::open(&options.dir, options.cache_bytes)?;
        let mut head = header::read(&disk)?.ok_or_else(missing)?;
        header::check_schema(&head, header::newest(header::MIGRATIONS))?;
        rotate::rotate(&disk, &mut head, old, new, watch)
    }

    /// One space of the store.
    #[must_use]
    pub fn space(&self, space: SpaceId) -> Space {
        Space::new(Arc::clone(&self.0), space)
    }

    /// An empty batch.
    #[must_use]
    pub fn batch(&self) -> Batch {
        Batch::default()
    }

    /// Makes the changes visible, all at once. They are not on disk yet.
    ///
    /// # Errors
    /// When nothing was changed, or the database failed.
    pub fn apply(&self, batch: Batch) -> Result<(), VaultError> {
        self.0.check_running()?;
        match batch.apply_to(&self.0.disk.db) {
            Ok(()) => {}
            Err(ApplyError::Refused(error)) => return Err(error),
            Err(ApplyError::Failed(error)) => return Err(self.0.stop(error.into())),
        }
        self.0.applied.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }

    /// Returns when everything applied before the call is on disk. Callers that
    /// wait at the same time share one write.
    ///
    /// # Errors
    /// When it may not be on disk. The store takes no more changes then.
    pub async fn sync(&self) -> Result<(), VaultError> {
        self.0.check_running()?;
        let wanted = self.0.applied.load(Ordering::Acquire);
        let mut synced = self.0.synced.lock().await;
        if *synced >= wanted {
            return self.0.check_running();
        }
        // Everything counted here was in the database before the flush begins.
        let covered = self.0.applied.load(Ordering::Acquire);
        let inner = Arc::clone(&self.0);
        let flushed = tokio::task::spawn_blocking(move || inner.disk.flush()).await;
        match flushed {
            Ok(Ok(())) => {
                *synced = covered;
                Ok(())
            }
            Ok(Err(error)) => Err(self.0.stop(error)),
            Err(error) => Err(self.0.stop(VaultError::Stopped(error.to_string()))),
        }
    }

    /// [`Vault::apply`], then [`Vault::sync`].
    ///
    /// # Errors
    /// When the changes may not be on disk.
    pub async fn apply_durable(&self, batch: Batch) -> Result<(), VaultError> {
        self.apply(batch)?;
        self.sync().await
    }

    /// Puts everything onto the disk and lets go of the store; it closes when
    /// nobody else holds it. Blocks.
    ///
    /// # Errors
    /// When what was applied last may not be on disk.
    pub fn close(self) -> Result<(), VaultError> {
        self.0.check_running()?;
        self.0.disk.flush().map_err(|error| self.0.stop(error))
    }

    /// How often this store has gone to the disk since it was opened.
    #[must_use]
    pub fn flush_count(&self) -> u64 {
        self.0.disk.flush_count()
    }
}

impl Inner {
    fn check_running(&self) -> Result<(), VaultError> {
        self.stopped
            .get()
            .map_or(Ok(()), |cause| Err(VaultError::Stopped(cause.clone())))
    }

    /// Notes the first failed write, and passes it on. A later sync could report
    /// success for pages that the system has already given up on.
    fn stop(&self, error: VaultError) -> VaultError {
        let cause = self.stopped.get_or_init(|| error.to_string());
        tracing::error!(%cause, "the store takes no more changes");
        error
    }

    /// Opens what was found under a raw key.
    fn unseal(&self, key: &[u8], sealed: &[u8]) -> Result<Record, VaultError> {
        let place = key.get(1..).unwrap_or_default();
        let text = self.keys.open(sealed, place);
        let record = text.and_then(|text| RecordName::unwrap(key.get(2..)?, text));
        record.ok_or_else(|| VaultError::corrupt(format!("record {}", hex::encode(key))))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if self.stopped.get().is_none()
            && let Err(error) = self.disk.flush()
        {
            tracing::error!(%error, "the store was not flushed when it was closed");
        }
    }
}

fn open_keys(
    disk: &Disk,
    master: &MasterKey,
    migrations: &[Migration],
) -> Result<Keys, VaultError> {
    let mut head = read_or_create(disk, master, migrations)?;
    rotate::settle(disk, &mut head, master, &mut |_| Ok(()))
}

/// The header of the store; a store that has none is new, and gets one.
fn read_or_create(
    disk: &Disk,
    master: &MasterKey,
    migrations: &[Migration],
) -> Result<VaultHeader, VaultError> {
    let newest = header::newest(migrations);
    if let Some(head) = header::read(disk)? {
        header::check_schema(&head, newest)?;
        disk.mark_created()?;
        return Ok(head);
    }
    if disk.is_marked_created() {
        return Err(VaultError::corrupt("the database has lost its records"));
    }
    let (slot, _) = Keys::new_slot(1, master)?;
    let head = VaultHeader {
        schema: newest,
        current: Some(slot),
        ..VaultHeader::default()
    };
    header::write(disk, &head)?;
    disk.mark_created()?;
    Ok(head)
}
