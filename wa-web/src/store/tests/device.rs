//! Checks of the stored credentials.

use whatsapp_rust::anyhow::{self, Context as _, bail};
use whatsapp_rust::serde_json::{self, Value, json};
use whatsapp_rust::wacore::libsignal::protocol::KeyPair;
use whatsapp_rust::wacore::store::Device;
use whatsapp_rust::wacore::store::error::StoreError;
use whatsapp_rust::wacore::store::traits::DeviceStore as _;

use super::{Opened, TestResult};
use crate::store::spaces::DEVICE;
use crate::store::{
    DeviceKey, SledStore, StoreOpenError, is_linked, linked_account, verify_device_keys,
};

/// Stores a device record as it is.
async fn store_record(opened: &Opened, record: &[u8]) -> TestResult {
    let space = opened.vault.space(DEVICE);
    Ok(space.put_durable(&space.ordered(0), record).await?)
}

fn record_of(device: &Device) -> anyhow::Result<Value> {
    Ok(serde_json::to_value(device)?)
}

#[tokio::test]
async fn fields_of_other_releases_are_tolerated() -> TestResult {
    let opened = Opened::new()?;
    let mut device = Device::new();
    device.push_name = "Ana".to_owned();
    let mut record = record_of(&device)?;
    let fields = record.as_object_mut().context("an object")?;
    fields.insert("field_of_a_later_release".to_owned(), json!({"a": [1, 2]}));
    fields
        .remove("login_counter")
        .context("a field with a default")?;
    store_record(&opened, &serde_json::to_vec(&record)?).await?;
    let loaded = opened.store.load().await?.context("a device")?;
    assert_eq!(record_of(&loaded)?, record_of(&device)?);
    Ok(())
}

#[tokio::test]
async fn a_public_key_of_another_pair_is_a_typed_error() -> TestResult {
    let other = Device::new().noise_key.public_key;
    let foreign = |pair: &mut KeyPair| *pair = KeyPair::new(other, pair.private_key.clone());
    for which in [
        DeviceKey::Noise,
        DeviceKey::Identity,
        DeviceKey::SignedPreKey,
    ] {
        let mut device = Device::new();
        verify_device_keys(&device)?;
        foreign(match which {
            DeviceKey::Noise => &mut device.noise_key,
            DeviceKey::Identity => &mut device.identity_key,
            DeviceKey::SignedPreKey => &mut device.signed_pre_key,
        });
        let opened = Opened::new()?;
        opened.store.save(&device).await?;
        let fence = opened.control.advance();
        match SledStore::open_checked(opened.vault.clone(), fence) {
            Err(StoreOpenError::KeyMismatch { which: found }) => assert_eq!(found, which),
            other => bail!("{which}: {other:?}"),
        }
        let loaded = opened.store.load().await.map(|_| ());
        let Err(StoreError::Validation(text)) = loaded else {
            bail!("{which}: {loaded:?}");
        };
        assert_eq!(
            text,
            format!("the stored {which} does not match its private key")
        );
        assert!(matches!(
            linked_account(&opened.vault).await,
            Err(StoreOpenError::KeyMismatch { .. })
        ));
    }
    Ok(())
}

#[tokio::test]
async fn a_record_that_is_no_device_is_not_overwritten() -> TestResult {
    let opened = Opened::new()?;
    store_record(&opened, b"{\"pn\":").await?;
    let fence = opened.control.advance();
    let refused = SledStore::open_checked(opened.vault.clone(), fence);
    assert!(matches!(refused, Err(StoreOpenError::Device(_))));
    assert!(matches!(
        opened.store.load().await,
        Err(StoreError::Serialization(_))
    ));
    assert!(opened.store.exists().await?);
    Ok(())
}

#[tokio::test]
async fn linked_means_that_the_device_knows_its_account() -> TestResult {
    let opened = Opened::new()?;
    assert!(!is_linked(&opened.vault)?);
    opened.store.create().await?;
    assert!(!is_linked(&opened.vault)?);
    assert_eq!(linked_account(&opened.vault).await?, None);
    let mut device = opened.store.load().await?.context("a device")?;
    device.pn = Some("15550000001:3@s.whatsapp.net".parse()?);
    device.lid = Some("100000000000001:3@lid".parse()?);
    opened.store.save(&device).await?;
    let opened = opened.reopened()?;
    assert!(is_linked(&opened.vault)?);
    let account = linked_account(&opened.vault).await?.context("an account")?;
    assert_eq!(account.address, "15550000001@s.whatsapp.net");
    assert_eq!(
        account.hidden_address.as_deref(),
        Some("100000000000001@lid")
    );
    assert_eq!(account.name, None);
    Ok(())
}
