//! Everything a test may want to know about a phone: its screen, the receipts
//! and acks for what it sent, who typed, and what it refused.

use serde::{Deserialize, Serialize};

use super::view::View;

/// How many entries each list keeps; the oldest go first.
const KEPT: usize = 20_000;

/// A receipt for something this phone sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptSeen {
    /// The message.
    pub id: String,
    /// Which device sent the receipt, as the server named it.
    pub from: String,
    /// In groups: the member.
    pub participant: Option<String>,
    /// `delivered`, `read`, `played`, `retry` …
    pub kind: String,
    /// Unix seconds by the server's clock.
    pub at: u64,
}

/// The server's acknowledgement of something this phone sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AckSeen {
    /// The message.
    pub id: String,
    /// The error code, if it was refused.
    pub error: Option<String>,
}

/// Somebody typed, or stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypingSeen {
    /// Who.
    pub from: String,
    /// In groups: the member.
    pub participant: Option<String>,
    /// `composing`, `paused` or `recording`.
    pub state: String,
    /// Unix seconds by the server's clock.
    pub at: u64,
}

/// What the phone would not or could not do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// `pairing_code`, `qr`, `decrypt`, `retry` …
    pub what: String,
    /// Why, as a sentence.
    pub why: String,
}

/// The log of one phone.
#[derive(Debug, Default)]
pub struct PhoneLog {
    /// The screen.
    pub view: View,
    /// Receipts, oldest first.
    pub receipts: Vec<ReceiptSeen>,
    /// Server acks, oldest first.
    pub acks: Vec<AckSeen>,
    /// Typing, oldest first.
    pub typing: Vec<TypingSeen>,
    /// Refusals, oldest first.
    pub refusals: Vec<Refusal>,
    /// Notifications by type, oldest first.
    pub notifications: Vec<String>,
}

impl PhoneLog {
    /// Adds a refusal.
    pub fn refuse(&mut self, what: &str, why: impl std::fmt::Display) {
        push(
            &mut self.refusals,
            Refusal {
                what: what.to_owned(),
                why: why.to_string(),
            },
        );
    }
}

/// Appends within the bound.
pub(crate) fn push<T>(list: &mut Vec<T>, entry: T) {
    if list.len() >= KEPT {
        list.remove(0);
    }
    list.push(entry);
}
