//! The outbox's records in the sealed store.

use loong_proto::store::{OutboxId, OutboxRecord};
use prost::Message as _;
use zeroize::Zeroizing;

use super::{OutboxError, record};
use crate::vault::{Batch, Space, Vault, spaces};

/// Below this part are the keys of sends that are not final. They are read when
/// an outbox is opened, so that nothing else has to be.
const OPEN: &[u8] = b"open";

/// How long a record that is too old stays: it must outlive by a day the
/// message it answers, which a sweep has just found gone.
const GRACE_MS: u64 = 24 * 60 * 60 * 1000;

/// The three spaces of an outbox.
#[derive(Clone)]
pub(super) struct Store {
    pub(super) vault: Vault,
    records: Space,
    ids: Space,
    meta: Space,
}

impl Store {
    pub(super) fn new(vault: &Vault) -> Self {
        Self {
            vault: vault.clone(),
            records: vault.space(spaces::OUTBOX),
            ids: vault.space(spaces::OUTBOX_IDS),
            meta: vault.space(spaces::OUTBOX_META),
        }
    }

    pub(super) fn get(&self, key: &str) -> Result<Option<OutboxRecord>, OutboxError> {
        match self.records.get(&self.records.named(&[key.as_bytes()]))? {
            Some(value) => decode(&value).map(Some),
            None => Ok(None),
        }
    }

    /// Writes a record and whether it is open; not on disk yet.
    pub(super) fn put(&self, record: &OutboxRecord, open: bool) -> Result<(), OutboxError> {
        let mut batch = self.vault.batch();
        self.put_in(&mut batch, record);
        let name = self.meta.named(&[OPEN, record.key.as_bytes()]);
        if open {
            self.meta.put(&mut batch, &name, &[]);
        } else {
            self.meta.delete(&mut batch, &name);
        }
        Ok(self.vault.apply(batch)?)
    }

    /// Writes a new record with the ids of its parts; not on disk yet.
    pub(super) fn create(&self, record: &OutboxRecord) -> Result<(), OutboxError> {
        let mut batch = self.vault.batch();
        self.put_in(&mut batch, record);
        let name = self.meta.named(&[OPEN, record.key.as_bytes()]);
        self.meta.put(&mut batch, &name, &[]);
        let id = OutboxId {
            key: record.key.clone(),
        };
        let id = id.encode_to_vec();
        for part in &record.parts {
            let name = self.ids.named(&[part.message_id.as_bytes()]);
            self.ids.put(&mut batch, &name, &id);
        }
        Ok(self.vault.apply(batch)?)
    }

    /// Removes a record and everything that points to it; not on disk yet.
    pub(super) fn delete(&self, record: &OutboxRecord) -> Result<(), OutboxError> {
        let key = record.key.as_bytes();
        let mut batch = self.vault.batch();
        self.records.delete(&mut batch, &self.records.named(&[key]));
        self.meta.delete(&mut batch, &self.meta.named(&[OPEN, key]));
        for part in &record.parts {
            let name = self.ids.named(&[part.message_id.as_bytes()]);
            self.ids.delete(&mut batch, &name);
        }
        Ok(self.vault.apply(batch)?)
    }

    /// The key of the send that a message id on the wire belongs to.
    pub(super) fn key_of(&self, message_id: &str) -> Result<Option<String>, OutboxError> {
        let Some(value) = self.ids.get(&self.ids.named(&[message_id.as_bytes()]))? else {
            return Ok(None);
        };
        let id = OutboxId::decode(value.as_slice()).map_err(|error| broken(&error))?;
        Ok(Some(id.key))
    }

    /// The sends that are not final.
    pub(super) fn open_records(&self) -> Result<Vec<OutboxRecord>, OutboxError> {
        let mut open = Vec::new();
        for row in self.meta.scan(&[OPEN]) {
            let (name, _) = row?;
            let key = name
                .parts()
                .get(1)
                .map(|part| String::from_utf8_lossy(part));
            if let Some(record) = self.get(&key.unwrap_or_default())? {
                open.push(record);
            }
        }
        Ok(open)
    }

    /// Every record, in no order.
    pub(super) fn all(&self) -> impl Iterator<Item = Result<OutboxRecord, OutboxError>> + use<> {
        self.records.scan_all().map(|row| decode(&row?.1))
    }

    /// Deletes what was created before `before_ms` and was marked for it by a
    /// sweep a day ago. `claim` says no if a record is still needed, and keeps
    /// others away from it otherwise. Returns how many. Blocks.
    pub(super) fn sweep<G>(
        &self,
        before_ms: u64,
        now_ms: u64,
        claim: impl Fn(&str) -> Option<G>,
    ) -> Result<usize, OutboxError> {
        let mut swept = 0;
        for record in self.all() {
            let listed = record?;
            if listed.created_ms >= before_ms {
                continue;
            }
            let Some(_claim) = claim(&listed.key) else {
                continue;
            };
            let Some(mut record) = self.get(&listed.key)? else {
                continue;
            };
            match record.expires_ms {
                Some(at) if at <= now_ms => {
                    self.delete(&record)?;
                    swept += 1;
                }
                Some(_) => {}
                None => {
                    record.expires_ms = Some(now_ms.saturating_add(GRACE_MS));
                    let mut batch = self.vault.batch();
                    self.put_in(&mut batch, &record);
                    self.vault.apply(batch)?;
                }
            }
        }
        Ok(swept)
    }

    fn put_in(&self, batch: &mut Batch, record: &OutboxRecord) {
        let value = Zeroizing::new(record.encode_to_vec());
        let name = self.records.named(&[record.key.as_bytes()]);
        self.records.put(batch, &name, &value);
    }
}

/// Whether a record belongs among the open ones.
pub(super) fn is_open(record: &OutboxRecord) -> bool {
    !record::is_final(record) && !record.parts.iter().all(record::is_queued)
}

fn decode(value: &[u8]) -> Result<OutboxRecord, OutboxError> {
    OutboxRecord::decode(value).map_err(|error| broken(&error))
}

fn broken(error: &prost::DecodeError) -> OutboxError {
    OutboxError::Record(error.to_string())
}
