//! The order of the inbox: who gets what next. Knows no store and no clock.
//!
//! Within a chat, messages go out strictly in order of arrival: while one is
//! leased, or waits for its retry, the later ones of the same chat stay.
//! Between chats the oldest goes first, except that a message that was handed
//! out in vain steps back for a while, and is only ever the first of its batch.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Bound,
};

use super::{
    Cursor, InboxLimits,
    entry::{Entry, Lease, Place},
};
use crate::{clock::millis, message::ChatId};

/// All messages of the inbox, by order of arrival.
#[derive(Debug, Default)]
pub(super) struct Index {
    entries: BTreeMap<u64, Entry>,
    by_cursor: HashMap<Cursor, u64>,
    /// The waiting messages of each chat, leased ones included.
    chats: HashMap<ChatId, BTreeSet<u64>>,
    leased: BTreeSet<u64>,
    quarantined: BTreeSet<u64>,
    parked: BTreeSet<u64>,
    next: u64,
    /// Everything below this number is on disk and may be handed out.
    durable: u64,
    /// Messages acked since this process started.
    acks: u64,
}

impl Index {
    /// The number of the next message.
    pub(super) const fn next(&self) -> u64 {
        self.next
    }

    /// Notes that all messages below `number` are on disk.
    pub(super) fn made_durable(&mut self, number: u64) {
        self.durable = self.durable.max(number);
    }

    pub(super) fn insert(&mut self, number: u64, mut entry: Entry) {
        entry.acks_mark = self.acks;
        self.next = self.next.max(number.saturating_add(1));
        self.by_cursor.insert(entry.cursor.clone(), number);
        self.file(number, &entry);
        self.entries.insert(number, entry);
    }

    pub(super) fn remove(&mut self, number: u64) -> Option<Entry> {
        let entry = self.entries.remove(&number)?;
        self.by_cursor.remove(&entry.cursor);
        self.unfile(number, &entry);
        Some(entry)
    }

    /// Changes an entry, and keeps the order right.
    pub(super) fn change<T>(
        &mut self,
        number: u64,
        change: impl FnOnce(&mut Entry) -> T,
    ) -> Option<T> {
        let mut entry = self.entries.remove(&number)?;
        self.unfile(number, &entry);
        let result = change(&mut entry);
        self.file(number, &entry);
        self.entries.insert(number, entry);
        Some(result)
    }

    pub(super) fn get(&self, number: u64) -> Option<&Entry> {
        self.entries.get(&number)
    }

    pub(super) fn find(&self, cursor: &str) -> Option<(u64, &Entry)> {
        let number = *self.by_cursor.get(cursor)?;
        Some((number, self.entries.get(&number)?))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &Entry)> {
        self.entries.iter().map(|(number, entry)| (*number, entry))
    }

    /// The quarantined messages, oldest first.
    pub(super) const fn quarantined(&self) -> &BTreeSet<u64> {
        &self.quarantined
    }

    pub(super) const fn parked(&self) -> &BTreeSet<u64> {
        &self.parked
    }

    /// How many messages count against the bound of the inbox.
    pub(super) fn occupied(&self) -> usize {
        self.entries.len() - self.quarantined.len()
    }

    /// The message that has to go before this one, if there is one.
    pub(super) fn before(&self, number: u64) -> Option<&Entry> {
        let entry = self.entries.get(&number)?;
        let earlier = self.chats.get(&entry.chat)?.range(..number).next()?;
        self.entries.get(earlier)
    }

    pub(super) const fn note_ack(&mut self) {
        self.acks = self.acks.saturating_add(1);
    }

    /// Ends the leases that ran out. Returns the messages whose standing changed.
    pub(super) fn expire(&mut self, limits: &InboxLimits, now_ms: u64) -> Vec<u64> {
        let length = millis(limits.lease);
        self.end_leases(limits, now_ms, |_, lease| {
            // A lease that ends later than one given out now would was given out
            // before the clock went back.
            lease.until_ms <= now_ms || lease.until_ms > now_ms.saturating_add(length)
        })
    }

    /// Ends the leases of a consumer that came back, except those it holds,
    /// which are prolonged. Returns the messages whose standing changed.
    pub(super) fn come_back(
        &mut self,
        consumer: Option<&str>,
        holding: &[Cursor],
        limits: &InboxLimits,
        now_ms: u64,
    ) -> Vec<u64> {
        let until_ms = now_ms.saturating_add(millis(limits.lease));
        for number in holding
            .iter()
            .filter_map(|cursor| self.by_cursor.get(cursor))
        {
            let lease = self
                .entries
                .get_mut(number)
                .and_then(|entry| entry.lease.as_mut());
            if let Some(lease) = lease.filter(|lease| lease.consumer.as_deref() == consumer) {
                lease.until_ms = until_ms;
            }
        }
        self.end_leases(limits, now_ms, |entry, lease| {
            lease.consumer.as_deref() == consumer && !holding.contains(&entry.cursor)
        })
    }

