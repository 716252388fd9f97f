use super::*;
use crate::{
    driver_memory::group_message,
    inbox::{AckOutcome, CommitReport},
};

#[tokio::test]
async fn a_message_survives_a_restart_with_everything_it_says() -> Result {
    let mut rig = Rig::new()?;
    let mut message = group_message("12@g.us", ANNA, "A1", "hello");
    message.chat_aliases = vec![ChatId::from_canonical("13@g.us")];
    message.sender_aliases = vec![ChatId::from_canonical("99@lid")];
    message.quoted_id = Some("Q".to_owned());
    message.quoted_sender = Some(ChatId::from_canonical(BEN));
    message.content = crate::message::ContentKind::Image;
    message.mentions_me = true;
    rig.commit(&[message.clone()]).await?;
    rig.reopen()?;
    let batch = rig.inbox().receive(ReceiveRequest::default()).await?;
    let leased = batch.first().ok_or("nothing received")?;
    assert_eq!((&leased.message, leased.attempt), (&message, 1));
    assert!(leased.cursor.as_str().ends_with(":A1"));
    Ok(())
}

#[tokio::test]
async fn the_same_message_is_taken_once_waiting_or_gone() -> Result {
    let mut rig = Rig::new()?;
    rig.text(ANNA, "1").await?;
    let again = rig
        .commit(&[
            text_message(ANNA, "1", "other"),
            text_message(ANNA, "2", "x"),
        ])
        .await?;
    assert_eq!((again.duplicates, again.delivered), (1, 1));
    let twice = rig
        .commit(&[text_message(ANNA, "3", "x"), text_message(ANNA, "3", "x")])
        .await?;
    assert_eq!((twice.duplicates, twice.delivered), (1, 1));
    assert_eq!(rig.ack(ANNA, "1").await?, AckOutcome::Acked);
    rig.reopen()?;
    assert_eq!(
        rig.commit(&[text_message(ANNA, "1", "x")])
            .await?
            .duplicates,
        1
    );
    assert_eq!(rig.receive(9).await?, ["2", "3"]);
    // The same id from someone else, and in a group, is another message.
    rig.commit(&[
        text_message(BEN, "1", "x"),
        group_message("9@g.us", ANNA, "1", "x"),
    ])
    .await?;
    assert_eq!(rig.inbox().counts().duplicates, 1);
    assert_eq!(
        rig.inbox().counts().pending + rig.inbox().counts().leased,
        4
    );
    Ok(())
}

#[tokio::test]
async fn a_full_inbox_takes_nothing_of_a_commit_and_loses_nothing() -> Result {
    let limits = InboxLimits {
        max_pending: 2,
        ..InboxLimits::default()
    };
    let rig = Rig::with(limits, Allowlist::Everyone)?;
    let full = rig.inbox().full();
    rig.text(ANNA, "1").await?;
    let two = [text_message(ANNA, "2", "x"), text_message(BEN, "3", "x")];
    let refused = rig.commit(&two).await;
    assert!(
        matches!(refused, Err(IngressError::Full { limit: 2 })),
        "{refused:?}"
    );
    assert_eq!(rig.inbox().list(None, 9).len(), 1);
    assert!(*full.borrow());
    // Leased and parked messages take room as well; known ones need none.
    rig.text(ANNA, "2").await?;
    rig.receive(1).await?;
    rig.inbox()
        .fail(&cursor(ANNA, "1"), "no", None, true)
        .await?;
    assert!(rig.text(BEN, "3").await.is_err());
    rig.text(ANNA, "2").await?;
    rig.ack(ANNA, "1").await?;
    assert!(!*full.borrow());
    rig.text(BEN, "3").await?;
    assert_eq!(rig.receive(9).await?, ["2", "3"]);
    Ok(())
}

#[tokio::test]
async fn room_is_announced_when_a_tenth_is_free() -> Result {
    let limits = InboxLimits {
        max_pending: 20,
        ..InboxLimits::default()
    };
    let rig = Rig::with(limits, Allowlist::Everyone)?;
    for n in 0..20 {
        rig.text(ANNA, &n.to_string()).await?;
    }
    let full = rig.inbox().full();
    assert!(rig.text(ANNA, "20").await.is_err());
    rig.ack(ANNA, "0").await?;
    assert!(*full.borrow());
    rig.ack(ANNA, "1").await?;
    assert!(!*full.borrow());
    Ok(())
}

