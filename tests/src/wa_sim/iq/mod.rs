//! Requests, one file per name space. Every request gets an answer: clients
//! wait a minute for each, one after the other.

mod encrypt;
mod groups;
mod settings;
pub(crate) mod usync;

use whatsapp_rust::wacore_binary::Node;

use super::address::DeviceJid;
use super::hub::state::State;
use super::node::{attr_or_empty, child, children, error, result};

impl State {
    /// Answers a device's request.
    pub(crate) fn on_request(&mut self, from: &DeviceJid, iq: &Node) -> Node {
        let space = attr_or_empty(iq, "xmlns");
        let set = attr_or_empty(iq, "type") == "set";
        match space.as_str() {
            "encrypt" => self.encrypt(from, iq, set),
            "usync" => self.usync(from, iq),
            "w:g2" => self.group_request(from, iq, set),
            "md" => self.devices_request(from, iq),
            "w:sync:app:state" => self.app_state(from, iq),
            "w:mex" | "newsletter" | "bot" | "w:biz" => error(iq, 501, "feature-not-implemented"),
            _ => self.settings(&space, iq, set),
        }
    }

    /// `md`: a device leaves its account.
    fn devices_request(&mut self, from: &DeviceJid, iq: &Node) -> Node {
        if let Some(step) = child(iq, "link_code_companion_reg") {
            tracing::debug!(
                stage = attr_or_empty(step, "stage"),
                "code pairing on a linked device"
            );
            return error(iq, 400, "bad-request");
        }
        let Some(remove) = child(iq, "remove-companion-device") else {
            return result(iq, Vec::new());
        };
        let named = super::node::jid(remove, "jid").and_then(|jid| self.device_of(&jid));
        match named.filter(|device| device.number == from.number && device.device != 0) {
            Some(device) => {
                // The answer goes first; the device is gone right after it.
                let answer = result(iq, Vec::new());
                if device == *from {
                    self.tell(from, answer.clone());
                }
                self.remove_device(&device);
                answer
            }
            None => error(iq, 404, "item-not-found"),
        }
    }

    /// `w:sync:app:state`: the collections that an account's devices share. The
    /// simulator counts versions; nobody else gets to see the patches.
    fn app_state(&mut self, from: &DeviceJid, iq: &Node) -> Node {
        let Some(account) = self.accounts.get_mut(&from.number) else {
            return error(iq, 404, "item-not-found");
        };
        let collections = child(iq, "sync").map(children).unwrap_or_default();
        let answers = collections
            .iter()
            .filter(|asked| asked.tag == "collection")
            .map(|asked| {
                let name = attr_or_empty(asked, "name");
                let version: u64 = attr_or_empty(asked, "version").parse().unwrap_or(0);
                let known = account.collections.entry(name.clone()).or_insert(version);
                *known = (*known).max(version);
                if child(asked, "patch").is_some() {
                    *known += 1;
                }
                super::node::el("collection")
                    .attr("name", name)
                    .attr("version", *known)
                    .build()
            });
        let sync = super::node::el("sync")
            .children(answers.collect::<Vec<_>>())
            .build();
        result(iq, vec![sync])
    }
}
