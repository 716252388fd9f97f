//! Second tables, bounds and batches that only our store has.

use std::sync::Arc;

use whatsapp_rust::anyhow::Context as _;
use whatsapp_rust::wacore::store::traits::{
    LidPnMappingEntry, MsgSecretEntry, MsgSecretStore as _, ProtocolStore as _, SignalStore as _,
};

use super::{Opened, TestResult, dump};
use crate::store::protocol::PendingOverview;
use crate::store::spaces::{MSG_SECRET_DEADLINES, SENT_QUEUE};

const CHAT: &str = "15550000001@s.whatsapp.net";

fn rows(opened: &Opened, space: bridge_core::vault::SpaceId) -> usize {
    opened.vault.space(space).scan_all().count()
}

fn mapping(lid: &str, phone: &str, created_at: i64, updated_at: i64) -> LidPnMappingEntry {
    LidPnMappingEntry {
        lid: lid.to_owned(),
        phone_number: phone.to_owned(),
        created_at,
        updated_at,
        learning_source: "usync".to_owned(),
    }
}

#[tokio::test]
async fn a_number_falls_back_to_an_earlier_lid_when_the_latest_moves_away() -> TestResult {
    let opened = Opened::new()?;
    let store = &opened.store;
    store
        .put_lid_mapping(&mapping("100", "1555", 1, 10))
        .await?;
    store
        .put_lid_mapping(&mapping("200", "1555", 2, 30))
        .await?;
    // Stored later, but known to be older.
    store
        .put_lid_mapping(&mapping("300", "1555", 3, 20))
        .await?;
    let of = async |phone: &str| -> whatsapp_rust::anyhow::Result<String> {
        Ok(store.get_pn_mapping(phone).await?.context("mapping")?.lid)
    };
    assert_eq!(of("1555").await?, "200");
    store
        .put_lid_mapping(&mapping("200", "1666", 9, 40))
        .await?;
    assert_eq!(of("1555").await?, "300");
    assert_eq!(of("1666").await?, "200");
    let kept = store.get_lid_mapping("200").await?.context("mapping")?;
    assert_eq!((kept.created_at, kept.updated_at), (2, 40));
    Ok(())
}

#[tokio::test]
async fn one_batch_may_name_a_lid_twice() -> TestResult {
    let opened = Opened::new()?;
    let batch = [
        mapping("100", "1555", 1, 1),
        mapping("100", "1666", 2, 2),
        mapping("100", "1555", 3, 3),
    ];
    opened.store.put_lid_mappings(&batch).await?;
    assert!(opened.store.get_pn_mapping("1666").await?.is_none());
    let back = opened
        .store
        .get_pn_mapping("1555")
        .await?
        .context("mapping")?;
    assert_eq!((back.lid.as_str(), back.created_at), ("100", 1));
    Ok(())
}

