//! Groups: one sender key per group and phone, handed to every member device
//! before it is first needed, and made anew when somebody left.

use std::collections::{HashMap, HashSet};

use whatsapp_rust::NodeBuilder;
use whatsapp_rust::buffa::MessageField;
use whatsapp_rust::wacore_binary::{Jid, Node};
use whatsapp_rust::waproto::whatsapp as wa;

use super::content::StanzaKind;
use super::crypt::{CipherKind, Sealed};
use super::retry::Sent;
use super::send::{Letter, Posted, enc_node, envelope, names};
use super::{Phone, PhoneError, State};
use crate::wa_sim::hub::DeviceInfo;

/// Who has our sender keys.
#[derive(Debug, Default)]
pub(crate) struct OwnSenderKeys {
    groups: HashMap<String, GroupKeys>,
}

#[derive(Debug, Default)]
struct GroupKeys {
    /// Devices (`digits:dev`) that can open us.
    holders: HashSet<String>,
    /// Members when the key was last used.
    members: HashSet<String>,
}

/// A message that only carries a key.
const KEY_ONLY: StanzaKind = StanzaKind {
    message_type: "text",
    media_type: None,
    edit: None,
};

impl OwnSenderKeys {
    /// Forgets that a device has our key.
    pub(crate) fn forget_holder(&mut self, group: &Jid, device: &str) {
        if let Some(keys) = self.groups.get_mut(&group.to_string()) {
            keys.holders.remove(device);
        }
    }
}

impl Phone {
    pub(crate) fn send_to_group(&self, group: &Jid, letter: &Letter) -> Result<Posted, PhoneError> {
        let name = group.to_string();
        let members = self.hub.group_members(group);
        if !members.contains(&self.number) {
            return Err(PhoneError::NoRecipient(name));
        }
        let mut state = self.state();
        let id = letter.id.clone().unwrap_or_else(|| self.new_id(&mut state));
        let kind = letter.content.stanza();
        let now_ms = i64::try_from(self.hub.now())
            .unwrap_or_default()
            .saturating_mul(1000);
        let message = letter.content.message(&name, letter.wrapper, now_ms);
        let by_lid = self.hub.group_by_lid(group).unwrap_or_default();
        let to = self.distribute(&mut state, group, &members, letter.devices.as_deref())?;
        let sealed = Sealed {
            kind: CipherKind::SenderKey,
            bytes: state.crypt.seal_group(&name, &message)?,
        };
        let sealed_for = names(&to);
        state.outgoing.keep(
            id.clone(),
            Sent {
                chat: group.clone(),
                message,
                kind,
            },
        );
        let mut children = Vec::new();
        if !to.is_empty() {
            children.push(NodeBuilder::new("participants").children(to).build());
        }
        children.push(enc_node(sealed, kind, None));
        let stanza = envelope(&id, group, kind)
            .attr("addressing_mode", if by_lid { "lid" } else { "pn" })
            .children(children);
        self.submit(stanza.build());
        Ok(Posted {
            id,
            to: name,
            sealed_for,
        })
    }

    /// Seals our sender key for the devices that lack it.
    fn distribute(
        &self,
        state: &mut State,
        group: &Jid,
        members: &[String],
        only: Option<&[u16]>,
    ) -> Result<Vec<Node>, PhoneError> {
        let name = group.to_string();
        let now: HashSet<String> = members.iter().cloned().collect();
        let keys = state.sender_keys.groups.entry(name.clone()).or_default();
        if !keys.members.is_subset(&now) {
            // Whoever left must not read on.
            keys.holders.clear();
            state.crypt.rotate_sender_key(&name);
        }
        keys.members = now;
        let holders = keys.holders.clone();
        let by_lid = self.hub.group_by_lid(group).unwrap_or_default();
        let key = self.key_message(state, group)?;
        let lacking: Vec<DeviceInfo> = members
            .iter()
            .flat_map(|member| self.hub.devices_of(&Jid::pn(member.as_str())))
            .filter(|info| info.address != self.own && !holders.contains(&info.address.to_string()))
            .filter(|info| only.is_none_or(|only| only.contains(&info.address.device)))
            .collect();
        let to = self.seal_for_each(state, lacking.clone(), by_lid, &key, KEY_ONLY)?;
        let served: HashSet<String> = names(&to).into_iter().collect();
        let keys = state.sender_keys.groups.entry(name).or_default();
        for info in lacking {
            if served.contains(&info.pn.to_string()) || served.contains(&info.lid.to_string()) {
                keys.holders.insert(info.address.to_string());
            }
        }
        Ok(to)
    }

    /// The message that hands out our sender key.
    pub(crate) fn key_message(
        &self,
        state: &mut State,
        group: &Jid,
    ) -> Result<wa::Message, PhoneError> {
        let name = group.to_string();
        let distribution = state.crypt.distribution(&name)?;
        Ok(wa::Message {
            sender_key_distribution_message: MessageField::some(
                wa::message::SenderKeyDistributionMessage {
                    group_id: Some(name),
                    axolotl_sender_key_distribution_message: Some(distribution),
                },
            ),
            ..Default::default()
        })
    }
}
