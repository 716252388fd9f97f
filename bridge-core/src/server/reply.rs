//! JSON answers.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use hyper::{
    HeaderMap, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE},
};
use serde_json::{Value, json};

use crate::contract::{ContractError, Echo};

/// An answer with a JSON body. Nothing that this server says may be cached.
pub(super) fn json_answer(status: StatusCode, body: &Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A failure of an operation, in its envelope.
pub(super) fn enveloped(echo: &Echo, error: &ContractError) -> Response {
    let mut response = json_answer(error.status(), &echo.failure(error));
    hints(error, response.headers_mut());
    response
}

/// A failure outside the contract: `{"error","code"}`.
pub(super) struct Plain(pub(super) ContractError);

impl<E: Into<ContractError>> From<E> for Plain {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Plain {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.0.to_string(), "code": self.0.code() });
        let mut response = json_answer(self.0.status(), &body);
        hints(&self.0, response.headers_mut());
        response
    }
}

fn hints(error: &ContractError, headers: &mut HeaderMap) {
    match error.status() {
        StatusCode::TOO_MANY_REQUESTS => {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        StatusCode::UNAUTHORIZED => {
            headers.insert(
                WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer, Basic realm=\"loong\""),
            );
        }
        _ => {}
    }
}
