//! Who may ask: weaknesses 9 to 13, 15 and 30.

use std::net::SocketAddr;

use bridge_core::{
    inbox::InboxLimits,
    server::{BridgeServer, ServerError},
};
use serde_json::json;

use crate::rig::{
    ADMIN, ALICE, Account, BOB, Result, Rig, answer, context, context_with, envelope, options,
    text_to,
};

#[tokio::test]
async fn a_rebound_host_name_is_refused() -> Result {
    let rig = Rig::start().await?;
    let request = envelope("receive_batch", json!({}));
    let port = rig.port;
    for (host, expected) in [
        (format!("127.0.0.1:{port}"), 200),
        (format!("localhost:{port}"), 200),
        (format!("evil.example:{port}"), 403),
        ("evil.example".to_owned(), 403),
        ("127.0.0.1:1".to_owned(), 403),
        (format!("192.168.1.2:{port}"), 403),
    ] {
        for path in ["/bridge", "/status", "/healthz"] {
            let method = if path == "/bridge" {
                reqwest::Method::POST
            } else {
                reqwest::Method::GET
            };
            let asked = rig
                .http
                .request(method, rig.url(path))
                .header("host", &host)
                .json(&request);
            let (status, body) = answer(asked).await?;
            assert_eq!(status, expected, "{host} {path}");
            assert_eq!(status == 403, body["error"].is_string(), "{body}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_web_page_can_neither_read_nor_send() -> Result {
    let rig = Rig::start().await?;
    let payload = text_to(
        "whatsapp-personal:default:contact:+15551234567",
        None,
        "ping",
    );
    let request = envelope("send_message", payload);
    let (status, _) = answer(rig.post(&request).header("origin", "https://evil.example")).await?;
    assert_eq!(status, 403);
    let (status, _) = answer(rig.post(&request).header("origin", "null")).await?;
    assert_eq!(status, 403);
    for media_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
    ] {
        let form = rig
            .http
            .post(rig.url("/bridge"))
            .header("content-type", media_type);
        let (status, body) = answer(form.body(request.to_string())).await?;
        assert_eq!(
            (status.as_u16(), body["error"].is_string()),
            (415, true),
            "{media_type}"
        );
    }
    let preflight = rig
        .http
        .request(reqwest::Method::OPTIONS, rig.url("/bridge"));
    let response = preflight
        .header("origin", "http://localhost:3000")
        .send()
        .await?;
    assert_eq!(response.status(), 405);
    assert!(
        response
            .headers()
            .get("access-control-allow-origin")
            .is_none()
    );
    assert!(rig.account().driver.sent().is_empty());
    Ok(())
}

#[tokio::test]
async fn a_bridge_token_is_taken_as_bearer_or_basic_password() -> Result {
    let rig = Rig::with_options(|options| options.bridge_token = Some("let me in".into())).await?;
    let request = envelope("receive_batch", json!({}));
    let ask = || rig.post(&request);
    for (asked, expected) in [
        (ask(), 401),
        (ask().bearer_auth("wrong"), 401),
        (ask().bearer_auth(ADMIN), 401),
        (ask().basic_auth("any", Some("wrong")), 401),
        (ask().basic_auth("let me in", None::<&str>), 401),
        (ask().bearer_auth("let me in"), 200),
        (ask().basic_auth("any", Some("let me in")), 200),
    ] {
        let (status, body) = answer(asked).await?;
        assert_eq!(status, expected, "{body}");
        assert!(!body.to_string().contains("let me in"));
    }
    // Health stays open for supervisors.
    assert_eq!(answer(rig.http.get(rig.url("/healthz"))).await?.0, 200);
    Ok(())
}

#[tokio::test]
async fn the_admin_api_is_closed_without_its_token() -> Result {
    let rig = Rig::start().await?;
    for path in [
        "status",
        "inbox",
        "inbox/message?cursor=x",
        "explain?what=x",
        "quarantine",
        "outbox",
        "chats",
    ] {
        let url = rig.url(&format!("/loong/v1/{path}"));
        for request in [
            rig.http.get(&url),
            rig.http.get(&url).bearer_auth("wrong"),
            rig.http.get(&url).basic_auth("any", Some(ADMIN)),
        ] {
            let (status, body) = answer(request).await?;
            assert_eq!(
                (status.as_u16(), &body["code"]),
                (401, &json!("unauthorized")),
                "{path}"
            );
        }
    }
    for path in [
        "inbox/retry",
        "inbox/drop",
        "typing",
        "mark-read",
        "session/unlink",
        "session/nudge",
    ] {
        let url = rig.url(&format!("/loong/v1/{path}"));
        let (status, _) = answer(rig.http.post(&url).json(&json!({}))).await?;
        assert_eq!(status, 401, "{path}");
        let plain = rig
            .http
            .post(&url)
            .bearer_auth(ADMIN)
            .header("content-type", "text/plain");
        assert_eq!(answer(plain.body("{}")).await?.0, 415, "{path}");
    }
    assert!(!rig.account().driver.unlinked());
    assert_eq!(rig.account().driver.nudges(), 0);
    Ok(())
}

/// What a request says about allowed chats narrows what the bridge allows, and
/// never widens it.
#[tokio::test]
async fn the_requests_list_only_narrows() -> Result {
    let rig = Rig::with_list(&["+15551234567"]).await?;
    rig.account().hear(ALICE, "A1", "allowed").await?;
    rig.account().hear(BOB, "B1", "not allowed").await?;
    let ask = |list| json!({"max_messages": 50, "runtime_context": context_with("default", list)});
    assert!(rig.receive(ask(json!(["+15557654321"]))).await?.is_empty());
    for list in [
        json!(["*"]),
        json!([]),
        json!([ALICE]),
        json!(["+15551234567", BOB]),
    ] {
        let messages = rig.receive(ask(list.clone())).await?;
        assert_eq!(messages.len(), 1, "{list}");
        assert_eq!(messages[0]["text"], "allowed");
    }
    Ok(())
}

#[tokio::test]
async fn an_unset_list_lets_nobody_in() -> Result {
    let rig = Rig::with_list(&[]).await?;
    rig.account().hear(ALICE, "A1", "hello?").await?;
    let payload = json!({"runtime_context": context_with("default", json!(["*"]))});
    assert!(rig.receive(payload).await?.is_empty());
    assert_eq!(rig.account().runtime.inbox.counts().quarantined, 1);
    Ok(())
}

#[tokio::test]
async fn each_account_has_its_own_messages() -> Result {
    let limits = InboxLimits::default;
    let accounts = vec![
        Account::new("default", &["*"], limits())?,
        Account::new("Ops Team", &["*"], limits())?,
    ];
    let rig = Rig::with(accounts, options()).await?;
    rig.accounts[0].hear(ALICE, "A1", "for default").await?;
    rig.accounts[1].hear(ALICE, "A1", "for ops").await?;
    for (account, text) in [("default", "for default"), ("ops-team", "for ops")] {
        let messages = rig
            .receive(json!({"runtime_context": context(account)}))
            .await?;
        assert_eq!(messages[0]["text"], text);
        let id = messages[0]["reply_target"]["id"]
            .as_str()
            .unwrap_or_default();
        assert!(
            id.starts_with(&format!("whatsapp-personal:{account}:")),
            "{id}"
        );
    }
    let (status, body) = rig
        .call("receive_batch", json!({"runtime_context": null}))
        .await?;
    assert_eq!(
        (status.as_u16(), &body["payload"]["code"]),
        (400, &json!("ambiguous_account"))
    );
    let (status, body) = rig
        .call(
            "receive_batch",
            json!({"runtime_context": context("sales")}),
        )
        .await?;
    assert_eq!(status, 404);
    let error = body["error"].as_str().unwrap_or_default();
    assert!(
        error.contains("\"sales\"") && error.contains("default, ops-team"),
        "{error}"
    );
    Ok(())
}

#[tokio::test]
async fn another_account_or_channel_is_refused() -> Result {
    let rig = Rig::start().await?;
    let (status, body) = rig
        .call("receive_batch", json!({"runtime_context": context("ops")}))
        .await?;
    assert_eq!(
        (status.as_u16(), &body["payload"]["code"]),
        (404, &json!("wrong_account"))
    );
    for channel in ["weixin", "telegram"] {
        let mut request = envelope("receive_batch", json!({}));
        request["channel_id"] = json!(channel);
        let (status, body) = answer(rig.post(&request)).await?;
        assert_eq!(
            (status.as_u16(), &body["payload"]["code"]),
            (400, &json!("wrong_channel"))
        );
    }
    let foreign = text_to("whatsapp-personal:ops:contact:+15551234567", None, "hi");
    let (status, body) = rig.call("send_message", foreign).await?;
    assert_eq!(
        (status.as_u16(), &body["payload"]["code"]),
        (400, &json!("wrong_account"))
    );
    Ok(())
}

#[tokio::test]
async fn only_loopback_is_listened_on() {
    for listen in ["0.0.0.0:0", "[::]:0", "192.168.0.1:0"] {
        let mut options = options();
        options.listen = listen.parse::<SocketAddr>().expect("an address");
        let refused = BridgeServer::bind(options).await;
        assert!(
            matches!(refused, Err(ServerError::NotLoopback { .. })),
            "{listen}"
        );
    }
}

#[tokio::test]
async fn a_taken_port_and_a_taken_path_are_named() -> Result {
    let rig = Rig::start().await?;
    let mut second = options();
    second.listen.set_port(rig.port);
    let refused = BridgeServer::bind(second)
        .await
        .expect_err("the port is taken");
    assert!(
        matches!(refused, ServerError::PortTaken { .. }),
        "{refused}"
    );
    for path in ["bridge", "", "/status", "/loong/v1/x", "/a?b"] {
        let mut options = options();
        options.path = path.to_owned();
        assert!(
            matches!(
                BridgeServer::bind(options).await,
                Err(ServerError::Path { .. })
            ),
            "{path}"
        );
    }
    Ok(())
}

/// A path is compared, not matched: signs that mean something to a router do not.
#[tokio::test]
async fn any_path_can_be_the_bridges() -> Result {
    let rig = Rig::with_options(|options| options.path = "/{a}/:b/*c".to_owned()).await?;
    let url = rig.url("/{a}/:b/*c");
    let mut request = reqwest::Request::new(reqwest::Method::POST, url.parse()?);
    // The client escapes braces, so this is another path.
    *request.body_mut() = Some(envelope("receive_batch", json!({})).to_string().into());
    assert_eq!(rig.http.execute(request).await?.status(), 404);
    Ok(())
}
