//! Hands out linked sessions: a folder as the bridge would have it after
//! pairing, so that the shipped binary, which pairs with nobody but WhatsApp,
//! can log in to the simulator.
//!
//! What makes that possible is Noise IK: a client that remembers the server's
//! static key does not look at certificates again.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use bridge_core::vault::master_key::KeyPlaces;
use bridge_core::vault::{Vault, VaultOptions};
use loong_proto::wire::AdvSignedDeviceIdentity;
use prost::Message as _;
use rand::SeedableRng as _;
use serde::Serialize;
use wa_web::store::{FenceControl, SledStore};
use whatsapp_rust::buffa::Message as _;
use whatsapp_rust::wacore::libsignal::protocol::{IdentityKey, IdentityKeyPair, KeyPair};
use whatsapp_rust::wacore::store::traits::DeviceStore as _;
use whatsapp_rust::wacore::store::{CachedNoiseCert, CachedServerCertChain, Device};
use whatsapp_rust::waproto::whatsapp as wa;

use super::address::DeviceJid;
use super::control::devices::register_device;
use super::control::types::{CreatePhone, RegisterDevice, Registered, ServerCertificates};
use super::hub::Hub;
use super::phone::keys::raw_public;
use super::phone::{Phone, adv};
use crate::sim_client::SimClient;

/// Where a session is written.
#[derive(Debug, Clone)]
pub struct LinkOptions {
    /// The folder.
    pub auth_dir: PathBuf,
    /// The file with the key that seals it; made if missing.
    pub key_file: PathBuf,
}

impl LinkOptions {
    /// Names both.
    #[must_use]
    pub fn new(auth_dir: impl Into<PathBuf>, key_file: impl Into<PathBuf>) -> Self {
        Self {
            auth_dir: auth_dir.into(),
            key_file: key_file.into(),
        }
    }
}

/// Whose companion a session of a simulator elsewhere is.
#[derive(Debug, Clone, Default)]
pub struct LinkedPhone {
    /// The number of an existing phone; a new one is made if it does not exist.
    pub number: Option<String>,
    /// The push name of a new phone. Sessions with a name come online faster.
    pub push_name: String,
    /// The new phone addresses people by LID.
    pub by_lid: bool,
}

/// A session that was handed out.
#[derive(Debug, Clone, Serialize)]
pub struct LinkedSession {
    /// The companion.
    pub device: DeviceJid,
    /// Its JID by number, with device.
    pub pn: String,
    /// The same by LID.
    pub lid: String,
    /// The account's name.
    pub push_name: String,
    /// Where the session lies.
    pub auth_dir: PathBuf,
}

/// Links a companion to `phone`, a phone of this process, without pairing.
///
/// # Errors
/// If the server refuses it, or the folder holds a session already.
pub async fn link_session(
    hub: &Hub,
    phone: &Phone,
    options: &LinkOptions,
) -> Result<LinkedSession> {
    let mut device = Device::new();
    let record = phone.vouch(&identity_public(&device))?;
    let request = accept(&mut device, phone.number(), &record)?;
    let registered = register_device(hub, &request).map_err(anyhow::Error::new)?;
    finish(device, registered, options).await
}

/// The same through the control API of a simulator elsewhere.
///
/// # Errors
/// If the simulator refuses, or the folder holds a session already.
pub async fn link_remote(
    sim: &SimClient,
    phone: &LinkedPhone,
    options: &LinkOptions,
) -> Result<LinkedSession> {
    let number = phone_number(sim, phone).await?;
    let mut device = Device::new();
    let record = sim.vouch(&number, &identity_public(&device)).await?;
    let record = AdvSignedDeviceIdentity::decode(record.as_slice())?;
    let request = accept(&mut device, &number, &record)?;
    let registered = sim.register_device(&request).await?;
    finish(device, registered, options).await
}

