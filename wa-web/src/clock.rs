//! Wall time in the unit the bridge uses.

use std::time::{SystemTime, UNIX_EPOCH};

/// Unix milliseconds; a clock before 1970 reads as 0.
pub(crate) fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| {
            u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
        })
}
