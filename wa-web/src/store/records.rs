//! What our own values look like, as protobuf messages.
//!
//! Only this module's readers and writers ever see them, so they are declared here and not in the
//! shared schema. Numbers of fields are never reused. `Debug` is left out: nearly every field is a
//! secret or says who talks with whom. Values the library serialises itself (sessions, sender
//! keys, identities, group metadata) are stored as they come; `Device`, `HashState` and device
//! lists are JSON, because the library adds fields to them with defaults.

use std::collections::BTreeMap;

use whatsapp_rust::wacore::store::error::Result;

use super::serialization;

/// A one-time prekey under its number.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub(super) struct PreKey {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) record: Vec<u8>,
    #[prost(bool, tag = "2")]
    pub(super) uploaded: bool,
}

/// An app-state sync key.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub(super) struct SyncKey {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) key_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) key_data: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    pub(super) fingerprint: Vec<u8>,
    #[prost(int64, tag = "4")]
    pub(super) timestamp: i64,
}

/// Which devices of a group hold our sender key. One record per group: it is read as a whole
/// before every send to the group.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub(super) struct SenderKeyDevices {
    #[prost(string, tag = "1")]
    pub(super) group: String,
    #[prost(btree_map = "string, bool", tag = "2")]
    pub(super) devices: BTreeMap<String, bool>,
}

/// What is known about a LID.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub(super) struct LidMapping {
    #[prost(string, tag = "1")]
    pub(super) lid: String,
    #[prost(string, tag = "2")]
    pub(super) phone: String,
    #[prost(int64, tag = "3")]
    pub(super) created_at: i64,
    #[prost(int64, tag = "4")]
    pub(super) updated_at: i64,
    #[prost(string, tag = "5")]
    pub(super) source: String,
}

/// One LID of a phone number, under (phone, LID).
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub(super) struct PhoneLid {
    #[prost(string, tag = "1")]
    pub(super) lid: String,
    /// Nanoseconds, always increasing: decides between two LIDs of one second.
    #[prost(int64, tag = "2")]
    pub(super) learned: i64,
}

/// A trusted-contact token.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub(super) struct TcToken {
    #[prost(string, tag = "1")]
    pub(super) jid: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) token: Vec<u8>,
    #[prost(int64, tag = "3")]
    pub(super) token_timestamp: i64,
    #[prost(int64, optional, tag = "4")]
    pub(super) sender_timestamp: Option<i64>,
}

/// A message that went out, kept for late retry receipts.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub(super) struct SentMessage {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) payload: Vec<u8>,
    /// Its number in the queue of sent messages.
    #[prost(uint64, tag = "2")]
    pub(super) order: u64,
}

/// One place in the queue of sent messages, oldest first.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub(super) struct SentPlace {
    #[prost(string, tag = "1")]
    pub(super) chat: String,
    #[prost(string, tag = "2")]
    pub(super) id: String,
    /// Unix seconds.
    #[prost(int64, tag = "3")]
    pub(super) stored_at: i64,
}

/// A decrypted message that the inbox has not committed yet.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub(super) struct PendingInbound {
    #[prost(string, tag = "1")]
    pub(super) chat: String,
    #[prost(string, tag = "2")]
    pub(super) sender: String,
    #[prost(string, tag = "3")]
    pub(super) id: String,
    /// Unix seconds.
    #[prost(int64, tag = "4")]
    pub(super) stored_at: i64,
    #[prost(bytes = "vec", tag = "5")]
    pub(super) message: Vec<u8>,
}

/// The secret of one message, for later edits, reactions and poll votes on it.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub(super) struct MsgSecret {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) secret: Vec<u8>,
    /// Unix seconds; 0 = never.
    #[prost(int64, tag = "2")]
    pub(super) expires_at: i64,
    /// Unix seconds; 0 = unknown.
    #[prost(int64, tag = "3")]
    pub(super) message_ts: i64,
    /// Its number in the deadline queue, when it expires at all.
    #[prost(uint64, optional, tag = "4")]
    pub(super) deadline: Option<u64>,
}

/// One place in the queue of message-secret deadlines, earliest first.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub(super) struct MsgSecretDeadline {
    #[prost(string, tag = "1")]
    pub(super) chat: String,
    #[prost(string, tag = "2")]
    pub(super) sender: String,
    #[prost(string, tag = "3")]
    pub(super) id: String,
}

/// What is known about an archived session.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub(super) struct ArchiveHead {
    /// Unix seconds.
    #[prost(int64, tag = "1")]
    pub(super) archived_at: i64,
    /// The account it was linked to, if it was.
    #[prost(string, optional, tag = "3")]
    pub(super) account: Option<String>,
    /// Number of records in the parts that follow.
    #[prost(uint64, tag = "4")]
    pub(super) records: u64,
    /// How many of them are decrypted messages that the inbox never committed.
    #[prost(uint64, tag = "5")]
    pub(super) uncommitted: u64,
}

/// Some records of an archived session.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub(super) struct ArchivePart {
    #[prost(message, repeated, tag = "1")]
    pub(super) records: Vec<ArchivedRecord>,
}

/// One record as it was: its space, its name, its value.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub(super) struct ArchivedRecord {
    #[prost(uint32, tag = "1")]
    pub(super) space: u32,
    /// The parts of the name, for a named record.
    #[prost(bytes = "vec", repeated, tag = "2")]
    pub(super) parts: Vec<Vec<u8>>,
    /// The number, for an ordered record.
    #[prost(uint64, optional, tag = "3")]
    pub(super) number: Option<u64>,
    #[prost(bytes = "vec", tag = "4")]
    pub(super) value: Vec<u8>,
}

/// Decodes one of the messages above.
pub(super) fn decode<M: prost::Message + Default>(value: &[u8]) -> Result<M> {
    M::decode(value).map_err(serialization)
}
