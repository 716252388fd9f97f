//! `w:g2`: groups, asked about and changed by their members.

use whatsapp_rust::wacore_binary::{Jid, Node, Server};

use crate::wa_sim::address::DeviceJid;
use crate::wa_sim::groups::GroupChange;
use crate::wa_sim::hub::state::State;
use crate::wa_sim::hub::types::HubError;
use crate::wa_sim::node::{attr_or_empty, child, children, content, el, error, jid, result};

impl State {
    pub(super) fn group_request(&mut self, from: &DeviceJid, iq: &Node, set: bool) -> Node {
        let to = jid(iq, "to").filter(|to| to.server == Server::Group && !to.user.is_empty());
        let done = match (set, to) {
            (false, Some(group)) => self.query(from, &group),
            (false, None) => Ok(vec![self.participating(from)]),
            (true, Some(group)) => self.change(from, &group, iq),
            (true, None) if child(iq, "leave").is_some() => self.leave(from, iq),
            (true, None) => self.create(from, iq),
        };
        match done {
            Ok(answer) => result(iq, answer),
            Err(HubError::UnknownAccount(_)) => error(iq, 406, "not-acceptable"),
            Err(_) => error(iq, 404, "item-not-found"),
        }
    }

    fn query(&self, from: &DeviceJid, jid: &Jid) -> Result<Vec<Node>, HubError> {
        let group = self
            .groups
            .get(jid.user.as_str())
            .filter(|group| group.has(&from.number));
        let group = group.ok_or_else(|| HubError::UnknownGroup(jid.to_string()))?;
        Ok(vec![self.group_node(group)])
    }

    fn participating(&self, from: &DeviceJid) -> Node {
        let own = self.groups.values().filter(|group| group.has(&from.number));
        let groups: Vec<Node> = own.map(|group| self.group_node(group)).collect();
        el("groups").children(groups).build()
    }

    fn create(&mut self, from: &DeviceJid, iq: &Node) -> Result<Vec<Node>, HubError> {
        let create = child(iq, "create").ok_or_else(|| HubError::UnknownGroup(String::new()))?;
        let members = self.numbers(create);
        let by_lid = children(create)
            .iter()
            .filter_map(|member| jid(member, "jid"))
            .all(|jid| jid.server == Server::Lid);
        let subject = attr_or_empty(create, "subject");
        let group = self.create_group(&from.number, &subject, &members, by_lid)?;
        self.query(from, &group)
    }

    /// Leaving names the groups inside the request.
    fn leave(&mut self, from: &DeviceJid, iq: &Node) -> Result<Vec<Node>, HubError> {
        let leave = child(iq, "leave").map(children).unwrap_or_default();
        for group in leave.iter().filter_map(|group| jid(group, "id")) {
            self.change_group(&group, &from.number, GroupChange::Leave)?;
        }
        Ok(child(iq, "leave").cloned().into_iter().collect())
    }

    fn change(&mut self, from: &DeviceJid, group: &Jid, iq: &Node) -> Result<Vec<Node>, HubError> {
        let mut answers = Vec::new();
        for wanted in children(iq) {
            let numbers = self.numbers(wanted);
            let change = match wanted.tag.as_ref() {
                "add" => GroupChange::Add(numbers),
                "remove" => GroupChange::Remove(numbers),
                "promote" => GroupChange::Promote(numbers),
                "demote" => GroupChange::Demote(numbers),
                "leave" => GroupChange::Leave,
                "subject" => {
                    GroupChange::Subject(String::from_utf8_lossy(content(wanted)).into_owned())
                }
                _ => continue,
            };
            self.change_group(group, &from.number, change)?;
            answers.push(wanted.clone());
        }
        Ok(answers)
    }

    /// The accounts that a list of participants names.
    fn numbers(&self, list: &Node) -> Vec<String> {
        let jids = children(list)
            .iter()
            .filter_map(|member| jid(member, "jid"));
        jids.map(|jid| {
            self.number_of(&jid)
                .map_or_else(|| jid.user.to_string(), str::to_owned)
        })
        .collect()
    }
}
