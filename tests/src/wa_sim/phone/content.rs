//! What a simulated person can send, as data, and the message it becomes.

use serde::{Deserialize, Serialize};
use whatsapp_rust::buffa::MessageField;
use whatsapp_rust::waproto::whatsapp as wa;
use whatsapp_rust::waproto::whatsapp::message as part;

/// How a message is wrapped on its way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wrapper {
    /// As it is.
    #[default]
    None,
    /// In a chat with disappearing messages.
    Ephemeral,
    /// Shown once.
    ViewOnce,
    /// The newer form of the same.
    ViewOnceV2,
    /// A document that carries a caption.
    DocumentWithCaption,
}

/// Another message that a quote, an edit, a reaction or a deletion points to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// Its id.
    pub id: String,
    /// Whether the person that refers to it also wrote it.
    #[serde(default)]
    pub from_me: bool,
    /// The JID of its author; needed in groups and for quotes.
    #[serde(default)]
    pub author: Option<String>,
    /// For a quote: the text that is shown again.
    #[serde(default)]
    pub text: Option<String>,
}

/// One message as a person would describe it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Content {
    /// Plain text; `extended` chooses the richer of the two text records, which
    /// quoting and mentioning need anyway.
    Text {
        /// The text.
        text: String,
        /// Use `extendedTextMessage`.
        #[serde(default)]
        extended: bool,
        /// Quotes this message.
        #[serde(default)]
        quote: Option<Reference>,
        /// JIDs that are mentioned.
        #[serde(default)]
        mentions: Vec<String>,
    },
    /// A picture; nothing is uploaded, so it cannot be fetched.
    Image {
        /// Its caption.
        #[serde(default)]
        caption: Option<String>,
    },
    /// A film.
    Video {
        /// Its caption.
        #[serde(default)]
        caption: Option<String>,
    },
    /// A recording made in the chat.
    Voice {
        /// Its length in seconds.
        #[serde(default)]
        seconds: u32,
    },
    /// A file.
    Document {
        /// Its name.
        file_name: String,
        /// Its caption.
        #[serde(default)]
        caption: Option<String>,
    },
    /// A sticker.
    Sticker,
    /// A place.
    Location {
        /// Degrees north.
        latitude: f64,
        /// Degrees east.
        longitude: f64,
        /// Its name.
        #[serde(default)]
        name: Option<String>,
    },
    /// A contact card.
    Contact {
        /// The name on it.
        name: String,
        /// The number on it, digits only.
        number: String,
    },
    /// A poll.
    Poll {
        /// The question.
        question: String,
        /// The choices.
        options: Vec<String>,
    },
    /// Replaces the text of an own message.
    Edit {
        /// The message.
        target: Reference,
        /// The new text.
        text: String,
    },
    /// Deletes a message for everyone.
    Revoke {
        /// The message.
        target: Reference,
    },
    /// Reacts to a message; an empty emoji takes the reaction back.
    Reaction {
        /// The message.
        target: Reference,
        /// The emoji.
        emoji: String,
    },
}

/// The attributes that a stanza needs beside its sealed content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StanzaKind {
    /// `type` of the `message` element.
    pub message_type: &'static str,
    /// `mediatype` of each `enc`, if any.
    pub media_type: Option<&'static str>,
    /// `edit` of the `message` element, if any.
    pub edit: Option<&'static str>,
}

