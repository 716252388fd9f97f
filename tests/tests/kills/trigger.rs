//! When to kill.

use std::{collections::BTreeMap, time::Duration};

use loong_tests::wa_sim::{address::DeviceJid, events::SimEvent};
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::{sleep, timeout},
};

/// How often each kind of moment was hit.
pub(crate) type Hits = BTreeMap<&'static str, usize>;

/// A protocol event that may not come gives way to a kill at this age.
const PATIENCE: Duration = Duration::from_secs(3);

/// The moment at which a bridge dies.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Trigger {
    /// So long after it was online.
    After(Duration),
    /// At the n-th frame in or out of its connection.
    Frame(u64),
    /// When the n-th message has just gone out to it: between ciphertext and receipt.
    Ciphertext(u64),
    /// When its n-th receipt has just arrived.
    Receipt(u64),
    /// When the n-th message has just come from it: between send and ack.
    Send(u64),
    /// When it has just been told that its n-th message is queued.
    Ack(u64),
}

impl Trigger {
    /// Alternates between random moments and protocol events.
    pub(crate) fn choose(round: usize, random: &mut fastrand::Rng) -> Self {
        let n = random.u64(1..12);
        match round % 10 {
            0 | 2 | 4 | 6 | 8 => Self::After(Duration::from_millis(random.u64(0..400))),
            1 => Self::Frame(random.u64(5..80)),
            3 => Self::Ciphertext(n),
            5 => Self::Receipt(n),
            7 => Self::Send(random.u64(1..4)),
            _ => Self::Ack(random.u64(1..4)),
        }
    }

    /// Waits for the moment; returns what it was in the end.
    pub(crate) async fn wait(
        self,
        events: &mut Receiver<SimEvent>,
        device: &DeviceJid,
    ) -> &'static str {
        if let Self::After(delay) = self {
            sleep(delay).await;
            return "at a random moment";
        }
        let found = timeout(PATIENCE, async {
            let mut left = self.count();
            loop {
                match events.recv().await {
                    Ok(event) if self.matches(&event, device) => {
                        left -= 1;
                        if left == 0 {
                            return true;
                        }
                    }
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return false,
                }
            }
        });
        if found.await == Ok(true) {
            self.name()
        } else {
            "at a random moment (event did not come)"
        }
    }

    const fn count(self) -> u64 {
        match self {
            Self::After(_) => 1,
            Self::Frame(n)
            | Self::Ciphertext(n)
            | Self::Receipt(n)
            | Self::Send(n)
            | Self::Ack(n) => n,
        }
    }

    fn matches(self, event: &SimEvent, device: &DeviceJid) -> bool {
        match (self, event) {
            (
                Self::Frame(_),
                SimEvent::FrameIn { device: d, .. } | SimEvent::FrameOut { device: d, .. },
            )
            | (Self::Ciphertext(_), SimEvent::Delivered { to: d, .. })
            | (Self::Receipt(_), SimEvent::Receipted { by: d, .. })
            | (Self::Send(_), SimEvent::Submitted { from: d, .. })
            | (Self::Ack(_), SimEvent::Acked { to: d, .. }) => d == device,
            _ => false,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::After(_) => "at a random moment",
            Self::Frame(_) => "at the n-th frame",
            Self::Ciphertext(_) => "between ciphertext and receipt",
            Self::Receipt(_) => "after a receipt",
            Self::Send(_) => "between send and ack",
            Self::Ack(_) => "after an ack",
        }
    }
}
