//! The exchanges of the contract, request by request as the original client
//! writes them.

use bridge_core::{
    driver_memory::{group_message, text_message},
    message::{ChatId, ContentKind, InboundEvent},
};
use serde_json::{Value, json};

use crate::{
    client::{Batch, Inbound, Platform},
    rig::{ALICE, BOB, Result, Rig, answer, context, envelope, text_to},
};

const GROUP: &str = "120363025246125486@g.us";

#[tokio::test]
async fn a_send_is_answered_as_in_the_contract() -> Result {
    let rig = Rig::start().await?;
    let payload = text_to(
        "whatsapp-personal:default:contact:+15551234567",
        None,
        "ping",
    );
    let (status, body) = rig.call("send_message", payload).await?;
    assert_eq!(status, 200);
    assert_eq!(body["method"], "tools/call");
    assert_eq!(
        body["id"],
        "whatsapp-personal-bridge:whatsapp-personal:send_message"
    );
    let sent = rig.account().driver.sent();
    assert_eq!(
        (sent[0].chat.as_str(), sent[0].text.as_str()),
        (ALICE, "ping")
    );
    let payload = &body["payload"];
    assert_eq!(payload["ok"], true);
    assert_eq!(payload["state"], "acked");
    assert_eq!(payload["repeated"], false);
    assert_eq!(payload["message_id"], sent[0].message_id.as_str());
    assert_eq!(payload["message_ids"], json!([sent[0].message_id]));
    Ok(())
}

#[tokio::test]
async fn a_message_has_every_member_of_the_contract() -> Result {
    let rig = Rig::start().await?;
    rig.account().hear(ALICE, "3EB0C0FFEE", "hi there").await?;
    let (status, body) = rig.call("receive_batch", json!({})).await?;
    assert_eq!(status, 200);
    assert_eq!(
        body["id"],
        "whatsapp-personal-bridge:whatsapp-personal:receive_batch"
    );
    let cursor = "wa:15551234567@s.whatsapp.net:3EB0C0FFEE";
    let expected = json!([{
        "session": {
            "platform": "whatsapp",
            "configured_account_id": "default",
            "account_id": "whatsapp_personal_127-0-0-1-39731",
            "conversation_id": ALICE,
            "participant_id": null,
            "thread_id": null,
            "identity_participant_scoped": false,
            "identity_thread_scoped": false,
            "sender_name": "Test",
            "chat_name": null,
        },
        "reply_target": {
            "platform": "whatsapp",
            "kind": "conversation",
            "id": "whatsapp-personal:default:contact:+15551234567",
            "options": {
                "idempotency_key": cursor,
                "feishu_receive_id_type": null,
                "feishu_reply_in_thread": null,
                "feishu_reply_chat_id": null,
            },
        },
        "text": "hi there",
        "delivery": {
            "ack_cursor": cursor,
            "source_message_id": "3EB0C0FFEE",
            "sender_principal_key": ALICE,
            "thread_root_id": null,
            "parent_message_id": null,
            "resources": [],
            "feishu_callback": null,
            "acp_bootstrap_mcp_servers": [],
            "acp_working_directory": null,
            "timestamp_ms": 1_790_000_000_000_u64,
            "content_kind": "text",
            "mentioned": false,
            "note_to_self": false,
            "attempt": 1,
        },
    }]);
    assert_eq!(body["payload"]["messages"], expected);
    assert_eq!(body["payload"]["bridge"]["name"], "loong");
    Ok(())
}

