//! What an operator can see and do.

use loong_proto::store::{InboxEnd, InboxTombstone};

use super::{Inbox, InboxError, InboxItem, InboxState, SeenChat, entry::Entry};
use crate::{message::InboundMessage, policy::Verdict};

impl Inbox {
    /// The messages in the inbox, oldest first, without their texts; only those
    /// in `state` if one is given, at most `limit`.
    #[must_use]
    pub fn list(&self, state: Option<InboxState>, limit: usize) -> Vec<InboxItem> {
        let inner = self.lock();
        let entries = inner.index.iter().map(|(_, entry)| entry);
        entries
            .filter(|entry| state.is_none_or(|state| entry.state() == state))
            .take(limit)
            .map(Entry::item)
            .collect()
    }

    /// One message with its text.
    ///
    /// # Errors
    /// When the store fails, or the record is damaged.
    pub fn show(&self, cursor: &str) -> Result<Option<(InboxItem, InboundMessage)>, InboxError> {
        let state = self.lock();
        let Some((number, entry)) = state.index.find(cursor) else {
            return Ok(None);
        };
        let message = self.store.read(number)?.map(|(_, message, _)| message);
        Ok(message.map(|message| (entry.item(), message)))
    }

    /// Lets a parked message, or one that waits for its retry, be handed out
    /// again at once, with a clean record. Returns whether there was one. On disk
    /// when it returns `Ok`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn retry(&self, cursor: &str) -> Result<bool, InboxError> {
        {
            let mut state = self.lock();
            let found = state
                .index
                .find(cursor)
                .map(|(number, entry)| (number, entry.state()));
            let Some((number, InboxState::Parked | InboxState::Pending)) = found else {
                return Ok(false);
            };
            state
                .index
                .change(number, |entry| entry.standing.start_over());
            self.store_standings(&state, &[number])?;
        }
        self.sync().await?;
        Ok(true)
    }

    /// Removes a message without anyone having handled it; a tombstone stays.
    /// Returns whether there was one. On disk when it returns `Ok`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn drop_message(&self, cursor: &str) -> Result<bool, InboxError> {
        if !self.remove(cursor, InboxEnd::Dropped)? {
            return Ok(false);
        }
        self.sync().await?;
        self.removed();
        Ok(true)
    }

    /// The chats that wrote to the account, the latest first.
    #[must_use]
    pub fn chats_seen(&self) -> Vec<SeenChat> {
        self.lock().seen.list()
    }

    /// What happened to a message and why, in lines for people; empty if nothing
    /// is known about it. Takes a cursor, or a message id of the messenger, for
    /// which every tombstone may have to be read.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn explain(&self, what: &str) -> Result<Vec<String>, InboxError> {
        let now_ms = self.clock.now_ms();
        let mut lines: Vec<String> = {
            let state = self.lock();
            let entries = state.index.iter();
            let meant = entries.filter(|(_, e)| e.cursor.as_str() == what || e.id == what);
            meant
                .flat_map(|(number, _)| self.explain_entry(&state, number, now_ms))
                .collect()
        };
        if !lines.is_empty() {
            return Ok(lines);
        }
        if let Some(grave) = self.store.grave(what)? {
            return Ok(explain_grave(what, &grave, now_ms));
        }
        let (store, id) = (self.store.clone(), what.to_owned());
        let graves = tokio::task::spawn_blocking(move || store.graves_of(&id))
            .await
            .map_err(|error| InboxError::Task(error.to_string()))??;
        for (cursor, grave) in graves {
            lines.extend(explain_grave(&cursor, &grave, now_ms));
        }
        Ok(lines)
    }

    fn explain_entry(&self, state: &super::State, number: u64, now_ms: u64) -> Vec<String> {
        let Some(entry) = state.index.get(number) else {
            return Vec::new();
        };
        let standing = &entry.standing;
        let mut lines = vec![
            entry.cursor.as_str().to_owned(),
            format!(
                "arrived {} ago in {}",
                ago(standing.received_ms, now_ms),
                entry.chat
            ),
        ];
        if standing.edited {
            lines.push("its sender changed the text while it waited".to_owned());
        }
        if standing.attempts > 0 {
            lines.push(format!(
                "tried {} without an acknowledgement, {} of them reported as failed, last {} ago",
                times(standing.attempts),
                standing.failures,
                ago(standing.last_attempt_ms.unwrap_or(now_ms), now_ms),
            ));
        }
        if let Some(error) = &standing.last_error {
            lines.push(format!("last error: {error}"));
        }
        lines.push(self.explain_state(state, number, entry, now_ms));
        lines
    }

    fn explain_state(
        &self,
        state: &super::State,
        number: u64,
        entry: &Entry,
        now_ms: u64,
    ) -> String {
        match (entry.state(), &entry.lease) {
            (InboxState::Leased, Some(lease)) => format!(
                "is with consumer {}, for another {} at most",
                lease.consumer.as_deref().unwrap_or("(without a name)"),
                ago(now_ms, lease.until_ms),
            ),
            (InboxState::Parked, _) => {
                "is set aside: it failed too often or its consumer asked for it; retry or drop it"
                    .to_owned()
            }
            (InboxState::Quarantined, _) if entry.standing.accepted => {
                "is in quarantine: the allowlist let its chat in once, and does not any more, or \
                 the inbox has no room to release it"
                    .to_owned()
            }
            (InboxState::Quarantined, _) => {
                "is in quarantine: no allowlist is set; it is released when one names its chat"
                    .to_owned()
            }
            (InboxState::Pending | InboxState::Leased, _) => {
                self.explain_waiting(state, number, entry, now_ms)
            }
        }
    }

    fn explain_waiting(
        &self,
        state: &super::State,
        number: u64,
        entry: &Entry,
        now_ms: u64,
    ) -> String {
        if let Some(before) = state.index.before(number) {
            return format!(
                "waits for an earlier message of its chat: {}",
                before.cursor
            );
        }
        if let Some(at) = entry.standing.retry_at_ms.filter(|at| *at > now_ms) {
            return format!("waits for its retry in {}", ago(now_ms, at));
        }
        match self.policy.verdict(&entry.chat, &entry.aliases) {
            Verdict::Deliver => "waits for a consumer to fetch it".to_owned(),
            Verdict::Quarantine | Verdict::Refuse => {
                "is not handed out: the allowlist does not name its chat any more".to_owned()
            }
        }
    }
}

