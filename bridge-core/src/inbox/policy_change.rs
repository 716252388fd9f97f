//! Applying an allowlist to messages that are already here.

use loong_proto::store::InboxEnd;

use super::{Inbox, InboxError, State, entry::Place};
use crate::policy::Verdict;

/// What an allowlist changed about the messages that were already here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct PolicyReport {
    /// Released from quarantine to the consumer.
    pub released: usize,
    /// Removed from quarantine, since the list does not name their chats.
    pub refused: usize,
    /// Put back into quarantine, since the list names their chats no longer.
    pub withheld: usize,
}

/// The changes, by number of the message.
#[derive(Default)]
struct Changes {
    moved: Vec<(u64, Place)>,
    refused: Vec<u64>,
    report: PolicyReport,
}

impl Inbox {
    /// Applies the policy in force to what is here already. On disk when it
    /// returns `Ok`.
    ///
    /// * Quarantined messages of allowed chats are released, as far as there is
    ///   room; the rest follows when messages are acknowledged.
    /// * Quarantined messages that a configured list does not name are removed.
    /// * Messages that were let in and are not allowed any more go to quarantine
    ///   with their texts: a slip in a list must not destroy mail. Those that a
    ///   consumer has right now stay with it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn policy_changed(&self) -> Result<PolicyReport, InboxError> {
        let report = self.apply_policy()?;
        self.sync().await?;
        self.removed();
        Ok(report)
    }

    /// [`Inbox::policy_changed`] without waiting for the disk: if it is lost, it
    /// is done again when the inbox is opened.
    pub(super) fn apply_policy(&self) -> Result<PolicyReport, InboxError> {
        let mut state = self.lock();
        let changes = self.decide(&mut state);
        let now_ms = self.clock.now_ms();
        let mut batch = self.store.vault.batch();
        for (number, place) in &changes.moved {
            if let Some(entry) = state.index.get(*number) {
                let mut standing = entry.standing.clone();
                standing.place = *place;
                standing.accepted = true;
                self.store.update(&mut batch, *number, &standing, None)?;
            }
        }
        for number in &changes.refused {
            if let Some(entry) = state.index.get(*number) {
                self.store
                    .bury(&mut batch, *number, entry, InboxEnd::Refused, now_ms);
            }
        }
        let mut totals = state.totals;
        totals.refused = totals.refused.saturating_add(changes.report.refused as u64);
        if totals != state.totals {
            self.store.put_totals(&mut batch, &totals);
        }
        if !batch.is_empty() {
            self.store.vault.apply(batch)?;
        }
        state.totals = totals;
        for (number, place) in changes.moved {
            state.index.change(number, |entry| {
                entry.standing.place = place;
                entry.standing.accepted = true;
            });
        }
        for number in changes.refused {
            state.index.remove(number);
        }
        drop(state);
        self.changed.notify_waiters();
        Ok(changes.report)
    }

    fn decide(&self, state: &mut State) -> Changes {
        let mut changes = Changes::default();
        let mut occupied = state.index.occupied();
        let mut waits = false;
        for (number, entry) in state.index.iter() {
            let verdict = self.policy.verdict(&entry.chat, &entry.aliases);
            match (entry.standing.place, verdict) {
                (Place::Quarantined, Verdict::Deliver) if occupied < self.limits.max_pending => {
                    occupied += 1;
                    changes.moved.push((number, Place::Waiting));
                    changes.report.released += 1;
                }
                (Place::Quarantined, Verdict::Deliver) => waits = true,
                (Place::Quarantined, Verdict::Refuse) if !entry.standing.accepted => {
                    changes.refused.push(number);
                    changes.report.refused += 1;
                }
                (Place::Waiting, Verdict::Quarantine | Verdict::Refuse)
                    if entry.lease.is_none() =>
                {
                    occupied = occupied.saturating_sub(1);
                    changes.moved.push((number, Place::Quarantined));
                    changes.report.withheld += 1;
                }
                _ => {}
            }
        }
        state.release_waits = waits;
        changes
    }
}
