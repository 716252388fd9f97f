//! Messages on their way to the consumer, kept until it acknowledges them.
//!
//! ```text
//!            policy                      receive          ack
//! commit ──► pending ◄─────────────────► leased ─────────────► gone (tombstone)
//!        ├─► quarantined ─ list is set ─► pending    fail, worn out ─► parked
//!        └─► refused (tombstone only)                parked ─ retry ─► pending
//! ```
//!
//! # Durability
//!
//! * [`Inbox::commit`] returns when its events are on disk, all of them or none;
//!   before that no consumer sees them.
//! * [`Inbox::ack`], [`Inbox::retry`], [`Inbox::drop_message`] and a failure that
//!   parks return when that is on disk.
//! * Leases are only in memory: after a restart everything that was not
//!   acknowledged waits again. The number of attempts reaches the disk with the
//!   next sync; a crash forgets the last ones.
//!
//! A message that is gone leaves a tombstone, so that it is recognised when the
//! messenger delivers it again.

mod admin;
mod commit;
mod cursor;
mod entry;
mod index;
pub mod ingress;
mod policy_change;
mod receive;
mod record;
mod seen;
mod store;
#[cfg(test)]
mod tests;
mod types;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use loong_proto::store::{InboxEnd, InboxTotals};
use tokio::sync::{Notify, watch};

use self::{commit::Plan, entry::Failure, index::Index, seen::SeenChats, store::Store};
pub use self::{
    cursor::Cursor,
    policy_change::PolicyReport,
    types::{
        AckOutcome, CommitReport, InboxCounts, InboxError, InboxItem, InboxLimits, InboxState,
        Leased, ReceiveRequest, SeenChat,
    },
};
use crate::{
    clock::{Clock, millis},
    driver::IngressError,
    message::InboundEvent,
    policy::PolicyHandle,
    vault::Vault,
};

/// The inbox of one account.
pub struct Inbox {
    store: Store,
    limits: InboxLimits,
    policy: Arc<PolicyHandle>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// Something may have become available.
    changed: Notify,
    /// Whether a message was refused for want of room, and there is none yet.
    full: watch::Sender<bool>,
}

/// What is kept in memory. No texts.
struct State {
    index: Index,
    seen: SeenChats,
    totals: InboxTotals,
    duplicates: u64,
    waiters: receive::Waiters,
    /// Released messages are waiting in quarantine for room.
    release_waits: bool,
}

impl std::fmt::Debug for Inbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inbox")
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

impl Inbox {
    /// Opens the inbox in `vault`: reads what waits, and applies the policy in
    /// force to it. Blocks.
    ///
    /// # Errors
    /// When the store fails, or holds a record that means nothing.
    pub fn open(
        vault: &Vault,
        limits: InboxLimits,
        policy: Arc<PolicyHandle>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, InboxError> {
        let store = Store::new(vault);
        let loaded = store.load()?;
        let mut index = Index::default();
        for (number, entry) in loaded.messages {
            index.insert(number, entry);
        }
        // Whatever can be read now was written by a process that has ended.
        index.made_durable(index.next());
        let inbox = Self {
            store,
            limits,
            policy,
            clock,
            state: Mutex::new(State {
                index,
                seen: SeenChats::new(loaded.chats),
                totals: loaded.totals,
                duplicates: 0,
                waiters: receive::Waiters::default(),
                release_waits: false,
            }),
            changed: Notify::new(),
            full: watch::Sender::new(false),
        };
        inbox.apply_policy()?;
        Ok(inbox)
    }

    /// Stores events. When it returns `Ok` they are on disk. Committing the same
    /// message again changes nothing. A call that is dropped before it returns
    /// may have stored its events; commit them again.
    ///
    /// # Errors
    /// [`IngressError::Full`] when a new message would exceed the bound, or the
    /// store's failure. Nothing of this call was stored then.
    pub async fn commit(&self, events: Vec<InboundEvent>) -> Result<CommitReport, IngressError> {
        let report = {
            let mut state = self.lock();
            let now_ms = self.clock.now_ms();
            let mut plan = Plan::new(
                &self.store,
                &self.limits,
                &self.policy,
                &state.index,
                now_ms,
            );
            if let Err(error) = plan.take(&state.index, events) {
                if matches!(error, IngressError::Full { .. }) {
                    self.full.send_replace(true);
                }
                return Err(error);
            }
            let report = plan.report;
            plan.carry_out(&mut state).map_err(ingress_error)?;
            report
        };
        // Also if nothing changed: what is known already may not be on disk yet.
        if !cfg!(feature = "mutant-no-inbox-sync") {
            self.sync().await.map_err(ingress_error)?;
        }
        Ok(report)
    }

    /// Ends a message for good: its text is removed, a tombstone stays. On disk
    /// when it returns `Ok`. Can be repeated, and takes messages that are not
    /// leased as well.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn ack(&self, cursor: &str) -> Result<AckOutcome, InboxError> {
        let removed = self.remove(cursor, InboxEnd::Acked)?;
        let outcome = if removed {
            AckOutcome::Acked
        } else if self.store.is_buried(cursor)? {
            AckOutcome::AlreadyGone
        } else {
            AckOutcome::Unknown
        };
        if outcome != AckOutcome::Unknown {
            self.sync().await?;
            self.removed();
        }
        Ok(outcome)
    }

