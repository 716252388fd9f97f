//! The spaces of the vault that hold the WhatsApp session: bytes from the
//! range that the vault sets aside for WhatsApp, `0x40` to `0x9f`.
//!
//! A name with several parts can be scanned by its leading ones. "Plain" values are the bytes the
//! library gave us; the others are described in the store's record types.

use bridge_core::vault::{Space, SpaceId, Vault};

/// The device record (JSON), under number 0.
pub const DEVICE: SpaceId = SpaceId::new(0x40);
/// (user, address) → 32-byte identity key.
pub const IDENTITIES: SpaceId = SpaceId::new(0x41);
/// (user, address) → plain session record.
pub const SESSIONS: SpaceId = SpaceId::new(0x42);
/// number → one-time prekey.
pub const PREKEYS: SpaceId = SpaceId::new(0x43);
/// number → plain signed prekey record.
pub const SIGNED_PREKEYS: SpaceId = SpaceId::new(0x44);
/// (name) → plain sender key record.
pub const SENDER_KEYS: SpaceId = SpaceId::new(0x45);
/// (key id) → app-state sync key.
pub const SYNC_KEYS: SpaceId = SpaceId::new(0x46);
/// number 0 → id of the sync key stored last.
pub const SYNC_LATEST: SpaceId = SpaceId::new(0x47);
/// (collection) → hash state (JSON).
pub const SYNC_VERSIONS: SpaceId = SpaceId::new(0x48);
/// (collection, index MAC) → plain value MAC.
pub const SYNC_MACS: SpaceId = SpaceId::new(0x49);
/// (group) → devices and whether they hold our sender key.
pub const SENDER_KEY_DEVICES: SpaceId = SpaceId::new(0x4a);
/// (LID) → mapping.
pub const LIDS: SpaceId = SpaceId::new(0x4b);
/// (phone, LID) → when this pair was learned.
pub const PHONES: SpaceId = SpaceId::new(0x4c);
/// (address, message id) → plain base key.
pub const BASE_KEYS: SpaceId = SpaceId::new(0x4d);
/// (user) → device list (JSON).
pub const DEVICE_LISTS: SpaceId = SpaceId::new(0x4e);
/// (group) → plain metadata blob.
pub const GROUP_METADATA: SpaceId = SpaceId::new(0x4f);
/// (JID) → trusted-contact token.
pub const TC_TOKENS: SpaceId = SpaceId::new(0x50);
/// (chat, message id) → sent message.
pub const SENT_MESSAGES: SpaceId = SpaceId::new(0x51);
/// number → place in the queue of sent messages.
pub const SENT_QUEUE: SpaceId = SpaceId::new(0x52);
/// (chat, sender, message id) → decrypted message.
pub const PENDING_INBOUND: SpaceId = SpaceId::new(0x53);
/// (chat, sender, message id) → message secret.
pub const MSG_SECRETS: SpaceId = SpaceId::new(0x54);
/// deadline in seconds × 2^24 + a random tail → whose deadline it is.
pub const MSG_SECRET_DEADLINES: SpaceId = SpaceId::new(0x55);
/// archive number × 2^32 + part → an archived session; part 0 is its head.
pub const ARCHIVE: SpaceId = SpaceId::new(0x9f);

/// Every space that belongs to one linked session, that is, all but the archive.
pub const SESSION_SPACES: [SpaceId; 22] = [
    DEVICE,
    IDENTITIES,
    SESSIONS,
    PREKEYS,
    SIGNED_PREKEYS,
    SENDER_KEYS,
    SYNC_KEYS,
    SYNC_LATEST,
    SYNC_VERSIONS,
    SYNC_MACS,
    SENDER_KEY_DEVICES,
    LIDS,
    PHONES,
    BASE_KEYS,
    DEVICE_LISTS,
    GROUP_METADATA,
    TC_TOKENS,
    SENT_MESSAGES,
    SENT_QUEUE,
    PENDING_INBOUND,
    MSG_SECRETS,
    MSG_SECRET_DEADLINES,
];

/// Handles of all session spaces.
pub(super) struct Tables {
    pub(super) device: Space,
    pub(super) identities: Space,
    pub(super) sessions: Space,
    pub(super) prekeys: Space,
    pub(super) signed_prekeys: Space,
    pub(super) sender_keys: Space,
    pub(super) sync_keys: Space,
    pub(super) sync_latest: Space,
    pub(super) sync_versions: Space,
    pub(super) sync_macs: Space,
    pub(super) sender_key_devices: Space,
    pub(super) lids: Space,
    pub(super) phones: Space,
    pub(super) base_keys: Space,
    pub(super) device_lists: Space,
    pub(super) group_metadata: Space,
    pub(super) tc_tokens: Space,
    pub(super) sent_messages: Space,
    pub(super) sent_queue: Space,
    pub(super) pending_inbound: Space,
    pub(super) msg_secrets: Space,
    pub(super) msg_secret_deadlines: Space,
}

impl Tables {
    pub(super) fn new(vault: &Vault) -> Self {
        Self {
            device: vault.space(DEVICE),
            identities: vault.space(IDENTITIES),
            sessions: vault.space(SESSIONS),
            prekeys: vault.space(PREKEYS),
            signed_prekeys: vault.space(SIGNED_PREKEYS),
            sender_keys: vault.space(SENDER_KEYS),
            sync_keys: vault.space(SYNC_KEYS),
            sync_latest: vault.space(SYNC_LATEST),
            sync_versions: vault.space(SYNC_VERSIONS),
            sync_macs: vault.space(SYNC_MACS),
            sender_key_devices: vault.space(SENDER_KEY_DEVICES),
            lids: vault.space(LIDS),
            phones: vault.space(PHONES),
            base_keys: vault.space(BASE_KEYS),
            device_lists: vault.space(DEVICE_LISTS),
            group_metadata: vault.space(GROUP_METADATA),
            tc_tokens: vault.space(TC_TOKENS),
            sent_messages: vault.space(SENT_MESSAGES),
            sent_queue: vault.space(SENT_QUEUE),
            pending_inbound: vault.space(PENDING_INBOUND),
            msg_secrets: vault.space(MSG_SECRETS),
            msg_secret_deadlines: vault.space(MSG_SECRET_DEADLINES),
        }
    }
}
