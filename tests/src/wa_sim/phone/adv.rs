//! ADV: how a phone vouches for its companions.
//!
//! The phone signs a small record about each companion with the account's
//! identity key (device 0's Signal identity); the companion counter-signs it.
//! Facts: prefixes and layouts agree in whatsmeow, Baileys and whatsapp-rust,
//! and an unmodified Baileys accepted records built this way.

use hmac::{Hmac, KeyInit as _, Mac as _};
use prost::Message as _;
use rand::rngs::StdRng;
use sha2::Sha256;
use whatsapp_rust::wacore::libsignal::protocol::{CurveError, IdentityKeyPair, PublicKey};

/// Signed over by the account for a companion.
const ACCOUNT_PREFIX: [u8; 2] = [6, 0];
/// Signed over by the companion in return.
const DEVICE_PREFIX: [u8; 2] = [6, 1];
/// Signed over by the account for a key index list. No source names this one,
/// and no client was seen to check it.
const INDEX_LIST_PREFIX: [u8; 2] = [6, 2];

/// `ADVDeviceIdentity`: which of the account's companions this is.
#[derive(Clone, PartialEq, prost::Message)]
pub struct DeviceIdentity {
    /// Constant per account.
    #[prost(uint32, optional, tag = "1")]
    pub raw_id: Option<u32>,
    /// When it was linked, Unix seconds.
    #[prost(uint64, optional, tag = "2")]
    pub timestamp: Option<u64>,
    /// One more for each companion ever linked.
    #[prost(uint32, optional, tag = "3")]
    pub key_index: Option<u32>,
}

/// `ADVSignedDeviceIdentity`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SignedDeviceIdentity {
    /// A [`DeviceIdentity`].
    #[prost(bytes = "vec", optional, tag = "1")]
    pub details: Option<Vec<u8>>,
    /// The account identity's public key, 32 bytes.
    #[prost(bytes = "vec", optional, tag = "2")]
    pub account_signature_key: Option<Vec<u8>>,
    /// By the account.
    #[prost(bytes = "vec", optional, tag = "3")]
    pub account_signature: Option<Vec<u8>>,
    /// By the companion.
    #[prost(bytes = "vec", optional, tag = "4")]
    pub device_signature: Option<Vec<u8>>,
}

/// `ADVSignedDeviceIdentityHMAC`: what travels in `pair-success`.
#[derive(Clone, PartialEq, prost::Message)]
struct Container {
    #[prost(bytes = "vec", optional, tag = "1")]
    details: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "2")]
    hmac: Option<Vec<u8>>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct KeyIndexList {
    #[prost(uint32, optional, tag = "1")]
    raw_id: Option<u32>,
    #[prost(uint64, optional, tag = "2")]
    timestamp: Option<u64>,
    #[prost(uint32, optional, tag = "3")]
    current_index: Option<u32>,
    #[prost(uint32, repeated, tag = "4")]
    valid_indexes: Vec<u32>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct SignedKeyIndexList {
    #[prost(bytes = "vec", optional, tag = "1")]
    details: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "2")]
    account_signature: Option<Vec<u8>>,
}