    /// Takes back a message that the consumer could not handle. It is handed out
    /// again after `retry_after` (at most a day; without it after a pause that
    /// grows), or set aside: at once with `park`, else after
    /// [`InboxLimits::max_attempts`] failures over [`InboxLimits::park_after`].
    /// Cursors of messages that are gone are ignored.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn fail(
        &self,
        cursor: &str,
        error: &str,
        retry_after: Option<std::time::Duration>,
        park: bool,
    ) -> Result<(), InboxError> {
        let failure = Failure {
            error,
            retry_after,
            park,
        };
        let now_ms = self.clock.now_ms();
        let parked = {
            let mut state = self.lock();
            let found = state
                .index
                .find(cursor)
                .map(|(number, entry)| (number, entry.state()));
            let Some((number, InboxState::Leased | InboxState::Pending)) = found else {
                return Ok(());
            };
            state
                .index
                .change(number, |entry| entry.fail(failure, &self.limits, now_ms));
            self.store_standings(&state, &[number])?;
            state.index.parked().contains(&number)
        };
        self.changed.notify_waiters();
        if parked {
            self.sync().await?;
        }
        Ok(())
    }

    /// Deletes the tombstones that are older than [`InboxLimits::tombstone`], and
    /// returns how many.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sweep(&self) -> Result<usize, InboxError> {
        let before = self
            .clock
            .now_ms()
            .saturating_sub(millis(self.limits.tombstone));
        let store = self.store.clone();
        tokio::task::spawn_blocking(move || store.sweep(before))
            .await
            .map_err(|error| InboxError::Task(error.to_string()))?
    }

    /// Whether the inbox still knows this message, waiting or as a tombstone.
    ///
    /// # Errors
    /// When the store fails.
    pub fn knows(&self, cursor: &str) -> Result<bool, InboxError> {
        Ok(self.lock().index.find(cursor).is_some() || self.store.is_buried(cursor)?)
    }

    /// Becomes true when a message is refused for want of room, and false when
    /// a tenth of the room is free again: the moment to go back online.
    #[must_use]
    pub fn full(&self) -> watch::Receiver<bool> {
        self.full.subscribe()
    }

    /// How many messages are where.
    #[must_use]
    pub fn counts(&self) -> InboxCounts {
        let state = self.lock();
        let index = &state.index;
        let now_ms = self.clock.now_ms();
        let mut pending = index.iter().filter(|(_, entry)| match &entry.lease {
            Some(lease) => lease.until_ms <= now_ms,
            None => entry.state() == InboxState::Pending,
        });
        let oldest_pending_ms = pending.next().map(|(_, entry)| entry.standing.received_ms);
        let pending = usize::from(oldest_pending_ms.is_some()) + pending.count();
        let totals = &state.totals;
        InboxCounts {
            pending,
            leased: index.occupied() - index.parked().len() - pending,
            parked: index.parked().len(),
            quarantined: index.quarantined().len(),
            full: *self.full.borrow(),
            oldest_pending_ms,
            acked: totals.acked,
            refused: totals.refused,
            revoked: totals.revoked,
            crowded_out: totals.crowded_out,
            dropped: totals.dropped,
            edits_dropped: totals.edits_dropped,
            revokes_late: totals.revokes_late,
            duplicates: state.duplicates,
        }
    }

    /// Removes a message and leaves a tombstone; not on disk yet.
    fn remove(&self, cursor: &str, end: InboxEnd) -> Result<bool, InboxError> {
        let mut state = self.lock();
        let Some((number, entry)) = state.index.find(cursor) else {
            return Ok(false);
        };
        let mut totals = state.totals;
        match end {
            InboxEnd::Acked => totals.acked = totals.acked.saturating_add(1),
            _ => totals.dropped = totals.dropped.saturating_add(1),
        }
        let mut batch = self.store.vault.batch();
        self.store
            .bury(&mut batch, number, entry, end, self.clock.now_ms());
        self.store.put_totals(&mut batch, &totals);
        self.store.vault.apply(batch)?;
        state.totals = totals;
        state.index.remove(number);
        if end == InboxEnd::Acked {
            state.index.note_ack();
        }
        Ok(true)
    }

    /// Tells everyone who waits for it that a message has left.
    fn removed(&self) {
        let (occupied, release) = {
            let state = self.lock();
            (state.index.occupied(), state.release_waits)
        };
        // Some room more than one message, or the session would go online and
        // offline with each ack.
        let low = self.limits.max_pending - self.limits.max_pending.div_ceil(10);
        self.full.send_if_modified(|full| {
            let room = *full && occupied <= low;
            *full &= !room;
            room
        });
        if release && let Err(error) = self.apply_policy() {
            tracing::error!(%error, "messages could not be released from quarantine");
        }
        self.changed.notify_waiters();
    }

    /// Rewrites the standings of messages; not on disk yet.
    fn store_standings(&self, state: &State, numbers: &[u64]) -> Result<(), InboxError> {
        let mut batch = self.store.vault.batch();
        for number in numbers {
            if let Some(entry) = state.index.get(*number) {
                self.store
                    .update(&mut batch, *number, &entry.standing, None)?;
            }
        }
        if !batch.is_empty() {
            self.store.vault.apply(batch)?;
        }
        Ok(())
    }

    /// Waits for the disk; what was stored before may be handed out then.
    async fn sync(&self) -> Result<(), InboxError> {
        let next = self.lock().index.next();
        self.store.vault.sync().await?;
        self.lock().index.made_durable(next);
        self.changed.notify_waiters();
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn ingress_error(error: InboxError) -> IngressError {
    match error {
        InboxError::Store(error) => IngressError::Store(error),
        other => IngressError::Store(crate::vault::VaultError::Corrupt {
            what: other.to_string(),
        }),
    }
}
