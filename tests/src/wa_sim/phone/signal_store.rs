//! A phone's Signal stores, in memory. Each kind is its own type, because the
//! Signal primitives borrow several of them at once.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use whatsapp_rust::wacore::libsignal::protocol::error::Result;
use whatsapp_rust::wacore::libsignal::protocol::{
    Direction, GenericSignedPreKey as _, IdentityChange, IdentityKey, IdentityKeyPair,
    IdentityKeyStore, KeyPair, PreKeyId, PreKeyRecord, PreKeyStore, ProtocolAddress, SenderKeyName,
    SenderKeyRecord, SenderKeyStore, SessionRecord, SessionStore, SignalProtocolError,
    SignedPreKeyId, SignedPreKeyRecord, SignedPreKeyStore, Timestamp,
};

use super::keys::SignedPreKey;

/// Pairwise sessions by address.
#[derive(Default)]
pub(crate) struct Sessions(pub(crate) HashMap<String, SessionRecord>);

#[async_trait]
impl SessionStore for Sessions {
    async fn load_session(&self, address: &ProtocolAddress) -> Result<Option<SessionRecord>> {
        Ok(self.0.get(address.as_str()).cloned())
    }

    async fn has_session(&self, address: &ProtocolAddress) -> Result<bool> {
        Ok(self.0.contains_key(address.as_str()))
    }

    async fn store_session(
        &mut self,
        address: &ProtocolAddress,
        record: SessionRecord,
    ) -> Result<()> {
        self.0.insert(address.as_str().to_owned(), record);
        Ok(())
    }
}

/// Our identity, and the identities that peers have shown.
pub(crate) struct Identities {
    pub(crate) own: IdentityKeyPair,
    pub(crate) registration_id: u32,
    pub(crate) known: HashMap<String, IdentityKey>,
}

#[async_trait]
impl IdentityKeyStore for Identities {
    async fn get_identity_key_pair(&self) -> Result<IdentityKeyPair> {
        Ok(self.own.clone())
    }

    async fn get_local_registration_id(&self) -> Result<u32> {
        Ok(self.registration_id)
    }

    async fn save_identity(
        &mut self,
        address: &ProtocolAddress,
        identity: &IdentityKey,
    ) -> Result<IdentityChange> {
        let before = self.known.insert(address.as_str().to_owned(), *identity);
        Ok(IdentityChange::from_changed(
            before.is_some_and(|known| known != *identity),
        ))
    }

    async fn is_trusted_identity(
        &self,
        _address: &ProtocolAddress,
        _identity: &IdentityKey,
        _direction: Direction,
    ) -> Result<bool> {
        // As on a real phone: a changed identity is announced, not refused.
        Ok(true)
    }

    async fn get_identity(&self, address: &ProtocolAddress) -> Result<Option<IdentityKey>> {
        Ok(self.known.get(address.as_str()).copied())
    }
}

/// Unspent one-time prekeys.
#[derive(Default)]
pub(crate) struct PreKeys(pub(crate) BTreeMap<u32, KeyPair>);

#[async_trait]
impl PreKeyStore for PreKeys {
    async fn get_pre_key(&self, id: PreKeyId) -> Result<PreKeyRecord> {
        let pair = self
            .0
            .get(&id.into())
            .ok_or(SignalProtocolError::InvalidPreKeyId)?;
        Ok(PreKeyRecord::new(id, pair))
    }

    async fn save_pre_key(&mut self, id: PreKeyId, record: &PreKeyRecord) -> Result<()> {
        self.0.insert(id.into(), record.key_pair()?);
        Ok(())
    }

    async fn remove_pre_key(&mut self, id: PreKeyId) -> Result<()> {
        self.0.remove(&id.into());
        Ok(())
    }
}

/// The one signed prekey of a phone; simulated phones never rotate it.
pub(crate) struct SignedPreKeys(pub(crate) SignedPreKey);

#[async_trait]
impl SignedPreKeyStore for SignedPreKeys {
    async fn get_signed_pre_key(&self, id: SignedPreKeyId) -> Result<SignedPreKeyRecord> {
        if u32::from(id) != self.0.id {
            return Err(SignalProtocolError::InvalidSignedPreKeyId);
        }
        let made = Timestamp::from_epoch_millis(0);
        Ok(SignedPreKeyRecord::new(
            id,
            made,
            &self.0.pair,
            &self.0.signature,
        ))
    }

    async fn save_signed_pre_key(
        &mut self,
        _id: SignedPreKeyId,
        _record: &SignedPreKeyRecord,
    ) -> Result<()> {
        Err(SignalProtocolError::InvalidArgument(
            "a simulated phone keeps one signed prekey".to_owned(),
        ))
    }
}

/// Group sender keys, own and others'.
#[derive(Default)]
pub(crate) struct SenderKeys(pub(crate) HashMap<String, SenderKeyRecord>);

#[async_trait]
impl SenderKeyStore for SenderKeys {
    async fn store_sender_key(
        &mut self,
        name: &SenderKeyName,
        record: SenderKeyRecord,
    ) -> Result<()> {
        self.0.insert(name.cache_key().to_owned(), record);
        Ok(())
    }

    async fn load_sender_key(&self, name: &SenderKeyName) -> Result<Option<SenderKeyRecord>> {
        Ok(self.0.get(name.cache_key()).cloned())
    }
}
