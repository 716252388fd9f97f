use whatsapp_rust::anyhow::Context as _;
use whatsapp_rust::wacore::store::traits::{
    Backend, DeviceInfo, DeviceListRecord, LidPnMappingEntry, TcTokenEntry,
};

use crate::store::tests::TestResult;

const GROUP: &str = "120363000000000001@g.us";
const OTHER_GROUP: &str = "120363000000000002@g.us";

fn mapping(lid: &str, phone: &str, at: i64) -> LidPnMappingEntry {
    LidPnMappingEntry {
        lid: lid.to_owned(),
        phone_number: phone.to_owned(),
        created_at: 100,
        updated_at: at,
        learning_source: "usync".to_owned(),
    }
}

pub(super) async fn sender_key_status_is_merged_and_forgotten(store: &impl Backend) -> TestResult {
    let sorted = async |group: &str| -> whatsapp_rust::anyhow::Result<Vec<(String, bool)>> {
        let mut devices = store.get_sender_key_devices(group).await?;
        devices.sort();
        Ok(devices)
    };
    let status = |device: &str, has_key| (device.to_owned(), has_key);
    store
        .set_sender_key_status(GROUP, &[("1@lid", true), ("2@lid", true)])
        .await?;
    store
        .set_sender_key_status(GROUP, &[("2@lid", false), ("3@lid", true)])
        .await?;
    store
        .set_sender_key_status(OTHER_GROUP, &[("1@lid", true), ("4@lid", true)])
        .await?;
    assert_eq!(
        sorted(GROUP).await?,
        [
            status("1@lid", true),
            status("2@lid", false),
            status("3@lid", true)
        ]
    );
    store
        .delete_sender_key_device_rows(&["1@lid", "9@lid"])
        .await?;
    store.delete_sender_key_device_rows(&[]).await?;
    assert_eq!(
        sorted(GROUP).await?,
        [status("2@lid", false), status("3@lid", true)]
    );
    assert_eq!(sorted(OTHER_GROUP).await?, [status("4@lid", true)]);
    store.clear_sender_key_devices(GROUP).await?;
    assert_eq!(sorted(GROUP).await?, []);
    store.clear_all_sender_key_devices().await?;
    assert_eq!(sorted(OTHER_GROUP).await?, []);
    Ok(())
}

pub(super) async fn a_lid_that_moves_leaves_its_old_number(store: &impl Backend) -> TestResult {
    store.put_lid_mapping(&mapping("100", "1555", 1)).await?;
    store.put_lid_mapping(&mapping("100", "1666", 2)).await?;
    assert!(store.get_pn_mapping("1555").await?.is_none());
    let moved = store.get_pn_mapping("1666").await?.context("new number")?;
    assert_eq!(moved.lid, "100");
    let moved = store.get_lid_mapping("100").await?.context("mapping")?;
    assert_eq!((moved.phone_number.as_str(), moved.updated_at), ("1666", 2));
    assert!(store.get_lid_mapping("1666").await?.is_none());
    Ok(())
}

pub(super) async fn the_newest_lid_of_a_number_counts(store: &impl Backend) -> TestResult {
    store.put_lid_mapping(&mapping("100", "1555", 1)).await?;
    store.put_lid_mapping(&mapping("200", "1555", 2)).await?;
    let newest = store.get_pn_mapping("1555").await?.context("number")?;
    assert_eq!(newest.lid, "200");
    // Two of one second: the one stored last.
    store.put_lid_mapping(&mapping("300", "1555", 2)).await?;
    let newest = store.get_pn_mapping("1555").await?.context("number")?;
    assert_eq!(newest.lid, "300");
    assert!(store.get_lid_mapping("100").await?.is_some());
    Ok(())
}

pub(super) async fn lid_mappings_are_listed(store: &impl Backend) -> TestResult {
    store
        .put_lid_mappings(&[
            mapping("100", "1555", 1),
            mapping("200", "1666", 1),
            mapping("100", "1777", 2),
        ])
        .await?;
    let mut all: Vec<(String, String)> = store
        .get_all_lid_mappings()
        .await?
        .into_iter()
        .map(|entry| (entry.lid, entry.phone_number))
        .collect();
    all.sort();
    let pair = |lid: &str, phone: &str| (lid.to_owned(), phone.to_owned());
    assert_eq!(all, [pair("100", "1777"), pair("200", "1666")]);
    assert!(store.get_pn_mapping("1555").await?.is_none());
    let entry = store.get_pn_mapping("1777").await?.context("number")?;
    assert_eq!(
        (entry.created_at, entry.learning_source.as_str()),
        (100, "usync")
    );
    Ok(())
}

pub(super) async fn base_keys_are_compared_per_message(store: &impl Backend) -> TestResult {
    store.save_base_key("a@lid.0", "M1", b"key").await?;
    assert!(store.has_same_base_key("a@lid.0", "M1", b"key").await?);
    assert!(!store.has_same_base_key("a@lid.0", "M1", b"kez").await?);
    assert!(!store.has_same_base_key("a@lid.0", "M2", b"key").await?);
    store.delete_base_key("a@lid.0", "M1").await?;
    assert!(!store.has_same_base_key("a@lid.0", "M1", b"key").await?);
    Ok(())
}