#[tokio::test]
async fn sent_messages_are_bounded_and_the_newest_stay() -> TestResult {
    let opened = Opened::new()?;
    let store = &opened.store;
    for number in 0..5 {
        store.put_sent(CHAT, &format!("M{number}"), b"m", 3)?;
    }
    // A message that goes out again counts once and becomes the newest.
    store.put_sent(CHAT, "M2", b"again", 3)?;
    store.put_sent(CHAT, "M5", b"m", 3)?;
    assert_eq!(rows(&opened, SENT_QUEUE), 3);
    let opened = opened.reopened()?;
    opened.store.put_sent(CHAT, "M6", b"m", 3)?;
    assert_eq!(rows(&opened, SENT_QUEUE), 3);
    for (id, kept) in [
        ("M3", false),
        ("M4", false),
        ("M2", true),
        ("M5", true),
        ("M6", true),
    ] {
        let taken = opened.store.take_sent_message(CHAT, id).await?;
        assert_eq!(taken.is_some(), kept, "{id}");
    }
    assert_eq!(rows(&opened, SENT_QUEUE), 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_takers_one_gets_the_message() -> TestResult {
    let opened = Opened::new()?;
    opened.store.store_sent_message(CHAT, "M1", b"m").await?;
    let mut takers = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let store = opened.store.clone();
        takers.spawn(async move { store.take_sent_message(CHAT, "M1").await });
    }
    let mut winners = 0;
    while let Some(taken) = takers.join_next().await {
        winners += usize::from(taken??.is_some());
    }
    assert_eq!(winners, 1);
    Ok(())
}

#[tokio::test]
async fn a_keeping_store_serves_every_taker() -> TestResult {
    let opened = Opened::new()?;
    let store = opened.store.clone().keeping_sent();
    store.store_sent_message(CHAT, "M1", b"m").await?;
    for _ in 0..3 {
        assert_eq!(
            store.take_sent_message(CHAT, "M1").await?,
            Some(b"m".to_vec())
        );
    }
    store.store_sent_message(CHAT, "M1", b"m").await?;
    assert_eq!(rows(&opened, SENT_QUEUE), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_halves_of_a_tc_token_both_stay() -> TestResult {
    let opened = Opened::new()?;
    let mut writers = tokio::task::JoinSet::new();
    for at in 1..=40 {
        let store = opened.store.clone();
        writers.spawn(async move {
            if at % 2 == 0 {
                store.touch_tc_token_sender_timestamp("a@lid", at).await
            } else {
                store
                    .store_received_tc_token("a@lid", &at.to_be_bytes(), at)
                    .await
            }
        });
    }
    while let Some(written) = writers.join_next().await {
        written??;
    }
    let entry = opened.store.get_tc_token("a@lid").await?.context("token")?;
    assert_eq!(entry.token, 39_i64.to_be_bytes());
    assert_eq!(
        (entry.token_timestamp, entry.sender_timestamp),
        (39, Some(40))
    );
    Ok(())
}

#[tokio::test]
async fn a_secret_has_at_most_one_deadline() -> TestResult {
    let opened = Opened::new()?;
    let put = async |expires_at| {
        let entry = MsgSecretEntry {
            chat: Arc::from(CHAT),
            sender: Arc::from(CHAT),
            msg_id: Arc::from("M1"),
            secret: [1; 32],
            expires_at,
            message_ts: 0,
        };
        opened.store.put_msg_secrets(vec![entry]).await
    };
    for expires_at in [100, 200, 200, 50] {
        put(expires_at).await?;
        assert_eq!(rows(&opened, MSG_SECRET_DEADLINES), 1);
    }
    put(0).await?;
    assert_eq!(rows(&opened, MSG_SECRET_DEADLINES), 0);
    assert_eq!(opened.store.delete_expired_msg_secrets(i64::MAX).await?, 0);
    Ok(())
}

#[tokio::test]
async fn uncommitted_messages_are_never_swept() -> TestResult {
    let opened = Opened::new()?;
    assert_eq!(
        opened.store.pending_overview().await?,
        PendingOverview::default()
    );
    opened
        .store
        .store_pending_inbound(CHAT, CHAT, "M1", b"m")
        .await?;
    assert_eq!(
        opened
            .store
            .delete_expired_pending_inbound(i64::MAX)
            .await?,
        0
    );
    let opened = opened.reopened()?;
    let overview = opened.store.pending_overview().await?;
    assert_eq!(overview.count, 1);
    assert!(overview.oldest.is_some_and(|at| at > 0));
    Ok(())
}

/// A message that was decrypted a moment before the library writes all ratchets gets its pending
/// row into the log before them.
#[tokio::test]
async fn a_pending_row_overtakes_the_ratchets_of_the_same_moment() -> TestResult {
    let opened = Opened::new()?;
    let store = &opened.store;
    let ratchets = [(Arc::from("a@lid.0"), bytes::Bytes::from_static(b"ratchet"))];
    let (sessions, keys, early) = tokio::join!(
        store.put_sessions_batch(&ratchets),
        store.put_sender_keys_batch(&ratchets),
        async {
            let early = (
                store.has_session("a@lid.0").await?,
                store.get_sender_key("a@lid.0").await?,
            );
            // Applied at once; only its way to the disk takes time.
            store.store_pending_inbound(CHAT, CHAT, "M1", b"m").await?;
            whatsapp_rust::anyhow::Ok(early)
        },
    );
    sessions?;
    keys?;
    assert_eq!(early?, (false, None));
    assert!(store.has_session("a@lid.0").await?);
    assert!(store.get_pending_inbound(CHAT, CHAT, "M1").await?.is_some());
    Ok(())
}

/// The names on disk must not say with whom the account talks.
#[tokio::test]
async fn names_do_not_show_identities() -> TestResult {
    let opened = Opened::new()?;
    opened
        .store
        .put_lid_mapping(&mapping("100", "15550000001", 1, 1))
        .await?;
    opened
        .store
        .store_pending_inbound(CHAT, CHAT, "M1", b"m")
        .await?;
    let hex_number = hex::encode("15550000001");
    for (_, name, _) in dump(&opened.vault)? {
        assert!(
            !name.contains(&hex_number) && !name.contains("15550000001"),
            "{name}"
        );
    }
    Ok(())
}
