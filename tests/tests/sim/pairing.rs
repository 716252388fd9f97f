use anyhow::{Result, bail};
use loong_tests::wa_sim::events::SimEvent;
use loong_tests::wa_sim::phone::linking::LinkOptions;
use loong_tests::wa_sim::server::SimOptions;
use whatsapp_rust::pair_code::PairCodeOptions;

use crate::client::{Client, Said};
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_client_pairs_by_qr_and_comes_back_by_resumption() -> Result<()> {
    let world = World::new().await?;
    let mut events = world.hub().events();
    let linked = world.linked("Ada", false).await?;
    assert_eq!(linked.device.device, 1);
    let backlog = World::event(&mut events, "login", |event| match event {
        SimEvent::LoggedIn {
            device, backlog, ..
        } if *device == linked.device => Some(*backlog),
        _ => None,
    });
    backlog.await?;
    linked.client.stop().await;
    // The same store again: no QR code, and the edge routing comes back.
    let mut again = Client::start_on(&world.server.ws_url(), linked.store.clone(), "Ada").await?;
    let first = again.wait("connection", |said| match said {
        Said::Connected => Some(true),
        Said::Qr(_) => Some(false),
        _ => None,
    });
    assert!(first.await?, "asked for another link");
    let clients = world.hub().clients();
    let own = clients
        .iter()
        .find(|client| client.device.as_ref() == Some(&linked.device));
    assert!(
        own.is_some_and(|client| client.routing.is_some()),
        "{clients:?}"
    );
    again.stop().await;
    world.server.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_pairs_by_code_and_a_wrong_code_links_nothing() -> Result<()> {
    let world = World::with(SimOptions {
        strict: true,
        ..SimOptions::default()
    })
    .await?;
    let phone = world.phone("Bea", false)?;
    let mut client = Client::start(&world.server.ws_url(), "Bea").await?;
    client.qr().await?;
    let options = PairCodeOptions {
        phone_number: phone.number().to_owned(),
        ..PairCodeOptions::default()
    };
    let code = client.library().pair_with_code(options).await?;
    let wrong: String = code.chars().rev().collect();
    if wrong != code
        && phone
            .enter_code(&wrong, LinkOptions::default())
            .await
            .is_ok()
    {
        bail!("a wrong code was accepted");
    }
    let device = phone.enter_code(&code, LinkOptions::default()).await?;
    client.wait_for(&Said::Connected).await?;
    assert_eq!(world.hub().devices_of(&device.bare()).len(), 2);
    client.stop().await;
    world.server.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_survives_a_new_server_key() -> Result<()> {
    let world = World::new().await?;
    let linked = world.linked("Cleo", false).await?;
    linked.client.stop().await;
    world.hub().rotate_static_key(1)?;
    let mut again = Client::start_on(&world.server.ws_url(), linked.store, "Cleo").await?;
    again.wait_for(&Said::Connected).await?;
    again.stop().await;
    world.server.shutdown().await;
    Ok(())
}