impl Content {
    /// Plain text in the simplest record.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text {
            text: text.into(),
            extended: false,
            quote: None,
            mentions: Vec::new(),
        }
    }

    /// How its stanza is marked. Edit 1 is an edit, 7 the sender's own
    /// deletion, 8 an admin's.
    #[must_use]
    pub const fn stanza(&self) -> StanzaKind {
        let (message_type, media_type, edit) = match self {
            Self::Text { .. } => ("text", None, None),
            Self::Image { .. } => ("media", Some("image"), None),
            Self::Video { .. } => ("media", Some("video"), None),
            Self::Voice { .. } => ("media", Some("ptt"), None),
            Self::Document { .. } => ("media", Some("document"), None),
            Self::Sticker => ("media", Some("sticker"), None),
            Self::Location { .. } => ("media", Some("location"), None),
            Self::Contact { .. } => ("media", Some("vcard"), None),
            Self::Poll { .. } => ("poll", None, None),
            Self::Edit { .. } => ("text", None, Some("1")),
            Self::Revoke { target } => ("text", None, Some(if target.from_me { "7" } else { "8" })),
            Self::Reaction { .. } => ("reaction", None, None),
        };
        StanzaKind {
            message_type,
            media_type,
            edit,
        }
    }

    /// The message to seal. `chat` is where it goes, `now_ms` the time of
    /// edits and reactions.
    #[must_use]
    pub fn message(&self, chat: &str, wrapper: Wrapper, now_ms: i64) -> wa::Message {
        let message = match self {
            Self::Text {
                text,
                extended,
                quote,
                mentions,
            } => text_message(text, *extended, quote.as_ref(), mentions),
            Self::Edit { target, text } => edit_message(chat, target, text, now_ms),
            Self::Revoke { target } => wa::Message {
                protocol_message: MessageField::some(part::ProtocolMessage {
                    key: MessageField::some(key(chat, target)),
                    r#type: Some(part::protocol_message::Type::REVOKE),
                    ..Default::default()
                }),
                ..Default::default()
            },
            Self::Reaction { target, emoji } => wa::Message {
                reaction_message: MessageField::some(part::ReactionMessage {
                    key: MessageField::some(key(chat, target)),
                    text: Some(emoji.clone()),
                    sender_timestamp_ms: Some(now_ms),
                    ..Default::default()
                }),
                ..Default::default()
            },
            other => other.attachment(),
        };
        wrap(message, wrapper)
    }

    fn attachment(&self) -> wa::Message {
        let mut message = wa::Message::default();
        match self {
            Self::Image { caption } => message.image_message = MessageField::some(image(caption)),
            Self::Video { caption } => message.video_message = MessageField::some(video(caption)),
            Self::Voice { seconds } => message.audio_message = MessageField::some(voice(*seconds)),
            Self::Document { file_name, caption } => {
                message.document_message = MessageField::some(document(file_name, caption));
            }
            Self::Sticker => message.sticker_message = MessageField::some(sticker()),
            Self::Location {
                latitude,
                longitude,
                name,
            } => {
                message.location_message = MessageField::some(part::LocationMessage {
                    degrees_latitude: Some(*latitude),
                    degrees_longitude: Some(*longitude),
                    name: name.clone(),
                    ..Default::default()
                });
            }
            Self::Contact { name, number } => {
                message.contact_message = MessageField::some(contact(name, number));
            }
            Self::Poll { question, options } => {
                message.poll_creation_message_v3 = MessageField::some(poll(question, options));
            }
            Self::Text { .. } | Self::Edit { .. } | Self::Revoke { .. } | Self::Reaction { .. } => {
            }
        }
        message
    }
}

