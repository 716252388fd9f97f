//! Simulated phones against the published client library: pairing, messages in
//! both directions, groups, every kind of content, and repaired sessions.

use anyhow::{Context as _, Result, ensure};
use loong_tests::sim_client::{SimClient, Wait};
use loong_tests::wa_sim::control::types::{ChangeGroup, CreateGroup, CreatePhone, PhoneInfo};
use loong_tests::wa_sim::control::{self, Control};
use loong_tests::wa_sim::hub::Hub;
use loong_tests::wa_sim::phone::book::PhoneBook;
use loong_tests::wa_sim::phone::content::{Content, Reference, Wrapper};
use loong_tests::wa_sim::phone::send::Letter;
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

    async fn phone(&self, name: &str, lid: bool) -> Result<PhoneInfo> {
        let phone = CreatePhone {
            push_name: name.to_owned(),
            lid,
            ..CreatePhone::default()
        };
        self.sim.create_phone(&phone).await
    }

    /// A client that is linked by QR to a phone of that name.
    async fn linked(&self, name: &str) -> Result<(PlainClient, String)> {
        let mut client = PlainClient::start(&self.server.ws_url(), name, None).await?;
        let qr = client.qr().await?;
        let linked = self.sim.scan_any(&qr).await?;
        client.connected().await?;
        Ok((client, linked.number))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_pairs_by_qr_and_chats_with_a_phone() -> Result<()> {
    let world = World::start(11).await?;
    let friend = world.phone("Friend", false).await?;
    let (mut client, own) = world.linked("Me").await?;

    let sent = world.sim.send_text(&friend.number, &own, "hello").await?;
    let got = client.message().await?;
    assert_eq!((got.text().as_str(), &got.id), ("hello", &sent.id));
    let receipts = world.sim.receipts(&friend.number, Wait::until(1)).await?;
    assert!(receipts.entries.iter().any(|receipt| receipt.id == sent.id));

    let id = client.send(&friend.pn, "and back").await?;
    let inbox = world.sim.inbox(&friend.number, Wait::until(1)).await?;
    let shown = inbox.entries.first().context("nothing shown")?;
    assert_eq!(
        (shown.text.as_str(), &shown.id, shown.shown),
        ("and back", &id, 1)
    );
    // The own phone shows what its companion wrote.
    let own_inbox = world.sim.inbox(&own, Wait::until(2)).await?;
    assert!(
        own_inbox
            .entries
            .iter()
            .any(|seen| seen.id == id && seen.from_me)
    );
    client.stop().await;
    world.server.shutdown().await;
    Ok(())
}
