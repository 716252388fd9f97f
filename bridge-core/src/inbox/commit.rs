//! Taking events in: decided for all of them first, then written in one batch.

use std::collections::{BTreeMap, HashMap, HashSet};

use loong_proto::store::{InboxEnd, InboxTombstone, InboxTotals};

use super::{
    CommitReport, Cursor, InboxError, InboxLimits, InboxState, State,
    entry::{Entry, Place, Standing},
    index::Index,
    record,
    seen::Sighting,
    store::Store,
};
use crate::{
    driver::IngressError,
    message::{ChatId, InboundEvent, InboundMessage},
    policy::{PolicyHandle, Verdict},
    vault::{Batch, VaultError},
};

/// What a commit is going to change. Nothing is changed while it is built, so
/// that a commit that does not fit leaves no trace.
pub(super) struct Plan<'a> {
    store: &'a Store,
    limits: &'a InboxLimits,
    policy: &'a PolicyHandle,
    now_ms: u64,
    pub(super) report: CommitReport,
    /// `None` where the message was withdrawn or crowded out at once.
    news: Vec<Option<New>>,
    placed: HashMap<Cursor, usize>,
    edits: BTreeMap<u64, String>,
    gone: BTreeMap<u64, InboxEnd>,
    graves: Vec<(Cursor, InboxTombstone)>,
    buried: HashSet<Cursor>,
    seen: Vec<Sighting>,
    occupied: usize,
}

struct New {
    cursor: Cursor,
    message: InboundMessage,
    place: Place,
    edited: bool,
}

impl<'a> Plan<'a> {
    pub(super) fn new(
        store: &'a Store,
        limits: &'a InboxLimits,
        policy: &'a PolicyHandle,
        index: &Index,
        now_ms: u64,
    ) -> Self {
        Self {
            store,
            limits,
            policy,
            now_ms,
            report: CommitReport::default(),
            news: Vec::new(),
            placed: HashMap::new(),
            edits: BTreeMap::new(),
            gone: BTreeMap::new(),
            graves: Vec::new(),
            buried: HashSet::new(),
            seen: Vec::new(),
            occupied: index.occupied(),
        }
    }

    /// Decides about all events, in order.
    pub(super) fn take(
        &mut self,
        index: &Index,
        events: Vec<InboundEvent>,
    ) -> Result<(), IngressError> {
        for event in events {
            match event {
                InboundEvent::Message(message) => self.message(index, message)?,
                InboundEvent::Edit {
                    chat,
                    sender,
                    target_id,
                    text,
                } => {
                    let cursor = self.cursor(&chat, &sender, &target_id);
                    self.edit(index, &cursor, text);
                }
                InboundEvent::Revoke {
                    chat,
                    sender,
                    target_id,
                } => self.revoke(index, &chat, &sender, &target_id)?,
            }
        }
        self.crowd_out(index);
        Ok(())
    }

    fn cursor(&self, chat: &ChatId, sender: &ChatId, id: &str) -> Cursor {
        Cursor::of(&self.limits.cursor_prefix, chat, sender, id)
    }

    fn message(&mut self, index: &Index, message: InboundMessage) -> Result<(), IngressError> {
        let cursor = self.cursor(&message.chat, &message.sender, &message.id);
        let known = self.placed.contains_key(&cursor)
            || self.buried.contains(&cursor)
            || index.find(cursor.as_str()).is_some()
            || self.store.is_buried(cursor.as_str())?;
        if known {
            self.report.duplicates += 1;
            return Ok(());
        }
        let verdict = self.policy.evaluate(&message);
        let place = match verdict {
            Verdict::Deliver => {
                if self.occupied >= self.limits.max_pending {
                    return Err(IngressError::Full {
                        limit: self.limits.max_pending,
                    });
                }
                self.occupied += 1;
                self.report.delivered += 1;
                Place::Waiting
            }
            Verdict::Quarantine => {
                self.report.quarantined += 1;
                Place::Quarantined
            }
            Verdict::Refuse => {
                self.report.refused += 1;
                self.bury_new(cursor, &message, InboxEnd::Refused);
                self.seen.push(Sighting::of(&message, verdict));
                return Ok(());
            }
        };
        self.seen.push(Sighting::of(&message, verdict));
        self.placed.insert(cursor.clone(), self.news.len());
        self.news.push(Some(New {
            cursor,
            message,
            place,
            edited: false,
        }));
        Ok(())
    }

    fn edit(&mut self, index: &Index, cursor: &Cursor, text: String) {
        let new = self
            .placed
            .get(cursor)
            .and_then(|at| self.news.get_mut(*at));
        if let Some(Some(new)) = new {
            new.message.text = text;
            new.edited = true;
            self.report.edits_applied += 1;
            return;
        }
        match index.find(cursor.as_str()) {
            Some((number, entry))
                if entry.state() != InboxState::Leased && !self.gone.contains_key(&number) =>
            {
                self.edits.insert(number, text);
                self.report.edits_applied += 1;
            }
            _ => self.report.edits_dropped += 1,
        }
    }

