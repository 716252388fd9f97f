//! One library client for one connection.
//!
//! The library could reconnect by itself, but its backoff grows to 15 minutes
//! and some of its ends are final. So each connection gets a client of its own,
//! with reconnecting switched off, and the supervisor decides what follows. Its
//! store handle is fenced: once the next client exists, leftover tasks of this
//! one can write nothing.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use bridge_core::driver::Ingress;
use whatsapp_rust::{
    Client, RawNodeLease,
    bot::{Bot, BotHandle},
    cache_config::CacheConfig,
    wacore::{net::TransportFactory, store::DevicePropsOverride},
    waproto::whatsapp::device_props::PlatformType,
};

use super::{
    acks::Acks,
    gate::{ClientSlot, GatedFactory},
    signals::{SignalReceivers, Signals},
};
use crate::{
    error::WaError, http::NoHttp, ingress::Hook, options::WaOptions, store::SledStore,
    version::ProtocolVersion,
};

/// How long sent messages stay available for late retry receipts: phones that
/// were off for days ask for a re-encryption when they come back.
const SENT_RETENTION: Duration = Duration::from_secs(7 * 24 * 3600);
/// How long a graceful end may take before the client is dropped.
const SHUTDOWN: Duration = Duration::from_secs(4);

/// A running client with the receivers of its events.
pub(crate) struct Link {
    pub(crate) client: Arc<Client>,
    pub(crate) signals: Arc<Signals>,
    pub(crate) receivers: SignalReceivers,
    pub(crate) handle: BotHandle,
    /// Lets the event handler see `<stream:error>` stanzas.
    _raw_stanzas: RawNodeLease,
}

/// What a client is made of.
pub(crate) struct Parts {
    pub(crate) store: SledStore,
    pub(crate) transport: Arc<dyn TransportFactory>,
    pub(crate) ingress: Arc<dyn Ingress>,
    pub(crate) acks: Arc<Acks>,
    pub(crate) version: ProtocolVersion,
    pub(crate) linked: bool,
}

impl Link {
    /// Builds a client and starts it.
    pub(crate) async fn start(parts: Parts, options: &WaOptions) -> Result<Self, WaError> {
        let (signals, receivers) = Signals::new(parts.acks);
        let slot: ClientSlot = Arc::new(OnceLock::new());
        let transport = if parts.linked {
            parts.transport
        } else {
            Arc::new(GatedFactory::new(parts.transport, Arc::clone(&slot))) as Arc<_>
        };
        let bot = Bot::builder()
            .with_backend(parts.store)
            .with_transport_factory(Shared(transport))
            .with_http_client(NoHttp)
            .with_version(parts.version.into())
            .with_device_props(device_props(options))
            .with_cache_config(cache_config())
            .skip_history_sync()
            .with_inbound_durability_hook(Hook::new(parts.ingress, Arc::clone(&signals)))
            .with_event_handler(Handler(Arc::clone(&signals)))
            .build()
            .await
            .map_err(|error| WaError::Client(error.to_string()))?;
        let client = bot.client();
        client
            .enable_auto_reconnect
            .store(false, std::sync::atomic::Ordering::Relaxed);
        // The slot is fresh, so this cannot fail.
        let _first = slot.set(Arc::downgrade(&client));
        Ok(Self {
            _raw_stanzas: client.acquire_raw_node_forwarding(),
            client,
            signals,
            receivers,
            handle: bot.spawn(),
        })
    }

    /// Ends the client in order; what does not end in time is dropped, and its
    /// writes are refused by the fence.
    pub(crate) async fn close(self) {
        if tokio::time::timeout(SHUTDOWN, self.handle.shutdown())
            .await
            .is_err()
        {
            tracing::warn!("the connection did not close in time and was dropped");
        }
    }
}

fn device_props(options: &WaOptions) -> DevicePropsOverride {
    // Phones accept pairing codes only from a known browser on a known system.
    DevicePropsOverride::new()
        .with_os(options.device_name.clone())
        .with_platform_type(PlatformType::CHROME)
}

fn cache_config() -> CacheConfig {
    CacheConfig {
        sent_message_ttl_secs: SENT_RETENTION.as_secs(),
        ..CacheConfig::default()
    }
}

struct Shared(Arc<dyn TransportFactory>);

#[whatsapp_rust::async_trait]
impl TransportFactory for Shared {
    async fn create_transport(
        &self,
    ) -> whatsapp_rust::anyhow::Result<(
        Arc<dyn whatsapp_rust::wacore::net::Transport>,
        whatsapp_rust::async_channel::Receiver<whatsapp_rust::wacore::net::TransportEvent>,
    )> {
        self.0.create_transport().await
    }
}

struct Handler(Arc<Signals>);

impl whatsapp_rust::wacore::types::events::EventHandler for Handler {
    fn handle_event(&self, event: Arc<whatsapp_rust::wacore::types::events::Event>) {
        self.0.handle_event(event);
    }
}
