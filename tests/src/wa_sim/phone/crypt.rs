//! Sealing and opening messages: pairwise sessions and group sender keys of one
//! phone. Addresses are the caller's: any text that names one device, as long
//! as it is the same for its PN and its LID.

use futures_util::FutureExt as _;
use rand::Rng as _;
use rand::rngs::StdRng;
use whatsapp_rust::buffa::Message as _;
use whatsapp_rust::wacore::libsignal::protocol::{
    CiphertextMessage, IdentityKey, PreKeyBundle, PreKeySignalMessage, ProtocolAddress, PublicKey,
    SenderKeyDistributionMessage, SenderKeyName, SignalMessage, SignalProtocolError, UsePQRatchet,
    create_sender_key_distribution_message, group_decrypt, group_encrypt, message_decrypt,
    message_encrypt, process_prekey_bundle, process_sender_key_distribution_message,
};
use whatsapp_rust::waproto::whatsapp as wa;

use super::keys::PhoneKeys;
use super::signal_store::{Identities, PreKeys, SenderKeys, Sessions, SignedPreKeys};

/// Why something could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum CryptError {
    /// Signal refused.
    #[error("signal: {0}")]
    Signal(#[from] SignalProtocolError),
    /// A key of the wrong form.
    #[error("malformed key: {0}")]
    Key(#[from] whatsapp_rust::wacore::libsignal::protocol::CurveError),
    /// An `enc` type that phones do not know.
    #[error("unknown ciphertext type {0:?}")]
    UnknownKind(String),
    /// A store made Signal wait, which stores in memory never do.
    #[error("signal waited for a store")]
    Pending,
    /// Padding or the message inside is broken.
    #[error("the opened message is malformed")]
    Malformed,
}

/// The `type` of an `enc` element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CipherKind {
    /// Opens a session.
    PreKey,
    /// Goes on with one.
    Message,
    /// Under a group sender key.
    SenderKey,
}

impl CipherKind {
    /// Its spelling on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PreKey => "pkmsg",
            Self::Message => "msg",
            Self::SenderKey => "skmsg",
        }
    }

    /// Reads the wire's spelling.
    ///
    /// # Errors
    /// [`CryptError::UnknownKind`].
    pub fn parse(text: &str) -> Result<Self, CryptError> {
        match text {
            "pkmsg" => Ok(Self::PreKey),
            "msg" => Ok(Self::Message),
            "skmsg" => Ok(Self::SenderKey),
            other => Err(CryptError::UnknownKind(other.to_owned())),
        }
    }
}

/// A device's public keys, as the key server hands them out.
#[derive(Debug, Clone)]
pub struct PublicBundle {
    /// Registration id; real clients send all 32 bits.
    pub registration_id: u32,
    /// Identity, 32 bytes.
    pub identity: [u8; 32],
    /// Signed prekey: id, public, signature.
    pub signed_pre_key: (u32, [u8; 32], Vec<u8>),
    /// One-time prekey, if any is left: id, public.
    pub pre_key: Option<(u32, [u8; 32])>,
}

/// One sealed payload.
#[derive(Debug, Clone)]
pub struct Sealed {
    /// Which kind.
    pub kind: CipherKind,
    /// The serialised ciphertext.
    pub bytes: Vec<u8>,
}

/// All ratchets of one phone.
pub struct Crypt {
    sessions: Sessions,
    identities: Identities,
    pre_keys: PreKeys,
    signed: SignedPreKeys,
    sender_keys: SenderKeys,
    rng: StdRng,
}

impl std::fmt::Debug for Crypt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Crypt")
            .field("sessions", &self.sessions.0.len())
            .field("sender_keys", &self.sender_keys.0.len())
            .finish_non_exhaustive()
    }
}

impl Crypt {
    /// Starts without any session.
    #[must_use]
    pub fn new(keys: &PhoneKeys, rng: StdRng) -> Self {
        Self {
            sessions: Sessions::default(),
            identities: Identities {
                own: keys.identity.clone(),
                registration_id: keys.registration_id,
                known: std::collections::HashMap::new(),
            },
            pre_keys: PreKeys(keys.pre_keys.clone()),
            signed: SignedPreKeys(keys.signed_pre_key.clone()),
            sender_keys: SenderKeys::default(),
            rng,
        }
    }

    /// The generator, for ids and other things of this phone.
    pub fn rng(&mut self) -> &mut StdRng {
        &mut self.rng
    }

    /// Makes a one-time prekey known, after more of them were published.
    pub fn learn_pre_keys(&mut self, keys: &PhoneKeys) {
        let known = self.pre_keys.0.keys().next_back().copied().unwrap_or(0);
        let fresh = keys.pre_keys.range(known + 1..);
        self.pre_keys
            .0
            .extend(fresh.map(|(id, pair)| (*id, pair.clone())));
    }

