//! The keys of an account's phone: what device 0 brings to Signal and to
//! pairing. Everything comes from the generator that is passed in, so one seed
//! always makes the same phone.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use sha2::{Digest as _, Sha256};
use whatsapp_rust::wacore::libsignal::protocol::{CurveError, IdentityKeyPair, KeyPair};

/// One-time prekeys that a phone publishes when it is created, and again when
/// it has run low.
pub const PRE_KEY_BATCH: u32 = 64;

/// The generator behind everything that belongs to `label`, for example one
/// phone, in a simulator started with `seed`.
#[must_use]
pub fn seeded_rng(seed: u64, label: &str) -> StdRng {
    let mut hash = Sha256::new();
    hash.update(seed.to_be_bytes());
    hash.update(label.as_bytes());
    StdRng::from_seed(hash.finalize().into())
}

/// A signed prekey with the identity's signature over `05 ‖ public`.
#[derive(Clone)]
pub struct SignedPreKey {
    /// Its id, 24 bits on the wire.
    pub id: u32,
    /// The pair.
    pub pair: KeyPair,
    /// XEdDSA by the identity key.
    pub signature: [u8; 64],
}

impl std::fmt::Debug for SignedPreKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignedPreKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// A phone's long-lived secrets and its unspent one-time prekeys.
#[derive(Clone)]
pub struct PhoneKeys {
    /// Signal identity of device 0, and the key that signs ADV records.
    pub identity: IdentityKeyPair,
    /// 14 bits, as Signal defines it.
    pub registration_id: u32,
    /// The current signed prekey.
    pub signed_pre_key: SignedPreKey,
    /// One-time prekeys by id.
    pub pre_keys: BTreeMap<u32, KeyPair>,
    /// `rawId` of every ADV record of the account.
    pub raw_id: u32,
    /// Id of the key that seals the account's app state: two bytes of device,
    /// four of epoch.
    pub app_state_key_id: [u8; 6],
    /// That key.
    pub app_state_key: [u8; 32],
}

impl std::fmt::Debug for PhoneKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PhoneKeys")
            .field("registration_id", &self.registration_id)
            .field("pre_keys", &self.pre_keys.len())
            .finish_non_exhaustive()
    }
}

impl PhoneKeys {
    /// Makes a phone's keys.
    ///
    /// # Errors
    /// If the identity cannot sign, which a fresh key always can.
    pub fn generate(rng: &mut StdRng) -> Result<Self, CurveError> {
        let identity = IdentityKeyPair::generate(rng);
        let pair = KeyPair::generate(rng);
        let signature = identity
            .private_key()
            .calculate_signature(&pair.public_key.serialize(), rng)?;
        let mut app_state_key = [0; 32];
        rng.fill_bytes(&mut app_state_key);
        let epoch = rng.next_u32().to_be_bytes();
        let [a, b, c, d] = epoch;
        let mut keys = Self {
            identity,
            registration_id: rng.next_u32() % 16_380 + 1,
            signed_pre_key: SignedPreKey {
                id: 1,
                pair,
                signature,
            },
            pre_keys: BTreeMap::new(),
            raw_id: rng.next_u32() >> 1,
            app_state_key_id: [0, 0, a, b, c, d],
            app_state_key,
        };
        keys.add_pre_keys(1, rng);
        Ok(keys)
    }

    /// Adds [`PRE_KEY_BATCH`] one-time prekeys, numbered from `first`, and
    /// returns their ids.
    pub fn add_pre_keys(&mut self, first: u32, rng: &mut StdRng) -> std::ops::Range<u32> {
        let ids = first..first + PRE_KEY_BATCH;
        for id in ids.clone() {
            self.pre_keys.insert(id, KeyPair::generate(rng));
        }
        ids
    }

    /// The identity's public key without its type byte.
    #[must_use]
    pub fn identity_public(&self) -> [u8; 32] {
        raw_public(self.identity.public_key())
    }
}

/// A Curve25519 public key as the wire has it: 32 bytes, no type byte.
#[must_use]
pub fn raw_public(key: &whatsapp_rust::wacore::libsignal::protocol::PublicKey) -> [u8; 32] {
    let mut raw = [0; 32];
    if let Some(bytes) = key.serialize().get(1..) {
        raw.copy_from_slice(bytes);
    }
    raw
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_and_a_label_fix_the_keys() -> Result<(), CurveError> {
        let make = |seed, label| PhoneKeys::generate(&mut seeded_rng(seed, label));
        let (a, b, c) = (make(7, "x")?, make(7, "x")?, make(7, "y")?);
        assert_eq!(a.identity_public(), b.identity_public());
        assert_eq!(a.registration_id, b.registration_id);
        assert_eq!(a.signed_pre_key.signature, b.signed_pre_key.signature);
        assert_ne!(a.identity_public(), c.identity_public());
        Ok(())
    }

    #[test]
    fn the_signed_prekey_verifies_under_the_identity() -> Result<(), CurveError> {
        let keys = PhoneKeys::generate(&mut seeded_rng(1, "phone"))?;
        assert!(keys.identity.public_key().verify_signature(
            &keys.signed_pre_key.pair.public_key.serialize(),
            &keys.signed_pre_key.signature
        ));
        assert!((1..=16_380).contains(&keys.registration_id));
        Ok(())
    }
}
