//! What callers of the outbox give and get.

use std::time::Duration;

use serde::Serialize;

use crate::{driver::SendFailure, message::ChatId, vault::VaultError};

/// A text to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendRequest {
    /// The chat, canonical.
    pub chat: ChatId,
    /// The text; split to what the messenger takes.
    pub text: String,
    /// What makes it the same message when it is asked for again. Without one,
    /// a key is made up, and the receipt names it.
    pub key: Option<String>,
}

/// How a send stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SendState {
    /// Every part was taken by the server for at least one device.
    Acked,
    /// Something was handed over, and not everything was answered. Repeating the
    /// key sends what is missing; what arrived already is not shown twice.
    Uncertain,
    /// Refused for good. Repeating the key changes nothing.
    Failed(SendFailure),
    /// Nothing left this machine, and nothing will. Repeating the key tries again.
    NotSent,
}

/// What became of a send so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SendReceipt {
    /// The key, given or made up.
    pub key: String,
    /// The ids of the parts on the wire, in order.
    pub message_ids: Vec<String>,
    /// How it stands.
    pub state: SendState,
    /// The key was used before.
    pub repeated: bool,
    /// The key was used before for another text, which is the one that counts:
    /// an answer that is worked out a second time reads differently, and must
    /// not be sent a second time.
    pub other_text: bool,
    /// Why it is not acked, for people.
    pub reason: Option<String>,
}

/// Why a send was not even tried.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutboxError {
    /// The store failed; nothing is handed over that is not written down.
    #[error("outbox store: {0}")]
    Store(#[from] VaultError),
    /// A record means nothing to this version.
    #[error("an outbox record cannot be read: {0}")]
    Record(String),
    /// The key belongs to a message in another chat.
    #[error("the idempotency key was already used for a message to another chat")]
    KeyConflict,
    /// The key is empty or too long.
    #[error("an idempotency key has 1 to {max} bytes")]
    BadKey {
        /// The longest key, in bytes.
        max: usize,
    },
    /// There is nothing to send.
    #[error("the text is blank")]
    BlankText,
    /// The outbox is being closed.
    #[error("the bridge is shutting down")]
    Closed,
    /// A background task ended early.
    #[error("outbox task: {0}")]
    Task(String),
}

/// How fast messages follow each other in one chat: `burst` at once, then one
/// `every` so often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// How many may go without a pause.
    pub burst: u32,
    /// The pause after that.
    pub every: Duration,
}

impl Default for Pace {
    /// Fast enough for an answer in many parts, slow enough not to look like a
    /// flood to the server.
    fn default() -> Self {
        Self {
            burst: 20,
            every: Duration::from_millis(200),
        }
    }
}

/// How many sends are where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct OutboxCounts {
    /// On their way now.
    pub in_flight: usize,
    /// Handed over without an answer.
    pub uncertain: usize,
    /// Acked since this process started.
    pub acked: u64,
    /// Failed, likewise.
    pub failed: u64,
    /// Not sent, likewise.
    pub not_sent: u64,
}

/// Where a send is, for lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OutboxState {
    /// Waits for its turn.
    Queued,
    /// With the messenger.
    Handed,
    /// See [`SendState::Acked`].
    Acked,
    /// See [`SendState::Uncertain`].
    Uncertain,
    /// See [`SendState::Failed`].
    Failed(SendFailure),
    /// See [`SendState::NotSent`].
    NotSent,
}

/// A send, without its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OutboxItem {
    /// Its key.
    pub key: String,
    /// The chat.
    pub chat: ChatId,
    /// How it stands.
    pub state: OutboxState,
    /// The ids of its parts on the wire, in order.
    pub message_ids: Vec<String>,
    /// How many of them arrived.
    pub parts_acked: usize,
    /// When it was first asked for, Unix milliseconds.
    pub created_ms: u64,
    /// When something last happened to it.
    pub updated_ms: u64,
    /// How often it was asked for.
    pub requests: u32,
    /// Why it is not acked.
    pub reason: Option<String>,
}
