//! `MsgSecretStore`: the secrets that later edits, reactions and poll votes on a message need.
//!
//! The library sweeps every few minutes and keeps secrets for weeks, so expiry has its own queue
//! in deadline order: a sweep reads only what it deletes.

use std::collections::HashMap;

use async_trait::async_trait;
use bridge_core::vault::{Batch, RecordName};
use whatsapp_rust::wacore::store::error::Result;
use whatsapp_rust::wacore::store::traits::{
    MsgSecretEntry, MsgSecretStore, merge_msg_secret_expiry, merge_msg_secret_message_ts,
};
use zeroize::Zeroizing;

use super::records::{MsgSecret, MsgSecretDeadline, decode};
use super::{SledStore, database, locked, read, scan_ordered};

/// Bits of a queue number below the deadline; they only tell equal deadlines apart.
const TAIL_BITS: u32 = 24;
/// Deadlines beyond this (the year 36812) are taken as this.
const MAX_DEADLINE: i64 = (1 << (64 - TAIL_BITS)) - 1;

/// Chat, sender and message id.
type Key = (String, String, String);

/// The deadline in the upper bits of a queue number.
fn queue_base(expires_at: i64) -> u64 {
    u64::try_from(expires_at.clamp(0, MAX_DEADLINE)).unwrap_or_default() << TAIL_BITS
}

impl SledStore {
    fn secret_name(&self, chat: &str, sender: &str, id: &str) -> RecordName {
        let parts = [chat.as_bytes(), sender.as_bytes(), id.as_bytes()];
        self.tables().msg_secrets.named(&parts)
    }

    fn secret(&self, chat: &str, sender: &str, id: &str) -> Result<Option<MsgSecret>> {
        read(
            &self.tables().msg_secrets,
            &self.secret_name(chat, sender, id),
        )?
        .map(|value| decode(&value))
        .transpose()
    }

    /// A free queue number for a deadline. `taken` are those of the change set being filled.
    fn free_place(&self, expires_at: i64, taken: &[u64]) -> Result<u64> {
        let queue = &self.tables().msg_secret_deadlines;
        loop {
            let place = queue_base(expires_at) | fastrand::u64(..1 << TAIL_BITS);
            let stored = queue.contains(&queue.ordered(place)).map_err(database)?;
            if !stored && !taken.contains(&place) {
                return Ok(place);
            }
        }
    }

    /// Puts one secret and its place in the deadline queue.
    fn put_secret(
        &self,
        batch: &mut Batch,
        key: &Key,
        row: &mut MsgSecret,
        taken: &mut Vec<u64>,
    ) -> Result<()> {
        let (chat, sender, id) = key;
        let queue = &self.tables().msg_secret_deadlines;
        let wanted = (row.expires_at != 0).then(|| queue_base(row.expires_at));
        let current = row.deadline.map(|place| place >> TAIL_BITS << TAIL_BITS);
        if wanted != current {
            if let Some(place) = row.deadline.take() {
                queue.delete(batch, &queue.ordered(place));
            }
            if wanted.is_some() {
                let place = self.free_place(row.expires_at, taken)?;
                taken.push(place);
                row.deadline = Some(place);
                let value = prost::Message::encode_to_vec(&MsgSecretDeadline {
                    chat: chat.clone(),
                    sender: sender.clone(),
                    id: id.clone(),
                });
                queue.put(batch, &queue.ordered(place), &value);
            }
        }
        let value = Zeroizing::new(prost::Message::encode_to_vec(row));
        let name = self.secret_name(chat, sender, id);
        self.tables().msg_secrets.put(batch, &name, &value);
        Ok(())
    }

    /// Merges the entries of one call with each other and with what is stored.
    fn merged_secrets(&self, entries: Vec<MsgSecretEntry>) -> Result<HashMap<Key, MsgSecret>> {
        let mut merged: HashMap<Key, MsgSecret> = HashMap::with_capacity(entries.len());
        for entry in entries {
            let key = (
                entry.chat.to_string(),
                entry.sender.to_string(),
                entry.msg_id.to_string(),
            );
            let known = match merged.remove(&key) {
                Some(row) => Some(row),
                None => self.secret(&key.0, &key.1, &key.2)?,
            };
            let row = match known {
                Some(known) => MsgSecret {
                    secret: entry.secret.to_vec(),
                    expires_at: merge_msg_secret_expiry(known.expires_at, entry.expires_at),
                    message_ts: merge_msg_secret_message_ts(known.message_ts, entry.message_ts),
                    deadline: known.deadline,
                },
                None => MsgSecret {
                    secret: entry.secret.to_vec(),
                    expires_at: entry.expires_at,
                    message_ts: entry.message_ts,
                    deadline: None,
                },
            };
            merged.insert(key, row);
        }
        Ok(merged)
    }

    fn expire_secrets(&self, cutoff: i64) -> Result<u32> {
        let tables = self.tables();
        let _secrets = locked(&self.locks().msg_secrets);
        self.write(|batch| {
            let mut deleted = 0;
            for place in scan_ordered(&tables.msg_secret_deadlines) {
                let (place, value) = place?;
                if place.as_ordered().unwrap_or_default() >> TAIL_BITS
                    > queue_base(cutoff) >> TAIL_BITS
                {
                    break;
                }
                let whose: MsgSecretDeadline = decode(&value)?;
                let name = self.secret_name(&whose.chat, &whose.sender, &whose.id);
                tables.msg_secrets.delete(batch, &name);
                tables.msg_secret_deadlines.delete(batch, &place);
                deleted += 1;
            }
            Ok(deleted)
        })
    }
}

#[async_trait]
impl MsgSecretStore for SledStore {
    async fn put_msg_secrets(&self, entries: Vec<MsgSecretEntry>) -> Result<usize> {
        let count = entries.len();
        let _secrets = locked(&self.locks().msg_secrets);
        self.write(|batch| {
            let mut taken = Vec::new();
            for (key, mut row) in self.merged_secrets(entries)? {
                self.put_secret(batch, &key, &mut row, &mut taken)?;
            }
            Ok(count)
        })
    }

    async fn get_msg_secret(
        &self,
        chat: &str,
        sender: &str,
        msg_id: &str,
    ) -> Result<Option<Vec<u8>>> {
        Ok(self.secret(chat, sender, msg_id)?.map(|row| row.secret))
    }

    async fn get_msg_secret_with_ts(
        &self,
        chat: &str,
        sender: &str,
        msg_id: &str,
    ) -> Result<Option<(Vec<u8>, i64)>> {
        let row = self.secret(chat, sender, msg_id)?;
        Ok(row.map(|row| (row.secret, row.message_ts)))
    }

    async fn delete_expired_msg_secrets(&self, cutoff_timestamp: i64) -> Result<u32> {
        self.blocking(move |store| store.expire_secrets(cutoff_timestamp))
            .await
    }
}
