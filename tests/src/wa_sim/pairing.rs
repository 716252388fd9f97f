//! Linking a device: between a connection that has not logged in and a phone.
//! Both QR references and pairing codes end here; what comes before the end of
//! a code is in `link_code`.

use loong_proto::wire::{AdvDeviceIdentity, AdvSignedDeviceIdentity, AdvSignedDeviceIdentityHmac};
use prost::Message as _;
use std::time::Duration;
use tokio::sync::oneshot;
use whatsapp_rust::wacore::libsignal::protocol::PublicKey;
use whatsapp_rust::wacore_binary::{Node, Server};

use super::address::DeviceJid;
use super::events::SimEvent;
use super::hub::session::{Role, Session};
use super::hub::state::{Device, State};
use super::hub::types::{CodePairing, DevicePublic, HubError, NewDevice, PairError, Pairing};
use super::node::{SERVER, attr, attr_or_empty, bytes, child, content, el};

/// How many references a client gets: the first is shown for a minute, the
/// others for 20 s each.
const REFERENCES: usize = 6;
/// A client that is told to restart before it has put its new identity away
/// connects twice.
const RESTART_AFTER: Duration = Duration::from_millis(80);

/// A connection that wants to be linked.
pub(crate) struct Registering {
    pub(crate) noise: [u8; 32],
    pub(crate) keys: DevicePublic,
    pub(crate) push_name: Option<String>,
    pub(crate) platform: i32,
    pub(crate) os: String,
    pub(crate) references: Vec<String>,
    pub(crate) code: Option<CodePairing>,
    pub(crate) linking: Option<Linking>,
}

/// A phone vouched for the connection; its own signature is awaited.
pub(crate) struct Linking {
    iq: String,
    device: DeviceJid,
    details: Vec<u8>,
    account_key: Vec<u8>,
    key_index: u32,
    signed: AdvSignedDeviceIdentity,
    answer: oneshot::Sender<Result<DeviceJid, PairError>>,
}

impl Registering {
    pub(crate) fn gone(self) {
        if let Some(linking) = self.linking {
            let _ = linking.answer.send(Err(PairError::NoAnswer));
        }
    }

    fn pairing(&self) -> Pairing {
        Pairing {
            reference: self.references.first().cloned().unwrap_or_default(),
            registration_id: self.keys.registration_id,
            identity: self.keys.identity,
            noise: self.noise,
            push_name: self.push_name.clone(),
            platform: self.platform,
            os: self.os.clone(),
            code: self.code.clone(),
        }
    }
}

impl State {
    /// Opens a session for a connection that wants to be linked and offers it
    /// references to show.
    pub(crate) fn start_registration(&mut self, mut registering: Registering) -> u64 {
        registering.references = (0..REFERENCES).map(|_| self.reference()).collect();
        let refs: Vec<Node> = registering
            .references
            .iter()
            .map(|text| bytes("ref", text.as_bytes()))
            .collect();
        let reference = registering.references.first().cloned().unwrap_or_default();
        let iq = self.server_iq(el("pair-device").children(refs).build()).1;
        let mut session = Session::new(Role::Registering(Box::new(registering)), false);
        session.write(iq);
        let id = self.open_session(session);
        self.emit(SimEvent::Registering { reference });
        id
    }

    pub(crate) fn reference(&mut self) -> String {
        let random: String = std::iter::repeat_with(|| self.random.alphanumeric())
            .take(78)
            .collect();
        format!("2@{random}")
    }

    fn server_iq(&mut self, child: Node) -> (String, Node) {
        let id = self.next_id();
        let iq = el("iq")
            .attr("from", SERVER)
            .attr("type", "set")
            .attr("id", id.as_str())
            .attr("xmlns", "md");
        let iq = iq.attr("t", self.now()).children([child]).build();
        (id, iq)
    }

    fn registering(&self) -> impl Iterator<Item = (u64, &Registering)> {
        self.sessions
            .iter()
            .filter_map(|(id, session)| match &session.role {
                Role::Registering(registering) if !session.closing => {
                    Some((*id, registering.as_ref()))
                }
                _ => None,
            })
    }