#[tokio::test]
async fn a_turn_of_the_original_client_ends_with_an_empty_inbox() -> Result {
    let rig = Rig::start().await?;
    rig.account().hear(ALICE, "A1", "hi there").await?;
    let (_, body) = rig.call("receive_batch", json!({})).await?;
    let batch: Batch = serde_json::from_value(body["payload"].clone())?;
    // The client sends back what it decoded, with our own members dropped.
    let message = serde_json::to_value(&batch.messages[0])?;
    let reply = json!({
        "target": message["reply_target"],
        "message": { "Text": "hello, how can I help?" },
    });
    let (status, body) = rig.call("send_message", reply.clone()).await?;
    assert_eq!(
        (status.as_u16(), &body["payload"]["ok"]),
        (200, &json!(true))
    );
    // The ack was lost, so it works the answer out again: nothing is sent twice.
    let mut again = reply;
    again["message"]["Text"] = json!("another wording");
    let (status, body) = rig.call("send_message", again).await?;
    assert_eq!(
        (status.as_u16(), &body["payload"]["repeated"]),
        (200, &json!(true))
    );
    assert_eq!(rig.account().driver.sent().len(), 1);
    for outcome in ["acked", "already_gone"] {
        let (status, body) = rig.ack(&message).await?;
        assert_eq!(status, 200);
        assert_eq!(body["payload"], json!({"ok": true, "outcome": outcome}));
    }
    let (status, body) = rig.call("complete_batch", json!({})).await?;
    assert_eq!(
        (status.as_u16(), &body["payload"]),
        (200, &json!({"ok": true}))
    );
    assert!(rig.receive(json!({})).await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn the_original_client_decodes_everything_we_emit() -> Result {
    let rig = Rig::start().await?;
    let mut quoting = group_message(GROUP, BOB, "G1", "in a group");
    quoting.quoted_id = Some("G0".to_owned());
    quoting.mentions_me = true;
    quoting.content = ContentKind::Image;
    let mut bare = text_message("77@lid", "L1", "[sticker]");
    bare.sender_name = None;
    bare.content = ContentKind::Sticker;
    bare.note_to_self = true;
    bare.chat_aliases = vec![ChatId::from_canonical(ALICE)];
    let events = [quoting, bare].map(InboundEvent::Message).to_vec();
    rig.account().driver.inject(events).await?;
    let (_, body) = rig
        .call("receive_batch", json!({"max_messages": 50}))
        .await?;
    let batch: Batch = serde_json::from_value(body["payload"].clone())?;
    let [group, hidden]: [Inbound; 2] = batch
        .messages
        .try_into()
        .map_err(|got| format!("not two messages: {got:?}"))?;
    assert_eq!(group.session.platform, Platform::WhatsApp);
    assert_eq!(group.session.conversation_id, GROUP);
    assert_eq!(group.session.participant_id.as_deref(), Some(BOB));
    assert_eq!(
        group.reply_target.id,
        format!("whatsapp-personal:default:group:{GROUP}")
    );
    assert_eq!(group.delivery.parent_message_id.as_deref(), Some("G0"));
    assert_eq!(
        hidden.reply_target.id,
        "whatsapp-personal:default:contact:77@lid"
    );
    let delivery = &body["payload"]["messages"][0]["delivery"];
    assert_eq!(
        (&delivery["mentioned"], &delivery["content_kind"]),
        (&json!(true), &json!("image"))
    );
    assert_eq!(
        body["payload"]["messages"][0]["session"]["chat_name"],
        "Test group"
    );
    Ok(())
}

#[tokio::test]
async fn the_identity_is_ours_if_the_request_has_none() -> Result {
    let rig = Rig::start().await?;
    rig.account().hear(ALICE, "A1", "hi").await?;
    let messages = rig.receive(json!({"runtime_context": null})).await?;
    assert_eq!(messages[0]["session"]["configured_account_id"], "default");
    assert_eq!(messages[0]["session"]["account_id"], "own_runtime_id");
    Ok(())
}

/// Weakness 42 and everything like it: whatever is no request is a 400 in the
/// shape of a failure.
#[tokio::test]
async fn garbage_is_a_400_with_an_error() -> Result {
    let rig = Rig::start().await?;
    for body in [
        "null",
        "",
        "[]",
        "5",
        "{",
        "{}",
        "\"x\"",
        r#"{"operation":"receive_batch","payload":7}"#,
    ] {
        let request = rig
            .http
            .post(rig.url("/bridge"))
            .header("content-type", "application/json");
        let (status, answered) = answer(request.body(body)).await?;
        assert_eq!(status, 400, "{body}");
        assert!(answered["error"].is_string(), "{answered}");
        assert_eq!(answered["error"], answered["payload"]["error"]);
        assert_eq!(answered["method"], "tools/call");
    }
    Ok(())
}

#[tokio::test]
async fn an_unknown_operation_is_refused_by_name_and_echoed() -> Result {
    let rig = Rig::start().await?;
    let mut request = envelope("poke", json!({}));
    request["id"] = json!("x");
    let (status, body) = answer(rig.post(&request)).await?;
    assert_eq!(status, 400);
    assert_eq!(
        (&body["id"], &body["method"]),
        (&json!("x"), &json!("tools/call"))
    );
    assert_eq!(body["payload"]["error"], "unsupported operation poke");
    Ok(())
}

/// A client that compares `method` and `id` is content with every answer.
#[tokio::test]
async fn every_answer_echoes_method_and_id() -> Result {
    let rig = Rig::start().await?;
    let message = json!({"delivery": {"ack_cursor": "wa:nobody:nothing"}});
    let cases: [(&str, Value, u16); 7] = [
        ("receive_batch", json!({}), 200),
        ("complete_batch", json!({}), 200),
        ("ack_inbound", json!({"message": message}), 200),
        ("ack_inbound", json!({}), 400),
        ("send_message", json!({}), 400),
        (
            "receive_batch",
            json!({"runtime_context": context("other")}),
            404,
        ),
        ("receive_batch", json!({"wait_ms": "soon"}), 400),
    ];
    for (operation, payload, expected) in cases {
        let request = envelope(operation, payload);
        let (status, body) = answer(rig.post(&request)).await?;
        assert_eq!(status, expected, "{operation}: {body}");
        assert_eq!(
            (&body["method"], &body["id"]),
            (&request["method"], &request["id"])
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_query_string_is_tolerated_and_other_paths_are_not() -> Result {
    let rig = Rig::start().await?;
    let request = envelope("receive_batch", json!({}));
    let (status, _) = answer(rig.http.post(rig.url("/bridge?x=1")).json(&request)).await?;
    assert_eq!(status, 200);
    for path in [
        "/",
        "/bridge/",
        "/Bridge",
        "/bridge/x",
        "/loong/v1/nothing",
        "/loong/v2",
    ] {
        let (status, body) = answer(rig.http.post(rig.url(path)).json(&request)).await?;
        assert_eq!(
            (status.as_u16(), &body["error"]),
            (404, &json!("not_found")),
            "{path}"
        );
    }
    for path in ["/bridge", "/loong/v1/typing"] {
        let (status, body) = answer(rig.http.get(rig.url(path))).await?;
        assert_eq!(
            (status.as_u16(), &body["error"]),
            (405, &json!("method_not_allowed")),
            "{path}"
        );
    }
    Ok(())
}
