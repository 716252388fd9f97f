//! Simulated phones: the primary devices of accounts, and real Signal peers.
//!
//! A phone is device 0 of its account. The server hands it stanzas through
//! [`Endpoint`], one after the other, and it answers with [`Hub::submit`]; the
//! Signal stores are in memory, so nothing on that path ever waits. Linking
//! does wait for a companion and is asynchronous.
//!
//! | file | what a phone does there |
//! | --- | --- |
//! | [`linking`] | vouches for companions: QR codes, pairing codes, the primer |
//! | [`send`], [`groups`] | seals what its person writes, for each device |
//! | [`receive`] | opens what arrives, answers receipts |
//! | [`retry`] | repairs sessions in both directions |
//! | [`view`] | what its person sees |

pub mod adv;
pub mod book;
pub mod content;
pub mod crypt;
pub mod groups;
pub mod keys;
pub mod linking;
pub mod log;
pub mod pair_code;
pub mod receive;
pub mod retry;
pub mod send;
mod signal_store;
pub(crate) mod stanza;
pub mod view;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand::Rng as _;
use tokio::sync::watch;
use whatsapp_rust::wacore_binary::{Jid, Node};

use crate::wa_sim::address::DeviceJid;
use crate::wa_sim::hub::{DevicePublic, Endpoint, Hub, HubError, SignedPreKeyPublic};

use crypt::Crypt;
use groups::OwnSenderKeys;
use keys::PhoneKeys;
use linking::PendingCodes;
use log::PhoneLog;
use retry::{Outgoing, RetryCounts};

