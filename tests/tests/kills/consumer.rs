//! People who write, and the consumer that takes what they wrote.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use loong_tests::{
    harness::Consumer,
    wa_sim::phone::{Phone, send::Letter},
};
use tokio::sync::watch;

/// What was written and what became of it.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// Message id to text.
    pub(crate) written: BTreeMap<String, String>,
    /// Texts whose ack the bridge confirmed.
    pub(crate) acked: BTreeSet<String>,
    /// Texts whose ack was on its way when the bridge died: it counted, or the
    /// message comes again.
    pub(crate) in_doubt: BTreeSet<String>,
    /// Texts that came back after that.
    pub(crate) after_ack: Vec<String>,
    /// How often each text was delivered.
    pub(crate) deliveries: BTreeMap<String, usize>,
}

/// The inbound half of the test.
#[derive(Debug)]
pub(crate) struct Inbound {
    pub(crate) expected: usize,
    notes: Mutex<Notes>,
}

impl Inbound {
    pub(crate) fn new(expected: usize) -> Self {
        Self {
            expected,
            notes: Mutex::new(Notes::default()),
        }
    }

    pub(crate) fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many texts reached the consumer and were, or may have been, acknowledged.
    pub(crate) fn done(&self) -> usize {
        let notes = self.notes();
        notes.acked.union(&notes.in_doubt).count()
    }

    pub(crate) fn redelivered(&self) -> usize {
        self.notes()
            .deliveries
            .values()
            .filter(|times| **times > 1)
            .count()
    }

    /// People write in turn, as many messages as `allowed` says so far.
    pub(crate) async fn write_all(
        self: Arc<Self>,
        people: Vec<Arc<Phone>>,
        to: String,
        mut allowed: watch::Receiver<usize>,
    ) -> anyhow::Result<()> {
        for n in 0..self.expected {
            allowed.wait_for(|allowed| n < *allowed).await?;
            let text = format!("in {n}");
            let posted = people[n % people.len()].send(&to, &Letter::text(text.clone()))?;
            self.notes().written.insert(posted.id, text);
        }
        Ok(())
    }

    /// Takes messages from whichever bridge is up until all are acknowledged.
    pub(crate) async fn consume(
        self: Arc<Self>,
        mut urls: watch::Receiver<Option<String>>,
    ) -> anyhow::Result<()> {
        while self.done() < self.expected {
            let url = urls.borrow_and_update().clone();
            let Some(url) = url else {
                urls.changed().await?;
                continue;
            };
            let consumer = Consumer::new(&url)?;
            // A dead bridge fails the call; the next address follows.
            while self.take(&consumer).await.is_ok() && self.done() < self.expected {}
            if urls.borrow().as_deref() == Some(&url) && self.done() < self.expected {
                urls.changed().await?;
            }
        }
        Ok(())
    }

    async fn take(&self, consumer: &Consumer) -> anyhow::Result<()> {
        for message in consumer.receive(10, Duration::from_secs(2)).await? {
            let text = message["text"].as_str().unwrap_or_default().to_owned();
            {
                let mut notes = self.notes();
                *notes.deliveries.entry(text.clone()).or_default() += 1;
                if notes.acked.contains(&text) {
                    notes.after_ack.push(text.clone());
                }
                notes.in_doubt.insert(text.clone());
            }
            consumer.ack(&message).await?;
            let mut notes = self.notes();
            notes.in_doubt.remove(&text);
            notes.acked.insert(text);
        }
        Ok(())
    }
}
