//! Writing: a message sealed once per device, as the multi-device protocol
//! wants it, and handed to the server as one stanza.

use serde::{Deserialize, Serialize};
use whatsapp_rust::NodeBuilder;
use whatsapp_rust::buffa::MessageField;
use whatsapp_rust::wacore_binary::{Jid, Node, Server};
use whatsapp_rust::waproto::whatsapp as wa;

use super::content::{Content, StanzaKind, Wrapper};
use super::crypt::{PublicBundle, Sealed};
use super::retry::Sent;
use super::{Phone, PhoneError, State};
use crate::wa_sim::address::DeviceJid;
use crate::wa_sim::hub::{AccountInfo, Bundle, DeviceInfo};

/// One thing to send.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Letter {
    /// What.
    #[serde(flatten)]
    pub content: Content,
    /// Wrapped how.
    #[serde(default)]
    pub wrapper: Wrapper,
    /// The id to use; made up when missing. Sending one id twice is what a
    /// client does that never saw the ack.
    #[serde(default)]
    pub id: Option<String>,
    /// Only these devices of the recipient, as if the sender's list were stale.
    #[serde(default)]
    pub devices: Option<Vec<u16>>,
}

impl Letter {
    /// Plain text to everybody.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Content::text(text).into()
    }
}

impl From<Content> for Letter {
    fn from(content: Content) -> Self {
        Self {
            content,
            wrapper: Wrapper::None,
            id: None,
            devices: None,
        }
    }
}

/// What became of a letter before the server saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posted {
    /// Its message id.
    pub id: String,
    /// The chat, as addressed.
    pub to: String,
    /// The devices it was sealed for; own companions included.
    pub sealed_for: Vec<String>,
}

/// Where a text address leads.
pub(crate) enum Target {
    /// A person, perhaps one device of theirs.
    Person(AccountInfo, Option<u16>),
    /// A group.
    Group(Jid),
}

impl Phone {
    /// Sends `letter` to a number, a JID, a device JID or a group.
    ///
    /// # Errors
    /// If nobody is there, or nothing could be sealed.
    pub fn send(&self, to: &str, letter: &Letter) -> Result<Posted, PhoneError> {
        match self.target(to)? {
            Target::Group(group) => self.send_to_group(&group, letter),
            Target::Person(account, device) => self.send_to_person(&account, device, letter),
        }
    }

    /// Tells a chat that this person types (`composing`) or stopped (`paused`).
    ///
    /// # Errors
    /// If nobody is there.
    pub fn type_in(&self, to: &str, typing: bool) -> Result<(), PhoneError> {
        let chat = match self.target(to)? {
            Target::Group(group) => group,
            Target::Person(account, _) => self.chat_jid(&account),
        };
        let state = NodeBuilder::new(if typing { "composing" } else { "paused" }).build();
        self.submit(
            NodeBuilder::new("chatstate")
                .attr("to", chat)
                .children([state])
                .build(),
        );
        Ok(())
    }

    /// Marks messages as read: by `author` in a group, or in the chat with one
    /// person.
    ///
    /// # Errors
    /// If nobody is there.
    pub fn read(&self, chat: &str, author: Option<&str>, ids: &[String]) -> Result<(), PhoneError> {
        let Some((first, rest)) = ids.split_first() else {
            return Ok(());
        };
        let (to, participant) = match self.target(chat)? {
            Target::Group(group) => (group, author),
            Target::Person(account, _) => (self.chat_jid(&account), None),
        };
        let mut receipt = NodeBuilder::new("receipt")
            .attr("id", first.as_str())
            .attr("to", to)
            .attr("type", "read")
            .attr("t", self.hub.now());
        if let Some(author) = participant {
            receipt = receipt.attr("participant", author);
        }
        if !rest.is_empty() {
            let items = rest
                .iter()
                .map(|id| NodeBuilder::new("item").attr("id", id.as_str()).build());
            receipt = receipt.children([NodeBuilder::new("list").children(items).build()]);
        }
        self.submit(receipt.build());
        Ok(())
    }

    fn send_to_person(
        &self,
        account: &AccountInfo,
        device: Option<u16>,
        letter: &Letter,
    ) -> Result<Posted, PhoneError> {
        let chat = self.chat_jid(account);
        let mut state = self.state();
        let id = letter.id.clone().unwrap_or_else(|| self.new_id(&mut state));
        let kind = letter.content.stanza();
        let now_ms = i64::try_from(self.hub.now())
            .unwrap_or_default()
            .saturating_mul(1000);
        let message = letter
            .content
            .message(&chat.to_string(), letter.wrapper, now_ms);
        let wanted = |info: &DeviceInfo| {
            device.is_none_or(|only| only == info.address.device)
                && letter
                    .devices
                    .as_ref()
                    .is_none_or(|only| only.contains(&info.address.device))
        };
        let theirs = self.hub.devices_of(&chat).into_iter().filter(wanted);
        let mut to = self.seal_for_each(&mut state, theirs, self.by_lid, &message, kind)?;
        let copy = device_sent(&chat, message.clone());
        to.extend(self.seal_for_each(&mut state, self.companions(), self.by_lid, &copy, kind)?);
        if to.is_empty() {
            return Err(PhoneError::NoRecipient(chat.to_string()));
        }
        let sealed_for = names(&to);
        state.outgoing.keep(
            id.clone(),
            Sent {
                chat: chat.clone(),
                message,
                kind,
            },
        );
        let participants = NodeBuilder::new("participants").children(to).build();
        self.submit(envelope(&id, &chat, kind).children([participants]).build());
        Ok(Posted {
            id,
            to: chat.to_string(),
            sealed_for,
        })
    }

