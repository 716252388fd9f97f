//! Addresses: the one canonical spelling of each chat, and the spellings that
//! people use.
//!
//! Canonical ids are bare JIDs on three servers: `15551234567@s.whatsapp.net`
//! (a phone number), `123456789012345@lid` (a hidden id) and `…@g.us` (a group:
//! `120363…`, or in old groups `<creator's number>-<Unix seconds>`). Hosted and
//! legacy servers name the same people and are folded into these.

use bridge_core::{
    driver::TargetError,
    message::{ChatId, ChatKind},
};
use whatsapp_rust::{Jid, Server};

use crate::phone_number;

/// The longest user part that is taken for an id; real ones have about 20 digits.
const MAX_USER: usize = 40;
/// The fewest digits of a group's id without its server.
const MIN_GROUP: usize = 10;

/// Puts the address of a contact or group, in any spelling a person may use,
/// into canonical form.
///
/// # Errors
/// When the text is no address of that kind; the error says what would be.
pub(crate) fn canonical(kind: ChatKind, id: &str) -> Result<ChatId, TargetError> {
    let id = id.trim();
    if id.is_empty() {
        return Err(refused("the address is empty".to_owned()));
    }
    let Some((user, server)) = id.split_once('@') else {
        return match kind {
            ChatKind::Contact => bare_contact(id),
            ChatKind::Group => bare_group(id),
        };
    };
    let chat = addressed(id, user, server)?;
    match (kind, is_group(&chat)) {
        (ChatKind::Contact, true) => Err(refused(format!("{chat} is a group, not a contact"))),
        (ChatKind::Group, false) => Err(refused(format!(
            "{id} is a contact, not a group; group ids end in @g.us"
        ))),
        (ChatKind::Contact, false) | (ChatKind::Group, true) => Ok(chat),
    }
}

/// Every canonical id that an allowlist entry can mean. Digits alone can be a
/// phone number or the id of a group and then mean both; nothing usable means
/// nothing.
#[must_use]
pub fn allow_entry(entry: &str) -> Vec<ChatId> {
    [ChatKind::Contact, ChatKind::Group]
        .into_iter()
        .filter_map(|kind| canonical(kind, entry).ok())
        .collect()
}

/// `+15551234567` for a contact with a number, the id itself otherwise.
pub(crate) fn display(chat: &ChatId) -> String {
    match chat.as_str().split_once('@') {
        Some((user, server)) if server == Server::Pn.as_str() => format!("+{user}"),
        _ => chat.as_str().to_owned(),
    }
}

/// The canonical id of an address from the wire, without its device.
pub(crate) fn chat_id(jid: &Jid) -> ChatId {
    let server = match jid.server {
        Server::Pn | Server::Hosted | Server::Legacy => Server::Pn,
        Server::Lid | Server::HostedLid => Server::Lid,
        other => other,
    };
    join(&jid.user, server)
}

/// The library's address of a canonical id; `None` if it is not one.
pub(crate) fn to_jid(chat: &ChatId) -> Option<Jid> {
    let (user, server) = chat.as_str().split_once('@')?;
    let server = Server::parse_known(server)?;
    let fits = match server {
        Server::Pn => is_digits(user),
        Server::Lid => is_lid_user(user),
        Server::Group => is_group_user(user),
        _ => false,
    };
    fits.then(|| Jid::new(user, server))
}

/// Whether a canonical id is a phone number.
pub(crate) fn is_number(chat: &ChatId) -> bool {
    is_on(chat, Server::Pn)
}

/// Whether people talk to each other at this address: not a status post,
/// newsletter, broadcast list, bot or WhatsApp's own announcements.
pub(crate) fn is_conversation(jid: &Jid) -> bool {
    match jid.server {
        Server::Pn | Server::Hosted | Server::Legacy => jid.user.as_str() != "0",
        Server::Lid | Server::HostedLid | Server::Group => true,
        _ => false,
    }
}

