//! The session's state machine: no I/O, no clock, no library types.
//!
//! Inputs are facts (a client was started, the server answered, a connection
//! ended and why); outputs are the next thing to do. Every reason for which a
//! connection can end is an [`End`], and [`Machine::ended`] is the one place that
//! decides what follows from it.

use bridge_core::state::{LinkCode, LinkedAccount, SessionState, SessionStatus};

use super::backoff::Backoff;

/// Why a connection ended, in the order in which an operator would want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// The server asked for a fresh connection (stream error 515), which is how
    /// pairing ends.
    Restart,
    /// All QR codes of this connection were shown; a new connection brings new ones.
    CodesExpired,
    /// The phone unlinked this device, or the server no longer knows it.
    LoggedOut {
        /// What the server said.
        cause: String,
    },
    /// Another client logged in with the same credentials.
    Replaced,
    /// The account is locked or banned.
    Banned {
        /// What the server said.
        cause: String,
        /// When the ban ends, Unix milliseconds, where the server said so.
        until_ms: Option<u64>,
    },
    /// The server refuses this protocol version.
    Outdated,
    /// The inbox is full: we left on purpose, nothing was acknowledged.
    InboxFull {
        /// The bound that was reached.
        limit: usize,
    },
    /// The socket was open but nobody answered.
    Silent,
    /// Pairing failed; the credentials were not accepted.
    PairingFailed {
        /// What went wrong.
        cause: String,
    },
    /// The connection could not be opened, broke, or was refused for now.
    Lost {
        /// What went wrong.
        cause: String,
    },
    /// The local store failed.
    Store {
        /// What went wrong.
        cause: String,
    },
    /// The operator unlinked this device.
    Unlinked,
}

/// What the supervisor does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Open a connection now.
    Dial,
    /// Open a connection at this time (Unix milliseconds), or earlier when nudged.
    DialAt(u64),
    /// Set the credentials aside, then wait for the operator.
    Archive,
    /// Wait for the operator.
    Wait,
}

/// How many restarts in a row the server may ask for before we slow down.
const FREE_RESTARTS: u32 = 3;

/// The state of one session.
#[derive(Debug)]
pub(crate) struct Machine {
    status: SessionStatus,
    backoff: Backoff,
    restarts: u32,
    online_since_ms: Option<u64>,
}

impl Machine {
    pub(crate) fn new(linked: Option<LinkedAccount>, backoff: Backoff, now_ms: u64) -> Self {
        let mut status = SessionStatus::starting(now_ms);
        status.linked = linked;
        Self {
            status,
            backoff,
            restarts: 0,
            online_since_ms: None,
        }
    }

    pub(crate) const fn status(&self) -> &SessionStatus {
        &self.status
    }

    fn enter(&mut self, state: SessionState, now_ms: u64) {
        if self.status.state != state {
            self.status.state = state;
            self.status.since_ms = now_ms;
        }
        self.status.advice = advice(state);
        self.status.retry_at_ms = None;
        if state != SessionState::Unlinked {
            self.status.qr = None;
            self.status.pairing_code = None;
        }
        if state == SessionState::Online {
            self.status.cause = None;
            self.status.attempt = 0;
        }
    }

    /// A client was started on the stored credentials, or without any.
    pub(crate) fn dialling(&mut self, now_ms: u64) {
        let state = if self.status.linked.is_some() {
            SessionState::Connecting
        } else {
            SessionState::Unlinked
        };
        self.enter(state, now_ms);
    }

    /// A QR code became current.
    pub(crate) fn qr(&mut self, code: LinkCode, now_ms: u64) {
        if self.status.linked.is_none() {
            self.enter(SessionState::Unlinked, now_ms);
            self.status.cause = None;
            self.backoff.reset();
            self.status.qr = Some(code);
        }
    }

    /// A pairing code became current, or (`None`) stopped being so.
    pub(crate) fn pairing_code(&mut self, code: Option<LinkCode>, now_ms: u64) {
        if self.status.linked.is_none() {
            self.enter(SessionState::Unlinked, now_ms);
            self.status.pairing_code = code;
        }
    }

    /// A request for a pairing code was refused; the QR code stays valid.
    pub(crate) fn pairing_code_refused(&mut self, cause: String) {
        self.status.cause = Some(cause);
    }