    /// Own devices other than this phone.
    pub(crate) fn companions(&self) -> Vec<DeviceInfo> {
        let mut devices = self.hub.devices_of(&self.own.bare());
        devices.retain(|info| info.address != self.own);
        devices
    }

    /// Reads an address as a person would write it.
    pub(crate) fn target(&self, to: &str) -> Result<Target, PhoneError> {
        let jid: Jid = if to.contains('@') {
            to.parse()
                .map_err(|_bad| PhoneError::BadAddress(to.to_owned()))?
        } else {
            let digits: String = to.chars().filter(char::is_ascii_digit).collect();
            if digits.is_empty() {
                return Err(PhoneError::BadAddress(to.to_owned()));
            }
            Jid::pn(digits)
        };
        if jid.server == Server::Group {
            return Ok(Target::Group(jid));
        }
        let account = self
            .hub
            .account_of(&jid)
            .ok_or_else(|| PhoneError::NoRecipient(to.to_owned()))?;
        let device = (jid.device != 0).then_some(jid.device);
        Ok(Target::Person(account, device))
    }

    /// How this phone writes a person's chat.
    pub(crate) fn chat_jid(&self, account: &AccountInfo) -> Jid {
        if self.by_lid {
            account.lid_jid()
        } else {
            account.pn()
        }
    }

    /// One `<to>` per device that could be sealed for. A device without a key
    /// bundle is left out, as real phones do.
    pub(crate) fn seal_for_each(
        &self,
        state: &mut State,
        devices: impl IntoIterator<Item = DeviceInfo>,
        by_lid: bool,
        message: &wa::Message,
        kind: StanzaKind,
    ) -> Result<Vec<Node>, PhoneError> {
        let mut to = Vec::new();
        for info in devices {
            let jid = if by_lid { info.lid } else { info.pn };
            if let Some(sealed) = self.seal_one(state, &info.address, &jid, message)? {
                let enc = enc_node(sealed, kind, None);
                to.push(
                    NodeBuilder::new("to")
                        .attr("jid", jid)
                        .children([enc])
                        .build(),
                );
            }
        }
        Ok(to)
    }

    /// Seals for one device, opening a session first if there is none.
    pub(crate) fn seal_one(
        &self,
        state: &mut State,
        address: &DeviceJid,
        jid: &Jid,
        message: &wa::Message,
    ) -> Result<Option<Sealed>, PhoneError> {
        let name = address.to_string();
        if !state.crypt.has_session(&name) {
            let Some(bundle) = self.hub.take_prekey_bundle(jid) else {
                return Ok(None);
            };
            state.crypt.start_session(&name, &bundle.into())?;
        }
        Ok(Some(state.crypt.seal(&name, message)?))
    }
}

/// The copy for the sender's own other devices: it says where the original went.
pub(crate) fn device_sent(chat: &Jid, message: wa::Message) -> wa::Message {
    wa::Message {
        device_sent_message: MessageField::some(wa::message::DeviceSentMessage {
            destination_jid: Some(chat.to_string()),
            message: MessageField::some(message),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// The `message` element around whatever is sealed.
pub(crate) fn envelope(id: &str, to: &Jid, kind: StanzaKind) -> NodeBuilder {
    let stanza = NodeBuilder::new("message")
        .attr("id", id)
        .attr("to", to.clone())
        .attr("type", kind.message_type);
    match kind.edit {
        Some(edit) => stanza.attr("edit", edit),
        None => stanza,
    }
}

/// An `enc` element; `count` is set on answers to retry receipts.
pub(crate) fn enc_node(sealed: Sealed, kind: StanzaKind, count: Option<u8>) -> Node {
    let mut enc = NodeBuilder::new("enc")
        .attr("v", "2")
        .attr("type", sealed.kind.as_str());
    if let Some(media) = kind.media_type {
        enc = enc.attr("mediatype", media);
    }
    if kind.hidden() {
        enc = enc.attr("decrypt-fail", "hide");
    }
    if let Some(count) = count {
        enc = enc.attr("count", count.to_string());
    }
    enc.bytes(sealed.bytes).build()
}

/// The JIDs of `<to>` elements.
pub(crate) fn names(to: &[Node]) -> Vec<String> {
    to.iter()
        .map(|node| super::stanza::text(node, "jid"))
        .collect()
}

impl StanzaKind {
    /// Messages that change others show nothing when they cannot be opened.
    const fn hidden(self) -> bool {
        self.edit.is_some()
    }
}

impl From<Bundle> for PublicBundle {
    fn from(bundle: Bundle) -> Self {
        let signed = bundle.signed_pre_key;
        Self {
            registration_id: bundle.registration_id,
            identity: bundle.identity,
            signed_pre_key: (signed.id, signed.public, signed.signature.to_vec()),
            pre_key: bundle.pre_key,
        }
    }
}