    /// Whether a session with `address` exists.
    #[must_use]
    pub fn has_session(&self, address: &str) -> bool {
        self.sessions
            .0
            .contains_key(protocol_address(address).as_str())
    }

    /// Forgets the session with `address`.
    pub fn drop_session(&mut self, address: &str) {
        self.sessions.0.remove(protocol_address(address).as_str());
    }

    /// Opens a session from a bundle, replacing the current one.
    ///
    /// # Errors
    /// If the bundle is malformed or its signature wrong.
    pub fn start_session(
        &mut self,
        address: &str,
        bundle: &PublicBundle,
    ) -> Result<(), CryptError> {
        let (signed_id, signed_public, signature) = &bundle.signed_pre_key;
        let pre_key = match &bundle.pre_key {
            Some((id, public)) => {
                Some(((*id).into(), PublicKey::from_djb_public_key_bytes(public)?))
            }
            None => None,
        };
        let bundle = PreKeyBundle::new(
            bundle.registration_id,
            0.into(),
            pre_key,
            (*signed_id).into(),
            PublicKey::from_djb_public_key_bytes(signed_public)?,
            signature.clone(),
            IdentityKey::new(PublicKey::from_djb_public_key_bytes(&bundle.identity)?),
        )?;
        immediate(process_prekey_bundle(
            &protocol_address(address),
            &mut self.sessions,
            &mut self.identities,
            &bundle,
            &mut self.rng,
            UsePQRatchet::No,
        ))??;
        Ok(())
    }

    /// Seals `message` for one device.
    ///
    /// # Errors
    /// Without a session.
    pub fn seal(&mut self, address: &str, message: &wa::Message) -> Result<Sealed, CryptError> {
        let plain = self.pad(message);
        let sealed = immediate(message_encrypt(
            &plain,
            &protocol_address(address),
            &mut self.sessions,
            &mut self.identities,
        ))??;
        let kind = match &sealed {
            CiphertextMessage::PreKeySignalMessage(_) => CipherKind::PreKey,
            _ => CipherKind::Message,
        };
        Ok(Sealed {
            kind,
            bytes: sealed.serialize().to_vec(),
        })
    }

    /// Opens what one device sealed for us.
    ///
    /// # Errors
    /// As Signal says; a one-time prekey is spent only on success.
    pub fn open(
        &mut self,
        address: &str,
        kind: CipherKind,
        bytes: &[u8],
    ) -> Result<wa::Message, CryptError> {
        let sealed = match kind {
            CipherKind::PreKey => {
                CiphertextMessage::PreKeySignalMessage(PreKeySignalMessage::try_from(bytes)?)
            }
            CipherKind::Message => {
                CiphertextMessage::SignalMessage(SignalMessage::try_from(bytes)?)
            }
            CipherKind::SenderKey => {
                return Err(CryptError::UnknownKind("skmsg".to_owned()));
            }
        };
        let opened = immediate(message_decrypt(
            &sealed,
            &protocol_address(address),
            &mut self.sessions,
            &mut self.identities,
            &mut self.pre_keys,
            &self.signed,
            &mut self.rng,
            UsePQRatchet::No,
        ))??;
        if let Some(spent) = opened.consumed_prekey_id {
            self.pre_keys.0.remove(&spent.into());
        }
        unpad(&opened.plaintext)
    }

    /// Our sender key for `group`, made if there is none, in the form that
    /// members need to read us.
    ///
    /// # Errors
    /// If Signal cannot make one.
    pub fn distribution(&mut self, group: &str) -> Result<Vec<u8>, CryptError> {
        let message = immediate(create_sender_key_distribution_message(
            &SenderKeyName::from_parts(group, "self"),
            &mut self.sender_keys,
            &mut self.rng,
        ))??;
        Ok(message.serialized().to_vec())
    }

    /// Forgets our sender key for `group`: the next message makes a new one.
    pub fn rotate_sender_key(&mut self, group: &str) {
        let name = SenderKeyName::from_parts(group, "self");
        self.sender_keys.0.remove(name.cache_key());
    }

    /// Seals `message` for a group, under the key that [`Self::distribution`]
    /// made.
    ///
    /// # Errors
    /// Without such a key.
    pub fn seal_group(
        &mut self,
        group: &str,
        message: &wa::Message,
    ) -> Result<Vec<u8>, CryptError> {
        let plain = self.pad(message);
        let sealed = immediate(group_encrypt(
            &mut self.sender_keys,
            &SenderKeyName::from_parts(group, "self"),
            &plain,
            &mut self.rng,
        ))??;
        Ok(sealed.serialized().to_vec())
    }

