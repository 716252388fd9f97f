//! Health and status: weakness 23.

use bridge_core::{
    clock::{Clock as _, SystemClock},
    state::{LinkCode, LinkedAccount, SessionState},
};
use serde_json::json;

use crate::rig::{ADMIN, ALICE, Result, Rig, answer};

#[tokio::test]
async fn ready_means_online_and_proven_lately() -> Result {
    let rig = Rig::start().await?;
    let driver = &rig.account().driver;
    let ready = || async { answer(rig.http.get(rig.url("/readyz"))).await };
    assert_eq!(answer(rig.http.get(rig.url("/healthz"))).await?.0, 200);
    assert_eq!(ready().await?.0, 503, "never proven");
    driver.modify_status(|status| status.proven_at_ms = Some(SystemClock.now_ms()));
    let (status, body) = ready().await?;
    assert_eq!((status.as_u16(), &body["ready"]), (200, &json!(true)));
    driver.modify_status(|status| status.proven_at_ms = Some(SystemClock.now_ms() - 3_600_000));
    assert_eq!(ready().await?.0, 503, "proven an hour ago");
    driver.modify_status(|status| status.proven_at_ms = Some(SystemClock.now_ms()));
    driver.set_state(SessionState::Backoff);
    let (status, body) = ready().await?;
    assert_eq!(
        (status.as_u16(), &body["accounts"][0]["state"]),
        (503, &json!("backoff"))
    );
    assert_eq!(answer(rig.http.get(rig.url("/healthz"))).await?.0, 200);
    Ok(())
}

#[tokio::test]
async fn secrets_are_only_for_the_holder_of_the_token() -> Result {
    let rig = Rig::start().await?;
    rig.account().hear(ALICE, "A1", "hello").await?;
    let driver = &rig.account().driver;
    driver.set_state(SessionState::Unlinked);
    driver.modify_status(|status| {
        let code = |text: &str| {
            Some(LinkCode {
                code: text.into(),
                expires_at_ms: 5,
            })
        };
        status.qr = code("2@secret-qr");
        status.pairing_code = code("ABCD1234");
        status.advice = Some("scan the code".to_owned());
        status.linked = Some(LinkedAccount {
            address: ALICE.to_owned(),
            hidden_address: None,
            name: Some("Somebody".to_owned()),
        });
    });
    let (status, open) = answer(rig.http.get(rig.url("/status"))).await?;
    assert_eq!(status, 200);
    let account = &open["accounts"][0];
    assert_eq!(
        (&account["state"], &account["advice"]),
        (&json!("unlinked"), &json!("scan the code"))
    );
    for secret in ["secret-qr", "ABCD1234", "15551234567", "Somebody", ADMIN] {
        assert!(!open.to_string().contains(secret), "{secret}");
    }
    let (_, detail) = answer(rig.http.get(rig.url("/status")).bearer_auth(ADMIN)).await?;
    let account = &detail["accounts"][0];
    assert_eq!(
        account["qr"],
        json!({"code": "2@secret-qr", "expires_at_ms": 5})
    );
    assert_eq!(account["pairing_code"]["code"], "ABCD1234");
    assert_eq!(account["linked_account"]["name"], "Somebody");
    assert_eq!(account["inbox"]["pending"], 1);
    assert_eq!(account["allowlist"], json!(["*"]));
    let wrong = rig.http.get(rig.url("/status")).bearer_auth("wrong");
    assert_eq!(answer(wrong).await?.0, 401);
    Ok(())
}
