//! Messages as the bridge keeps them, free of any messenger's own types.

use serde::{Deserialize, Serialize};

/// Whether a chat is with one person or with a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChatKind {
    /// One person.
    Contact,
    /// A group (`room` on Weixin).
    Group,
}

/// A chat or a person in the one canonical spelling of its messenger, for
/// WhatsApp a bare JID. Two ids are the same chat exactly when they are equal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChatId(String);

impl ChatId {
    /// Wraps an id that a driver has put into canonical form.
    #[must_use]
    pub fn from_canonical(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for ChatId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a message carries besides its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContentKind {
    /// Plain text.
    Text,
    /// A picture; the text is a placeholder with the caption.
    Image,
    /// A video, likewise.
    Video,
    /// Sound or a voice note.
    Audio,
    /// A file.
    Document,
    /// A sticker.
    Sticker,
    /// A place.
    Location,
    /// One or more contact cards.
    Contact,
    /// A poll.
    Poll,
    /// Something this version cannot name.
    Other,
}

/// One message on its way in. `(chat, sender, id)` identifies it within an
/// account; committing the same triple twice stores it once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboundMessage {
    /// The chat it arrived in.
    pub chat: ChatId,
    /// Other addresses that are known to be the same chat (a hidden id, a number).
    pub chat_aliases: Vec<ChatId>,
    /// Contact or group.
    pub chat_kind: ChatKind,
    /// Who wrote it; equals `chat` in a chat with one person.
    pub sender: ChatId,
    /// Other addresses of the sender.
    pub sender_aliases: Vec<ChatId>,
    /// The messenger's own id of the message.
    pub id: String,
    /// What to show, never empty.
    pub text: String,
    /// What it carried.
    pub content: ContentKind,
    /// When it was sent, Unix milliseconds, by the sender's or server's clock.
    pub timestamp_ms: u64,
    /// The name the sender shows.
    pub sender_name: Option<String>,
    /// The subject of the group, where known.
    pub chat_name: Option<String>,
    /// The id of the message this one quotes.
    pub quoted_id: Option<String>,
    /// Who wrote the quoted message.
    pub quoted_sender: Option<ChatId>,
    /// Whether this account is mentioned by name or quoted.
    pub mentions_me: bool,
    /// Written by the account's owner on another device, in the chat with
    /// themselves.
    pub note_to_self: bool,
}

/// What a driver reports; each kind is durable before the messenger is told
/// that the message arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InboundEvent {
    /// A new message.
    Message(InboundMessage),
    /// The sender replaced the text of an earlier message. Replaces the text of
    /// a message that is still pending, otherwise it is only counted.
    Edit {
        /// The chat of the edited message.
        chat: ChatId,
        /// Its author.
        sender: ChatId,
        /// The id of the message that was edited.
        target_id: String,
        /// The new text.
        text: String,
    },
    /// The sender withdrew a message; one that is still pending is dropped with
    /// a tombstone, so that nobody is answered for what they took back.
    Revoke {
        /// The chat of the withdrawn message.
        chat: ChatId,
        /// Its author.
        sender: ChatId,
        /// The id of the withdrawn message.
        target_id: String,
    },
}
