//! `DeviceStore`: the credentials of the linked device.
//!
//! One JSON record, because the library adds fields with defaults from release to release and
//! ignores those it does not know. It holds every long-term secret of the account.

use async_trait::async_trait;
use bridge_core::vault::Space;
use whatsapp_rust::wacore::libsignal::protocol::KeyPair;
use whatsapp_rust::wacore::store::Device;
use whatsapp_rust::wacore::store::error::{Result, StoreError};
use whatsapp_rust::wacore::store::traits::DeviceStore;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use super::{DeviceKey, SledStore, StoreOpenError, locked, serialization};

/// Where the record is; a vault holds one device.
const RECORD: u64 = 0;
/// The only device id there is in a database per account.
const DEVICE_ID: i32 = 1;

/// Recomputes each stored public key from its private key.
///
/// # Errors
/// [`StoreOpenError::KeyMismatch`] naming the first pair that does not fit.
pub fn verify_device_keys(device: &Device) -> std::result::Result<(), StoreOpenError> {
    let pairs = [
        (DeviceKey::Noise, &device.noise_key),
        (DeviceKey::Identity, &device.identity_key),
        (DeviceKey::SignedPreKey, &device.signed_pre_key),
    ];
    for (which, pair) in pairs {
        if !pair_fits(pair) {
            return Err(StoreOpenError::KeyMismatch { which });
        }
    }
    Ok(())
}

fn pair_fits(pair: &KeyPair) -> bool {
    let secret = StaticSecret::from(*pair.private_key.serialize());
    PublicKey::from(&secret).as_bytes().as_slice() == pair.public_key.public_key_bytes()
}

/// The stored device, unchecked.
pub(super) fn stored_device(table: &Space) -> std::result::Result<Option<Device>, StoreOpenError> {
    match table.get(&table.ordered(RECORD))? {
        Some(value) => serde_json::from_slice(&value)
            .map(Some)
            .map_err(StoreOpenError::Device),
        None => Ok(None),
    }
}

impl SledStore {
    /// Applies the record; the caller commits.
    fn put_device(&self, device: &Device) -> Result<()> {
        let value = Zeroizing::new(serde_json::to_vec(device).map_err(serialization)?);
        let table = &self.tables().device;
        self.write(|batch| {
            table.put(batch, &table.ordered(RECORD), &value);
            Ok(())
        })
    }

    fn has_device(&self) -> Result<bool> {
        let table = &self.tables().device;
        table
            .contains(&table.ordered(RECORD))
            .map_err(super::database)
    }
}

#[async_trait]
impl DeviceStore for SledStore {
    async fn save(&self, device: &Device) -> Result<()> {
        {
            let _device = locked(&self.locks().device);
            self.put_device(device)?;
        }
        self.commit().await
    }

    /// Refuses a device whose keys do not fit together; see [`verify_device_keys`].
    async fn load(&self) -> Result<Option<Device>> {
        let device = stored_device(&self.tables().device).map_err(open_failure)?;
        if let Some(device) = &device {
            verify_device_keys(device).map_err(open_failure)?;
        }
        Ok(device)
    }

    async fn exists(&self) -> Result<bool> {
        self.has_device()
    }

    /// Stores a fresh device unless there is one: the keys that a QR code shows must be the ones
    /// that a crash during pairing comes back with.
    async fn create(&self) -> Result<i32> {
        {
            let _device = locked(&self.locks().device);
            if !self.has_device()? {
                self.put_device(&Device::new())?;
            }
        }
        self.commit().await?;
        Ok(DEVICE_ID)
    }

    /// A copy of the database beside it would be a second set of credentials that nobody rotates
    /// or wipes; the library asks for one only as a debugging aid.
    async fn snapshot_db(&self, name: &str, _extra_content: Option<&[u8]>) -> Result<()> {
        tracing::debug!(name, "no database snapshot is kept");
        Ok(())
    }
}

fn open_failure(error: StoreOpenError) -> StoreError {
    match error {
        StoreOpenError::Device(error) => serialization(error),
        mismatch @ StoreOpenError::KeyMismatch { .. } => {
            StoreError::Validation(mismatch.to_string())
        }
        other => super::database(other),
    }
}
