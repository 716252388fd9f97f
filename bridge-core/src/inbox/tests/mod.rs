//! Tests of the inbox, on a real store.

mod admin;
mod commit;
mod interleaving;
mod lease;
mod parking;
mod policy;
mod snapshot;

use std::{error::Error, sync::Arc, time::Duration};

use super::{Inbox, InboxItem, InboxLimits, Leased, ReceiveRequest};
use crate::{
    clock::ManualClock,
    driver::{Driver as _, IngressError},
    driver_memory::{MemoryDriver, text_message},
    message::{ChatId, InboundEvent, InboundMessage},
    policy::{Allowlist, PolicyHandle},
    vault::{MasterKey, Vault, VaultOptions},
};

type Result<T = ()> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const ANNA: &str = "15550000001@s.whatsapp.net";
const BEN: &str = "15550000002@s.whatsapp.net";
const START_MS: u64 = 1_790_000_000_000;

/// An inbox that can be closed and opened again.
struct Rig {
    dir: tempfile::TempDir,
    clock: Arc<ManualClock>,
    policy: Arc<PolicyHandle>,
    limits: InboxLimits,
    inbox: Option<Inbox>,
}

impl Rig {
    fn new() -> Result<Self> {
        Self::with(InboxLimits::default(), Allowlist::Everyone)
    }

    fn with(limits: InboxLimits, list: Allowlist) -> Result<Self> {
        let driver = MemoryDriver::new();
        let resolver = Arc::new(move |entry: &str| driver.allow_entry(entry));
        let mut rig = Self {
            dir: tempfile::tempdir()?,
            clock: Arc::new(ManualClock::new(START_MS)),
            policy: Arc::new(PolicyHandle::new(list, resolver)),
            limits,
            inbox: None,
        };
        rig.reopen()?;
        Ok(rig)
    }

    fn reopen(&mut self) -> Result {
        // The store has an exclusive lock.
        self.inbox = None;
        let options = VaultOptions::new(self.dir.path());
        let vault = Vault::open(&options, &MasterKey::from_bytes([7; MasterKey::LEN]))?;
        let policy = Arc::clone(&self.policy);
        self.inbox = Some(Inbox::open(
            &vault,
            self.limits.clone(),
            policy,
            self.clock.clone(),
        )?);
        Ok(())
    }

    fn inbox(&self) -> &Inbox {
        self.inbox.as_ref().expect("open outside of reopen")
    }

    async fn commit(
        &self,
        messages: &[InboundMessage],
    ) -> std::result::Result<super::CommitReport, IngressError> {
        let events = messages
            .iter()
            .cloned()
            .map(InboundEvent::Message)
            .collect();
        self.inbox().commit(events).await
    }

    /// Commits one text from a contact.
    async fn text(&self, from: &str, id: &str) -> Result {
        self.commit(&[text_message(from, id, &format!("text {id}"))])
            .await?;
        Ok(())
    }

    /// What the consumer without a name gets at once; the ids.
    async fn receive(&self, max_messages: usize) -> Result<Vec<String>> {
        self.receive_as(None, max_messages).await
    }

    async fn receive_as(&self, consumer: Option<&str>, max_messages: usize) -> Result<Vec<String>> {
        let request = ReceiveRequest {
            consumer: consumer.map(str::to_owned),
            max_messages,
            ..ReceiveRequest::default()
        };
        Ok(ids(&self.inbox().receive(request).await?))
    }

    async fn ack(&self, from: &str, id: &str) -> Result<super::AckOutcome> {
        Ok(self.inbox().ack(&cursor(from, id)).await?)
    }

    fn item(&self, from: &str, id: &str) -> Result<InboxItem> {
        let items = self.inbox().list(None, usize::MAX);
        let wanted = cursor(from, id);
        Ok(items
            .into_iter()
            .find(|item| item.cursor == wanted)
            .ok_or("no such message")?)
    }

    fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }
}

fn cursor(from: &str, id: &str) -> String {
    format!("wa:{from}:{id}")
}

fn ids(batch: &[Leased]) -> Vec<String> {
    batch
        .iter()
        .map(|leased| leased.message.id.clone())
        .collect()
}

fn edit(from: &str, id: &str, text: &str) -> InboundEvent {
    InboundEvent::Edit {
        chat: ChatId::from_canonical(from),
        sender: ChatId::from_canonical(from),
        target_id: id.to_owned(),
        text: text.to_owned(),
    }
}

fn revoke(from: &str, id: &str) -> InboundEvent {
    InboundEvent::Revoke {
        chat: ChatId::from_canonical(from),
        sender: ChatId::from_canonical(from),
        target_id: id.to_owned(),
    }
}
