//! What may be asked without a token, and what the token adds to it.

use std::sync::Arc;

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use hyper::{HeaderMap, StatusCode};
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value, json};

use super::{
    AccountRuntime,
    guard::{Credential, credential},
    reply::{Plain, json_answer},
    shared::{Shared, now_ms},
};
use crate::{
    contract::ContractError,
    state::{LinkCode, SessionState, SessionStatus},
};

/// The process answers; nothing more.
pub(super) async fn alive() -> Response {
    json_answer(StatusCode::OK, &json!({ "ok": true }))
}

/// 200 if every session is online and has proven it lately.
pub(super) async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    let accounts: Vec<_> = shared
        .accounts
        .iter()
        .map(|account| readiness(&shared, account))
        .collect();
    let all = !accounts.is_empty() && accounts.iter().all(|account| account["ready"] == true);
    let status = if all {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    json_answer(status, &json!({ "ready": all, "accounts": accounts }))
}

fn readiness(shared: &Shared, account: &AccountRuntime) -> Value {
    let status = account.driver.status();
    let status = status.borrow();
    json!({
        "channel_id": account.identity.surface.channel_id(),
        "configured_account_id": account.identity.configured,
        "state": status.state.name(),
        "ready": is_ready(shared, &status),
    })
}

fn is_ready(shared: &Shared, status: &SessionStatus) -> bool {
    let within = shared.options.ready_within.as_millis();
    let proven = status
        .proven_at_ms
        .is_some_and(|at| u128::from(now_ms().saturating_sub(at)) <= within);
    status.state == SessionState::Online && proven
}

/// All axes. A wrong token is refused rather than ignored.
pub(super) async fn status(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    match credential(&headers, &shared.options.admin_token, false) {
        Credential::Wrong => Plain(ContractError::Unauthorized {
            what: "the detailed status",
        })
        .into_response(),
        Credential::Absent => json_answer(StatusCode::OK, &describe(&shared, false)),
        Credential::Right => json_answer(StatusCode::OK, &describe(&shared, true)),
    }
}

/// The whole status; `detail` is for the holder of the token.
pub(super) fn describe(shared: &Shared, detail: bool) -> Value {
    let accounts: Vec<_> = shared
        .accounts
        .iter()
        .map(|account| describe_account(shared, account, detail))
        .collect();
    json!({
        "name": "loong",
        "version": env!("CARGO_PKG_VERSION"),
        "contract": crate::contract::CONTRACT,
        "uptime_ms": now_ms().saturating_sub(shared.started_ms),
        "stopping": shared.shutdown.is_cancelled(),
        "accounts": accounts,
    })
}

fn describe_account(shared: &Shared, account: &AccountRuntime, detail: bool) -> Value {
    let receiver = account.driver.status();
    let status = receiver.borrow();
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| members.insert(name.to_owned(), value);
    put("channel_id", account.identity.surface.channel_id().into());
    put(
        "configured_account_id",
        account.identity.configured.as_str().into(),
    );
    put("account_id", account.identity.runtime_id.as_str().into());
    put("state", status.state.name().into());
    put("since_ms", status.since_ms.into());
    put("ready", is_ready(shared, &status).into());
    put("needs_operator", status.state.needs_operator().into());
    put("cause", json!(status.cause));
    put("advice", json!(status.advice));
    put("attempt", status.attempt.into());
    put("retry_at_ms", json!(status.retry_at_ms));
    put("proven_at_ms", json!(status.proven_at_ms));
    put("linked", status.linked.is_some().into());
    if detail {
        put("linked_account", json!(status.linked));
        put("qr", code(status.qr.as_ref()));
        put("pairing_code", code(status.pairing_code.as_ref()));
        put("inbox", json!(account.inbox.counts()));
        put("outbox", json!(account.outbox.counts()));
        put("allowlist", allowlist(account));
    }
    Value::Object(members)
}

fn code(code: Option<&LinkCode>) -> Value {
    code.map_or(
        Value::Null,
        |code| json!({ "code": code.code.expose_secret(), "expires_at_ms": code.expires_at_ms }),
    )
}

fn allowlist(account: &AccountRuntime) -> Value {
    use crate::policy::Allowlist;
    match account.policy.allowlist() {
        Allowlist::Unset => Value::Null,
        Allowlist::Everyone => json!(["*"]),
        Allowlist::Only(entries) => json!(entries),
    }
}
