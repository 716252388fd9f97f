//! The inbox's records in the sealed store.

use loong_proto::store::{InboxChat, InboxEnd, InboxTombstone, InboxTotals};
use prost::Message as _;

use super::{
    Cursor, InboxError, SeenChat,
    entry::{Entry, Standing},
    record,
};
use crate::{
    message::{ChatId, InboundMessage},
    vault::{Batch, Space, Vault, VaultError, spaces},
};

/// Under this name are the totals, and below this part the chats seen.
const TOTALS: &[u8] = b"totals";
const CHAT: &[u8] = b"chat";

/// The three spaces of an inbox.
#[derive(Clone)]
pub(super) struct Store {
    pub(super) vault: Vault,
    messages: Space,
    graves: Space,
    meta: Space,
}

/// What is read when an inbox is opened.
pub(super) struct Loaded {
    pub(super) messages: Vec<(u64, Entry)>,
    pub(super) totals: InboxTotals,
    pub(super) chats: Vec<SeenChat>,
}

impl Store {
    pub(super) fn new(vault: &Vault) -> Self {
        Self {
            vault: vault.clone(),
            messages: vault.space(spaces::INBOX),
            graves: vault.space(spaces::INBOX_INDEX),
            meta: vault.space(spaces::INBOX_META),
        }
    }

    pub(super) fn load(&self) -> Result<Loaded, InboxError> {
        let mut messages = Vec::new();
        for row in self.messages.scan_all() {
            let (name, value) = row?;
            let Some(number) = name.as_ordered() else {
                continue;
            };
            let (cursor, message, standing) = record::decode(number, &value)?;
            messages.push((number, Entry::new(cursor, &message, standing)));
        }
        let totals = match self.meta.get(&self.meta.named(&[TOTALS]))? {
            Some(value) => {
                InboxTotals::decode(value.as_slice()).map_err(|e| broken("totals", &e))?
            }
            None => InboxTotals::default(),
        };
        let mut chats = Vec::new();
        for row in self.meta.scan(&[CHAT]) {
            let chat = InboxChat::decode(row?.1.as_slice()).map_err(|e| broken("chat", &e))?;
            chats.push(record::chat_from(chat));
        }
        Ok(Loaded {
            messages,
            totals,
            chats,
        })
    }

    pub(super) fn read(
        &self,
        number: u64,
    ) -> Result<Option<(Cursor, InboundMessage, Standing)>, InboxError> {
        match self.messages.get(&self.messages.ordered(number))? {
            Some(value) => record::decode(number, &value).map(Some),
            None => Ok(None),
        }
    }

    pub(super) fn put(
        &self,
        batch: &mut Batch,
        number: u64,
        cursor: &Cursor,
        message: &InboundMessage,
        standing: &Standing,
    ) {
        let value = zeroize::Zeroizing::new(record::encode(cursor, message, standing));
        self.messages
            .put(batch, &self.messages.ordered(number), &value);
    }

    /// Stores a new standing, and a new text if there is one.
    pub(super) fn update(
        &self,
        batch: &mut Batch,
        number: u64,
        standing: &Standing,
        text: Option<&str>,
    ) -> Result<(), InboxError> {
        if let Some((cursor, mut message, _)) = self.read(number)? {
            if let Some(text) = text {
                text.clone_into(&mut message.text);
            }
            self.put(batch, number, &cursor, &message, standing);
        }
        Ok(())
    }

    /// Removes a message, and leaves a tombstone.
    pub(super) fn bury(
        &self,
        batch: &mut Batch,
        number: u64,
        entry: &Entry,
        end: InboxEnd,
        now_ms: u64,
    ) {
        self.messages.delete(batch, &self.messages.ordered(number));
        self.put_grave(batch, &entry.cursor, &record::tombstone(entry, end, now_ms));
    }

    pub(super) fn put_grave(&self, batch: &mut Batch, cursor: &Cursor, grave: &InboxTombstone) {
        let name = self.graves.named(&[cursor.as_str().as_bytes()]);
        self.graves.put(batch, &name, &grave.encode_to_vec());
    }

    pub(super) fn is_buried(&self, cursor: &str) -> Result<bool, VaultError> {
        self.graves
            .contains(&self.graves.named(&[cursor.as_bytes()]))
    }

    pub(super) fn grave(&self, cursor: &str) -> Result<Option<InboxTombstone>, InboxError> {
        match self.graves.get(&self.graves.named(&[cursor.as_bytes()]))? {
            Some(value) => InboxTombstone::decode(value.as_slice())
                .map(Some)
                .map_err(|e| broken("tombstone", &e)),
            None => Ok(None),
        }
    }

    /// The tombstones of all messages with this id. Reads every tombstone.
    pub(super) fn graves_of(&self, id: &str) -> Result<Vec<(String, InboxTombstone)>, InboxError> {
        let mut found = Vec::new();
        for row in self.graves.scan_all() {
            let (name, value) = row?;
            let grave =
                InboxTombstone::decode(value.as_slice()).map_err(|e| broken("tombstone", &e))?;
            if grave.id == id {
                let cursor = name
                    .parts()
                    .first()
                    .map(|part| String::from_utf8_lossy(part));
                found.push((cursor.unwrap_or_default().into_owned(), grave));
            }
        }
        Ok(found)
    }

    /// Deletes the tombstones of messages that ended before `before_ms`, and
    /// returns how many. Blocks.
    pub(super) fn sweep(&self, before_ms: u64) -> Result<usize, InboxError> {
        /// Small enough that a commit in between does not have to wait long.
        const CHUNK: usize = 500;
        let mut batch = self.vault.batch();
        let mut swept = 0;
        for row in self.graves.scan_all() {
            let (name, value) = row?;
            let grave =
                InboxTombstone::decode(value.as_slice()).map_err(|e| broken("tombstone", &e))?;
            if grave.ended_ms < before_ms {
                self.graves.delete(&mut batch, &name);
                swept += 1;
            }
            if batch.len() >= CHUNK {
                self.vault.apply(std::mem::take(&mut batch))?;
            }
        }
        if !batch.is_empty() {
            self.vault.apply(batch)?;
        }
        Ok(swept)
    }

    pub(super) fn put_totals(&self, batch: &mut Batch, totals: &InboxTotals) {
        let name = self.meta.named(&[TOTALS]);
        self.meta.put(batch, &name, &totals.encode_to_vec());
    }

    pub(super) fn put_chat(&self, batch: &mut Batch, seen: &SeenChat) {
        let name = self.meta.named(&[CHAT, seen.chat.as_str().as_bytes()]);
        let value = record::chat_record(seen).encode_to_vec();
        self.meta.put(batch, &name, &value);
    }

    pub(super) fn delete_chat(&self, batch: &mut Batch, chat: &ChatId) {
        let name = self.meta.named(&[CHAT, chat.as_str().as_bytes()]);
        self.meta.delete(batch, &name);
    }
}

fn broken(record: &str, error: &prost::DecodeError) -> InboxError {
    InboxError::Record {
        record: record.to_owned(),
        reason: error.to_string(),
    }
}
