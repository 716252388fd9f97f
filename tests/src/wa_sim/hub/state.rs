//! Everything the server knows, behind one lock that is only ever held for a
//! moment and never across an await.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::broadcast;
use whatsapp_rust::wacore_binary::{Jid, Server};

use super::mailbox::Mailbox;
use super::session::Session;
use super::types::{AccountInfo, DeviceInfo, DevicePublic, HubError, SignedPreKeyPublic};
use crate::wa_sim::address::DeviceJid;
use crate::wa_sim::events::SimEvent;
use crate::wa_sim::faults::Faults;
use crate::wa_sim::groups::Group;
use crate::wa_sim::ledger::Ledger;

/// The state of the simulated server.
pub(crate) struct State {
    pub(crate) accounts: BTreeMap<String, Account>,
    pub(crate) by_lid: HashMap<String, String>,
    pub(crate) groups: BTreeMap<String, Group>,
    pub(crate) sessions: BTreeMap<u64, Session>,
    pub(crate) ledger: Ledger,
    pub(crate) faults: Faults,
    pub(crate) events: broadcast::Sender<SimEvent>,
    pub(crate) random: fastrand::Rng,
    pub(crate) last_session: u64,
    pub(crate) ids: u64,
    pub(crate) skew: i64,
    pub(crate) strict: bool,
}

/// An account: a person's number, with the devices that use it.
pub(crate) struct Account {
    pub(crate) number: String,
    pub(crate) lid: String,
    pub(crate) push_name: String,
    pub(crate) by_lid: bool,
    pub(crate) business: bool,
    pub(crate) devices: BTreeMap<u16, Device>,
    pub(crate) next_device: u16,
    pub(crate) last_key_index: u32,
    pub(crate) raw_id: u32,
    /// Numbers it exchanged messages with: they hear about its new devices.
    pub(crate) contacts: BTreeSet<String>,
    pub(crate) collections: HashMap<String, u64>,
}

/// A device of an account.
pub(crate) struct Device {
    pub(crate) keys: Keys,
    pub(crate) noise: Option<[u8; 32]>,
    pub(crate) key_index: u32,
    pub(crate) device_identity: Option<Vec<u8>>,
    pub(crate) mailbox: Mailbox,
    pub(crate) session: Option<u64>,
    pub(crate) logins: u32,
}

/// The keys that a device published.
pub(crate) struct Keys {
    pub(crate) registration_id: u32,
    pub(crate) identity: [u8; 32],
    pub(crate) signed: SignedPreKeyPublic,
    pub(crate) one_time: BTreeMap<u32, [u8; 32]>,
    pub(crate) spent: BTreeSet<u32>,
    pub(crate) uploaded: bool,
    pub(crate) told_low: bool,
}

impl Keys {
    pub(crate) fn add(&mut self, keys: impl IntoIterator<Item = (u32, [u8; 32])>) {
        for (id, key) in keys {
            if !self.spent.contains(&id) {
                self.one_time.entry(id).or_insert(key);
            }
            self.uploaded = true;
        }
        self.told_low = false;
    }

    pub(crate) fn spend(&mut self) -> Option<(u32, [u8; 32])> {
        let spent = self.one_time.pop_first()?;
        self.spent.insert(spent.0);
        Some(spent)
    }
}

impl From<DevicePublic> for Keys {
    fn from(public: DevicePublic) -> Self {
        let mut keys = Self {
            registration_id: public.registration_id,
            identity: public.identity,
            signed: public.signed_pre_key,
            one_time: BTreeMap::new(),
            spent: BTreeSet::new(),
            uploaded: false,
            told_low: false,
        };
        keys.add(public.pre_keys);
        keys
    }
}

impl Device {
    pub(crate) fn new(keys: DevicePublic, noise: Option<[u8; 32]>) -> Self {
        Self {
            keys: keys.into(),
            noise,
            key_index: 0,
            device_identity: None,
            mailbox: Mailbox::default(),
            session: None,
            logins: 0,
        }
    }
}

