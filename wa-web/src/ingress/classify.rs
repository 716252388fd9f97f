//! From a decrypted WhatsApp message to the bridge's own events.
//!
//! Text first: media become a placeholder with their caption, so that a reader
//! of plain text knows that something was there. Reactions, receipts of polls,
//! key exchanges and other protocol traffic yield nothing.

use bridge_core::message::{ChatId, ChatKind, ContentKind, InboundEvent, InboundMessage};
use whatsapp_rust::waproto::whatsapp::{self as wa, message::protocol_message::Type};

/// Who wrote where, resolved before classification.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub(crate) chat: Address,
    pub(crate) kind: ChatKind,
    pub(crate) sender: Address,
    pub(crate) id: String,
    pub(crate) timestamp_ms: u64,
    pub(crate) sender_name: Option<String>,
    pub(crate) from_me: bool,
    pub(crate) own: Vec<ChatId>,
}

/// One person or group under all its known names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) canonical: ChatId,
    pub(crate) aliases: Vec<ChatId>,
}

impl Address {
    fn is_one_of(&self, others: &[ChatId]) -> bool {
        others.contains(&self.canonical) || self.aliases.iter().any(|a| others.contains(a))
    }
}

/// Wrappers nest; a message with more layers than this is not from a real client.
const MAX_WRAPPERS: usize = 8;

/// What a message means for the inbox, if anything.
pub(crate) fn classify(message: &wa::Message, origin: &Origin) -> Option<InboundEvent> {
    let note_to_self = origin.from_me && origin.chat.is_one_of(&origin.own);
    if origin.from_me && !note_to_self {
        // The owner wrote to somebody else on another device.
        return None;
    }
    let message = unwrap(message);
    if let Some(protocol) = message.protocol_message.as_option() {
        return protocol_event(protocol, origin);
    }
    let (content, text) = content(message)?;
    let context = context(message);
    Some(InboundEvent::Message(InboundMessage {
        chat: origin.chat.canonical.clone(),
        chat_aliases: origin.chat.aliases.clone(),
        chat_kind: origin.kind,
        sender: origin.sender.canonical.clone(),
        sender_aliases: origin.sender.aliases.clone(),
        id: origin.id.clone(),
        text,
        content,
        timestamp_ms: origin.timestamp_ms,
        sender_name: origin.sender_name.clone(),
        chat_name: None,
        quoted_id: context.and_then(|c| c.stanza_id.clone()),
        quoted_sender: context
            .and_then(|c| c.participant.as_deref())
            .and_then(crate::jid::parse_bare),
        mentions_me: context.is_some_and(|c| mentions(c, &origin.own)),
        note_to_self,
    }))
}

/// Peels disappearing, view-once, captioned-document, device-sent and edit wrappers.
fn unwrap(message: &wa::Message) -> &wa::Message {
    let mut current = message;
    for _ in 0..MAX_WRAPPERS {
        let Some(inner) = inner(current) else { break };
        current = inner;
    }
    current
}

fn inner(m: &wa::Message) -> Option<&wa::Message> {
    if let Some(sent) = m.device_sent_message.as_option() {
        return sent.message.as_option();
    }
    [
        &m.ephemeral_message,
        &m.view_once_message,
        &m.view_once_message_v2,
        &m.view_once_message_v2_extension,
        &m.document_with_caption_message,
        &m.edited_message,
        &m.group_mentioned_message,
        &m.lottie_sticker_message,
        &m.associated_child_message,
        &m.spoiler_message,
        &m.question_message,
    ]
    .into_iter()
    .find_map(|wrapper| wrapper.as_option().and_then(|w| w.message.as_option()))
}

fn protocol_event(
    protocol: &wa::message::ProtocolMessage,
    origin: &Origin,
) -> Option<InboundEvent> {
    let target_id = protocol.key.as_option()?.id.clone()?;
    let chat = origin.chat.canonical.clone();
    let sender = origin.sender.canonical.clone();
    match protocol.r#type? {
        Type::REVOKE => Some(InboundEvent::Revoke {
            chat,
            sender,
            target_id,
        }),
        Type::MESSAGE_EDIT => {
            let edited = unwrap(protocol.edited_message.as_option()?);
            let (_, text) = content(edited)?;
            Some(InboundEvent::Edit {
                chat,
                sender,
                target_id,
                text,
            })
        }
        _ => None,
    }
}

/// The kind of a message and the text that stands for it; `None` for traffic
/// that is no message to a reader.
fn content(m: &wa::Message) -> Option<(ContentKind, String)> {
    if let Some(text) = m.conversation.as_deref().filter(|t| !t.trim().is_empty()) {
        return Some((ContentKind::Text, text.to_owned()));
    }
    if let Some(text) = m
        .extended_text_message
        .as_option()
        .and_then(|t| t.text.as_deref())
        .filter(|t| !t.trim().is_empty())
    {
        return Some((ContentKind::Text, text.to_owned()));
    }
    media(m).or_else(|| card(m))
}

