//! What all requests share.

use std::{sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::{BridgeOptions, accounts::Accounts};
use crate::{
    clock::{Clock, SystemClock},
    contract::ContractError,
};

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) options: BridgeOptions,
    /// The port that a `Host` header must name.
    pub(super) port: u16,
    pub(super) accounts: Accounts,
    /// Ends intake and long polls.
    pub(super) shutdown: CancellationToken,
    pub(super) started_ms: u64,
    requests: Arc<Semaphore>,
    long_polls: Arc<Semaphore>,
}

impl Shared {
    pub(super) fn new(
        options: BridgeOptions,
        port: u16,
        accounts: Accounts,
        shutdown: CancellationToken,
    ) -> Self {
        Self {
            port,
            accounts,
            shutdown,
            started_ms: now_ms(),
            requests: Arc::new(Semaphore::new(options.limits.requests)),
            long_polls: Arc::new(Semaphore::new(options.limits.long_polls)),
            options,
        }
    }

    /// Admission for an ordinary request.
    pub(super) fn admit(&self) -> Result<OwnedSemaphorePermit, ContractError> {
        Arc::clone(&self.requests)
            .try_acquire_owned()
            .map_err(|_full| ContractError::Busy)
    }

    /// Admission for a long poll, counted apart so that waiting consumers cannot
    /// keep acks and sends out.
    pub(super) fn admit_long_poll(&self) -> Result<OwnedSemaphorePermit, ContractError> {
        Arc::clone(&self.long_polls)
            .try_acquire_owned()
            .map_err(|_full| ContractError::Busy)
    }

    pub(super) fn deadline(&self) -> Duration {
        self.options.limits.request_time
    }
}

pub(super) fn now_ms() -> u64 {
    SystemClock.now_ms()
}
