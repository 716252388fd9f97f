//! The simulated server without its sockets: accounts, devices, queues and
//! connections, and everything that tests do to them.

mod control;
pub(crate) mod mailbox;
mod phones;
pub(crate) mod session;
mod stanzas;
pub(crate) mod state;
pub(crate) mod types;

pub(crate) use phones::wait;
pub use types::{
    AccountInfo, Bundle, ClientInfo, CodePairing, DeviceInfo, DevicePublic, Endpoint, HubError,
    NewAccount, NewDevice, PairError, Pairing, SignedPreKeyPublic,
};

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::broadcast;
use tokio_util::task::TaskTracker;
use whatsapp_rust::wacore_binary::Jid;

use self::state::{Account, Device, State};
use super::address::DeviceJid;
use super::cert::{CertError, ServerIdentity};
use super::events::SimEvent;
use super::ledger::Ledger;
use super::pairing::verifies;
use super::seed;
use super::server::SimOptions;

/// Events that a slow listener may fall behind.
const EVENTS: usize = 16_384;

/// The simulated server. Cheap to clone; all clones are one server.
#[derive(Clone)]
pub struct Hub(Arc<Inner>);

struct Inner {
    seed: u64,
    identity: Mutex<Arc<ServerIdentity>>,
    state: Mutex<State>,
    tasks: TaskTracker,
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub")
            .field("seed", &self.0.seed)
            .finish_non_exhaustive()
    }
}

impl Hub {
    /// An empty server.
    ///
    /// # Errors
    /// When its certificates cannot be signed, which does not happen.
    pub fn new(options: &SimOptions) -> Result<Self, CertError> {
        let identity = ServerIdentity::from_seed(options.seed, 0)?;
        let state = State {
            accounts: Default::default(),
            by_lid: Default::default(),
            groups: Default::default(),
            sessions: Default::default(),
            ledger: Ledger::default(),
            faults: Default::default(),
            events: broadcast::channel(EVENTS).0,
            random: fastrand::Rng::with_seed(options.seed),
            last_session: 0,
            ids: 0,
            skew: 0,
            strict: options.strict,
        };
        Ok(Self(Arc::new(Inner {
            seed: options.seed,
            identity: Mutex::new(Arc::new(identity)),
            state: Mutex::new(state),
            tasks: TaskTracker::new(),
        })))
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What every key, number and id was made from.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.0.seed
    }