/// Why a record was not made or not accepted.
#[derive(Debug, thiserror::Error)]
pub enum AdvError {
    /// Signing failed.
    #[error("cannot sign the identity record: {0}")]
    Sign(#[from] CurveError),
    /// The companion's record does not parse or lacks a part.
    #[error("the companion's identity record is malformed")]
    Malformed,
    /// It changed what the account had signed.
    #[error("the companion changed the record that the account had signed")]
    Changed,
    /// Its own signature is wrong.
    #[error("the companion's signature is wrong")]
    BadSignature,
    /// Its `key-index` is not the record's.
    #[error("the companion answered with key index {got}, expected {expected}")]
    KeyIndex {
        /// What the record says.
        expected: u32,
        /// What the companion said.
        got: u32,
    },
    /// The ADV secret of a QR code has the wrong size.
    #[error("the ADV secret is not 32 bytes")]
    Secret,
}

/// Makes and signs the record about one companion; no device signature yet.
///
/// # Errors
/// If signing fails.
pub fn vouch(
    account: &IdentityKeyPair,
    details: &DeviceIdentity,
    companion_identity: &[u8; 32],
    rng: &mut StdRng,
) -> Result<SignedDeviceIdentity, AdvError> {
    let details = details.encode_to_vec();
    let signed = [ACCOUNT_PREFIX.as_slice(), &details, companion_identity].concat();
    let signature = account.private_key().calculate_signature(&signed, rng)?;
    Ok(SignedDeviceIdentity {
        details: Some(details),
        account_signature_key: Some(super::keys::raw_public(account.public_key()).to_vec()),
        account_signature: Some(signature.to_vec()),
        device_signature: None,
    })
}

/// Wraps the record for `pair-success`, authenticated with the secret that the
/// companion showed in its QR code or that the pairing code led to.
///
/// # Errors
/// [`AdvError::Secret`] if the MAC refuses the secret.
pub fn seal(record: &SignedDeviceIdentity, adv_secret: &[u8]) -> Result<Vec<u8>, AdvError> {
    let details = record.encode_to_vec();
    let mut mac = Hmac::<Sha256>::new_from_slice(adv_secret).map_err(|_length| AdvError::Secret)?;
    mac.update(&details);
    let hmac = mac.finalize().into_bytes().to_vec();
    Ok(Container {
        details: Some(details),
        hmac: Some(hmac),
    }
    .encode_to_vec())
}

/// Checks what a companion sent back in `pair-device-sign` against the record
/// we signed, and returns the complete one: with the account key, which some
/// clients leave out of this copy.
///
/// # Errors
/// Says which check failed.
pub fn complete(
    ours: &SignedDeviceIdentity,
    answer: &[u8],
    key_index: Option<u32>,
    companion_identity: &[u8; 32],
) -> Result<SignedDeviceIdentity, AdvError> {
    let theirs = SignedDeviceIdentity::decode(answer).map_err(|_broken| AdvError::Malformed)?;
    if theirs.details != ours.details || theirs.account_signature != ours.account_signature {
        return Err(AdvError::Changed);
    }
    let details = ours.details.as_deref().unwrap_or_default();
    let expected = DeviceIdentity::decode(details)
        .map_err(|_broken| AdvError::Malformed)?
        .key_index
        .unwrap_or_default();
    if let Some(got) = key_index
        && got != expected
    {
        return Err(AdvError::KeyIndex { expected, got });
    }
    let account_key = ours.account_signature_key.as_deref().unwrap_or_default();
    let signed = [
        DEVICE_PREFIX.as_slice(),
        details,
        companion_identity,
        account_key,
    ]
    .concat();
    let signature = theirs.device_signature.ok_or(AdvError::Malformed)?;
    let companion = PublicKey::from_djb_public_key_bytes(companion_identity)?;
    if !companion.verify_signature(&signed, &signature) {
        return Err(AdvError::BadSignature);
    }
    Ok(SignedDeviceIdentity {
        device_signature: Some(signature),
        ..ours.clone()
    })
}

/// Counter-signs a record as the companion would; for sessions that are handed
/// out instead of paired.
///
/// # Errors
/// If signing fails.
pub fn counter_sign(
    record: &SignedDeviceIdentity,
    companion: &IdentityKeyPair,
    rng: &mut StdRng,
) -> Result<SignedDeviceIdentity, AdvError> {
    let signed = [
        DEVICE_PREFIX.as_slice(),
        record.details.as_deref().unwrap_or_default(),
        &super::keys::raw_public(companion.public_key()),
        record.account_signature_key.as_deref().unwrap_or_default(),
    ]
    .concat();
    let signature = companion.private_key().calculate_signature(&signed, rng)?;
    Ok(SignedDeviceIdentity {
        device_signature: Some(signature.to_vec()),
        ..record.clone()
    })
}

/// The account's signed list of valid companions, as usync hands it out.
///
/// # Errors
/// If signing fails.
pub fn key_index_list(
    account: &IdentityKeyPair,
    raw_id: u32,
    timestamp: u64,
    current_index: u32,
    valid_indexes: &[u32],
    rng: &mut StdRng,
) -> Result<Vec<u8>, AdvError> {
    let details = KeyIndexList {
        raw_id: Some(raw_id),
        timestamp: Some(timestamp),
        current_index: Some(current_index),
        valid_indexes: valid_indexes.to_vec(),
    }
    .encode_to_vec();
    let signed = [INDEX_LIST_PREFIX.as_slice(), &details].concat();
    let signature = account.private_key().calculate_signature(&signed, rng)?;
    let list = SignedKeyIndexList {
        details: Some(details),
        account_signature: Some(signature.to_vec()),
    };
    Ok(list.encode_to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wa_sim::phone::keys::{raw_public, seeded_rng};

    fn record() -> anyhow::Result<(SignedDeviceIdentity, IdentityKeyPair, StdRng)> {
        let mut rng = seeded_rng(5, "adv");
        let account = IdentityKeyPair::generate(&mut rng);
        let companion = IdentityKeyPair::generate(&mut rng);
        let details = DeviceIdentity {
            raw_id: Some(9),
            timestamp: Some(1),
            key_index: Some(2),
        };
        let record = vouch(
            &account,
            &details,
            &raw_public(companion.public_key()),
            &mut rng,
        )?;
        Ok((record, companion, rng))
    }

    #[test]
    fn a_counter_signed_record_is_accepted_with_or_without_the_account_key() -> anyhow::Result<()> {
        let (record, companion, mut rng) = record()?;
        let companion_public = raw_public(companion.public_key());
        let mut signed = counter_sign(&record, &companion, &mut rng)?;
        complete(&record, &signed.encode_to_vec(), Some(2), &companion_public)?;
        signed.account_signature_key = None;
        let full = complete(&record, &signed.encode_to_vec(), None, &companion_public)?;
        assert_eq!(full.account_signature_key, record.account_signature_key);
        Ok(())
    }

    #[test]
    fn tampered_answers_are_refused() -> anyhow::Result<()> {
        let (record, companion, mut rng) = record()?;
        let companion_public = raw_public(companion.public_key());
        let signed = counter_sign(&record, &companion, &mut rng)?;
        let check = |answer: &SignedDeviceIdentity, index| {
            complete(&record, &answer.encode_to_vec(), index, &companion_public)
        };
        assert!(matches!(
            check(&signed, Some(3)),
            Err(AdvError::KeyIndex { .. })
        ));
        let changed = SignedDeviceIdentity {
            details: Some(vec![1]),
            ..signed.clone()
        };
        assert!(matches!(check(&changed, None), Err(AdvError::Changed)));
        let forged = SignedDeviceIdentity {
            device_signature: Some(vec![0; 64]),
            ..signed
        };
        assert!(matches!(check(&forged, None), Err(AdvError::BadSignature)));
        Ok(())
    }
}
