use whatsapp_rust::wacore::appstate::hash::HashState;
use whatsapp_rust::wacore::appstate::processor::AppStateMutationMAC;
use whatsapp_rust::wacore::store::traits::{AppStateSyncKey, Backend};

use crate::store::tests::TestResult;

fn mac(index: u8, value: u8) -> AppStateMutationMAC {
    AppStateMutationMAC {
        index_mac: vec![index; 32],
        value_mac: vec![value; 32],
    }
}

pub(super) async fn the_latest_sync_key_is_the_one_stored_last(store: &impl Backend) -> TestResult {
    assert_eq!(store.get_latest_sync_key_id().await?, None);
    let key = |data: u8, timestamp| AppStateSyncKey {
        key_data: vec![data; 32],
        fingerprint: vec![data, 1],
        timestamp,
    };
    store.set_sync_key(&[0, 9], key(9, 900)).await?;
    store.set_sync_key(&[0, 1], key(1, -5)).await?;
    assert_eq!(store.get_latest_sync_key_id().await?, Some(vec![0, 1]));
    let stored = store.get_sync_key(&[0, 9]).await?.unwrap_or_default();
    assert_eq!(
        (stored.key_data, stored.fingerprint, stored.timestamp),
        (vec![9; 32], vec![9, 1], 900)
    );
    assert!(store.get_sync_key(&[0, 2]).await?.is_none());
    Ok(())
}

pub(super) async fn versions_default_and_survive(store: &impl Backend) -> TestResult {
    let fresh = store.get_version("regular").await?;
    assert_eq!((fresh.version, fresh.hash), (0, [0; 128]));
    let mut state = HashState {
        version: 41,
        mac_mismatch_fatal: true,
        ..HashState::default()
    };
    state.hash[127] = 0xfe;
    state.index_value_map.insert("index".to_owned(), vec![1, 2]);
    store.set_version("regular", state.clone()).await?;
    let stored = store.get_version("regular").await?;
    assert_eq!((stored.version, stored.hash), (41, state.hash));
    assert_eq!(stored.index_value_map, state.index_value_map);
    assert!(stored.mac_mismatch_fatal);
    assert_eq!(store.get_version("critical_block").await?.version, 0);
    Ok(())
}

pub(super) async fn macs_belong_to_their_collection(store: &impl Backend) -> TestResult {
    store
        .put_mutation_macs("regular", 1, &[mac(1, 10), mac(2, 20)])
        .await?;
    store
        .put_mutation_macs("regular_low", 1, &[mac(1, 99)])
        .await?;
    store
        .put_mutation_macs("regular", 2, &[mac(2, 21), mac(3, 30)])
        .await?;
    assert_eq!(
        store.get_mutation_mac("regular", &[2; 32]).await?,
        Some(vec![21; 32])
    );
    let found = store
        .get_mutation_macs("regular", &[[1; 32], [3; 32], [4; 32]])
        .await?;
    assert_eq!(found.len(), 2);
    assert_eq!(found.get(&[1; 32]), Some(&vec![10; 32]));
    store
        .delete_mutation_macs("regular", &[vec![1; 32], vec![8; 32]])
        .await?;
    assert_eq!(store.get_mutation_mac("regular", &[1; 32]).await?, None);
    store.clear_mutation_macs("regular").await?;
    assert_eq!(store.get_mutation_mac("regular", &[3; 32]).await?, None);
    assert_eq!(
        store.get_mutation_mac("regular_low", &[1; 32]).await?,
        Some(vec![99; 32])
    );
    Ok(())
}
