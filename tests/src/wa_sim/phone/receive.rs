//! Reading: whatever the server delivers to a phone.

use whatsapp_rust::NodeBuilder;
use whatsapp_rust::wacore::libsignal::protocol::SignalProtocolError;
use whatsapp_rust::wacore_binary::{Jid, Node, Server};
use whatsapp_rust::waproto::whatsapp as wa;

use super::crypt::{CipherKind, CryptError};
use super::log::{AckSeen, ReceiptSeen, TypingSeen, push};
use super::view::{Seen, describe};
use super::{Phone, State, stanza};

/// Who wrote a stanza, and where.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    /// The sending device as the server wrote it.
    pub(crate) device: Jid,
    /// The one name of that device.
    pub(crate) address: String,
    /// The author's bare JID, by number if the number is known.
    pub(crate) author: String,
    /// The group, for group messages.
    pub(crate) group: Option<Jid>,
    /// Own companions wrote it.
    pub(crate) own: bool,
}

impl Phone {
    pub(crate) fn on_stanza(&self, node: &Node) {
        match node.tag.as_ref() {
            "message" => self.on_message(node),
            "receipt" => self.on_receipt(node),
            "notification" => self.on_notification(node),
            "chatstate" => self.on_typing(node),
            "ack" => self.note(|log| {
                let ack = AckSeen {
                    id: stanza::text(node, "id"),
                    error: stanza::optional(node, "error"),
                };
                push(&mut log.acks, ack);
            }),
            "call" => self.submit(stanza::ack(node)),
            other => tracing::trace!(tag = other, "a phone ignores this stanza"),
        }
    }

    /// Works out who wrote a message.
    pub(crate) fn origin(&self, node: &Node) -> Option<Origin> {
        let from = stanza::jid(node, "from")?;
        let group = (from.server == Server::Group).then(|| from.clone());
        let device = match &group {
            Some(_) => stanza::jid(node, "participant")?,
            None => from,
        };
        let address = self.address_of(&device);
        let author = match &address {
            Some(address) => address.bare().to_string(),
            None => device.to_non_ad_string(),
        };
        let own = address
            .as_ref()
            .is_some_and(|address| address.number == self.number);
        let address = address.map_or_else(|| device.to_string(), |address| address.to_string());
        Some(Origin {
            device,
            address,
            author,
            group,
            own,
        })
    }

    fn on_message(&self, node: &Node) {
        let Some(origin) = self.origin(node) else {
            tracing::debug!("a phone got a message without a sender");
            return;
        };
        let (mut opened, mut failure) = (0_usize, None);
        for enc in node.get_children_by_tag("enc") {
            // One after the other: the first may carry the key of the second.
            let result = open(&mut self.state(), &origin, enc);
            match result {
                Ok(message) => {
                    opened += 1;
                    self.take(node, &origin, &message);
                }
                Err(error) if is_duplicate(&error) => {}
                Err(error) => failure = Some(error),
            }
        }
        let duplicate = opened == 0 && failure.is_none();
        match failure {
            Some(error) => self.ask_again(node, &origin, &error),
            None => self.confirm(node, &origin),
        }
        if duplicate {
            self.note_repeat(node, &origin);
        }
    }

    /// Puts an opened message to use: keys are learned, content is shown.
    fn take(&self, node: &Node, origin: &Origin, message: &wa::Message) {
        if let (Some(group), Some(key)) = (
            &origin.group,
            message.sender_key_distribution_message.as_option(),
        ) {
            let bytes = key
                .axolotl_sender_key_distribution_message
                .as_deref()
                .unwrap_or_default();
            let learned =
                self.state()
                    .crypt
                    .learn_sender_key(&group.to_string(), &origin.address, bytes);
            if let Err(error) = learned {
                self.note(|log| log.refuse("sender_key", error));
            }
        }
        let (message, sent_to) = match message.device_sent_message.as_option() {
            Some(copy) => match copy.message.as_option() {
                Some(inner) => (inner, copy.destination_jid.clone()),
                None => return,
            },
            None => (message, None),
        };
        let Some((kind, text)) = describe(message) else {
            return;
        };
        let id = stanza::text(node, "id");
        let seen = Seen {
            from: origin.author.clone(),
            from_device: origin.device.to_string(),
            chat: self.chat_of(node, origin, sent_to),
            id: id.clone(),
            kind: kind.to_owned(),
            text,
            at: stanza::text(node, "t").parse().unwrap_or_default(),
            from_me: origin.own,
            times_received: 0,
            shown: 0,
        };
        let mut fresh = false;
        self.note(|log| fresh = log.view.take(seen));
        if fresh {
            self.hub.note_shown(&self.own, &id);
        }
    }

