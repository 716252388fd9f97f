//! Every failure that a caller can see, with its HTTP status in one place.

use hyper::StatusCode;
use serde_json::{Map, Value, json};

use crate::{account::Surface, driver::SendFailure, target::TargetParseError};

/// Why a request failed. The text is what the caller reads; it names the cause
/// and, where there is one, the next step, and never repeats a message's text.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContractError {
    /// The body or a member is not what the contract says.
    #[error("malformed request: {reason}")]
    Malformed {
        /// What is wrong.
        reason: String,
    },
    /// An operation that the contract does not have.
    #[error("unsupported operation {0}")]
    UnknownOperation(String),
    /// A channel that this bridge does not serve.
    #[error("this bridge does not serve channel {asked:?}; it serves {served}")]
    WrongChannel {
        /// The channel of the request.
        asked: String,
        /// The channels of this bridge.
        served: String,
    },
    /// An account that this bridge does not serve.
    #[error(
        "this bridge does not serve account {asked:?} of {}; it serves {served}; start a bridge for that account, or send requests to the one that has it",
        surface.channel_id()
    )]
    WrongAccount {
        /// The surface asked for.
        surface: Surface,
        /// The configured account of the request.
        asked: String,
        /// The accounts of this bridge.
        served: String,
    },
    /// The request names no account and there are several.
    #[error(
        "the request names no account and this bridge serves several ({served}); set runtime_context.account.configured_account_id"
    )]
    AmbiguousAccount {
        /// The accounts of this bridge.
        served: String,
    },
    /// The target's text.
    #[error("bad target: {0}")]
    TargetText(#[from] TargetParseError),
    /// The target's address within the messenger.
    #[error("bad target: {0}")]
    TargetAddress(#[from] crate::driver::TargetError),
    /// The target names another account than the request.
    #[error("the target belongs to account {target:?}, the request to {request:?}")]
    TargetAccount {
        /// The account in the target.
        target: String,
        /// The account of the request.
        request: String,
    },
    /// A kind of message that cannot be sent.
    #[error("{kind} messages cannot be sent; this bridge sends {{\"Text\": \"…\"}} only")]
    UnsupportedMessage {
        /// The kind.
        kind: &'static str,
    },
    /// Nothing but white space.
    #[error("the text to send is blank; nothing was sent")]
    BlankText,
    /// The allowlist forbids it.
    #[error("{reason}")]
    Forbidden {
        /// Which list, and how to change it.
        reason: String,
    },
    /// The key was used for another chat.
    #[error(
        "idempotency key {key:?} was used before for a message to another chat; nothing was sent; use a new key"
    )]
    KeyConflict {
        /// The key.
        key: String,
    },
    /// The session cannot do it now; nothing was sent and nothing will be.
    #[error("{reason}")]
    Unavailable {
        /// Why, and what to do.
        reason: String,
        /// The session's state, for programs.
        state: &'static str,
    },
    /// Handed over, and no answer came.
    #[error(
        "it is not known whether the message arrived ({reason}); to repeat with idempotency key {key:?} is safe: the receiver sees it once"
    )]
    Uncertain {
        /// Why.
        reason: String,
        /// The key to repeat with.
        key: String,
        /// The ids that the parts carry.
        message_ids: Vec<String>,
    },
    /// Refused for good.
    #[error("the message was not delivered: {reason}")]
    SendFailed {
        /// The class.
        failure: SendFailure,
        /// Why.
        reason: String,
    },
    /// The body is larger than allowed.
    #[error("{what} is larger than {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The bound with its unit.
        limit: String,
    },
    /// Too many requests at once.
    #[error("too many requests at once; try again in a moment")]
    Busy,
    /// The request took longer than allowed.
    #[error("the request was not finished within {seconds} s; to repeat it is safe")]
    Deadline {
        /// The bound.
        seconds: u64,
    },
    /// The body did not arrive in time.
    #[error("the request body did not arrive within {seconds} s")]
    SlowBody {
        /// The bound.
        seconds: u64,
    },
    /// The body broke off.
    #[error("the request body broke off")]
    BrokenBody,
    /// Not JSON by its own header.
    #[error("content-type must be application/json")]
    MediaType,
    /// The Host header is not this machine's.
    #[error(
        "the host header must name this bridge by a loopback address or localhost, with its port"
    )]
    Host,
    /// A web page asks.
    #[error("requests from web pages are refused (origin {origin:?})")]
    Origin {
        /// The origin, shortened.
        origin: String,
    },
    /// The token is missing or wrong.
    #[error("{what} needs its token in the authorization header")]
    Unauthorized {
        /// Which part of the API.
        what: &'static str,
    },
    /// No such path.
    #[error("not_found")]
    NotFound,
    /// A record that does not exist.
    #[error("there is no {what} {name:?}")]
    NoRecord {
        /// What was looked for.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// The path exists, the HTTP method does not fit.
    #[error("method_not_allowed")]
    MethodNotAllowed,
    /// Our own store failed.
    #[error("the bridge's store failed: {reason}")]
    Store {
        /// Why.
        reason: String,
    },
    /// The messenger did not answer a request of the admin API.
    #[error("{0}")]
    Driver(#[from] crate::driver::DriverError),
    /// A defect of the bridge.
    #[error("internal error: {0}")]
    Internal(&'static str),
    /// Shutting down.
    #[error("the bridge is shutting down")]
    Stopping,
}

impl ContractError {
    /// A malformed request.
    pub(crate) fn malformed(reason: impl Into<String>) -> Self {
        Self::Malformed {
            reason: reason.into(),
        }
    }

    /// The HTTP status; never a success.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Malformed { .. }
            | Self::UnknownOperation(_)
            | Self::WrongChannel { .. }
            | Self::AmbiguousAccount { .. }
            | Self::TargetText(_)
            | Self::TargetAddress(_)
            | Self::TargetAccount { .. }
            | Self::UnsupportedMessage { .. }
            | Self::BlankText
            | Self::BrokenBody => StatusCode::BAD_REQUEST,
            Self::Unauthorized { .. } => StatusCode::UNAUTHORIZED,
            Self::Forbidden { .. } | Self::Host | Self::Origin { .. } => StatusCode::FORBIDDEN,
            Self::WrongAccount { .. } | Self::NotFound | Self::NoRecord { .. } => {
                StatusCode::NOT_FOUND
            }
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::SlowBody { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::KeyConflict { .. } => StatusCode::CONFLICT,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::SendFailed { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Busy => StatusCode::TOO_MANY_REQUESTS,
            Self::Store { .. } | Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable { .. } | Self::Stopping => StatusCode::SERVICE_UNAVAILABLE,
            Self::Uncertain { .. } | Self::Deadline { .. } => StatusCode::GATEWAY_TIMEOUT,
            Self::Driver(error) => driver_status(error),
        }
    }

    /// A stable word for programs, in member `code`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } | Self::BrokenBody => "malformed",
            Self::UnknownOperation(_) => "unknown_operation",
            Self::WrongChannel { .. } => "wrong_channel",
            Self::WrongAccount { .. } | Self::TargetAccount { .. } => "wrong_account",
            Self::AmbiguousAccount { .. } => "ambiguous_account",
            Self::TargetText(_) | Self::TargetAddress(_) => "bad_target",
            Self::UnsupportedMessage { .. } => "unsupported_message",
            Self::BlankText => "blank_text",
            Self::Forbidden { .. } => "not_allowed",
            Self::KeyConflict { .. } => "key_conflict",
            Self::Unavailable { .. } => "unavailable",
            Self::Uncertain { .. } => "uncertain",
            Self::SendFailed { .. } => "send_failed",
            Self::TooLarge { .. } => "too_large",
            Self::Busy => "busy",
            Self::Deadline { .. } | Self::SlowBody { .. } => "deadline",
            Self::MediaType => "media_type",
            Self::Host => "host",
            Self::Origin { .. } => "origin",
            Self::Unauthorized { .. } => "unauthorized",
            Self::NotFound | Self::NoRecord { .. } => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::Store { .. } => "store",
            Self::Driver(_) => "session",
            Self::Internal(_) => "internal",
            Self::Stopping => "stopping",
        }
    }

    /// What stands beside `error` in the operation's payload.
    #[must_use]
    pub fn details(&self) -> Map<String, Value> {
        let mut members = Map::new();
        members.insert("code".to_owned(), self.code().into());
        match self {
            Self::Unavailable { state, .. } => {
                members.insert("state".to_owned(), (*state).into());
            }
            Self::Uncertain {
                key, message_ids, ..
            } => {
                members.insert("state".to_owned(), "uncertain".into());
                members.insert("idempotency_key".to_owned(), key.as_str().into());
                members.insert("message_ids".to_owned(), json!(message_ids));
            }
            Self::SendFailed { failure, .. } => {
                members.insert("state".to_owned(), "failed".into());
                members.insert("failure".to_owned(), json!(failure));
            }
            _ => {}
        }
        members
    }
}

const fn driver_status(error: &crate::driver::DriverError) -> StatusCode {
    use crate::driver::DriverError as E;
    match error {
        E::NotOnline(_) => StatusCode::SERVICE_UNAVAILABLE,
        E::Timeout(_) => StatusCode::GATEWAY_TIMEOUT,
        E::Refused(_) => StatusCode::UNPROCESSABLE_ENTITY,
        E::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
