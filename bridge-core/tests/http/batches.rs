//! `receive_batch`, `ack_inbound` and `complete_batch` beyond the golden path.

use std::{sync::Arc, time::Duration};

use bridge_core::{inbox::InboxLimits, state::SessionState};
use serde_json::{Value, json};
use tokio::{task::JoinHandle, time::timeout};

use crate::rig::{ALICE, Account, BOB, PATIENCE, Result, Rig, answer, envelope, options};

fn texts(messages: &[Value]) -> Vec<&str> {
    messages
        .iter()
        .filter_map(|message| message["text"].as_str())
        .collect()
}

/// Sends a long poll on its own task, and another request after it. The tests do
/// not depend on which of them arrives first.
async fn poll(rig: &Arc<Rig>, payload: Value) -> Result<JoinHandle<(u16, Value)>> {
    let waiting = Arc::clone(rig);
    let request = rig.post(&envelope("receive_batch", payload));
    let task = tokio::spawn(async move {
        let _rig = waiting;
        let answered = answer(request).await;
        answered.map_or((0, Value::Null), |(status, body)| (status.as_u16(), body))
    });
    rig.call("complete_batch", json!({})).await?;
    Ok(task)
}

async fn end(task: JoinHandle<(u16, Value)>) -> Result<(u16, Value)> {
    Ok(timeout(PATIENCE, task).await??)
}

#[tokio::test]
async fn a_client_without_our_members_gets_one_message_at_a_time() -> Result {
    let rig = Rig::start().await?;
    rig.account().hear(ALICE, "A1", "one").await?;
    rig.account().hear(ALICE, "A2", "two").await?;
    let first = rig.receive(json!({})).await?;
    assert_eq!(texts(&first), ["one"]);
    // Not acked: it comes again, as its second attempt.
    let again = rig.receive(json!({})).await?;
    assert_eq!(texts(&again), ["one"]);
    assert_eq!(again[0]["delivery"]["attempt"], 2);
    assert_eq!(rig.ack(&again[0]).await?.0, 200);
    assert_eq!(texts(&rig.receive(json!({})).await?), ["two"]);
    Ok(())
}