/// What a person can go wrong with on a phone.
#[derive(Debug, thiserror::Error)]
pub enum PhoneError {
    /// No phone has this number.
    #[error("no simulated phone has the number {0}")]
    NoPhone(String),
    /// The other side does not exist.
    #[error("nobody is reachable at {0}")]
    NoRecipient(String),
    /// The text is not a JID, a number or a group.
    #[error("not an address: {0}")]
    BadAddress(String),
    /// The QR code is malformed.
    #[error("not a linking QR code: {0}")]
    BadQr(&'static str),
    /// The QR code or the pairing code belongs to no waiting companion.
    #[error("no companion is waiting with this code")]
    NoCompanion,
    /// The pairing code is wrong or malformed.
    #[error(transparent)]
    Code(#[from] pair_code::PairCodeError),
    /// The companion went silent.
    #[error("the companion did not answer in time")]
    Silent,
    /// Signing failed.
    #[error(transparent)]
    Adv(#[from] adv::AdvError),
    /// Sealing failed.
    #[error(transparent)]
    Crypt(#[from] crypt::CryptError),
    /// The server refused.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// The server could not finish a pairing.
    #[error("pairing failed: {0}")]
    Pairing(String),
}

/// How a phone is made.
#[derive(Debug, Clone, Default)]
pub struct PhoneOptions {
    /// Digits; chosen from the seed when missing.
    pub number: Option<String>,
    /// The name that its messages carry.
    pub push_name: String,
    /// Address people by LID instead of by number.
    pub by_lid: bool,
    /// Pair as the phone of a business account.
    pub business: bool,
}

/// One simulated phone.
#[derive(Debug)]
pub struct Phone {
    hub: Hub,
    number: String,
    by_lid: bool,
    own: DeviceJid,
    state: Mutex<State>,
    log: Mutex<PhoneLog>,
    changed: watch::Sender<u64>,
}

/// What changes with every message.
#[derive(Debug)]
pub(crate) struct State {
    keys: PhoneKeys,
    crypt: Crypt,
    outgoing: Outgoing,
    sender_keys: OwnSenderKeys,
    retries: RetryCounts,
    codes: PendingCodes,
}

impl Phone {
    /// Makes an account with this phone and brings it online. The keys follow
    /// from the server's seed and `index`.
    ///
    /// # Errors
    /// If the number is taken, or no keys could be made.
    pub fn create(hub: &Hub, options: PhoneOptions, index: u64) -> Result<Arc<Self>, PhoneError> {
        let mut rng = keys::seeded_rng(hub.seed(), &format!("phone/{index}"));
        let keys = PhoneKeys::generate(&mut rng).map_err(adv::AdvError::from)?;
        let account = hub.create_account(crate::wa_sim::hub::NewAccount {
            number: options.number,
            push_name: options.push_name,
            by_lid: options.by_lid,
            business: options.business,
            phone: public_keys(&keys),
        })?;
        let crypt = Crypt::new(&keys, rng);
        let phone = Arc::new(Self {
            hub: hub.clone(),
            own: DeviceJid::new(account.number.clone(), 0),
            number: account.number.clone(),
            by_lid: account.by_lid,
            state: Mutex::new(State {
                keys,
                crypt,
                outgoing: Outgoing::default(),
                sender_keys: OwnSenderKeys::default(),
                retries: RetryCounts::default(),
                codes: PendingCodes::default(),
            }),
            log: Mutex::new(PhoneLog::default()),
            changed: watch::channel(0).0,
        });
        hub.attach_phone(&account.number, phone.clone())?;
        Ok(phone)
    }

    /// The digits of its number.
    #[must_use]
    pub fn number(&self) -> &str {
        &self.number
    }

    /// Whether it addresses people by LID.
    #[must_use]
    pub const fn by_lid(&self) -> bool {
        self.by_lid
    }

    /// What happened on it so far.
    pub fn log(&self) -> MutexGuard<'_, PhoneLog> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes whenever the log does; for waiting without polling.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Takes it offline: its messages wait at the server.
    pub fn go_offline(&self) {
        self.hub.detach_phone(&self.number);
    }

    /// Brings it back online; what waited is delivered.
    ///
    /// # Errors
    /// If the account is gone.
    pub fn go_online(self: &Arc<Self>) -> Result<(), PhoneError> {
        Ok(self.hub.attach_phone(&self.number, self.clone())?)
    }

    /// Forgets the session with a device, so that its next message cannot be
    /// opened and ours opens a new one.
    ///
    /// # Errors
    /// If nobody has that address.
    pub fn forget_session(&self, device: &Jid) -> Result<(), PhoneError> {
        let address = self
            .address_of(device)
            .ok_or_else(|| PhoneError::NoRecipient(device.to_string()))?;
        self.state().crypt.drop_session(&address.to_string());
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere cannot leave a ratchet half written: records are
        // replaced whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes into the log and wakes whoever waits for it.
    fn note(&self, write: impl FnOnce(&mut PhoneLog)) {
        write(&mut self.log());
        self.changed.send_modify(|n| *n = n.wrapping_add(1));
    }

    /// The one name of a device, whichever way it was addressed.
    fn address_of(&self, jid: &Jid) -> Option<DeviceJid> {
        let account = self.hub.account_of(jid)?;
        Some(DeviceJid::new(account.number, jid.device))
    }

    /// A message id as phones make them.
    fn new_id(&self, state: &mut State) -> String {
        let mut random = [0; 9];
        state.crypt.rng().fill_bytes(&mut random);
        format!("3A{}", hex::encode_upper(random))
    }

    fn submit(&self, stanza: Node) {
        self.hub.submit(&self.own, stanza);
    }
}

impl Endpoint for Phone {
    fn deliver(&self, stanza: Node) {
        self.on_stanza(&stanza);
    }
}

/// What a phone publishes when it registers.
fn public_keys(keys: &PhoneKeys) -> DevicePublic {
    DevicePublic {
        registration_id: keys.registration_id,
        identity: keys.identity_public(),
        signed_pre_key: SignedPreKeyPublic {
            id: keys.signed_pre_key.id,
            public: keys::raw_public(&keys.signed_pre_key.pair.public_key),
            signature: keys.signed_pre_key.signature,
        },
        pre_keys: keys
            .pre_keys
            .iter()
            .map(|(id, pair)| (*id, keys::raw_public(&pair.public_key)))
            .collect(),
    }
}
