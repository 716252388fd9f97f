//! The keys of a store, and everything that is done with them.
//!
//! From the master key and the random salt in a [`KeySlot`], HKDF-SHA256 makes
//! three keys: one for values, one for record names, one for the header's own
//! secrets. The salt makes stores that share a master key independent.

use aes_gcm::{Aes256Gcm, KeyInit, Nonce, aead::Aead, aead::Payload};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use loong_proto::store::KeySlot;
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

use super::VaultError;

/// Bytes of a nonce of AES-GCM.
const NONCE: usize = 12;
/// Bytes that one part of a name takes in a record key.
pub(super) const NAME_BLOCK: usize = 16;
/// What the key check of a slot contains.
const CHECK_TEXT: &[u8] = b"loong vault key check";

/// The key that everything in a store depends on. Zeroed when dropped; never printed.
#[derive(Clone)]
pub struct MasterKey(Zeroizing<[u8; Self::LEN]>);

impl MasterKey {
    /// Its length in bytes.
    pub const LEN: usize = 32;

    /// A fresh key from the system's random numbers.
    ///
    /// # Errors
    /// When the system has none.
    pub fn generate() -> Result<Self, VaultError> {
        let mut bytes = Zeroizing::new([0; Self::LEN]);
        fill_random(&mut *bytes)?;
        Ok(Self(bytes))
    }

    /// Wraps existing bytes.
    #[must_use]
    pub fn from_bytes(mut bytes: [u8; Self::LEN]) -> Self {
        let key = Self(Zeroizing::new(bytes));
        bytes.zeroize();
        key
    }

    /// The key itself, to derive from it or to store it; nowhere else.
    pub(super) fn expose_key_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

/// What one master key means for one store.
pub(super) struct Keys {
    id: u8,
    values: Aes256Gcm,
    names: Zeroizing<[u8; 64]>,
    header: Aes256Gcm,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keys({})", self.id)
    }
}

impl Keys {
    /// Makes a slot for a key that a store has not seen before.
    pub(super) fn new_slot(id: u8, master: &MasterKey) -> Result<(KeySlot, Self), VaultError> {
        let mut salt = vec![0; 32];
        fill_random(&mut salt)?;
        let keys = Self::derive(id, &salt, master)?;
        let check = seal_with(&keys.header, CHECK_TEXT, &[id, b'c'])?;
        let slot = KeySlot {
            id: u32::from(id),
            salt,
            check,
            previous_key: Vec::new(),
        };
        Ok((slot, keys))
    }

    /// The keys for a slot, or `None` if it belongs to another master key.
    pub(super) fn for_slot(slot: &KeySlot, master: &MasterKey) -> Result<Option<Self>, VaultError> {
        let id = u8::try_from(slot.id).ok().filter(|id| *id != 0);
        let id = id.ok_or_else(|| VaultError::corrupt("a key slot has an impossible number"))?;
        let keys = Self::derive(id, &slot.salt, master)?;
        let opened = open_with(&keys.header, &slot.check, &[id, b'c']);
        Ok((opened.is_some_and(|text| *text == CHECK_TEXT)).then_some(keys))
    }

    fn derive(id: u8, salt: &[u8], master: &MasterKey) -> Result<Self, VaultError> {
        let kdf = Hkdf::<Sha256>::new(Some(salt), master.expose_key_bytes());
        let expand = |label: &[u8], key: &mut [u8]| {
            let done = kdf.expand(label, key);
            done.map_err(|error| VaultError::corrupt(error.to_string()))
        };
        let cipher = |label: &[u8]| {
            let mut key = Zeroizing::new([0; 32]);
            expand(label, &mut *key)?;
            Ok::<_, VaultError>(Aes256Gcm::new((&*key).into()))
        };
        let mut names = Zeroizing::new([0; 64]);
        expand(b"loong vault 1 names", &mut *names)?;
        Ok(Self {
            id,
            values: cipher(b"loong vault 1 values")?,
            names,
            header: cipher(b"loong vault 1 header")?,
        })
    }

    /// The number of the slot: the first byte of every record key and value.
    pub(super) const fn id(&self) -> u8 {
        self.id
    }

    /// One part of a record name as it is stored. It depends on the space and on
    /// the parts before it, so that equal parts of different records show only
    /// where everything before them is equal as well.
    pub(super) fn name_block(&self, space: u8, before: &[u8], part: &[u8]) -> [u8; NAME_BLOCK] {
        let mut mac = <Hmac<Sha256> as KeyInit>::new((&*self.names).into());
        mac.update(&[space]);
        mac.update(&(before.len() as u64).to_be_bytes());
        mac.update(before);
        mac.update(part);
        let full = mac.finalize().into_bytes();
        let mut block = [0; NAME_BLOCK];
        for (to, from) in block.iter_mut().zip(full.iter()) {
            *to = *from;
        }
        block
    }

    /// Seals a value: key id ‖ nonce ‖ AES-256-GCM. `place` is space ‖ record name.
    pub(super) fn seal(&self, value: &[u8], place: &[u8]) -> Result<Vec<u8>, VaultError> {
        let mut sealed = vec![self.id];
        sealed.extend(seal_with(&self.values, value, place)?);
        Ok(sealed)
    }

    /// Reverses [`Keys::seal`]; `None` if the value is damaged, was moved from
    /// another place, or belongs to another key.
    pub(super) fn open(&self, sealed: &[u8], place: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (id, rest) = sealed.split_first()?;
        if *id != self.id {
            return None;
        }
        open_with(&self.values, rest, place)
    }

    /// Seals another master key, for the header.
    pub(super) fn wrap(&self, other: &MasterKey) -> Result<Vec<u8>, VaultError> {
        seal_with(&self.header, other.expose_key_bytes(), &[self.id, b'w'])
    }

    /// Reverses [`Keys::wrap`].
    pub(super) fn unwrap_key(&self, wrapped: &[u8]) -> Option<MasterKey> {
        let bytes = open_with(&self.header, wrapped, &[self.id, b'w'])?;
        let bytes = <[u8; MasterKey::LEN]>::try_from(bytes.as_slice()).ok()?;
        Some(MasterKey::from_bytes(bytes))
    }
}

fn seal_with(cipher: &Aes256Gcm, value: &[u8], place: &[u8]) -> Result<Vec<u8>, VaultError> {
    let mut nonce = [0; NONCE];
    fill_random(&mut nonce)?;
    let text = cipher
        .encrypt(
            &Nonce::from(nonce),
            Payload {
                msg: value,
                aad: place,
            },
        )
        .map_err(|_too_long| VaultError::corrupt("a value is too long to be sealed"))?;
    let mut sealed = Vec::with_capacity(NONCE + text.len());
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(&text);
    Ok(sealed)
}

fn open_with(cipher: &Aes256Gcm, sealed: &[u8], place: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, text) = sealed.split_first_chunk::<NONCE>()?;
    let opened = cipher.decrypt(
        &Nonce::from(*nonce),
        Payload {
            msg: text,
            aad: place,
        },
    );
    opened.ok().map(Zeroizing::new)
}

fn fill_random(bytes: &mut [u8]) -> Result<(), VaultError> {
    getrandom::fill(bytes).map_err(|error| VaultError::Random(error.to_string()))
}
