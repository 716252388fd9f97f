//! One chat, one send at a time, at a bearable pace.

use std::{
    collections::HashMap,
    future::Future as _,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::{
    sync::{Mutex, OwnedMutexGuard},
    time::Instant,
};

use super::Pace;
use crate::message::ChatId;

/// How many quiet chats are remembered before the table is cleaned.
const CLEAN_ABOVE: usize = 256;

/// The chats that are or were sent to.
#[derive(Debug, Default)]
pub(super) struct Lanes(HashMap<ChatId, Arc<Mutex<Meter>>>);

/// Measures the pace of one chat: when it would be idle if everything sent so
/// far had gone at the steady rate.
#[derive(Debug)]
pub(super) struct Meter {
    idle_at: Instant,
}

/// A place in the queue of a chat.
pub(super) type Turn = Pin<Box<dyn Future<Output = OwnedMutexGuard<Meter>> + Send>>;

impl Lanes {
    /// Takes the next place in the queue of a chat. Places are served in the
    /// order of these calls.
    pub(super) fn queue(&mut self, chat: &ChatId) -> Turn {
        if self.0.len() > CLEAN_ABOVE {
            let now = Instant::now();
            self.0.retain(|_, lane| {
                Arc::strong_count(lane) > 1 || lane.try_lock().is_ok_and(|m| m.idle_at > now)
            });
        }
        let lane = self.0.entry(chat.clone()).or_insert_with(|| {
            Arc::new(Mutex::new(Meter {
                idle_at: Instant::now(),
            }))
        });
        let mut turn = Box::pin(Arc::clone(lane).lock_owned());
        // A lock is queued when it is first polled, not when it is made.
        match turn.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(meter) => Box::pin(std::future::ready(meter)),
            Poll::Pending => turn,
        }
    }
}

impl Meter {
    /// Counts one message, and says how long it has to wait.
    pub(super) fn admit(&mut self, pace: Pace, now: Instant) -> Duration {
        self.idle_at = self.idle_at.max(now) + pace.every;
        let ahead = pace.every.saturating_mul(pace.burst.max(1));
        self.idle_at
            .saturating_duration_since(now)
            .saturating_sub(ahead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_goes_at_once_and_the_rest_at_the_steady_rate() {
        let pace = Pace {
            burst: 2,
            every: Duration::from_secs(1),
        };
        let now = Instant::now();
        let mut meter = Meter { idle_at: now };
        let waits: Vec<u64> = (0..4).map(|_| meter.admit(pace, now).as_secs()).collect();
        assert_eq!(waits, [0, 0, 1, 2]);
        let later = now + Duration::from_secs(60);
        assert_eq!(meter.admit(pace, later), Duration::ZERO);
    }

    #[tokio::test]
    async fn turns_come_in_the_order_of_the_calls() {
        let mut lanes = Lanes::default();
        let chat = ChatId::from_canonical("a");
        let first = lanes.queue(&chat);
        let second = lanes.queue(&chat);
        let mut third = lanes.queue(&chat);
        let held = first.await;
        let polled = third.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
        drop(held);
        drop(second.await);
        drop(third.await);
    }
}
