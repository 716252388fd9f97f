//! Errors of the control API: always JSON, `{"error": "…"}`.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;

use crate::wa_sim::hub::HubError;
use crate::wa_sim::phone::PhoneError;
use crate::wa_sim::phone::pair_code::PairCodeError;

/// Why a call failed, with the status that says so.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The request makes no sense.
    #[error("{0}")]
    BadRequest(String),
    /// What it names does not exist.
    #[error("{0}")]
    NotFound(String),
    /// A phone could not do it.
    #[error(transparent)]
    Phone(#[from] PhoneError),
}

impl From<HubError> for ControlError {
    fn from(error: HubError) -> Self {
        Self::Phone(error.into())
    }
}

impl ControlError {
    fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Phone(error) => phone_status(error),
        }
    }
}

/// 400 for what can never work, 404 for what is not there, 409 for what is
/// taken, 422 for a wrong code, 504 for a silent companion, 502 for one that
/// refused.
fn phone_status(error: &PhoneError) -> StatusCode {
    match error {
        PhoneError::NoPhone(_) | PhoneError::NoRecipient(_) | PhoneError::NoCompanion => {
            StatusCode::NOT_FOUND
        }
        PhoneError::BadAddress(_)
        | PhoneError::BadQr(_)
        | PhoneError::Code(PairCodeError::BadCode) => StatusCode::BAD_REQUEST,
        PhoneError::Code(_) => StatusCode::UNPROCESSABLE_ENTITY,
        PhoneError::Silent => StatusCode::GATEWAY_TIMEOUT,
        PhoneError::Pairing(_) => StatusCode::BAD_GATEWAY,
        PhoneError::Hub(error) => hub_status(error),
        PhoneError::Adv(_) | PhoneError::Crypt(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn hub_status(error: &HubError) -> StatusCode {
    match error {
        HubError::UnknownAccount(_) | HubError::UnknownGroup(_) => StatusCode::NOT_FOUND,
        HubError::NumberTaken(_) => StatusCode::CONFLICT,
        HubError::NoRuntime => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    }
}

impl IntoResponse for ControlError {
    fn into_response(self) -> Response {
        let body = serde_json::json!({ "error": self.to_string() });
        (self.status(), Json(body)).into_response()
    }
}

/// Reads a JSON body; an empty one counts as `{}`.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ControlError> {
    let body = if body.is_empty() {
        b"{}".as_slice()
    } else {
        body
    };
    serde_json::from_slice(body)
        .map_err(|error| ControlError::BadRequest(format!("cannot read the body: {error}")))
}

/// The answer to calls that do not exist.
pub(crate) async fn unknown_call() -> ControlError {
    std::future::ready(ControlError::NotFound(
        "no such call; tests/README.md lists them".to_owned(),
    ))
    .await
}
