//! The text form of a chat's address in the contract:
//! `<channel id>:<configured account>:<kind>:<id>`.

use crate::{
    account::{AccountId, Surface},
    message::ChatKind,
};

/// How many bytes an id may have; the longest real ones are about 40.
const MAX_ID_BYTES: usize = 256;

/// A parsed target. The id is as the caller wrote it; [`crate::driver::Driver::canonical`]
/// turns it into a chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The surface it belongs to.
    pub surface: Surface,
    /// The configured account that is to send.
    pub account: AccountId,
    /// One person or a group.
    pub kind: ChatKind,
    /// The address within the messenger, trimmed, never blank, without `:`.
    pub id: String,
}

/// Why a target was refused. The texts say what would be right.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum TargetParseError {
    /// Not four parts.
    #[error("target {given:?} is not of the form {channel}:<account>:<{kinds}>:<id>")]
    Form {
        /// The text as given, shortened.
        given: String,
        /// The channel id of the surface.
        channel: &'static str,
        /// The kinds of the surface.
        kinds: &'static str,
    },
    /// The prefix names another channel, or none.
    #[error("target is for channel {found:?}, expected {expected:?}")]
    Channel {
        /// What stood there.
        found: String,
        /// What belongs there.
        expected: &'static str,
    },
    /// The kind is none of the surface's.
    #[error("unknown target kind {found:?}, expected {kinds}")]
    Kind {
        /// What stood there.
        found: String,
        /// The kinds of the surface.
        kinds: &'static str,
    },
    /// Nothing after the last colon.
    #[error("the id of the target is empty")]
    BlankId,
    /// Longer than any address.
    #[error("the id of the target is longer than {MAX_ID_BYTES} bytes")]
    LongId,
    /// A device address, or another text with a colon.
    #[error(
        "the id {given:?} must not contain a colon; write it without the device part, as {bare:?}"
    )]
    Colon {
        /// The id as given.
        given: String,
        /// The same without the device part.
        bare: String,
    },
}

/// The word for a kind of chat in the targets of a surface.
#[must_use]
pub const fn kind_name(surface: Surface, kind: ChatKind) -> &'static str {
    match (surface, kind) {
        (_, ChatKind::Contact) => "contact",
        (Surface::WhatsAppPersonal, ChatKind::Group) => "group",
        (Surface::Weixin, ChatKind::Group) => "room",
    }
}

const fn kinds(surface: Surface) -> &'static str {
    match surface {
        Surface::WhatsAppPersonal => "contact|group",
        Surface::Weixin => "contact|room",
    }
}

impl Target {
    /// Parses the full form. The channel may be an alias in any case; the kind is exact.
    ///
    /// # Errors
    /// See [`TargetParseError`].
    pub fn parse(surface: Surface, text: &str) -> Result<Self, TargetParseError> {
        let mut parts = text.trim().splitn(4, ':');
        let (Some(channel), Some(account), Some(kind), Some(id)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(TargetParseError::Form {
                given: shorten(text),
                channel: surface.channel_id(),
                kinds: kinds(surface),
            });
        };
        if Surface::from_name(channel) != Some(surface) {
            return Err(TargetParseError::Channel {
                found: shorten(channel),
                expected: surface.channel_id(),
            });
        }
        let kind = [ChatKind::Contact, ChatKind::Group]
            .into_iter()
            .find(|known| kind_name(surface, *known) == kind)
            .ok_or_else(|| TargetParseError::Kind {
                found: shorten(kind),
                kinds: kinds(surface),
            })?;
        Ok(Self {
            surface,
            account: AccountId::normalize(account),
            kind,
            id: checked_id(id)?,
        })
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = kind_name(self.surface, self.kind);
        write!(
            f,
            "{}:{}:{kind}:{}",
            self.surface.channel_id(),
            self.account,
            self.id
        )
    }
}

fn checked_id(raw: &str) -> Result<String, TargetParseError> {
    let id = raw.trim();
    if id.is_empty() {
        return Err(TargetParseError::BlankId);
    }
    if id.len() > MAX_ID_BYTES {
        return Err(TargetParseError::LongId);
    }
    if let Some((user, rest)) = id.split_once(':') {
        let bare = match rest.rsplit_once('@') {
            Some((_, server)) => format!("{user}@{server}"),
            None => user.to_owned(),
        };
        return Err(TargetParseError::Colon {
            given: shorten(id),
            bare: shorten(&bare),
        });
    }
    Ok(id.to_owned())
}

/// Keeps error texts short whatever a caller sends.
fn shorten(text: &str) -> String {
    const LIMIT: usize = 80;
    let mut short: String = text.chars().take(LIMIT).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whatsapp(text: &str) -> Result<Target, TargetParseError> {
        Target::parse(Surface::WhatsAppPersonal, text)
    }

    #[test]
    fn the_full_form_parses_and_prints_back() {
        for text in [
            "whatsapp-personal:default:contact:+15551234567",
            "whatsapp-personal:ops-team:group:120363025246125486@g.us",
        ] {
            assert_eq!(whatsapp(text).expect("well formed").to_string(), text);
        }
        let room = Target::parse(Surface::Weixin, "weixin:ops:room:12@chatroom").expect("a room");
        assert_eq!(room.kind, ChatKind::Group);
        assert_eq!(room.to_string(), "weixin:ops:room:12@chatroom");
    }

    #[test]
    fn a_channel_alias_and_spaces_are_taken() {
        let target = whatsapp(" WA-Personal:Ops Team:contact: +1 555 ").expect("an alias");
        assert_eq!(
            target.to_string(),
            "whatsapp-personal:ops-team:contact:+1 555"
        );
    }

    #[test]
    fn short_forms_and_other_channels_are_refused() {
        for text in ["", "contact:+1", "default:contact:+1", ":::"] {
            assert!(whatsapp(text).is_err(), "{text:?}");
        }
        assert!(matches!(
            whatsapp("weixin:default:contact:x"),
            Err(TargetParseError::Channel { .. })
        ));
    }

    #[test]
    fn only_the_kinds_of_the_surface_are_known() {
        for kind in ["room", "Contact", "newsletter", ""] {
            let text = format!("whatsapp-personal:default:{kind}:1");
            assert!(
                matches!(whatsapp(&text), Err(TargetParseError::Kind { .. })),
                "{kind:?}"
            );
        }
        assert!(Target::parse(Surface::Weixin, "weixin:a:group:1").is_err());
    }

    #[test]
    fn a_device_address_is_refused_with_its_bare_form() {
        let error = whatsapp("whatsapp-personal:default:contact:15551234567:12@s.whatsapp.net")
            .expect_err("a device address");
        assert!(
            error.to_string().contains("\"15551234567@s.whatsapp.net\""),
            "{error}"
        );
    }

    #[test]
    fn blank_and_endless_ids_are_refused() {
        assert_eq!(
            whatsapp("whatsapp-personal:a:contact:  "),
            Err(TargetParseError::BlankId)
        );
        let long = format!(
            "whatsapp-personal:a:contact:{}",
            "1".repeat(MAX_ID_BYTES + 1)
        );
        assert_eq!(whatsapp(&long), Err(TargetParseError::LongId));
    }
}
