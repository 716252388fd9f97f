//! ADV: how a phone vouches for its companions.
//!
//! The phone signs a small record about each companion with the account's
//! identity key (device 0's Signal identity); the companion counter-signs it,
//! which the server checks. Facts: prefixes and layouts agree in whatsmeow,
//! Baileys and whatsapp-rust.

use hmac::{Hmac, KeyInit as _, Mac as _};
use loong_proto::wire::{AdvDeviceIdentity, AdvSignedDeviceIdentity, AdvSignedDeviceIdentityHmac};
use prost::Message as _;
use rand::rngs::StdRng;
use sha2::Sha256;
use whatsapp_rust::wacore::libsignal::protocol::{CurveError, IdentityKeyPair};

use super::keys::raw_public;

/// Signed over by the account for a companion.
const ACCOUNT_PREFIX: [u8; 2] = [6, 0];
/// Signed over by the companion in return.
const DEVICE_PREFIX: [u8; 2] = [6, 1];

/// Why a record was not made.
#[derive(Debug, thiserror::Error)]
pub enum AdvError {
    /// Signing failed.
    #[error("cannot sign the identity record: {0}")]
    Sign(#[from] CurveError),
    /// The MAC refused the secret.
    #[error("the ADV secret cannot be used")]
    Secret,
}

/// Signs the record about one companion; no device signature yet.
///
/// # Errors
/// If signing fails.
pub fn vouch(
    account: &IdentityKeyPair,
    details: &AdvDeviceIdentity,
    companion_identity: &[u8; 32],
    rng: &mut StdRng,
) -> Result<AdvSignedDeviceIdentity, AdvError> {
    let details = details.encode_to_vec();
    let signed = [ACCOUNT_PREFIX.as_slice(), &details, companion_identity].concat();
    let signature = account.private_key().calculate_signature(&signed, rng)?;
    Ok(AdvSignedDeviceIdentity {
        details: Some(details),
        account_signature_key: Some(raw_public(account.public_key()).to_vec()),
        account_signature: Some(signature.to_vec()),
        device_signature: None,
    })
}

/// Wraps the record for `pair-success`, authenticated with the secret that the
/// companion showed in its QR code or that the pairing code led to.
///
/// # Errors
/// [`AdvError::Secret`] if the MAC refuses the secret.
pub fn seal(record: &AdvSignedDeviceIdentity, adv_secret: &[u8]) -> Result<Vec<u8>, AdvError> {
    let details = record.encode_to_vec();
    let mut mac = Hmac::<Sha256>::new_from_slice(adv_secret).map_err(|_length| AdvError::Secret)?;
    mac.update(&details);
    let container = AdvSignedDeviceIdentityHmac {
        details: Some(details),
        hmac: Some(mac.finalize().into_bytes().to_vec()),
        ..AdvSignedDeviceIdentityHmac::default()
    };
    Ok(container.encode_to_vec())
}

/// Counter-signs a record as the companion does; for sessions that are handed
/// out instead of paired.
///
/// # Errors
/// If signing fails.
pub fn counter_sign(
    record: &AdvSignedDeviceIdentity,
    companion: &IdentityKeyPair,
    rng: &mut StdRng,
) -> Result<AdvSignedDeviceIdentity, AdvError> {
    let signed = [
        DEVICE_PREFIX.as_slice(),
        record.details(),
        &raw_public(companion.public_key()),
        record.account_signature_key(),
    ]
    .concat();
    let signature = companion.private_key().calculate_signature(&signed, rng)?;
    Ok(AdvSignedDeviceIdentity {
        device_signature: Some(signature.to_vec()),
        ..record.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wa_sim::phone::keys::seeded_rng;
    use whatsapp_rust::wacore::adv::{AdvValidation, validate_adv_with_identity_key};

    #[test]
    fn a_client_library_accepts_the_counter_signed_record() -> anyhow::Result<()> {
        let mut rng = seeded_rng(5, "adv");
        let account = IdentityKeyPair::generate(&mut rng);
        let companion = IdentityKeyPair::generate(&mut rng);
        let details = AdvDeviceIdentity {
            raw_id: Some(9),
            timestamp: Some(1),
            key_index: Some(2),
            ..AdvDeviceIdentity::default()
        };
        let identity = raw_public(companion.public_key());
        let record = vouch(&account, &details, &identity, &mut rng)?;
        let signed = counter_sign(&record, &companion, &mut rng)?.encode_to_vec();
        let check = |identity| validate_adv_with_identity_key(&signed, identity, None);
        assert!(matches!(check(&identity), AdvValidation::Valid));
        assert!(matches!(check(&[1; 32]), AdvValidation::Invalid));
        Ok(())
    }
}