pub(super) async fn device_lists_are_replaced_whole(store: &impl Backend) -> TestResult {
    let list = |user: &str, devices: Vec<DeviceInfo>| DeviceListRecord {
        user: user.to_owned(),
        devices,
        timestamp: 5,
        phash: Some("2:abc".to_owned()),
        raw_id: Some(77),
    };
    let two = vec![
        DeviceInfo::new(0, None),
        DeviceInfo::new(7, Some(3)).with_hosting(true),
    ];
    store
        .update_device_lists(vec![list("1555", two), list("1666", Vec::new())])
        .await?;
    let stored = store.get_devices("1555").await?.context("list")?;
    let last = stored.devices.last().context("device")?;
    assert_eq!(
        (last.device_id, last.key_index, last.is_hosted),
        (7, Some(3), true)
    );
    assert_eq!(
        (stored.phash.as_deref(), stored.raw_id),
        (Some("2:abc"), Some(77))
    );
    store
        .update_device_list(list("1555", vec![DeviceInfo::new(0, None)]))
        .await?;
    let stored = store.get_devices("1555").await?.context("list")?;
    assert_eq!(stored.devices.len(), 1);
    store.delete_devices("1555").await?;
    assert!(store.get_devices("1555").await?.is_none());
    assert!(store.get_devices("1666").await?.is_some());
    Ok(())
}

pub(super) async fn group_metadata_is_opaque(store: &impl Backend) -> TestResult {
    assert_eq!(store.get_group_metadata(GROUP).await?, None);
    store.put_group_metadata(GROUP, &[0xff, 0, 1]).await?;
    store.put_group_metadata(GROUP, &[2]).await?;
    assert_eq!(store.get_group_metadata(GROUP).await?, Some(vec![2]));
    assert_eq!(store.get_group_metadata(OTHER_GROUP).await?, None);
    store.delete_group_metadata(GROUP).await?;
    assert_eq!(store.get_group_metadata(GROUP).await?, None);
    Ok(())
}

pub(super) async fn tc_token_halves_have_owners(store: &impl Backend) -> TestResult {
    let halves = async |jid: &str| -> whatsapp_rust::anyhow::Result<(Vec<u8>, i64, Option<i64>)> {
        let entry = store.get_tc_token(jid).await?.context("token")?;
        Ok((entry.token, entry.token_timestamp, entry.sender_timestamp))
    };
    store.touch_tc_token_sender_timestamp("1@lid", 50).await?;
    assert_eq!(halves("1@lid").await?, (Vec::new(), 50, Some(50)));
    // A record without bytes never blocks the first real token, however old that is.
    store.store_received_tc_token("1@lid", b"old", 10).await?;
    assert_eq!(halves("1@lid").await?, (b"old".to_vec(), 10, Some(50)));
    store.store_received_tc_token("1@lid", b"new", 20).await?;
    store.store_received_tc_token("1@lid", b"late", 19).await?;
    store.touch_tc_token_sender_timestamp("1@lid", 40).await?;
    assert_eq!(halves("1@lid").await?, (b"new".to_vec(), 20, Some(50)));
    store.touch_tc_token_sender_timestamp("1@lid", 60).await?;
    assert_eq!(halves("1@lid").await?, (b"new".to_vec(), 20, Some(60)));
    store.store_received_tc_token("2@lid", b"two", 5).await?;
    assert_eq!(halves("2@lid").await?, (b"two".to_vec(), 5, None));
    let mut jids = store.get_all_tc_token_jids().await?;
    jids.sort();
    assert_eq!(jids, ["1@lid", "2@lid"]);
    store.delete_tc_token("1@lid").await?;
    assert!(store.get_tc_token("1@lid").await?.is_none());
    Ok(())
}

pub(super) async fn tc_tokens_expire_only_when_both_halves_are_stale(
    store: &impl Backend,
) -> TestResult {
    let put = async |jid: &str, token: &[u8], at, sender| {
        let entry = TcTokenEntry {
            token: token.to_vec(),
            token_timestamp: at,
            sender_timestamp: sender,
        };
        store.put_tc_token(jid, &entry).await
    };
    put("both live", b"t", 100, Some(100)).await?;
    put("token lives", b"t", 100, None).await?;
    put("sender lives", b"t", 1, Some(100)).await?;
    put("stale", b"t", 1, Some(1)).await?;
    put("no bytes", b"", 100, None).await?;
    assert_eq!(store.delete_expired_tc_tokens(100, 100).await?, 2);
    assert!(store.get_tc_token("stale").await?.is_none());
    assert!(store.get_tc_token("no bytes").await?.is_none());
    assert_eq!(store.get_all_tc_token_jids().await?.len(), 3);
    assert_eq!(store.delete_expired_tc_tokens(100, 100).await?, 0);
    Ok(())
}
