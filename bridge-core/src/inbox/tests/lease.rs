use super::*;
use crate::inbox::{Cursor, InboxState};

#[tokio::test]
async fn a_lease_ends_when_its_consumer_comes_back() -> Result {
    let rig = Rig::new()?;
    rig.text(ANNA, "1").await?;
    rig.text(BEN, "2").await?;
    assert_eq!(rig.receive(9).await?, ["1", "2"]);
    // Others get nothing of it meanwhile.
    assert_eq!(rig.receive_as(Some("other"), 9).await?, [""; 0]);
    assert_eq!(rig.inbox().counts().leased, 2);
    // Only the head used up an attempt; it steps back behind what is fresh.
    assert_eq!(rig.receive(9).await?, ["2"]);
    assert_eq!(rig.item(ANNA, "1")?.attempts, 1);
    assert_eq!(rig.item(BEN, "2")?.attempts, 0);
    rig.ack(BEN, "2").await?;
    assert_eq!(rig.receive(9).await?, ["1"]);
    Ok(())
}

#[tokio::test]
async fn leases_that_are_held_go_on_and_their_chats_are_left_out() -> Result {
    let rig = Rig::new()?;
    for (from, id) in [(ANNA, "1"), (ANNA, "2"), (BEN, "3")] {
        rig.text(from, id).await?;
    }
    assert_eq!(rig.receive(1).await?, ["1"]);
    rig.advance(rig.limits.lease / 2);
    let holding = ReceiveRequest {
        holding: vec![
            Cursor::from(cursor(ANNA, "1")),
            Cursor::from("wa:unknown:1"),
        ],
        ..ReceiveRequest::default()
    };
    assert_eq!(ids(&rig.inbox().receive(holding).await?), ["3"]);
    // Prolonged: past its first end it still is leased.
    rig.advance(rig.limits.lease / 2 + Duration::from_secs(1));
    assert_eq!(rig.receive_as(Some("other"), 9).await?, [""; 0]);
    assert_eq!(rig.item(ANNA, "1")?.attempts, 0);
    // Someone else cannot hold it.
    let stranger = ReceiveRequest {
        consumer: Some("other".to_owned()),
        holding: vec![Cursor::from(cursor(ANNA, "1"))],
        ..ReceiveRequest::default()
    };
    assert_eq!(ids(&rig.inbox().receive(stranger.clone()).await?), [""; 0]);
    rig.advance(rig.limits.lease / 2);
    assert_eq!(ids(&rig.inbox().receive(stranger).await?), ["1", "2"]);
    Ok(())
}

#[tokio::test]
async fn a_lease_times_out() -> Result {
    let rig = Rig::new()?;
    rig.text(ANNA, "1").await?;
    rig.receive(1).await?;
    rig.advance(rig.limits.lease - Duration::from_millis(1));
    assert_eq!(rig.receive_as(Some("b"), 1).await?, [""; 0]);
    rig.advance(Duration::from_millis(1));
    assert_eq!(rig.inbox().counts().pending, 1);
    assert_eq!(rig.receive_as(Some("b"), 1).await?, ["1"]);
    // Also when the clock goes back.
    rig.clock.set(START_MS - 86_400_000);
    assert_eq!(rig.receive_as(Some("c"), 1).await?, ["1"]);
    Ok(())
}

#[tokio::test]
async fn a_chat_is_never_worked_on_twice_at_a_time() -> Result {
    let rig = Rig::new()?;
    for (from, id) in [(ANNA, "1"), (ANNA, "2"), (BEN, "3"), (ANNA, "4")] {
        rig.text(from, id).await?;
    }
    assert_eq!(rig.receive_as(Some("a"), 2).await?, ["1", "2"]);
    assert_eq!(rig.receive_as(Some("b"), 9).await?, ["3"]);
    rig.ack(ANNA, "1").await?;
    assert_eq!(rig.receive_as(Some("c"), 9).await?, [""; 0]);
    rig.ack(ANNA, "2").await?;
    assert_eq!(rig.receive_as(Some("c"), 9).await?, ["4"]);
    Ok(())
}