    pub(crate) fn registering_mut(&mut self, session: u64) -> Option<&mut Registering> {
        match &mut self.sessions.get_mut(&session)?.role {
            Role::Registering(registering) => Some(registering),
            Role::Device(_) => None,
        }
    }

    pub(crate) fn by_reference(&self, reference: &str) -> Option<(u64, &Registering)> {
        self.registering()
            .find(|(_, waiting)| waiting.references.iter().any(|own| own == reference))
    }

    pub(crate) fn pairing_by_ref(&self, reference: &str) -> Option<Pairing> {
        self.by_reference(reference)
            .map(|(_, registering)| registering.pairing())
    }

    pub(crate) fn pairings_for(&self, number: &str) -> Vec<Pairing> {
        let asked = |waiting: &Registering| {
            waiting
                .code
                .as_ref()
                .is_some_and(|code| code.number == number)
        };
        self.registering()
            .filter(|(_, waiting)| asked(waiting))
            .map(|(_, waiting)| waiting.pairing())
            .collect()
    }

    /// Passes the phone's container on to the connection that shows `reference`.
    pub(crate) fn pair_success(
        &mut self,
        reference: &str,
        number: &str,
        container: &[u8],
    ) -> Result<oneshot::Receiver<Result<DeviceJid, PairError>>, PairError> {
        let (session, _) = self
            .by_reference(reference)
            .ok_or(PairError::UnknownReference)?;
        let signed = opened(container).ok_or(PairError::BadContainer)?;
        let details = AdvDeviceIdentity::decode(signed.details())
            .map_err(|_undecodable| PairError::BadContainer)?;
        let unknown = || PairError::UnknownAccount(number.to_owned());
        let account = self.accounts.get_mut(number).ok_or_else(unknown)?;
        let device = DeviceJid::new(number, account.next_device);
        account.next_device += 1;
        account.raw_id = details.raw_id();
        let identity = account
            .devices
            .get(&0)
            .map(|phone| phone.keys.identity.to_vec());
        let platform = if account.business { "smba" } else { "android" };
        let named = el("device")
            .attr("jid", account.jid(device.device, Server::Pn))
            .attr("lid", account.jid(device.device, Server::Lid))
            .build();
        let mut content = vec![
            bytes("device-identity", container),
            named,
            el("platform").attr("name", platform).build(),
        ];
        if account.business {
            content.push(el("biz").attr("name", account.push_name.as_str()).build());
        }
        let (iq, node) = self.server_iq(el("pair-success").children(content).build());
        let (answer, wait) = oneshot::channel();
        let linking = Linking {
            iq,
            device,
            details: signed.details().to_vec(),
            account_key: identity.unwrap_or_default(),
            key_index: details.key_index(),
            signed,
            answer,
        };
        self.registering_mut(session)
            .ok_or(PairError::UnknownReference)?
            .linking = Some(linking);
        if let Some(session) = self.sessions.get_mut(&session) {
            session.write(node);
        }
        Ok(wait)
    }

    /// Takes the answer to one of the server's own requests.
    pub(crate) fn on_answer(&mut self, session: u64, answer: &Node) {
        let id = attr_or_empty(answer, "id");
        let Some(registering) = self.registering_mut(session) else {
            return;
        };
        let Some(linking) = registering.linking.take_if(|linking| linking.iq == id) else {
            return;
        };
        let checked = check_answer(registering, &linking, answer);
        match checked {
            Ok(device_identity) => self.link(session, linking, device_identity),
            Err(error) => {
                tracing::info!(%error, "device not linked");
                let _ = linking.answer.send(Err(error));
                if let Some(session) = self.sessions.get_mut(&session) {
                    session.close();
                }
            }
        }
    }

    fn link(&mut self, session: u64, linking: Linking, device_identity: Vec<u8>) {
        let Some(registering) = self.registering_mut(session) else {
            return;
        };
        let new = NewDevice {
            noise: registering.noise,
            keys: registering.keys.clone(),
            key_index: linking.key_index,
            device_identity,
            platform: registering.platform,
        };
        let device = linking.device;
        let registered = self.register_device_as(&device, new);
        if let Some(session) = self.sessions.get_mut(&session) {
            session.write_after(
                el("stream:error").attr("code", 515_u32).build(),
                RESTART_AFTER,
            );
            session.close();
        }
        self.emit(SimEvent::Paired {
            device: device.clone(),
        });
        let answer = registered
            .map(|()| device)
            .map_err(|_gone| PairError::NoAnswer);
        let _ = linking.answer.send(answer);
    }

