//! Every durable method, and nothing else, is on disk when it returns.
//!
//! Twice: by counting how often the store went to the disk, which also shows that the other
//! methods do not pay for it; and by a child that kills itself right after the call.

use std::sync::Arc;

use bytes::Bytes;
use whatsapp_rust::anyhow::{self, Context as _, bail, ensure};
use whatsapp_rust::wacore::store::Device;
use whatsapp_rust::wacore::store::traits::{
    AppStateSyncKey, AppSyncStore as _, DeviceStore as _, PendingInboundRow, ProtocolStore as _,
    SignalStore as _,
};

use super::{Opened, TestResult, child, open_vault};
use crate::store::{FenceControl, SledStore};

const CHAT: &str = "15550000001@s.whatsapp.net";
const CHILD: &str = "store::tests::durability::a_child_does_one_thing_and_dies";

const DURABLE: [&str; 15] = [
    "put_session",
    "put_sessions_batch",
    "delete_session",
    "store_prekey",
    "store_prekeys_batch",
    "remove_prekey",
    "store_signed_prekey",
    "put_sender_key",
    "put_sender_keys_batch",
    "delete_sender_key",
    "set_sync_key",
    "store_pending_inbound",
    "store_pending_inbound_batch",
    "save",
    "create",
];

/// A method that promises nothing.
const NOT_DURABLE: &str = "put_identity";

/// What the deleting methods need to find.
async fn prepare(store: &SledStore) -> TestResult {
    store.put_session("old@lid.0", b"old").await?;
    store.store_prekey(1, b"old", true).await?;
    Ok(store.put_sender_key("old", b"old").await?)
}

async fn perform(store: &SledStore, method: &str) -> TestResult {
    let batch = [(Arc::from("new@lid.0"), Bytes::from_static(b"new"))];
    match method {
        "put_session" => store.put_session("new@lid.0", b"new").await?,
        "put_sessions_batch" => store.put_sessions_batch(&batch).await?,
        "delete_session" => store.delete_session("old@lid.0").await?,
        "store_prekey" => store.store_prekey(2, b"new", false).await?,
        "store_prekeys_batch" => {
            let keys: Vec<_> = (2..=50)
                .map(|id| (id, Bytes::from_static(b"new")))
                .collect();
            store.store_prekeys_batch(&keys, false).await?;
        }
        "remove_prekey" => store.remove_prekey(1).await?,
        "store_signed_prekey" => store.store_signed_prekey(2, b"new").await?,
        "put_sender_key" => store.put_sender_key("new@lid.0", b"new").await?,
        "put_sender_keys_batch" => store.put_sender_keys_batch(&batch).await?,
        "delete_sender_key" => store.delete_sender_key("old").await?,
        "set_sync_key" => {
            store
                .set_sync_key(b"id", AppStateSyncKey::default())
                .await?
        }
        "store_pending_inbound" => {
            store
                .store_pending_inbound(CHAT, CHAT, "M1", b"new")
                .await?
        }
        "store_pending_inbound_batch" => {
            let row = |id| PendingInboundRow {
                chat: CHAT,
                sender: CHAT,
                id,
                message: b"new",
            };
            store
                .store_pending_inbound_batch(&[row("M1"), row("M2")])
                .await?;
        }
        "save" => {
            let mut device = Device::new();
            device.push_name = "new".to_owned();
            store.save(&device).await?;
        }
        "create" => store.create().await.map(drop)?,
        NOT_DURABLE => store.put_identity("new@lid.0", [1; 32]).await?,
        other => bail!("no such method: {other}"),
    }
    Ok(())
}

