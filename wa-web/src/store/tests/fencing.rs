//! Handles of an older generation write nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use whatsapp_rust::anyhow::{self, ensure};
use whatsapp_rust::wacore::appstate::hash::HashState;
use whatsapp_rust::wacore::store::Device;
use whatsapp_rust::wacore::store::error::{Result, StoreError};
use whatsapp_rust::wacore::store::traits::{
    AppStateSyncKey, AppSyncStore as _, DeviceListRecord, DeviceStore as _, LidPnMappingEntry,
    MsgSecretStore as _, PendingInboundKey, PendingInboundRow, ProtocolStore as _,
    SignalStore as _, TcTokenEntry,
};

use super::{Opened, TestResult, dump};
use crate::store::{STALE_SESSION, SledStore};

fn is_stale<T>(result: &Result<T>) -> bool {
    matches!(result, Err(StoreError::Validation(text)) if text.starts_with(STALE_SESSION))
}

/// Calls each of the named methods and lists those that did not refuse.
macro_rules! not_refused {
    ($store:expr; $($method:ident($($argument:expr),*)),+ $(,)?) => {{
        let mut wrong: Vec<&str> = Vec::new();
        $(
            if !is_stale(&$store.$method($($argument),*).await) {
                wrong.push(stringify!($method));
            }
        )+
        wrong
    }};
}

async fn keys_not_refused(store: &SledStore) -> Vec<&'static str> {
    let batch = [(Arc::from("a@lid.0"), Bytes::from_static(b"s"))];
    not_refused!(store;
        put_identity("a@lid.0", [1; 32]),
        put_identities_batch(&[(Arc::from("a@lid.0"), [1; 32])]),
        delete_identity("a@lid.0"),
        put_session("a@lid.0", b"s"),
        put_sessions_batch(&batch),
        delete_session("a@lid.0"),
        store_prekey(1, b"k", false),
        store_prekeys_batch(&[(1, Bytes::new())], false),
        mark_prekeys_uploaded(&[1]),
        remove_prekey(1),
        store_signed_prekey(1, b"k"),
        remove_signed_prekey(1),
        put_sender_key("g", b"k"),
        put_sender_keys_batch(&batch),
        delete_sender_key("g"),
        set_sync_key(b"k", AppStateSyncKey::default()),
        set_version("regular", HashState::default()),
        put_mutation_macs("regular", 1, &[]),
        delete_mutation_macs("regular", &[]),
        clear_mutation_macs("regular"),
        put_msg_secret("c", "s", "M1", &[1; 32]),
        put_msg_secrets(Vec::new()),
        delete_expired_msg_secrets(1),
        save(&Device::new()),
        create(),
    )
}

async fn protocol_not_refused(store: &SledStore) -> Vec<&'static str> {
    let mapping = LidPnMappingEntry {
        lid: "1".to_owned(),
        phone_number: "2".to_owned(),
        created_at: 0,
        updated_at: 0,
        learning_source: String::new(),
    };
    let list = DeviceListRecord {
        user: "1".to_owned(),
        devices: Vec::new(),
        timestamp: 0,
        phash: None,
        raw_id: None,
    };
    let token = TcTokenEntry {
        token: vec![1],
        token_timestamp: 1,
        sender_timestamp: None,
    };
    let row = PendingInboundRow {
        chat: "c",
        sender: "s",
        id: "M1",
        message: b"m",
    };
    let key = PendingInboundKey {
        chat: "c",
        sender: "s",
        id: "M1",
    };
    not_refused!(store;
        set_sender_key_status("g", &[("a", true)]),
        clear_sender_key_devices("g"),
        delete_sender_key_device_rows(&["a"]),
        clear_all_sender_key_devices(),
        put_lid_mapping(&mapping),
        put_lid_mappings(std::slice::from_ref(&mapping)),
        save_base_key("a", "M1", b"k"),
        delete_base_key("a", "M1"),
        update_device_list(list.clone()),
        update_device_lists(vec![list.clone()]),
        delete_devices("1"),
        put_group_metadata("g", b"m"),
        delete_group_metadata("g"),
        put_tc_token("a", &token),
        delete_tc_token("a"),
        delete_expired_tc_tokens(1, 1),
        touch_tc_token_sender_timestamp("a", 1),
        store_received_tc_token("a", b"t", 1),
        store_sent_message("c", "M1", b"m"),
        take_sent_message("c", "M1"),
        delete_expired_sent_messages(1),
        store_pending_inbound("c", "s", "M1", b"m"),
        store_pending_inbound_batch(&[row]),
        delete_pending_inbound("c", "s", "M1"),
        delete_pending_inbound_batch(&[key]),
    )
}

#[tokio::test]
async fn every_mutating_method_of_an_old_generation_is_refused() -> TestResult {
    let opened = Opened::new()?;
    let old = opened.store.clone();
    old.put_session("a@lid.0", b"kept").await?;
    old.store_sent_message("c", "M1", b"kept").await?;
    let new = SledStore::new(opened.vault.clone(), opened.control.advance());
    let before = dump(&opened.vault)?;
    assert_eq!(keys_not_refused(&old).await, Vec::<&str>::new());
    assert_eq!(protocol_not_refused(&old).await, Vec::<&str>::new());
    assert_eq!(dump(&opened.vault)?, before);
    assert_eq!(
        old.get_session("a@lid.0").await?.as_deref(),
        Some(&b"kept"[..])
    );
    assert_eq!(
        new.take_sent_message("c", "M1").await?,
        Some(b"kept".to_vec())
    );
    Ok(())
}

#[tokio::test]
async fn nobody_writes_after_the_fence_was_closed() -> TestResult {
    let opened = Opened::new()?;
    opened.control.close();
    assert_eq!(opened.control.generation(), None);
    assert!(is_stale(&opened.store.put_session("a@lid.0", b"s").await));
    let next = SledStore::new(opened.vault.clone(), opened.control.advance());
    next.put_session("a@lid.0", b"s").await?;
    assert!(is_stale(&opened.store.put_session("a@lid.0", b"t").await));
    Ok(())
}

/// Writers of the old generation run at full speed while a new one begins: what is stored at that
/// moment is what stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_write_lands_after_advance_returned() -> TestResult {
    let opened = Opened::new()?;
    let written = Arc::new(AtomicUsize::new(0));
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..4 {
        let (store, written) = (opened.store.clone(), Arc::clone(&written));
        writers.spawn(async move {
            for number in 0_u64.. {
                let address = format!("{writer}@lid.0");
                store
                    .put_identities_batch(&[(Arc::from(address), [number as u8; 32])])
                    .await?;
                store
                    .touch_tc_token_sender_timestamp("a@lid", number as i64)
                    .await?;
                written.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
            anyhow::Ok(())
        });
    }
    while written.load(Ordering::Relaxed) < 200 {
        ensure!(
            writers.try_join_next().is_none(),
            "a writer stopped before the fence moved"
        );
        tokio::task::yield_now().await;
    }
    let _next = opened.control.advance();
    let at_advance = dump(&opened.vault)?;
    while let Some(ended) = writers.join_next().await {
        let error = ended?
            .err()
            .map(|error| format!("{error:#}"))
            .unwrap_or_default();
        ensure!(
            error.contains(STALE_SESSION),
            "a writer ended with {error:?}"
        );
    }
    assert_eq!(dump(&opened.vault)?, at_advance);
    Ok(())
}
