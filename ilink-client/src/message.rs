//! Updates and messages: `getupdates`.

use secrecy::SecretString;
use serde::{Deserialize, Deserializer, de};

use crate::Envelope;

/// The answer of `getupdates`.
#[derive(Debug, Clone, Deserialize)]
pub struct Updates {
    /// Whether the call worked.
    #[serde(flatten)]
    pub envelope: Envelope,
    /// The messages, oldest first.
    #[serde(default)]
    pub msgs: Vec<Message>,
    /// The cursor for the next call; an empty one leaves the last in force.
    #[serde(default)]
    pub get_updates_buf: String,
    /// How long the next call may be held, milliseconds.
    #[serde(default)]
    pub longpolling_timeout_ms: Option<u64>,
}

/// One message from a user, or an echo of the bot's own.
#[derive(Debug, Clone, Deserialize)]
pub struct Message {
    /// The server's id, where it gave one.
    #[serde(default, deserialize_with = "number_or_text")]
    pub message_id: Option<u64>,
    /// Who wrote it.
    #[serde(default)]
    pub from_user_id: String,
    /// To whom.
    #[serde(default)]
    pub to_user_id: String,
    /// When, Unix milliseconds.
    #[serde(default)]
    pub create_time_ms: u64,
    /// 1 or missing: a user's; 2: the bot's own.
    #[serde(default)]
    pub message_type: Option<u32>,
    /// The parts.
    #[serde(default)]
    pub item_list: Vec<Item>,
    /// The right to reply; the newest of each user counts.
    #[serde(default)]
    pub context_token: Option<SecretString>,
}

/// The kinds of parts; the wire uses numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ItemKind {
    /// 1.
    Text,
    /// 2.
    Image,
    /// 3; may carry a transcript.
    Voice,
    /// 4.
    File,
    /// 5.
    Video,
    /// Any other number.
    Unknown(u32),
}

/// One part of a message.
#[derive(Debug, Clone, Deserialize)]
pub struct Item {
    #[serde(rename = "type", default)]
    kind: u32,
    #[serde(default)]
    text_item: Option<TextPart>,
    #[serde(default)]
    voice_item: Option<TextPart>,
    #[serde(default)]
    file_item: Option<FilePart>,
}

#[derive(Debug, Clone, Deserialize)]
struct TextPart {
    #[serde(default)]
    text: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct FilePart {
    #[serde(default)]
    file_name: Option<String>,
}

impl Item {
    /// What it is.
    #[must_use]
    pub const fn kind(&self) -> ItemKind {
        match self.kind {
            1 => ItemKind::Text,
            2 => ItemKind::Image,
            3 => ItemKind::Voice,
            4 => ItemKind::File,
            5 => ItemKind::Video,
            other => ItemKind::Unknown(other),
        }
    }

    /// Its text, or a voice note's transcript.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        let part = match self.kind() {
            ItemKind::Text => self.text_item.as_ref(),
            ItemKind::Voice => self.voice_item.as_ref(),
            _ => None,
        };
        part?.text.as_deref().filter(|text| !text.is_empty())
    }

    /// The name of a file.
    #[must_use]
    pub fn file_name(&self) -> Option<&str> {
        self.file_item.as_ref()?.file_name.as_deref()
    }
}

impl Message {
    /// Whether a person wrote it.
    #[must_use]
    pub const fn is_from_user(&self) -> bool {
        matches!(self.message_type, None | Some(1))
    }

    /// The first text that any part yields.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.item_list.iter().find_map(Item::text)
    }
}

/// Ids are 64-bit and arrive as numbers or as text.
fn number_or_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Id {
        Number(u64),
        Text(String),
    }
    match Option::<Id>::deserialize(deserializer)? {
        None => Ok(None),
        Some(Id::Number(id)) => Ok(Some(id)),
        Some(Id::Text(text)) if text.is_empty() => Ok(None),
        Some(Id::Text(text)) => text.parse().map(Some).map_err(de::Error::custom),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_beyond_53_bits_survive_in_both_spellings() -> Result<(), serde_json::Error> {
        for id in ["18446744073709551615", "\"18446744073709551615\""] {
            let message: Message = serde_json::from_str(&format!(r#"{{"message_id":{id}}}"#))?;
            assert_eq!(message.message_id, Some(u64::MAX));
        }
        Ok(())
    }

    #[test]
    fn texts_and_transcripts_are_read_and_tokens_do_not_print() -> Result<(), serde_json::Error> {
        let updates: Updates = serde_json::from_str(
            r#"{"ret":0,"get_updates_buf":"c2","msgs":[{"from_user_id":"u@im.wechat",
                "context_token":"ctx-secret","item_list":[{"type":2},
                {"type":3,"voice_item":{"text":"spoken"}}]}]}"#,
        )?;
        assert_eq!(updates.envelope.check(), Ok(()));
        let message = &updates.msgs[0];
        assert!(message.is_from_user());
        assert_eq!(message.text(), Some("spoken"));
        assert_eq!(message.item_list[0].kind(), ItemKind::Image);
        assert!(!format!("{updates:?}").contains("ctx-secret"));
        Ok(())
    }
}