    pub(crate) fn register_device_as(
        &mut self,
        device: &DeviceJid,
        new: NewDevice,
    ) -> Result<(), HubError> {
        let account = self.account_mut(&device.number)?;
        let mut known = Device::new(new.keys, Some(new.noise));
        known.key_index = new.key_index;
        known.device_identity = Some(new.device_identity);
        account.last_key_index = account.last_key_index.max(new.key_index);
        account.next_device = account.next_device.max(device.device.saturating_add(1));
        account.devices.insert(device.device, known);
        self.announce_devices(device, true);
        Ok(())
    }
}

/// The signed identity inside a phone's container.
fn opened(container: &[u8]) -> Option<AdvSignedDeviceIdentity> {
    let container = AdvSignedDeviceIdentityHmac::decode(container).ok()?;
    let signed = AdvSignedDeviceIdentity::decode(container.details()).ok()?;
    signed.details.is_some().then_some(signed)
}

/// Checks the client's signature over what the phone vouched for, and returns
/// the whole identity as others will see it.
fn check_answer(
    registering: &Registering,
    linking: &Linking,
    answer: &Node,
) -> Result<Vec<u8>, PairError> {
    if attr(answer, "type").as_deref() == Some("error") {
        let cause = child(answer, "error");
        let text = cause.map(|cause| {
            format!(
                "{} {}",
                attr_or_empty(cause, "code"),
                attr_or_empty(cause, "text")
            )
        });
        return Err(PairError::Refused(text.unwrap_or_default()));
    }
    let sign = child(answer, "pair-device-sign").and_then(|sign| child(sign, "device-identity"));
    let sign = sign.ok_or(PairError::BadAnswer("no device-identity"))?;
    let index = attr(sign, "key-index").and_then(|index| index.parse::<u32>().ok());
    if index != Some(linking.key_index) {
        return Err(PairError::BadAnswer("key-index"));
    }
    let decoded = AdvSignedDeviceIdentity::decode(content(sign));
    let theirs = decoded.map_err(|_undecodable| PairError::BadAnswer("device-identity"))?;
    if theirs.details() != linking.details {
        return Err(PairError::BadAnswer("details"));
    }
    let identity = &registering.keys.identity;
    let parts = [
        &[6, 1],
        linking.details.as_slice(),
        identity,
        &linking.account_key,
    ]
    .concat();
    if !verifies(identity, &parts, theirs.device_signature()) {
        return Err(PairError::BadAnswer("device signature"));
    }
    let mut whole = linking.signed.clone();
    whole.account_signature_key = Some(linking.account_key.clone());
    whole.device_signature = theirs.device_signature;
    Ok(whole.encode_to_vec())
}

/// Whether an `XEdDSA` signature verifies.
pub(crate) fn verifies(key: &[u8; 32], message: &[u8], signature: &[u8]) -> bool {
    let key = PublicKey::from_djb_public_key_bytes(key);
    key.is_ok_and(|key| signature.len() == 64 && key.verify_signature(message, signature))
}

/// Reads the registration data of a client payload; `None` if it is incomplete
/// or its signed prekey is not signed by its identity.
pub(crate) fn registered_keys(data: &loong_proto::wire::DevicePairingData) -> Option<DevicePublic> {
    use super::hub::types::SignedPreKeyPublic;
    use super::node::number;
    let signed = SignedPreKeyPublic {
        id: number(data.skey_id())?,
        public: data.skey_value().try_into().ok()?,
        signature: data.skey_signature().try_into().ok()?,
    };
    let identity: [u8; 32] = data.identity().try_into().ok()?;
    let registration_id = number(data.registration_id())?;
    let covered = [&[5], signed.public.as_slice()].concat();
    let valid = data.key_type() == [5] && verifies(&identity, &covered, &signed.signature);
    valid.then_some(DevicePublic {
        registration_id,
        identity,
        signed_pre_key: signed,
        pre_keys: Vec::new(),
    })
}
