use super::*;
use crate::inbox::InboxState;

/// One attempt that comes to nothing, and a while.
async fn in_vain(rig: &Rig) -> Result<Vec<String>> {
    let got = rig.receive(1).await?;
    rig.advance(Duration::from_mins(5));
    Ok(got)
}

#[tokio::test]
async fn an_outage_of_the_consumer_parks_nothing() -> Result {
    let rig = Rig::new()?;
    rig.text(ANNA, "1").await?;
    rig.text(BEN, "2").await?;
    for _ in 0..50 {
        assert_eq!(in_vain(&rig).await?.len(), 1);
    }
    rig.receive(1).await?;
    assert_eq!(rig.inbox().counts().parked, 0);
    assert!(rig.item(ANNA, "1")?.attempts > 10);
    Ok(())
}

#[tokio::test]
async fn what_fails_while_others_are_answered_is_parked() -> Result {
    let rig = Rig::new()?;
    rig.text(ANNA, "poison").await?;
    let mut handed_out = 0;
    for n in 0..60 {
        let id = n.to_string();
        rig.text(BEN, &id).await?;
        // The original client: in order, stops at the first failure.
        for got in rig.receive(4).await? {
            if got == "poison" {
                handed_out += 1;
                break;
            }
            rig.ack(BEN, &got).await?;
        }
        rig.advance(Duration::from_mins(1));
    }
    let item = rig.item(ANNA, "poison")?;
    assert_eq!(item.state, InboxState::Parked);
    assert!(item.last_error.is_some());
    assert!((5..=8).contains(&handed_out), "{handed_out}");
    let counts = rig.inbox().counts();
    assert!(counts.acked >= 59, "others were held up: {counts:?}");
    Ok(())
}

#[tokio::test]
async fn a_message_that_fails_does_not_keep_others_from_being_answered() -> Result {
    let rig = Rig::new()?;
    rig.text(ANNA, "poison").await?;
    rig.text(BEN, "1").await?;
    assert_eq!(rig.receive(4).await?, ["poison", "1"]);
    // Not acked, for the client stopped at the first.
    assert_eq!(rig.receive(4).await?, ["1"]);
    Ok(())
}

#[tokio::test]
async fn a_reported_failure_parks_at_once_or_when_it_is_worn_out() -> Result {
    let mut rig = Rig::new()?;
    rig.text(ANNA, "1").await?;
    rig.text(ANNA, "2").await?;
    rig.receive(1).await?;
    rig.inbox()
        .fail(&cursor(ANNA, "1"), "unreadable", None, true)
        .await?;
    rig.reopen()?;
    let item = rig.item(ANNA, "1")?;
    assert_eq!((item.state, item.attempts), (InboxState::Parked, 1));
    // A parked message does not hold up its chat.
    for round in 0..5 {
        assert_eq!(rig.receive(1).await?, ["2"], "round {round}");
        rig.inbox()
            .fail(&cursor(ANNA, "2"), "broken", None, false)
            .await?;
        rig.advance(Duration::from_mins(3));
    }
    assert_eq!(rig.item(ANNA, "2")?.state, InboxState::Parked);
    assert_eq!(rig.receive(1).await?, [""; 0]);
    // Ignored: gone, unknown, parked already.
    rig.ack(ANNA, "1").await?;
    for id in ["1", "2", "?"] {
        rig.inbox()
            .fail(&cursor(ANNA, id), "x", None, false)
            .await?;
    }
    assert_eq!(rig.item(ANNA, "2")?.attempts, 5);
    Ok(())
}

#[tokio::test]
async fn failures_in_a_short_time_do_not_park() -> Result {
    let rig = Rig::new()?;
    rig.text(ANNA, "1").await?;
    for _ in 0..20 {
        assert_eq!(rig.receive(1).await?, ["1"]);
        rig.inbox()
            .fail(&cursor(ANNA, "1"), "x", Some(Duration::ZERO), false)
            .await?;
    }
    assert_eq!(rig.item(ANNA, "1")?.state, InboxState::Pending);
    Ok(())
}