async fn survived(store: &SledStore, method: &str) -> anyhow::Result<bool> {
    let new = Some(&b"new"[..]);
    Ok(match method {
        "put_session" | "put_sessions_batch" => {
            store.get_session("new@lid.0").await?.as_deref() == new
        }
        "delete_session" => !store.has_session("old@lid.0").await?,
        "store_prekey" => store.load_prekey(2).await?.as_deref() == new,
        "store_prekeys_batch" => {
            let ids: Vec<u32> = (2..=50).collect();
            store.load_prekeys_batch(&ids).await?.len() == ids.len()
        }
        "remove_prekey" => store.load_prekey(1).await?.is_none(),
        "store_signed_prekey" => store.load_signed_prekey(2).await?.as_deref() == new,
        "put_sender_key" | "put_sender_keys_batch" => {
            store.get_sender_key("new@lid.0").await?.as_deref() == new
        }
        "delete_sender_key" => store.get_sender_key("old").await?.is_none(),
        "set_sync_key" => {
            store.get_sync_key(b"id").await?.is_some()
                && store.get_latest_sync_key_id().await?.as_deref() == Some(b"id")
        }
        "store_pending_inbound" => {
            store
                .get_pending_inbound(CHAT, CHAT, "M1")
                .await?
                .as_deref()
                == new
        }
        "store_pending_inbound_batch" => {
            store
                .get_pending_inbound(CHAT, CHAT, "M2")
                .await?
                .as_deref()
                == new
        }
        "save" => store
            .load()
            .await?
            .is_some_and(|device| device.push_name == "new"),
        "create" => store.load().await?.is_some(),
        other => bail!("no such method: {other}"),
    })
}

#[tokio::test]
async fn durable_methods_go_to_the_disk_before_they_return() -> TestResult {
    for method in DURABLE {
        let opened = Opened::new()?;
        prepare(&opened.store).await?;
        let before = opened.vault.flush_count();
        perform(&opened.store, method).await?;
        ensure!(
            opened.vault.flush_count() > before,
            "{method} was not flushed"
        );
    }
    Ok(())
}

#[tokio::test]
async fn other_methods_leave_the_disk_alone() -> TestResult {
    let Opened {
        store,
        vault,
        dir: _dir,
        ..
    } = Opened::new()?;
    prepare(&store).await?;
    let before = vault.flush_count();
    store.put_identity("a@lid.0", [1; 32]).await?;
    store.mark_prekeys_uploaded(&[1]).await?;
    store.set_sender_key_status("g", &[("a", true)]).await?;
    store.store_sent_message(CHAT, "M1", b"sent").await?;
    store.take_sent_message(CHAT, "M1").await?;
    store.delete_pending_inbound(CHAT, CHAT, "M1").await?;
    store.touch_tc_token_sender_timestamp("a@lid", 1).await?;
    assert_eq!(vault.flush_count(), before);
    Ok(())
}

#[test]
fn what_a_durable_method_wrote_survives_sigkill() -> TestResult {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    for method in DURABLE {
        let opened = Opened::new()?;
        runtime.block_on(prepare(&opened.store))?;
        let Opened {
            store, vault, dir, ..
        } = opened;
        drop(store);
        vault.close()?;
        let said = child::run(CHILD, dir.path(), method)?;
        ensure!(said == [method], "{method}: the child said {said:?}");
        let reopened = Opened::in_dir(dir)?;
        let found = runtime.block_on(survived(&reopened.store, method));
        ensure!(found.with_context(|| method)?, "{method} did not survive");
    }
    Ok(())
}

/// The test above would prove nothing if a killed child lost nothing. The database also flushes by
/// itself once a second, so on a busy machine a child may live long enough to be saved by that.
#[test]
fn what_was_only_applied_can_be_lost_to_sigkill() -> TestResult {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    for _ in 0..5 {
        let dir = tempfile::tempdir()?;
        child::run(CHILD, dir.path(), NOT_DURABLE)?;
        let reopened = Opened::in_dir(dir)?;
        let identity = runtime.block_on(reopened.store.load_identity("new@lid.0"))?;
        if identity.is_none() {
            return Ok(());
        }
    }
    bail!("nothing was ever lost")
}

#[tokio::test]
async fn a_child_does_one_thing_and_dies() -> TestResult {
    let Some((folder, method)) = child::assignment() else {
        return Ok(());
    };
    let store = SledStore::new(open_vault(&folder)?, FenceControl::new().advance());
    perform(&store, &method).await?;
    child::say(&method)?;
    child::die()
}
