//! Calls that hand out companions without pairing, and take them away.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use loong_proto::wire::{AdvDeviceIdentity, AdvSignedDeviceIdentity};
use prost::Message as _;
use serde_json::Value;

use super::error::parse;
use super::phones::{device_jid, done};
use super::types::{OneDevice, RegisterDevice, Registered, Vouch, Vouched};
use super::world::{certificates, device_name};
use super::{Control, ControlError};
use crate::wa_sim::address::DeviceJid;
use crate::wa_sim::hub::{DevicePublic, Hub, NewDevice, SignedPreKeyPublic};
use crate::wa_sim::phone::PhoneError;

/// Platform number of a Chrome companion.
const CHROME: i32 = 1;

pub(super) async fn vouch(
    State(control): State<Control>,
    Path(number): Path<String>,
    body: Bytes,
) -> Result<Json<Vouched>, ControlError> {
    let request: Vouch = parse(&body)?;
    let identity = fixed(&request.identity, "identity")?;
    let record = control.book().get(&number)?.vouch(&identity)?;
    Ok(Json(Vouched {
        record: hex::encode(record.encode_to_vec()),
    }))
}

pub(super) async fn prime(
    State(control): State<Control>,
    Path(number): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, ControlError> {
    let request: OneDevice = parse(&body)?;
    let jid = device_jid(&request.device)?;
    control
        .book()
        .get(&number)?
        .prime(&DeviceJid::new(jid.user.to_string(), jid.device))?;
    Ok(done())
}

pub(super) async fn register(
    State(control): State<Control>,
    body: Bytes,
) -> Result<Json<Registered>, ControlError> {
    let mut request: RegisterDevice = parse(&body)?;
    control
        .book()
        .get(&request.number)?
        .number()
        .clone_into(&mut request.number);
    register_device(control.hub(), &request).map(Json)
}

/// Registers a companion that was never paired.
pub(crate) fn register_device(
    hub: &Hub,
    request: &RegisterDevice,
) -> Result<Registered, ControlError> {
    let number = &request.number;
    let device = hub.register_device(number, new_device(request)?)?;
    let account = hub
        .account(number)
        .ok_or_else(|| PhoneError::NoPhone(number.clone()))?;
    Ok(Registered {
        pn: device.pn().to_string(),
        lid: account.lid_jid().with_device(device.device).to_string(),
        push_name: account.push_name,
        device,
        server: certificates(hub),
    })
}

pub(super) async fn remove(
    State(control): State<Control>,
    Path(device): Path<String>,
) -> Result<Json<Value>, ControlError> {
    control.hub().remove_device(&device_name(&device)?);
    Ok(done())
}

fn new_device(request: &RegisterDevice) -> Result<NewDevice, ControlError> {
    let identity_record = bytes(&request.device_identity, "device_identity")?;
    let key_index = key_index(&identity_record)
        .ok_or_else(|| ControlError::BadRequest("device_identity has no key index".to_owned()))?;
    let pre_keys = request
        .pre_keys
        .iter()
        .map(|(id, public)| Ok((*id, fixed(public, "pre_keys")?)))
        .collect::<Result<_, ControlError>>()?;
    Ok(NewDevice {
        noise: fixed(&request.noise, "noise")?,
        keys: DevicePublic {
            registration_id: request.registration_id,
            identity: fixed(&request.identity, "identity")?,
            signed_pre_key: SignedPreKeyPublic {
                id: request.signed_pre_key_id,
                public: fixed(&request.signed_pre_key, "signed_pre_key")?,
                signature: fixed(
                    &request.signed_pre_key_signature,
                    "signed_pre_key_signature",
                )?,
            },
            pre_keys,
        },
        key_index,
        device_identity: identity_record,
        platform: CHROME,
    })
}

fn key_index(record: &[u8]) -> Option<u32> {
    let record = AdvSignedDeviceIdentity::decode(record).ok()?;
    AdvDeviceIdentity::decode(record.details()).ok()?.key_index
}

fn bytes(text: &str, name: &str) -> Result<Vec<u8>, ControlError> {
    hex::decode(text)
        .map_err(|error| ControlError::BadRequest(format!("{name} is not hexadecimal: {error}")))
}

fn fixed<const N: usize>(text: &str, name: &str) -> Result<[u8; N], ControlError> {
    bytes(text, name)?
        .try_into()
        .map_err(|_length| ControlError::BadRequest(format!("{name} is not {N} bytes")))
}
