//! Groups: who is in them, and what members are told when that changes.

use std::collections::BTreeMap;

use whatsapp_rust::wacore_binary::{Jid, Node, Server};

use super::address::DeviceJid;
use super::hub::state::State;
use super::hub::types::HubError;
use super::node::el;

/// A group.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) id: String,
    pub(crate) subject: String,
    pub(crate) created_at: u64,
    pub(crate) creator: String,
    /// Whether members appear by LID or by number.
    pub(crate) by_lid: bool,
    /// Numbers, and whether they may change the group.
    pub(crate) members: BTreeMap<String, bool>,
}

/// A change to a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupChange {
    /// Numbers that join.
    Add(Vec<String>),
    /// Numbers that are removed.
    Remove(Vec<String>),
    /// The actor leaves.
    Leave,
    /// Numbers that become administrators.
    Promote(Vec<String>),
    /// Numbers that no longer are.
    Demote(Vec<String>),
    /// The new subject.
    Subject(String),
}

impl Group {
    pub(crate) fn has(&self, number: &str) -> bool {
        self.members.contains_key(number)
    }

    pub(crate) fn numbers(&self) -> Vec<String> {
        self.members.keys().cloned().collect()
    }

    pub(crate) fn jid(&self) -> Jid {
        Jid::group(self.id.as_str())
    }

    fn server(&self) -> Server {
        if self.by_lid { Server::Lid } else { Server::Pn }
    }
}

impl State {
    pub(crate) fn create_group(
        &mut self,
        creator: &str,
        subject: &str,
        members: &[String],
        by_lid: bool,
    ) -> Result<Jid, HubError> {
        for number in members.iter().map(String::as_str).chain([creator]) {
            if !self.accounts.contains_key(number) {
                return Err(HubError::UnknownAccount(number.to_owned()));
            }
        }
        let id = format!("120363{:012}", self.random.u64(0..1_000_000_000_000));
        let mut group = Group {
            id: id.clone(),
            subject: subject.to_owned(),
            created_at: self.now(),
            creator: creator.to_owned(),
            by_lid,
            members: members
                .iter()
                .map(|number| (number.clone(), false))
                .collect(),
        };
        group.members.insert(creator.to_owned(), true);
        let (jid, numbers) = (group.jid(), group.numbers());
        let shown = self.group_node(&group);
        self.groups.insert(id, group);
        let create = el("create")
            .attr("type", "new")
            .attr("key", "sim")
            .children([shown])
            .build();
        self.tell_group(&jid, creator, &numbers, &create);
        Ok(jid)
    }

    pub(crate) fn change_group(
        &mut self,
        jid: &Jid,
        actor: &str,
        change: GroupChange,
    ) -> Result<(), HubError> {
        let unknown = || HubError::UnknownGroup(jid.to_string());
        let group = self
            .groups
            .get_mut(jid.user.as_str())
            .filter(|group| group.has(actor))
            .ok_or_else(unknown)?;
        let mut told = group.numbers();
        let (tag, about) = match change {
            GroupChange::Add(numbers) => {
                for number in &numbers {
                    if !self.accounts.contains_key(number) {
                        return Err(HubError::UnknownAccount(number.clone()));
                    }
                    group.members.entry(number.clone()).or_insert(false);
                }
                told = group.numbers();
                ("add", numbers)
            }
            GroupChange::Remove(numbers) => {
                group.members.retain(|number, _| !numbers.contains(number));
                ("remove", numbers)
            }
            GroupChange::Leave => {
                group.members.remove(actor);
                ("leave", vec![actor.to_owned()])
            }
            GroupChange::Promote(numbers) => ("promote", set_admin(group, numbers, true)),
            GroupChange::Demote(numbers) => ("demote", set_admin(group, numbers, false)),
            GroupChange::Subject(subject) => {
                group.subject.clone_from(&subject);
                let owner = self.jid_in(jid, actor);
                let child = el("subject")
                    .attr("subject", subject)
                    .attr("s_t", self.now())
                    .attr("s_o", owner)
                    .build();
                self.tell_group(jid, actor, &told, &child);
                return Ok(());
            }
        };
        let Some(group) = self.groups.get(jid.user.as_str()).cloned() else {
            return Err(unknown());
        };
        let participants: Vec<Node> = about
            .iter()
            .filter_map(|number| self.participant(&group, number))
            .collect();
        let change = el(tag).children(participants).build();
        self.tell_group(jid, actor, &told, &change);
        Ok(())
    }

    fn jid_in(&self, group: &Jid, number: &str) -> Jid {
        let server = self
            .groups
            .get(group.user.as_str())
            .map_or(Server::Pn, Group::server);
        self.jid_as(&DeviceJid::new(number, 0), server)
    }

    fn participant(&self, group: &Group, number: &str) -> Option<Node> {
        let account = self.accounts.get(number)?;
        let mut participant = el("participant").attr("jid", account.jid(0, group.server()));
        let (name, other) = if group.by_lid {
            ("phone_number", Server::Pn)
        } else {
            ("lid", Server::Lid)
        };
        participant = participant.attr(name, account.jid(0, other));
        if group.members.get(number) == Some(&true) {
            let kind = if group.creator == number {
                "superadmin"
            } else {
                "admin"
            };
            participant = participant.attr("type", kind);
        }
        Some(participant.build())
    }

    /// A group as queries and creations show it.
    pub(crate) fn group_node(&self, group: &Group) -> Node {
        let creator = DeviceJid::new(group.creator.as_str(), 0);
        let owner = self.jid_as(&creator, group.server());
        let participants: Vec<Node> = group
            .members
            .keys()
            .filter_map(|number| self.participant(group, number))
            .collect();
        el("group")
            .attr("id", group.id.as_str())
            .attr("subject", group.subject.as_str())
            .attr("s_t", group.created_at)
            .attr("s_o", owner.clone())
            .attr("creation", group.created_at)
            .attr("creator", owner)
            .attr("creator_pn", creator.bare())
            .attr("s_o_pn", creator.bare())
            .attr("addressing_mode", if group.by_lid { "lid" } else { "pn" })
            .attr("size", group.members.len())
            .children(participants)
            .build()
    }

    /// Notifies every device of these numbers.
    fn tell_group(&mut self, jid: &Jid, actor: &str, numbers: &[String], change: &Node) {
        let participant = self.jid_in(jid, actor);
        let mode = if participant.server == Server::Lid {
            "lid"
        } else {
            "pn"
        };
        for device in numbers
            .iter()
            .flat_map(|number| self.devices_of(number))
            .collect::<Vec<_>>()
        {
            let head = el("notification")
                .attr("from", jid.clone())
                .attr("participant", participant.clone())
                .attr("participant_pn", DeviceJid::new(actor, 0).bare())
                .attr("addressing_mode", mode);
            self.notify_with(&device, "w:gp2", head, vec![change.clone()]);
        }
    }
}

fn set_admin(group: &mut Group, numbers: Vec<String>, admin: bool) -> Vec<String> {
    for number in &numbers {
        if let Some(member) = group.members.get_mut(number) {
            *member = admin;
        }
    }
    numbers
}
