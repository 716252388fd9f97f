//! What the person behind a phone sees: each message id once, whatever the
//! network repeats.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use whatsapp_rust::waproto::whatsapp as wa;

/// One message on the screen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Who wrote it: bare JID, by number where the number is known.
    pub from: String,
    /// The device it came from.
    pub from_device: String,
    /// The chat: the other person's bare JID, or the group's.
    pub chat: String,
    /// Its id.
    pub id: String,
    /// `text`, or what else it is: `image`, `reaction`, `edit`, `revoke` …
    pub kind: String,
    /// The text, or the caption, or the emoji.
    pub text: String,
    /// When the server stamped it, Unix seconds.
    pub at: u64,
    /// Whether the same account wrote it on another device.
    pub from_me: bool,
    /// How often it arrived and could be read.
    pub times_received: u32,
    /// How often it was put on the screen: once, or the phone is broken.
    pub shown: u32,
}

/// The screen of one phone.
#[derive(Debug, Default)]
pub struct View {
    seen: Vec<Seen>,
    index: HashMap<(String, String, String), usize>,
}

impl View {
    /// Takes an opened message: shows it if its (chat, author, id) is new, and
    /// says so.
    pub fn take(&mut self, mut message: Seen) -> bool {
        let key = (
            message.chat.clone(),
            message.from.clone(),
            message.id.clone(),
        );
        if let Some(seen) = self.index.get(&key).and_then(|i| self.seen.get_mut(*i)) {
            seen.times_received += 1;
            return false;
        }
        message.times_received = 1;
        message.shown = 1;
        self.index.insert(key, self.seen.len());
        self.seen.push(message);
        true
    }

    /// Everything shown, oldest first.
    #[must_use]
    pub fn seen(&self) -> &[Seen] {
        &self.seen
    }

    /// Counts a message that arrived again and could not be opened twice.
    pub fn repeat(&mut self, author: &str, id: &str) {
        let known = self
            .seen
            .iter_mut()
            .rev()
            .find(|seen| seen.id == id && seen.from == author);
        if let Some(seen) = known {
            seen.times_received += 1;
        }
    }

    /// The message with this id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&Seen> {
        self.seen.iter().find(|seen| seen.id == id)
    }
}

/// What a message is and says, looking through the wrappers. `None` for
/// messages that no screen shows (key shares, sender keys, empty ones).
#[must_use]
pub fn describe(message: &wa::Message) -> Option<(&'static str, String)> {
    let message = unwrap(message);
    if let Some(text) = &message.conversation {
        return Some(("text", text.clone()));
    }
    if let Some(text) = message.extended_text_message.as_option() {
        return Some(("text", text.text.clone().unwrap_or_default()));
    }
    if let Some(protocol) = message.protocol_message.as_option() {
        return describe_protocol(protocol);
    }
    if let Some(reaction) = message.reaction_message.as_option() {
        return Some(("reaction", reaction.text.clone().unwrap_or_default()));
    }
    describe_attachment(message)
}

fn describe_protocol(protocol: &wa::message::ProtocolMessage) -> Option<(&'static str, String)> {
    use wa::message::protocol_message::Type;
    match protocol.r#type? {
        Type::REVOKE => Some(("revoke", String::new())),
        Type::MESSAGE_EDIT => {
            let edited = protocol.edited_message.as_option().and_then(describe);
            Some(("edit", edited.map(|(_, text)| text).unwrap_or_default()))
        }
        _ => None,
    }
}

fn describe_attachment(message: &wa::Message) -> Option<(&'static str, String)> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    if let Some(image) = message.image_message.as_option() {
        return Some(("image", text(&image.caption)));
    }
    if let Some(video) = message.video_message.as_option() {
        return Some(("video", text(&video.caption)));
    }
    if message.audio_message.is_set() {
        return Some(("audio", String::new()));
    }
    if let Some(document) = message.document_message.as_option() {
        return Some(("document", text(&document.caption)));
    }
    if message.sticker_message.is_set() {
        return Some(("sticker", String::new()));
    }
    if let Some(location) = message.location_message.as_option() {
        return Some(("location", text(&location.name)));
    }
    if let Some(contact) = message.contact_message.as_option() {
        return Some(("contact", text(&contact.display_name)));
    }
    let poll = message
        .poll_creation_message
        .as_option()
        .or_else(|| message.poll_creation_message_v3.as_option());
    poll.map(|poll| ("poll", text(&poll.name)))
}

/// The message inside ephemeral, view-once and similar wrappers; at most eight
/// deep, so that a hostile nesting ends.
fn unwrap(message: &wa::Message) -> &wa::Message {
    let mut inner = message;
    for _ in 0..8 {
        let wrapper = [
            &inner.ephemeral_message,
            &inner.view_once_message,
            &inner.view_once_message_v2,
            &inner.document_with_caption_message,
            &inner.edited_message,
        ]
        .into_iter()
        .find_map(|field| field.as_option());
        match wrapper.and_then(|wrapper| wrapper.message.as_option()) {
            Some(next) => inner = next,
            None => break,
        }
    }
    inner
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wa_sim::phone::content::{Content, Wrapper};

    fn seen(id: &str) -> Seen {
        Seen {
            from: "1@s.whatsapp.net".to_owned(),
            from_device: "1:3@s.whatsapp.net".to_owned(),
            chat: "1@s.whatsapp.net".to_owned(),
            id: id.to_owned(),
            kind: "text".to_owned(),
            text: "t".to_owned(),
            at: 1,
            from_me: false,
            times_received: 0,
            shown: 0,
        }
    }

    #[test]
    fn a_repeated_id_is_counted_and_not_shown_again() {
        let mut view = View::default();
        assert!(view.take(seen("A")));
        assert!(!view.take(seen("A")));
        assert!(view.take(seen("B")));
        assert_eq!(view.seen().len(), 2);
        assert_eq!(
            view.find("A").map(|s| (s.times_received, s.shown)),
            Some((2, 1))
        );
    }

    #[test]
    fn wrappers_are_looked_through() {
        for wrapper in [
            Wrapper::None,
            Wrapper::Ephemeral,
            Wrapper::ViewOnce,
            Wrapper::ViewOnceV2,
        ] {
            let message = Content::text("hi").message("c", wrapper, 0);
            assert_eq!(
                describe(&message),
                Some(("text", "hi".to_owned())),
                "{wrapper:?}"
            );
        }
        let image = Content::Image {
            caption: Some("cap".to_owned()),
        };
        assert_eq!(
            describe(&image.message("c", Wrapper::None, 0)),
            Some(("image", "cap".to_owned()))
        );
        assert_eq!(describe(&wa::Message::default()), None);
    }
}
