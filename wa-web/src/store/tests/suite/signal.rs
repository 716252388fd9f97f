use std::sync::Arc;

use bytes::Bytes;
use whatsapp_rust::wacore::store::traits::Backend;

use crate::store::tests::TestResult;

const ALICE: &str = "15550000001@s.whatsapp.net.0";
const ALICE_5: &str = "15550000001:5@s.whatsapp.net.0";
const BOB: &str = "155500000019@s.whatsapp.net.0";

pub(super) async fn identities_are_replaced_and_deleted(store: &impl Backend) -> TestResult {
    assert_eq!(store.load_identity(ALICE).await?, None);
    store.put_identity(ALICE, [1; 32]).await?;
    store
        .put_identities_batch(&[(Arc::from(ALICE), [2; 32]), (Arc::from(BOB), [3; 32])])
        .await?;
    assert_eq!(store.load_identity(ALICE).await?, Some([2; 32]));
    assert_eq!(store.load_identity(BOB).await?, Some([3; 32]));
    store.delete_identity(ALICE).await?;
    store.delete_identity(ALICE).await?;
    assert_eq!(store.load_identity(ALICE).await?, None);
    assert_eq!(store.load_identity(BOB).await?, Some([3; 32]));
    Ok(())
}

pub(super) async fn sessions_are_kept_byte_for_byte(store: &impl Backend) -> TestResult {
    let record: Vec<u8> = (0..=255).cycle().take(5000).collect();
    store.put_session(ALICE, &record).await?;
    store
        .put_sessions_batch(&[
            (Arc::from(ALICE_5), Bytes::from_static(b"five")),
            (Arc::from(BOB), Bytes::new()),
        ])
        .await?;
    assert_eq!(
        store.get_session(ALICE).await?.as_deref(),
        Some(&record[..])
    );
    assert_eq!(
        store.get_session(ALICE_5).await?.as_deref(),
        Some(&b"five"[..])
    );
    assert_eq!(store.get_session(BOB).await?.as_deref(), Some(&b""[..]));
    assert!(store.has_session(BOB).await?);
    store.delete_session(ALICE).await?;
    assert!(!store.has_session(ALICE).await?);
    assert_eq!(store.get_session(ALICE).await?, None);
    assert!(store.has_session(ALICE_5).await?);
    Ok(())
}

pub(super) async fn a_user_is_found_by_any_device_and_only_by_the_whole_name(
    store: &impl Backend,
) -> TestResult {
    assert!(!store.has_signal_state_for_user("15550000001").await?);
    store.put_session(ALICE_5, b"s").await?;
    assert!(store.has_signal_state_for_user("15550000001").await?);
    assert!(!store.has_signal_state_for_user("1555000000").await?);
    assert!(!store.has_signal_state_for_user("155500000019").await?);
    store.delete_session(ALICE_5).await?;
    assert!(!store.has_signal_state_for_user("15550000001").await?);
    store.put_identity(BOB, [1; 32]).await?;
    assert!(store.has_signal_state_for_user("155500000019").await?);
    assert!(!store.has_signal_state_for_user("15550000001").await?);
    Ok(())
}

pub(super) async fn prekeys_are_loaded_listed_and_consumed(store: &impl Backend) -> TestResult {
    assert_eq!(store.get_max_prekey_id().await?, 0);
    store.store_prekey(300, b"three hundred", false).await?;
    let batch: Vec<(u32, Bytes)> = (1..=256)
        .map(|id| (id, Bytes::from(id.to_string())))
        .collect();
    store.store_prekeys_batch(&batch, false).await?;
    assert_eq!(store.get_max_prekey_id().await?, 300);
    assert_eq!(store.load_prekey(256).await?.as_deref(), Some(&b"256"[..]));
    assert_eq!(
        store.load_prekeys_batch(&[300, 299, 2]).await?,
        [
            (300, Bytes::from_static(b"three hundred")),
            (2, Bytes::from_static(b"2"))
        ]
    );
    store.remove_prekey(300).await?;
    assert_eq!(store.load_prekey(300).await?, None);
    assert_eq!(store.get_max_prekey_id().await?, 256);
    Ok(())
}

pub(super) async fn marking_uploaded_never_brings_a_prekey_back(
    store: &impl Backend,
) -> TestResult {
    store.store_prekey(1, b"one", false).await?;
    store.store_prekey(2, b"two", false).await?;
    store.remove_prekey(1).await?;
    store.mark_prekeys_uploaded(&[1, 2, 3]).await?;
    assert_eq!(store.load_prekey(1).await?, None);
    assert_eq!(store.load_prekey(2).await?.as_deref(), Some(&b"two"[..]));
    assert_eq!(store.load_prekey(3).await?, None);
    assert_eq!(store.get_max_prekey_id().await?, 2);
    Ok(())
}

pub(super) async fn signed_prekeys_are_listed(store: &impl Backend) -> TestResult {
    store.store_signed_prekey(7, b"seven").await?;
    store.store_signed_prekey(1, b"one").await?;
    store.store_signed_prekey(7, b"new").await?;
    let mut all = store.load_all_signed_prekeys().await?;
    all.sort();
    assert_eq!(all, [(1, b"one".to_vec()), (7, b"new".to_vec())]);
    store.remove_signed_prekey(1).await?;
    assert_eq!(store.load_signed_prekey(1).await?, None);
    assert_eq!(store.load_signed_prekey(7).await?, Some(b"new".to_vec()));
    Ok(())
}

pub(super) async fn sender_keys_are_replaced_and_deleted(store: &impl Backend) -> TestResult {
    let (ours, theirs) = (
        "120363000000000001@g.us::me",
        "120363000000000001@g.us::you",
    );
    store.put_sender_key(ours, b"old").await?;
    store
        .put_sender_keys_batch(&[
            (Arc::from(ours), Bytes::from_static(b"new")),
            (Arc::from(theirs), Bytes::from_static(b"you")),
        ])
        .await?;
    assert_eq!(store.get_sender_key(ours).await?, Some(b"new".to_vec()));
    store.delete_sender_key(ours).await?;
    assert_eq!(store.get_sender_key(ours).await?, None);
    assert_eq!(store.get_sender_key(theirs).await?, Some(b"you".to_vec()));
    Ok(())
}