    /// The chat that a message belongs to, with people named by number.
    fn chat_of(&self, node: &Node, origin: &Origin, sent_to: Option<String>) -> String {
        if let Some(group) = &origin.group {
            return group.to_string();
        }
        let recipient = stanza::optional(node, "recipient").or(sent_to);
        match (origin.own, recipient) {
            (true, Some(chat)) => {
                let known = chat
                    .parse::<Jid>()
                    .ok()
                    .and_then(|jid| self.address_of(&jid));
                known.map_or(chat, |address| address.bare().to_string())
            }
            _ => origin.author.clone(),
        }
    }

    /// A message that was opened before came again.
    fn note_repeat(&self, node: &Node, origin: &Origin) {
        let id = stanza::text(node, "id");
        self.note(|log| log.view.repeat(&origin.author, &id));
    }

    /// The delivery receipt that removes a message from the server's queue.
    fn confirm(&self, node: &Node, origin: &Origin) {
        let mut receipt = NodeBuilder::new("receipt").attr("id", stanza::text(node, "id"));
        if let Some(from) = node.attrs.get("from") {
            receipt = receipt.attr("to", from.clone());
        }
        if let Some(participant) = node.attrs.get("participant") {
            receipt = receipt.attr("participant", participant.clone());
        }
        if stanza::text(node, "category") == "peer" {
            receipt = receipt.attr("type", "peer_msg");
        } else if origin.own {
            receipt = receipt.attr("type", "sender");
            if let Some(recipient) = node.attrs.get("recipient") {
                receipt = receipt.attr("recipient", recipient.clone());
            }
        }
        self.submit(receipt.build());
    }

    fn on_receipt(&self, node: &Node) {
        let kind = stanza::optional(node, "type").unwrap_or_else(|| "delivered".to_owned());
        let more = node
            .get_optional_child("list")
            .into_iter()
            .flat_map(|list| {
                list.get_children_by_tag("item")
                    .map(|item| stanza::text(item, "id"))
                    .collect::<Vec<_>>()
            });
        let ids: Vec<String> = std::iter::once(stanza::text(node, "id"))
            .chain(more)
            .collect();
        self.note(|log| {
            for id in ids {
                let receipt = ReceiptSeen {
                    id,
                    from: stanza::text(node, "from"),
                    participant: stanza::optional(node, "participant"),
                    kind: kind.clone(),
                    at: stanza::text(node, "t").parse().unwrap_or_default(),
                };
                push(&mut log.receipts, receipt);
            }
        });
        self.submit(stanza::ack(node));
        if kind == "retry" {
            self.on_retry(node);
        }
    }

    fn on_notification(&self, node: &Node) {
        let kind = stanza::text(node, "type");
        self.note(|log| push(&mut log.notifications, kind.clone()));
        self.submit(stanza::ack(node));
        match kind.as_str() {
            "link_code_companion_reg" => self.on_code_notification(node),
            "encrypt" => self.publish_pre_keys(),
            _ => {}
        }
    }

    fn on_typing(&self, node: &Node) {
        let Some(state) = node.children().and_then(<[Node]>::first) else {
            return;
        };
        let recording = stanza::text(state, "media") == "audio";
        let typing = TypingSeen {
            from: stanza::text(node, "from"),
            participant: stanza::optional(node, "participant"),
            state: if recording {
                "recording".to_owned()
            } else {
                state.tag.to_string()
            },
            at: self.hub.now(),
        };
        self.note(|log| push(&mut log.typing, typing));
    }

    /// Publishes another batch of one-time prekeys when the server runs low.
    fn publish_pre_keys(&self) {
        let fresh = {
            let mut state = self.state();
            let first = state.next_pre_key();
            let State { keys, crypt, .. } = &mut *state;
            let ids = keys.add_pre_keys(first, crypt.rng());
            crypt.learn_pre_keys(keys);
            keys.pre_keys
                .range(ids)
                .map(|(id, pair)| (*id, super::keys::raw_public(&pair.public_key)))
                .collect()
        };
        self.hub.add_pre_keys(&self.own, fresh);
    }
}

impl State {
    /// The lowest one-time prekey id that was never used.
    pub(crate) fn next_pre_key(&self) -> u32 {
        self.keys
            .pre_keys
            .keys()
            .next_back()
            .map_or(1, |last| last + 1)
    }
}

/// Opens one `enc` element.
fn open(state: &mut State, origin: &Origin, enc: &Node) -> Result<wa::Message, CryptError> {
    let kind = CipherKind::parse(&stanza::text(enc, "type"))?;
    let bytes = stanza::bytes(enc);
    match (kind, &origin.group) {
        (CipherKind::SenderKey, Some(group)) => {
            state
                .crypt
                .open_group(&group.to_string(), &origin.address, &bytes)
        }
        _ => state.crypt.open(&origin.address, kind, &bytes),
    }
}

/// Whether the ratchet says that this ciphertext was opened before.
fn is_duplicate(error: &CryptError) -> bool {
    matches!(
        error,
        CryptError::Signal(SignalProtocolError::DuplicatedMessage(..))
    )
}
