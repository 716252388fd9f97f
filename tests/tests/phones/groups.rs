//! Groups between phones and the published client library.

use anyhow::{Context as _, Result};
use loong_tests::sim_client::Wait;
use loong_tests::wa_sim::control::types::{ChangeGroup, CreateGroup, PhoneInfo};
use loong_tests::wa_sim::phone::send::Letter;

use crate::client::PlainClient;
use crate::world::World;

async fn a_group_of_three(lid: bool, seed: u64) -> Result<()> {
    let world = World::start(seed).await?;
    let (ann, ben) = (
        world.phone("Ann", false).await?,
        world.phone("Ben", lid).await?,
    );
    let (mut client, own) = world.linked("Me").await?;
    let group = world
        .sim
        .create_group(&CreateGroup {
            creator: ann.number.clone(),
            subject: "Three".to_owned(),
            members: vec![ben.number.clone(), own.clone()],
            lid,
        })
        .await?
        .group;

    // A first message carries the sender key, a second only uses it.
    for text in ["all of you", "once more"] {
        let sent = world.sim.send_text(&ann.number, &group, text).await?;
        let got = client.message().await?;
        assert_eq!(
            (got.text().as_str(), &got.chat, &got.id),
            (text, &group, &sent.id)
        );
    }
    let inbox = world.sim.inbox(&ben.number, Wait::until(2)).await?;
    assert_eq!(
        inbox
            .entries
            .iter()
            .map(|seen| seen.from.as_str())
            .collect::<Vec<_>>(),
        [&ann.pn; 2]
    );

    let id = client.send(&group, "from the client").await?;
    for phone in [&ann, &ben] {
        let wanted = if phone.number == ann.number { 1 } else { 3 };
        let inbox = world.sim.inbox(&phone.number, Wait::until(wanted)).await?;
        let shown = inbox
            .entries
            .iter()
            .find(|seen| seen.id == id)
            .context("not shown")?;
        assert_eq!(
            (shown.text.as_str(), &shown.chat),
            ("from the client", &group)
        );
    }

    // All of that without asking for anything twice.
    for phone in [&ann, &ben] {
        assert_eq!(
            world.sim.refusals(&phone.number, Wait::not()).await?.total,
            0
        );
    }

    removal_changes_the_key(&world, &group, &ann, &ben, &mut client).await?;
    client.stop().await;
    world.server.shutdown().await;
    Ok(())
}

/// Whoever is removed reads no more.
async fn removal_changes_the_key(
    world: &World,
    group: &str,
    ann: &PhoneInfo,
    ben: &PhoneInfo,
    client: &mut PlainClient,
) -> Result<()> {
    let change = ChangeGroup {
        actor: ann.number.clone(),
        remove: vec![ben.number.clone()],
        ..Default::default()
    };
    let left = world.sim.change_group(group, &change).await?;
    assert!(!left.members.contains(&ben.number));
    world
        .sim
        .send_text(&ann.number, group, "without Ben")
        .await?;
    assert_eq!(client.message().await?.text(), "without Ben");
    assert!(
        world
            .sim
            .send_text(&ben.number, group, "still here")
            .await
            .is_err()
    );
    assert_eq!(world.sim.inbox(&ben.number, Wait::not()).await?.total, 3);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_by_number_works_both_ways() -> Result<()> {
    a_group_of_three(false, 21).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_by_lid_works_both_ways() -> Result<()> {
    a_group_of_three(true, 22).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_sender_key_is_asked_for() -> Result<()> {
    let world = World::start(23).await?;
    let ann = world.phone("Ann", false).await?;
    let (mut client, own) = world.linked("Me").await?;
    let group = CreateGroup {
        creator: ann.number.clone(),
        subject: "Two".to_owned(),
        members: vec![own.clone()],
        lid: false,
    };
    let group = world.sim.create_group(&group).await?.group;
    // The client's phone shares the account but has its own keys: it reads too.
    world.sim.send_text(&ann.number, &group, "hello").await?;
    assert_eq!(client.message().await?.text(), "hello");
    world.sim.inbox(&own, Wait::until(1)).await?;

    // Sealed for device 0 only: the companion got no key and has to ask.
    let late = CreateGroup {
        creator: ann.number.clone(),
        subject: "Stale".to_owned(),
        members: vec![own.clone()],
        lid: false,
    };
    let late = world.sim.create_group(&late).await?.group;
    let letter = Letter {
        devices: Some(vec![0]),
        ..Letter::text("who can read this?")
    };
    let id = world.sim.send(&ann.number, &late, &letter).await?.id;
    let got = client.message().await?;
    assert_eq!((got.text().as_str(), &got.id), ("who can read this?", &id));
    client.stop().await;
    world.server.shutdown().await;
    Ok(())
}
