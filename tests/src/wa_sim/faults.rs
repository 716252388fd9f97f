//! Scripted faults: what goes wrong, for whom, and how often.

use std::collections::HashMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::address::DeviceJid;

/// Which frames a counter counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Frames from the client.
    In,
    /// Frames to the client.
    Out,
    /// Both.
    #[default]
    Any,
}

/// One fault. Those with `times` wear off; the others stay until they are
/// cleared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fault {
    /// Cut the connection now, without a word.
    Drop,
    /// Cut the connection once that many more frames passed.
    DropAfter {
        /// Frames that still pass.
        frames: u32,
        /// Which frames count.
        #[serde(default)]
        direction: Direction,
    },
    /// Keep the socket open, read nothing and write nothing.
    BlackHole {
        /// How long; until cleared if missing.
        #[serde(default)]
        for_ms: Option<u64>,
    },
    /// End the stream with this code: 515 restart, 503 going away, 429 too
    /// fast, 516 unlinked (old form) …
    StreamError {
        /// The code.
        code: u16,
    },
    /// Unlink the device and say so.
    DeviceRemoved,
    /// Say that the device is connected elsewhere.
    Replaced,
    /// End the stream without a reason.
    StreamEnd,
    /// Refuse logins: 401 logged out, 402 banned for a while, 403 locked, 405
    /// outdated, 406 banned, 409 bad user agent, 500, 501, 503 …
    FailLogin {
        /// The reason.
        reason: u16,
        /// How many logins; every one if missing.
        #[serde(default)]
        times: Option<u32>,
        /// Seconds that a ban (402) lasts.
        #[serde(default)]
        expire: Option<u64>,
    },
    /// Cut connections right after the handshake.
    FailConnect {
        /// How many.
        times: u32,
    },
    /// Refuse messages from the device: 463 missing token, 400, 404, 421, 475,
    /// 479.
    RefuseSend {
        /// The error in the acknowledgement.
        error: u16,
        /// How many messages; every one if missing.
        #[serde(default)]
        times: Option<u32>,
    },
    /// Hold back everything for the device by this long.
    Delay {
        /// Milliseconds.
        ms: u64,
    },
    /// Deliver messages twice.
    Duplicate {
        /// How many messages.
        times: u32,
    },
    /// Let a message be overtaken by the next one.
    Reorder {
        /// How many messages.
        times: u32,
    },
    /// Never acknowledge messages from the device, though they are delivered.
    WithholdAcks {
        /// How many messages; every one if missing.
        #[serde(default)]
        times: Option<u32>,
    },
    /// Answer requests late.
    SlowIqs {
        /// Milliseconds.
        ms: u64,
    },
    /// Stamp everything with a clock that is wrong by this much (everybody).
    ClockSkew {
        /// Seconds; negative is the past.
        seconds: i64,
    },
}

/// How long a message lets others overtake it.
pub(crate) const OVERTAKEN: Duration = Duration::from_millis(250);

/// The faults that are waiting to take effect for one device, or for all.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pending {
    pub(crate) drop_after: Option<(u32, Direction)>,
    pub(crate) fail_login: Option<(u16, Option<u32>, Option<u64>)>,
    pub(crate) fail_connect: u32,
    pub(crate) refuse_send: Option<(u16, Option<u32>)>,
    pub(crate) delay: Option<Duration>,
    pub(crate) duplicate: u32,
    pub(crate) reorder: u32,
    pub(crate) withhold_acks: Option<Option<u32>>,
    pub(crate) slow_iqs: Option<Duration>,
    pub(crate) black_hole: Option<Option<std::time::Instant>>,
}

/// The fault schedule: per device, and for whoever comes.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    devices: HashMap<DeviceJid, Pending>,
    anybody: Pending,
}

impl Faults {
    /// The schedule of a device, or of everybody.
    pub(crate) fn of(&mut self, target: Option<&DeviceJid>) -> &mut Pending {
        match target {
            Some(device) => self.devices.entry(device.clone()).or_default(),
            None => &mut self.anybody,
        }
    }

    pub(crate) fn clear(&mut self, target: Option<&DeviceJid>) {
        match target {
            Some(device) => drop(self.devices.remove(device)),
            None => *self = Self::default(),
        }
    }

    /// Asks the device's own schedule first, then everybody's.
    fn take<T>(
        &mut self,
        device: &DeviceJid,
        mut ask: impl FnMut(&mut Pending) -> Option<T>,
    ) -> Option<T> {
        let own = self.devices.get_mut(device).and_then(&mut ask);
        own.or_else(|| ask(&mut self.anybody))
    }

