//! The admin API under `/loong/v1`, for the holder of the admin token (Bearer).
//!
//! `channel` and `account` choose the account where there are several; in the
//! query of a GET, in the JSON body of a POST. Errors are `{"error","code"}`.
//!
//! | Request | Answer |
//! |---|---|
//! | `GET status` | as `/status` with all details |
//! | `GET inbox?state=&limit=` | `{"counts","items"}`; no texts |
//! | `GET inbox/message?cursor=` | `{"item","message"}` with the text |
//! | `POST inbox/retry {"cursor"}` | `{"ok":true}` |
//! | `POST inbox/drop {"cursor"}` | `{"ok":true}` |
//! | `GET explain?what=` | `{"lines"}`: what happened to a cursor or message id |
//! | `GET quarantine?limit=` | `{"counts","items"}` |
//! | `GET outbox?limit=` | `{"counts","items"}`; no texts |
//! | `GET outbox/message?key=` | `{"item","unsent_texts"}`; a key or a message id |
//! | `GET chats` | `{"chats"}`: who wrote, allowed or not |
//! | `POST typing {"target","active"}` | `{"ok":true}` |
//! | `POST mark-read {"target","sender"?,"ids"}` | `{"ok":true}` |
//! | `POST session/unlink {}` | `{"ok":true}` |
//! | `POST session/nudge {}` | `{"ok":true}` |

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Query, Request, State, rejection::QueryRejection},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use hyper::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    AccountRuntime, admin_session, body,
    guard::{self, Credential},
    health,
    operations::{outbox_error, store},
    reply::Plain,
    shared::Shared,
};
use crate::{
    contract::ContractError,
    inbox::{InboxItem, InboxState},
    message::InboundMessage,
    target::kind_name,
};

/// How many records a list has if the request does not say.
const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1000;

pub(super) type Answer = Result<Json<Value>, Plain>;
pub(super) type Server = State<Arc<Shared>>;
type Params = Result<Query<ListParams>, QueryRejection>;

pub(super) fn router(shared: &Arc<Shared>) -> Router<Arc<Shared>> {
    Router::new()
        .route("/status", get(status))
        .route("/inbox", get(inbox))
        .route("/inbox/message", get(inbox_message))
        .route("/inbox/retry", post(retry))
        .route("/inbox/drop", post(drop_message))
        .route("/explain", get(explain))
        .route("/quarantine", get(quarantine))
        .route("/outbox", get(outbox))
        .route("/outbox/message", get(outbox_message))
        .route("/chats", get(chats))
        .route("/typing", post(admin_session::typing))
        .route("/mark-read", post(admin_session::mark_read))
        .route("/session/unlink", post(admin_session::unlink))
        .route("/session/nudge", post(admin_session::nudge))
        .route_layer(from_fn_with_state(Arc::clone(shared), admit))
}

/// Token, content type, admission and time limit.
async fn admit(State(shared): Server, request: Request, next: Next) -> Response {
    match admitted(&shared, request, next).await {
        Ok(response) => response,
        Err(error) => Plain(error).into_response(),
    }
}

async fn admitted(
    shared: &Shared,
    request: Request,
    next: Next,
) -> Result<Response, ContractError> {
    if guard::credential(request.headers(), &shared.options.admin_token, false) != Credential::Right
    {
        return Err(ContractError::Unauthorized {
            what: "the admin api",
        });
    }
    if request.method() == Method::POST {
        guard::check_media_type(request.headers())?;
    }
    let _permit = shared.admit()?;
    let seconds = shared.deadline().as_secs();
    let served = tokio::time::timeout(shared.deadline(), next.run(request)).await;
    served.map_err(|_late| ContractError::Deadline { seconds })
}

/// The members of all queries.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ListParams {
    channel: Option<String>,
    account: Option<String>,
    state: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
    key: Option<String>,
    what: Option<String>,
}

impl ListParams {
    fn limit(&self) -> usize {
        self.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT)
    }
}

fn query(
    shared: &Shared,
    params: Params,
) -> Result<(Arc<AccountRuntime>, ListParams), ContractError> {
    let Query(params) = params.map_err(|error| ContractError::malformed(error.body_text()))?;
    let account = find(shared, params.channel.as_deref(), params.account.as_deref())?;
    Ok((account, params))
}

pub(super) fn find(
    shared: &Shared,
    channel: Option<&str>,
    account: Option<&str>,
) -> Result<Arc<AccountRuntime>, ContractError> {
    shared
        .accounts
        .find(shared.accounts.surface(channel)?, account)
}

fn needed<'a>(member: Option<&'a str>, name: &str) -> Result<&'a str, ContractError> {
    let given = member.filter(|text| !text.is_empty());
    given.ok_or_else(|| ContractError::malformed(format!("parameter {name} is missing")))
}

/// Reads the JSON body of a POST.
pub(super) async fn read<T: serde::de::DeserializeOwned>(
    shared: &Shared,
    request: Request,
) -> Result<T, ContractError> {
    let bytes = body::read(request.into_body(), &shared.options.limits).await?;
    serde_json::from_slice(&bytes).map_err(|error| ContractError::malformed(error.to_string()))
}

async fn status(State(shared): Server) -> Json<Value> {
    Json(health::describe(&shared, true))
}

