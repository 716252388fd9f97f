//! Notifications: what the server tells devices on its own account. They are
//! queued like messages and leave the queue when the device acknowledges them.

use whatsapp_rust::wacore_binary::builder::NodeBuilder;
use whatsapp_rust::wacore_binary::{Node, Server};

use super::address::DeviceJid;
use super::hub::mailbox::{Class, Waiting};
use super::hub::state::{Account, State};
use super::iq::usync::key_index_list;
use super::node::{SERVER, el};

/// Below this many one-time prekeys a device is asked for more.
const LOW: usize = 10;

impl State {
    /// Queues a notification for a device.
    pub(crate) fn notify(
        &mut self,
        device: &DeviceJid,
        kind: &'static str,
        from: &str,
        content: Vec<Node>,
    ) {
        let head = el("notification").attr("from", from);
        self.notify_with(device, kind, head, content);
    }

    /// Queues a notification that needs more attributes than a sender.
    pub(crate) fn notify_with(
        &mut self,
        device: &DeviceJid,
        kind: &'static str,
        head: NodeBuilder,
        content: Vec<Node>,
    ) {
        let id = self.next_id();
        let node = head
            .attr("id", id.as_str())
            .attr("type", kind)
            .attr("t", self.now())
            .children(content)
            .build();
        self.enqueue(
            device,
            Waiting {
                class: Class::Notification,
                id,
                sender: String::new(),
                node,
            },
        );
    }

    /// Asks a device for more prekeys, once, when it has few left.
    pub(crate) fn ask_for_prekeys(&mut self, device: &DeviceJid) {
        let Some(keys) = self.device_mut(device).map(|known| &mut known.keys) else {
            return;
        };
        let left = keys.one_time.len();
        if left >= LOW || keys.told_low || !keys.uploaded {
            return;
        }
        keys.told_low = true;
        let count = el("count").attr("value", left).build();
        self.notify(device, "encrypt", SERVER, vec![count]);
    }

    /// Tells the account's other devices, and the people it talks to, that its
    /// set of devices changed.
    pub(crate) fn announce_devices(&mut self, changed: &DeviceJid, added: bool) {
        let Some(account) = self.accounts.get(&changed.number) else {
            return;
        };
        let own = own_list(account);
        let others = others_list(account, changed, added);
        let lid = account.jid(0, Server::Lid);
        let contacts: Vec<String> = account.contacts.iter().cloned().collect();
        for device in self.devices_of(&changed.number) {
            if device != *changed {
                self.notify(
                    &device,
                    "account_sync",
                    &changed.bare().to_string(),
                    vec![own.clone()],
                );
            }
        }
        for device in contacts
            .iter()
            .flat_map(|number| self.devices_of(number))
            .collect::<Vec<_>>()
        {
            let head = el("notification")
                .attr("from", changed.bare())
                .attr("lid", lid.clone());
            self.notify_with(&device, "devices", head, vec![others.clone()]);
        }
    }
}

fn own_list(account: &Account) -> Node {
    let devices = account.devices.iter().map(|(id, device)| {
        let entry = el("device").attr("jid", account.jid(*id, Server::Pn));
        if *id == 0 {
            entry.build()
        } else {
            entry.attr("key-index", device.key_index).build()
        }
    });
    el("devices")
        .attr("dhash", device_hash(account, Server::Pn))
        .children(devices)
        .build()
}

fn others_list(account: &Account, changed: &DeviceJid, added: bool) -> Node {
    let index = account
        .devices
        .get(&changed.device)
        .map_or(0, |device| device.key_index);
    let device = el("device")
        .attr("jid", account.jid(changed.device, Server::Pn))
        .attr("key-index", index)
        .attr("lid", account.jid(changed.device, Server::Lid))
        .build();
    el(if added { "add" } else { "remove" })
        .attr("device_hash", device_hash(account, Server::Pn))
        .attr("device_lid_hash", device_hash(account, Server::Lid))
        .children([device, key_index_list(account)])
        .build()
}

/// A short hash over an account's devices, by which clients notice that their
/// list is old. They differ in how they compute it; a mismatch only makes them
/// ask again.
pub(crate) fn device_hash(account: &Account, server: Server) -> String {
    use base64::Engine as _;
    use sha2::{Digest as _, Sha256};
    let mut names: Vec<String> = account
        .devices
        .keys()
        .map(|device| {
            let jid = account.jid(*device, server);
            format!("{}.0:{}@{}", jid.user, jid.device, jid.server.as_str())
        })
        .collect();
    names.sort();
    let hash = Sha256::digest(names.concat().as_bytes());
    let start = hash.first_chunk::<6>().copied().unwrap_or_default();
    format!(
        "2:{}",
        base64::engine::general_purpose::STANDARD_NO_PAD.encode(start)
    )
}
