//! What remains of a session after it was unlinked or logged out.
//!
//! The credentials must stop working for us at once, so that a restart asks for a new link instead
//! of logging in with dead keys. They are not thrown away: a log-out can be the server's mistake,
//! and messages that the inbox had not committed exist nowhere else. All records move into sealed
//! archive parts, in the change set that deletes them. Inbox and outbox are not touched.

use bridge_core::state::LinkedAccount;
use bridge_core::vault::{Batch, Space, Vault};
use whatsapp_rust::wacore::time;
use zeroize::Zeroizing;

use super::records::{ArchiveHead, ArchivePart, ArchivedRecord};
use super::spaces::{ARCHIVE, DEVICE, PENDING_INBOUND, SESSION_SPACES};
use super::{StoreOpenError, device, verify_device_keys};

/// Bits of an archive record's number that count parts.
const PART_BITS: u32 = 32;
/// A part is closed when it has grown past this many bytes of values.
const PART_BYTES: usize = 256 * 1024;
/// Older archives are deleted: they hold secrets, and nobody goes back further.
const MAX_ARCHIVES: usize = 3;

/// An archived session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archived {
    /// Its number; later archives have greater ones.
    pub number: u64,
    /// Unix seconds.
    pub archived_at: i64,
    /// The account's JID, if the session was linked.
    pub account: Option<String>,
    /// How many records it has.
    pub records: u64,
    /// How many of these are decrypted messages that the inbox never committed.
    pub uncommitted: u64,
}

impl Archived {
    fn new(number: u64, head: ArchiveHead) -> Self {
        Self {
            number,
            archived_at: head.archived_at,
            account: head.account,
            records: head.records,
            uncommitted: head.uncommitted,
        }
    }
}

/// The account that the stored device is linked to, after checking its keys.
///
/// # Errors
/// When the device record cannot be read, does not decode, or its keys do not fit together.
pub async fn linked_account(vault: &Vault) -> Result<Option<LinkedAccount>, StoreOpenError> {
    let space = vault.space(DEVICE);
    let stored = tokio::task::spawn_blocking(move || device::stored_device(&space))
        .await
        .map_err(StoreOpenError::Interrupted)??;
    let Some(device) = stored else {
        return Ok(None);
    };
    verify_device_keys(&device)?;
    Ok(device.pn.as_ref().map(|pn| LinkedAccount {
        address: pn.to_non_ad().to_string(),
        hidden_address: device.lid.as_ref().map(|lid| lid.to_non_ad().to_string()),
        name: Some(device.push_name.clone()).filter(|name| !name.is_empty()),
    }))
}

/// Whether the vault holds a linked device, that is, one that knows its account.
///
/// # Errors
/// When the device record cannot be read or does not decode.
pub fn is_linked(vault: &Vault) -> Result<bool, StoreOpenError> {
    let stored = device::stored_device(&vault.space(DEVICE))?;
    Ok(stored.is_some_and(|device| device.pn.is_some()))
}

/// Moves everything that belongs to the linked session into the archive; on disk when it returns.
/// Does nothing when nothing is stored.
///
/// [Advance](super::FenceControl::advance) or [close](super::FenceControl::close) the fence first:
/// a client that may still write would put parts of the session back.
///
/// # Errors
/// When the vault cannot be read or written. Unless the failure is in the last step, the sync, the
/// session is then as it was.
pub async fn archive_credentials(vault: &Vault) -> Result<(), StoreOpenError> {
    let worker = vault.clone();
    let archived = tokio::task::spawn_blocking(move || archive(&worker))
        .await
        .map_err(StoreOpenError::Interrupted)??;
    vault.sync().await?;
    if let Some(archived) = archived {
        tracing::info!(
            number = archived.number,
            records = archived.records,
            uncommitted = archived.uncommitted,
            "the credentials of the session were archived"
        );
    }
    Ok(())
}

