//! The seam between the bridge and a messenger.
//!
//! A messenger implements [`Driver`]; the bridge hands it an [`Ingress`]. The
//! rule that keeps messages safe: a driver tells its server that a message
//! arrived only after [`Ingress::commit`] returned `Ok`.

use async_trait::async_trait;
use tokio::sync::watch;

use crate::{
    message::{ChatId, ChatKind, InboundEvent},
    state::SessionStatus,
};

/// One message on its way out, already split to what the messenger takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboundPart {
    /// The chat it goes to, canonical.
    pub chat: ChatId,
    /// The id it carries on the wire. A repeat under the same id is a
    /// retransmission that receivers show once.
    pub message_id: String,
    /// The text.
    pub text: String,
}

/// Why a send failed for certain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SendFailure {
    /// The receiver does not exist or cannot be reached by this account.
    NoRecipient,
    /// The server refused it (spam rules, first contact, group rights).
    Refused,
    /// The message itself is unacceptable.
    Invalid,
}

/// What became of one [`OutboundPart`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendOutcome {
    /// The server took it for at least one recipient device.
    Acked {
        /// The server's time for it, Unix milliseconds, where it gave one.
        server_ms: Option<u64>,
    },
    /// Nothing left this machine; nothing will be sent later.
    NotSent {
        /// Why, for people.
        reason: String,
    },
    /// It was handed to the network and no answer came in time.
    Uncertain {
        /// Why, for people.
        reason: String,
    },
    /// It was refused for good.
    Failed {
        /// The class of the refusal.
        failure: SendFailure,
        /// Why, for people.
        reason: String,
    },
}

/// Why a target was not understood.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{reason}")]
pub struct TargetError {
    /// What is wrong and what would be right, one lower-case phrase.
    pub reason: String,
}

/// Why a request to a driver failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DriverError {
    /// The session is not online.
    #[error("the session is {0}")]
    NotOnline(&'static str),
    /// The messenger did not answer in time.
    #[error("no answer within {0} s")]
    Timeout(u64),
    /// The messenger refused.
    #[error("{0}")]
    Refused(String),
    /// Our own store failed.
    #[error("local store: {0}")]
    Store(String),
}

/// How far a sent message got, reported after the fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryProof {
    /// The server took it.
    ServerAck,
    /// The server refused it.
    ServerRefused,
    /// A device of the receiver has it.
    Delivered,
    /// The receiver has seen it.
    Read,
}

/// What a messenger offers to the bridge. Methods may be called at any time and
/// in parallel; each has its own time limit.
#[async_trait]
pub trait Driver: Send + Sync + std::fmt::Debug + 'static {
    /// The session's state, updated on every change.
    fn status(&self) -> watch::Receiver<SessionStatus>;

    /// Puts the id of a target, in any spelling a person may use, into canonical form.
    ///
    /// # Errors
    /// When the text is no address of that kind.
    fn canonical(&self, kind: ChatKind, id: &str) -> Result<ChatId, TargetError>;

    /// Every canonical id that `entry` of an allowlist can mean (a bare group
    /// number, a phone number in any spelling); empty if it means nothing.
    fn allow_entry(&self, entry: &str) -> Vec<ChatId>;

    /// How a chat is shown in a target: `+15551234567` for a contact with a
    /// known number, the raw id otherwise.
    fn display(&self, chat: &ChatId) -> String;

    /// Splits and formats a text to what the messenger takes; never empty.
    fn layout(&self, text: &str) -> Vec<String>;

    /// A fresh message id. The outbox stores it before the message is sent.
    fn new_message_id(&self) -> String;

    /// Sends one part and waits for the server's answer, at most about 7 s.
    async fn send(&self, part: &OutboundPart) -> SendOutcome;

    /// Shows or hides "typing" in a chat.
    ///
    /// # Errors
    /// When the session is not online.
    async fn typing(&self, chat: &ChatId, active: bool) -> Result<(), DriverError>;

    /// Marks messages as read.
    ///
    /// # Errors
    /// When the session is not online.
    async fn mark_read(
        &self,
        chat: &ChatId,
        sender: &ChatId,
        ids: &[String],
    ) -> Result<(), DriverError>;

    /// Tells the server to forget this device, then archives the credentials.
    ///
    /// # Errors
    /// When the server could not be told; nothing is archived then.
    async fn unlink(&self) -> Result<(), DriverError>;

    /// Room was made in the inbox, or the operator asks for an attempt now.
    fn nudge(&self);

    /// Ends the session in order: stops intake, waits for what is in flight,
    /// flushes. The driver is `Stopped` afterwards.
    async fn shutdown(&self);
}

/// Why an inbound event could not be taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IngressError {
    /// The inbox is at its bound; the driver must go offline and keep the event
    /// unacknowledged.
    #[error("the inbox is full ({limit} messages)")]
    Full {
        /// The bound.
        limit: usize,
    },
    /// The store failed; the driver must not acknowledge.
    #[error("inbox store: {0}")]
    Store(#[from] crate::vault::VaultError),
}

/// Where a driver puts what arrives.
#[async_trait]
pub trait Ingress: Send + Sync + std::fmt::Debug + 'static {
    /// Stores the events. When it returns `Ok`, they are on disk. Idempotent.
    ///
    /// # Errors
    /// When nothing was stored; the driver must not acknowledge then.
    async fn commit(&self, events: Vec<InboundEvent>) -> Result<(), IngressError>;

    /// Notes what the messenger said about a sent message. Best effort.
    async fn proof(&self, chat: &ChatId, message_id: &str, proof: DeliveryProof);
}
