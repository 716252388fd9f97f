//! Linking companions: what a person does with the camera or the keyboard of
//! their phone, and what the phone sends a fresh companion afterwards.

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use loong_proto::wire::{AdvDeviceIdentity, AdvSignedDeviceIdentity};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use whatsapp_rust::NodeBuilder;
use whatsapp_rust::buffa::MessageField;
use whatsapp_rust::wacore_binary::Node;
use whatsapp_rust::waproto::whatsapp as wa;

use super::adv;
use super::content::StanzaKind;
use super::pair_code::{self, PhoneHalf};
use super::send::{enc_node, envelope};
use super::{Phone, PhoneError, stanza};
use crate::wa_sim::address::DeviceJid;
use crate::wa_sim::hub::Pairing;

/// How long a companion may take for each answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Codes that were typed and wait for the companion, by the server's name for
/// the attempt.
pub(crate) type PendingCodes = HashMap<Vec<u8>, oneshot::Sender<Finish>>;

/// The companion's answer to `primary_hello`.
#[derive(Debug)]
pub(crate) struct Finish {
    bundle: Vec<u8>,
    identity: Vec<u8>,
}

/// What a QR code says: `ref,noise,identity,adv secret[,client type]`, perhaps
/// behind a link that ends in `#`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Qr {
    /// Names the companion's connection.
    pub reference: String,
    /// Its Noise key.
    pub noise: [u8; 32],
    /// Its Signal identity.
    pub identity: [u8; 32],
    /// Authenticates the identity record.
    pub adv_secret: Vec<u8>,
}

/// What a phone should do around linking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkOptions {
    /// Share the app-state key with the companion, which some clients wait for
    /// before they call themselves connected.
    #[serde(default = "yes")]
    pub primer: bool,
}

impl Default for LinkOptions {
    fn default() -> Self {
        Self { primer: true }
    }
}

const fn yes() -> bool {
    true
}

impl Qr {
    /// Reads the text of a QR code.
    ///
    /// # Errors
    /// [`PhoneError::BadQr`] naming the part that is wrong.
    pub fn parse(text: &str) -> Result<Self, PhoneError> {
        let text = text.trim();
        let text = text.rsplit_once('#').map_or(text, |(_, code)| code);
        let mut parts = text.split(',');
        let mut next = |name| parts.next().ok_or(PhoneError::BadQr(name));
        let reference = next("the reference is missing")?.to_owned();
        let key = |part: &str, name| {
            let bytes = STANDARD
                .decode(part)
                .map_err(|_bad| PhoneError::BadQr(name))?;
            <[u8; 32]>::try_from(bytes).map_err(|_length| PhoneError::BadQr(name))
        };
        let noise = key(
            next("the noise key is missing")?,
            "the noise key is malformed",
        )?;
        let identity = key(
            next("the identity is missing")?,
            "the identity is malformed",
        )?;
        let secret = next("the secret is missing")?;
        let adv_secret = STANDARD
            .decode(secret)
            .map_err(|_bad| PhoneError::BadQr("the secret is malformed"))?;
        Ok(Self {
            reference,
            noise,
            identity,
            adv_secret,
        })
    }
}

impl Phone {
    /// Scans a QR code and links the companion that shows it.
    ///
    /// # Errors
    /// If the code is malformed, stale or shows other keys than its connection
    /// has, or if the companion does not finish.
    pub async fn scan_qr(&self, text: &str, options: LinkOptions) -> Result<DeviceJid, PhoneError> {
        let linked = self.scan(text, options).await;
        if let Err(error) = &linked {
            self.note(|log| log.refuse("qr", error));
        }
        linked
    }

    async fn scan(&self, text: &str, options: LinkOptions) -> Result<DeviceJid, PhoneError> {
        let qr = Qr::parse(text)?;
        let pairing = self
            .hub
            .pairing_by_ref(&qr.reference)
            .ok_or(PhoneError::NoCompanion)?;
        if pairing.identity != qr.identity || pairing.noise != qr.noise {
            return Err(PhoneError::BadQr(
                "it shows other keys than its connection has",
            ));
        }
        self.link(&pairing, &qr.adv_secret, options).await
    }

    /// Types the pairing code that a companion shows.
    ///
    /// # Errors
    /// If the code is malformed or wrong (the phone then stays silent towards
    /// the companion, as a real one does), or nobody waits for this number.
    pub async fn enter_code(
        &self,
        typed: &str,
        options: LinkOptions,
    ) -> Result<DeviceJid, PhoneError> {
        let linked = self.enter(typed, options).await;
        if let Err(error) = &linked {
            self.note(|log| log.refuse("pairing_code", error));
        }
        linked
    }

    async fn enter(&self, typed: &str, options: LinkOptions) -> Result<DeviceJid, PhoneError> {
        let code = pair_code::normalize(typed)?;
        // The server routes a code by number alone, so the newest asker is meant.
        let pairing = self
            .hub
            .pairings_for(&self.number)
            .pop()
            .ok_or(PhoneError::NoCompanion)?;
        let request = pairing.code.clone().ok_or(PhoneError::NoCompanion)?;
        let (identity, mut rng) = {
            let mut state = self.state();
            let rng = super::keys::seeded_rng(rand::Rng::next_u64(state.crypt.rng()), "code");
            (*state.keys.identity.private_key().serialize(), rng)
        };
        let wrapped = request.wrapped_companion_ephemeral;
        let answer = move || PhoneHalf::answer(&code, &wrapped, identity, &mut rng);
        let (half, hello) = tokio::task::spawn_blocking(answer)
            .await
            .map_err(|_panic| PhoneError::Silent)??;
        let (finish, finished) = oneshot::channel();
        let own = self.state().keys.identity_public();
        self.state().codes.insert(request.link_ref.clone(), finish);
        self.hub
            .primary_hello(&pairing.reference, hello.to_vec(), own)
            .map_err(|error| PhoneError::Pairing(error.to_string()))?;
        let finish = tokio::time::timeout(PATIENCE, finished).await;
        self.state().codes.remove(&request.link_ref);
        let Ok(Ok(finish)) = finish else {
            return Err(PhoneError::Silent);
        };
        if finish.identity != pairing.identity {
            return Err(pair_code::PairCodeError::ForeignIdentity.into());
        }
        let adv_secret = half.open_bundle(&finish.bundle, &pairing.identity)?;
        self.link(&pairing, &adv_secret, options).await
    }