impl Account {
    pub(crate) fn info(&self) -> AccountInfo {
        AccountInfo {
            number: self.number.clone(),
            lid: self.lid.clone(),
            push_name: self.push_name.clone(),
            by_lid: self.by_lid,
            devices: self.devices.keys().copied().collect(),
        }
    }

    pub(crate) fn jid(&self, device: u16, server: Server) -> Jid {
        if server == Server::Lid {
            Jid::lid_device(self.lid.as_str(), device)
        } else {
            Jid::pn_device(self.number.as_str(), device)
        }
    }

    pub(crate) fn device_info(&self, device: u16, key_index: u32) -> DeviceInfo {
        DeviceInfo {
            address: DeviceJid::new(self.number.as_str(), device),
            pn: self.jid(device, Server::Pn),
            lid: self.jid(device, Server::Lid),
            key_index,
        }
    }
}

impl State {
    pub(crate) fn now_ms(&self) -> u64 {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let millis = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        millis.saturating_add_signed(self.skew.saturating_mul(1000))
    }

    pub(crate) fn now(&self) -> u64 {
        self.now_ms() / 1000
    }

    pub(crate) fn next_id(&mut self) -> String {
        self.ids += 1;
        format!("{:08X}-{}", self.random.u32(..), self.ids)
    }

    pub(crate) fn emit(&self, event: SimEvent) {
        tracing::debug!(?event, "simulator");
        // Nobody may be listening.
        let _ = self.events.send(event);
    }

    pub(crate) fn account_of(&self, jid: &Jid) -> Option<&Account> {
        self.accounts.get(self.number_of(jid)?)
    }

    pub(crate) fn number_of<'a>(&'a self, jid: &'a Jid) -> Option<&'a str> {
        let user = jid.user_base();
        match jid.server {
            Server::Pn | Server::Hosted | Server::Legacy => {
                self.accounts.get_key_value(user).map(|(n, _)| n.as_str())
            }
            Server::Lid | Server::HostedLid => self.by_lid.get(user).map(String::as_str),
            _ => None,
        }
    }

    /// The device that a JID names, if it exists.
    pub(crate) fn device_of(&self, jid: &Jid) -> Option<DeviceJid> {
        let account = self.account_of(jid)?;
        let device = account.devices.get_key_value(&jid.device)?.0;
        Some(DeviceJid::new(account.number.as_str(), *device))
    }

    pub(crate) fn device(&self, device: &DeviceJid) -> Option<&Device> {
        self.accounts
            .get(&device.number)?
            .devices
            .get(&device.device)
    }

    pub(crate) fn device_mut(&mut self, device: &DeviceJid) -> Option<&mut Device> {
        self.accounts
            .get_mut(&device.number)?
            .devices
            .get_mut(&device.device)
    }

    /// A device's JID in one of the two name spaces.
    pub(crate) fn jid_as(&self, device: &DeviceJid, server: Server) -> Jid {
        match self.accounts.get(&device.number) {
            Some(account) => account.jid(device.device, server),
            None => device.pn(),
        }
    }

    pub(crate) fn devices_of(&self, number: &str) -> Vec<DeviceJid> {
        let devices = self
            .accounts
            .get(number)
            .map(|account| account.devices.keys());
        devices
            .into_iter()
            .flatten()
            .map(|device| DeviceJid::new(number, *device))
            .collect()
    }

    pub(crate) fn account_mut(&mut self, number: &str) -> Result<&mut Account, HubError> {
        let unknown = || HubError::UnknownAccount(number.to_owned());
        self.accounts.get_mut(number).ok_or_else(unknown)
    }

    /// Makes up a number that nobody has.
    pub(crate) fn free_number(&mut self) -> String {
        loop {
            let number = format!("1555{:07}", self.random.u32(1_000_000..10_000_000));
            if !self.accounts.contains_key(&number) {
                return number;
            }
        }
    }

    pub(crate) fn free_lid(&mut self) -> String {
        loop {
            let lid = self
                .random
                .u64(200_000_000_000_000..300_000_000_000_000)
                .to_string();
            if !self.by_lid.contains_key(&lid) {
                return lid;
            }
        }
    }
}
