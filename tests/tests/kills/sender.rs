//! A program that sends: each text under a key of its own, repeated until the
//! bridge confirms it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use anyhow::ensure;
use loong_tests::{harness::Consumer, wa_sim::phone::Phone};
use tokio::sync::watch;

use crate::{IN_PER_KILL, OUT_PER_KILL};

/// The outbound half of the test.
#[derive(Debug)]
pub(crate) struct Outbound {
    pub(crate) expected: usize,
    pub(crate) confirmed: AtomicUsize,
    pub(crate) repeats: AtomicUsize,
}

impl Outbound {
    pub(crate) const fn new(expected: usize) -> Self {
        Self {
            expected,
            confirmed: AtomicUsize::new(0),
            repeats: AtomicUsize::new(0),
        }
    }

    pub(crate) fn texts(&self) -> impl Iterator<Item = String> + use<> {
        (0..self.expected).map(|n| format!("out {n}"))
    }

    pub(crate) async fn send_all(
        self: Arc<Self>,
        mut urls: watch::Receiver<Option<String>>,
        people: Vec<Arc<Phone>>,
        mut allowed: watch::Receiver<usize>,
    ) -> anyhow::Result<()> {
        for (n, text) in self.texts().enumerate() {
            allowed
                .wait_for(|allowed| n * IN_PER_KILL < *allowed * OUT_PER_KILL)
                .await?;
            let to = format!("contact:+{}", people[n % people.len()].number());
            let key = format!("key-{n}");
            loop {
                let url = urls.borrow_and_update().clone();
                let Some(url) = url else {
                    urls.changed().await?;
                    continue;
                };
                if Self::confirmed_at(&url, &to, &text, &key).await? {
                    break;
                }
                self.repeats.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
            self.confirmed.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// One request; a bridge that is down, starting or uncertain means "again".
    async fn confirmed_at(url: &str, to: &str, text: &str, key: &str) -> anyhow::Result<bool> {
        let Ok(answer) = Consumer::new(url)?.send(to, text, Some(key)).await else {
            return Ok(false);
        };
        ensure!(
            matches!(answer.status, 200 | 429 | 503 | 504),
            "`{text}` was refused: {answer:?}"
        );
        Ok(answer.status == 200)
    }
}