async fn phone_number(sim: &SimClient, phone: &LinkedPhone) -> Result<String> {
    if let Some(number) = &phone.number
        && let Ok(known) = sim.phone(number).await
    {
        return Ok(known.number);
    }
    let request = CreatePhone {
        number: phone.number.clone(),
        push_name: phone.push_name.clone(),
        lid: phone.by_lid,
        business: false,
    };
    Ok(sim.create_phone(&request).await?.number)
}

fn identity_public(device: &Device) -> [u8; 32] {
    raw_public(&device.identity_key.public_key)
}

/// Counter-signs the account's word for the device, and says what the server
/// has to know.
fn accept(
    device: &mut Device,
    number: &str,
    record: &AdvSignedDeviceIdentity,
) -> Result<RegisterDevice> {
    let identity = identity(&device.identity_key);
    let mut rng = rand::rngs::StdRng::from_seed(device.adv_secret_key);
    let signed = adv::counter_sign(record, &identity, &mut rng)?.encode_to_vec();
    device.account = Some(Arc::new(wa::ADVSignedDeviceIdentity::decode_from_slice(
        &signed,
    )?));
    Ok(RegisterDevice {
        number: number.to_owned(),
        noise: hex::encode(raw_public(&device.noise_key.public_key)),
        identity: hex::encode(identity_public(device)),
        registration_id: device.registration_id,
        signed_pre_key_id: device.signed_pre_key_id,
        signed_pre_key: hex::encode(raw_public(&device.signed_pre_key.public_key)),
        signed_pre_key_signature: hex::encode(device.signed_pre_key_signature),
        pre_keys: Vec::new(),
        device_identity: hex::encode(signed),
    })
}

/// Completes the device with what the server said, and stores it.
async fn finish(
    mut device: Device,
    registered: Registered,
    options: &LinkOptions,
) -> Result<LinkedSession> {
    device.pn = Some(registered.pn.parse().map_err(anyhow::Error::msg)?);
    device.lid = Some(registered.lid.parse().map_err(anyhow::Error::msg)?);
    device.push_name.clone_from(&registered.push_name);
    device.server_cert_chain = Some(certificates(&registered.server)?);
    store(options, &device).await?;
    Ok(LinkedSession {
        device: registered.device,
        pn: registered.pn,
        lid: registered.lid,
        push_name: registered.push_name,
        auth_dir: options.auth_dir.clone(),
    })
}

fn identity(pair: &KeyPair) -> IdentityKeyPair {
    IdentityKeyPair::new(IdentityKey::new(pair.public_key), pair.private_key.clone())
}

fn certificates(server: &ServerCertificates) -> Result<CachedServerCertChain> {
    let cert = |key: &str| -> Result<CachedNoiseCert> {
        let key = hex::decode(key)?;
        Ok(CachedNoiseCert {
            key: key
                .try_into()
                .map_err(|_length| anyhow::anyhow!("a key is not 32 bytes"))?,
            not_before: i64::try_from(server.not_before)?,
            not_after: i64::try_from(server.not_after)?,
        })
    };
    Ok(CachedServerCertChain {
        intermediate: cert(&server.intermediate)?,
        leaf: cert(&server.leaf)?,
    })
}

/// Writes the device where the bridge looks for it.
async fn store(options: &LinkOptions, device: &Device) -> Result<()> {
    let places = KeyPlaces {
        credential: None,
        named: None,
        generated: options.key_file.clone(),
    };
    let found = places.load_or_generate()?;
    let dir: &Path = &options.auth_dir;
    let vault = Vault::open(&VaultOptions::new(dir), &found.key)
        .with_context(|| format!("cannot open {}", dir.display()))?;
    anyhow::ensure!(
        !wa_web::store::is_linked(&vault)?,
        "{} holds a linked session already",
        dir.display()
    );
    let fence = FenceControl::new();
    let store = SledStore::new(vault.clone(), fence.advance());
    store.save(device).await?;
    drop(store);
    vault.close()?;
    Ok(())
}