    fn end_leases(
        &mut self,
        limits: &InboxLimits,
        now_ms: u64,
        ends: impl Fn(&Entry, &Lease) -> bool,
    ) -> Vec<u64> {
        let ended: Vec<u64> = self
            .leased
            .iter()
            .copied()
            .filter(|number| {
                self.entries.get(number).is_some_and(|entry| {
                    entry.lease.as_ref().is_some_and(|lease| ends(entry, lease))
                })
            })
            .collect();
        let acks = self.acks;
        ended
            .into_iter()
            .filter(|&number| {
                self.change(number, |entry| entry.lapse(limits, acks, now_ms))
                    .unwrap_or(false)
            })
            .collect()
    }

    /// The next batch, of at most `max` messages; takes nothing yet.
    pub(super) fn select(
        &self,
        max: usize,
        now_ms: u64,
        wanted: &dyn Fn(&Entry) -> bool,
    ) -> Vec<u64> {
        let busy: std::collections::HashSet<&ChatId> = self
            .leased
            .iter()
            .filter_map(|number| self.entries.get(number))
            .map(|entry| &entry.chat)
            .collect();
        let ready = |number: &u64| {
            let entry = self.entries.get(number)?;
            (*number < self.durable && entry.standing.is_due(now_ms) && wanted(entry))
                .then_some(entry)
        };
        let mut fresh = BTreeSet::new();
        let mut first: Option<(bool, u64, u64)> = None;
        for (chat, waiting) in &self.chats {
            let Some(number) = waiting.first().filter(|_| !busy.contains(chat)) else {
                continue;
            };
            let Some(entry) = ready(number) else { continue };
            if entry.standing.attempts == 0 {
                fresh.insert(*number);
            }
            let last = entry.standing.goes_last(now_ms);
            let since = if last {
                entry.standing.last_attempt_ms
            } else {
                None
            };
            let rank = (last, since.unwrap_or_default(), *number);
            first = Some(first.map_or(rank, |best| best.min(rank)));
        }
        let mut batch = Vec::new();
        let mut next = first.map(|(_, _, number)| number);
        while let Some(number) = next.filter(|_| batch.len() < max) {
            fresh.remove(&number);
            batch.push(number);
            let follower = self.follower(number).filter(|follower| {
                ready(follower).is_some_and(|entry| entry.standing.attempts == 0)
            });
            fresh.extend(follower);
            next = fresh.first().copied();
        }
        batch
    }

    /// The next waiting message of the same chat.
    fn follower(&self, number: u64) -> Option<u64> {
        let chat = &self.entries.get(&number)?.chat;
        let later = (Bound::Excluded(number), Bound::Unbounded);
        self.chats.get(chat)?.range(later).next().copied()
    }

    /// Hands the messages of a batch to a consumer. Returns when the leases end.
    pub(super) fn grant(
        &mut self,
        batch: &[u64],
        consumer: Option<&str>,
        limits: &InboxLimits,
        now_ms: u64,
    ) -> u64 {
        let until_ms = now_ms.saturating_add(millis(limits.lease));
        for (position, number) in batch.iter().enumerate() {
            let lease = Lease {
                consumer: consumer.map(str::to_owned),
                until_ms,
                head: position == 0,
            };
            let acks = self.acks;
            self.change(*number, |entry| {
                if lease.head && entry.standing.attempts == 0 {
                    entry.acks_mark = acks;
                }
                entry.lease = Some(lease);
            });
        }
        until_ms
    }

    /// When something changes by itself: a lease ends, or a retry is due.
    pub(super) fn next_change_ms(&self, now_ms: u64) -> Option<u64> {
        let leases = self.leased.iter().filter_map(|number| {
            let lease = self.entries.get(number)?.lease.as_ref()?;
            Some(lease.until_ms)
        });
        let retries = self.chats.values().filter_map(|waiting| {
            let entry = self.entries.get(waiting.first()?)?;
            entry.standing.retry_at_ms.filter(|at| *at > now_ms)
        });
        leases.chain(retries).min()
    }

    fn file(&mut self, number: u64, entry: &Entry) {
        match entry.standing.place {
            Place::Waiting => {
                self.chats
                    .entry(entry.chat.clone())
                    .or_default()
                    .insert(number);
                if entry.lease.is_some() {
                    self.leased.insert(number);
                }
            }
            Place::Parked => {
                self.parked.insert(number);
            }
            Place::Quarantined => {
                self.quarantined.insert(number);
            }
        }
    }

    fn unfile(&mut self, number: u64, entry: &Entry) {
        self.leased.remove(&number);
        self.parked.remove(&number);
        self.quarantined.remove(&number);
        if let Some(waiting) = self.chats.get_mut(&entry.chat) {
            waiting.remove(&number);
            if waiting.is_empty() {
                self.chats.remove(&entry.chat);
            }
        }
    }
}