    /// The companion's half of a code arrives as a notification.
    pub(crate) fn on_code_notification(&self, node: &Node) {
        let Some(stage) = node.get_optional_child("link_code_companion_reg") else {
            return;
        };
        if stanza::text(stage, "stage") != "companion_finish" {
            return;
        }
        let reference = stanza::child_bytes(stage, "link_code_pairing_ref").unwrap_or_default();
        let finish = self.state().codes.remove(&reference);
        let answer = Finish {
            bundle: stanza::child_bytes(stage, "link_code_pairing_wrapped_key_bundle")
                .unwrap_or_default(),
            identity: stanza::child_bytes(stage, "companion_identity_public").unwrap_or_default(),
        };
        if finish.is_none_or(|finish| finish.send(answer).is_err()) {
            self.note(|log| log.refuse("pairing_code", "a companion finished without a code"));
        }
    }

    /// Vouches for a companion and lets the server tell it.
    async fn link(
        &self,
        pairing: &Pairing,
        adv_secret: &[u8],
        options: LinkOptions,
    ) -> Result<DeviceJid, PhoneError> {
        let record = self.vouch(&pairing.identity)?;
        let container = adv::seal(&record, adv_secret)?;
        let device = self
            .hub
            .pair_success(&pairing.reference, &self.number, container, PATIENCE)
            .await
            .map_err(|error| PhoneError::Pairing(error.to_string()))?;
        if options.primer {
            self.prime(&device)?;
        }
        Ok(device)
    }

    /// Signs the record about a new companion with this identity; uses up a key
    /// index.
    ///
    /// # Errors
    /// If signing fails.
    pub fn vouch(&self, identity: &[u8; 32]) -> Result<AdvSignedDeviceIdentity, PhoneError> {
        let key_index = self.hub.next_key_index(&self.number);
        let mut state = self.state();
        let details = AdvDeviceIdentity {
            raw_id: Some(state.keys.raw_id),
            timestamp: Some(self.hub.now()),
            key_index: Some(key_index),
            ..AdvDeviceIdentity::default()
        };
        let account = state.keys.identity.clone();
        Ok(adv::vouch(&account, &details, identity, state.crypt.rng())?)
    }

    /// Sends a companion the key of the account's app state, as a phone does
    /// right after linking.
    ///
    /// # Errors
    /// If it cannot be sealed.
    pub fn prime(&self, device: &DeviceJid) -> Result<(), PhoneError> {
        let kind = StanzaKind {
            message_type: "text",
            media_type: None,
            edit: None,
        };
        let mut state = self.state();
        let id = self.new_id(&mut state);
        let message = key_share(&state.keys, self.hub.now());
        let Some(sealed) = self.seal_one(&mut state, device, &device.pn(), &message)? else {
            return Err(PhoneError::NoRecipient(device.to_string()));
        };
        let stanza = envelope(&id, &device.pn(), kind)
            .attr("category", "peer")
            .attr("push_priority", "high")
            .children([
                enc_node(sealed, kind, None),
                NodeBuilder::new("meta").attr("appdata", "default").build(),
            ]);
        self.submit(stanza.build());
        Ok(())
    }
}

/// `APP_STATE_SYNC_KEY_SHARE` with the one key of this account.
fn key_share(keys: &super::keys::PhoneKeys, now: u64) -> wa::Message {
    use wa::message::{
        AppStateSyncKey, AppStateSyncKeyData, AppStateSyncKeyFingerprint, AppStateSyncKeyId,
        AppStateSyncKeyShare, ProtocolMessage, protocol_message::Type,
    };
    let key = AppStateSyncKey {
        key_id: MessageField::some(AppStateSyncKeyId {
            key_id: Some(keys.app_state_key_id.to_vec()),
        }),
        key_data: MessageField::some(AppStateSyncKeyData {
            key_data: Some(keys.app_state_key.to_vec()),
            fingerprint: MessageField::some(AppStateSyncKeyFingerprint {
                raw_id: Some(keys.raw_id),
                current_index: Some(0),
                device_indexes: vec![0],
            }),
            timestamp: Some(i64::try_from(now).unwrap_or_default().saturating_mul(1000)),
        }),
    };
    wa::Message {
        protocol_message: MessageField::some(ProtocolMessage {
            r#type: Some(Type::APP_STATE_SYNC_KEY_SHARE),
            app_state_sync_key_share: MessageField::some(AppStateSyncKeyShare { keys: vec![key] }),
            ..Default::default()
        }),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn qr_codes_are_read_with_and_without_link_and_client_type() -> anyhow::Result<()> {
        let key = STANDARD.encode([7; 32]);
        let plain = format!("2@ref,{key},{key},{key}");
        let linked = format!("https://wa.me/settings/linked_devices#{plain},1");
        let qr = Qr::parse(&plain)?;
        assert_eq!(qr, Qr::parse(&linked)?);
        assert_eq!((qr.reference.as_str(), qr.identity), ("2@ref", [7; 32]));
        assert!(Qr::parse("2@ref,x").is_err() && Qr::parse("").is_err());
        Ok(())
    }
}
