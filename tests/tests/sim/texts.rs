use anyhow::Result;
use loong_tests::wa_sim::events::SimEvent;
use loong_tests::wa_sim::server::SimOptions;

use crate::client::{Client, Said};
use crate::world::{World, shows, write};

async fn both_ways(by_lid: bool, compress: bool) -> Result<()> {
    let world = World::with(SimOptions {
        compress,
        ..SimOptions::default()
    })
    .await?;
    let mut ada = world.linked("Ada", by_lid).await?;
    let bob = world.phone("Bob", by_lid)?;
    write(&bob, ada.phone.number(), "hello from the phone")?;
    assert_eq!(ada.client.text().await?, "hello from the phone");
    let to = world
        .hub()
        .account(bob.number())
        .map(|account| account.pn())
        .unwrap_or_default();
    let id = ada.client.send(&to, "hello from the client").await?;
    ada.client
        .wait_for(&Said::Acked {
            id: id.clone(),
            error: None,
        })
        .await?;
    let seen = shows(&bob, "hello from the client").await?;
    assert_eq!((seen.shown, seen.id.as_str()), (1, id.as_str()));
    // The sender's own phone has it too.
    shows(&ada.phone, "hello from the client").await?;
    ada.client
        .wait("delivery receipt", |said| match said {
            Said::Receipt { ids, .. } if ids.contains(&id) => Some(()),
            _ => None,
        })
        .await?;
    ada.client.stop().await;
    world.server.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_go_both_ways_by_number() -> Result<()> {
    both_ways(false, false).await
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_go_both_ways_by_lid_and_compressed() -> Result<()> {
    both_ways(true, true).await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_clients_chat_with_each_other() -> Result<()> {
    let world = World::new().await?;
    let (mut ada, mut bob) = (
        world.linked("Ada", false).await?,
        world.linked("Bob", false).await?,
    );
    ada.client.send(&bob.jid(), "one").await?;
    assert_eq!(bob.client.text().await?, "one");
    bob.client.send(&ada.jid(), "two").await?;
    assert_eq!(ada.client.text().await?, "two");
    ada.client.stop().await;
    bob.client.stop().await;
    world.server.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_while_a_client_was_away_arrives_in_order() -> Result<()> {
    let world = World::new().await?;
    let ada = world.linked("Ada", false).await?;
    let bob = world.phone("Bob", false)?;
    ada.client.stop().await;
    let texts: Vec<String> = (0..130).map(|n| format!("missed {n}")).collect();
    for text in &texts {
        write(&bob, ada.phone.number(), text)?;
    }
    let mut events = world.hub().events();
    let mut again = Client::start_on(&world.server.ws_url(), ada.store, "Ada").await?;
    for text in &texts {
        assert_eq!(&again.text().await?, text);
    }
    World::event(&mut events, "end of the backlog", |event| {
        matches!(event, SimEvent::Drained { device } if *device == ada.device).then_some(())
    })
    .await?;
    again.stop().await;
    world.server.shutdown().await;
    Ok(())
}
