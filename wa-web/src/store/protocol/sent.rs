//! Messages that went out, kept to answer late retry receipts.
//!
//! The client chooses how long (its cutoff); [`MAX_SENT`] bounds the table whatever it chooses. A
//! queue in order of storing makes both cheap: the oldest are at its front. A message stored
//! while the clock was ahead holds the sweep up until then; the bound still holds.

use bridge_core::vault::Batch;
use whatsapp_rust::wacore::store::error::Result;
use whatsapp_rust::wacore::time;
use zeroize::Zeroizing;

use super::super::records::{SentMessage, SentPlace, decode};
use super::super::{SledStore, locked, read, scan_ordered};

/// At a busy bridge's thousand messages a day this is three weeks; at one kilobyte each, 20 MB.
pub(super) const MAX_SENT: usize = 20_000;

/// Size of the queue of sent messages.
#[derive(Clone, Copy, Debug, Default)]
pub(in super::super) struct SentQueue {
    /// The number the next message gets.
    next: u64,
    length: usize,
}

impl SledStore {
    fn read_sent_queue(&self) -> Result<SentQueue> {
        let mut queue = SentQueue::default();
        for place in scan_ordered(&self.tables().sent_queue) {
            queue.length += 1;
            if let Some(number) = place?.0.as_ordered() {
                queue.next = number + 1;
            }
        }
        Ok(queue)
    }

    fn sent_row(&self, chat: &str, id: &str) -> Result<Option<SentMessage>> {
        let table = &self.tables().sent_messages;
        read(table, &table.named(&[chat.as_bytes(), id.as_bytes()]))?
            .map(|value| decode(&value))
            .transpose()
    }

    pub(in super::super) fn put_sent(
        &self,
        chat: &str,
        id: &str,
        payload: &[u8],
        limit: usize,
    ) -> Result<()> {
        let tables = self.tables();
        let mut known = locked(&self.locks().sent_messages);
        let mut queue = match *known {
            Some(queue) => queue,
            None => self.read_sent_queue()?,
        };
        let queue = self.write(|batch| {
            if let Some(before) = self.sent_row(chat, id)? {
                let place = tables.sent_queue.ordered(before.order);
                tables.sent_queue.delete(batch, &place);
                queue.length = queue.length.saturating_sub(1);
            }
            if queue.length >= limit {
                let surplus = queue.length + 1 - limit;
                queue.length -= self.drop_oldest_sent(batch, surplus, (chat, id))?;
            }
            let place = SentPlace {
                chat: chat.to_owned(),
                id: id.to_owned(),
                stored_at: time::now_secs(),
            };
            let row = SentMessage {
                payload: payload.to_vec(),
                order: queue.next,
            };
            tables.sent_queue.put(
                batch,
                &tables.sent_queue.ordered(queue.next),
                &prost::Message::encode_to_vec(&place),
            );
            let name = tables
                .sent_messages
                .named(&[chat.as_bytes(), id.as_bytes()]);
            let value = Zeroizing::new(prost::Message::encode_to_vec(&row));
            tables.sent_messages.put(batch, &name, &value);
            queue.next += 1;
            queue.length += 1;
            Ok(queue)
        })?;
        *known = Some(queue);
        Ok(())
    }

    /// Deletes up to `count` messages from the front, but not the one that is being replaced.
    fn drop_oldest_sent(
        &self,
        batch: &mut Batch,
        count: usize,
        replaced: (&str, &str),
    ) -> Result<usize> {
        let tables = self.tables();
        let mut dropped = 0;
        for place in scan_ordered(&tables.sent_queue) {
            if dropped == count {
                break;
            }
            let (place, value) = place?;
            let whose: SentPlace = decode(&value)?;
            if (whose.chat.as_str(), whose.id.as_str()) == replaced {
                continue;
            }
            let name = [whose.chat.as_bytes(), whose.id.as_bytes()];
            tables
                .sent_messages
                .delete(batch, &tables.sent_messages.named(&name));
            tables.sent_queue.delete(batch, &place);
            dropped += 1;
        }
        Ok(dropped)
    }

    /// Reads and deletes under one lock: of two calls only one gets the message.
    /// A [keeping](SledStore::keeping_sent) store only reads.
    pub(super) fn take_sent(&self, chat: &str, id: &str) -> Result<Option<Vec<u8>>> {
        if self.keeps_sent {
            self.write(|_batch| Ok(()))?;
            return Ok(self.sent_row(chat, id)?.map(|row| row.payload));
        }
        let tables = self.tables();
        let mut known = locked(&self.locks().sent_messages);
        let taken = self.write(|batch| {
            let Some(row) = self.sent_row(chat, id)? else {
                return Ok(None);
            };
            let name = [chat.as_bytes(), id.as_bytes()];
            tables
                .sent_messages
                .delete(batch, &tables.sent_messages.named(&name));
            let place = tables.sent_queue.ordered(row.order);
            tables.sent_queue.delete(batch, &place);
            Ok(Some(row.payload))
        })?;
        if let (Some(queue), Some(_)) = (known.as_mut(), &taken) {
            queue.length = queue.length.saturating_sub(1);
        }
        Ok(taken)
    }

    pub(super) fn expire_sent(&self, cutoff: i64) -> Result<u32> {
        let tables = self.tables();
        let mut known = locked(&self.locks().sent_messages);
        let deleted = self.write(|batch| {
            let mut deleted = 0;
            for place in scan_ordered(&tables.sent_queue) {
                let (place, value) = place?;
                let whose: SentPlace = decode(&value)?;
                if whose.stored_at >= cutoff {
                    break;
                }
                let name = [whose.chat.as_bytes(), whose.id.as_bytes()];
                tables
                    .sent_messages
                    .delete(batch, &tables.sent_messages.named(&name));
                tables.sent_queue.delete(batch, &place);
                deleted += 1;
            }
            Ok(deleted)
        })?;
        if let Some(queue) = known.as_mut() {
            queue.length = queue
                .length
                .saturating_sub(usize::try_from(deleted).unwrap_or(usize::MAX));
        }
        Ok(deleted)
    }
}
