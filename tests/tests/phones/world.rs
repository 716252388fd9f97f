//! A simulator with its control API, and clients linked to its phones.

use anyhow::Result;
use loong_tests::sim_client::SimClient;
use loong_tests::wa_sim::control::types::{CreatePhone, PhoneInfo};
use loong_tests::wa_sim::control::{self, Control};
use loong_tests::wa_sim::hub::Hub;
use loong_tests::wa_sim::phone::book::PhoneBook;
use loong_tests::wa_sim::server::{SimOptions, SimServer};

use crate::client::PlainClient;

/// A simulator and its control API.
pub(crate) struct World {
    pub(crate) server: SimServer,
    pub(crate) sim: SimClient,
}

impl World {
    pub(crate) async fn start(seed: u64) -> Result<Self> {
        let _ = tracing_subscriber::fmt()
            .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
            .with_test_writer()
            .try_init();
        let options = SimOptions {
            seed,
            ..SimOptions::default()
        };
        let hub = Hub::new(&options)?;
        let router = control::router(Control::new(PhoneBook::new(hub.clone())));
        let server = SimServer::start_with(options, hub, router).await?;
        let sim = SimClient::new(format!("http://{}", server.http_addr()))?;
        Ok(Self { server, sim })
    }

    pub(crate) async fn phone(&self, name: &str, lid: bool) -> Result<PhoneInfo> {
        let phone = CreatePhone {
            push_name: name.to_owned(),
            lid,
            ..CreatePhone::default()
        };
        self.sim.create_phone(&phone).await
    }

    /// A client that is linked by QR to a phone of that name.
    pub(crate) async fn linked(&self, name: &str) -> Result<(PlainClient, String)> {
        let mut client = PlainClient::start(&self.server.ws_url(), name, None).await?;
        let qr = client.qr().await?;
        let linked = self.sim.scan_any(&qr).await?;
        client.connected().await?;
        Ok((client, linked.number))
    }
}
