//! The library's storage traits on the account's sealed [`Vault`].
//!
//! # What is on disk when
//! The traits have no flush: `Ok` is the promise. A method counts as *durable* when the
//! library lets something irreversible follow it, and then it returns only after the
//! vault's group commit:
//!
//! | method | what follows |
//! | --- | --- |
//! | `put_session`, `put_sessions_batch`, `put_sender_key`, `put_sender_keys_batch` and their deletes | a ciphertext whose counter is inside the lease just written |
//! | `store_prekey(s)`, `store_signed_prekey`, `remove_prekey` | the upload of the public halves; a session that consumed the key |
//! | `set_sync_key` | nothing ever: the phone shares the key once |
//! | `store_pending_inbound(_batch)` | the ratchet step that makes the message undecryptable a second time |
//! | `save`, `create` | the report that pairing succeeded |
//!
//! Everything else is applied in call order and reaches the disk with the next commit. All
//! spaces share one log, so a later durable write carries every earlier one with it, in order:
//! a session is on disk before the deletion of the one-time prekey it consumed. A `*_batch`
//! method is one atomic change set.
//!
//! # Who may write
//! A rebuilt library client leaves tasks behind that still hold the old store. Every handle
//! belongs to a generation of a [`FenceControl`]; once a newer generation exists, the writes of
//! older ones are refused with a validation error that starts with [`STALE_SESSION`], and nothing
//! of them lands. Reads of an old generation stay possible: they change nothing, and the library
//! withholds its receipt when a *write* fails, whereas a failed session read makes it ask the
//! sender to encrypt again.
//!
//! # Layout
//! One file per trait, for the large `ProtocolStore` one per table group; [`spaces`] lists the
//! spaces and what their names and values are.

mod app_state;
mod archive;
mod device;
mod error;
mod fence;
mod msg_secret;
mod protocol;
mod records;
mod signal;
pub mod spaces;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bridge_core::vault::{Batch, RecordName, Space, Vault};
use whatsapp_rust::wacore::store::error::{Result, StoreError};
use zeroize::Zeroizing;

pub use archive::{Archived, archive_credentials, archived_sessions, is_linked, linked_account};
pub use device::verify_device_keys;
pub use error::{DeviceKey, StoreOpenError};
pub use fence::{Fence, FenceControl, STALE_SESSION};
pub use protocol::PendingOverview;

use spaces::Tables;

/// All of the library's storage traits for one linked device.
///
/// Cheap to clone; clones share the generation. Wrap it in an `Arc` to hand it to the library's
/// builder as its backend.
#[derive(Clone)]
pub struct SledStore {
    inner: Arc<Inner>,
    keeps_sent: bool,
}

struct Inner {
    vault: Vault,
    fence: Fence,
    tables: Tables,
    locks: Locks,
}

/// One lock per table whose methods read before they write. All are taken before the fence.
#[derive(Default)]
struct Locks {
    device: Mutex<()>,
    prekeys: Mutex<()>,
    sender_key_devices: Mutex<()>,
    /// The newest [`records::PhoneLid::learned`] that was handed out.
    lid_mappings: Mutex<i64>,
    tc_tokens: Mutex<()>,
    /// Length and next number of the sent-message queue, read from disk on first use.
    sent_messages: Mutex<Option<protocol::SentQueue>>,
    msg_secrets: Mutex<()>,
}

impl fmt::Debug for SledStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SledStore")
            .field("fence", &self.inner.fence)
            .finish_non_exhaustive()
    }
}

impl SledStore {
    /// A store of the generation that `fence` stands for, without looking at what is stored.
    #[must_use]
    pub fn new(vault: Vault, fence: Fence) -> Self {
        let tables = Tables::new(&vault);
        Self {
            inner: Arc::new(Inner {
                vault,
                fence,
                tables,
                locks: Locks::default(),
            }),
            keeps_sent: false,
        }
    }

    /// Leaves a sent message where it is when it is taken, until the sweep.
    ///
    /// The library takes a message to answer a device that asks for it again, and
    /// puts it back a moment later; a second device that asks in between would
    /// never get it.
    #[must_use]
    pub fn keeping_sent(mut self) -> Self {
        self.keeps_sent = true;
        self
    }

    /// Like [`SledStore::new`], and checks the stored device first.
    ///
    /// # Errors
    /// [`StoreOpenError::KeyMismatch`] when a stored public key does not follow from its private
    /// key, [`StoreOpenError::Device`] when the record does not decode, and
    /// [`StoreOpenError::Vault`] when it cannot be read.
    pub fn open_checked(vault: Vault, fence: Fence) -> std::result::Result<Self, StoreOpenError> {
        let store = Self::new(vault, fence);
        if let Some(device) = device::stored_device(&store.inner.tables.device)? {
            verify_device_keys(&device)?;
        }
        Ok(store)
    }

    fn tables(&self) -> &Tables {
        &self.inner.tables
    }

    fn locks(&self) -> &Locks {
        &self.inner.locks
    }

    /// Fills one change set and applies it while the generation cannot change.
    fn write<T>(&self, fill: impl FnOnce(&mut Batch) -> Result<T>) -> Result<T> {
        let _passage = self.inner.fence.enter()?;
        let mut batch = self.inner.vault.batch();
        let value = fill(&mut batch)?;
        self.inner.vault.apply(batch).map_err(database)?;
        Ok(value)
    }

    /// [`SledStore::write`], and on disk when it returns.
    ///
    /// Not cancel-safe in the sense that a dropped future leaves the change applied but perhaps
    /// not yet on disk, which is what the caller of an unfinished write has to expect anyway.
    async fn write_durable<T>(&self, fill: impl FnOnce(&mut Batch) -> Result<T>) -> Result<T> {
        let value = self.write(fill)?;
        self.commit().await?;
        Ok(value)
    }

    /// Returns once everything applied so far is on disk.
    async fn commit(&self) -> Result<()> {
        self.inner.vault.sync().await.map_err(database)
    }

    /// Runs a scan over a whole table away from the async threads.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let store = self.clone();
        tokio::task::spawn_blocking(move || work(&store))
            .await
            .map_err(|error| StoreError::Database(Box::new(error)))?
    }
}

/// One decrypted record of a scan.
type Row = (RecordName, Zeroizing<Vec<u8>>);

/// Takes a table lock. A panic while it was held cannot have left half a change set behind, so a
/// poisoned lock is as good as a clean one.
fn locked<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read(space: &Space, name: &RecordName) -> Result<Option<Zeroizing<Vec<u8>>>> {
    space.get(name).map_err(database)
}

/// Reads a record whose value is handed to the library as it is.
fn read_plain(space: &Space, name: &RecordName) -> Result<Option<Vec<u8>>> {
    Ok(read(space, name)?.map(|mut value| std::mem::take(&mut *value)))
}

/// The records under leading name parts; no parts means the whole space.
fn scan(space: &Space, prefix: &[&[u8]]) -> impl Iterator<Item = Result<Row>> {
    space.scan(prefix).map(|row| row.map_err(database))
}

/// The records of a numbered space, in order.
fn scan_ordered(space: &Space) -> impl Iterator<Item = Result<Row>> {
    space.scan_all().map(|row| row.map_err(database))
}

fn database(error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::Database(Box::new(error))
}

fn serialization(error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::Serialization(Box::new(error))
}
