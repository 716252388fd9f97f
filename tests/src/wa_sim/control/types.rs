//! Requests and answers of the control API, shared by server and client.

use serde::{Deserialize, Serialize};

use crate::wa_sim::address::DeviceJid;
use crate::wa_sim::faults::Fault;

/// `POST /__sim/phones`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CreatePhone {
    /// Digits with country code; chosen from the seed when missing.
    pub number: Option<String>,
    /// The name its messages carry. Companions that register with it belong to
    /// this phone.
    pub push_name: String,
    /// Address people by LID.
    pub lid: bool,
    /// A business account.
    pub business: bool,
}

/// A phone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhoneInfo {
    /// Digits.
    pub number: String,
    /// Its account by number.
    pub pn: String,
    /// Its account by LID.
    pub lid: String,
    /// The name its messages carry.
    pub push_name: String,
    /// Whether it addresses people by LID.
    pub by_lid: bool,
    /// The account's devices; 0 is the phone.
    pub devices: Vec<u16>,
}

/// `POST /__sim/phones/{number}/scan`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scan {
    /// The text of the QR code.
    pub qr: String,
    /// Send the app-state key afterwards; true when missing.
    #[serde(default = "yes")]
    pub primer: bool,
}

/// `POST /__sim/phones/{number}/enter-code`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnterCode {
    /// As shown: `ABCD-EFGH`.
    pub code: String,
    /// Send the app-state key afterwards; true when missing.
    #[serde(default = "yes")]
    pub primer: bool,
}

/// A companion was linked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Linked {
    /// By which phone.
    pub number: String,
    /// As which device.
    pub device: u16,
}

/// `POST /__sim/phones/{number}/read`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Read {
    /// The chat.
    pub chat: String,
    /// In groups: whose messages.
    #[serde(default)]
    pub author: Option<String>,
    /// Which.
    pub ids: Vec<String>,
}

/// `POST /__sim/phones/{number}/typing`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Typing {
    /// The chat.
    pub to: String,
    /// Started, or stopped.
    #[serde(default = "yes")]
    pub typing: bool,
}

/// `PUT /__sim/phones/{number}/online`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Online {
    /// Whether the phone is connected.
    pub online: bool,
}

/// `POST …/forget-session` and `POST …/prime`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OneDevice {
    /// A JID with device, `digits:3@s.whatsapp.net`.
    pub device: String,
}

/// The query of `GET /__sim/phones/{number}/log/{list}`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Page {
    /// Leaves out so many entries from the start.
    pub after: usize,
    /// Waits for at least so many more.
    pub min: usize,
    /// At most so long, milliseconds.
    pub wait_ms: u64,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogPage<T> {
    /// How many there are in all.
    pub total: usize,
    /// Those asked for.
    pub entries: Vec<T>,
}

/// `POST /__sim/groups`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateGroup {
    /// The creator's number.
    pub creator: String,
    /// Its name.
    pub subject: String,
    /// The other members' numbers.
    pub members: Vec<String>,
    /// Address members by LID.
    #[serde(default)]
    pub lid: bool,
}

/// A group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupInfo {
    /// `digits@g.us`.
    pub group: String,
    /// Members' numbers.
    pub members: Vec<String>,
}

/// `POST /__sim/groups/{group}/members`: what a member does; absent parts are
/// left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChangeGroup {
    /// Who does it.
    pub actor: String,
    /// Adds these numbers.
    pub add: Vec<String>,
    /// Removes these.
    pub remove: Vec<String>,
    /// The actor leaves.
    pub leave: bool,
    /// Makes these admins.
    pub promote: Vec<String>,
    /// Takes that back.
    pub demote: Vec<String>,
    /// Renames the group.
    pub subject: Option<String>,
}

/// `POST /__sim/phones/{number}/vouch`: bytes are hexadecimal here and below.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vouch {
    /// The companion's Signal identity, 32 bytes.
    pub identity: String,
}

/// The answer: the account's word for a companion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vouched {
    /// `ADVSignedDeviceIdentity` without the device's signature.
    pub record: String,
}

/// `POST /__sim/devices`: a companion that was never paired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterDevice {
    /// Whose companion.
    pub number: String,
    /// Its Noise key.
    pub noise: String,
    /// Its Signal identity.
    pub identity: String,
    /// Its registration id.
    pub registration_id: u32,
    /// Id of its signed prekey.
    pub signed_pre_key_id: u32,
    /// The signed prekey.
    pub signed_pre_key: String,
    /// The identity's signature over it.
    pub signed_pre_key_signature: String,
    /// One-time prekeys; may be empty, the device uploads its own.
    #[serde(default)]
    pub pre_keys: Vec<(u32, String)>,
    /// The record from `vouch`, with the device's signature.
    pub device_identity: String,
}

/// The answer: what the companion has to remember.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {
    /// Its address.
    pub device: DeviceJid,
    /// By number, with device.
    pub pn: String,
    /// By LID, with device.
    pub lid: String,
    /// The account's name.
    pub push_name: String,
    /// The server's Noise certificates.
    pub server: ServerCertificates,
}

/// What a client caches of the server's certificates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerCertificates {
    /// The leaf's key: the server's static key.
    pub leaf: String,
    /// The key that signed the leaf.
    pub intermediate: String,
    /// The key that signed the intermediate.
    pub root: String,
    /// Unix seconds.
    pub not_before: u64,
    /// Unix seconds.
    pub not_after: u64,
}

/// `POST /__sim/faults`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InjectFault {
    /// `digits:device`; everybody when missing.
    #[serde(default)]
    pub device: Option<String>,
    /// What goes wrong.
    pub fault: Fault,
}

/// The query of `DELETE /__sim/faults`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FaultTarget {
    /// `digits:device`; everybody when missing.
    pub device: Option<String>,
}

/// `PUT /__sim/clock`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// How far the server's clock is ahead, seconds.
    pub skew_seconds: i64,
}

/// `GET /__sim/info`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SimInfo {
    /// The seed everything follows from.
    pub seed: u64,
    /// The server's clock, Unix seconds.
    pub now: u64,
    /// Its certificates.
    pub server: ServerCertificates,
}

const fn yes() -> bool {
    true
}
