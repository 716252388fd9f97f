//! Who may reach the agent: the allowlist from the bridge's own configuration.
//!
//! A list is either unset (nobody; messages wait in quarantine until it is set),
//! `*` (everyone), or entries that a driver resolves to canonical ids. The list
//! that a request brings along can only narrow this one.

use std::{
    collections::HashSet,
    sync::{Arc, PoisonError, RwLock},
};

use crate::message::{ChatId, InboundMessage};

/// An allowlist as the configuration has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Allowlist {
    /// Not set, or without any entry: nobody is allowed yet.
    #[default]
    Unset,
    /// Everyone.
    Everyone,
    /// The chats that these entries mean, as written, without blank ones.
    Only(Vec<String>),
}

impl Allowlist {
    /// Reads the entries of a configured list. Entries are trimmed; `*` anywhere
    /// is everyone; a missing list and one with nothing in it are the same.
    #[must_use]
    pub fn parse<S: AsRef<str>>(entries: Option<&[S]>) -> Self {
        let entries: Vec<String> = entries
            .unwrap_or_default()
            .iter()
            .map(|entry| entry.as_ref().trim().to_owned())
            .filter(|entry| !entry.is_empty())
            .collect();
        if entries.is_empty() {
            Self::Unset
        } else if entries.iter().any(|entry| entry == "*") {
            Self::Everyone
        } else {
            Self::Only(entries)
        }
    }
}

/// What happens to a message that arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It goes to the consumer.
    Deliver,
    /// No list is set: it waits until there is one.
    Quarantine,
    /// A list is set and its chat is not in it: only the fact is kept.
    Refuse,
}

/// Finds every canonical id that an entry of an allowlist can mean; nothing for
/// an entry that means nothing. See [`crate::driver::Driver::allow_entry`].
pub type Resolver = Arc<dyn Fn(&str) -> Vec<ChatId> + Send + Sync>;

/// The allowlist in force. Can be replaced while the bridge runs.
pub struct PolicyHandle {
    resolver: Resolver,
    current: RwLock<Resolved>,
}

/// A list and what its entries mean.
struct Resolved {
    list: Allowlist,
    ids: HashSet<ChatId>,
}

impl std::fmt::Debug for PolicyHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("PolicyHandle")
            .field(&self.allowlist())
            .finish()
    }
}

impl PolicyHandle {
    /// Puts `list` into force.
    #[must_use]
    pub fn new(list: Allowlist, resolver: Resolver) -> Self {
        let current = RwLock::new(resolve(list, &resolver));
        Self { resolver, current }
    }

    /// Replaces the list. The inbox has to be told with
    /// [`crate::inbox::Inbox::policy_changed`].
    pub fn replace(&self, list: Allowlist) {
        let resolved = resolve(list, &self.resolver);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = resolved;
    }

    /// The list in force, as configured.
    #[must_use]
    pub fn allowlist(&self) -> Allowlist {
        self.read(|current| current.list.clone())
    }

    /// The entries that mean nothing to the messenger, for a warning.
    #[must_use]
    pub fn unresolved(&self) -> Vec<String> {
        match self.allowlist() {
            Allowlist::Unset | Allowlist::Everyone => Vec::new(),
            Allowlist::Only(entries) => entries
                .into_iter()
                .filter(|entry| (self.resolver)(entry).is_empty())
                .collect(),
        }
    }

    /// What is to happen to `message`.
    #[must_use]
    pub fn evaluate(&self, message: &InboundMessage) -> Verdict {
        self.verdict(&message.chat, &message.chat_aliases)
    }

    /// What is to happen to a message in this chat.
    #[must_use]
    pub fn verdict(&self, chat: &ChatId, aliases: &[ChatId]) -> Verdict {
        self.read(|current| match current.list {
            Allowlist::Unset => Verdict::Quarantine,
            Allowlist::Everyone => Verdict::Deliver,
            Allowlist::Only(_) if names(&current.ids, chat, aliases) => Verdict::Deliver,
            Allowlist::Only(_) => Verdict::Refuse,
        })
    }

    /// Whether messages from and to this chat are allowed.
    #[must_use]
    pub fn allows(&self, chat: &ChatId, aliases: &[ChatId]) -> bool {
        self.verdict(chat, aliases) == Verdict::Deliver
    }

    /// Reads the list of a request (`allowed_chat_ids`). A missing or empty list
    /// and one with `*` narrow nothing.
    #[must_use]
    pub fn narrowing<S: AsRef<str>>(&self, requested: Option<&[S]>) -> Option<Narrowing> {
        match Allowlist::parse(requested) {
            Allowlist::Unset | Allowlist::Everyone => None,
            list @ Allowlist::Only(_) => Some(Narrowing(resolve(list, &self.resolver).ids)),
        }
    }

