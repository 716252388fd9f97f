//! Who waits for the server's word on a sent message.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::oneshot;
use whatsapp_rust::chrono::{DateTime, Utc};

/// The server's answer to one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ack {
    /// The error code, where it refused.
    pub(crate) error: Option<String>,
    /// The server's time for the message, Unix milliseconds.
    pub(crate) server_ms: Option<u64>,
}

/// Waiters by message id. An answer without a waiter is late, and goes to the
/// outbox as a proof instead.
#[derive(Debug, Default)]
pub(crate) struct Acks {
    waiters: Mutex<HashMap<String, oneshot::Sender<Ack>>>,
}

impl Acks {
    /// Waits for the answer to `id`. A second wait for one id replaces the first;
    /// the outbox sends an id at most once at a time.
    pub(crate) fn wait(self: &Arc<Self>, id: &str) -> AckWait {
        let (sender, receiver) = oneshot::channel();
        self.lock().insert(id.to_owned(), sender);
        AckWait {
            acks: Arc::clone(self),
            id: id.to_owned(),
            receiver,
        }
    }

    pub(crate) fn answer(&self, id: &str, error: Option<String>, at: Option<DateTime<Utc>>) {
        if let Some(waiter) = self.lock().remove(id) {
            let server_ms = at.and_then(|t| u64::try_from(t.timestamp_millis()).ok());
            // A waiter that gave up meanwhile has reported "uncertain" already.
            let _gone = waiter.send(Ack { error, server_ms });
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, oneshot::Sender<Ack>>> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A pending wait; dropping it forgets the waiter.
#[derive(Debug)]
pub(crate) struct AckWait {
    acks: Arc<Acks>,
    id: String,
    receiver: oneshot::Receiver<Ack>,
}

impl AckWait {
    /// The answer; `None` if the waiter was replaced. Cancel-safe.
    pub(crate) async fn answered(&mut self) -> Option<Ack> {
        (&mut self.receiver).await.ok()
    }
}

impl Drop for AckWait {
    fn drop(&mut self) {
        self.receiver.close();
        let mut waiters = self.acks.lock();
        if waiters
            .get(&self.id)
            .is_some_and(oneshot::Sender::is_closed)
        {
            waiters.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_reaches_its_waiter_once() {
        let acks = Arc::new(Acks::default());
        let mut wait = acks.wait("A");
        acks.answer("B", None, None);
        acks.answer("A", Some("463".to_owned()), None);
        let ack = wait.answered().await.expect("answered");
        assert_eq!(ack.error.as_deref(), Some("463"));
        drop(wait);
        assert!(acks.lock().is_empty());
    }

    #[tokio::test]
    async fn dropping_a_wait_forgets_it_but_not_its_successor() {
        let acks = Arc::new(Acks::default());
        let first = acks.wait("A");
        let mut second = acks.wait("A");
        drop(first);
        acks.answer("A", None, None);
        assert!(second.answered().await.is_some());
    }
}