    pub(crate) fn fail_login(&mut self, device: &DeviceJid) -> Option<(u16, Option<u64>)> {
        self.take(device, |pending| {
            let (reason, times, expire) = pending.fail_login.as_mut()?;
            let answer = (*reason, *expire);
            if wear(times) {
                pending.fail_login = None;
            }
            Some(answer)
        })
    }

    /// What a client hears that wants to be linked: only what everybody hears.
    pub(crate) fn fail_registration(&mut self) -> Option<(u16, Option<u64>)> {
        self.fail_login(&DeviceJid::new("", 0))
    }

    pub(crate) fn fail_connect(&mut self, device: &DeviceJid) -> bool {
        self.take(device, |pending| count_down(&mut pending.fail_connect))
            .is_some()
    }

    pub(crate) fn refuse_send(&mut self, device: &DeviceJid) -> Option<u16> {
        self.take(device, |pending| {
            let (error, times) = pending.refuse_send.as_mut()?;
            let answer = *error;
            if wear(times) {
                pending.refuse_send = None;
            }
            Some(answer)
        })
    }

    pub(crate) fn withhold_ack(&mut self, device: &DeviceJid) -> bool {
        let withheld = self.take(device, |pending| {
            if wear(pending.withhold_acks.as_mut()?) {
                pending.withhold_acks = None;
            }
            Some(())
        });
        withheld.is_some()
    }

    pub(crate) fn duplicate(&mut self, device: &DeviceJid) -> bool {
        self.take(device, |pending| count_down(&mut pending.duplicate))
            .is_some()
    }

    pub(crate) fn reorder(&mut self, device: &DeviceJid) -> bool {
        self.take(device, |pending| count_down(&mut pending.reorder))
            .is_some()
    }

    pub(crate) fn delay(&mut self, device: &DeviceJid) -> Option<Duration> {
        self.take(device, |pending| pending.delay)
    }

    pub(crate) fn slow_iqs(&mut self, device: &DeviceJid) -> Option<Duration> {
        self.take(device, |pending| pending.slow_iqs)
    }

    /// Whether the device is cut off, and until when if that is known.
    pub(crate) fn black_hole(&mut self, device: &DeviceJid) -> Option<Option<std::time::Instant>> {
        self.take(device, |pending| {
            if let Some(Some(until)) = pending.black_hole
                && until <= std::time::Instant::now()
            {
                pending.black_hole = None;
            }
            pending.black_hole
        })
    }

    /// Counts a frame; true if the connection must be cut instead of passing it.
    pub(crate) fn frame(&mut self, device: &DeviceJid, direction: Direction) -> bool {
        let cut = self.take(device, |pending| {
            let (left, counted) = pending.drop_after.as_mut()?;
            if *counted != Direction::Any && *counted != direction {
                return Some(false);
            }
            if *left == 0 {
                pending.drop_after = None;
                return Some(true);
            }
            *left -= 1;
            Some(false)
        });
        cut.unwrap_or(false)
    }
}

/// Uses one of `times`; true if none is left.
fn wear(times: &mut Option<u32>) -> bool {
    match times {
        None => false,
        Some(left) => {
            *left = left.saturating_sub(1);
            *left == 0
        }
    }
}

fn count_down(left: &mut u32) -> Option<()> {
    *left = left.checked_sub(1)?;
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_wear_off_and_a_devices_own_come_first() {
        let (one, two) = (DeviceJid::new("1", 1), DeviceJid::new("2", 1));
        let mut faults = Faults::default();
        faults.of(Some(&one)).refuse_send = Some((463, Some(1)));
        faults.of(None).refuse_send = Some((479, None));
        assert_eq!(faults.refuse_send(&one), Some(463));
        assert_eq!(faults.refuse_send(&one), Some(479));
        assert_eq!(faults.refuse_send(&two), Some(479));
        faults.clear(None);
        assert_eq!(faults.refuse_send(&two), None);
    }

    #[test]
    fn a_connection_is_cut_after_the_frames_that_count() {
        let device = DeviceJid::new("1", 1);
        let mut faults = Faults::default();
        faults.of(Some(&device)).drop_after = Some((1, Direction::Out));
        assert!(!faults.frame(&device, Direction::In));
        assert!(!faults.frame(&device, Direction::Out));
        assert!(faults.frame(&device, Direction::Out));
        assert!(!faults.frame(&device, Direction::Out));
    }

    #[test]
    fn a_fault_reads_from_json() -> Result<(), serde_json::Error> {
        let fault: Fault = serde_json::from_str(r#"{"kind":"drop_after","frames":3}"#)?;
        assert_eq!(
            fault,
            Fault::DropAfter {
                frames: 3,
                direction: Direction::Any
            }
        );
        Ok(())
    }
}