#[tokio::test]
async fn a_retry_that_waits_holds_back_its_chat_only() -> Result {
    let rig = Rig::new()?;
    for (from, id) in [(ANNA, "1"), (ANNA, "2"), (BEN, "3")] {
        rig.text(from, id).await?;
    }
    rig.receive(1).await?;
    let later = Some(Duration::from_secs(30));
    rig.inbox()
        .fail(&cursor(ANNA, "1"), "busy", later, false)
        .await?;
    assert_eq!(rig.receive(9).await?, ["3"]);
    rig.ack(BEN, "3").await?;
    assert_eq!(rig.receive(9).await?, [""; 0]);
    rig.advance(Duration::from_secs(30));
    assert_eq!(rig.receive(9).await?, ["1", "2"]);
    assert_eq!(rig.item(ANNA, "1")?.last_error.as_deref(), Some("busy"));
    Ok(())
}

#[tokio::test]
async fn nothing_is_leased_after_a_restart() -> Result {
    let mut rig = Rig::new()?;
    rig.text(ANNA, "1").await?;
    rig.receive(1).await?;
    rig.reopen()?;
    assert_eq!(rig.item(ANNA, "1")?.state, InboxState::Pending);
    assert_eq!(rig.receive_as(Some("b"), 1).await?, ["1"]);
    Ok(())
}

#[tokio::test]
async fn a_request_narrows_to_chats_and_never_widens() -> Result {
    let rig = Rig::with(
        InboxLimits::default(),
        Allowlist::parse(Some(&["+15550000001"])),
    )?;
    rig.text(ANNA, "1").await?;
    rig.text(BEN, "2").await?;
    let only = |entry: &str| ReceiveRequest {
        allowed: rig.policy.narrowing(Some(&[entry])),
        ..ReceiveRequest::default()
    };
    assert_eq!(
        ids(&rig.inbox().receive(only("15550000002")).await?),
        [""; 0]
    );
    assert_eq!(
        ids(&rig.inbox().receive(only("+1 555 000-0001")).await?),
        ["1"]
    );
    assert_eq!(ids(&rig.inbox().receive(only("*")).await?), ["1"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_poll_wakes_on_a_commit_and_on_a_release() -> Result {
    let rig = Arc::new(Rig::new()?);
    let wait = |consumer: &str| {
        let (rig, consumer) = (Arc::clone(&rig), Some(consumer.to_owned()));
        tokio::spawn(async move {
            let request = ReceiveRequest {
                consumer,
                wait: Duration::from_secs(20),
                ..ReceiveRequest::default()
            };
            rig.inbox().receive(request).await.map(|batch| ids(&batch))
        })
    };
    let limit = Duration::from_secs(10);
    let first = wait("a");
    rig.text(ANNA, "1").await?;
    assert_eq!(tokio::time::timeout(limit, first).await???, ["1"]);
    let second = wait("b");
    rig.inbox()
        .fail(&cursor(ANNA, "1"), "no", Some(Duration::ZERO), false)
        .await?;
    assert_eq!(tokio::time::timeout(limit, second).await???, ["1"]);
    // A newer call of the same consumer sends the older one home, which ends
    // nothing and takes nothing.
    let third = wait("c");
    let fourth = wait("c");
    let ended = tokio::time::timeout(limit, futures_util::future::select(third, fourth)).await?;
    let (ended, other) = ended.factor_first();
    assert_eq!(ended??, [""; 0]);
    rig.text(BEN, "2").await?;
    assert_eq!(tokio::time::timeout(limit, other).await???, ["2"]);
    Ok(())
}

#[tokio::test]
async fn a_call_that_is_dropped_while_it_waits_leases_nothing() -> Result {
    let rig = Rig::new()?;
    let request = ReceiveRequest {
        wait: Duration::from_secs(20),
        ..ReceiveRequest::default()
    };
    {
        let mut call = Box::pin(rig.inbox().receive(request));
        assert!(futures_util::poll!(&mut call).is_pending());
        rig.text(ANNA, "1").await?;
    }
    assert_eq!(rig.item(ANNA, "1")?.state, InboxState::Pending);
    assert_eq!(rig.receive_as(Some("b"), 1).await?, ["1"]);
    assert_eq!(rig.item(ANNA, "1")?.attempts, 0);
    Ok(())
}
