//! `send_message`: what becomes of it, and what is refused.

use bridge_core::{
    driver::{SendFailure, SendOutcome},
    state::SessionState,
};
use serde_json::{Value, json};

use crate::rig::{ALICE, Result, Rig, answer, context_with, envelope, text_to};

const TO_ALICE: &str = "whatsapp-personal:default:contact:+15551234567";

async fn send(rig: &Rig, key: Option<&str>) -> Result<(u16, Value)> {
    let (status, body) = rig
        .call("send_message", text_to(TO_ALICE, key, "ping"))
        .await?;
    Ok((status.as_u16(), body))
}

#[tokio::test]
async fn every_outcome_has_its_status() -> Result {
    let rig = Rig::start().await?;
    let reason = || "because".to_owned();
    let failed = |failure| SendOutcome::Failed {
        failure,
        reason: reason(),
    };
    for (outcome, status, code) in [
        (
            SendOutcome::NotSent { reason: reason() },
            503,
            "unavailable",
        ),
        (
            SendOutcome::Uncertain { reason: reason() },
            504,
            "uncertain",
        ),
        (failed(SendFailure::NoRecipient), 422, "send_failed"),
        (failed(SendFailure::Refused), 422, "send_failed"),
        (failed(SendFailure::Invalid), 422, "send_failed"),
    ] {
        rig.account().driver.script(outcome);
        let (given, body) = send(&rig, None).await?;
        assert_eq!(
            (given, &body["payload"]["code"]),
            (status, &json!(code)),
            "{body}"
        );
        assert!(
            body["error"]
                .as_str()
                .is_some_and(|text| text.contains("because")),
            "{body}"
        );
    }
    Ok(())
}

/// Weakness 37: a repeat under the same key is a retransmission or nothing.
#[tokio::test]
async fn an_uncertain_send_can_be_repeated() -> Result {
    let rig = Rig::start().await?;
    rig.account().driver.script(SendOutcome::Uncertain {
        reason: "no answer".to_owned(),
    });
    let (status, body) = send(&rig, Some("k1")).await?;
    assert_eq!(status, 504);
    assert_eq!(body["payload"]["idempotency_key"], "k1");
    assert!(
        body["error"]
            .as_str()
            .is_some_and(|text| text.contains("safe")),
        "{body}"
    );
    let (status, body) = send(&rig, Some("k1")).await?;
    assert_eq!((status, &body["payload"]["repeated"]), (200, &json!(true)));
    let sent = rig.account().driver.sent();
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[0].message_id, sent[1].message_id);
    let (status, _) = send(&rig, Some("k1")).await?;
    assert_eq!((status, rig.account().driver.sent().len()), (200, 2));
    Ok(())
}

#[tokio::test]
async fn the_header_is_a_key_as_well() -> Result {
    let rig = Rig::start().await?;
    let request = envelope("send_message", text_to(TO_ALICE, None, "ping"));
    for repeated in [false, true] {
        let (status, body) = answer(rig.post(&request).header("idempotency-key", "h1")).await?;
        assert_eq!(
            (status.as_u16(), &body["payload"]["repeated"]),
            (200, &json!(repeated))
        );
    }
    assert_eq!(rig.account().driver.sent().len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_key_for_another_chat_is_a_conflict() -> Result {
    let rig = Rig::start().await?;
    assert_eq!(send(&rig, Some("k1")).await?.0, 200);
    let other = text_to(
        "whatsapp-personal:default:contact:+15557654321",
        Some("k1"),
        "ping",
    );
    let (status, body) = rig.call("send_message", other).await?;
    assert_eq!(
        (status.as_u16(), &body["payload"]["code"]),
        (409, &json!("key_conflict"))
    );
    assert_eq!(rig.account().driver.sent().len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_session_that_is_not_online_sends_nothing_later() -> Result {
    let rig = Rig::start().await?;
    for state in [
        SessionState::Unlinked,
        SessionState::Backoff,
        SessionState::LoggedOut,
    ] {
        rig.account().driver.set_state(state);
        let (status, body) = send(&rig, Some("k1")).await?;
        assert_eq!(
            (status, &body["payload"]["state"]),
            (503, &json!(state.name()))
        );
        let error = body["error"].as_str().unwrap_or_default();
        assert!(error.contains("; "), "no next step: {error}");
    }
    rig.account().driver.set_state(SessionState::Online);
    assert!(rig.account().driver.sent().is_empty());
    assert_eq!(send(&rig, Some("k1")).await?.0, 200);
    assert_eq!(rig.account().driver.sent().len(), 1);
    Ok(())
}

/// Weakness 38 and the rest of what cannot be sent.
#[tokio::test]
async fn what_is_no_text_for_a_chat_is_a_400() -> Result {
    let rig = Rig::start().await?;
    let good = || text_to(TO_ALICE, None, "ping");
    let change = |path: &[&str], value: Value| {
        let mut payload = good();
        let member = path.iter().fold(&mut payload, |at, name| &mut at[*name]);
        *member = value;
        payload
    };
    for (payload, word) in [
        (change(&["message", "Text"], json!("  \n")), "blank"),
        (
            change(&["message"], json!({"MarkdownCard": "x"})),
            "MarkdownCard",
        ),
        (
            change(&["message"], json!({"Image": {"image_key": "k"}})),
            "Image",
        ),
        (change(&["message"], json!({"Sticker": "k"})), "Text"),
        (change(&["message"], json!(null)), "message"),
        (change(&["target", "platform"], json!("weixin")), "platform"),
        (change(&["target", "kind"], json!("address")), "kind"),
        (
            change(&["target", "id"], json!("contact:+15551234567")),
            "form",
        ),
        (
            change(
                &["target", "id"],
                json!("whatsapp-personal:default:newsletter:1"),
            ),
            "kind",
        ),
        (
            change(
                &["target", "id"],
                json!("whatsapp-personal:default:contact:0123"),
            ),
            "country code",
        ),
        (
            change(
                &["target", "id"],
                json!("whatsapp-personal:default:contact:15551234567:3@s.whatsapp.net"),
            ),
            "15551234567@s.whatsapp.net\"",
        ),
    ] {
        let (status, body) = rig.call("send_message", payload).await?;
        assert_eq!(status, 400, "{body}");
        assert!(
            body["error"]
                .as_str()
                .is_some_and(|text| text.contains(word)),
            "{word}: {body}"
        );
    }
    assert!(rig.account().driver.sent().is_empty());
    Ok(())
}

#[tokio::test]
async fn a_configured_list_binds_sends_and_an_unset_one_does_not() -> Result {
    let rig = Rig::with_list(&["+15557654321"]).await?;
    let (status, body) = send(&rig, None).await?;
    assert_eq!(
        (status, &body["payload"]["code"]),
        (403, &json!("not_allowed"))
    );
    let allowed = text_to(
        "whatsapp-personal:default:contact:+1 555 765-4321",
        None,
        "ping",
    );
    assert_eq!(rig.call("send_message", allowed).await?.0, 200);

    let rig = Rig::with_list(&[]).await?;
    assert_eq!(send(&rig, None).await?.0, 200);
    let mut narrowed = text_to(TO_ALICE, None, "ping");
    narrowed["runtime_context"] = context_with("default", json!(["+15557654321"]));
    assert_eq!(rig.call("send_message", narrowed.clone()).await?.0, 403);
    narrowed["runtime_context"] = context_with("default", json!([ALICE]));
    assert_eq!(rig.call("send_message", narrowed).await?.0, 200);
    Ok(())
}
