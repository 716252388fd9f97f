//! What is known about dials and connections.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use whatsapp_rust::wacore::net::DisconnectReason;

use super::error::{DialClass, DialError};
use crate::clock;

/// A failed dial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DialFailure {
    /// Its class.
    pub class: DialClass,
    /// What happened, one lower-case phrase.
    pub cause: String,
}

/// The history of dials, published whenever it changes. Times are Unix
/// milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DialReport {
    /// Dials begun.
    pub attempts: u64,
    /// Dials that led to a connection.
    pub connections: u64,
    /// Dials that failed since the last connection.
    pub failures_in_a_row: u64,
    /// When the last dial began.
    pub last_attempt_ms: Option<u64>,
    /// When the last connection was made.
    pub last_success_ms: Option<u64>,
    /// Whether there is a connection now.
    pub connected: bool,
    /// Why the last dial failed, if it did.
    pub last_dial_failure: Option<DialFailure>,
    /// How the last connection ended, if it has; `None` while one is open.
    pub last_end: Option<String>,
}

/// Shared between a factory, its connections and the session's supervisor.
#[derive(Debug, Default)]
pub struct DialStats {
    report: watch::Sender<DialReport>,
    received_bytes: AtomicU64,
    sent_bytes: AtomicU64,
    /// Of the current or last connection; 0 before the first one.
    last_received_ms: AtomicU64,
    received_frames: AtomicU64,
    current: Mutex<Current>,
}

#[derive(Debug, Default)]
struct Current {
    number: u64,
    cut: CancellationToken,
    /// Why the last dial or connection ended, where that was not on purpose.
    failure: Option<String>,
}

impl DialStats {
    /// The history so far, and every change to it.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<DialReport> {
        self.report.subscribe()
    }

    /// The history so far.
    #[must_use]
    pub fn report(&self) -> DialReport {
        self.report.borrow().clone()
    }

    /// Why there is no connection: the failure of the last dial, or what broke
    /// the last connection. `None` if one is open, if it was closed on purpose,
    /// or if the server, after saying something, closed it in an orderly way,
    /// which is how it asks for a new one.
    #[must_use]
    pub fn last_failure(&self) -> Option<String> {
        self.lock().failure.clone()
    }

    /// When something last arrived over the current or last connection, or when
    /// that was made, Unix milliseconds; `None` before the first one.
    #[must_use]
    pub fn last_received_ms(&self) -> Option<u64> {
        Some(self.last_received_ms.load(Relaxed)).filter(|at| *at > 0)
    }

    /// How many messages the current or last connection brought.
    #[must_use]
    pub fn received_frames(&self) -> u64 {
        self.received_frames.load(Relaxed)
    }

    /// Bytes received and sent in WebSocket messages, over all connections.
    #[must_use]
    pub fn bytes(&self) -> (u64, u64) {
        (
            self.received_bytes.load(Relaxed),
            self.sent_bytes.load(Relaxed),
        )
    }

    /// Cuts the current connection without saying goodbye, for when the other
    /// end is silent. The library sees it end. Without a connection, nothing
    /// happens.
    pub fn close_current(&self) {
        self.lock().cut.cancel();
    }

    pub(super) fn dialling(&self) {
        self.lock().failure = None;
        self.report.send_modify(|report| {
            report.attempts += 1;
            report.last_attempt_ms = Some(clock::now_ms());
        });
    }

    pub(super) fn dial_failed(&self, error: &DialError) {
        let cause = error.to_string();
        self.lock().failure = Some(cause.clone());
        self.report.send_modify(|report| {
            report.failures_in_a_row += 1;
            report.last_dial_failure = Some(DialFailure {
                class: error.class(),
                cause,
            });
        });
    }

    /// A connection was made; gives its number and the token that cuts it.
    pub(super) fn connected(&self) -> (u64, CancellationToken) {
        let now = clock::now_ms();
        let cut = CancellationToken::new();
        let number = {
            let mut current = self.lock();
            current.number += 1;
            current.cut = cut.clone();
            current.number
        };
        self.last_received_ms.store(now, Relaxed);
        self.received_frames.store(0, Relaxed);
        self.report.send_modify(|report| {
            report.connections += 1;
            report.failures_in_a_row = 0;
            report.last_success_ms = Some(now);
            report.last_dial_failure = None;
            report.last_end = None;
            report.connected = true;
        });
        (number, cut)
    }

    pub(super) fn received(&self, number: u64, bytes: usize) {
        self.received_bytes.fetch_add(count(bytes), Relaxed);
        // A connection that was replaced may still drain.
        if self.lock().number == number {
            self.last_received_ms.store(clock::now_ms(), Relaxed);
            self.received_frames.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn sent(&self, bytes: usize) {
        self.sent_bytes.fetch_add(count(bytes), Relaxed);
    }

    pub(super) fn ended(&self, number: u64, reason: &DisconnectReason, on_purpose: bool) {
        let heard = self.received_frames() > 0;
        {
            let mut current = self.lock();
            if current.number != number {
                return;
            }
            if !(on_purpose || (heard && reason.is_clean_shutdown())) {
                current.failure = Some(format!("the connection broke: {reason}"));
            }
        }
        self.report.send_modify(|report| {
            report.connected = false;
            report.last_end = Some(if on_purpose {
                "closed by us".to_owned()
            } else {
                reason.to_string()
            });
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn count(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
