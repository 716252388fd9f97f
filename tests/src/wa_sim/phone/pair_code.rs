//! The phone's half of linking by code.
//!
//! Both sides stretch the eight characters with PBKDF2 and wrap their ephemeral
//! public keys under the result; nothing else authenticates them, so a wrong
//! code shows only as a key bundle that does not open. Facts: the numbers and
//! labels agree in Baileys, whatsmeow and whatsapp-rust.

use aes::cipher::{KeyIvInit as _, StreamCipher as _};
use aes_gcm::aead::{Aead as _, KeyInit as _};
use aes_gcm::{Aes256Gcm, Nonce};
use hkdf::Hkdf;
use rand::Rng as _;
use rand::rngs::StdRng;
use sha2::Sha256;
use x25519_dalek::{PublicKey, StaticSecret};

/// Rounds of PBKDF2-HMAC-SHA256.
const ROUNDS: u32 = 131_072;

/// The letters of a code: digits and capitals without `0 I O U`.
const ALPHABET: &str = "123456789ABCDEFGHJKLMNPQRSTVWXYZ";

type Aes256Ctr = ctr::Ctr128BE<aes::Aes256>;

/// Why a code, or what it should open, was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PairCodeError {
    /// Not eight characters of the alphabet.
    #[error("a pairing code has eight letters or digits, without 0, I, O and U")]
    BadCode,
    /// A blob of the wrong size.
    #[error("the companion's pairing data has the wrong size")]
    BadLength,
    /// The bundle did not open: the code is not the one the companion shows.
    #[error("the pairing code is not the one that the companion shows")]
    WrongCode,
    /// The bundle opened but speaks of other keys.
    #[error("the companion's key bundle names other identities")]
    ForeignIdentity,
}

/// A typed code: dashes and case do not matter.
///
/// # Errors
/// [`PairCodeError::BadCode`] if it cannot be one.
pub fn normalize(typed: &str) -> Result<String, PairCodeError> {
    let code: String = typed
        .chars()
        .filter(|c| *c != '-' && !c.is_whitespace())
        .map(|c| c.to_ascii_uppercase())
        .collect();
    // Baileys lets its caller choose any eight characters, so only the length
    // is checked beyond ASCII.
    if code.len() != 8 || !code.is_ascii() {
        return Err(PairCodeError::BadCode);
    }
    Ok(code)
}

/// Whether a code uses only the letters that real phones offer.
#[must_use]
pub fn is_standard(code: &str) -> bool {
    code.len() == 8 && code.chars().all(|c| ALPHABET.contains(c))
}

fn stretch(code: &str, salt: &[u8]) -> [u8; 32] {
    pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(code.as_bytes(), salt, ROUNDS)
}

/// Opens a wrapped ephemeral key: `salt[32] ‖ iv[16] ‖ AES-256-CTR(key)[32]`.
/// There is no checksum: a wrong code yields a wrong key. Takes about 50 ms.
///
/// # Errors
/// [`PairCodeError::BadLength`] unless it has 80 bytes.
pub fn unwrap_key(code: &str, wrapped: &[u8]) -> Result<[u8; 32], PairCodeError> {
    let wrapped: &[u8; 80] = wrapped
        .try_into()
        .map_err(|_len| PairCodeError::BadLength)?;
    let (salt, rest) = wrapped.split_at(32);
    let (iv, sealed) = rest.split_at(16);
    let iv: [u8; 16] = iv.try_into().map_err(|_len| PairCodeError::BadLength)?;
    let mut key: [u8; 32] = sealed.try_into().map_err(|_len| PairCodeError::BadLength)?;
    Aes256Ctr::new(&stretch(code, salt).into(), &iv.into()).apply_keystream(&mut key);
    Ok(key)
}

/// Wraps `public` as [`unwrap_key`] opens it, under a fresh salt and IV.
#[must_use]
pub fn wrap_key(code: &str, public: &[u8; 32], rng: &mut StdRng) -> [u8; 80] {
    let (mut salt, mut iv, mut sealed) = ([0; 32], [0; 16], *public);
    rng.fill_bytes(&mut salt);
    rng.fill_bytes(&mut iv);
    Aes256Ctr::new(&stretch(code, &salt).into(), &iv.into()).apply_keystream(&mut sealed);
    let mut wrapped = [0; 80];
    for (to, from) in wrapped
        .iter_mut()
        .zip(salt.iter().chain(&iv).chain(&sealed))
    {
        *to = *from;
    }
    wrapped
}

/// What the phone keeps between `primary_hello` and `companion_finish`.
#[derive(Clone)]
pub struct PhoneHalf {
    /// The companion's ephemeral key, as the code opened it.
    companion_ephemeral: [u8; 32],
    /// Our ephemeral secret.
    ephemeral: StaticSecret,
    /// The account's identity secret.
    identity: StaticSecret,
}

impl std::fmt::Debug for PhoneHalf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PhoneHalf").finish_non_exhaustive()
    }
}

