//! The spaces of a store: one byte each, so that a batch can change several
//! at once. A byte is never reused for something else; what is stored in a
//! space changes only with a schema migration.

/// A named part of a store, like a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpaceId(u8);

impl SpaceId {
    /// The space with this byte. Bytes are handed out below: 0x01 to 0x3f to
    /// this crate, 0x40 to 0x9f to WhatsApp, 0xa0 to 0xff to other messengers.
    #[must_use]
    pub const fn new(byte: u8) -> Self {
        Self(byte)
    }

    /// The byte.
    #[must_use]
    pub const fn byte(self) -> u8 {
        self.0
    }
}

/// Facts about the account as a whole.
pub const ACCOUNT: SpaceId = SpaceId::new(0x01);
/// Messages that arrived, in order of arrival.
pub const INBOX: SpaceId = SpaceId::new(0x10);
/// From a message's identity to its place in the inbox, or to its tombstone.
pub const INBOX_INDEX: SpaceId = SpaceId::new(0x11);
/// Counters and settings of the inbox.
pub const INBOX_META: SpaceId = SpaceId::new(0x12);
/// Messages to send, by idempotency key.
pub const OUTBOX: SpaceId = SpaceId::new(0x20);
/// From a message id on the wire to the outbox record it belongs to.
pub const OUTBOX_IDS: SpaceId = SpaceId::new(0x21);
/// Counters and settings of the outbox.
pub const OUTBOX_META: SpaceId = SpaceId::new(0x22);