/// The archived sessions, oldest first.
///
/// # Errors
/// When the vault cannot be read or a record does not decode.
pub fn archived_sessions(vault: &Vault) -> Result<Vec<Archived>, StoreOpenError> {
    let mut found = Vec::new();
    let space = vault.space(ARCHIVE);
    for record in space.scan_all() {
        let (name, value) = record?;
        let Some(number) = name.as_ordered() else {
            continue;
        };
        if number & ((1 << PART_BITS) - 1) == 0 {
            let head = prost::Message::decode(value.as_slice()).map_err(StoreOpenError::Archive)?;
            found.push(Archived::new(number >> PART_BITS, head));
        }
    }
    Ok(found)
}

fn archive(vault: &Vault) -> Result<Option<Archived>, StoreOpenError> {
    let account = match device::stored_device(&vault.space(DEVICE)) {
        Ok(device) => device
            .and_then(|device| device.pn)
            .map(|jid| jid.to_string()),
        // A record that does not decode is a reason to archive it, not to fail.
        Err(StoreOpenError::Device(_)) => None,
        Err(error) => return Err(error),
    };
    let earlier = archived_sessions(vault)?;
    let number = earlier.last().map_or(1, |last| last.number + 1);
    let mut parts = Parts {
        space: vault.space(ARCHIVE),
        base: number << PART_BITS,
        next: 1,
        open: ArchivePart::default(),
        open_bytes: 0,
    };
    let mut batch = vault.batch();
    let mut head = ArchiveHead {
        archived_at: time::now_secs(),
        account,
        records: 0,
        uncommitted: 0,
    };
    for id in SESSION_SPACES {
        let space = vault.space(id);
        for record in space.scan_all() {
            let (name, mut value) = record?;
            space.delete(&mut batch, &name);
            head.records += 1;
            head.uncommitted += u64::from(id == PENDING_INBOUND);
            let record = ArchivedRecord {
                space: u32::from(id.byte()),
                parts: name.parts().to_vec(),
                number: name.as_ordered(),
                value: std::mem::take(&mut *value),
            };
            parts.push(&mut batch, record);
        }
    }
    if head.records == 0 {
        return Ok(None);
    }
    parts.close(&mut batch);
    parts.put(&mut batch, 0, &head);
    forget_oldest(vault, &mut batch, &earlier)?;
    vault.apply(batch)?;
    Ok(Some(Archived::new(number, head)))
}

/// Deletes so many archives that one more fits.
fn forget_oldest(
    vault: &Vault,
    batch: &mut Batch,
    known: &[Archived],
) -> Result<(), StoreOpenError> {
    let surplus = (known.len() + 1).saturating_sub(MAX_ARCHIVES);
    let Some(last) = known.iter().take(surplus).next_back() else {
        return Ok(());
    };
    let space = vault.space(ARCHIVE);
    for record in space.scan_all() {
        let (name, _) = record?;
        if name
            .as_ordered()
            .is_some_and(|number| number >> PART_BITS > last.number)
        {
            break;
        }
        space.delete(batch, &name);
    }
    Ok(())
}

/// Collects records into archive parts.
struct Parts {
    space: Space,
    base: u64,
    next: u64,
    open: ArchivePart,
    open_bytes: usize,
}

impl Parts {
    fn push(&mut self, batch: &mut Batch, record: ArchivedRecord) {
        self.open_bytes += record.value.len();
        self.open.records.push(record);
        if self.open_bytes > PART_BYTES {
            self.close(batch);
        }
    }

    fn close(&mut self, batch: &mut Batch) {
        let part = std::mem::take(&mut self.open);
        self.open_bytes = 0;
        if !part.records.is_empty() {
            self.put(batch, self.next, &part);
            self.next += 1;
        }
    }

    fn put(&self, batch: &mut Batch, part: u64, message: &impl prost::Message) {
        let value = Zeroizing::new(message.encode_to_vec());
        self.space
            .put(batch, &self.space.ordered(self.base | part), &value);
    }
}
