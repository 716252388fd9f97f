use whatsapp_rust::anyhow::Context as _;
use whatsapp_rust::serde_json;
use whatsapp_rust::wacore::store::traits::Backend;

use crate::store::tests::TestResult;

pub(super) async fn a_device_is_created_once_and_round_trips(store: &impl Backend) -> TestResult {
    assert!(!store.exists().await?);
    assert!(store.load().await?.is_none());
    store.create().await?;
    assert!(store.exists().await?);
    let mut device = store.load().await?.context("a created device")?;
    device.pn = Some("15550000001:3@s.whatsapp.net".parse()?);
    device.lid = Some("100000000000001:3@lid".parse()?);
    device.push_name = "Zoë".to_owned();
    device.edge_routing_info = Some(vec![0, 255]);
    device.login_counter = 12;
    store.save(&device).await?;
    store.create().await?;
    let loaded = store.load().await?.context("a saved device")?;
    assert_eq!(
        serde_json::to_value(&loaded)?,
        serde_json::to_value(&device)?
    );
    Ok(())
}
