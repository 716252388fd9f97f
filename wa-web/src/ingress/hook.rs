//! The library's durability hook: commit to the inbox, then let the receipt go.

use std::{sync::Arc, time::Duration};

use bridge_core::{
    driver::{Ingress, IngressError},
    message::InboundEvent,
};
use whatsapp_rust::{
    Client, InboundDurabilityHook, anyhow, async_trait, wacore::types::events::InboundMessage,
};

use super::{address::origin, classify::classify};
use crate::session::{End, Signals};

/// Pauses between attempts at a store that fails. The library holds the chat's
/// receive lane meanwhile, so this is short; afterwards the connection is cut
/// and the server delivers the messages again.
const RETRIES: [Duration; 3] = [
    Duration::from_millis(50),
    Duration::from_millis(250),
    Duration::from_secs(1),
];

/// Commits what arrives; see the module's documentation.
#[derive(Debug)]
pub(crate) struct Hook {
    ingress: Arc<dyn Ingress>,
    signals: Arc<Signals>,
}

impl Hook {
    pub(crate) fn new(ingress: Arc<dyn Ingress>, signals: Arc<Signals>) -> Self {
        Self { ingress, signals }
    }

    /// A batch counts as a whole, so none of it is acknowledged; but what fits
    /// now is a duplicate when it comes again, and needs no room then. Without
    /// this, a batch larger than the inbox would never get in.
    async fn commit_what_fits(&self, events: Vec<InboundEvent>) {
        for event in events {
            if self.ingress.commit(vec![event]).await.is_err() {
                return;
            }
        }
    }

    async fn commit(&self, events: Vec<InboundEvent>) -> Result<(), IngressError> {
        for pause in RETRIES {
            match self.ingress.commit(events.clone()).await {
                Err(IngressError::Store(error)) => {
                    tracing::warn!(%error, "inbox write failed, trying again");
                    tokio::time::sleep(pause).await;
                }
                done => return done,
            }
        }
        self.ingress.commit(events).await
    }
}

/// What a batch of decrypted messages means for the inbox.
pub(crate) async fn events(client: &Client, batch: &[InboundMessage]) -> Vec<InboundEvent> {
    let mut events = Vec::new();
    for item in batch {
        if let Some(origin) = origin(client, &item.info).await {
            events.extend(classify(&item.message, &origin));
        }
    }
    events
}

#[async_trait]
impl InboundDurabilityHook for Hook {
    async fn on_messages(
        &self,
        client: Arc<Client>,
        batch: &[InboundMessage],
    ) -> anyhow::Result<()> {
        let events = events(&client, batch).await;
        if events.is_empty() {
            return Ok(());
        }
        let Err(error) = self.commit(events.clone()).await else {
            return Ok(());
        };
        if let IngressError::Full { .. } = error {
            self.commit_what_fits(events).await;
        }
        // A failed batch is not tried again on a live connection, so leave: the
        // server keeps what was not receipted and delivers it at the next login.
        match &error {
            IngressError::Full { limit } => self.signals.inbox_full(*limit),
            other => self.signals.end(End::Store {
                cause: other.to_string(),
            }),
        }
        Err(anyhow::Error::new(error))
    }
}
