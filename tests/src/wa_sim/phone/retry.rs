//! Repairing sessions: asking for a message that could not be opened, and
//! answering those who ask us.

use std::collections::{HashMap, VecDeque};

use whatsapp_rust::NodeBuilder;
use whatsapp_rust::wacore::libsignal::protocol::KeyPair;
use whatsapp_rust::wacore_binary::{Jid, Node, Server};
use whatsapp_rust::waproto::whatsapp as wa;

use super::content::StanzaKind;
use super::crypt::{CryptError, PublicBundle};
use super::keys::raw_public;
use super::receive::Origin;
use super::send::{device_sent, enc_node, envelope};
use super::{Phone, PhoneError, State, stanza};

/// Messages kept to answer late retry receipts.
const KEPT: usize = 5_000;

/// After so many attempts both sides give up, as real clients do.
const MAX_ATTEMPTS: u8 = 5;

/// A message this phone sent.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) chat: Jid,
    pub(crate) message: wa::Message,
    pub(crate) kind: StanzaKind,
}

/// What was sent lately, by id.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    by_id: HashMap<String, Sent>,
    order: VecDeque<String>,
}

impl Outgoing {
    pub(crate) fn keep(&mut self, id: String, sent: Sent) {
        if self.by_id.insert(id.clone(), sent).is_none() {
            self.order.push_back(id);
        }
        while self.order.len() > KEPT {
            if let Some(oldest) = self.order.pop_front() {
                self.by_id.remove(&oldest);
            }
        }
    }

    fn get(&self, id: &str) -> Option<Sent> {
        self.by_id.get(id).cloned()
    }
}

/// How often we asked for each message, by device and id.
#[derive(Debug, Default)]
pub(crate) struct RetryCounts(HashMap<(String, String), u8>);

impl RetryCounts {
    fn next(&mut self, device: &str, id: &str) -> Option<u8> {
        let count = self
            .0
            .entry((device.to_owned(), id.to_owned()))
            .or_insert(0);
        *count += 1;
        (*count <= MAX_ATTEMPTS).then_some(*count)
    }
}

impl Phone {
    /// Asks the author to seal a message again, and takes it off our queue.
    pub(crate) fn ask_again(&self, node: &Node, origin: &Origin, error: &CryptError) {
        let id = stanza::text(node, "id");
        self.note(|log| log.refuse("decrypt", error));
        let stanza = {
            let mut state = self.state();
            let count = state.retries.next(&origin.address, &id);
            count.map(|count| retry_receipt(&mut state, node, count))
        };
        if let Some(stanza) = stanza {
            self.submit(stanza);
        }
        let mut ack = NodeBuilder::new("ack")
            .attr("class", "message")
            .attr("id", id);
        ack = ack.attr("error", "500");
        for (name, from) in [
            ("to", "from"),
            ("participant", "participant"),
            ("type", "type"),
        ] {
            if let Some(value) = node.attrs.get(from) {
                ack = ack.attr(name, value.clone());
            }
        }
        self.submit(ack.build());
    }

    /// Seals a message again for the device that could not open it.
    pub(crate) fn on_retry(&self, node: &Node) {
        if let Err(error) = self.answer_retry(node) {
            self.note(|log| log.refuse("retry", error));
        }
    }

    fn answer_retry(&self, node: &Node) -> Result<(), PhoneError> {
        let id = stanza::text(node, "id");
        let from = stanza::jid(node, "from")
            .ok_or_else(|| PhoneError::BadAddress("a retry receipt without sender".to_owned()))?;
        let group = (from.server == Server::Group).then(|| from.clone());
        let asker = match &group {
            Some(_) => stanza::jid(node, "participant").unwrap_or(from),
            None => from,
        };
        let address = self
            .address_of(&asker)
            .ok_or_else(|| PhoneError::NoRecipient(asker.to_string()))?;
        let count = node
            .get_optional_child("retry")
            .and_then(|retry| stanza::text(retry, "count").parse::<u8>().ok())
            .unwrap_or(1);
        let mut state = self.state();
        let sent = state
            .outgoing
            .get(&id)
            .filter(|_| count <= MAX_ATTEMPTS)
            .ok_or_else(|| PhoneError::NoRecipient(format!("the message {id}")))?;
        renew_session(&mut state, &address.to_string(), node)?;
        let mut message = sent.message.clone();
        if let Some(group) = &group {
            let key = self.key_message(&mut state, group)?;
            message.sender_key_distribution_message = key.sender_key_distribution_message;
            state.sender_keys.forget_holder(group, &address.to_string());
        } else if address.number == self.number {
            message = device_sent(&sent.chat, message);
        }
        let sealed = self
            .seal_one(&mut state, &address, &asker, &message)?
            .ok_or_else(|| PhoneError::NoRecipient(asker.to_string()))?;
        let mut answer = envelope(&id, group.as_ref().unwrap_or(&asker), sent.kind)
            .attr("device_fanout", "false");
        if group.is_some() {
            answer = answer.attr("participant", asker);
        }
        self.submit(
            answer
                .children([enc_node(sealed, sent.kind, Some(count))])
                .build(),
        );
        Ok(())
    }
}

