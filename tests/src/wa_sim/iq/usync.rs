//! `usync`: which devices a user has, which LID, and whether a number is
//! registered at all.

use loong_proto::wire::{AdvKeyIndexList, AdvSignedKeyIndexList};
use prost::Message as _;
use whatsapp_rust::wacore_binary::{Jid, Node, Server};

use crate::wa_sim::address::DeviceJid;
use crate::wa_sim::hub::state::{Account, State};
use crate::wa_sim::node::{bytes, child, children, content, el, error, jid, result};
use crate::wa_sim::notify::device_hash;

impl State {
    pub(super) fn usync(&mut self, from: &DeviceJid, iq: &Node) -> Node {
        let Some(asked) = child(iq, "usync") else {
            return error(iq, 400, "bad-request");
        };
        let protocols = child(asked, "query").map(children).unwrap_or_default();
        let users = child(asked, "list").map(children).unwrap_or_default();
        let answers: Vec<Node> = users
            .iter()
            .map(|user| self.usync_user(user, protocols))
            .collect();
        for user in users.iter().filter_map(|user| jid(user, "jid")) {
            self.notice(&from.number, &user);
        }
        let mut answer = el("usync");
        for name in ["sid", "mode", "context", "last", "index"] {
            if let Some(value) = asked.attrs.get(name) {
                answer = answer.attr(name, value.clone());
            }
        }
        let results: Vec<Node> = protocols
            .iter()
            .map(|protocol| el_like(protocol).build())
            .collect();
        let parts = [
            el("result").children(results).build(),
            el("list").children(answers).build(),
        ];
        result(iq, vec![answer.children(parts).build()])
    }

    /// Who looks up somebody's devices wants to hear when they change.
    fn notice(&mut self, asking: &str, user: &Jid) {
        let Some(number) = self.number_of(user).map(str::to_owned) else {
            return;
        };
        if let Some(account) = self.accounts.get_mut(&number).filter(|_| number != asking) {
            account.contacts.insert(asking.to_owned());
        }
    }

    fn usync_user(&self, user: &Node, protocols: &[Node]) -> Node {
        let contact = child(user, "contact").map(content).unwrap_or_default();
        let digits: String = String::from_utf8_lossy(contact)
            .chars()
            .filter(char::is_ascii_digit)
            .collect();
        let asked = jid(user, "jid").unwrap_or_else(|| Jid::pn(digits.as_str()));
        let account = self.account_of(&asked);
        let answers = protocols
            .iter()
            .filter_map(|protocol| answer(protocol, account, &asked));
        let mut node = el("user").attr("jid", asked.to_non_ad());
        if !digits.is_empty() {
            node = node.attr("pn_jid", Jid::pn(digits.as_str()));
        }
        let mut answers: Vec<Node> = answers.collect();
        for echoed in answers.iter_mut().filter(|answer| answer.tag == "contact") {
            echoed.content = child(user, "contact").and_then(|contact| contact.content.clone());
        }
        node.children(answers).build()
    }
}

fn el_like(protocol: &Node) -> whatsapp_rust::wacore_binary::builder::NodeBuilder {
    whatsapp_rust::wacore_binary::builder::NodeBuilder::new_dynamic(protocol.tag.to_string())
}

fn answer(protocol: &Node, account: Option<&Account>, asked: &Jid) -> Option<Node> {
    let Some(account) = account else {
        return (protocol.tag == "contact").then(|| el("contact").attr("type", "out").build());
    };
    Some(match protocol.tag.as_ref() {
        "devices" => devices(account, asked.server),
        "lid" if asked.server == Server::Lid => return None,
        "lid" => el("lid").attr("val", account.jid(0, Server::Lid)).build(),
        "contact" => el("contact").attr("type", "in").build(),
        "status" => el("status").attr("t", "0").build(),
        "disappearing_mode" => el("disappearing_mode")
            .attr("duration", "0")
            .attr("t", "0")
            .build(),
        _ => el_like(protocol).build(),
    })
}

fn devices(account: &Account, server: Server) -> Node {
    let entries = account.devices.iter().map(|(id, device)| {
        let entry = el("device").attr("id", *id);
        if *id == 0 {
            entry.build()
        } else {
            entry.attr("key-index", device.key_index).build()
        }
    });
    let list = el("device-list")
        .attr("hash", device_hash(account, server))
        .children(entries.collect::<Vec<_>>())
        .build();
    el("devices")
        .children([list, key_index_list(account)])
        .build()
}

/// Which key indexes are in use. Only the phone could sign it, and no known
/// client checks that signature; the simulator sends zeros.
pub(crate) fn key_index_list(account: &Account) -> Node {
    let valid: Vec<u32> = account
        .devices
        .values()
        .map(|device| device.key_index)
        .collect();
    if valid.len() < 2 {
        return el("key-index-list").attr("ts", KEY_INDEX_TIME).build();
    }
    let details = AdvKeyIndexList {
        raw_id: Some(account.raw_id),
        timestamp: Some(KEY_INDEX_TIME),
        current_index: Some(account.last_key_index),
        valid_indexes: valid,
    };
    let signed = AdvSignedKeyIndexList {
        details: Some(details.encode_to_vec()),
        account_signature: Some(vec![0; 64]),
    };
    let mut node = bytes("key-index-list", &signed.encode_to_vec());
    node.attrs.insert("ts", KEY_INDEX_TIME);
    node
}

/// Later than any identity's own time stamp would make clients drop the device.
const KEY_INDEX_TIME: u64 = 1_700_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wa_sim::node::{attr_or_empty, empty};

    #[test]
    fn unknown_numbers_are_out_and_nothing_else() {
        let asked = Jid::pn("15550000000");
        let out = answer(&empty("contact"), None, &asked).unwrap();
        assert_eq!(attr_or_empty(&out, "type"), "out");
        assert!(answer(&empty("devices"), None, &asked).is_none());
    }
}