impl PhoneHalf {
    /// Opens the companion's hello with `code` and answers it: the state to
    /// keep, and the wrapped ephemeral key for `primary_hello`.
    ///
    /// # Errors
    /// [`PairCodeError::BadLength`] for a malformed hello.
    pub fn answer(
        code: &str,
        wrapped_companion: &[u8],
        identity: [u8; 32],
        rng: &mut StdRng,
    ) -> Result<(Self, [u8; 80]), PairCodeError> {
        let companion_ephemeral = unwrap_key(code, wrapped_companion)?;
        let mut secret = [0; 32];
        rng.fill_bytes(&mut secret);
        let ephemeral = StaticSecret::from(secret);
        let wrapped = wrap_key(code, PublicKey::from(&ephemeral).as_bytes(), rng);
        let half = Self {
            companion_ephemeral,
            ephemeral,
            identity: StaticSecret::from(identity),
        };
        Ok((half, wrapped))
    }

    /// Opens the companion's key bundle `salt[32] ‖ nonce[12] ‖
    /// AES-256-GCM(companion identity ‖ phone identity ‖ random)` and derives
    /// the ADV secret that authenticates the identity record.
    ///
    /// # Errors
    /// [`PairCodeError::WrongCode`] if it does not open, the others if it opens
    /// to something else than expected.
    pub fn open_bundle(
        &self,
        bundle: &[u8],
        companion_identity: &[u8; 32],
    ) -> Result<[u8; 32], PairCodeError> {
        let (salt, rest) = bundle
            .split_at_checked(32)
            .ok_or(PairCodeError::BadLength)?;
        let (nonce, sealed) = rest.split_at_checked(12).ok_or(PairCodeError::BadLength)?;
        let shared = self
            .ephemeral
            .diffie_hellman(&PublicKey::from(self.companion_ephemeral));
        let mut key = [0; 32];
        Hkdf::<Sha256>::new(Some(salt), shared.as_bytes())
            .expand(b"link_code_pairing_key_bundle_encryption_key", &mut key)
            .map_err(|_length| PairCodeError::BadLength)?;
        let nonce: [u8; 12] = nonce.try_into().map_err(|_len| PairCodeError::BadLength)?;
        let opened = Aes256Gcm::new(&key.into())
            .decrypt(&Nonce::from(nonce), sealed)
            .map_err(|_seal| PairCodeError::WrongCode)?;
        let (named, rest) = opened
            .split_at_checked(32)
            .ok_or(PairCodeError::BadLength)?;
        let (own, random) = rest.split_at_checked(32).ok_or(PairCodeError::BadLength)?;
        if named != companion_identity || own != PublicKey::from(&self.identity).as_bytes() {
            return Err(PairCodeError::ForeignIdentity);
        }
        let identities = self
            .identity
            .diffie_hellman(&PublicKey::from(*companion_identity));
        let secret = [shared.as_bytes().as_slice(), identities.as_bytes(), random].concat();
        let mut adv_secret = [0; 32];
        Hkdf::<Sha256>::new(None, &secret)
            .expand(b"adv_secret", &mut adv_secret)
            .map_err(|_length| PairCodeError::BadLength)?;
        Ok(adv_secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wa_sim::phone::keys::seeded_rng;
    use whatsapp_rust::wacore::pair_code::PairCodeUtils;

    #[test]
    fn codes_are_read_as_people_type_them() {
        assert_eq!(normalize("abcd-efgh"), Ok("ABCDEFGH".to_owned()));
        assert_eq!(normalize(" 1234 5678 "), Ok("12345678".to_owned()));
        assert_eq!(normalize("1234567"), Err(PairCodeError::BadCode));
        assert!(is_standard("ABCD1234") && !is_standard("ABCD0000"));
    }

    #[test]
    fn wrapped_keys_open_under_the_code_of_the_client_library() -> anyhow::Result<()> {
        let public = [9; 32];
        let theirs = PairCodeUtils::encrypt_ephemeral_pub(&public, "ABCD1234");
        assert_eq!(unwrap_key("ABCD1234", &theirs)?, public);
        assert_ne!(unwrap_key("ABCD1235", &theirs)?, public);
        let ours = wrap_key("ABCD1234", &public, &mut seeded_rng(1, "wrap"));
        assert_eq!(
            PairCodeUtils::decrypt_primary_ephemeral_pub(&ours, "ABCD1234")?,
            public
        );
        Ok(())
    }

    #[test]
    fn malformed_bundles_are_refused() -> anyhow::Result<()> {
        let mut rng = seeded_rng(2, "bundle");
        let wrapped = wrap_key("ABCD1234", &[3; 32], &mut rng);
        let (half, _) = PhoneHalf::answer("ABCD1234", &wrapped, [5; 32], &mut rng)?;
        assert_eq!(
            half.open_bundle(&[0; 10], &[0; 32]),
            Err(PairCodeError::BadLength)
        );
        assert_eq!(
            half.open_bundle(&[0; 156], &[0; 32]),
            Err(PairCodeError::WrongCode)
        );
        Ok(())
    }
}
