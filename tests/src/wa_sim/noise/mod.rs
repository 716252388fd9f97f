//! WhatsApp's Noise handshake, written from the protocol: X25519, AES-256-GCM
//! and SHA-256 in the patterns XX, IK and `XXfallback`.
//!
//! Clients bring their own implementation, so this one shares no code with
//! theirs; a mistake on either side shows as a handshake that fails.

mod initiator;
mod responder;

pub use initiator::{Initiator, Started};
pub use responder::{Answer, PendingFinish, Responder};

use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use hkdf::Hkdf;
use sha2::{Digest as _, Sha256};
use x25519_dalek::{PublicKey, StaticSecret};

/// Full handshake, both sides unknown to each other.
pub(crate) const XX: &str = "Noise_XX_25519_AESGCM_SHA256\0\0\0\0";
/// Resumption: the client knows the server's static key.
pub(crate) const IK: &str = "Noise_IK_25519_AESGCM_SHA256\0\0\0\0";
/// A resumption that the server turns into a full handshake. Longer than a
/// hash, so its own hash stands in for it.
pub(crate) const XX_FALLBACK: &str = "Noise_XXfallback_25519_AESGCM_SHA256";

/// Why a handshake or a frame was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NoiseError {
    /// A part is missing from the message.
    #[error("handshake message has no {0}")]
    Missing(&'static str),
    /// A key is not 32 bytes long.
    #[error("{0} is not 32 bytes long")]
    KeyLength(&'static str),
    /// Authentication failed: wrong key, wrong counter or changed bytes.
    #[error("ciphertext does not authenticate")]
    Decrypt,
    /// The counter of one direction is used up.
    #[error("message counter is used up")]
    Exhausted,
}

/// One direction after the handshake, or the handshake's current key: a key and
/// the number of the next message.
pub struct Cipher {
    aead: Aes256Gcm,
    next: u32,
}

impl std::fmt::Debug for Cipher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cipher")
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

impl Cipher {
    fn new(key: [u8; 32]) -> Self {
        Self {
            aead: Aes256Gcm::new(&key.into()),
            next: 0,
        }
    }

    fn nonce(&mut self) -> Result<[u8; 12], NoiseError> {
        let mut nonce = [0; 12];
        let (_, counter) = nonce.split_at_mut(8);
        counter.copy_from_slice(&self.next.to_be_bytes());
        self.next = self.next.checked_add(1).ok_or(NoiseError::Exhausted)?;
        Ok(nonce)
    }

    fn seal_with(&mut self, plain: &[u8], aad: &[u8]) -> Result<Vec<u8>, NoiseError> {
        let nonce = Nonce::from(self.nonce()?);
        let payload = Payload { msg: plain, aad };
        self.aead
            .encrypt(&nonce, payload)
            .map_err(|aes_gcm::Error| NoiseError::Exhausted)
    }

    fn open_with(&mut self, sealed: &[u8], aad: &[u8]) -> Result<Vec<u8>, NoiseError> {
        let nonce = Nonce::from(self.nonce()?);
        let payload = Payload { msg: sealed, aad };
        self.aead
            .decrypt(&nonce, payload)
            .map_err(|aes_gcm::Error| NoiseError::Decrypt)
    }

    /// Encrypts the next frame of this direction; 16 bytes longer than `plain`.
    ///
    /// # Errors
    /// When 2^32 frames were sent.
    pub fn seal(&mut self, plain: &[u8]) -> Result<Vec<u8>, NoiseError> {
        self.seal_with(plain, &[])
    }

    /// Decrypts the next frame of this direction.
    ///
    /// # Errors
    /// When the frame does not authenticate.
    pub fn open(&mut self, sealed: &[u8]) -> Result<Vec<u8>, NoiseError> {
        self.open_with(sealed, &[])
    }
}

/// Both directions of an established connection, named from the holder's view.
#[derive(Debug)]
pub struct Transport {
    /// Opens what the other side sent.
    pub receive: Cipher,
    /// Seals what this side sends.
    pub send: Cipher,
}

/// A finished handshake, seen by the server.
#[derive(Debug)]
pub struct Established {
    /// The client's static key.
    pub client_static: [u8; 32],
    /// The encoded `ClientPayload`.
    pub payload: Vec<u8>,
    /// The hash over the whole handshake; equal on both sides.
    pub transcript: [u8; 32],
    /// The connection's keys.
    pub transport: Transport,
}

/// The state that both sides keep equal during a handshake.
pub(crate) struct Symmetric {
    hash: [u8; 32],
    chain: [u8; 32],
    cipher: Option<Cipher>,
}

impl Symmetric {
    pub(crate) fn new(name: &str, prologue: &[u8]) -> Self {
        let hash = match <[u8; 32]>::try_from(name.as_bytes()) {
            Ok(exact) => exact,
            Err(_not_a_hash_long) => Sha256::digest(name.as_bytes()).into(),
        };
        let mut state = Self {
            hash,
            chain: hash,
            cipher: None,
        };
        state.mix_hash(prologue);
        state
    }

    pub(crate) fn mix_hash(&mut self, data: &[u8]) {
        let mut hash = Sha256::new();
        hash.update(self.hash);
        hash.update(data);
        self.hash = hash.finalize().into();
    }

    pub(crate) fn mix_dh(&mut self, ours: &StaticSecret, theirs: &[u8; 32]) {
        let shared = ours.diffie_hellman(&PublicKey::from(*theirs));
        let (chain, key) = self.derive(shared.as_bytes());
        self.chain = chain;
        self.cipher = Some(Cipher::new(key));
    }

    fn derive(&self, input: &[u8]) -> ([u8; 32], [u8; 32]) {
        let mut output = [0; 64];
        let expanded = Hkdf::<Sha256>::new(Some(&self.chain), input).expand(&[], &mut output);
        debug_assert!(
            expanded.is_ok(),
            "64 bytes are within the limit of HKDF-SHA256"
        );
        let (mut first, mut second) = ([0; 32], [0; 32]);
        let (left, right) = output.split_at(32);
        first.copy_from_slice(left);
        second.copy_from_slice(right);
        (first, second)
    }

    pub(crate) fn seal(&mut self, plain: &[u8]) -> Result<Vec<u8>, NoiseError> {
        let hash = self.hash;
        let cipher = self.cipher.as_mut().ok_or(NoiseError::Missing("key"))?;
        let sealed = cipher.seal_with(plain, &hash)?;
        self.mix_hash(&sealed);
        Ok(sealed)
    }

    pub(crate) fn open(&mut self, sealed: &[u8]) -> Result<Vec<u8>, NoiseError> {
        let hash = self.hash;
        let cipher = self.cipher.as_mut().ok_or(NoiseError::Missing("key"))?;
        let plain = cipher.open_with(sealed, &hash)?;
        self.mix_hash(sealed);
        Ok(plain)
    }

    pub(crate) fn transcript(&self) -> [u8; 32] {
        self.hash
    }

    /// The keys of both directions: client to server first.
    pub(crate) fn split(&self) -> (Cipher, Cipher) {
        let (up, down) = self.derive(&[]);
        (Cipher::new(up), Cipher::new(down))
    }
}

/// The bytes of a key, or what is wrong with them.
pub(crate) fn key(bytes: Option<&[u8]>, what: &'static str) -> Result<[u8; 32], NoiseError> {
    let bytes = bytes.ok_or(NoiseError::Missing(what))?;
    bytes
        .try_into()
        .map_err(|_length| NoiseError::KeyLength(what))
}

#[cfg(test)]
mod tests;
