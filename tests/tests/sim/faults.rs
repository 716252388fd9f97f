use anyhow::Result;
use loong_tests::wa_sim::events::SimEvent;
use loong_tests::wa_sim::faults::{Direction, Fault};

use crate::client::{Client, Said};
use crate::world::{Linked, World, shows, write};

async fn linked() -> Result<(World, Linked)> {
    let world = World::new().await?;
    let linked = world.linked("Ada", false).await?;
    Ok((world, linked))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_client_comes_back_and_misses_nothing() -> Result<()> {
    let (world, mut ada) = linked().await?;
    let bob = world.phone("Bob", false)?;
    write(&bob, ada.phone.number(), "before")?;
    assert_eq!(ada.client.text().await?, "before");
    world.hub().inject(
        Some(ada.device.clone()),
        Fault::DropAfter {
            frames: 0,
            direction: Direction::Out,
        },
    );
    let id = write(&bob, ada.phone.number(), "during")?;
    assert_eq!(ada.client.text().await?, "during");
    let entry = world
        .hub()
        .ledger_entry(&id)
        .map(|entry| entry.targets[&ada.device.to_string()].delivered);
    assert_eq!(entry, Some(1), "the cut frame does not count");
    ada.client.stop().await;
    world.server.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_login_replaces_the_first() -> Result<()> {
    let (world, mut ada) = linked().await?;
    let mut second = Client::start_on(&world.server.ws_url(), ada.store.clone(), "Ada").await?;
    ada.client.wait_for(&Said::Replaced).await?;
    second.wait_for(&Said::Connected).await?;
    second.stop().await;
    world.server.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unlinked_device_is_told_and_cannot_return() -> Result<()> {
    let (world, mut ada) = linked().await?;
    world
        .hub()
        .inject(Some(ada.device.clone()), Fault::DeviceRemoved);
    ada.client.wait_for(&Said::LoggedOut).await?;
    let mut events = world.hub().events();
    let again = Client::start_on(&world.server.ws_url(), ada.store.clone(), "Ada").await?;
    let reason = World::event(&mut events, "refusal", |event| match event {
        SimEvent::Refused { reason, .. } => Some(*reason),
        _ => None,
    });
    assert_eq!(reason.await?, 401);
    again.stop().await;
    world.server.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outdated_client_is_told_so() -> Result<()> {
    let (world, ada) = linked().await?;
    ada.client.stop().await;
    world.hub().inject(
        Some(ada.device.clone()),
        Fault::FailLogin {
            reason: 405,
            times: None,
            expire: None,
        },
    );
    let mut again = Client::start_on(&world.server.ws_url(), ada.store, "Ada").await?;
    again.wait_for(&Said::Outdated).await?;
    again.stop().await;
    world.server.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_message_is_not_delivered() -> Result<()> {
    let (world, mut ada) = linked().await?;
    let bob = world.phone("Bob", false)?;
    let to = world
        .hub()
        .account(bob.number())
        .map(|account| account.pn())
        .unwrap_or_default();
    world.hub().inject(
        Some(ada.device.clone()),
        Fault::RefuseSend {
            error: 463,
            times: Some(1),
        },
    );
    let id = ada.client.send(&to, "refused").await?;
    let error = ada.client.wait("refusal", |said| match said {
        Said::Acked { id: acked, error } if *acked == id => Some(error.clone()),
        _ => None,
    });
    assert_eq!(error.await?.as_deref(), Some("463"));
    ada.client.send(&to, "accepted").await?;
    shows(&bob, "accepted").await?;
    assert!(bob.log().view.find(&id).is_none());
    ada.client.stop().await;
    world.server.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn duplicated_and_overtaken_messages_are_shown_once_each() -> Result<()> {
    let (world, mut ada) = linked().await?;
    let bob = world.phone("Bob", false)?;
    world
        .hub()
        .inject(Some(ada.device.clone()), Fault::Duplicate { times: 1 });
    write(&bob, ada.phone.number(), "twice")?;
    assert_eq!(ada.client.text().await?, "twice");
    world
        .hub()
        .inject(Some(ada.device.clone()), Fault::Reorder { times: 1 });
    write(&bob, ada.phone.number(), "first")?;
    write(&bob, ada.phone.number(), "second")?;
    let order = [ada.client.text().await?, ada.client.text().await?];
    assert_eq!(order, ["second", "first"]);
    ada.client.stop().await;
    world.server.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_black_hole_answers_nothing_until_it_closes() -> Result<()> {
    let (world, mut ada) = linked().await?;
    let bob = world.phone("Bob", false)?;
    world
        .hub()
        .inject(Some(ada.device.clone()), Fault::BlackHole { for_ms: None });
    let id = write(&bob, ada.phone.number(), "held back")?;
    // Somebody else's messages still pass, so time has gone by when they have.
    let cleo = world.phone("Cleo", false)?;
    write(&bob, cleo.number(), "passes")?;
    shows(&cleo, "passes").await?;
    let held = world
        .hub()
        .ledger_entry(&id)
        .map(|entry| entry.targets[&ada.device.to_string()].delivered);
    assert_eq!(held, Some(0));
    world.hub().clear_faults(Some(ada.device.clone()));
    assert_eq!(ada.client.text().await?, "held back");
    ada.client.stop().await;
    world.server.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_session_is_repaired_by_a_retry() -> Result<()> {
    let (world, mut ada) = linked().await?;
    let bob = world.phone("Bob", false)?;
    let to = world
        .hub()
        .account(bob.number())
        .map(|account| account.pn())
        .unwrap_or_default();
    ada.client.send(&to, "opens the session").await?;
    shows(&bob, "opens the session").await?;
    write(&bob, ada.phone.number(), "confirms it")?;
    assert_eq!(ada.client.text().await?, "confirms it");
    bob.forget_session(&ada.device.pn())?;
    let id = ada.client.send(&to, "after the loss").await?;
    let seen = shows(&bob, "after the loss").await?;
    assert_eq!(seen.shown, 1);
    let retries = world
        .hub()
        .ledger_entry(&id)
        .map(|entry| entry.targets[&format!("{}:0", bob.number())].retries);
    assert!(retries >= Some(1));
    ada.client.stop().await;
    world.server.shutdown().await;
    Ok(())
}
