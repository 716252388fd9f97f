//! Which path leads where.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse as _, Response},
    routing::get,
};
use hyper::{
    Method, StatusCode,
    header::{ALLOW, HeaderValue},
};

use super::{
    admin, body,
    guard::{self, Credential, Transport},
    health, operations,
    options::ADMIN_PREFIX,
    reply::{Plain, enveloped, json_answer},
    shared::Shared,
};
use crate::contract::{ContractError, Echo, Envelope};

pub(super) fn router(shared: &Arc<Shared>) -> Router {
    Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/status", get(health::status))
        .nest(ADMIN_PREFIX, admin::router(shared))
        .fallback(elsewhere)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(Arc::clone(shared), check_source))
        .with_state(Arc::clone(shared))
}

async fn check_source(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let transport = request
        .extensions()
        .get()
        .copied()
        .unwrap_or(Transport::Tcp);
    match guard::check_source(transport, request.uri(), request.headers(), shared.port) {
        Ok(()) => next.run(request).await,
        Err(error) if is_bridge(&shared, &request) => enveloped(&Echo::default(), &error),
        Err(error) => Plain(error).into_response(),
    }
}

fn is_bridge(shared: &Shared, request: &Request) -> bool {
    request.uri().path() == shared.options.path
}

async fn wrong_method() -> Plain {
    Plain(ContractError::MethodNotAllowed)
}

/// The contract's path is configurable, so it is compared here and is not a
/// route: a router would read special characters in it as a pattern.
async fn elsewhere(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    if !is_bridge(&shared, &request) {
        return Plain(ContractError::NotFound).into_response();
    }
    if request.method() != Method::POST {
        let mut response = Plain(ContractError::MethodNotAllowed).into_response();
        response
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("POST"));
        return response;
    }
    match bridge(&shared, request).await {
        Ok(response) => response,
        Err(error) => enveloped(&Echo::default(), &error),
    }
}

/// Errors are those from before the envelope was read.
async fn bridge(shared: &Arc<Shared>, request: Request) -> Result<Response, ContractError> {
    if let Some(token) = &shared.options.bridge_token
        && guard::credential(request.headers(), token, true) != Credential::Right
    {
        return Err(ContractError::Unauthorized {
            what: "this bridge",
        });
    }
    guard::check_media_type(request.headers())?;
    let permit = shared.admit()?;
    let (parts, request_body) = request.into_parts();
    let bytes = body::read(request_body, &shared.options.limits).await?;
    let envelope = match Envelope::parse(&bytes) {
        Ok(envelope) => envelope,
        Err(rejected) => return Ok(enveloped(&rejected.echo, &rejected.error)),
    };
    let key = parts
        .headers
        .get("idempotency-key")
        .and_then(|key| key.to_str().ok());
    let echo = envelope.echo.clone();
    let deadline = shared.deadline();
    let execution = operations::execute(shared, envelope, key, permit);
    let executed = tokio::time::timeout(deadline, execution).await;
    let late = Err(ContractError::Deadline {
        seconds: deadline.as_secs(),
    });
    Ok(match executed.unwrap_or(late) {
        Ok(payload) => json_answer(StatusCode::OK, &echo.success(payload)),
        Err(error) => enveloped(&echo, &error),
    })
}
