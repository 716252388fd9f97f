//! Messages on their way to the messenger, each sent once per key.
//!
//! ```text
//! queued ──► handed ──► acked
//!    │          ├─────► uncertain ── proof, or the key again ──► acked
//!    │          └─────► failed
//!    └── nothing was handed over ──► not sent ── the key again ──► queued
//! ```
//!
//! A send is a record with parts, whose ids on the wire are chosen and on disk
//! before anything is handed over. Handing a part over again under its id is a
//! retransmission, which receivers show once; so after a crash, a lost answer or
//! a caller that gave up, repeating the key is always safe.
//!
//! # Durability
//!
//! * The record is on disk before its first part is handed over.
//! * The result is on disk before a caller sees it, unless the caller's time is
//!   up; then it is told that the result is open.
//! * Answers for single parts and late proofs reach the disk with the next sync.
//!   If a crash loses them, the part is sent again under its id.

mod flight;
mod lane;
mod record;
mod store;
#[cfg(test)]
mod tests;
mod types;

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use loong_proto::store::OutboxRecord;
use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::types::{
    OutboxCounts, OutboxError, OutboxItem, OutboxState, Pace, SendReceipt, SendRequest, SendState,
};
use self::{flight::Flight, lane::Lanes, store::Store};
use crate::{
    clock::{Clock, millis},
    driver::{DeliveryProof, Driver},
    message::ChatId,
    vault::Vault,
};

/// How long a send is remembered: longer than the tombstone of a message that it
/// may answer.
pub const DEFAULT_RETENTION: Duration = Duration::from_hours(33 * 24);

/// The longest key, in bytes. Cursors are keys, and ids are short.
const MAX_KEY: usize = 512;

/// What a key that nobody gave begins with.
const MADE_UP: &str = "auto-";

/// The outbox of one account.
#[derive(Clone)]
pub struct Outbox(Arc<Inner>);

struct Inner {
    store: Store,
    retention: Duration,
    pace: Pace,
    clock: Arc<dyn Clock>,
    table: Mutex<Table>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// What is on its way.
#[derive(Default)]
struct Table {
    flights: HashMap<String, Arc<Flight>>,
    lanes: Lanes,
    /// The keys of sends without a final result, those on their way included.
    uncertain: HashSet<String>,
    counts: OutboxCounts,
}

/// What a request for a key found.
enum Boarding {
    /// The result is final.
    Known(SendReceipt),
    /// It is on its way.
    Flying {
        flight: Arc<Flight>,
        repeated: bool,
        other_text: bool,
    },
}

impl std::fmt::Debug for Outbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outbox")
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

impl Outbox {
    /// Opens the outbox in `vault`. Sends are remembered for `retention`, see
    /// [`DEFAULT_RETENTION`]; what was on its way when the last process ended is
    /// uncertain, and is not sent by itself. Blocks.
    ///
    /// # Errors
    /// When the store fails, or holds a record that means nothing.
    pub fn open(
        vault: &Vault,
        retention: Duration,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OutboxError> {
        let store = Store::new(vault);
        let mut table = Table::default();
        for mut record in store.open_records()? {
            if record::interrupt(&mut record) {
                store.put(&record, true)?;
            }
            if store::is_open(&record) {
                table.uncertain.insert(record.key);
            }
        }
        Ok(Self(Arc::new(Inner {
            store,
            retention,
            pace: Pace::default(),
            clock,
            table: Mutex::new(table),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        })))
    }

    /// Changes how fast messages follow each other in one chat. Call it before
    /// the outbox is shared.
    #[must_use]
    pub fn with_pace(mut self, pace: Pace) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            inner.pace = pace;
        }
        self
    }

    /// Sends a text once per key, and answers within 7.5 s. Sends to one chat go
    /// in the order of the calls.
    ///
    /// A key that was used before gives the first result if that is final, also
    /// for another text ([`SendReceipt::other_text`]); otherwise what is missing
    /// is sent again under the same ids. Calls with one key at the same time
    /// share one send. Dropping the call does not stop the send.
    ///
    /// # Errors
    /// When the request cannot be a send, the key belongs to another chat, or the
    /// store fails. Nothing is sent then.
    pub async fn send(
        &self,
        driver: &Arc<dyn Driver>,
        request: SendRequest,
    ) -> Result<SendReceipt, OutboxError> {
        let deadline = Instant::now() + flight::ANSWER_WITHIN;
        match self.board(driver, request)? {
            Boarding::Known(receipt) => {
                // It may have become final a moment ago.
                self.0.store.vault.sync().await?;
                Ok(receipt)
            }
            Boarding::Flying {
                flight,
                repeated,
                other_text,
            } => flight.answer(deadline, repeated, other_text).await,
        }
    }

