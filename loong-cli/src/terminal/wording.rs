//! One line per state, for people.

use bridge_core::state::{SessionState, SessionStatus};

use super::sanitize::plain;

/// What to say when a session has come to `status`. `None` where the line before
/// has already said it. Names numbers only if `private`: nobody but the person at
/// the terminal reads it.
pub(super) fn line(
    previous: Option<SessionState>,
    status: &SessionStatus,
    now_ms: u64,
    private: bool,
) -> Option<String> {
    let cause = status.cause.as_deref().map(plain);
    let because = cause
        .as_deref()
        .map(|cause| format!(": {cause}"))
        .unwrap_or_default();
    let text = match status.state {
        SessionState::Starting => return None,
        // Each attempt after the first was announced by the pause before it.
        SessionState::Unlinked | SessionState::Connecting
            if previous == Some(SessionState::Backoff) && status.qr.is_none() =>
        {
            return None;
        }
        SessionState::Unlinked => match status.cause {
            Some(_) => format!("not linked{because}"),
            None if previous == Some(SessionState::Unlinked) => return None,
            None => "not linked yet; on the phone: WhatsApp > Settings > Linked devices > Link a \
                     device"
                .to_owned(),
        },
        SessionState::Pairing => "the phone has accepted the code; linking".to_owned(),
        SessionState::Connecting => "connecting to WhatsApp".to_owned(),
        SessionState::Syncing => "connected; fetching what arrived meanwhile".to_owned(),
        SessionState::Online => format!("online{}", linked(status, private)),
        SessionState::Backoff => {
            let wait = status.retry_at_ms.map_or(0, |at| at.saturating_sub(now_ms));
            format!(
                "offline{because}; trying again in {} s",
                wait.div_ceil(1000)
            )
        }
        SessionState::Paused => format!("paused{because}"),
        SessionState::Replaced => format!("replaced{because}"),
        SessionState::LoggedOut => format!("logged out{because}"),
        SessionState::Banned => format!("banned or locked{because}"),
        SessionState::Outdated => format!("outdated{because}"),
        SessionState::Stopped => "session closed".to_owned(),
    };
    let advice = status
        .advice
        .as_deref()
        .filter(|_| status.state.needs_operator());
    Some(match advice {
        Some(advice) => format!("{text}\n  next: {}", plain(advice)),
        None => text,
    })
}

fn linked(status: &SessionStatus, private: bool) -> String {
    let Some(account) = &status.linked else {
        return String::new();
    };
    let number = account.address.split('@').next().unwrap_or_default();
    match (&account.name, private) {
        (Some(name), true) => format!(" as {} (+{})", plain(name), plain(number)),
        (None, true) => format!(" as +{}", plain(number)),
        (Some(name), false) => format!(" as {}", plain(name)),
        (None, false) => String::new(),
    }
}
