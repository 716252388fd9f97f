//! Messages: from one device to every device they are for.
//!
//! The server sees who, to whom and under which id; each device gets its own
//! ciphertext and nobody else's.

use whatsapp_rust::wacore_binary::builder::NodeBuilder;
use whatsapp_rust::wacore_binary::{Jid, Node, Server};

use super::address::DeviceJid;
use super::events::SimEvent;
use super::hub::mailbox::{Class, Waiting};
use super::hub::state::State;
use super::node::{attr, attr_or_empty, children, el, jid};

/// Children of a client's message that only the server needs.
const NOT_PASSED_ON: [&str; 6] = [
    "participants",
    "enc",
    "device-identity",
    "tctoken",
    "cstoken",
    "reporting",
];

/// Attributes of a client's message that its receivers see too.
const PASSED_ON: [&str; 6] = [
    "type",
    "edit",
    "category",
    "push_priority",
    "expiration",
    "addressing_mode",
];

/// A message on its way through the server.
struct Passing<'a> {
    from: &'a DeviceJid,
    node: &'a Node,
    id: String,
    to: Jid,
}

impl State {
    /// Takes a message from a client, queues it for everybody it is for, and
    /// acknowledges it.
    pub(crate) fn on_message(&mut self, from: &DeviceJid, node: &Node) {
        let id = attr_or_empty(node, "id");
        let Some(to) = jid(node, "to") else {
            return self.ack_message(from, node, &id, Some(400));
        };
        let now_ms = self.now_ms();
        self.emit(SimEvent::Submitted {
            from: from.clone(),
            id: id.clone(),
        });
        self.ledger.submitted(from, &id, &to.to_string(), now_ms);
        if let Some(error) = self.faults.refuse_send(from) {
            self.emit(SimEvent::Fault {
                device: from.clone(),
                fault: "refuse_send",
            });
            return self.ack_message(from, node, &id, Some(error));
        }
        let passing = Passing {
            from,
            node,
            id: id.clone(),
            to,
        };
        let error = self.pass_on(&passing);
        if self.faults.withhold_ack(from) {
            self.emit(SimEvent::Fault {
                device: from.clone(),
                fault: "withhold_acks",
            });
            return;
        }
        self.ack_message(from, node, &id, error);
    }

    fn ack_message(&mut self, from: &DeviceJid, node: &Node, id: &str, error: Option<u16>) {
        let mut ack = el("ack")
            .attr("class", "message")
            .attr("id", id)
            .attr("from", attr_or_empty(node, "to"))
            .attr("t", self.now());
        for name in ["participant", "addressing_mode"] {
            if let Some(value) = node.attrs.get(name) {
                ack = ack.attr(name, value.clone());
            }
        }
        if let Some(error) = error {
            ack = ack.attr("error", error);
        }
        self.ledger.acked(&from.number, id, error);
        self.tell(from, ack.build());
        self.emit(SimEvent::Acked {
            to: from.clone(),
            id: id.to_owned(),
        });
    }

    /// Queues a message for its devices; the error for the acknowledgement if
    /// that is impossible.
    fn pass_on(&mut self, passing: &Passing<'_>) -> Option<u16> {
        let direct = children(passing.node)
            .iter()
            .any(|child| child.tag == "enc");
        match passing.to.server {
            Server::Group => match jid(passing.node, "participant") {
                Some(one) if direct => self.pass_to_device(passing, &one),
                _ => self.pass_to_group(passing),
            },
            Server::Pn | Server::Lid if direct => self.pass_to_device(passing, &passing.to),
            Server::Pn | Server::Lid => self.pass_to_user(passing),
            // Status updates and channels have no receivers here.
            _ => None,
        }
    }

    /// The answer to a retry receipt, or a peer message: for one device only.
    fn pass_to_device(&mut self, passing: &Passing<'_>, one: &Jid) -> Option<u16> {
        let Some(target) = self.device_of(one) else {
            return Some(404);
        };
        let message = match passing.to.server {
            Server::Group => self.in_group(passing, one.server),
            server => self.addressed(passing, &target, server),
        };
        self.deliver(passing, &target, message, encs(passing.node));
        None
    }

    fn pass_to_user(&mut self, passing: &Passing<'_>) -> Option<u16> {
        let Some(receiver) = self.number_of(&passing.to).map(str::to_owned) else {
            return Some(404);
        };
        self.meet(&passing.from.number, &receiver);
        for (address, encs) in recipients(passing.node) {
            let Some(target) = self.device_of(&address) else {
                tracing::debug!(%address, "message for an unknown device");
                continue;
            };
            let wanted = target.number == receiver || target.number == passing.from.number;
            if !wanted
                || target == *passing.from
                || self.has(&passing.from.number, &passing.id, &target)
            {
                continue;
            }
            let message = self.addressed(passing, &target, address.server);
            self.deliver(passing, &target, message, encs);
        }
        None
    }

