use super::*;
use crate::{
    inbox::{Inbox, InboxLimits, ingress::InboxIngress},
    policy::{Allowlist, PolicyHandle},
};

const DAY: Duration = Duration::from_hours(24);

#[tokio::test]
async fn sends_are_forgotten_after_the_retention_and_a_day() -> Result {
    let rig = Rig::new()?;
    let old = rig.send(ANNA, "old", Some("old")).await?;
    rig.clock.advance(DEFAULT_RETENTION);
    rig.send(ANNA, "new", Some("new")).await?;
    rig.clock.advance(Duration::from_secs(1));
    assert_eq!(rig.outbox().sweep(|_| false).await?, 0);
    rig.clock.advance(DAY);
    assert_eq!(rig.outbox().sweep(|_| false).await?, 1);
    assert!(rig.outbox().show("old")?.is_none());
    assert!(rig.outbox().show(&old.message_ids.join(""))?.is_none());
    assert_eq!(rig.outbox().list(9).await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn an_answer_outlives_by_a_day_the_message_it_answers() -> Result {
    let rig = Rig::new()?;
    rig.send(ANNA, "answer", Some("wa:cursor")).await?;
    rig.clock.advance(DEFAULT_RETENTION + DAY);
    assert_eq!(rig.outbox().sweep(|key| key == "wa:cursor").await?, 0);
    // Gone from the inbox now: a day from here.
    assert_eq!(rig.outbox().sweep(|_| false).await?, 0);
    rig.clock.advance(DAY - Duration::from_millis(1));
    assert_eq!(rig.outbox().sweep(|_| false).await?, 0);
    rig.clock.advance(Duration::from_millis(1));
    assert_eq!(rig.outbox().sweep(|_| false).await?, 1);
    Ok(())
}

#[tokio::test]
async fn texts_are_dropped_once_they_arrived() -> Result {
    let rig = Rig::in_parts()?;
    rig.messenger.script(uncertain());
    rig.send(ANNA, "open", Some("k")).await?;
    rig.send(ANNA, "done", Some("l")).await?;
    let texts = |key| {
        rig.outbox()
            .show(key)
            .map(|shown| shown.map(|(_, texts)| texts))
    };
    assert_eq!(texts("k")?, Some(vec!["open".to_owned()]));
    assert_eq!(texts("l")?, Some(vec![]));
    assert_eq!(texts("m")?, None);
    let keys: Vec<String> = rig
        .outbox()
        .list(1)
        .await?
        .into_iter()
        .map(|item| item.key)
        .collect();
    assert_eq!(keys.len(), 1);
    Ok(())
}

#[tokio::test]
async fn closing_waits_for_what_is_on_its_way() -> Result {
    let rig = Rig::new()?;
    rig.messenger.hold();
    let close = async {
        let sent = rig.messenger.wait_sent(1).await;
        let closed = rig.outbox().close(Duration::from_secs(5));
        rig.messenger.release();
        closed.await;
        sent
    };
    let (receipt, sent) = tokio::join!(rig.send(ANNA, "hello", None), close);
    sent?;
    assert_eq!(receipt?.state, SendState::Acked);
    Ok(())
}

#[tokio::test]
async fn a_messenger_is_told_when_a_full_inbox_has_room() -> Result {
    let rig = Rig::new()?;
    let options = VaultOptions::new(rig.dir.path().join("inbox"));
    let vault = Vault::open(&options, &MasterKey::from_bytes([7; MasterKey::LEN]))?;
    let limits = InboxLimits {
        max_pending: 1,
        ..InboxLimits::default()
    };
    let policy = PolicyHandle::new(Allowlist::Everyone, Arc::new(|_: &str| Vec::new()));
    let inbox = Arc::new(Inbox::open(
        &vault,
        limits,
        Arc::new(policy),
        rig.clock.clone(),
    )?);
    let ingress = InboxIngress {
        inbox: Arc::clone(&inbox),
        outbox: Arc::new(rig.outbox().clone()),
    };
    rig.messenger.connect(Arc::new(ingress.clone()));
    let stop = tokio_util::sync::CancellationToken::new();
    let task = tokio::spawn(ingress.maintain(rig.driver.clone(), stop.clone()));
    rig.messenger.inject_text(ANNA, "1", "x").await?;
    assert!(rig.messenger.inject_text(ANNA, "2", "x").await.is_err());
    let mut full = inbox.full();
    full.wait_for(|full| *full).await?;
    inbox.ack(&format!("wa:{ANNA}:1")).await?;
    rig.messenger.wait_nudges(1).await?;
    rig.messenger.inject_text(ANNA, "2", "x").await?;
    // A late proof finds its way into the outbox.
    rig.messenger.script(uncertain());
    let id = rig.send(BEN, "y", Some("k")).await?.message_ids.join("");
    let ben = ChatId::from_canonical(BEN);
    rig.messenger
        .prove(&ben, &id, crate::driver::DeliveryProof::Delivered)
        .await;
    assert_eq!(rig.send(BEN, "y", Some("k")).await?.state, SendState::Acked);
    stop.cancel();
    tokio::time::timeout(Duration::from_secs(10), task).await??;
    let closed = rig.send(BEN, "z", None).await;
    assert!(matches!(closed, Err(OutboxError::Closed)), "{closed:?}");
    Ok(())
}
