//! What a client said so far, kept so that nothing is missed that was said
//! before somebody asked.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::sync::watch;

/// How long a client may take for one thing. Generous: a slow machine is no
/// failure, and nothing waits this long when all is well.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// How many of the last things are quoted when something is missing.
const QUOTED: usize = 12;

/// A growing list that can be waited on. Clones share it.
pub(super) struct Heard<T> {
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    said: Mutex<Vec<T>>,
    /// `false` once nothing more can come.
    open: watch::Sender<bool>,
}

impl<T> Clone for Heard<T> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<T: Debug> Heard<T> {
    pub(super) fn new() -> Self {
        let shared = Shared {
            said: Mutex::new(Vec::new()),
            open: watch::channel(true).0,
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    pub(super) fn add(&self, said: T) {
        self.said().push(said);
        self.shared.open.send_modify(|_open| {});
    }

    /// Says that nothing more will come.
    pub(super) fn close(&self) {
        self.shared.open.send_replace(false);
    }

    /// The first entry that `wanted` picks, whenever it was said.
    ///
    /// # Errors
    /// When the client ends or stays silent instead; with what it said last.
    pub(super) async fn wait<R>(&self, what: &str, wanted: impl Fn(&T) -> Option<R>) -> Result<R> {
        let mut open = self.shared.open.subscribe();
        let search = async {
            loop {
                let more = *open.borrow_and_update();
                if let Some(found) = self.said().iter().find_map(&wanted) {
                    return Some(found);
                }
                if !more || open.changed().await.is_err() {
                    return None;
                }
            }
        };
        match tokio::time::timeout(PATIENCE, search).await {
            Ok(Some(found)) => Ok(found),
            Ok(None) => bail!("it ended before {what}; it said last: {}", self.last()),
            Err(_elapsed) => {
                bail!(
                    "{what} did not come within {} s; it said last: {}",
                    PATIENCE.as_secs(),
                    self.last()
                )
            }
        }
    }

    /// How many entries fit.
    pub(super) fn count(&self, wanted: impl Fn(&T) -> bool) -> usize {
        self.said().iter().filter(|said| wanted(said)).count()
    }

    fn last(&self) -> String {
        let said = self.said();
        format!(
            "{:?}",
            said.iter().rev().take(QUOTED).rev().collect::<Vec<_>>()
        )
    }

    fn said(&self) -> MutexGuard<'_, Vec<T>> {
        self.shared
            .said
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
