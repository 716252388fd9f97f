//! A simulator with phones, and clients linked to them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use loong_tests::wa_sim::address::DeviceJid;
use loong_tests::wa_sim::events::SimEvent;
use loong_tests::wa_sim::hub::Hub;
use loong_tests::wa_sim::phone::book::PhoneBook;
use loong_tests::wa_sim::phone::linking::LinkOptions;
use loong_tests::wa_sim::phone::send::Letter;
use loong_tests::wa_sim::phone::view::Seen;
use loong_tests::wa_sim::phone::{Phone, PhoneOptions};
use loong_tests::wa_sim::server::{SimOptions, SimServer};
use tokio::sync::broadcast;
use whatsapp_rust::wacore::store::InMemoryBackend;
use whatsapp_rust::wacore_binary::Jid;

use crate::client::{Client, Said};

const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct World {
    pub(crate) server: SimServer,
    pub(crate) phones: PhoneBook,
}

/// A client with the phone that it is linked to.
pub(crate) struct Linked {
    pub(crate) client: Client,
    pub(crate) store: Arc<InMemoryBackend>,
    pub(crate) phone: Arc<Phone>,
    pub(crate) device: DeviceJid,
}

impl World {
    pub(crate) async fn new() -> Result<Self> {
        Self::with(SimOptions::default()).await
    }

    pub(crate) async fn with(options: SimOptions) -> Result<Self> {
        let server = SimServer::start(options, |_| axum::Router::new()).await?;
        let phones = PhoneBook::new(server.hub().clone());
        Ok(Self { server, phones })
    }

    pub(crate) fn hub(&self) -> &Hub {
        self.server.hub()
    }

    pub(crate) fn phone(&self, name: &str, by_lid: bool) -> Result<Arc<Phone>> {
        Ok(self.phones.create(PhoneOptions {
            push_name: name.to_owned(),
            by_lid,
            ..PhoneOptions::default()
        })?)
    }

    /// A phone, and a client that it linked by QR code.
    pub(crate) async fn linked(&self, name: &str, by_lid: bool) -> Result<Linked> {
        let phone = self.phone(name, by_lid)?;
        self.link_another(phone, name).await
    }

    pub(crate) async fn link_another(&self, phone: Arc<Phone>, name: &str) -> Result<Linked> {
        let store = Arc::new(InMemoryBackend::new());
        let mut client = Client::start_on(&self.server.ws_url(), store.clone(), name).await?;
        let qr = client.qr().await?;
        let device = phone.scan_qr(&qr, LinkOptions::default()).await?;
        client.wait_for(&Said::Connected).await?;
        Ok(Linked {
            client,
            store,
            phone,
            device,
        })
    }

    /// Waits for something to happen inside the simulator.
    pub(crate) async fn event<T>(
        events: &mut broadcast::Receiver<SimEvent>,
        what: &str,
        wanted: impl Fn(&SimEvent) -> Option<T>,
    ) -> Result<T> {
        let search = async {
            loop {
                if let Some(found) = wanted(&events.recv().await?) {
                    return Ok(found);
                }
            }
        };
        tokio::time::timeout(PATIENCE, search)
            .await
            .with_context(|| format!("no {what} within {PATIENCE:?}"))?
    }
}

impl Linked {
    pub(crate) fn jid(&self) -> Jid {
        self.device.bare()
    }
}

/// Writes a text from a phone; its id.
pub(crate) fn write(phone: &Phone, to: &str, text: &str) -> Result<String> {
    Ok(phone.send(to, &Letter::text(text))?.id)
}

/// Waits until a phone's screen shows this text.
pub(crate) async fn shows(phone: &Phone, text: &str) -> Result<Seen> {
    let mut changes = phone.changes();
    let search = async {
        loop {
            let seen = phone
                .log()
                .view
                .seen()
                .iter()
                .find(|seen| seen.text == text)
                .cloned();
            if let Some(seen) = seen {
                return Ok(seen);
            }
            changes.changed().await?;
        }
    };
    tokio::time::timeout(PATIENCE, search)
        .await
        .with_context(|| format!("{text:?} never appeared"))?
}
