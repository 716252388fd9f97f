//! How long to wait before the next attempt.

use std::time::Duration;

/// The first delay.
const FIRST: Duration = Duration::from_secs(1);
/// The longest delay. A home network that comes back should not wait for long,
/// and one attempt a minute costs the server nothing.
const CAP: Duration = Duration::from_secs(60);
/// A connection that held for this long forgives all earlier failures.
const STABLE: Duration = Duration::from_secs(30);

/// Exponential backoff with jitter, from one second to one minute, for ever.
#[derive(Debug)]
pub(crate) struct Backoff {
    attempt: u32,
    random: fastrand::Rng,
}

impl Backoff {
    pub(crate) fn new() -> Self {
        Self {
            attempt: 0,
            random: fastrand::Rng::new(),
        }
    }

    #[cfg(test)]
    pub(crate) fn seeded(seed: u64) -> Self {
        Self {
            attempt: 0,
            random: fastrand::Rng::with_seed(seed),
        }
    }

    /// Counts a failure and returns its number and the delay: between half and
    /// all of the exponential step, so that many clients do not return at once.
    pub(crate) fn next(&mut self) -> (u32, Duration) {
        self.attempt = self.attempt.saturating_add(1);
        let doublings = (self.attempt - 1).min(6);
        let step = (FIRST * 2u32.pow(doublings)).min(CAP);
        (self.attempt, step.mul_f64(0.5 + self.random.f64() / 2.0))
    }

    pub(crate) fn reset(&mut self) {
        self.attempt = 0;
    }

    pub(crate) fn was_online_for(&mut self, ms: u64) {
        if u128::from(ms) >= STABLE.as_millis() {
            self.reset();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_the_cap_and_never_beyond() {
        let mut b = Backoff::seeded(1);
        let delays: Vec<_> = (0..200).map(|_| b.next().1).collect();
        assert!(delays[0] >= FIRST / 2 && delays[0] <= FIRST);
        assert!(delays.iter().all(|d| *d <= CAP));
        assert!(delays[10..].iter().all(|d| *d >= CAP / 2));
    }

    #[test]
    fn only_a_stable_connection_resets() {
        let mut b = Backoff::seeded(1);
        b.next();
        b.was_online_for(29_999);
        assert_eq!(b.next().0, 2);
        b.was_online_for(30_000);
        assert_eq!(b.next().0, 1);
    }
}
