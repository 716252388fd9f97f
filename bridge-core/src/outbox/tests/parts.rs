use super::*;
use crate::{
    driver::{DeliveryProof, SendFailure, SendOutcome},
    state::SessionState,
};

#[tokio::test]
async fn a_long_text_goes_in_order_and_is_acked_as_a_whole() -> Result {
    let rig = Rig::in_parts()?;
    let receipt = rig.send(ANNA, "aaaabbbbcc", None).await?;
    assert_eq!(
        (receipt.state, receipt.message_ids.len()),
        (SendState::Acked, 3)
    );
    assert_eq!(rig.sent_texts(), ["aaaa", "bbbb", "cc"]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn only_what_is_missing_is_sent_again() -> Result {
    let rig = Rig::in_parts()?;
    rig.messenger.script(SendOutcome::Acked { server_ms: None });
    rig.messenger.script(uncertain());
    let first = rig.send(ANNA, "aaaabbbbcc", Some("k")).await?;
    assert_eq!(first.state, SendState::Uncertain);
    assert_eq!(
        first.reason.as_deref(),
        Some("part 2 of 3: no ack within 7 s")
    );
    // The rest waits for a proof of the second part for a while, in vain.
    tokio::time::sleep(Duration::from_secs(40)).await;
    assert_eq!(rig.sent_texts(), ["aaaa", "bbbb"]);
    let second = rig.send(ANNA, "aaaabbbbcc", Some("k")).await?;
    assert_eq!(
        (second.state, &second.message_ids),
        (SendState::Acked, &first.message_ids)
    );
    assert_eq!(rig.sent_texts(), ["aaaa", "bbbb", "bbbb", "cc"]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_proof_lets_the_rest_go_on() -> Result {
    let rig = Rig::in_parts()?;
    rig.messenger.script(uncertain());
    let first = rig.send(ANNA, "aaaabbbb", Some("k")).await?;
    assert_eq!(first.state, SendState::Uncertain);
    let id = first.message_ids.first().ok_or("no parts")?;
    let chat = ChatId::from_canonical(ANNA);
    assert!(
        rig.outbox()
            .proof(&chat, id, DeliveryProof::ServerAck)
            .await?
    );
    let joined = rig.send(ANNA, "aaaabbbb", Some("k")).await?;
    assert_eq!(joined.state, SendState::Acked);
    assert_eq!(rig.sent_texts(), ["aaaa", "bbbb"]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_rest_of_a_text_waits_for_the_session_to_come_back() -> Result {
    let rig = Rig::in_parts()?;
    rig.messenger.script(SendOutcome::Acked { server_ms: None });
    rig.messenger.script(not_sent());
    let receipt = rig.send(ANNA, "aaaabbbb", Some("k")).await?;
    assert_eq!(receipt.state, SendState::Acked);
    rig.messenger.script(SendOutcome::Acked { server_ms: None });
    rig.messenger.script(not_sent());
    let (receipt, ()) = tokio::join!(rig.send(ANNA, "ccccdddd", Some("l")), async {
        let _parts = rig.messenger.wait_sent(3).await;
        rig.messenger.set_state(SessionState::Backoff);
    });
    assert_eq!(receipt?.state, SendState::Uncertain);
    rig.messenger.set_state(SessionState::Online);
    assert_eq!(
        rig.send(ANNA, "ccccdddd", Some("l")).await?.state,
        SendState::Acked
    );
    assert_eq!(rig.sent_texts(), ["aaaa", "bbbb", "cccc", "dddd"]);
    Ok(())
}

#[tokio::test]
async fn a_refused_part_ends_the_text() -> Result {
    let rig = Rig::in_parts()?;
    rig.messenger.script(SendOutcome::Acked { server_ms: None });
    rig.messenger.script(SendOutcome::Failed {
        failure: SendFailure::Invalid,
        reason: "no".to_owned(),
    });
    let receipt = rig.send(ANNA, "aaaabbbbcccc", None).await?;
    assert_eq!(receipt.state, SendState::Failed(SendFailure::Invalid));
    assert_eq!(receipt.reason.as_deref(), Some("part 2 of 3: no"));
    assert_eq!(rig.sent_texts(), ["aaaa", "bbbb"]);
    Ok(())
}

#[tokio::test]
async fn sends_to_one_chat_do_not_mix_and_others_do_not_wait() -> Result {
    let rig = Rig::in_parts()?;
    rig.messenger.hold();
    let (first, second, third) = (
        rig.send(ANNA, "a1a1a2a2", None),
        rig.send(ANNA, "b1b1b2b2", None),
        rig.send(BEN, "c1", None),
    );
    let release = async {
        // The first of each chat, whatever the second one wants.
        let sent = rig.messenger.wait_sent(2).await;
        rig.messenger.release();
        sent
    };
    let (first, second, third, sent) = tokio::join!(first, second, third, release);
    assert_eq!(sent?.len(), 2);
    for receipt in [first?, second?, third?] {
        assert_eq!(receipt.state, SendState::Acked);
    }
    let texts = rig.sent_texts();
    let anna: Vec<&str> = texts
        .iter()
        .map(String::as_str)
        .filter(|text| *text != "c1")
        .collect();
    assert_eq!(anna, ["a1a1", "a2a2", "b1b1", "b2b2"]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_send_that_does_not_get_its_turn_is_not_sent() -> Result {
    let rig = Rig::in_parts()?;
    rig.messenger.hold();
    let (first, second) = tokio::join!(
        rig.send(ANNA, "aaaabbbb", Some("a")),
        rig.send(ANNA, "late", Some("b")),
    );
    assert_eq!(first?.state, SendState::Uncertain);
    let second = second?;
    assert_eq!(second.state, SendState::NotSent);
    assert!(
        second
            .reason
            .is_some_and(|reason| reason.contains("still on their way"))
    );
    rig.messenger.release();
    assert_eq!(
        rig.send(ANNA, "aaaabbbb", Some("a")).await?.state,
        SendState::Acked
    );
    assert!(
        !rig.sent_texts().contains(&"late".to_owned()),
        "it was said not to be sent"
    );
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_chat_is_written_to_at_a_bearable_pace() -> Result {
    let mut rig = Rig::in_parts()?;
    rig.pace = Pace {
        burst: 2,
        every: Duration::from_secs(1),
    };
    rig.reopen().await?;
    let started = tokio::time::Instant::now();
    let receipt = rig.send(ANNA, "aaaabbbbccccdddd", None).await?;
    assert_eq!(receipt.state, SendState::Acked);
    let took = started.elapsed();
    assert!((2..3).contains(&took.as_secs()), "{took:?}");
    Ok(())
}
