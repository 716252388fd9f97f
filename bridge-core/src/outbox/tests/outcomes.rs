use super::*;
use crate::{
    driver::{DeliveryProof, SendFailure, SendOutcome},
    outbox::OutboxState,
    state::SessionState,
};

#[tokio::test]
async fn an_acked_send_says_so() -> Result {
    let rig = Rig::new()?;
    let receipt = rig.send(ANNA, "hello", None).await?;
    assert_eq!((receipt.state, receipt.repeated), (SendState::Acked, false));
    assert_eq!(receipt.reason, None);
    assert_eq!(
        rig.sent(),
        [(receipt.message_ids.join(""), "hello".to_owned())]
    );
    assert_eq!(rig.outbox().counts().acked, 1);
    Ok(())
}

#[tokio::test]
async fn what_was_never_handed_over_is_not_sent_and_can_be_tried_again() -> Result {
    let mut rig = Rig::new()?;
    rig.messenger.set_state(SessionState::Backoff);
    let first = rig.send(ANNA, "hello", Some("k")).await?;
    assert_eq!(first.state, SendState::NotSent);
    assert_eq!(first.reason.as_deref(), Some("the session is backoff"));
    rig.reopen().await?;
    // Nothing is sent later by itself.
    rig.messenger.set_state(SessionState::Online);
    assert_eq!(rig.sent(), []);
    let second = rig.send(ANNA, "hello", Some("k")).await?;
    assert_eq!((second.state, second.repeated), (SendState::Acked, true));
    assert_eq!(second.message_ids, first.message_ids);
    Ok(())
}

#[tokio::test]
async fn a_failure_is_final_and_names_its_kind() -> Result {
    let rig = Rig::new()?;
    let refusals = [
        SendFailure::NoRecipient,
        SendFailure::Refused,
        SendFailure::Invalid,
    ];
    for (n, failure) in refusals.into_iter().enumerate() {
        let reason = "because".to_owned();
        rig.messenger
            .script(SendOutcome::Failed { failure, reason });
        let key = format!("k{n}");
        let receipt = rig.send(ANNA, "x", Some(&key)).await?;
        assert_eq!(receipt.state, SendState::Failed(failure));
        assert_eq!(receipt.reason.as_deref(), Some("because"));
        assert_eq!(rig.send(ANNA, "x", Some(&key)).await?.state, receipt.state);
    }
    assert_eq!(rig.sent().len(), 3);
    Ok(())
}

#[tokio::test]
async fn an_uncertain_send_is_repeated_under_its_id() -> Result {
    let mut rig = Rig::new()?;
    rig.messenger.script(uncertain());
    let first = rig.send(ANNA, "hello", Some("k")).await?;
    assert_eq!(first.state, SendState::Uncertain);
    rig.reopen().await?;
    assert_eq!(rig.outbox().counts().uncertain, 1);
    // That nothing can be sent now does not make it unsent.
    rig.messenger.script(not_sent());
    assert_eq!(
        rig.send(ANNA, "hello", Some("k")).await?.state,
        SendState::Uncertain
    );
    let third = rig.send(ANNA, "hello", Some("k")).await?;
    assert_eq!((third.state, third.repeated), (SendState::Acked, true));
    let id = first.message_ids.join("");
    let hello = (id, "hello".to_owned());
    assert_eq!(rig.sent(), [hello.clone(), hello]);
    assert_eq!(rig.outbox().counts().uncertain, 0);
    Ok(())
}

#[tokio::test]
async fn a_late_proof_settles_what_was_uncertain() -> Result {
    let mut rig = Rig::new()?;
    for (key, proof, state) in [
        ("a", DeliveryProof::ServerAck, SendState::Acked),
        ("b", DeliveryProof::Read, SendState::Acked),
        (
            "c",
            DeliveryProof::ServerRefused,
            SendState::Failed(SendFailure::Refused),
        ),
    ] {
        rig.messenger.script(uncertain());
        let id = rig
            .send(ANNA, "hello", Some(key))
            .await?
            .message_ids
            .join("");
        // The chat may have another address by now.
        let chat = ChatId::from_canonical("77@lid");
        assert!(rig.outbox().proof(&chat, &id, proof).await?);
        assert!(!rig.outbox().proof(&chat, &id, proof).await?, "no news");
        let known = rig.send(ANNA, "hello", Some(key)).await?;
        assert_eq!((known.state, known.repeated), (state, true));
    }
    assert!(
        !rig.outbox()
            .proof(&ChatId::from_canonical(ANNA), "??", DeliveryProof::Read)
            .await?
    );
    assert_eq!(rig.sent().len(), 3);
    rig.reopen().await?;
    assert_eq!(rig.outbox().counts().uncertain, 0);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_caller_is_answered_in_time_and_the_send_goes_on() -> Result {
    let rig = Rig::new()?;
    rig.messenger.hold();
    let started = tokio::time::Instant::now();
    let receipt = rig.send(ANNA, "hello", Some("k")).await?;
    assert!(
        started.elapsed() <= Duration::from_millis(7_500),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(receipt.state, SendState::Uncertain);
    rig.messenger.release();
    assert_eq!(
        rig.send(ANNA, "hello", Some("k")).await?.state,
        SendState::Acked
    );
    Ok(())
}

#[tokio::test]
async fn a_send_that_was_cut_off_by_the_end_of_the_process_is_uncertain() -> Result {
    let mut rig = Rig::new()?;
    rig.messenger.hold();
    {
        let mut call = Box::pin(rig.send(ANNA, "hello", Some("k")));
        assert!(futures_util::poll!(&mut call).is_pending());
        rig.messenger.wait_sent(1).await?;
    }
    assert_eq!(rig.outbox().counts().in_flight, 1);
    rig.reopen().await?;
    rig.messenger.release();
    let item = rig.outbox().show("k")?.ok_or("no record")?.0;
    assert_eq!(item.state, OutboxState::Uncertain);
    let receipt = rig.send(ANNA, "hello", Some("k")).await?;
    assert_eq!(receipt.state, SendState::Acked);
    let ids: Vec<String> = rig.sent().into_iter().map(|(id, _)| id).collect();
    assert_eq!(
        ids,
        [receipt.message_ids.clone(), receipt.message_ids].concat()
    );
    Ok(())
}
