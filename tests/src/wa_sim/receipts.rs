//! Receipts and acknowledgements: what devices confirm, and who hears of it.

use whatsapp_rust::wacore_binary::{Jid, Node, Server};

use super::address::DeviceJid;
use super::events::SimEvent;
use super::hub::mailbox::{Class, Waiting};
use super::hub::state::State;
use super::node::{attr, attr_or_empty, child, children, el, jid};

impl State {
    /// Takes a receipt: the messages it names leave the device's queue, and
    /// their sender is told if the kind of receipt is one that senders see.
    pub(crate) fn on_receipt(&mut self, by: &DeviceJid, receipt: &Node) {
        let kind = attr(receipt, "type")
            .map_or_else(|| "delivered".to_owned(), std::borrow::Cow::into_owned);
        let author = jid(receipt, "participant").or_else(|| jid(receipt, "to"));
        for id in ids(receipt) {
            self.confirm_message(by, &id, author.as_ref(), &kind);
        }
        self.ack_receipt(by, receipt);
        match kind.as_str() {
            "delivered" | "read" | "played" => self.tell_author(by, receipt),
            "read-self" => self.tell_own_devices(by, receipt),
            "retry" => self.ask_again(by, receipt),
            _ => {}
        }
    }

    fn confirm_message(&mut self, by: &DeviceJid, id: &str, author: Option<&Jid>, kind: &str) {
        let author = author
            .and_then(|jid| self.number_of(jid))
            .map(str::to_owned);
        let is_authors = |waiting: &Waiting| author.as_deref() == Some(waiting.sender.as_str());
        let queued = self
            .device_mut(by)
            .and_then(|device| device.mailbox.confirm(Class::Message, id, &is_authors));
        let now = self.now_ms();
        let target = match queued.or(author) {
            Some(sender) => self.ledger.target(&sender, id, by),
            None => self.ledger.any_target(id, by),
        };
        let Some(target) = target else {
            return;
        };
        match kind {
            "retry" => target.retries += 1,
            "read" | "read-self" | "played" => target.read_at = target.read_at.or(Some(now)),
            // What a phone does with a message beside receiving it.
            "hist_sync" => {}
            _ => {
                target.receipted_at = target.receipted_at.or(Some(now));
                target.receipt = Some(kind.to_owned());
            }
        }
        self.emit(SimEvent::Receipted {
            by: by.clone(),
            id: id.to_owned(),
            kind: kind.to_owned(),
        });
    }

    fn ack_receipt(&mut self, by: &DeviceJid, receipt: &Node) {
        let mut ack = el("ack")
            .attr("class", "receipt")
            .attr("id", attr_or_empty(receipt, "id"))
            .attr("from", attr_or_empty(receipt, "to"));
        for name in ["type", "participant"] {
            if let Some(value) = receipt.attrs.get(name) {
                ack = ack.attr(name, value.clone());
            }
        }
        self.tell(by, ack.build());
    }

    /// Tells every device of the message's author.
    fn tell_author(&mut self, by: &DeviceJid, receipt: &Node) {
        let Some(to) = jid(receipt, "to") else {
            return;
        };
        let author = jid(receipt, "participant").unwrap_or_else(|| to.clone());
        let Some(number) = self.number_of(&author).map(str::to_owned) else {
            return;
        };
        if number == by.number {
            return;
        }
        let reader = self.jid_as(by, author.server);
        for device in self.devices_of(&number) {
            self.forward(receipt, &to, &reader, &device);
        }
    }

    fn tell_own_devices(&mut self, by: &DeviceJid, receipt: &Node) {
        let Some(to) = jid(receipt, "to") else {
            return;
        };
        let mut seen = el("receipt")
            .attr("from", by.bare())
            .attr("recipient", to)
            .attr("id", attr_or_empty(receipt, "id"))
            .attr("type", "read-self")
            .attr("t", self.now());
        if let Some(participant) = receipt.attrs.get("participant") {
            seen = seen.attr("participant", participant.clone());
        }
        let seen = seen.children(children(receipt).to_vec()).build();
        for device in self.devices_of(&by.number) {
            if device != *by {
                self.queue_receipt(&device, seen.clone());
            }
        }
    }

    /// A device could not read a message: exactly the device that wrote it hears
    /// of that.
    fn ask_again(&mut self, by: &DeviceJid, receipt: &Node) {
        let Some(to) = jid(receipt, "to") else {
            return;
        };
        let author = jid(receipt, "participant").unwrap_or_else(|| to.clone());
        let Some(device) = self.device_of(&author) else {
            return;
        };
        let asking = self.jid_as(by, author.server);
        self.forward(receipt, &to, &asking, &device);
    }

    fn forward(&mut self, receipt: &Node, to: &Jid, by: &Jid, device: &DeviceJid) {
        let id = attr_or_empty(receipt, "id");
        let mut passed = el("receipt").attr("id", id).attr("t", self.now());
        passed = match to.server {
            Server::Group => passed
                .attr("from", to.clone())
                .attr("participant", by.clone()),
            _ => passed.attr("from", by.clone()),
        };
        if let Some(kind) = receipt.attrs.get("type") {
            passed = passed.attr("type", kind.clone());
        }
        let content = children(receipt);
        let passed = if content.is_empty() {
            passed.build()
        } else {
            passed.children(content.to_vec()).build()
        };
        self.queue_receipt(device, passed);
    }

    fn queue_receipt(&mut self, device: &DeviceJid, node: Node) {
        let id = attr_or_empty(&node, "id");
        self.enqueue(
            device,
            Waiting {
                class: Class::Receipt,
                id,
                sender: String::new(),
                node,
            },
        );
    }

    /// Takes an acknowledgement: what it names leaves the device's queue.
    pub(crate) fn on_ack(&mut self, by: &DeviceJid, ack: &Node) {
        let id = attr_or_empty(ack, "id");
        match Class::of(&attr_or_empty(ack, "class")) {
            Some(Class::Message) => {
                let author = jid(ack, "participant").or_else(|| jid(ack, "to"));
                // With an error the device has given up on it, or asked again.
                let kind = if attr(ack, "error").is_some() {
                    "hist_sync"
                } else {
                    "ack"
                };
                self.confirm_message(by, &id, author.as_ref(), kind);
            }
            Some(class) => {
                if let Some(device) = self.device_mut(by) {
                    device.mailbox.confirm(class, &id, &|_| true);
                }
            }
            None => {}
        }
    }
}

/// Every id that a receipt names.
fn ids(receipt: &Node) -> Vec<String> {
    let mut ids = vec![attr_or_empty(receipt, "id")];
    if let Some(list) = child(receipt, "list") {
        ids.extend(children(list).iter().map(|item| attr_or_empty(item, "id")));
    }
    ids.retain(|id| !id.is_empty());
    ids.dedup();
    ids
}