    /// The phone accepted us and the credentials are on disk.
    pub(crate) fn paired(&mut self, account: LinkedAccount, now_ms: u64) {
        self.status.linked = Some(account);
        self.enter(SessionState::Pairing, now_ms);
    }

    /// The server let us in; the backlog is on its way.
    pub(crate) fn syncing(&mut self, now_ms: u64) {
        if self.status.state != SessionState::Online {
            self.enter(SessionState::Syncing, now_ms);
        }
    }

    /// The server answered a question we asked after login.
    pub(crate) fn proven(&mut self, account: Option<LinkedAccount>, now_ms: u64) {
        if account.is_some() {
            self.status.linked = account;
        }
        self.status.proven_at_ms = Some(now_ms);
        if self.status.state != SessionState::Online {
            self.enter(SessionState::Online, now_ms);
            self.online_since_ms = Some(now_ms);
            self.restarts = 0;
        }
    }

    /// The session was shut down.
    pub(crate) fn stopped(&mut self, now_ms: u64) {
        self.enter(SessionState::Stopped, now_ms);
    }

    /// The connection ended; what now?
    pub(crate) fn ended(&mut self, end: End, now_ms: u64) -> Next {
        if let Some(since) = self.online_since_ms.take() {
            self.backoff.was_online_for(now_ms.saturating_sub(since));
        }
        match end {
            End::Restart => {
                self.restarts += 1;
                if self.restarts <= FREE_RESTARTS {
                    self.enter(SessionState::Connecting, now_ms);
                    return Next::Dial;
                }
                self.back_off(
                    "the server keeps asking for a new connection".to_owned(),
                    now_ms,
                )
            }
            End::CodesExpired => {
                self.enter(SessionState::Unlinked, now_ms);
                Next::Dial
            }
            End::LoggedOut { cause } => {
                self.give_up(SessionState::LoggedOut, Some(cause), now_ms);
                self.status.linked = None;
                Next::Archive
            }
            End::Unlinked => {
                let cause = "unlinked by the operator".to_owned();
                self.give_up(SessionState::LoggedOut, Some(cause), now_ms);
                self.status.linked = None;
                Next::Wait
            }
            End::Replaced => {
                let cause = "another client took this session over".to_owned();
                self.give_up(SessionState::Replaced, Some(cause), now_ms)
            }
            End::Banned { cause, until_ms } => {
                self.give_up(SessionState::Banned, Some(cause), now_ms);
                match until_ms {
                    Some(at) => {
                        self.status.retry_at_ms = Some(at);
                        Next::DialAt(at)
                    }
                    None => Next::Wait,
                }
            }
            End::Outdated => {
                let cause = "the server refuses this protocol version".to_owned();
                self.give_up(SessionState::Outdated, Some(cause), now_ms)
            }
            End::InboxFull { limit } => {
                let cause = format!("the inbox is full ({limit} messages)");
                self.give_up(SessionState::Paused, Some(cause), now_ms)
            }
            End::Silent => self.back_off("the server stopped answering".to_owned(), now_ms),
            End::PairingFailed { cause } | End::Lost { cause } => self.back_off(cause, now_ms),
            End::Store { cause } => self.back_off(format!("local store: {cause}"), now_ms),
        }
    }

    fn give_up(&mut self, state: SessionState, cause: Option<String>, now_ms: u64) -> Next {
        self.enter(state, now_ms);
        self.status.cause = cause;
        Next::Wait
    }

    fn back_off(&mut self, cause: String, now_ms: u64) -> Next {
        let (attempt, delay) = self.backoff.next();
        let at = now_ms.saturating_add(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX));
        self.enter(SessionState::Backoff, now_ms);
        self.status.attempt = attempt;
        self.status.cause = Some(cause);
        self.status.retry_at_ms = Some(at);
        Next::DialAt(at)
    }
}

