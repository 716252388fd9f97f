//! What callers of the inbox give and get.

use std::time::Duration;

use serde::Serialize;

use super::Cursor;
use crate::{
    message::{ChatId, ChatKind, InboundMessage},
    policy::{Narrowing, Verdict},
    vault::VaultError,
};

/// Bounds and times of an inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxLimits {
    /// The first field of every cursor; `wa` for WhatsApp. Must not change while
    /// a store is in use, since tombstones are found by cursor.
    pub cursor_prefix: String,
    /// How many messages may wait, leased and parked ones included. At the bound
    /// new ones are refused, and the session has to go offline.
    pub max_pending: usize,
    /// How many messages may wait in quarantine. At the bound the oldest of them
    /// loses its text and is only counted: strangers never push out real mail.
    pub max_quarantine: usize,
    /// How long a consumer may take over what it fetched. The contract knows no
    /// renewal and a turn may take minutes; a consumer that comes back ends its
    /// own leases at once, so this only matters for one that vanishes.
    pub lease: Duration,
    /// How often a message may fail before it is set aside.
    pub max_attempts: u32,
    /// How long it must have been failing for that.
    pub park_after: Duration,
    /// How long a message that is gone is recognised when it arrives again. The
    /// contract asks for at least 30 days.
    pub tombstone: Duration,
    /// How many chats the list of chats seen holds; the quietest is forgotten.
    pub max_chats_seen: usize,
}

impl Default for InboxLimits {
    fn default() -> Self {
        Self {
            cursor_prefix: "wa".to_owned(),
            max_pending: 10_000,
            max_quarantine: 1_000,
            lease: Duration::from_mins(15),
            max_attempts: 5,
            park_after: Duration::from_mins(10),
            tombstone: Duration::from_hours(31 * 24),
            max_chats_seen: 2_000,
        }
    }
}

/// Why the inbox could not do what it was asked to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InboxError {
    /// The store failed.
    #[error("inbox store: {0}")]
    Store(#[from] VaultError),
    /// A record means nothing to this version.
    #[error("inbox record {record} cannot be read: {reason}")]
    Record {
        /// Which one.
        record: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A background task of the store ended early.
    #[error("inbox task: {0}")]
    Task(String),
}

/// What a commit did with its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct CommitReport {
    /// New messages for consumers.
    pub delivered: usize,
    /// New messages in quarantine.
    pub quarantined: usize,
    /// New messages from chats that the list does not name.
    pub refused: usize,
    /// Messages that were already known.
    pub duplicates: usize,
    /// Texts that were replaced while their message waited.
    pub edits_applied: usize,
    /// Edits that came too late.
    pub edits_dropped: usize,
    /// Messages that were withdrawn while they waited.
    pub revoked: usize,
    /// Withdrawals that came too late.
    pub revokes_late: usize,
    /// Messages that lost their place in a full quarantine.
    pub crowded_out: usize,
}

/// What a consumer asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiveRequest {
    /// Who asks; requests without a name are one consumer.
    pub consumer: Option<String>,
    /// The messages it is still working on. Their leases go on, and their chats
    /// are left out. All its other leases end.
    pub holding: Vec<Cursor>,
    /// At most so many messages; at least one.
    pub max_messages: usize,
    /// How long to wait for the first message, at most [`ReceiveRequest::MAX_WAIT`].
    pub wait: Duration,
    /// The chats it wants to hear from; everything that the policy allows if
    /// there is none.
    pub allowed: Option<Narrowing>,
}

impl ReceiveRequest {
    /// The longest wait.
    pub const MAX_WAIT: Duration = Duration::from_secs(25);
    /// The largest batch.
    pub const MAX_MESSAGES: usize = 500;
}

impl Default for ReceiveRequest {
    fn default() -> Self {
        Self {
            consumer: None,
            holding: Vec::new(),
            max_messages: 16,
            wait: Duration::ZERO,
            allowed: None,
        }
    }
}

/// A message that was handed to a consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leased {
    /// What to acknowledge it by.
    pub cursor: Cursor,
    /// The message.
    pub message: InboundMessage,
    /// When it was stored, Unix milliseconds.
    pub received_ms: u64,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// When the lease ends by itself, Unix milliseconds.
    pub lease_until_ms: u64,
}

/// What an acknowledgement did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AckOutcome {
    /// The message is done.
    Acked,
    /// It was gone before, by an earlier acknowledgement or otherwise.
    AlreadyGone,
    /// There is no such message, or it is longer gone than tombstones are kept.
    Unknown,
}

/// How many messages are where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct InboxCounts {
    /// Waiting for a consumer.
    pub pending: usize,
    /// With a consumer.
    pub leased: usize,
    /// Set aside.
    pub parked: usize,
    /// Waiting for an allowlist.
    pub quarantined: usize,
    /// Whether a message was refused for want of room, and there is none yet.
    pub full: bool,
    /// When the oldest pending message was stored, Unix milliseconds.
    pub oldest_pending_ms: Option<u64>,
    /// Acknowledged since the store was created.
    pub acked: u64,
    /// From chats that a configured list does not name, since the store was created.
    pub refused: u64,
    /// Withdrawn by their senders before they were handed out, likewise.
    pub revoked: u64,
    /// Dropped from a full quarantine, likewise.
    pub crowded_out: u64,
    /// Dropped by the operator, likewise.
    pub dropped: u64,
    /// Edits that came too late, likewise.
    pub edits_dropped: u64,
    /// Withdrawals that came too late, likewise.
    pub revokes_late: u64,
    /// Messages that arrived again, since this process started.
    pub duplicates: u64,
}

/// Where a message in the inbox is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum InboxState {
    /// Waiting for a consumer.
    Pending,
    /// With a consumer.
    Leased,
    /// Set aside until someone retries or drops it.
    Parked,
    /// Waiting for an allowlist.
    Quarantined,
}

/// A message in the inbox, without its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InboxItem {
    /// What it is acknowledged by.
    pub cursor: String,
    /// Its chat.
    pub chat: ChatId,
    /// What kind of chat.
    pub chat_kind: ChatKind,
    /// Who wrote it.
    pub sender: ChatId,
    /// The messenger's id of it.
    pub message_id: String,
    /// Where it is.
    pub state: InboxState,
    /// When it was stored, Unix milliseconds.
    pub received_ms: u64,
    /// How often it was handed out in vain.
    pub attempts: u32,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// When it is tried again, if it has to wait.
    pub retry_at_ms: Option<u64>,
    /// Who has it, if it is leased; `None` there is the consumer without a name.
    pub consumer: Option<String>,
    /// Until when.
    pub lease_until_ms: Option<u64>,
}

/// A chat that wrote to the account, allowed or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SeenChat {
    /// The chat.
    pub chat: ChatId,
    /// What kind it is.
    pub chat_kind: ChatKind,
    /// Its last known name: the group's subject or the sender's name.
    pub name: Option<String>,
    /// When it first wrote, Unix milliseconds by our clock.
    pub first_ms: u64,
    /// When it last wrote.
    pub last_ms: u64,
    /// How many messages came.
    pub count: u64,
    /// What the allowlist said last.
    #[serde(serialize_with = "verdict_name")]
    pub last_verdict: Verdict,
}

fn verdict_name<S: serde::Serializer>(verdict: &Verdict, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_str(match verdict {
        Verdict::Deliver => "deliver",
        Verdict::Quarantine => "quarantine",
        Verdict::Refuse => "refuse",
    })
}
