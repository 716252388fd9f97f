//! A transport that saves the device before each frame leaves.
//!
//! While an account is being linked, the library answers the phone's acceptance
//! and stores the new credentials in two unrelated steps. If the process died
//! between them, the phone would list a device that nobody can use. So during
//! linking every outgoing frame waits until the device is on disk.

use std::sync::{Arc, OnceLock, Weak};

use whatsapp_rust::{
    Client, anyhow, async_channel, async_trait,
    bytes::Bytes,
    wacore::net::{Transport, TransportEvent, TransportFactory},
};

/// The client whose device is saved; known only after the factory was handed over.
pub(crate) type ClientSlot = Arc<OnceLock<Weak<Client>>>;

/// Wraps another factory's transports.
pub(crate) struct GatedFactory {
    inner: Arc<dyn TransportFactory>,
    client: ClientSlot,
}

impl GatedFactory {
    pub(crate) fn new(inner: Arc<dyn TransportFactory>, client: ClientSlot) -> Self {
        Self { inner, client }
    }
}

#[async_trait]
impl TransportFactory for GatedFactory {
    async fn create_transport(
        &self,
    ) -> anyhow::Result<(Arc<dyn Transport>, async_channel::Receiver<TransportEvent>)> {
        let (inner, events) = self.inner.create_transport().await?;
        let gated = Gated {
            inner,
            client: Arc::clone(&self.client),
        };
        Ok((Arc::new(gated), events))
    }
}

struct Gated {
    inner: Arc<dyn Transport>,
    client: ClientSlot,
}

#[async_trait]
impl Transport for Gated {
    async fn send(&self, data: Bytes) -> anyhow::Result<()> {
        if let Some(client) = self.client.get().and_then(Weak::upgrade) {
            // Saved directly: `flush` returns early while the library's own
            // saver is in the middle of the same write.
            let manager = client.persistence_manager();
            let device = manager.get_device_snapshot();
            manager.backend().save(&device).await?;
        }
        self.inner.send(data).await
    }

    async fn disconnect(&self) {
        self.inner.disconnect().await;
    }
}
