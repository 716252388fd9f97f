//! What became of every message: the account that tests settle at the end.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::address::DeviceJid;

/// What became of a message at one device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Target {
    /// How often it was written to the device's connection.
    pub delivered: u32,
    /// When the device confirmed it, Unix milliseconds.
    pub receipted_at: Option<u64>,
    /// What it confirmed with: `delivered`, `inactive`, `sender`, `ack` …
    pub receipt: Option<String>,
    /// When it was read.
    pub read_at: Option<u64>,
    /// How often the device asked for it again.
    pub retries: u32,
    /// How often it was put on a screen.
    pub shown: u32,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LedgerEntry {
    /// Its id.
    pub id: String,
    /// Who sent it.
    pub from: DeviceJid,
    /// The chat's JID, as the sender named it.
    pub chat: String,
    /// When it was first handed in, Unix milliseconds.
    pub injected_at: u64,
    /// How often it was handed in.
    pub submitted: u32,
    /// How often the sender got an acknowledgement.
    pub acked: u32,
    /// The error of the last acknowledgement that had one.
    pub error: Option<u16>,
    /// Every device that it was addressed to, by `number:device`.
    pub targets: BTreeMap<String, Target>,
}

/// All messages, by sender and id.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    entries: Vec<LedgerEntry>,
    index: HashMap<(String, String), usize>,
    by_id: HashMap<String, usize>,
}

impl Ledger {
    /// Notes that a message was handed in.
    pub(crate) fn submitted(&mut self, from: &DeviceJid, id: &str, chat: &str, now_ms: u64) {
        let key = (from.number.clone(), id.to_owned());
        let at = *self.index.entry(key).or_insert_with(|| {
            self.by_id.insert(id.to_owned(), self.entries.len());
            self.entries.push(LedgerEntry {
                id: id.to_owned(),
                from: from.clone(),
                chat: chat.to_owned(),
                injected_at: now_ms,
                submitted: 0,
                acked: 0,
                error: None,
                targets: BTreeMap::new(),
            });
            self.entries.len() - 1
        });
        if let Some(entry) = self.entries.get_mut(at) {
            entry.submitted += 1;
        }
    }

    fn entry(&mut self, sender: &str, id: &str) -> Option<&mut LedgerEntry> {
        let at = *self.index.get(&(sender.to_owned(), id.to_owned()))?;
        self.entries.get_mut(at)
    }

    /// The record of a message at one device, made if it is new.
    pub(crate) fn target(
        &mut self,
        sender: &str,
        id: &str,
        device: &DeviceJid,
    ) -> Option<&mut Target> {
        Some(
            self.entry(sender, id)?
                .targets
                .entry(device.to_string())
                .or_default(),
        )
    }

    /// The record of a message that is only known by its id.
    pub(crate) fn any_target(&mut self, id: &str, device: &DeviceJid) -> Option<&mut Target> {
        let at = *self.by_id.get(id)?;
        Some(
            self.entries
                .get_mut(at)?
                .targets
                .entry(device.to_string())
                .or_default(),
        )
    }

    /// Notes an acknowledgement to the sender.
    pub(crate) fn acked(&mut self, sender: &str, id: &str, error: Option<u16>) {
        if let Some(entry) = self.entry(sender, id) {
            entry.acked += 1;
            entry.error = error.or(entry.error);
        }
    }

    pub(crate) fn all(&self) -> Vec<LedgerEntry> {
        self.entries.clone()
    }

    pub(crate) fn find(&self, id: &str) -> Option<LedgerEntry> {
        self.entries.get(*self.by_id.get(id)?).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_handed_in_twice_is_one_entry() {
        let (from, to) = (DeviceJid::new("1", 2), DeviceJid::new("2", 0));
        let mut ledger = Ledger::default();
        ledger.submitted(&from, "A", "2@s.whatsapp.net", 5);
        ledger.submitted(&from, "A", "2@s.whatsapp.net", 9);
        ledger.target("1", "A", &to).unwrap().delivered += 1;
        ledger.any_target("A", &to).unwrap().shown += 1;
        ledger.acked("1", "A", None);
        let entry = ledger.find("A").unwrap();
        assert_eq!((entry.submitted, entry.injected_at, entry.acked), (2, 5, 1));
        assert_eq!(
            entry.targets["2:0"],
            Target {
                delivered: 1,
                shown: 1,
                ..Target::default()
            }
        );
        assert!(ledger.target("9", "A", &to).is_none());
    }
}