/// The next step for the operator in a state that needs one.
fn advice(state: SessionState) -> Option<String> {
    let text = match state {
        SessionState::Unlinked => {
            "scan the QR code with WhatsApp on the phone: Settings, Linked devices, Link a device"
        }
        SessionState::LoggedOut => {
            "this device was unlinked; restart `loong whatsapp-personal bridge run` to link it again"
        }
        SessionState::Replaced => {
            "stop the other client that uses this session, then run \
             `loong whatsapp-personal session reconnect`"
        }
        SessionState::Banned => {
            "open WhatsApp on the phone and follow what it says about the account"
        }
        SessionState::Outdated => {
            "update loong, or pass a newer protocol version with `--wa-version`"
        }
        SessionState::Paused => {
            "let a consumer take and acknowledge messages; the session resumes by itself when \
             there is room"
        }
        SessionState::Starting
        | SessionState::Pairing
        | SessionState::Connecting
        | SessionState::Syncing
        | SessionState::Online
        | SessionState::Backoff
        | SessionState::Stopped => return None,
    };
    Some(text.to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn machine(linked: bool) -> Machine {
        let account = linked.then(account);
        Machine::new(account, Backoff::seeded(7), 0)
    }

    fn account() -> LinkedAccount {
        LinkedAccount {
            address: "15550001@s.whatsapp.net".to_owned(),
            hidden_address: None,
            name: None,
        }
    }

    #[test]
    fn online_needs_a_proof() {
        let mut m = machine(true);
        m.dialling(1);
        assert_eq!(m.status().state, SessionState::Connecting);
        m.syncing(2);
        assert_eq!(m.status().state, SessionState::Syncing);
        m.proven(None, 3);
        assert_eq!(m.status().state, SessionState::Online);
        assert_eq!(m.status().proven_at_ms, Some(3));
    }

    #[test]
    fn every_end_has_its_state_and_next_step() {
        let lost = || "x".to_owned();
        let cases = [
            (End::Restart, SessionState::Connecting, "dial"),
            (End::CodesExpired, SessionState::Unlinked, "dial"),
            (
                End::LoggedOut { cause: lost() },
                SessionState::LoggedOut,
                "archive",
            ),
            (End::Unlinked, SessionState::LoggedOut, "wait"),
            (End::Replaced, SessionState::Replaced, "wait"),
            (
                End::Banned {
                    cause: lost(),
                    until_ms: None,
                },
                SessionState::Banned,
                "wait",
            ),
            (
                End::Banned {
                    cause: lost(),
                    until_ms: Some(9),
                },
                SessionState::Banned,
                "later",
            ),
            (End::Outdated, SessionState::Outdated, "wait"),
            (End::InboxFull { limit: 3 }, SessionState::Paused, "wait"),
            (End::Silent, SessionState::Backoff, "later"),
            (
                End::PairingFailed { cause: lost() },
                SessionState::Backoff,
                "later",
            ),
            (End::Lost { cause: lost() }, SessionState::Backoff, "later"),
            (End::Store { cause: lost() }, SessionState::Backoff, "later"),
        ];
        for (end, state, next) in cases {
            let mut m = machine(true);
            m.dialling(0);
            let got = match m.ended(end.clone(), 1) {
                Next::Dial => "dial",
                Next::DialAt(_) => "later",
                Next::Archive => "archive",
                Next::Wait => "wait",
            };
            assert_eq!((m.status().state, got), (state, next), "{end:?}");
            assert_eq!(
                m.status().state.needs_operator(),
                m.status().advice.is_some() && state != SessionState::Unlinked,
                "{end:?}"
            );
        }
    }

    #[test]
    fn restarts_are_free_only_a_few_times() {
        let mut m = machine(true);
        for _ in 0..FREE_RESTARTS {
            assert_eq!(m.ended(End::Restart, 0), Next::Dial);
        }
        assert!(matches!(m.ended(End::Restart, 0), Next::DialAt(_)));
    }

    #[test]
    fn a_long_online_time_forgives_earlier_failures() {
        let mut m = machine(true);
        for _ in 0..20 {
            m.ended(End::Silent, 0);
        }
        assert_eq!(m.status().attempt, 20);
        m.proven(None, 1_000);
        let after = 1_000 + u64::try_from(Duration::from_secs(3600).as_millis()).unwrap();
        m.ended(End::Silent, after);
        assert_eq!(m.status().attempt, 1);
    }

    #[test]
    fn codes_vanish_when_pairing_succeeds() {
        let mut m = machine(false);
        m.dialling(0);
        let code = LinkCode {
            code: "2@x".to_owned().into(),
            expires_at_ms: 60_000,
        };
        m.qr(code.clone(), 1);
        m.pairing_code(Some(code), 2);
        assert!(m.status().qr.is_some() && m.status().pairing_code.is_some());
        m.paired(account(), 3);
        assert_eq!(m.status().state, SessionState::Pairing);
        assert!(m.status().qr.is_none() && m.status().pairing_code.is_none());
    }
}