async fn inbox(State(shared): Server, params: Params) -> Answer {
    let (account, params) = query(&shared, params)?;
    let state = params.state.as_deref().map(inbox_state).transpose()?;
    Ok(Json(list(&account, state, params.limit())))
}

async fn quarantine(State(shared): Server, params: Params) -> Answer {
    let (account, params) = query(&shared, params)?;
    Ok(Json(list(
        &account,
        Some(InboxState::Quarantined),
        params.limit(),
    )))
}

fn list(account: &AccountRuntime, state: Option<InboxState>, limit: usize) -> Value {
    json!({ "counts": account.inbox.counts(), "items": account.inbox.list(state, limit) })
}

fn inbox_state(name: &str) -> Result<InboxState, ContractError> {
    match name {
        "pending" => Ok(InboxState::Pending),
        "leased" => Ok(InboxState::Leased),
        "parked" => Ok(InboxState::Parked),
        "quarantined" => Ok(InboxState::Quarantined),
        _ => Err(ContractError::malformed(
            "parameter state must be pending, leased, parked or quarantined",
        )),
    }
}

async fn inbox_message(State(shared): Server, params: Params) -> Answer {
    let (account, params) = query(&shared, params)?;
    let cursor = needed(params.cursor.as_deref(), "cursor")?;
    let found = account.inbox.show(cursor).map_err(|error| store(&error))?;
    let (item, message) = found.ok_or_else(|| no_message(cursor))?;
    Ok(Json(show(&item, &message)))
}

fn show(item: &InboxItem, message: &InboundMessage) -> Value {
    json!({
        "item": item,
        "message": {
            "chat": message.chat,
            "chat_name": message.chat_name,
            "sender": message.sender,
            "sender_name": message.sender_name,
            "text": message.text,
            "content_kind": message.content,
            "timestamp_ms": message.timestamp_ms,
            "quoted_id": message.quoted_id,
            "mentioned": message.mentions_me,
            "note_to_self": message.note_to_self,
        },
    })
}

fn no_message(cursor: &str) -> ContractError {
    ContractError::NoRecord {
        what: "message",
        name: cursor.chars().take(200).collect(),
    }
}

#[derive(Debug, Deserialize)]
struct OfMessage {
    channel: Option<String>,
    account: Option<String>,
    cursor: String,
}

async fn retry(State(shared): Server, request: Request) -> Answer {
    let asked: OfMessage = read(&shared, request).await?;
    let account = find(&shared, asked.channel.as_deref(), asked.account.as_deref())?;
    done(
        account
            .inbox
            .retry(&asked.cursor)
            .await
            .map_err(|error| store(&error))?,
        &asked.cursor,
    )
}

async fn drop_message(State(shared): Server, request: Request) -> Answer {
    let asked: OfMessage = read(&shared, request).await?;
    let account = find(&shared, asked.channel.as_deref(), asked.account.as_deref())?;
    done(
        account
            .inbox
            .drop_message(&asked.cursor)
            .await
            .map_err(|error| store(&error))?,
        &asked.cursor,
    )
}

fn done(found: bool, cursor: &str) -> Answer {
    if found {
        Ok(Json(json!({ "ok": true })))
    } else {
        Err(no_message(cursor).into())
    }
}

async fn explain(State(shared): Server, params: Params) -> Answer {
    let (account, params) = query(&shared, params)?;
    let what = needed(params.what.as_deref(), "what")?;
    let lines = account
        .inbox
        .explain(what)
        .await
        .map_err(|error| store(&error))?;
    if lines.is_empty() {
        Err(no_message(what).into())
    } else {
        Ok(Json(json!({ "lines": lines })))
    }
}

async fn outbox(State(shared): Server, params: Params) -> Answer {
    let (account, params) = query(&shared, params)?;
    let items = account
        .outbox
        .list(params.limit())
        .await
        .map_err(|error| outbox_error(&error))?;
    Ok(Json(
        json!({ "counts": account.outbox.counts(), "items": items }),
    ))
}

async fn outbox_message(State(shared): Server, params: Params) -> Answer {
    let (account, params) = query(&shared, params)?;
    let key = needed(params.key.as_deref(), "key")?;
    let found = account
        .outbox
        .show(key)
        .map_err(|error| outbox_error(&error))?;
    let (item, unsent) = found.ok_or_else(|| ContractError::NoRecord {
        what: "sent message",
        name: key.chars().take(200).collect(),
    })?;
    Ok(Json(json!({ "item": item, "unsent_texts": unsent })))
}

async fn chats(State(shared): Server, params: Params) -> Answer {
    let (account, _) = query(&shared, params)?;
    let identity = &account.identity;
    let describe = |seen: crate::inbox::SeenChat| {
        let kind = kind_name(identity.surface, seen.chat_kind);
        let route = account.driver.display(&seen.chat);
        let channel = identity.surface.channel_id();
        let mut value = json!(seen);
        value["target"] = format!("{channel}:{}:{kind}:{route}", identity.configured).into();
        value
    };
    let chats: Vec<Value> = account
        .inbox
        .chats_seen()
        .into_iter()
        .map(describe)
        .collect();
    Ok(Json(json!({ "chats": chats })))
}
