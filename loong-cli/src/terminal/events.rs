//! `--events ndjson`: one JSON object per line on standard output.
//!
//! Every object has `event`, its name, and `v`, the version of this format: new
//! members may appear, existing ones keep their meaning. Times are Unix
//! milliseconds.

use bridge_core::state::{LinkedAccount, SessionStatus};
use secrecy::ExposeSecret as _;
use serde::Serialize;

use crate::failure::Failure;

/// The version of the format.
const VERSION: u32 = 1;

/// Something worth telling a program.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event<'a> {
    /// The bridge accepts requests; WhatsApp may still be away.
    Listening {
        /// The endpoint of the contract.
        url: &'a str,
        /// The account, normalised.
        account: &'a str,
        /// The folder of the session.
        auth_dir: &'a str,
        /// The process id.
        pid: u32,
    },
    /// The session changed its state, or the reason for it.
    State {
        /// The name of the state.
        state: &'static str,
        /// Since when.
        since_ms: u64,
        /// Why.
        #[serde(skip_serializing_if = "Option::is_none")]
        cause: Option<&'a str>,
        /// What the operator should do.
        #[serde(skip_serializing_if = "Option::is_none")]
        advice: Option<&'a str>,
        /// When the next attempt starts.
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_at_ms: Option<u64>,
        /// Failed attempts in a row.
        attempt: u32,
        /// The account that is linked.
        #[serde(skip_serializing_if = "Option::is_none")]
        linked: Option<&'a LinkedAccount>,
    },
    /// A code to be drawn as QR code; whoever scans it links a device.
    Qr {
        /// The text.
        code: &'a str,
        /// When it stops working.
        expires_at_ms: u64,
    },
    /// A code to type on the phone.
    PairingCode {
        /// The text, `ABCD-1234`.
        code: &'a str,
        /// When it stops working.
        expires_at_ms: u64,
    },
    /// The command failed.
    Error {
        /// The name of the exit status.
        code: &'static str,
        /// The exit status.
        exit: u8,
        /// What happened.
        message: &'a str,
        /// Why.
        #[serde(skip_serializing_if = "Option::is_none")]
        cause: Option<&'a str>,
        /// What to do next.
        #[serde(skip_serializing_if = "Option::is_none")]
        next: Option<&'a str>,
    },
    /// The bridge has ended in order.
    Stopped,
}

#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    event: &'a Event<'a>,
    v: u32,
}

impl<'a> Event<'a> {
    /// The state of a session.
    #[must_use]
    pub fn state(status: &'a SessionStatus) -> Self {
        Self::State {
            state: status.state.name(),
            since_ms: status.since_ms,
            cause: status.cause.as_deref(),
            advice: status.advice.as_deref(),
            retry_at_ms: status.retry_at_ms,
            attempt: status.attempt,
            linked: status.linked.as_ref(),
        }
    }

    /// The QR code of a session.
    #[must_use]
    pub fn qr(status: &'a SessionStatus) -> Option<Self> {
        status.qr.as_ref().map(|qr| Self::Qr {
            code: qr.code.expose_secret(),
            expires_at_ms: qr.expires_at_ms,
        })
    }

    /// The pairing code of a session.
    #[must_use]
    pub fn pairing_code(status: &'a SessionStatus) -> Option<Self> {
        status.pairing_code.as_ref().map(|code| Self::PairingCode {
            code: code.code.expose_secret(),
            expires_at_ms: code.expires_at_ms,
        })
    }

    /// The end of a command that failed.
    #[must_use]
    pub fn error(failure: &'a Failure) -> Self {
        Self::Error {
            code: failure.exit().name(),
            exit: failure.exit().code(),
            message: failure.what(),
            cause: failure.cause(),
            next: failure.next_step(),
        }
    }

    /// One line of JSON, with its line break.
    #[must_use]
    pub fn line(&self) -> String {
        let line = Line {
            event: self,
            v: VERSION,
        };
        // Only texts and numbers with string keys: this cannot fail.
        serde_json::to_string(&line).unwrap_or_default() + "\n"
    }
}