    fn read<T>(&self, look: impl FnOnce(&Resolved) -> T) -> T {
        look(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The chats that a request wants to hear from, at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Narrowing(HashSet<ChatId>);

impl Narrowing {
    /// Whether this chat is among them.
    #[must_use]
    pub fn includes(&self, chat: &ChatId, aliases: &[ChatId]) -> bool {
        names(&self.0, chat, aliases)
    }
}

fn resolve(list: Allowlist, resolver: &Resolver) -> Resolved {
    let ids = match &list {
        Allowlist::Unset | Allowlist::Everyone => HashSet::new(),
        Allowlist::Only(entries) => entries.iter().flat_map(|entry| resolver(entry)).collect(),
    };
    Resolved { list, ids }
}

fn names(ids: &HashSet<ChatId>, chat: &ChatId, aliases: &[ChatId]) -> bool {
    ids.contains(chat) || aliases.iter().any(|alias| ids.contains(alias))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chat(id: &str) -> ChatId {
        ChatId::from_canonical(id)
    }

    /// Contacts by number, groups with their suffix; `?` means nothing.
    fn policy(list: Allowlist) -> PolicyHandle {
        PolicyHandle::new(
            list,
            Arc::new(|entry| match entry {
                "?" => Vec::new(),
                entry if entry.contains('@') => vec![chat(entry)],
                entry => vec![
                    chat(&format!("{}@s.whatsapp.net", entry.trim_start_matches('+'))),
                    chat(&format!("{entry}@g.us")),
                ],
            }),
        )
    }

    #[test]
    fn lists_are_read_as_documented() {
        let only = |entries: &[&str]| {
            Allowlist::Only(entries.iter().map(|&entry| entry.to_owned()).collect())
        };
        assert_eq!(Allowlist::parse::<&str>(None), Allowlist::Unset);
        for (entries, list) in [
            (&[][..], Allowlist::Unset),
            (&["", "  "], Allowlist::Unset),
            (&["*"], Allowlist::Everyone),
            (&["+1555", " * "], Allowlist::Everyone),
            (&[" +1555 ", ""], only(&["+1555"])),
        ] {
            assert_eq!(Allowlist::parse(Some(entries)), list, "{entries:?}");
        }
    }

    #[test]
    fn verdicts_follow_the_list_and_know_aliases() {
        let contact = chat("15551234567@s.whatsapp.net");
        let hidden = chat("77@lid");
        let group = chat("120363@g.us");
        let only = |entry: &str| policy(Allowlist::Only(vec![entry.to_owned()]));
        assert_eq!(
            policy(Allowlist::Unset).verdict(&contact, &[]),
            Verdict::Quarantine
        );
        assert_eq!(
            policy(Allowlist::Everyone).verdict(&contact, &[]),
            Verdict::Deliver
        );
        assert!(only("+15551234567").allows(&contact, &[]));
        assert!(only("+15551234567").allows(&hidden, std::slice::from_ref(&contact)));
        assert!(only("77@lid").allows(&contact, std::slice::from_ref(&hidden)));
        assert!(only("120363").allows(&group, &[]));
        assert_eq!(only("+15551234567").verdict(&hidden, &[]), Verdict::Refuse);
        assert_eq!(only("?").verdict(&contact, &[]), Verdict::Refuse);
    }

    #[test]
    fn replacing_the_list_counts_at_once() {
        let policy = policy(Allowlist::Unset);
        let contact = chat("15551234567@s.whatsapp.net");
        assert!(!policy.allows(&contact, &[]));
        policy.replace(Allowlist::Everyone);
        assert!(policy.allows(&contact, &[]));
        policy.replace(Allowlist::parse(Some(&["?", "x@g.us"])));
        assert!(!policy.allows(&contact, &[]));
        assert_eq!(policy.unresolved(), ["?"]);
    }

    #[test]
    fn requests_narrow_only_when_they_name_chats() {
        let policy = policy(Allowlist::Everyone);
        assert_eq!(policy.narrowing::<&str>(None), None);
        assert_eq!(policy.narrowing::<&str>(Some(&[])), None);
        assert_eq!(policy.narrowing(Some(&["*", "+1"])), None);
        let one = policy
            .narrowing(Some(&["+1555"]))
            .expect("a list with one chat");
        assert!(one.includes(&chat("1555@s.whatsapp.net"), &[]));
        assert!(one.includes(&chat("9@lid"), &[chat("1555@s.whatsapp.net")]));
        assert!(!one.includes(&chat("1556@s.whatsapp.net"), &[]));
    }
}