    /// Notes what the messenger said about a sent part later on. Returns whether
    /// that was news. Ids that are not ours are ignored, and so is the chat: the
    /// messenger may know it by another address by now.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn proof(
        &self,
        _chat: &ChatId,
        message_id: &str,
        proof: DeliveryProof,
    ) -> Result<bool, OutboxError> {
        let news = self.0.prove(message_id, proof)?;
        if news {
            self.0.store.vault.sync().await?;
        }
        Ok(news)
    }

    /// How many sends are where.
    #[must_use]
    pub fn counts(&self) -> OutboxCounts {
        let table = self.0.table();
        OutboxCounts {
            in_flight: table.flights.len(),
            uncertain: table
                .uncertain
                .iter()
                .filter(|key| !table.flights.contains_key(*key))
                .count(),
            ..table.counts
        }
    }

    /// The sends of the last weeks, newest first, at most `limit`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self, limit: usize) -> Result<Vec<OutboxItem>, OutboxError> {
        let inner = Arc::clone(&self.0);
        let read = tokio::task::spawn_blocking(move || {
            let mut items = Vec::new();
            for record in inner.store.all() {
                let record = record?;
                let in_flight = inner.table().flights.contains_key(&record.key);
                items.push(record::item(&record, in_flight));
            }
            items.sort_by_key(|item| std::cmp::Reverse(item.created_ms));
            items.truncate(limit);
            Ok(items)
        });
        read.await
            .map_err(|error| OutboxError::Task(error.to_string()))?
    }

    /// One send, by its key or by the id of one of its parts; with the texts of
    /// the parts that did not arrive.
    ///
    /// # Errors
    /// When the store fails.
    pub fn show(&self, what: &str) -> Result<Option<(OutboxItem, Vec<String>)>, OutboxError> {
        let inner = &self.0;
        let record = match inner.store.get(what)? {
            Some(record) => Some(record),
            None => match inner.store.key_of(what)? {
                Some(key) => inner.store.get(&key)?,
                None => None,
            },
        };
        let shown = record.map(|record| {
            let in_flight = inner.table().flights.contains_key(&record.key);
            let open = record.parts.iter().filter(|part| !record::is_acked(part));
            let texts = open.map(|part| part.text.clone()).collect();
            (record::item(&record, in_flight), texts)
        });
        Ok(shown)
    }

    /// Deletes sends that are older than the retention. `answers` says whether a
    /// key is a cursor that the inbox still knows: such a send stays, and for at
    /// least a day longer than the message it answers.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sweep(
        &self,
        answers: impl Fn(&str) -> bool + Send + 'static,
    ) -> Result<usize, OutboxError> {
        let inner = Arc::clone(&self.0);
        let now_ms = inner.clock.now_ms();
        let before = now_ms.saturating_sub(millis(inner.retention));
        let swept = tokio::task::spawn_blocking(move || {
            let swept = inner.store.sweep(before, now_ms, |key| {
                let table = (!answers(key)).then(|| inner.table())?;
                (!table.flights.contains_key(key)).then_some(table)
            });
            inner.forget_deleted()?;
            swept
        });
        swept
            .await
            .map_err(|error| OutboxError::Task(error.to_string()))?
    }

    /// Takes no more sends, waits for those on their way, and gives up on them
    /// after `within`.
    pub async fn close(&self, within: Duration) {
        self.0.tasks.close();
        let done = tokio::time::timeout(within, self.0.tasks.wait()).await;
        self.0.stop.cancel();
        if done.is_err() {
            self.0.tasks.wait().await;
        }
    }

    /// Finds out what a request is, and sets it off if it has to be.
    fn board(
        &self,
        driver: &Arc<dyn Driver>,
        request: SendRequest,
    ) -> Result<Boarding, OutboxError> {
        let inner = &self.0;
        if inner.tasks.is_closed() {
            return Err(OutboxError::Closed);
        }
        let key = checked_key(&request)?;
        let digest = record::digest(&request.text);
        let mut table = inner.table();
        if let Some(flight) = table.flights.get(&key) {
            if flight.chat != request.chat {
                return Err(OutboxError::KeyConflict);
            }
            let other_text = flight.record().0.text_digest != digest;
            flight.again.notify_waiters();
            return Ok(Boarding::Flying {
                flight: Arc::clone(flight),
                repeated: true,
                other_text,
            });
        }
        let known = inner.store.get(&key)?;
        let repeated = known.is_some();
        let other_text = known
            .as_ref()
            .is_some_and(|known| known.text_digest != digest);
        let record = match known {
            Some(known) if known.chat != request.chat.as_str() => {
                return Err(OutboxError::KeyConflict);
            }
            Some(known) if record::is_final(&known) => {
                let receipt = record::receipt(&known, repeated, other_text);
                return Ok(Boarding::Known(receipt));
            }
            Some(known) => inner.again(known, other_text, driver.as_ref(), &request)?,
            None => inner.fresh(&key, digest, driver.as_ref(), &request)?,
        };
        let flight = Arc::new(Flight::new(record));
        let turn = table.lanes.queue(&request.chat);
        table.uncertain.insert(key.clone());
        table.flights.insert(key, Arc::clone(&flight));
        drop(table);
        let task = flight::run(
            Arc::clone(inner),
            Arc::clone(driver),
            Arc::clone(&flight),
            turn,
        );
        // The tracker is waited for in `close`.
        drop(inner.tasks.spawn(task));
        Ok(Boarding::Flying {
            flight,
            repeated,
            other_text,
        })
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Inner {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a new send down; not on disk yet.
    fn fresh(
        &self,
        key: &str,
        digest: Vec<u8>,
        driver: &dyn Driver,
        request: &SendRequest,
    ) -> Result<OutboxRecord, OutboxError> {
        let now_ms = self.clock.now_ms();
        let texts = driver.layout(&request.text).into_iter();
        let record = OutboxRecord {
            key: key.to_owned(),
            chat: request.chat.as_str().to_owned(),
            text_digest: digest,
            parts: texts
                .map(|text| record::part(driver.new_message_id(), text))
                .collect(),
            created_ms: now_ms,
            updated_ms: now_ms,
            requests: 1,
            expires_ms: None,
        };
        self.store.create(&record)?;
        Ok(record)
    }

    /// Takes up a send whose result is open; not on disk yet. If nothing of it
    /// was ever handed over, a new text replaces the old one.
    fn again(
        &self,
        known: OutboxRecord,
        other_text: bool,
        driver: &dyn Driver,
        request: &SendRequest,
    ) -> Result<OutboxRecord, OutboxError> {
        let requests = known.requests.saturating_add(1);
        let record = if other_text && known.parts.iter().all(record::is_queued) {
            self.store.delete(&known)?;
            let ids = known.parts.into_iter().map(|part| part.message_id);
            let ids = ids.chain(std::iter::repeat_with(|| driver.new_message_id()));
            let texts = driver.layout(&request.text).into_iter();
            OutboxRecord {
                text_digest: record::digest(&request.text),
                parts: ids
                    .zip(texts)
                    .map(|(id, text)| record::part(id, text))
                    .collect(),
                requests,
                expires_ms: None,
                ..known
            }
        } else {
            OutboxRecord {
                requests,
                expires_ms: None,
                ..known
            }
        };
        self.store.create(&record)?;
        Ok(record)
    }

    fn prove(&self, message_id: &str, proof: DeliveryProof) -> Result<bool, OutboxError> {
        let Some(key) = self.store.key_of(message_id)? else {
            return Ok(false);
        };
        let now_ms = self.clock.now_ms();
        let prove = |record: &mut OutboxRecord| {
            let part = record
                .parts
                .iter_mut()
                .find(|part| part.message_id == message_id);
            let news = part.is_some_and(|part| record::prove(part, proof, now_ms));
            if news {
                record.updated_ms = now_ms;
            }
            news
        };
        let mut table = self.table();
        if let Some(flight) = table.flights.get(&key) {
            let mut record = flight.record();
            let news = prove(&mut record.0);
            if news {
                self.store.put(&record.0, !record::is_final(&record.0))?;
                flight.proved.notify_waiters();
            }
            return Ok(news);
        }
        let Some(mut record) = self.store.get(&key)? else {
            return Ok(false);
        };
        if !prove(&mut record) {
            return Ok(false);
        }
        let open = store::is_open(&record);
        self.store.put(&record, open)?;
        if !open {
            table.uncertain.remove(&key);
        }
        Ok(true)
    }

    /// A send has ended; `written` if its result could be stored.
    fn land(&self, flight: &Flight, written: bool) {
        let mut table = self.table();
        let record = flight.record();
        let key = &record.0.key;
        table.flights.remove(key);
        let counts = &mut table.counts;
        match record::state(&record.0) {
            SendState::Acked => counts.acked = counts.acked.saturating_add(1),
            SendState::Failed(_) => counts.failed = counts.failed.saturating_add(1),
            SendState::NotSent => counts.not_sent = counts.not_sent.saturating_add(1),
            SendState::Uncertain => {}
        }
        if written && !store::is_open(&record.0) {
            table.uncertain.remove(key);
        }
    }

    /// After a sweep: deleted sends are not uncertain any more.
    fn forget_deleted(&self) -> Result<(), OutboxError> {
        let keys: Vec<String> = self.table().uncertain.iter().cloned().collect();
        for key in keys {
            let mut table = self.table();
            if !table.flights.contains_key(&key) && self.store.get(&key)?.is_none() {
                table.uncertain.remove(&key);
            }
        }
        Ok(())
    }
}

/// The key of a request, made up if it has none.
fn checked_key(request: &SendRequest) -> Result<String, OutboxError> {
    if request.text.trim().is_empty() {
        return Err(OutboxError::BlankText);
    }
    match &request.key {
        Some(key) if key.is_empty() || key.len() > MAX_KEY => {
            Err(OutboxError::BadKey { max: MAX_KEY })
        }
        Some(key) => Ok(key.clone()),
        None => Ok(format!("{MADE_UP}{:032x}", fastrand::u128(..))),
    }
}