#[tokio::test]
async fn an_edit_replaces_a_waiting_text_and_is_counted_otherwise() -> Result {
    let mut rig = Rig::new()?;
    rig.text(ANNA, "1").await?;
    rig.inbox().commit(vec![edit(ANNA, "1", "better")]).await?;
    // In one commit with the message, and by someone who is not its author.
    let events = vec![
        InboundEvent::Message(text_message(BEN, "2", "x")),
        edit(BEN, "2", "y"),
        InboundEvent::Edit {
            chat: ChatId::from_canonical(ANNA),
            sender: ChatId::from_canonical(BEN),
            target_id: "1".to_owned(),
            text: "forged".to_owned(),
        },
    ];
    let report = rig.inbox().commit(events).await?;
    assert_eq!((report.edits_applied, report.edits_dropped), (1, 1));
    rig.reopen()?;
    let batch = rig.inbox().receive(ReceiveRequest::default()).await?;
    let texts: Vec<&str> = batch
        .iter()
        .map(|leased| leased.message.text.as_str())
        .collect();
    assert_eq!(texts, ["better", "y"]);
    let late = rig
        .inbox()
        .commit(vec![edit(ANNA, "1", "late"), edit(ANNA, "?", "x")])
        .await?;
    assert_eq!(late.edits_dropped, 2);
    assert_eq!(rig.inbox().counts().edits_dropped, 3);
    Ok(())
}

#[tokio::test]
async fn a_withdrawn_message_is_never_handed_out() -> Result {
    let mut rig = Rig::new()?;
    rig.text(ANNA, "1").await?;
    let events = vec![
        revoke(ANNA, "1"),
        InboundEvent::Message(text_message(ANNA, "2", "x")),
        revoke(ANNA, "2"),
        // Withdrawn before it arrives.
        revoke(ANNA, "3"),
    ];
    let report = rig.inbox().commit(events).await?;
    assert_eq!((report.revoked, report.revokes_late), (2, 1));
    rig.reopen()?;
    for id in ["1", "2", "3"] {
        assert_eq!(
            rig.commit(&[text_message(ANNA, id, "x")]).await?.duplicates,
            1
        );
    }
    assert_eq!(rig.receive(9).await?, [""; 0]);
    // Too late: the consumer has it, and may ack it.
    rig.text(ANNA, "4").await?;
    rig.receive(9).await?;
    assert_eq!(
        rig.inbox()
            .commit(vec![revoke(ANNA, "4")])
            .await?
            .revokes_late,
        1
    );
    assert_eq!(rig.ack(ANNA, "4").await?, AckOutcome::Acked);
    Ok(())
}

#[tokio::test]
async fn tombstones_are_swept_when_they_are_old() -> Result {
    let rig = Rig::new()?;
    rig.text(ANNA, "1").await?;
    rig.ack(ANNA, "1").await?;
    rig.advance(Duration::from_hours(30 * 24));
    rig.text(ANNA, "2").await?;
    rig.ack(ANNA, "2").await?;
    assert_eq!(rig.inbox().sweep().await?, 0);
    rig.advance(Duration::from_hours(25));
    assert_eq!(rig.inbox().sweep().await?, 1);
    assert!(!rig.inbox().knows(&cursor(ANNA, "1"))?);
    assert!(rig.inbox().knows(&cursor(ANNA, "2"))?);
    assert_eq!(rig.ack(ANNA, "1").await?, AckOutcome::Unknown);
    assert_eq!(rig.ack(ANNA, "2").await?, AckOutcome::AlreadyGone);
    Ok(())
}

#[tokio::test]
async fn an_empty_commit_and_repeated_acks_are_fine() -> Result {
    let rig = Rig::new()?;
    assert_eq!(rig.commit(&[]).await?, CommitReport::default());
    rig.text(ANNA, "1").await?;
    assert_eq!(rig.ack(ANNA, "1").await?, AckOutcome::Acked);
    assert_eq!(rig.ack(ANNA, "1").await?, AckOutcome::AlreadyGone);
    assert_eq!(rig.inbox().ack("").await?, AckOutcome::Unknown);
    assert_eq!(rig.inbox().counts().acked, 1);
    Ok(())
}