fn media(m: &wa::Message) -> Option<(ContentKind, String)> {
    if let Some(image) = m.image_message.as_option() {
        return Some((
            ContentKind::Image,
            placeholder("image", &[image.caption.as_deref()]),
        ));
    }
    if let Some(video) = m
        .video_message
        .as_option()
        .or_else(|| m.ptv_message.as_option())
    {
        return Some((
            ContentKind::Video,
            placeholder("video", &[video.caption.as_deref()]),
        ));
    }
    if let Some(audio) = m.audio_message.as_option() {
        let label = if audio.ptt == Some(true) {
            "voice note"
        } else {
            "audio"
        };
        return Some((ContentKind::Audio, placeholder(label, &[])));
    }
    if let Some(document) = m.document_message.as_option() {
        let name = document.file_name.as_deref().or(document.title.as_deref());
        let parts = [
            name,
            document.caption.as_deref().filter(|c| Some(*c) != name),
        ];
        return Some((ContentKind::Document, placeholder("document", &parts)));
    }
    m.sticker_message
        .as_option()
        .map(|_| (ContentKind::Sticker, placeholder("sticker", &[])))
}

fn card(m: &wa::Message) -> Option<(ContentKind, String)> {
    if let Some(place) = m.location_message.as_option() {
        let point = point(place.degrees_latitude, place.degrees_longitude);
        let parts = [
            place.name.as_deref(),
            place.address.as_deref(),
            point.as_deref(),
        ];
        return Some((ContentKind::Location, placeholder("location", &parts)));
    }
    if let Some(place) = m.live_location_message.as_option() {
        let point = point(place.degrees_latitude, place.degrees_longitude);
        let parts = [place.caption.as_deref(), point.as_deref()];
        return Some((ContentKind::Location, placeholder("live location", &parts)));
    }
    if let Some(contact) = m.contact_message.as_option() {
        let text = placeholder("contact", &[contact.display_name.as_deref()]);
        return Some((ContentKind::Contact, text));
    }
    if let Some(contacts) = m.contacts_array_message.as_option() {
        let text = placeholder("contacts", &[contacts.display_name.as_deref()]);
        return Some((ContentKind::Contact, text));
    }
    [
        &m.poll_creation_message,
        &m.poll_creation_message_v2,
        &m.poll_creation_message_v3,
        &m.poll_creation_message_v5,
    ]
    .into_iter()
    .find_map(|poll| poll.as_option())
    .map(|poll| (ContentKind::Poll, poll_text(poll)))
}

fn poll_text(poll: &wa::message::PollCreationMessage) -> String {
    let options: Vec<&str> = poll
        .options
        .iter()
        .filter_map(|o| o.option_name.as_deref())
        .collect();
    let options = (!options.is_empty()).then(|| options.join(" / "));
    placeholder("poll", &[poll.name.as_deref(), options.as_deref()])
}

fn point(latitude: Option<f64>, longitude: Option<f64>) -> Option<String> {
    Some(format!("{:.5}, {:.5}", latitude?, longitude?))
}

fn placeholder(label: &str, parts: &[Option<&str>]) -> String {
    let mut text = format!("[{label}]");
    for part in parts
        .iter()
        .flatten()
        .map(|p| p.trim())
        .filter(|p| !p.is_empty())
    {
        text.push(' ');
        text.push_str(part);
    }
    text
}

/// The quote and mention data of the kinds that people reply with.
fn context(m: &wa::Message) -> Option<&wa::ContextInfo> {
    m.extended_text_message
        .as_option()
        .and_then(|x| x.context_info.as_option())
        .or_else(|| {
            m.image_message
                .as_option()
                .and_then(|x| x.context_info.as_option())
        })
        .or_else(|| {
            m.video_message
                .as_option()
                .and_then(|x| x.context_info.as_option())
        })
        .or_else(|| {
            m.audio_message
                .as_option()
                .and_then(|x| x.context_info.as_option())
        })
        .or_else(|| {
            m.document_message
                .as_option()
                .and_then(|x| x.context_info.as_option())
        })
        .or_else(|| {
            m.sticker_message
                .as_option()
                .and_then(|x| x.context_info.as_option())
        })
}

fn mentions(context: &wa::ContextInfo, own: &[ChatId]) -> bool {
    context
        .mentioned_jid
        .iter()
        .map(String::as_str)
        .chain(context.participant.as_deref())
        .filter_map(crate::jid::parse_bare)
        .any(|who| own.contains(&who))
}

#[cfg(test)]
#[path = "classify_tests.rs"]
mod tests;