    fn revoke(
        &mut self,
        index: &Index,
        chat: &ChatId,
        sender: &ChatId,
        id: &str,
    ) -> Result<(), VaultError> {
        let cursor = self.cursor(chat, sender, id);
        let new = self
            .placed
            .get(&cursor)
            .and_then(|at| self.news.get_mut(*at));
        if let Some(new) = new.and_then(Option::take) {
            if new.place == Place::Waiting {
                self.occupied = self.occupied.saturating_sub(1);
            }
            self.report.revoked += 1;
            self.bury_new(cursor, &new.message, InboxEnd::Revoked);
            return Ok(());
        }
        match index.find(cursor.as_str()) {
            Some((_, entry)) if entry.state() == InboxState::Leased => {
                self.report.revokes_late += 1;
            }
            Some((number, _)) => {
                self.edits.remove(&number);
                if self.gone.insert(number, InboxEnd::Revoked).is_none() {
                    self.report.revoked += 1;
                }
            }
            None => {
                self.report.revokes_late += 1;
                // It may still be on its way; then nobody should answer it.
                if !self.store.is_buried(cursor.as_str())? && self.buried.insert(cursor.clone()) {
                    let grave = InboxTombstone {
                        end: InboxEnd::Revoked.into(),
                        ended_ms: self.now_ms,
                        received_ms: self.now_ms,
                        chat: chat.as_str().to_owned(),
                        sender: sender.as_str().to_owned(),
                        id: id.to_owned(),
                        attempts: 0,
                        last_error: None,
                    };
                    self.graves.push((cursor, grave));
                }
            }
        }
        Ok(())
    }

    /// Makes room in a full quarantine, at the cost of what is oldest in there.
    fn crowd_out(&mut self, index: &Index) {
        let old = index.quarantined().iter().copied();
        let old: Vec<u64> = old
            .filter(|number| !self.gone.contains_key(number))
            .collect();
        let new: Vec<usize> = (0..self.news.len())
            .filter(|at| matches!(self.news.get(*at), Some(Some(new)) if new.place == Place::Quarantined))
            .collect();
        let excess = (old.len() + new.len()).saturating_sub(self.limits.max_quarantine);
        if new.is_empty() || excess == 0 {
            return;
        }
        self.report.crowded_out += excess;
        for number in old.iter().take(excess) {
            self.edits.remove(number);
            self.gone.insert(*number, InboxEnd::CrowdedOut);
        }
        for at in new.into_iter().take(excess.saturating_sub(old.len())) {
            if let Some(new) = self.news.get_mut(at).and_then(Option::take) {
                self.bury_new(new.cursor, &new.message, InboxEnd::CrowdedOut);
            }
        }
    }

    fn bury_new(&mut self, cursor: Cursor, message: &InboundMessage, end: InboxEnd) {
        let standing = Standing::new(Place::Quarantined, self.now_ms);
        let entry = Entry::new(cursor.clone(), message, standing);
        self.buried.insert(cursor.clone());
        self.graves
            .push((cursor, record::tombstone(&entry, end, self.now_ms)));
    }

    /// Writes everything in one batch, and then changes what is in memory.
    pub(super) fn carry_out(mut self, state: &mut State) -> Result<(), InboxError> {
        let report = self.report;
        state.duplicates = state.duplicates.saturating_add(report.duplicates as u64);
        let news = self.numbered(state.index.next());
        let mut batch = self.store.vault.batch();
        for (number, entry, message) in &news {
            self.store
                .put(&mut batch, *number, &entry.cursor, message, &entry.standing);
        }
        self.write_changes(&state.index, &mut batch)?;
        let totals = add_up(&state.totals, &report);
        if totals != state.totals {
            self.store.put_totals(&mut batch, &totals);
        }
        let seen = std::mem::take(&mut self.seen);
        let limit = self.limits.max_chats_seen;
        state
            .seen
            .note(seen, limit, self.now_ms, self.store, &mut batch);
        if batch.is_empty() {
            return Ok(());
        }
        self.store.vault.apply(batch)?;
        state.totals = totals;
        for (number, entry, _) in news {
            state.index.insert(number, entry);
        }
        for number in self.edits.keys() {
            state
                .index
                .change(*number, |entry| entry.standing.edited = true);
        }
        for number in self.gone.keys() {
            state.index.remove(*number);
        }
        Ok(())
    }

    /// The new messages with their numbers, from `first` on.
    fn numbered(&mut self, first: u64) -> Vec<(u64, Entry, InboundMessage)> {
        let news = std::mem::take(&mut self.news).into_iter().flatten();
        (first..)
            .zip(news)
            .map(|(number, new)| {
                let mut standing = Standing::new(new.place, self.now_ms);
                standing.edited = new.edited;
                let entry = Entry::new(new.cursor, &new.message, standing);
                (number, entry, new.message)
            })
            .collect()
    }

    /// Adds what happens to messages that are here already, and tombstones.
    fn write_changes(&self, index: &Index, batch: &mut Batch) -> Result<(), InboxError> {
        for (number, text) in &self.edits {
            if let Some(entry) = index.get(*number) {
                let mut standing = entry.standing.clone();
                standing.edited = true;
                self.store.update(batch, *number, &standing, Some(text))?;
            }
        }
        for (number, end) in &self.gone {
            if let Some(entry) = index.get(*number) {
                self.store.bury(batch, *number, entry, *end, self.now_ms);
            }
        }
        for (cursor, grave) in &self.graves {
            self.store.put_grave(batch, cursor, grave);
        }
        Ok(())
    }
}

fn add_up(totals: &InboxTotals, report: &CommitReport) -> InboxTotals {
    let add = |total: u64, more: usize| total.saturating_add(more as u64);
    InboxTotals {
        refused: add(totals.refused, report.refused),
        revoked: add(totals.revoked, report.revoked),
        crowded_out: add(totals.crowded_out, report.crowded_out),
        edits_dropped: add(totals.edits_dropped, report.edits_dropped),
        edits_applied: add(totals.edits_applied, report.edits_applied),
        revokes_late: add(totals.revokes_late, report.revokes_late),
        ..*totals
    }
}
