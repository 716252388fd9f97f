//! What waits for a device: kept from the moment the server accepts it until
//! the device confirms it, however often it was written to a connection.

use std::collections::{BTreeMap, HashMap};

use whatsapp_rust::wacore_binary::Node;

use crate::wa_sim::node::attr;

/// What a stanza is to a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Class {
    Message,
    Receipt,
    Notification,
}

impl Class {
    pub(crate) fn of(name: &str) -> Option<Self> {
        match name {
            "message" => Some(Self::Message),
            "receipt" => Some(Self::Receipt),
            "notification" => Some(Self::Notification),
            _ => None,
        }
    }
}

/// A stanza in a queue.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    pub(crate) class: Class,
    pub(crate) id: String,
    /// Whose message it is, for the ledger: the sender's number.
    pub(crate) sender: String,
    pub(crate) node: Node,
}

/// A device's queue, in order of arrival.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    waiting: BTreeMap<u64, Waiting>,
    index: HashMap<(Class, String), Vec<u64>>,
    last: u64,
}

impl Mailbox {
    pub(crate) fn push(&mut self, waiting: Waiting) -> u64 {
        self.last += 1;
        let key = (waiting.class, waiting.id.clone());
        self.index.entry(key).or_default().push(self.last);
        self.waiting.insert(self.last, waiting);
        self.last
    }

    /// Removes every copy of a stanza; says whose it was if there was one.
    /// `from` narrows it down to one sender, when several chose the same id.
    pub(crate) fn confirm(
        &mut self,
        class: Class,
        id: &str,
        from: &dyn Fn(&Waiting) -> bool,
    ) -> Option<String> {
        let key = (class, id.to_owned());
        let mut numbers = self.index.remove(&key)?;
        let matches = |n: &u64| self.waiting.get(n).is_some_and(from);
        let all = !numbers.iter().any(matches);
        let (gone, kept): (Vec<_>, Vec<_>) = numbers.drain(..).partition(|n| all || matches(n));
        if !kept.is_empty() {
            self.index.insert(key, kept);
        }
        gone.into_iter()
            .filter_map(|n| self.waiting.remove(&n))
            .last()
            .map(|waiting| waiting.sender)
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// What waits after position `after`, in order.
    pub(crate) fn after(&self, after: u64) -> impl Iterator<Item = (u64, &Waiting)> {
        self.waiting
            .range(after.saturating_add(1)..)
            .map(|(n, waiting)| (*n, waiting))
    }

    /// The position of the newest stanza ever queued.
    pub(crate) fn newest(&self) -> u64 {
        self.last
    }

    /// How many of each class wait: messages (peer messages apart),
    /// notifications, receipts, peer messages.
    pub(crate) fn counts(&self) -> [usize; 4] {
        let mut counts = [0; 4];
        for waiting in self.waiting.values() {
            let at = match waiting.class {
                Class::Message if attr(&waiting.node, "category").as_deref() == Some("peer") => 3,
                Class::Message => 0,
                Class::Notification => 1,
                Class::Receipt => 2,
            };
            if let Some(count) = counts.get_mut(at) {
                *count += 1;
            }
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wa_sim::node::el;

    fn message(id: &str, sender: &str) -> Waiting {
        let node = el("message").attr("id", id).build();
        Waiting {
            class: Class::Message,
            id: id.to_owned(),
            sender: sender.to_owned(),
            node,
        }
    }

    #[test]
    fn stanzas_stay_in_order_until_they_are_confirmed() {
        let mut mailbox = Mailbox::default();
        for id in ["A", "B", "C"] {
            mailbox.push(message(id, "1"));
        }
        assert_eq!(
            mailbox.confirm(Class::Message, "B", &|_| true),
            Some("1".to_owned())
        );
        assert_eq!(mailbox.confirm(Class::Message, "B", &|_| true), None);
        assert_eq!(mailbox.confirm(Class::Receipt, "A", &|_| true), None);
        let left: Vec<_> = mailbox.after(0).map(|(_, w)| w.id.clone()).collect();
        assert_eq!(left, ["A", "C"]);
        assert_eq!(mailbox.after(1).count(), 1);
        assert_eq!(mailbox.counts(), [2, 0, 0, 0]);
    }

    #[test]
    fn one_id_from_two_senders_is_two_stanzas() {
        let mut mailbox = Mailbox::default();
        mailbox.push(message("A", "1"));
        mailbox.push(message("A", "2"));
        assert_eq!(
            mailbox.confirm(Class::Message, "A", &|w| w.sender == "2"),
            Some("2".to_owned())
        );
        assert_eq!(mailbox.len(), 1);
        // A confirmation that names nobody known still counts.
        assert_eq!(
            mailbox.confirm(Class::Message, "A", &|w| w.sender == "9"),
            Some("1".to_owned())
        );
        assert_eq!(mailbox.len(), 0);
    }
}