    fn pass_to_group(&mut self, passing: &Passing<'_>) -> Option<u16> {
        let group = self.groups.get(passing.to.user.as_str())?;
        if !group.has(&passing.from.number) {
            return Some(404);
        }
        let (members, by_lid) = (group.numbers(), group.by_lid);
        let server = if by_lid { Server::Lid } else { Server::Pn };
        let distribution = recipients(passing.node);
        let shared = encs(passing.node);
        for target in members
            .iter()
            .flat_map(|number| self.devices_of(number))
            .collect::<Vec<_>>()
        {
            if target == *passing.from || self.has(&passing.from.number, &passing.id, &target) {
                continue;
            }
            let own = distribution
                .iter()
                .filter(|(address, _)| self.device_of(address).as_ref() == Some(&target));
            let mut encs: Vec<Node> = own.flat_map(|(_, encs)| encs.clone()).collect();
            encs.extend(shared.iter().cloned());
            if encs.is_empty() {
                continue;
            }
            let message = self.in_group(passing, server);
            self.deliver(passing, &target, message, encs);
        }
        None
    }

    /// Whether a device has confirmed this message already.
    fn has(&mut self, sender: &str, id: &str, device: &DeviceJid) -> bool {
        let target = self.ledger.target(sender, id, device);
        target.is_some_and(|target| target.receipted_at.is_some())
    }

    /// Two accounts wrote to each other: they hear about each other's devices.
    fn meet(&mut self, one: &str, other: &str) {
        for (a, b) in [(one, other), (other, one)] {
            if let Some(account) = self.accounts.get_mut(a) {
                account.contacts.insert(b.to_owned());
            }
        }
    }

    fn header(&self, passing: &Passing<'_>) -> NodeBuilder {
        let name = self
            .accounts
            .get(&passing.from.number)
            .map(|account| account.push_name.clone());
        let mut message = el("message")
            .attr("id", passing.id.as_str())
            .attr("t", self.now())
            .attr("notify", name.unwrap_or_default());
        for passed in PASSED_ON {
            if let Some(value) = passing.node.attrs.get(passed) {
                message = message.attr(passed, value.clone());
            }
        }
        message
    }

    /// A message to one device of a user, in the name space it was addressed in.
    fn addressed(&self, passing: &Passing<'_>, target: &DeviceJid, server: Server) -> NodeBuilder {
        let other = if server == Server::Lid {
            Server::Pn
        } else {
            Server::Lid
        };
        let message = self
            .header(passing)
            .attr("from", self.jid_as(passing.from, server));
        let alternative = self.jid_as(passing.from, other);
        let peer = attr(passing.node, "category").as_deref() == Some("peer");
        if target.number != passing.from.number {
            let name = if other == Server::Lid {
                "sender_lid"
            } else {
                "sender_pn"
            };
            return message.attr(name, alternative);
        }
        let chat = jid(passing.node, "recipient").unwrap_or_else(|| passing.to.clone());
        let Some(chat) = self.account_of(&chat).filter(|_| !peer) else {
            return message;
        };
        let name = if other == Server::Lid {
            "peer_recipient_lid"
        } else {
            "peer_recipient_pn"
        };
        message
            .attr("recipient", chat.jid(0, server))
            .attr(name, chat.jid(0, other))
    }

    fn in_group(&self, passing: &Passing<'_>, server: Server) -> NodeBuilder {
        let (mode, name, other) = match server {
            Server::Lid => ("lid", "participant_pn", Server::Pn),
            _ => ("pn", "participant_lid", Server::Lid),
        };
        self.header(passing)
            .attr("from", passing.to.to_non_ad())
            .attr("participant", self.jid_as(passing.from, server))
            .attr("addressing_mode", mode)
            .attr(name, self.jid_as(passing.from, other))
    }

    fn deliver(
        &mut self,
        passing: &Passing<'_>,
        target: &DeviceJid,
        message: NodeBuilder,
        encs: Vec<Node>,
    ) {
        let first_contact = encs
            .iter()
            .any(|enc| attr(enc, "type").as_deref() == Some("pkmsg"));
        let mut content = encs;
        for child in children(passing.node) {
            let identity = child.tag == "device-identity" && first_contact;
            if identity || !NOT_PASSED_ON.contains(&child.tag.as_ref()) {
                content.push(child.clone());
            }
        }
        // Made here, so that the ledger knows about targets that never connect.
        let _ = self
            .ledger
            .target(&passing.from.number, &passing.id, target);
        let waiting = Waiting {
            class: Class::Message,
            id: passing.id.clone(),
            sender: passing.from.number.clone(),
            node: message.children(content).build(),
        };
        self.enqueue(target, waiting);
    }
}

fn encs(node: &Node) -> Vec<Node> {
    children(node)
        .iter()
        .filter(|child| child.tag == "enc")
        .cloned()
        .collect()
}

/// The devices that a message names, each with its own ciphertexts.
fn recipients(node: &Node) -> Vec<(Jid, Vec<Node>)> {
    let lists = children(node)
        .iter()
        .filter(|child| child.tag == "participants");
    let entries = lists.flat_map(children).filter(|child| child.tag == "to");
    entries
        .filter_map(|to| Some((jid(to, "jid")?, encs(to))))
        .collect()
}
