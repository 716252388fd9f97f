//! What logged-in clients write outside of requests.

use whatsapp_rust::wacore_binary::{Node, Server};

use super::state::State;
use crate::wa_sim::address::DeviceJid;
use crate::wa_sim::node::{attr_or_empty, jid};

impl State {
    /// Takes what a logged-in client writes, requests apart.
    pub(crate) fn on_stanza(&mut self, from: &DeviceJid, stanza: &Node) {
        match stanza.tag.as_ref() {
            "message" => self.on_message(from, stanza),
            "receipt" => self.on_receipt(from, stanza),
            "ack" => self.on_ack(from, stanza),
            "ib" => self.on_ib(from, stanza),
            "presence" => self.on_presence(from, stanza),
            "chatstate" => self.on_chatstate(from, stanza),
            "iq" => {}
            other => tracing::info!(tag = other, "stanza without a meaning here"),
        }
    }

    fn on_presence(&mut self, from: &DeviceJid, presence: &Node) {
        let name = attr_or_empty(presence, "name");
        if let Ok(account) = self.account_mut(&from.number)
            && !name.is_empty()
        {
            account.push_name = name;
        }
    }

    /// Typing: shown to whoever is there, and never kept.
    fn on_chatstate(&mut self, from: &DeviceJid, state: &Node) {
        let Some(to) = jid(state, "to") else {
            return;
        };
        let mut shown = state.clone();
        shown.attrs = Default::default();
        let server = if to.server == Server::Lid {
            Server::Lid
        } else {
            Server::Pn
        };
        let typing = self.jid_as(from, server);
        let numbers = match self
            .groups
            .get(to.user.as_str())
            .filter(|_| to.server == Server::Group)
        {
            Some(group) => group.numbers(),
            None => self.number_of(&to).map(str::to_owned).into_iter().collect(),
        };
        if to.server == Server::Group {
            shown.attrs.insert("from", to);
            shown.attrs.insert("participant", typing);
        } else {
            shown.attrs.insert("from", typing.to_non_ad());
        }
        for number in numbers.iter().filter(|number| **number != from.number) {
            for device in self.devices_of(number) {
                self.tell(&device, shown.clone());
            }
        }
    }

    pub(crate) fn remove_device(&mut self, device: &DeviceJid) {
        self.stream_error(device, 401, Some("device_removed"));
        self.announce_devices(device, false);
        if let Ok(account) = self.account_mut(&device.number) {
            account.devices.remove(&device.device);
        }
    }
}
