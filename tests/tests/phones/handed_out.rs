//! Sessions that are handed out instead of paired.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use bridge_core::vault::master_key::KeyPlaces;
use bridge_core::vault::{Vault, VaultOptions};
use loong_tests::sim_client::Wait;
use loong_tests::wa_sim::link::{LinkOptions, LinkedPhone, link_remote};
use wa_web::store::{FenceControl, SledStore};

use crate::client::PlainClient;
use crate::world::World;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handed_out_session_logs_in_and_chats() -> Result<()> {
    let world = World::start(41).await?;
    let friend = world.phone("Friend", false).await?;
    let folder = tempfile::tempdir()?;
    let options = LinkOptions::new(folder.path().join("auth"), folder.path().join("auth.key"));
    let phone = LinkedPhone {
        push_name: "Owner".to_owned(),
        ..LinkedPhone::default()
    };
    let session = link_remote(&world.sim, &phone, &options).await?;
    assert_eq!(
        (session.device.device, session.push_name.as_str()),
        (1, "Owner")
    );

    let places = KeyPlaces {
        credential: None,
        named: None,
        generated: options.key_file,
    };
    let key = places.load()?.context("no key was written")?.key;
    let vault = Vault::open(&VaultOptions::new(&options.auth_dir), &key)?;
    let store = SledStore::open_checked(vault, FenceControl::new().advance())?;
    let mut client =
        PlainClient::start_on(Arc::new(store), &world.server.ws_url(), "", None).await?;
    client.connected().await?;
    world
        .sim
        .send_text(&friend.number, &session.device.number, "welcome")
        .await?;
    assert_eq!(client.message().await?.text(), "welcome");
    let id = client.send(&friend.pn, "thanks").await?;
    let inbox = world.sim.inbox(&friend.number, Wait::until(1)).await?;
    assert!(inbox.entries.iter().any(|seen| seen.id == id));
    client.stop().await;
    world.server.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_holds_a_session_is_left_alone() -> Result<()> {
    let world = World::start(42).await?;
    let folder = tempfile::tempdir()?;
    let options = LinkOptions::new(folder.path().join("auth"), folder.path().join("auth.key"));
    let phone = LinkedPhone {
        push_name: "Owner".to_owned(),
        ..LinkedPhone::default()
    };
    link_remote(&world.sim, &phone, &options).await?;
    let again = link_remote(&world.sim, &phone, &options).await;
    assert!(again.is_err_and(|error| format!("{error:#}").contains("linked session already")));
    world.server.shutdown().await;
    Ok(())
}
