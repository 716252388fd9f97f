//! Linking: by QR code, by pairing code, and not at all with a stranger.

use std::path::Path;

use anyhow::Context as _;
use loong_tests::{
    harness::{Consumer, World, WorldOptions},
    wa_sim::{
        events::SimEvent,
        phone::{linking::LinkOptions, send::Letter},
    },
};

use crate::{SOON, shown};

const SMALL: WorldOptions = WorldOptions {
    seed: 11,
    people: 1,
};

/// The command line without the certificate check; never shipped.
fn pairing_binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_loong_pairing"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scanned_qr_code_links_and_a_restart_needs_none() -> anyhow::Result<()> {
    let world = World::start(SMALL).await?;
    let setup = world
        .unlinked_bridge(pairing_binary(), "by-qr")
        .arg("--allow")
        .arg("*");
    let mut bridge = setup.start().await?;
    let qr = bridge.event("qr").await?;
    let code = qr["code"].as_str().context("a QR event carries its code")?;
    world.owner.scan_qr(code, LinkOptions::default()).await?;
    bridge.state("online").await?;

    let ann = &world.people[0];
    ann.send(&world.own_number, &Letter::text("linked?"))?;
    let consumer = Consumer::new(bridge.url())?;
    let message = consumer.take(1, SOON).await?.remove(0);
    consumer.reply(&message["reply_target"], "linked.").await?;
    shown(ann, "linked.").await?;
    bridge.stop().await?;

    // The session was paired by the test build; the shipped binary carries on.
    let shipped = loong_tests::harness::loong_binary()?;
    let setup = world
        .unlinked_bridge(&shipped, "by-qr")
        .arg("--allow")
        .arg("*");
    let mut bridge = setup.start().await?;
    bridge.state("online").await?;
    assert!(!bridge.seen().iter().any(|event| event["event"] == "qr"));
    Ok(())
}

/// The server has just registered the device, the phone shows it: whatever happens
/// to the process now, the credentials are there after a restart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_the_moment_the_device_is_registered_does_not_cost_the_link() -> anyhow::Result<()> {
    let world = World::start(SMALL).await?;
    let setup = world.unlinked_bridge(pairing_binary(), "killed");
    let mut bridge = setup.start().await?;
    let qr = bridge.event("qr").await?;
    let code = qr["code"]
        .as_str()
        .context("a QR event carries its code")?
        .to_owned();
    let mut events = world.sim.hub().events();
    let owner = std::sync::Arc::clone(&world.owner);
    let scan = tokio::spawn(async move { owner.scan_qr(&code, LinkOptions::default()).await });
    let registered = async {
        loop {
            if let SimEvent::Paired { .. } = events.recv().await? {
                return anyhow::Ok(());
            }
        }
    };
    tokio::time::timeout(SOON, registered)
        .await
        .context("the device was registered")??;
    bridge.kill().await?;
    scan.await??;

    let mut bridge = setup.start().await?;
    bridge.state("online").await?;
    assert!(!bridge.seen().iter().any(|event| event["event"] == "qr"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_typed_pairing_code_links() -> anyhow::Result<()> {
    let world = World::start(SMALL).await?;
    let setup = world
        .unlinked_bridge(pairing_binary(), "by-code")
        .arg("--pairing-code")
        .arg(format!("+{}", world.own_number));
    let mut bridge = setup.start().await?;
    let event = bridge.event("pairing_code").await?;
    let code = event["code"]
        .as_str()
        .context("the event carries the code")?
        .to_owned();
    world
        .owner
        .enter_code(&code, LinkOptions::default())
        .await?;
    bridge.state("online").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_custom_code_is_used_as_given_and_a_wrong_one_does_not_link() -> anyhow::Result<()> {
    let world = World::start(SMALL).await?;
    let setup = world
        .unlinked_bridge(pairing_binary(), "by-custom-code")
        .arg("--pairing-code")
        .arg(format!("+{}", world.own_number))
        .arg("--custom-pairing-code")
        .arg("LGLG1234");
    let mut bridge = setup.start().await?;
    let event = bridge.event("pairing_code").await?;
    assert_eq!(event["code"], "LGLG-1234");
    let wrong = world
        .owner
        .enter_code("AAAA-1111", LinkOptions::default())
        .await;
    assert!(wrong.is_err(), "a wrong code links nothing");
    world
        .owner
        .enter_code("LGLG-1234", LinkOptions::default())
        .await?;
    bridge.state("online").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shipped_binary_refuses_to_pair_with_a_simulator() -> anyhow::Result<()> {
    let world = World::start(SMALL).await?;
    let shipped = loong_tests::harness::loong_binary()?;
    let mut bridge = world.unlinked_bridge(&shipped, "refused").start().await?;
    let event = bridge.state("backoff").await?;
    let cause = event["cause"].as_str().unwrap_or_default();
    assert!(cause.contains("certificate"), "{event}");
    assert!(!bridge.seen().iter().any(|event| event["event"] == "qr"));
    Ok(())
}
