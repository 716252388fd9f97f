//! Between a messenger and the two boxes.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Inbox;
use crate::{
    driver::{DeliveryProof, Driver, Ingress, IngressError},
    message::{ChatId, InboundEvent},
    outbox::Outbox,
};

/// How often what is too old is deleted.
const SWEEP_EVERY: Duration = Duration::from_hours(6);

/// How long after the start the first time.
const FIRST_SWEEP: Duration = Duration::from_mins(2);

/// How long sends that are on their way have at the end: most of the five
/// seconds that a whole shutdown may take belongs to others.
const LAST_SENDS: Duration = Duration::from_secs(2);

/// Puts what a driver reports into inbox and outbox.
#[derive(Debug, Clone)]
pub struct InboxIngress {
    /// Where messages go.
    pub inbox: Arc<Inbox>,
    /// Where proofs of delivery go.
    pub outbox: Arc<Outbox>,
}

#[async_trait]
impl Ingress for InboxIngress {
    async fn commit(&self, events: Vec<InboundEvent>) -> Result<(), IngressError> {
        let report = self.inbox.commit(events).await;
        match &report {
            Ok(report) => tracing::debug!(?report, "events committed"),
            Err(error) => tracing::warn!(%error, "events were not taken"),
        }
        report.map(drop)
    }

    async fn proof(&self, chat: &ChatId, message_id: &str, proof: DeliveryProof) {
        if let Err(error) = self.outbox.proof(chat, message_id, proof).await {
            tracing::warn!(%error, "a proof of delivery was not noted");
        }
    }
}

impl InboxIngress {
    /// Looks after both boxes until `stop`: deletes what is too old, and tells
    /// the driver when there is room in a full inbox again. Then closes the outbox,
    /// with 2 s for what is on its way. Owned by whoever owns the account. Watches from the moment it is called,
    /// not from when it is first polled.
    pub fn maintain(
        self,
        driver: Arc<dyn Driver>,
        stop: CancellationToken,
    ) -> impl Future<Output = ()> + Send {
        let full = self.inbox.full();
        self.watch(full, driver, stop)
    }

    async fn watch(
        self,
        mut full: watch::Receiver<bool>,
        driver: Arc<dyn Driver>,
        stop: CancellationToken,
    ) {
        // Not while everything else is starting.
        let first = tokio::time::Instant::now() + FIRST_SWEEP;
        let mut sweep = tokio::time::interval_at(first, SWEEP_EVERY);
        sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                changed = full.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    if !*full.borrow_and_update() {
                        driver.nudge();
                    }
                }
                _ = sweep.tick() => self.sweep().await,
            }
        }
        self.outbox.close(LAST_SENDS).await;
    }

    async fn sweep(&self) {
        match self.inbox.sweep().await {
            Ok(swept) => tracing::debug!(swept, "old tombstones deleted"),
            Err(error) => tracing::warn!(%error, "old tombstones were not deleted"),
        }
        let inbox = Arc::clone(&self.inbox);
        // If in doubt, the answer stays.
        let answers = move |key: &str| inbox.knows(key).unwrap_or(true);
        match self.outbox.sweep(answers).await {
            Ok(swept) => tracing::debug!(swept, "old sent messages deleted"),
            Err(error) => tracing::warn!(%error, "old sent messages were not deleted"),
        }
    }
}