    /// Unix seconds by the server's clock, which may be wrong on purpose.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.state().now()
    }

    /// An id that the server has not used.
    #[must_use]
    pub fn next_id(&self) -> String {
        self.state().next_id()
    }

    // Accounts.

    /// Makes an account with its phone, device 0.
    ///
    /// # Errors
    /// When the number is malformed or taken, or the phone's signed prekey is
    /// not signed by its identity.
    pub fn create_account(&self, new: NewAccount) -> Result<AccountInfo, HubError> {
        let keys = &new.phone;
        let covered = [&[5], keys.signed_pre_key.public.as_slice()].concat();
        if !verifies(&keys.identity, &covered, &keys.signed_pre_key.signature) {
            return Err(HubError::BadSignature);
        }
        let mut state = self.state();
        let number = match new.number {
            Some(number) => number,
            None => state.free_number(),
        };
        let digits = number.chars().all(|digit| digit.is_ascii_digit());
        if !digits || !(7..=15).contains(&number.len()) || number.starts_with('0') {
            return Err(HubError::BadNumber);
        }
        if state.accounts.contains_key(&number) {
            return Err(HubError::NumberTaken(number));
        }
        let lid = state.free_lid();
        let account = Account {
            number: number.clone(),
            lid: lid.clone(),
            push_name: new.push_name,
            by_lid: new.by_lid,
            business: new.business,
            devices: [(0, Device::new(new.phone, None))].into(),
            next_device: 1,
            last_key_index: 0,
            raw_id: 0,
            contacts: Default::default(),
            collections: Default::default(),
        };
        let info = account.info();
        state.by_lid.insert(lid, number.clone());
        state.accounts.insert(number, account);
        Ok(info)
    }

    /// The account with this number.
    #[must_use]
    pub fn account(&self, number: &str) -> Option<AccountInfo> {
        self.state().accounts.get(number).map(Account::info)
    }

    /// The account that a JID belongs to, by number or LID, with or without a
    /// device.
    #[must_use]
    pub fn account_of(&self, jid: &Jid) -> Option<AccountInfo> {
        self.state().account_of(jid).map(Account::info)
    }

    /// All accounts, by number.
    #[must_use]
    pub fn accounts(&self) -> Vec<AccountInfo> {
        self.state().accounts.values().map(Account::info).collect()
    }

    /// Changes the name that others see.
    pub fn set_push_name(&self, number: &str, name: &str) {
        if let Ok(account) = self.state().account_mut(number) {
            name.clone_into(&mut account.push_name);
        }
    }

    /// All devices of a user, the phone first.
    #[must_use]
    pub fn devices_of(&self, jid: &Jid) -> Vec<DeviceInfo> {
        let state = self.state();
        let Some(account) = state.account_of(jid) else {
            return Vec::new();
        };
        account
            .devices
            .iter()
            .map(|(id, device)| account.device_info(*id, device.key_index))
            .collect()
    }

    /// Takes what starts a session with a device; uses up a one-time prekey.
    #[must_use]
    pub fn take_prekey_bundle(&self, jid: &Jid) -> Option<Bundle> {
        let mut state = self.state();
        let device = state.device_of(jid)?;
        state.take_bundle(&device)
    }

    /// Adds one-time prekeys to a device; spent ids stay spent.
    pub fn add_pre_keys(&self, device: &DeviceJid, keys: Vec<(u32, [u8; 32])>) {
        if let Some(known) = self.state().device_mut(device) {
            known.keys.add(keys);
        }
    }

    /// How many one-time prekeys of a device are left.
    #[must_use]
    pub fn pre_key_count(&self, device: &DeviceJid) -> usize {
        self.state()
            .device(device)
            .map_or(0, |known| known.keys.one_time.len())
    }

    // Linking.

    /// The client that shows this QR reference.
    #[must_use]
    pub fn pairing_by_ref(&self, reference: &str) -> Option<Pairing> {
        self.state().pairing_by_ref(reference)
    }

    /// The clients that wait for a code to be typed on this number's phone.
    #[must_use]
    pub fn pairings_for(&self, number: &str) -> Vec<Pairing> {
        self.state().pairings_for(number)
    }

    /// Links the client that shows `reference`: passes on the phone's container
    /// (an encoded `ADVSignedDeviceIdentityHMAC`), checks the client's
    /// signature, registers the device and tells it to restart.
    ///
    /// # Errors
    /// When nobody shows the reference, or the client refuses, answers wrongly
    /// or not within `wait`.
    pub async fn pair_success(
        &self,
        reference: &str,
        number: &str,
        container: Vec<u8>,
        wait: Duration,
    ) -> Result<DeviceJid, PairError> {
        let answer = self.state().pair_success(reference, number, &container)?;
        match tokio::time::timeout(wait, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => Err(PairError::NoAnswer),
        }
    }

    /// Passes the phone's half of a code exchange on to the client.
    ///
    /// # Errors
    /// When nobody shows the reference or asked for a code.
    pub fn primary_hello(
        &self,
        reference: &str,
        wrapped_primary_ephemeral: Vec<u8>,
        primary_identity: [u8; 32],
    ) -> Result<(), PairError> {
        self.state()
            .primary_hello(reference, &wrapped_primary_ephemeral, &primary_identity)
    }

    /// The key index of the account's next device.
    #[must_use]
    pub fn next_key_index(&self, number: &str) -> u32 {
        let mut state = self.state();
        state.account_mut(number).map_or(0, |account| {
            account.last_key_index += 1;
            account.last_key_index
        })
    }

    /// Registers a companion that never showed a QR code.
    ///
    /// # Errors
    /// When there is no such account or the identity cannot be decoded.
    pub fn register_device(&self, number: &str, new: NewDevice) -> Result<DeviceJid, HubError> {
        use loong_proto::wire::{AdvDeviceIdentity, AdvSignedDeviceIdentity};
        use prost::Message as _;
        let bad = |_undecodable| HubError::BadIdentity;
        let signed =
            AdvSignedDeviceIdentity::decode(new.device_identity.as_slice()).map_err(bad)?;
        let details = AdvDeviceIdentity::decode(signed.details()).map_err(bad)?;
        let mut state = self.state();
        let account = state.account_mut(number)?;
        account.raw_id = details.raw_id();
        let device = DeviceJid::new(number, account.next_device);
        account.next_device += 1;
        state.register_device_as(&device, new)?;
        Ok(device)
    }

    /// Unlinks a companion and tells it so.
    pub fn remove_device(&self, device: &DeviceJid) {
        self.state().remove_device(device);
    }

    // The server's own keys.

    /// The static Noise key and its certificates.
    #[must_use]
    pub fn identity(&self) -> Arc<ServerIdentity> {
        self.0
            .identity
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The public static key, which a client caches for resumption.
    #[must_use]
    pub fn server_static_public(&self) -> [u8; 32] {
        self.identity().public()
    }

    /// The key that signs the intermediate certificate.
    #[must_use]
    pub fn root_public(&self) -> [u8; 32] {
        self.identity().root_public()
    }

    /// Replaces the static key: clients that try to resume must fall back.
    ///
    /// # Errors
    /// When the new certificate cannot be signed, which does not happen.
    pub fn rotate_static_key(&self, generation: u32) -> Result<(), CertError> {
        let identity = ServerIdentity::from_seed(self.0.seed, generation)?;
        *self
            .0
            .identity
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(identity);
        Ok(())
    }

    /// A fresh key for one handshake.
    pub(crate) fn ephemeral(&self) -> [u8; 32] {
        let n = self.state().random.u64(..);
        seed::bytes(self.0.seed, &format!("ephemeral {n}"))
    }

    // Observation.

    /// Everything that happens from now on. A listener that falls far behind
    /// misses some.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<SimEvent> {
        self.state().events.subscribe()
    }

    /// Waits until every phone's delivery task has ended; detach them first.
    pub(crate) async fn phones_ended(&self) {
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }
}

#[cfg(test)]
mod tests;