#[tokio::test]
async fn consumers_do_not_get_each_others_messages() -> Result {
    let rig = Rig::start().await?;
    rig.account().hear(ALICE, "A1", "one").await?;
    rig.account().hear(BOB, "B1", "two").await?;
    let ask = |consumer: &str| json!({"consumer": consumer, "max_messages": 1});
    let first = rig.receive(ask("first")).await?;
    let second = rig.receive(ask("second")).await?;
    assert_eq!((texts(&first), texts(&second)), (vec!["one"], vec!["two"]));
    assert!(rig.receive(ask("third")).await?.is_empty());
    let keep = json!({"consumer": "first", "holding": [first[0]["delivery"]["ack_cursor"]]});
    assert!(rig.receive(keep).await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn concurrent_consumers_share_the_messages_without_overlap() -> Result {
    let rig = Arc::new(Rig::start().await?);
    for number in 0..40 {
        let from = format!("1555000{number:04}@s.whatsapp.net");
        rig.account()
            .hear(&from, &format!("M{number}"), "text")
            .await?;
    }
    let mut consumers = tokio::task::JoinSet::new();
    for name in 0..8 {
        let rig = Arc::clone(&rig);
        consumers.spawn(async move {
            let ask = json!({"consumer": format!("c{name}"), "max_messages": 5});
            rig.receive(ask).await.map_err(|error| error.to_string())
        });
    }
    let mut cursors = std::collections::BTreeSet::new();
    while let Some(batch) = consumers.join_next().await {
        for message in batch?? {
            assert!(
                cursors.insert(message["delivery"]["ack_cursor"].to_string()),
                "handed out twice"
            );
        }
    }
    assert_eq!(cursors.len(), 40);
    Ok(())
}

#[tokio::test]
async fn a_long_poll_wakes_up_for_a_message() -> Result {
    let rig = Arc::new(Rig::start().await?);
    let waiting = poll(&rig, json!({"wait_ms": 25_000})).await?;
    rig.account().hear(ALICE, "A1", "wake up").await?;
    let (status, body) = end(waiting).await?;
    assert_eq!(status, 200);
    assert_eq!(body["payload"]["messages"][0]["text"], "wake up");
    let features = body["payload"]["bridge"]["features"].as_array();
    for feature in ["wait_ms", "max_messages", "consumer", "holding", "failed"] {
        assert!(
            features.is_some_and(|all| all.contains(&json!(feature))),
            "{feature}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_long_poll_ends_empty_when_its_time_is_up() -> Result {
    let rig = Rig::start().await?;
    let started = tokio::time::Instant::now();
    assert!(rig.receive(json!({"wait_ms": 300})).await?.is_empty());
    assert!(started.elapsed() >= Duration::from_millis(300));
    Ok(())
}

/// Weakness 18: a dead session is not a quiet one.
#[tokio::test]
async fn a_session_that_needs_the_operator_is_an_error_with_advice() -> Result {
    let rig = Rig::start().await?;
    for state in [
        SessionState::LoggedOut,
        SessionState::Replaced,
        SessionState::Banned,
        SessionState::Outdated,
        SessionState::Paused,
    ] {
        rig.account().driver.set_state(state);
        let (status, body) = rig.call("receive_batch", json!({})).await?;
        assert_eq!(status, 503, "{state:?}");
        assert_eq!(body["payload"]["state"], state.name());
        let error = body["error"].as_str().unwrap_or_default();
        assert!(error.contains("look at the session"), "{error}");
    }
    for state in [
        SessionState::Starting,
        SessionState::Unlinked,
        SessionState::Pairing,
        SessionState::Connecting,
        SessionState::Syncing,
        SessionState::Backoff,
    ] {
        rig.account().driver.set_state(state);
        assert!(rig.receive(json!({})).await?.is_empty(), "{state:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_long_poll_ends_when_the_session_is_lost() -> Result {
    let rig = Arc::new(Rig::start().await?);
    let waiting = poll(&rig, json!({"wait_ms": 25_000})).await?;
    rig.account().driver.set_state(SessionState::LoggedOut);
    let (status, body) = end(waiting).await?;
    assert_eq!(
        (status, &body["payload"]["state"]),
        (503, &json!("logged_out"))
    );
    Ok(())
}

/// Only a consumer makes room, so a full inbox is still handed out.
#[tokio::test]
async fn a_full_inbox_can_be_emptied() -> Result {
    let limits = InboxLimits {
        max_pending: 1,
        ..InboxLimits::default()
    };
    let rig = Rig::with(vec![Account::new("default", &["*"], limits)?], options()).await?;
    rig.account().hear(ALICE, "A1", "one").await?;
    assert!(rig.account().hear(BOB, "B1", "two").await.is_err());
    rig.account().driver.set_state(SessionState::Paused);
    let messages = rig.receive(json!({})).await?;
    assert_eq!(texts(&messages), ["one"]);
    rig.ack(&messages[0]).await?;
    assert_eq!(rig.call("receive_batch", json!({})).await?.0, 503);
    rig.account().hear(BOB, "B1", "two").await?;
    Ok(())
}

#[tokio::test]
async fn a_reported_failure_parks_or_delays() -> Result {
    let rig = Rig::start().await?;
    rig.account().hear(ALICE, "A1", "bad").await?;
    rig.account().hear(BOB, "B1", "later").await?;
    let batch = rig.receive(json!({"max_messages": 50})).await?;
    let cursor = |at: usize| batch[at]["delivery"]["ack_cursor"].clone();
    let failed = json!({"failed": [
        {"cursor": cursor(0), "error": "cannot parse", "park": true},
        {"cursor": cursor(1), "error": "busy", "retry_after_ms": 3_600_000},
        {"cursor": "wa:nobody:nothing"},
    ]});
    let (status, body) = rig.call("complete_batch", failed).await?;
    assert_eq!(
        (status.as_u16(), &body["payload"]),
        (200, &json!({"ok": true}))
    );
    assert!(rig.receive(json!({})).await?.is_empty());
    let counts = rig.account().runtime.inbox.counts();
    assert_eq!((counts.parked, counts.pending), (1, 1));
    for failed in [json!({}), json!([{}]), json!([{"cursor": 5}]), json!("x")] {
        let (status, _) = rig
            .call("complete_batch", json!({"failed": failed}))
            .await?;
        assert_eq!(status, 400, "{failed}");
    }
    Ok(())
}

#[tokio::test]
async fn an_unknown_cursor_is_acked() -> Result {
    let rig = Rig::start().await?;
    let (status, body) = rig
        .ack(&json!({"delivery": {"ack_cursor": "wa:x:y"}}))
        .await?;
    assert_eq!(
        (status.as_u16(), &body["payload"]["outcome"]),
        (200, &json!("unknown"))
    );
    Ok(())
}
