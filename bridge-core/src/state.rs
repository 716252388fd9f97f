//! The state of a messenger session, in words that hold for every messenger.

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

/// Where a session stands. `Online` is the only state in which a send can
/// succeed, and it is only entered after the server answered a round trip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// The process has just started.
    Starting,
    /// No account is linked; a QR code or pairing code may be live.
    Unlinked,
    /// A phone has accepted the code; credentials are being exchanged.
    Pairing,
    /// Dialling or authenticating.
    Connecting,
    /// Authenticated; the backlog is arriving.
    Syncing,
    /// Connected, and a round trip was answered.
    Online,
    /// Waiting before the next attempt.
    Backoff,
    /// Offline on purpose: the inbox is full.
    Paused,
    /// Another client took this session over.
    Replaced,
    /// The account's owner unlinked this device.
    LoggedOut,
    /// The account is banned or locked, for a time or for good.
    Banned,
    /// The server refuses this protocol version.
    Outdated,
    /// Shut down.
    Stopped,
}

impl SessionState {
    /// The name used in JSON, logs and the terminal.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Unlinked => "unlinked",
            Self::Pairing => "pairing",
            Self::Connecting => "connecting",
            Self::Syncing => "syncing",
            Self::Online => "online",
            Self::Backoff => "backoff",
            Self::Paused => "paused",
            Self::Replaced => "replaced",
            Self::LoggedOut => "logged_out",
            Self::Banned => "banned",
            Self::Outdated => "outdated",
            Self::Stopped => "stopped",
        }
    }

    /// Whether a person has to act before this session works again. The
    /// contract answers `receive_batch` with 503 and the advice in these states,
    /// and with an empty batch in all others.
    #[must_use]
    pub const fn needs_operator(self) -> bool {
        match self {
            Self::Paused | Self::Replaced | Self::LoggedOut | Self::Banned | Self::Outdated => true,
            Self::Starting
            | Self::Unlinked
            | Self::Pairing
            | Self::Connecting
            | Self::Syncing
            | Self::Online
            | Self::Backoff
            | Self::Stopped => false,
        }
    }
}

/// The account a session is linked to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LinkedAccount {
    /// Its public address, for WhatsApp the bare JID with the phone number.
    pub address: String,
    /// Its hidden address, where there is one.
    pub hidden_address: Option<String>,
    /// The name it shows.
    pub name: Option<String>,
}

/// A code that links an account; whoever reads it can link a device.
#[derive(Debug, Clone)]
pub struct LinkCode {
    /// The text to draw as a QR code, or to type on the phone.
    pub code: SecretString,
    /// When it stops working, Unix milliseconds.
    pub expires_at_ms: u64,
}

/// A snapshot of a session, published on every change.
#[derive(Debug, Clone)]
pub struct SessionStatus {
    /// The state.
    pub state: SessionState,
    /// Since when, Unix milliseconds.
    pub since_ms: u64,
    /// Why, in one lower-case phrase without secrets: the last error or cause.
    pub cause: Option<String>,
    /// The next step for the operator, where one is needed.
    pub advice: Option<String>,
    /// When the next attempt starts, in `Backoff`, Unix milliseconds.
    pub retry_at_ms: Option<u64>,
    /// Consecutive failed attempts.
    pub attempt: u32,
    /// When the server last answered something we asked, Unix milliseconds.
    pub proven_at_ms: Option<u64>,
    /// The linked account, if any.
    pub linked: Option<LinkedAccount>,
    /// The QR code to show, in `Unlinked`.
    pub qr: Option<LinkCode>,
    /// The pairing code to show, in `Unlinked`.
    pub pairing_code: Option<LinkCode>,
}

impl SessionStatus {
    /// A session that has just started.
    #[must_use]
    pub const fn starting(now_ms: u64) -> Self {
        Self {
            state: SessionState::Starting,
            since_ms: now_ms,
            cause: None,
            advice: None,
            retry_at_ms: None,
            attempt: 0,
            proven_at_ms: None,
            linked: None,
            qr: None,
            pairing_code: None,
        }
    }
}
