use std::sync::Arc;

use whatsapp_rust::wacore::store::traits::{
    Backend, MsgSecretEntry, PendingInboundKey, PendingInboundRow,
};

use crate::store::tests::TestResult;

const CHAT: &str = "15550000001@s.whatsapp.net";
const OTHER: &str = "15550000002@s.whatsapp.net";

pub(super) async fn a_sent_message_is_taken_once(store: &impl Backend) -> TestResult {
    store.store_sent_message(CHAT, "M1", b"one").await?;
    store.store_sent_message(OTHER, "M1", b"other").await?;
    store.store_sent_message(CHAT, "M1", b"again").await?;
    assert_eq!(
        store.take_sent_message(CHAT, "M1").await?,
        Some(b"again".to_vec())
    );
    assert_eq!(store.take_sent_message(CHAT, "M1").await?, None);
    assert_eq!(
        store.take_sent_message(OTHER, "M1").await?,
        Some(b"other".to_vec())
    );
    Ok(())
}

pub(super) async fn old_sent_messages_are_swept(store: &impl Backend) -> TestResult {
    let now = whatsapp_rust::wacore::time::now_secs();
    for id in ["M1", "M2", "M3"] {
        store.store_sent_message(CHAT, id, id.as_bytes()).await?;
    }
    assert_eq!(store.delete_expired_sent_messages(now - 60).await?, 0);
    store.take_sent_message(CHAT, "M2").await?;
    assert_eq!(store.delete_expired_sent_messages(now + 60).await?, 2);
    assert_eq!(store.take_sent_message(CHAT, "M1").await?, None);
    Ok(())
}

pub(super) async fn pending_messages_are_kept_until_deleted(store: &impl Backend) -> TestResult {
    store
        .store_pending_inbound(CHAT, CHAT, "M1", b"first")
        .await?;
    store
        .store_pending_inbound(CHAT, OTHER, "M1", b"other sender")
        .await?;
    store
        .store_pending_inbound(CHAT, CHAT, "M1", b"again")
        .await?;
    // A cutoff long past, as the library's week is for fresh rows.
    assert_eq!(store.delete_expired_pending_inbound(1).await?, 0);
    assert_eq!(
        store.get_pending_inbound(CHAT, CHAT, "M1").await?,
        Some(b"again".to_vec())
    );
    assert_eq!(store.get_pending_inbound(CHAT, CHAT, "M2").await?, None);
    store.delete_pending_inbound(CHAT, CHAT, "M1").await?;
    assert_eq!(store.get_pending_inbound(CHAT, CHAT, "M1").await?, None);
    assert_eq!(
        store.get_pending_inbound(CHAT, OTHER, "M1").await?,
        Some(b"other sender".to_vec())
    );
    Ok(())
}

pub(super) async fn pending_batches_match_single_calls(store: &impl Backend) -> TestResult {
    let rows = [
        PendingInboundRow {
            chat: CHAT,
            sender: CHAT,
            id: "M1",
            message: b"one",
        },
        PendingInboundRow {
            chat: CHAT,
            sender: CHAT,
            id: "M2",
            message: b"",
        },
        PendingInboundRow {
            chat: OTHER,
            sender: CHAT,
            id: "M1",
            message: b"three",
        },
    ];
    store.store_pending_inbound_batch(&rows).await?;
    assert_eq!(
        store.get_pending_inbound(CHAT, CHAT, "M2").await?,
        Some(Vec::new())
    );
    store
        .delete_pending_inbound_batch(&[
            PendingInboundKey {
                chat: CHAT,
                sender: CHAT,
                id: "M1",
            },
            PendingInboundKey {
                chat: CHAT,
                sender: CHAT,
                id: "M2",
            },
        ])
        .await?;
    assert_eq!(store.get_pending_inbound(CHAT, CHAT, "M1").await?, None);
    assert_eq!(
        store.get_pending_inbound(OTHER, CHAT, "M1").await?,
        Some(b"three".to_vec())
    );
    Ok(())
}

fn secret(id: &str, secret: u8, expires_at: i64, message_ts: i64) -> MsgSecretEntry {
    MsgSecretEntry {
        chat: Arc::from(CHAT),
        sender: Arc::from(CHAT),
        msg_id: Arc::from(id),
        secret: [secret; 32],
        expires_at,
        message_ts,
    }
}

pub(super) async fn secrets_merge_their_times(store: &impl Backend) -> TestResult {
    assert_eq!(
        store
            .put_msg_secrets(vec![secret("M1", 1, 200, 90)])
            .await?,
        1
    );
    // Within one call and across calls: the later deadline and the known time stay.
    let again = vec![secret("M1", 2, 100, 0), secret("M1", 3, 150, 80)];
    assert_eq!(store.put_msg_secrets(again).await?, 2);
    assert_eq!(
        store.get_msg_secret_with_ts(CHAT, CHAT, "M1").await?,
        Some((vec![3; 32], 90))
    );
    assert_eq!(store.delete_expired_msg_secrets(199).await?, 0);
    assert_eq!(store.delete_expired_msg_secrets(200).await?, 1);
    assert_eq!(store.get_msg_secret(CHAT, CHAT, "M1").await?, None);
    Ok(())
}

pub(super) async fn secrets_expire_but_never_at_zero(store: &impl Backend) -> TestResult {
    store
        .put_msg_secrets(vec![
            secret("soon", 1, 100, 0),
            secret("same second", 2, 100, 0),
            secret("later", 3, 5_000_000_000, 0),
            secret("kept", 4, 100, 0),
        ])
        .await?;
    store.put_msg_secret(CHAT, CHAT, "kept", &[5; 32]).await?;
    assert_eq!(store.delete_expired_msg_secrets(1_000).await?, 2);
    assert_eq!(
        store.get_msg_secret(CHAT, CHAT, "kept").await?,
        Some(vec![5; 32])
    );
    assert_eq!(store.delete_expired_msg_secrets(i64::MAX).await?, 1);
    assert_eq!(store.get_msg_secret(CHAT, CHAT, "later").await?, None);
    assert_eq!(
        store.get_msg_secret(CHAT, CHAT, "kept").await?,
        Some(vec![5; 32])
    );
    Ok(())
}
