//! Decrypted messages between the ratchet step and our inbox.
//!
//! A row is written before the step that makes the message undecryptable a second time, and
//! deleted after the inbox has committed the message. If the commit fails or the process dies in
//! between, the server sends the message again and the library replays it from here.

use bridge_core::vault::{Batch, RecordName};
use whatsapp_rust::wacore::store::error::Result;
use whatsapp_rust::wacore::store::traits::{PendingInboundKey, PendingInboundRow};
use whatsapp_rust::wacore::time;
use zeroize::Zeroizing;

use super::super::records::{PendingInbound, decode};
use super::super::{SledStore, read, scan};

/// How much waits between decryption and the inbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PendingOverview {
    /// Number of messages.
    pub count: usize,
    /// When the oldest of them was stored, Unix seconds.
    pub oldest: Option<i64>,
}

impl SledStore {
    fn pending_name(&self, chat: &str, sender: &str, id: &str) -> RecordName {
        let parts = [chat.as_bytes(), sender.as_bytes(), id.as_bytes()];
        self.tables().pending_inbound.named(&parts)
    }

    pub(super) fn put_pending(&self, batch: &mut Batch, row: &PendingInboundRow<'_>) {
        let record = PendingInbound {
            chat: row.chat.to_owned(),
            sender: row.sender.to_owned(),
            id: row.id.to_owned(),
            stored_at: time::now_secs(),
            message: row.message.to_vec(),
        };
        let value = Zeroizing::new(prost::Message::encode_to_vec(&record));
        let name = self.pending_name(row.chat, row.sender, row.id);
        self.tables().pending_inbound.put(batch, &name, &value);
    }

    pub(super) fn pending(&self, chat: &str, sender: &str, id: &str) -> Result<Option<Vec<u8>>> {
        let name = self.pending_name(chat, sender, id);
        let Some(value) = read(&self.tables().pending_inbound, &name)? else {
            return Ok(None);
        };
        Ok(Some(decode::<PendingInbound>(&value)?.message))
    }

    pub(super) fn delete_pending(&self, keys: &[PendingInboundKey<'_>]) -> Result<()> {
        self.write(|batch| {
            for key in keys {
                let name = self.pending_name(key.chat, key.sender, key.id);
                self.tables().pending_inbound.delete(batch, &name);
            }
            Ok(())
        })
    }

    /// Counts the messages that were decrypted but not yet committed by the inbox, for status and
    /// doctor. More than a handful means that commits fail.
    ///
    /// # Errors
    /// When the vault cannot be read or a record does not decode.
    pub async fn pending_overview(&self) -> Result<PendingOverview> {
        self.blocking(|store| {
            let mut overview = PendingOverview::default();
            for row in scan(&store.tables().pending_inbound, &[]) {
                let stored_at = decode::<PendingInbound>(&row?.1)?.stored_at;
                overview.count += 1;
                let oldest = overview.oldest.map_or(stored_at, |at| at.min(stored_at));
                overview.oldest = Some(oldest);
            }
            Ok(overview)
        })
        .await
    }
}
