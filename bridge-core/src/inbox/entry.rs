//! One message in the inbox, as it is kept in memory: everything but the text.

use std::time::Duration;

use super::{Cursor, InboxItem, InboxLimits, InboxState};
use crate::{
    clock::millis,
    message::{ChatId, ChatKind, InboundMessage},
};

/// The longest pause that a consumer can ask for.
const LONGEST_RETRY: Duration = Duration::from_hours(24);
/// The longest error text that is kept, in characters.
const ERROR_CHARS: usize = 500;

/// A message without its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) cursor: Cursor,
    pub(super) chat: ChatId,
    pub(super) aliases: Vec<ChatId>,
    pub(super) kind: ChatKind,
    pub(super) sender: ChatId,
    pub(super) id: String,
    pub(super) standing: Standing,
    /// Not stored: after a restart nothing is leased.
    pub(super) lease: Option<Lease>,
    /// How many messages had been acked when this one last failed.
    pub(super) acks_mark: u64,
}

/// Where a message stands; stored with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) place: Place,
    pub(super) received_ms: u64,
    /// The policy let it in once.
    pub(super) accepted: bool,
    pub(super) attempts: u32,
    /// Attempts during which other messages were acked.
    pub(super) strikes: u32,
    /// Attempts that the consumer reported as failed.
    pub(super) failures: u32,
    pub(super) first_attempt_ms: Option<u64>,
    pub(super) last_attempt_ms: Option<u64>,
    pub(super) retry_at_ms: Option<u64>,
    pub(super) last_error: Option<String>,
    pub(super) edited: bool,
}

/// The three places of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Waiting,
    Parked,
    Quarantined,
}

/// A message that a consumer has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lease {
    pub(super) consumer: Option<String>,
    pub(super) until_ms: u64,
    /// First of its batch. A consumer works in order and stops at the first
    /// failure, so only this one can have caused it.
    pub(super) head: bool,
}

/// What a consumer says about a message that it could not handle.
#[derive(Debug, Clone, Copy)]
pub(super) struct Failure<'a> {
    pub(super) error: &'a str,
    pub(super) retry_after: Option<Duration>,
    pub(super) park: bool,
}

impl Standing {
    pub(super) const fn new(place: Place, received_ms: u64) -> Self {
        Self {
            place,
            received_ms,
            accepted: matches!(place, Place::Waiting),
            attempts: 0,
            strikes: 0,
            failures: 0,
            first_attempt_ms: None,
            last_attempt_ms: None,
            retry_at_ms: None,
            last_error: None,
            edited: false,
        }
    }

    /// Whether it may be handed out now, as far as its own history goes.
    pub(super) fn is_due(&self, now_ms: u64) -> bool {
        self.retry_at_ms.is_none_or(|at| at <= now_ms)
    }

    /// A message that failed before does not go first again for a while, so that
    /// a consumer that stops at it still gets to the others.
    pub(super) fn goes_last(&self, now_ms: u64) -> bool {
        let Some(last) = self.last_attempt_ms else {
            return false;
        };
        now_ms < last.saturating_add(millis(pause(self.attempts, 5, 120)))
    }

    /// Forgets what went wrong.
    pub(super) fn start_over(&mut self) {
        *self = Self {
            accepted: self.accepted,
            edited: self.edited,
            ..Self::new(Place::Waiting, self.received_ms)
        };
    }

    fn note_attempt(&mut self, now_ms: u64) {
        self.attempts = self.attempts.saturating_add(1);
        self.first_attempt_ms.get_or_insert(now_ms);
        self.last_attempt_ms = Some(now_ms);
    }

    /// Whether it has been failing for as long as it takes to be set aside.
    fn failing_long(&self, limits: &InboxLimits, now_ms: u64) -> bool {
        self.first_attempt_ms
            .is_some_and(|first| now_ms.saturating_sub(first) >= millis(limits.park_after))
    }
}

impl Entry {
    pub(super) fn new(cursor: Cursor, message: &InboundMessage, standing: Standing) -> Self {
        Self {
            cursor,
            chat: message.chat.clone(),
            aliases: message.chat_aliases.clone(),
            kind: message.chat_kind,
            sender: message.sender.clone(),
            id: message.id.clone(),
            standing,
            lease: None,
            acks_mark: 0,
        }
    }

    pub(super) const fn state(&self) -> InboxState {
        match (self.standing.place, &self.lease) {
            (Place::Waiting, None) => InboxState::Pending,
            (Place::Waiting, Some(_)) => InboxState::Leased,
            (Place::Parked, _) => InboxState::Parked,
            (Place::Quarantined, _) => InboxState::Quarantined,
        }
    }

    pub(super) fn item(&self) -> InboxItem {
        InboxItem {
            cursor: self.cursor.as_str().to_owned(),
            chat: self.chat.clone(),
            chat_kind: self.kind,
            sender: self.sender.clone(),
            message_id: self.id.clone(),
            state: self.state(),
            received_ms: self.standing.received_ms,
            attempts: self.standing.attempts,
            last_error: self.standing.last_error.clone(),
            retry_at_ms: self.standing.retry_at_ms,
            consumer: self.lease.as_ref().and_then(|lease| lease.consumer.clone()),
            lease_until_ms: self.lease.as_ref().map(|lease| lease.until_ms),
        }
    }

    /// The lease ended without an ack. Returns whether that changed what is
    /// stored: only the head of a batch uses up an attempt. An attempt counts
    /// against the message only if others were acked meanwhile; otherwise it is
    /// the consumer that does not work.
    pub(super) fn lapse(&mut self, limits: &InboxLimits, acks: u64, now_ms: u64) -> bool {
        if !self.lease.take().is_some_and(|lease| lease.head) {
            return false;
        }
        self.standing.note_attempt(now_ms);
        if acks > self.acks_mark {
            self.standing.strikes = self.standing.strikes.saturating_add(1);
        }
        self.acks_mark = acks;
        if self.standing.strikes >= limits.max_attempts
            && self.standing.failing_long(limits, now_ms)
        {
            self.standing.place = Place::Parked;
            self.standing.last_error.get_or_insert_with(|| {
                "handed out again and again without an answer, while others were answered"
                    .to_owned()
            });
        }
        true
    }

    /// The consumer reported a failure.
    pub(super) fn fail(&mut self, failure: Failure<'_>, limits: &InboxLimits, now_ms: u64) {
        self.lease = None;
        let standing = &mut self.standing;
        standing.note_attempt(now_ms);
        standing.failures = standing.failures.saturating_add(1);
        standing.last_error = Some(failure.error.chars().take(ERROR_CHARS).collect());
        let worn_out =
            standing.failures >= limits.max_attempts && standing.failing_long(limits, now_ms);
        if failure.park || worn_out {
            standing.place = Place::Parked;
            standing.retry_at_ms = None;
            return;
        }
        let after = failure
            .retry_after
            .unwrap_or_else(|| pause(standing.failures, 1, 60));
        standing.retry_at_ms = Some(now_ms.saturating_add(millis(after.min(LONGEST_RETRY))));
    }
}

/// `first` seconds for the first time, doubled for each further one, at most
/// `longest` seconds.
fn pause(times: u32, first: u64, longest: u64) -> Duration {
    let factor = 1_u64
        .checked_shl(times.saturating_sub(1))
        .unwrap_or(u64::MAX);
    Duration::from_secs(first.saturating_mul(factor).min(longest))
}
