//! The shipped bridge as a party: the process, and a consumer that keeps what it
//! took.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use async_trait::async_trait;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::heard::PATIENCE;
use super::party::{Chat, Party};
use crate::harness::{Bridge, BridgeSetup, Consumer};

/// How long one request for messages waits.
const POLL: Duration = Duration::from_secs(2);
/// Messages per request.
const BATCH: usize = 20;

/// A running bridge and everything that was taken from it.
pub(super) struct BridgeParty {
    bridge: Bridge,
    consumer: Consumer,
    taken: Mutex<Vec<Value>>,
}

impl BridgeParty {
    /// Starts the bridge and waits until its session is online.
    ///
    /// # Errors
    /// When it does not get there.
    pub(super) async fn start(setup: &BridgeSetup) -> Result<Self> {
        let mut bridge = setup.start().await?;
        bridge.state("online").await?;
        ensure!(
            !bridge.seen().iter().any(|e| e["event"] == "qr"),
            "a linked session must not ask for a QR code"
        );
        let consumer = Consumer::new(bridge.url())?;
        Ok(Self {
            bridge,
            consumer,
            taken: Mutex::default(),
        })
    }

    /// Waits until the session has come online once more.
    ///
    /// # Errors
    /// When it does not.
    pub(super) async fn online_again(&mut self) -> Result<()> {
        self.bridge.state("online").await.map(drop)
    }

    /// Ends the process with SIGTERM.
    ///
    /// # Errors
    /// When it does not end in order.
    pub(super) async fn stop(self) -> Result<()> {
        let (code, log) = self.bridge.stop().await?;
        ensure!(code == Some(0), "the bridge ended with {code:?}:\n{log}");
        Ok(())
    }

    /// Ends the process as a crash would.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub(super) async fn kill(self) -> Result<()> {
        self.bridge.kill().await
    }
}

/// The route by which the contract names a chat.
fn route(chat: &Chat) -> String {
    match chat {
        Chat::Person(number) => format!("contact:+{number}"),
        Chat::Group(jid) => format!("group:{jid}"),
    }
}

fn is_in(message: &Value, chat: &Chat) -> bool {
    let id = message["reply_target"]["id"].as_str().unwrap_or_default();
    id.ends_with(&format!(":{}", route(chat)))
}

#[async_trait]
impl Party for BridgeParty {
    fn name(&self) -> String {
        "the bridge".to_owned()
    }

    async fn write(&self, to: &Chat, text: &str) -> Result<()> {
        let answer = self.consumer.send(&route(to), text, Some(text)).await?;
        ensure!(answer.status == 200, "{answer:?}");
        Ok(())
    }

    async fn shown(&self, chat: &Chat, text: &str) -> Result<bool> {
        let until = Instant::now() + PATIENCE;
        let mut taken = self.taken.lock().await;
        loop {
            if taken.iter().any(|m| m["text"] == text && is_in(m, chat)) {
                // A bridge passes on what others write, never its account's own.
                return Ok(false);
            }
            ensure!(
                Instant::now() < until,
                "it was never handed out; taken so far: {taken:?}"
            );
            for message in self
                .consumer
                .receive(BATCH, POLL)
                .await
                .context("receive_batch")?
            {
                self.consumer.ack(&message).await?;
                taken.push(message);
            }
        }
    }

    async fn times(&self, text: &str) -> Result<usize> {
        Ok(self
            .taken
            .lock()
            .await
            .iter()
            .filter(|m| m["text"] == text)
            .count())
    }
}
