use super::*;
use crate::{
    inbox::{InboxState, PolicyReport},
    policy::Verdict,
};

fn only(entry: &str) -> Allowlist {
    Allowlist::Only(vec![entry.to_owned()])
}

#[tokio::test]
async fn without_a_list_everything_waits_until_there_is_one() -> Result {
    let mut rig = Rig::with(InboxLimits::default(), Allowlist::Unset)?;
    for (from, id) in [(ANNA, "1"), (BEN, "2"), (ANNA, "3")] {
        rig.text(from, id).await?;
    }
    assert_eq!(rig.receive(9).await?, [""; 0]);
    assert_eq!(rig.inbox().counts().quarantined, 3);
    rig.policy.replace(only("15550000001"));
    let report = rig.inbox().policy_changed().await?;
    assert_eq!(
        report,
        PolicyReport {
            released: 2,
            refused: 1,
            withheld: 0
        }
    );
    rig.reopen()?;
    assert_eq!(rig.receive(9).await?, ["1", "3"]);
    // The refused one left nothing but its tombstone.
    assert!(rig.inbox().show(&cursor(BEN, "2"))?.is_none());
    assert_eq!(
        rig.commit(&[text_message(BEN, "2", "x")]).await?.duplicates,
        1
    );
    assert_eq!(rig.inbox().counts().refused, 1);
    Ok(())
}

#[tokio::test]
async fn a_list_that_was_set_while_the_bridge_was_down_counts() -> Result {
    let mut rig = Rig::with(InboxLimits::default(), Allowlist::Unset)?;
    rig.text(ANNA, "1").await?;
    rig.policy.replace(Allowlist::Everyone);
    rig.reopen()?;
    assert_eq!(rig.receive(9).await?, ["1"]);
    Ok(())
}

#[tokio::test]
async fn a_refused_message_leaves_its_chat_and_no_text() -> Result {
    let rig = Rig::with(InboxLimits::default(), only("15550000001"))?;
    let report = rig.commit(&[text_message(BEN, "1", "secret")]).await?;
    assert_eq!(report.refused, 1);
    assert!(rig.inbox().list(None, 9).is_empty());
    let chats = rig.inbox().chats_seen();
    let seen = chats.first().ok_or("the chat was not noted")?;
    assert_eq!(
        (
            seen.chat.as_str(),
            seen.count,
            seen.last_verdict,
            seen.name.as_deref()
        ),
        (BEN, 1, Verdict::Refuse, Some("Test"))
    );
    Ok(())
}

#[tokio::test]
async fn a_full_quarantine_drops_its_oldest_and_holds_up_nobody() -> Result {
    let limits = InboxLimits {
        max_quarantine: 2,
        max_pending: 1,
        ..InboxLimits::default()
    };
    let rig = Rig::with(limits, Allowlist::Unset)?;
    for id in ["1", "2", "3"] {
        rig.text(ANNA, id).await?;
    }
    let many: Vec<_> = ["4", "5", "6"].map(|id| text_message(BEN, id, "x")).into();
    assert_eq!(rig.commit(&many).await?.crowded_out, 3);
    let left: Vec<_> = rig.inbox().list(Some(InboxState::Quarantined), 9);
    let left: Vec<_> = left.into_iter().map(|item| item.message_id).collect();
    assert_eq!(left, ["5", "6"]);
    assert_eq!(rig.inbox().counts().crowded_out, 4);
    // Released as far as there is room, and the rest when there is.
    rig.policy.replace(Allowlist::Everyone);
    assert_eq!(rig.inbox().policy_changed().await?.released, 1);
    assert_eq!(rig.receive(9).await?, ["5"]);
    rig.ack(BEN, "5").await?;
    assert_eq!(rig.receive(9).await?, ["6"]);
    Ok(())
}

#[tokio::test]
async fn what_was_let_in_is_withheld_but_kept_when_the_list_changes() -> Result {
    let mut rig = Rig::new()?;
    for (from, id) in [(ANNA, "1"), (BEN, "2"), (BEN, "3")] {
        rig.text(from, id).await?;
    }
    // One of them is with a consumer and stays there.
    assert_eq!(rig.receive_as(Some("a"), 1).await?, ["1"]);
    rig.policy.replace(only("15559999999"));
    assert_eq!(rig.inbox().policy_changed().await?.withheld, 2);
    assert_eq!(rig.receive_as(Some("b"), 9).await?, [""; 0]);
    rig.reopen()?;
    assert_eq!(rig.inbox().counts().quarantined, 3);
    rig.policy.replace(Allowlist::Everyone);
    rig.inbox().policy_changed().await?;
    assert_eq!(rig.receive(9).await?, ["1", "2", "3"]);
    Ok(())
}

#[tokio::test]
async fn the_list_of_chats_is_bounded_and_survives() -> Result {
    let limits = InboxLimits {
        max_chats_seen: 2,
        ..InboxLimits::default()
    };
    let mut rig = Rig::with(limits, Allowlist::Everyone)?;
    for (n, from) in [ANNA, BEN, ANNA, "15550000003@s.whatsapp.net"]
        .iter()
        .enumerate()
    {
        rig.text(from, &n.to_string()).await?;
        rig.advance(Duration::from_secs(1));
    }
    rig.reopen()?;
    let seen: Vec<_> = rig
        .inbox()
        .chats_seen()
        .into_iter()
        .map(|s| (s.chat, s.count))
        .collect();
    let chat = ChatId::from_canonical;
    assert_eq!(
        seen,
        [(chat("15550000003@s.whatsapp.net"), 1), (chat(ANNA), 2)]
    );
    Ok(())
}