/// The canonical id of an address in text from the wire, with or without a
/// device; `None` if nobody can be talked to there.
pub(crate) fn parse_bare(text: &str) -> Option<ChatId> {
    let jid: Jid = text.parse().ok()?;
    (is_conversation(&jid) && !jid.user.is_empty()).then(|| chat_id(&jid))
}

fn addressed(id: &str, user: &str, server: &str) -> Result<ChatId, TargetError> {
    let server = server.trim().to_ascii_lowercase();
    let server = match Server::parse_known(&server) {
        Some(Server::Pn | Server::Hosted | Server::Legacy) => Server::Pn,
        Some(Server::Lid | Server::HostedLid) => Server::Lid,
        Some(Server::Group) => Server::Group,
        Some(Server::Newsletter) => {
            return Err(refused(format!(
                "{id} is a channel; nobody can be answered there"
            )));
        }
        Some(Server::Broadcast) => {
            return Err(refused(format!(
                "{id} is a status or broadcast list, not a chat"
            )));
        }
        Some(_) | None => {
            return Err(refused(format!(
                "{id} is not an address on WhatsApp; they end in @s.whatsapp.net, @lid or @g.us"
            )));
        }
    };
    if let Some((person, _device)) = user.split_once(':') {
        // Old spellings put an agent between the number and the device.
        let person = match server {
            Server::Pn => person.split('.').next().unwrap_or_default(),
            _ => person,
        };
        return Err(refused(format!(
            "{id} names one device; use {person}@{server} for the person"
        )));
    }
    match server {
        Server::Pn => phone_number::normalize(user)
            .map(|digits| join(&digits, Server::Pn))
            .map_err(|error| refused(error.to_string())),
        Server::Group if is_group_user(user) => Ok(join(user, Server::Group)),
        Server::Lid if is_lid_user(user) => Ok(join(user, Server::Lid)),
        _ => Err(refused(format!(
            "{id} is not an address on WhatsApp: its id is not a number"
        ))),
    }
}

fn bare_contact(id: &str) -> Result<ChatId, TargetError> {
    match phone_number::normalize(id) {
        Ok(digits) => Ok(join(&digits, Server::Pn)),
        Err(_) if bare_group(id).is_ok() => Err(refused(format!(
            "{id} is the id of a group, not a phone number"
        ))),
        Err(error) => Err(refused(error.to_string())),
    }
}

fn bare_group(id: &str) -> Result<ChatId, TargetError> {
    let digits = id.bytes().filter(u8::is_ascii_digit).count();
    if is_group_user(id) && digits >= MIN_GROUP && !id.starts_with('0') {
        Ok(join(id, Server::Group))
    } else {
        Err(refused(format!(
            "{id} is not the id of a group; they look like 120363012345678901@g.us"
        )))
    }
}

fn is_digits(user: &str) -> bool {
    !user.is_empty() && user.len() <= MAX_USER && user.bytes().all(|b| b.is_ascii_digit())
}

fn is_lid_user(user: &str) -> bool {
    // The protocol allows dots in hidden ids; unlike elsewhere they separate nothing.
    user.len() <= MAX_USER
        && user.starts_with(|c: char| c.is_ascii_digit())
        && user.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

fn is_group_user(user: &str) -> bool {
    match user.split_once('-') {
        Some((creator, created)) => is_digits(creator) && is_digits(created),
        None => is_digits(user),
    }
}

fn is_group(chat: &ChatId) -> bool {
    is_on(chat, Server::Group)
}

fn is_on(chat: &ChatId, server: Server) -> bool {
    chat.as_str()
        .rsplit_once('@')
        .is_some_and(|(_, on)| on == server.as_str())
}

fn join(user: &str, server: Server) -> ChatId {
    ChatId::from_canonical(format!("{user}@{server}"))
}

const fn refused(reason: String) -> TargetError {
    TargetError { reason }
}

#[cfg(test)]
#[path = "jid_tests.rs"]
mod tests;
