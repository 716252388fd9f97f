//! The name of an inbound message towards consumers.

use sha2::{Digest as _, Sha256};

use crate::message::ChatId;

/// How many bytes of a sender's hash a cursor shows. Two senders of one chat
/// would have to agree in these and in the message id to be mistaken.
const SENDER_BYTES: usize = 10;

/// What a consumer acknowledges a message by. It follows from chat, sender and
/// message id alone, so that a message that arrives again has the same one:
///
/// ```text
/// wa:15551234567@s.whatsapp.net:3EB0C0FFEE          sender is the chat
/// wa:120363000000000000@g.us:4f0c…:3EB0C0FFEE       sender is someone in it
/// ```
///
/// `%` and `:` inside the parts are written as `%25` and `%3A`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cursor(String);

impl Cursor {
    /// The cursor of a message, with the prefix that its account uses.
    #[must_use]
    pub fn of(prefix: &str, chat: &ChatId, sender: &ChatId, id: &str) -> Self {
        let (chat_text, id) = (escape(chat.as_str()), escape(id));
        if chat == sender {
            return Self(format!("{prefix}:{chat_text}:{id}"));
        }
        let hash = Sha256::digest(sender.as_str());
        let hash = hex::encode(hash.get(..SENDER_BYTES).unwrap_or_default());
        Self(format!("{prefix}:{chat_text}:{hash}:{id}"))
    }

    /// The cursor as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The cursor as text, owned.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

/// A cursor that came back from a consumer; it may be anything.
impl From<String> for Cursor {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Cursor {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl std::borrow::Borrow<str> for Cursor {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Removes what would make two different triples look the same.
fn escape(part: &str) -> String {
    part.replace('%', "%25").replace(':', "%3A")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cursor(chat: &str, sender: &str, id: &str) -> Cursor {
        let chat = ChatId::from_canonical(chat);
        Cursor::of("wa", &chat, &ChatId::from_canonical(sender), id)
    }

    #[test]
    fn a_contact_is_readable_and_a_group_hides_the_sender() {
        let contact = cursor(
            "15551234567@s.whatsapp.net",
            "15551234567@s.whatsapp.net",
            "3EB0",
        );
        assert_eq!(contact.as_str(), "wa:15551234567@s.whatsapp.net:3EB0");
        let group = cursor("1203@g.us", "15551234567@s.whatsapp.net", "3EB0");
        let middle = group.as_str().strip_prefix("wa:1203@g.us:");
        let hash = middle.and_then(|rest| rest.strip_suffix(":3EB0"));
        assert_eq!(hash.map(str::len), Some(2 * SENDER_BYTES));
        assert_ne!(
            group,
            cursor("1203@g.us", "15551234568@s.whatsapp.net", "3EB0")
        );
    }

    proptest! {
        /// Short alphabets make separators and collisions likely.
        #[test]
        fn different_messages_have_different_cursors(
            a in ("[ab:%]{0,3}", "[ab:%]{0,3}", "[ab:%]{0,3}"),
            b in ("[ab:%]{0,3}", "[ab:%]{0,3}", "[ab:%]{0,3}"),
        ) {
            let same = cursor(&a.0, &a.1, &a.2) == cursor(&b.0, &b.1, &b.2);
            prop_assert_eq!(same, a == b);
        }
    }
}