/// An `extendedTextMessage`, or `conversation` when nothing asks for more.
fn text_message(
    text: &str,
    extended: bool,
    quote: Option<&Reference>,
    mentions: &[String],
) -> wa::Message {
    if !extended && quote.is_none() && mentions.is_empty() {
        return wa::Message {
            conversation: Some(text.to_owned()),
            ..Default::default()
        };
    }
    let mut context = wa::ContextInfo {
        mentioned_jid: mentions.to_vec(),
        ..Default::default()
    };
    if let Some(quote) = quote {
        context.stanza_id = Some(quote.id.clone());
        context.participant.clone_from(&quote.author);
        context.quoted_message = MessageField::some(wa::Message {
            conversation: quote.text.clone(),
            ..Default::default()
        });
    }
    let context_info = if quote.is_some() || !mentions.is_empty() {
        MessageField::some(context)
    } else {
        MessageField::none()
    };
    wa::Message {
        extended_text_message: MessageField::some(part::ExtendedTextMessage {
            text: Some(text.to_owned()),
            context_info,
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn edit_message(chat: &str, target: &Reference, text: &str, now_ms: i64) -> wa::Message {
    wa::Message {
        protocol_message: MessageField::some(part::ProtocolMessage {
            key: MessageField::some(key(chat, target)),
            r#type: Some(part::protocol_message::Type::MESSAGE_EDIT),
            edited_message: MessageField::some(wa::Message {
                conversation: Some(text.to_owned()),
                ..Default::default()
            }),
            timestamp_ms: Some(now_ms),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn key(chat: &str, target: &Reference) -> wa::MessageKey {
    wa::MessageKey {
        remote_jid: Some(chat.to_owned()),
        from_me: Some(target.from_me),
        id: Some(target.id.clone()),
        participant: target.author.clone(),
    }
}

fn wrap(message: wa::Message, wrapper: Wrapper) -> wa::Message {
    let inside = || {
        MessageField::some(part::FutureProofMessage {
            message: MessageField::some(message.clone()),
        })
    };
    match wrapper {
        Wrapper::None => message,
        Wrapper::Ephemeral => wa::Message {
            ephemeral_message: inside(),
            ..Default::default()
        },
        Wrapper::ViewOnce => wa::Message {
            view_once_message: inside(),
            ..Default::default()
        },
        Wrapper::ViewOnceV2 => wa::Message {
            view_once_message_v2: inside(),
            ..Default::default()
        },
        Wrapper::DocumentWithCaption => wa::Message {
            document_with_caption_message: inside(),
            ..Default::default()
        },
    }
}

/// Where the pretended media lies; nothing answers there.
const MEDIA_PATH: &str = "/v/t62.0-0/simulated.enc";

fn media_url() -> Option<String> {
    Some(format!("https://mmg.whatsapp.net{MEDIA_PATH}"))
}

/// A hash or key of the right size for media that does not exist.
fn filler() -> Option<Vec<u8>> {
    Some(vec![0x5a; 32])
}

fn image(caption: &Option<String>) -> part::ImageMessage {
    part::ImageMessage {
        url: media_url(),
        direct_path: Some(MEDIA_PATH.to_owned()),
        mimetype: Some("image/jpeg".to_owned()),
        caption: caption.clone(),
        file_sha256: filler(),
        file_enc_sha256: filler(),
        media_key: filler(),
        file_length: Some(1),
        ..Default::default()
    }
}

fn video(caption: &Option<String>) -> part::VideoMessage {
    part::VideoMessage {
        url: media_url(),
        direct_path: Some(MEDIA_PATH.to_owned()),
        mimetype: Some("video/mp4".to_owned()),
        caption: caption.clone(),
        file_sha256: filler(),
        file_enc_sha256: filler(),
        media_key: filler(),
        file_length: Some(1),
        ..Default::default()
    }
}

fn voice(seconds: u32) -> part::AudioMessage {
    part::AudioMessage {
        url: media_url(),
        direct_path: Some(MEDIA_PATH.to_owned()),
        mimetype: Some("audio/ogg; codecs=opus".to_owned()),
        seconds: Some(seconds),
        ptt: Some(true),
        file_sha256: filler(),
        file_enc_sha256: filler(),
        media_key: filler(),
        file_length: Some(1),
        ..Default::default()
    }
}

fn document(file_name: &str, caption: &Option<String>) -> part::DocumentMessage {
    part::DocumentMessage {
        url: media_url(),
        direct_path: Some(MEDIA_PATH.to_owned()),
        mimetype: Some("application/octet-stream".to_owned()),
        file_name: Some(file_name.to_owned()),
        caption: caption.clone(),
        file_sha256: filler(),
        file_enc_sha256: filler(),
        media_key: filler(),
        file_length: Some(1),
        ..Default::default()
    }
}

fn sticker() -> part::StickerMessage {
    part::StickerMessage {
        url: media_url(),
        direct_path: Some(MEDIA_PATH.to_owned()),
        mimetype: Some("image/webp".to_owned()),
        file_sha256: filler(),
        file_enc_sha256: filler(),
        media_key: filler(),
        file_length: Some(1),
        ..Default::default()
    }
}

fn contact(name: &str, number: &str) -> part::ContactMessage {
    let vcard = format!(
        "BEGIN:VCARD\nVERSION:3.0\nFN:{name}\nTEL;type=CELL;waid={number}:+{number}\nEND:VCARD"
    );
    part::ContactMessage {
        display_name: Some(name.to_owned()),
        vcard: Some(vcard),
        ..Default::default()
    }
}

fn poll(question: &str, options: &[String]) -> part::PollCreationMessage {
    let option = |name: &String| part::poll_creation_message::Option {
        option_name: Some(name.clone()),
        ..Default::default()
    };
    part::PollCreationMessage {
        enc_key: filler(),
        name: Some(question.to_owned()),
        options: options.iter().map(option).collect(),
        selectable_options_count: Some(1),
        ..Default::default()
    }
}