/// The receipt itself. Our keys go with it from the first attempt on: a
/// phone that lost its session cannot be reached without them.
fn retry_receipt(state: &mut State, node: &Node, count: u8) -> Node {
    let id = stanza::text(node, "id");
    let mut retry = NodeBuilder::new("retry")
        .attr("v", "1")
        .attr("id", id.as_str())
        .attr("count", count.to_string());
    if let Some(t) = node.attrs.get("t") {
        retry = retry.attr("t", t.clone());
    }
    let registration = state.keys.registration_id.to_be_bytes();
    let mut receipt = NodeBuilder::new("receipt")
        .attr("type", "retry")
        .attr("id", id);
    for (name, from) in [
        ("to", "from"),
        ("participant", "participant"),
        ("recipient", "recipient"),
    ] {
        if let Some(value) = node.attrs.get(from) {
            receipt = receipt.attr(name, value.clone());
        }
    }
    receipt
        .children([
            retry.build(),
            stanza::leaf("registration", registration),
            own_keys(state),
        ])
        .build()
}

/// Takes the asker's keys from the receipt, or else makes the next message
/// fetch them.
fn renew_session(state: &mut State, address: &str, node: &Node) -> Result<(), PhoneError> {
    state.crypt.drop_session(address);
    if let Some(bundle) = read_keys(node) {
        state.crypt.start_session(address, &bundle)?;
    }
    Ok(())
}

/// The keys in a retry receipt.
fn read_keys(node: &Node) -> Option<PublicBundle> {
    let keys = node.get_optional_child("keys")?;
    let registration = stanza::child_bytes(node, "registration")?;
    let signed = keys.get_optional_child("skey")?;
    let pre_key = keys.get_optional_child("key").and_then(|key| {
        let id = stanza::number(&stanza::child_bytes(key, "id")?);
        Some((id, stanza::child_bytes(key, "value")?.try_into().ok()?))
    });
    Some(PublicBundle {
        registration_id: stanza::number(&registration),
        identity: stanza::child_bytes(keys, "identity")?.try_into().ok()?,
        signed_pre_key: (
            stanza::number(&stanza::child_bytes(signed, "id")?),
            stanza::child_bytes(signed, "value")?.try_into().ok()?,
            stanza::child_bytes(signed, "signature")?,
        ),
        pre_key,
    })
}

/// Our own keys for a retry receipt, with a one-time prekey that nobody else
/// gets.
fn own_keys(state: &mut State) -> Node {
    let id = state.next_pre_key();
    let State { keys, crypt, .. } = state;
    let pair = KeyPair::generate(crypt.rng());
    let public = raw_public(&pair.public_key);
    keys.pre_keys.insert(id, pair);
    crypt.learn_pre_keys(keys);
    let signed = &keys.signed_pre_key;
    let key = [
        stanza::leaf("id", stanza::key_id(id)),
        stanza::leaf("value", public),
    ];
    let skey = [
        stanza::leaf("id", stanza::key_id(signed.id)),
        stanza::leaf("value", raw_public(&signed.pair.public_key)),
        stanza::leaf("signature", signed.signature),
    ];
    NodeBuilder::new("keys")
        .children([
            stanza::leaf("type", [5]),
            stanza::leaf("identity", keys.identity_public()),
            NodeBuilder::new("key").children(key).build(),
            NodeBuilder::new("skey").children(skey).build(),
        ])
        .build()
}
