//! The admin API with its token.

use bridge_core::{driver::SendOutcome, message::ChatId};
use reqwest::Method;
use serde_json::json;

use crate::rig::{ALICE, BOB, Result, Rig, text_to};

const TO_ALICE: &str = "whatsapp-personal:default:contact:+15551234567";

#[tokio::test]
async fn messages_can_be_listed_shown_explained_retried_and_dropped() -> Result {
    let rig = Rig::start().await?;
    rig.account().hear(ALICE, "A1", "a secret text").await?;
    let cursor = "wa:15551234567@s.whatsapp.net:A1";
    let (status, body) = rig.admin(Method::GET, "inbox", None).await?;
    assert_eq!(status, 200);
    assert_eq!(
        (&body["counts"]["pending"], &body["items"][0]["cursor"]),
        (&json!(1), &json!(cursor))
    );
    assert!(!body.to_string().contains("a secret text"));
    let show = format!("inbox/message?cursor={cursor}");
    let (_, body) = rig.admin(Method::GET, &show, None).await?;
    assert_eq!(body["message"]["text"], "a secret text");
    let (_, body) = rig.admin(Method::GET, "explain?what=A1", None).await?;
    assert!(
        body["lines"]
            .as_array()
            .is_some_and(|lines| !lines.is_empty()),
        "{body}"
    );

    let message = rig.receive(json!({})).await?;
    let failed =
        json!({"failed": [{"cursor": message[0]["delivery"]["ack_cursor"], "park": true}]});
    rig.call("complete_batch", failed).await?;
    let (_, body) = rig
        .admin(Method::GET, "inbox?state=parked&limit=5", None)
        .await?;
    assert_eq!(body["items"][0]["state"], "parked");
    assert!(rig.receive(json!({})).await?.is_empty());
    let of_message = || Some(json!({"cursor": cursor}));
    assert_eq!(
        rig.admin(Method::POST, "inbox/retry", of_message())
            .await?
            .0,
        200
    );
    assert_eq!(rig.receive(json!({})).await?.len(), 1);
    assert_eq!(
        rig.admin(Method::POST, "inbox/drop", of_message()).await?.0,
        200
    );
    let (status, body) = rig.admin(Method::POST, "inbox/drop", of_message()).await?;
    assert_eq!((status.as_u16(), &body["code"]), (404, &json!("not_found")));
    assert_eq!(rig.admin(Method::GET, &show, None).await?.0, 404);
    Ok(())
}

#[tokio::test]
async fn quarantine_and_chats_show_who_wrote() -> Result {
    let rig = Rig::with_list(&[]).await?;
    rig.account().hear(BOB, "B1", "hello?").await?;
    let (_, body) = rig.admin(Method::GET, "quarantine", None).await?;
    assert_eq!(body["items"][0]["chat"], BOB);
    assert!(!body.to_string().contains("hello?"));
    let (_, body) = rig.admin(Method::GET, "chats", None).await?;
    assert_eq!(
        body["chats"][0]["target"],
        "whatsapp-personal:default:contact:+15557654321"
    );
    assert_eq!(body["chats"][0]["last_verdict"], "quarantine");
    Ok(())
}

#[tokio::test]
async fn sends_can_be_listed_and_shown() -> Result {
    let rig = Rig::start().await?;
    rig.account().driver.script(SendOutcome::Uncertain {
        reason: "no answer".to_owned(),
    });
    rig.call(
        "send_message",
        text_to(TO_ALICE, Some("k1"), "a secret text"),
    )
    .await?;
    let (_, body) = rig.admin(Method::GET, "outbox", None).await?;
    assert_eq!(
        (&body["items"][0]["key"], &body["items"][0]["state"]),
        (&json!("k1"), &json!("uncertain"))
    );
    assert!(!body.to_string().contains("a secret text"));
    let (_, body) = rig
        .admin(Method::GET, "outbox/message?key=k1", None)
        .await?;
    assert_eq!(body["unsent_texts"], json!(["a secret text"]));
    assert_eq!(
        rig.admin(Method::GET, "outbox/message?key=k2", None)
            .await?
            .0,
        404
    );
    Ok(())
}

#[tokio::test]
async fn the_messenger_can_be_reached() -> Result {
    let rig = Rig::start().await?;
    let alice = ChatId::from_canonical(ALICE);
    let driver = &rig.account().driver;
    let typing = json!({"target": TO_ALICE, "active": true});
    assert_eq!(
        rig.admin(Method::POST, "typing", Some(typing)).await?.0,
        200
    );
    assert_eq!(driver.typed(), [(alice.clone(), true)]);
    let read = json!({"target": TO_ALICE, "ids": ["A1", "A2"]});
    assert_eq!(
        rig.admin(Method::POST, "mark-read", Some(read)).await?.0,
        200
    );
    assert_eq!(
        driver.marked_read(),
        [(alice, vec!["A1".to_owned(), "A2".to_owned()])]
    );
    assert_eq!(
        rig.admin(Method::POST, "session/nudge", Some(json!({})))
            .await?
            .0,
        200
    );
    assert_eq!(driver.nudges(), 1);
    assert_eq!(
        rig.admin(Method::POST, "session/unlink", Some(json!({})))
            .await?
            .0,
        200
    );
    assert!(driver.unlinked());
    Ok(())
}

#[tokio::test]
async fn bad_requests_are_named() -> Result {
    let rig = Rig::start().await?;
    for path in [
        "inbox?limit=x",
        "inbox?state=odd",
        "inbox/message",
        "explain",
        "inbox?channel=odd",
    ] {
        let (status, body) = rig.admin(Method::GET, path, None).await?;
        assert_eq!(
            (status.as_u16(), body["error"].is_string()),
            (400, true),
            "{path}"
        );
    }
    assert_eq!(
        rig.admin(Method::GET, "inbox?account=ops", None).await?.0,
        404
    );
    for (path, body) in [
        ("typing", json!({})),
        ("typing", json!({"target": "contact:+1"})),
        ("mark-read", json!({"target": TO_ALICE, "ids": []})),
        ("inbox/drop", json!(null)),
    ] {
        let (status, answered) = rig.admin(Method::POST, path, Some(body)).await?;
        assert_eq!(status, 400, "{path}: {answered}");
    }
    Ok(())
}
