use super::*;
use crate::inbox::InboxState;

async fn explained(rig: &Rig, what: &str) -> Result<String> {
    Ok(rig.inbox().explain(what).await?.join("\n"))
}

#[tokio::test]
async fn parked_messages_can_be_seen_retried_and_dropped() -> Result {
    let mut rig = Rig::new()?;
    for id in ["1", "2"] {
        rig.text(ANNA, id).await?;
        rig.receive(1).await?;
        rig.inbox()
            .fail(&cursor(ANNA, id), "boom", None, true)
            .await?;
    }
    let parked = rig.inbox().list(Some(InboxState::Parked), 9);
    assert_eq!(parked.len(), 2);
    let (item, message) = rig
        .inbox()
        .show(&cursor(ANNA, "1"))?
        .ok_or("nothing shown")?;
    assert_eq!(
        (item.last_error.as_deref(), message.text.as_str()),
        (Some("boom"), "text 1")
    );
    assert!(rig.inbox().retry(&cursor(ANNA, "1")).await?);
    assert!(rig.inbox().drop_message(&cursor(ANNA, "2")).await?);
    assert!(!rig.inbox().drop_message(&cursor(ANNA, "2")).await?);
    assert!(!rig.inbox().retry("wa:nobody:1").await?);
    rig.reopen()?;
    assert_eq!(rig.inbox().counts().dropped, 1);
    assert_eq!(rig.item(ANNA, "1")?.attempts, 0);
    assert_eq!(rig.receive(9).await?, ["1"]);
    assert!(
        !rig.inbox().retry(&cursor(ANNA, "1")).await?,
        "it is leased"
    );
    Ok(())
}

#[tokio::test]
async fn every_fate_is_explained() -> Result {
    let rig = Rig::with(InboxLimits::default(), Allowlist::Unset)?;
    rig.text(ANNA, "1").await?;
    assert!(explained(&rig, "1").await?.contains("no allowlist is set"));
    rig.policy.replace(Allowlist::parse(Some(&["15550000001"])));
    rig.inbox().policy_changed().await?;
    rig.text(ANNA, "2").await?;
    rig.text(BEN, "3").await?;
    rig.advance(Duration::from_secs(75));
    assert!(
        explained(&rig, &cursor(ANNA, "1"))
            .await?
            .contains("for a consumer to fetch it")
    );
    assert!(
        explained(&rig, "2")
            .await?
            .contains("an earlier message of its chat")
    );
    let refused = explained(&rig, "3").await?;
    assert!(
        refused.contains("refused") && refused.contains("1 min 15 s ago"),
        "{refused}"
    );
    rig.receive_as(Some("agent"), 1).await?;
    assert!(
        explained(&rig, "1")
            .await?
            .contains("is with consumer agent")
    );
    rig.inbox()
        .fail(
            &cursor(ANNA, "1"),
            "boom",
            Some(Duration::from_mins(5)),
            false,
        )
        .await?;
    let waiting = explained(&rig, "1").await?;
    assert!(waiting.contains("last error: boom") && waiting.contains("retry in 5 min"));
    rig.ack(ANNA, "1").await?;
    let gone = explained(&rig, &cursor(ANNA, "1")).await?;
    assert!(
        gone.contains("acknowledged by a consumer") && gone.contains("tried once"),
        "{gone}"
    );
    assert_eq!(explained(&rig, "nothing").await?, "");
    // No text, ever.
    for id in ["1", "2", "3"] {
        assert!(!explained(&rig, id).await?.contains(&format!("text {id}")));
    }
    Ok(())
}
