//! What goes in and out of the [`Hub`](super::Hub).

use serde::Serialize;
use whatsapp_rust::wacore_binary::{Jid, Node};

use crate::wa_sim::address::DeviceJid;

/// Where stanzas for an in-process phone go. Called in order, outside every
/// lock, from one task per phone; it must not block for long.
pub trait Endpoint: Send + Sync {
    /// Takes what the server would have written to the phone's socket.
    fn deliver(&self, stanza: Node);
}

/// A signed prekey as others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedPreKeyPublic {
    /// 24 bits on the wire.
    pub id: u32,
    /// The public key, without a type byte.
    pub public: [u8; 32],
    /// The identity's signature over `05 ‖ public`.
    pub signature: [u8; 64],
}

/// A device's Signal keys as others see them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DevicePublic {
    /// Signal's registration id.
    pub registration_id: u32,
    /// The identity's public key, without a type byte.
    pub identity: [u8; 32],
    /// The current signed prekey.
    pub signed_pre_key: SignedPreKeyPublic,
    /// One-time prekeys: id and public key.
    pub pre_keys: Vec<(u32, [u8; 32])>,
}

/// An account to be made, with its phone.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// Its number, digits only; made up from the seed if missing.
    pub number: Option<String>,
    /// The name others see.
    pub push_name: String,
    /// Whether its phone addresses others by LID rather than by number.
    pub by_lid: bool,
    /// Whether it is a business account.
    pub business: bool,
    /// The phone's keys.
    pub phone: DevicePublic,
}

/// An account as others see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccountInfo {
    /// Its number, digits only.
    pub number: String,
    /// The user part of its LID.
    pub lid: String,
    /// The name others see.
    pub push_name: String,
    /// Whether its phone addresses others by LID.
    pub by_lid: bool,
    /// Its devices; 0 is the phone.
    pub devices: Vec<u16>,
}

impl AccountInfo {
    /// The account's JID by number.
    #[must_use]
    pub fn pn(&self) -> Jid {
        Jid::pn(self.number.as_str())
    }

    /// The account's JID by LID.
    #[must_use]
    pub fn lid_jid(&self) -> Jid {
        Jid::lid(self.lid.as_str())
    }
}

/// A device as others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceInfo {
    /// Its name in the simulator.
    pub address: DeviceJid,
    /// By number, with the device.
    pub pn: Jid,
    /// By LID, with the device.
    pub lid: Jid,
    /// Its place in the account's key index list; 0 for the phone.
    pub key_index: u32,
}

/// What starts a Signal session with a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// Signal's registration id.
    pub registration_id: u32,
    /// The identity's public key.
    pub identity: [u8; 32],
    /// The signed prekey.
    pub signed_pre_key: SignedPreKeyPublic,
    /// A one-time prekey, if one was left.
    pub pre_key: Option<(u32, [u8; 32])>,
    /// A companion's encoded `ADVSignedDeviceIdentity`.
    pub device_identity: Option<Vec<u8>>,
}

/// A client that shows QR codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pairing {
    /// Its first reference, which names the connection.
    pub reference: String,
    /// Signal's registration id.
    pub registration_id: u32,
    /// Its identity's public key.
    pub identity: [u8; 32],
    /// Its Noise static key.
    pub noise: [u8; 32],
    /// The name it came with, if any.
    pub push_name: Option<String>,
    /// The platform number of its device properties; 1 is Chrome.
    pub platform: i32,
    /// The system named in its device properties.
    pub os: String,
    /// What it said when it asked for a pairing code.
    pub code: Option<CodePairing>,
}

/// A client that waits for its pairing code to be typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodePairing {
    /// Whose phone it wants to be linked by.
    pub number: String,
    /// The server's name for the attempt.
    pub link_ref: Vec<u8>,
    /// Salt, counter block and encrypted key: 80 bytes.
    pub wrapped_companion_ephemeral: Vec<u8>,
    /// For example `1` for Chrome.
    pub platform_id: String,
    /// For example `Chrome (Linux)`.
    pub platform_display: String,
}

/// A companion that is registered without a connection.
#[derive(Debug, Clone)]
pub struct NewDevice {
    /// Its Noise static key.
    pub noise: [u8; 32],
    /// Its Signal keys.
    pub keys: DevicePublic,
    /// Its place in the account's key index list.
    pub key_index: u32,
    /// Its encoded `ADVSignedDeviceIdentity`, with the device's signature.
    pub device_identity: Vec<u8>,
    /// The platform number of its device properties.
    pub platform: i32,
}

/// A connection, or an attached phone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClientInfo {
    /// Counted from 1 in the order of connection.
    pub session: u64,
    /// The device, once it logged in.
    pub device: Option<DeviceJid>,
    /// `socket` or `phone`.
    pub kind: &'static str,
    /// `registering`, `draining` or `live`.
    pub phase: &'static str,
    /// Frames from it since the handshake.
    pub frames_in: u64,
    /// Frames to it since the handshake.
    pub frames_out: u64,
    /// What waits for it and is not confirmed.
    pub queued: usize,
    /// The routing bytes it came back with, in hexadecimal.
    pub routing: Option<String>,
    /// The first QR reference, while it registers.
    pub reference: Option<String>,
}

/// Why the hub refused something.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum HubError {
    /// No account has this number.
    #[error("no account has the number {0}")]
    UnknownAccount(String),
    /// The number is taken.
    #[error("the number {0} is taken")]
    NumberTaken(String),
    /// The number is not 7 to 15 digits.
    #[error("a number has 7 to 15 digits and no leading 0")]
    BadNumber,
    /// No such group, or its member list is wrong.
    #[error("no such group: {0}")]
    UnknownGroup(String),
    /// A signature does not verify.
    #[error("the signed prekey's signature does not verify")]
    BadSignature,
    /// A record cannot be decoded.
    #[error("cannot decode the device identity")]
    BadIdentity,
    /// There is no runtime to deliver stanzas on.
    #[error("a phone can only be attached inside a tokio runtime")]
    NoRuntime,
}

/// Why a device was not linked.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PairError {
    /// No connection shows this reference.
    #[error("no client shows this code, or it has expired")]
    UnknownReference,
    /// No account has this number.
    #[error("no account has the number {0}")]
    UnknownAccount(String),
    /// The container is not what a phone sends.
    #[error("cannot decode the phone's container")]
    BadContainer,
    /// The client refused, with this code and text.
    #[error("the client refused: {0}")]
    Refused(String),
    /// The client's own signature or a repeated field is wrong.
    #[error("the client's answer is wrong: {0}")]
    BadAnswer(&'static str),
    /// The client went away or did not answer in time.
    #[error("the client did not answer in time")]
    NoAnswer,
}