    /// Takes a member device's sender key.
    ///
    /// # Errors
    /// If it is malformed.
    pub fn learn_sender_key(
        &mut self,
        group: &str,
        address: &str,
        distribution: &[u8],
    ) -> Result<(), CryptError> {
        let message = SenderKeyDistributionMessage::try_from(distribution)?;
        immediate(process_sender_key_distribution_message(
            &SenderKeyName::from_parts(group, address),
            &message,
            &mut self.sender_keys,
        ))??;
        Ok(())
    }

    /// Opens a group message.
    ///
    /// # Errors
    /// Without the sender's key, or if it was opened before.
    pub fn open_group(
        &mut self,
        group: &str,
        address: &str,
        bytes: &[u8],
    ) -> Result<wa::Message, CryptError> {
        let name = SenderKeyName::from_parts(group, address);
        unpad(&immediate(group_decrypt(
            bytes,
            &mut self.sender_keys,
            &name,
        ))??)
    }

    /// A message's bytes with 1 to 16 bytes of padding, each saying how many.
    fn pad(&mut self, message: &wa::Message) -> Vec<u8> {
        let mut plain = message.encode_to_vec();
        let [n] = (self.rng.next_u32() as u8 % 16 + 1).to_be_bytes();
        plain.resize(plain.len() + usize::from(n), n);
        plain
    }
}

/// The result of a future that has nothing to wait for: the stores are in memory.
fn immediate<T>(future: impl Future<Output = T>) -> Result<T, CryptError> {
    future.now_or_never().ok_or(CryptError::Pending)
}

fn unpad(plain: &[u8]) -> Result<wa::Message, CryptError> {
    let padding = plain.last().copied().map_or(0, usize::from);
    let length = plain
        .len()
        .checked_sub(padding)
        .ok_or(CryptError::Malformed)?;
    let bytes = plain.get(..length).ok_or(CryptError::Malformed)?;
    wa::Message::decode_from_slice(bytes).map_err(|_broken| CryptError::Malformed)
}

fn protocol_address(address: &str) -> ProtocolAddress {
    ProtocolAddress::new(address, 0.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wa_sim::phone::keys::{raw_public, seeded_rng};

    fn phone(label: &str) -> anyhow::Result<(PhoneKeys, Crypt)> {
        let mut rng = seeded_rng(3, label);
        let keys = PhoneKeys::generate(&mut rng)?;
        let crypt = Crypt::new(&keys, rng);
        Ok((keys, crypt))
    }

    fn bundle(keys: &PhoneKeys) -> PublicBundle {
        let signed = &keys.signed_pre_key;
        PublicBundle {
            registration_id: keys.registration_id,
            identity: keys.identity_public(),
            signed_pre_key: (
                signed.id,
                raw_public(&signed.pair.public_key),
                signed.signature.to_vec(),
            ),
            pre_key: keys
                .pre_keys
                .iter()
                .next()
                .map(|(id, pair)| (*id, raw_public(&pair.public_key))),
        }
    }

    fn text(body: &str) -> wa::Message {
        wa::Message {
            conversation: Some(body.to_owned()),
            ..Default::default()
        }
    }

    #[test]
    fn two_phones_write_to_each_other() -> anyhow::Result<()> {
        let ((_, mut a), (keys_b, mut b)) = (phone("a")?, phone("b")?);
        a.start_session("b", &bundle(&keys_b))?;
        let first = a.seal("b", &text("one"))?;
        assert_eq!(first.kind, CipherKind::PreKey);
        let opened = b.open("a", first.kind, &first.bytes)?;
        assert_eq!(opened.conversation.as_deref(), Some("one"));
        let back = b.seal("a", &text("two"))?;
        assert_eq!(back.kind, CipherKind::Message);
        let opened = a.open("b", back.kind, &back.bytes)?;
        assert_eq!(opened.conversation.as_deref(), Some("two"));
        assert!(
            b.open("a", first.kind, &first.bytes).is_err(),
            "a key opens once"
        );
        Ok(())
    }

    #[test]
    fn a_group_message_needs_the_distribution_first() -> anyhow::Result<()> {
        let ((_, mut a), (_, mut b)) = (phone("a")?, phone("b")?);
        let distribution = a.distribution("g")?;
        let sealed = a.seal_group("g", &text("all"))?;
        assert!(b.open_group("g", "a", &sealed).is_err());
        b.learn_sender_key("g", "a", &distribution)?;
        let opened = b.open_group("g", "a", &sealed)?;
        assert_eq!(opened.conversation.as_deref(), Some("all"));
        Ok(())
    }
}
