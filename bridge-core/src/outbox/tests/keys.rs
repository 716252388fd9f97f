use super::*;
use crate::state::SessionState;

#[tokio::test]
async fn a_repeated_key_returns_the_first_result() -> Result {
    let mut rig = Rig::new()?;
    let first = rig.send(ANNA, "hello", Some("k")).await?;
    rig.reopen().await?;
    let second = rig.send(ANNA, "hello", Some("k")).await?;
    assert_eq!(
        second,
        SendReceipt {
            repeated: true,
            ..first.clone()
        }
    );
    // An answer that was worked out again is not sent again.
    let other = rig.send(ANNA, "hello again", Some("k")).await?;
    assert_eq!(
        other,
        SendReceipt {
            repeated: true,
            other_text: true,
            ..first
        }
    );
    assert_eq!(rig.sent_texts(), ["hello"]);
    Ok(())
}

#[tokio::test]
async fn an_uncertain_text_stays_and_an_unsent_one_is_replaced() -> Result {
    let rig = Rig::new()?;
    rig.messenger.script(uncertain());
    rig.send(ANNA, "one", Some("k")).await?;
    let again = rig.send(ANNA, "two", Some("k")).await?;
    assert!(again.other_text && again.state == SendState::Acked);
    assert_eq!(rig.sent_texts(), ["one", "one"]);
    rig.messenger.set_state(SessionState::Connecting);
    let unsent = rig.send(ANNA, "three", Some("l")).await?;
    rig.messenger.set_state(SessionState::Online);
    let sent = rig.send(ANNA, "four", Some("l")).await?;
    assert_eq!(
        (sent.state, &sent.message_ids),
        (SendState::Acked, &unsent.message_ids)
    );
    assert_eq!(rig.sent_texts(), ["one", "one", "four"]);
    Ok(())
}

#[tokio::test]
async fn a_key_cannot_move_to_another_chat() -> Result {
    let rig = Rig::new()?;
    rig.send(ANNA, "hello", Some("k")).await?;
    let moved = rig.send(BEN, "hello", Some("k")).await;
    assert!(matches!(moved, Err(OutboxError::KeyConflict)), "{moved:?}");
    assert_eq!(rig.sent().len(), 1);
    Ok(())
}

#[tokio::test]
async fn requests_that_cannot_be_sends_are_refused() -> Result {
    let rig = Rig::new()?;
    let blank = rig.send(ANNA, " \n", None).await;
    assert!(matches!(blank, Err(OutboxError::BlankText)), "{blank:?}");
    for key in [String::new(), "k".repeat(513)] {
        let bad = rig.send(ANNA, "x", Some(&key)).await;
        assert!(matches!(bad, Err(OutboxError::BadKey { .. })), "{bad:?}");
    }
    rig.outbox().close(Duration::ZERO).await;
    let closed = rig.send(ANNA, "x", None).await;
    assert!(matches!(closed, Err(OutboxError::Closed)), "{closed:?}");
    Ok(())
}

#[tokio::test]
async fn without_a_key_every_call_is_its_own_send() -> Result {
    let rig = Rig::new()?;
    let first = rig.send(ANNA, "hello", None).await?;
    let second = rig.send(ANNA, "hello", None).await?;
    assert_ne!(first.key, second.key);
    assert_eq!(rig.sent().len(), 2);
    // What nobody can repeat is not kept.
    rig.messenger.set_state(SessionState::Backoff);
    rig.send(ANNA, "hello", None).await?;
    assert_eq!(rig.outbox().list(9).await?.len(), 2);
    Ok(())
}

#[tokio::test]
async fn calls_with_one_key_at_the_same_time_share_one_send() -> Result {
    let rig = Rig::new()?;
    rig.messenger.hold();
    let calls = (0..5).map(|_| rig.send(ANNA, "hello", Some("k")));
    let all = futures_util::future::try_join_all(calls);
    let release = async {
        let sent = rig.messenger.wait_sent(1).await;
        rig.messenger.release();
        sent
    };
    let (receipts, sent) = tokio::join!(all, release);
    assert_eq!(sent?.len(), 1);
    let receipts = receipts?;
    assert!(
        receipts
            .iter()
            .all(|receipt| receipt.state == SendState::Acked)
    );
    assert_eq!(
        receipts.iter().filter(|receipt| receipt.repeated).count(),
        4
    );
    assert_eq!(rig.sent().len(), 1);
    Ok(())
}
