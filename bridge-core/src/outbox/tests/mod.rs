//! Tests of the outbox, on a real store, with the messenger in memory.

mod keeping;
mod keys;
mod outcomes;
mod parts;

use std::{error::Error, sync::Arc, time::Duration};

use super::{DEFAULT_RETENTION, Outbox, OutboxError, Pace, SendReceipt, SendRequest, SendState};
use crate::{
    clock::ManualClock,
    driver::Driver,
    driver_memory::MemoryDriver,
    message::ChatId,
    vault::{MasterKey, Vault, VaultOptions},
};

type Result<T = ()> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const ANNA: &str = "15550000001@s.whatsapp.net";
const BEN: &str = "15550000002@s.whatsapp.net";
const START_MS: u64 = 1_790_000_000_000;

/// An outbox that can be closed and opened again, and its messenger.
struct Rig {
    dir: tempfile::TempDir,
    clock: Arc<ManualClock>,
    messenger: Arc<MemoryDriver>,
    driver: Arc<dyn Driver>,
    pace: Pace,
    outbox: Option<Outbox>,
}

impl Rig {
    fn new() -> Result<Self> {
        Self::with(MemoryDriver::new())
    }

    /// A messenger that takes 4 characters at a time.
    fn in_parts() -> Result<Self> {
        Self::with(MemoryDriver::new().with_part_chars(4))
    }

    fn with(messenger: MemoryDriver) -> Result<Self> {
        let messenger = Arc::new(messenger);
        let mut rig = Self {
            dir: tempfile::tempdir()?,
            clock: Arc::new(ManualClock::new(START_MS)),
            driver: messenger.clone(),
            messenger,
            pace: Pace::default(),
            outbox: None,
        };
        rig.open()?;
        Ok(rig)
    }

    fn open(&mut self) -> Result {
        let options = VaultOptions::new(self.dir.path());
        let vault = Vault::open(&options, &MasterKey::from_bytes([7; MasterKey::LEN]))?;
        let outbox = Outbox::open(&vault, DEFAULT_RETENTION, self.clock.clone())?;
        self.outbox = Some(outbox.with_pace(self.pace));
        Ok(())
    }

    /// Closes the outbox without waiting for anything on its way.
    async fn reopen(&mut self) -> Result {
        if let Some(outbox) = self.outbox.take() {
            outbox.close(Duration::ZERO).await;
        }
        self.open()
    }

    fn outbox(&self) -> &Outbox {
        self.outbox.as_ref().expect("open outside of reopen")
    }

    async fn send(
        &self,
        to: &str,
        text: &str,
        key: Option<&str>,
    ) -> std::result::Result<SendReceipt, OutboxError> {
        let request = SendRequest {
            chat: ChatId::from_canonical(to),
            text: text.to_owned(),
            key: key.map(str::to_owned),
        };
        self.outbox().send(&self.driver, request).await
    }

    /// What was handed over so far: message id and text.
    fn sent(&self) -> Vec<(String, String)> {
        let sent = self.messenger.sent().into_iter();
        sent.map(|part| (part.message_id, part.text)).collect()
    }

    fn sent_texts(&self) -> Vec<String> {
        self.sent().into_iter().map(|(_, text)| text).collect()
    }
}

fn uncertain() -> crate::driver::SendOutcome {
    crate::driver::SendOutcome::Uncertain {
        reason: "no ack within 7 s".to_owned(),
    }
}

fn not_sent() -> crate::driver::SendOutcome {
    crate::driver::SendOutcome::NotSent {
        reason: "the socket is gone".to_owned(),
    }
}