fn explain_grave(cursor: &str, grave: &InboxTombstone, now_ms: u64) -> Vec<String> {
    let end = match grave.end() {
        InboxEnd::Acked => "acknowledged by a consumer",
        InboxEnd::Refused => "refused: the allowlist does not name its chat; its text was not kept",
        InboxEnd::Revoked => "withdrawn by its sender before it was handed out",
        InboxEnd::CrowdedOut => "dropped: the quarantine was full, and it was the oldest",
        InboxEnd::Dropped => "dropped by the operator",
    };
    let mut lines = vec![
        cursor.to_owned(),
        format!(
            "arrived {} ago in {}",
            ago(grave.received_ms, now_ms),
            grave.chat
        ),
        format!("{end}, {} ago", ago(grave.ended_ms, now_ms)),
    ];
    if grave.attempts > 0 {
        lines.push(format!(
            "before that, tried {} in vain",
            times(grave.attempts)
        ));
    }
    if let Some(error) = &grave.last_error {
        lines.push(format!("last error: {error}"));
    }
    lines
}

fn times(count: u32) -> String {
    match count {
        1 => "once".to_owned(),
        count => format!("{count} times"),
    }
}

/// The time between two moments, in its two largest units.
fn ago(from_ms: u64, to_ms: u64) -> String {
    let seconds = to_ms.saturating_sub(from_ms) / 1000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}
