//! Kills the shipped bridge while messages flow both ways, and counts.
//!
//! Half of the kills come at random moments, half when the simulator sees a
//! chosen protocol event, so that each durability point is hit. At the end the
//! server's ledger, the consumer's notes and the phones' screens must agree:
//! nothing lost, nothing receipted without being stored, nothing shown twice.
//!
//! `LOONG_KILLS` sets the number of kills (6 by default), `LOONG_SEED` the seed.

mod consumer;
mod sender;
mod trigger;

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use consumer::Inbound;
use loong_tests::harness::{Bridge, World, WorldOptions};
use sender::Outbound;
use tokio::{sync::watch, task::JoinSet, time::timeout};
use trigger::{Hits, Trigger};

/// How many people write at once.
const PEOPLE: usize = 4;
/// Messages per kill, as 5,000 in and 1,000 out over 200 kills.
const IN_PER_KILL: usize = 25;
const OUT_PER_KILL: usize = 5;
/// How long everything may take to settle after the last kill.
const SETTLE: Duration = Duration::from_secs(60);

fn number(name: &str, default: usize) -> usize {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_shown_twice_whenever_the_bridge_dies() -> anyhow::Result<()> {
    let kills = number("LOONG_KILLS", 6);
    let seed = u64::try_from(number("LOONG_SEED", 1))?;
    let (inbound, outbound) = (kills * IN_PER_KILL, kills * OUT_PER_KILL);
    let world = World::start(WorldOptions {
        seed,
        people: PEOPLE,
    })
    .await?;
    let (url, urls) = watch::channel(None);
    let mut tasks = JoinSet::new();

    let inbound = Arc::new(Inbound::new(inbound));
    let outbound = Arc::new(Outbound::new(outbound));
    tasks.spawn(Arc::clone(&inbound).consume(urls.clone()));
    // How many messages people may have written by now; grows with every round.
    let (allow, allowed) = watch::channel(0);
    let people = world.people.clone();
    tasks.spawn(Arc::clone(&outbound).send_all(urls, people.clone(), allowed.clone()));
    tasks.spawn(Arc::clone(&inbound).write_all(people, world.own_number.clone(), allowed));

    let hits = kill_repeatedly(&world, kills, seed, &url, &allow).await?;
    let bridge = start(&world, &url).await?;
    let settled = settle(&inbound, &outbound, &mut tasks).await;
    report(&hits, &inbound, &outbound);
    verify(&world, &inbound, &outbound)?;
    settled?;
    let (code, _log) = bridge.stop().await?;
    ensure!(code == Some(0), "the last bridge ended with {code:?}");
    Ok(())
}

async fn start(world: &World, url: &watch::Sender<Option<String>>) -> anyhow::Result<Bridge> {
    let mut bridge = world.bridge().start().await?;
    url.send_replace(Some(bridge.url().to_owned()));
    bridge.state("online").await?;
    Ok(bridge)
}

async fn kill_repeatedly(
    world: &World,
    kills: usize,
    seed: u64,
    url: &watch::Sender<Option<String>>,
    allow: &watch::Sender<usize>,
) -> anyhow::Result<Hits> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut hits = Hits::new();
    for round in 0..kills {
        let bridge = start(world, url)
            .await
            .with_context(|| format!("start number {round}"))?;
        let mut events = world.sim.hub().events();
        // Half of a round's messages are there before the bridge is, half come now.
        allow.send_modify(|allowed| *allowed += IN_PER_KILL.div_ceil(2));
        let trigger = Trigger::choose(round, &mut random);
        let hit = trigger.wait(&mut events, &world.device).await;
        bridge.kill().await?;
        url.send_replace(None);
        allow.send_replace((round + 1) * IN_PER_KILL);
        *hits.entry(hit).or_default() += 1;
    }
    Ok(hits)
}

async fn settle(
    inbound: &Inbound,
    outbound: &Outbound,
    tasks: &mut JoinSet<anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let done = async {
        while let Some(task) = tasks.join_next().await {
            task??;
        }
        anyhow::Ok(())
    };
    timeout(SETTLE, done).await.with_context(|| {
        format!(
            "not settled: {} of {} in, {} of {} out",
            inbound.done(),
            inbound.expected,
            outbound.confirmed.load(Ordering::Relaxed),
            outbound.expected
        )
    })?
}

#[expect(
    clippy::print_stdout,
    reason = "the numbers are what a reader of the run wants"
)]
fn report(hits: &Hits, inbound: &Inbound, outbound: &Outbound) {
    let total: usize = hits.values().sum();
    println!("kills: {total}");
    for (what, count) in hits {
        println!("  {what}: {count}");
    }
    let in_doubt = inbound.notes().in_doubt.len();
    println!(
        "in: {} written, {} taken ({} with their ack cut off), {} delivered more than once",
        inbound.expected,
        inbound.done(),
        in_doubt,
        inbound.redelivered(),
    );
    println!(
        "out: {} keys, {} confirmed, {} repeated requests",
        outbound.expected,
        outbound.confirmed.load(Ordering::Relaxed),
        outbound.repeats.load(Ordering::Relaxed),
    );
}

fn verify(world: &World, inbound: &Inbound, outbound: &Outbound) -> anyhow::Result<()> {
    let notes = inbound.notes();
    ensure!(
        notes.after_ack.is_empty(),
        "delivered again after their ack: {:?}",
        notes.after_ack
    );
    let device = world.device.to_string();
    let mut receipted_not_stored = Vec::new();
    let mut lost = Vec::new();
    for (id, text) in &notes.written {
        if notes.acked.contains(text) || notes.in_doubt.contains(text) {
            continue;
        }
        let receipted = world
            .sim
            .hub()
            .ledger_entry(id)
            .and_then(|entry| entry.targets.get(&device).and_then(|t| t.receipted_at));
        if receipted.is_some() {
            receipted_not_stored.push(id.clone());
        } else {
            lost.push(id.clone());
        }
    }
    ensure!(
        receipted_not_stored.is_empty(),
        "receipted but not stored: {receipted_not_stored:?}"
    );
    ensure!(lost.is_empty(), "lost: {lost:?}");

    let mut shown: BTreeMap<String, u32> = BTreeMap::new();
    for person in &world.people {
        for message in person.log().view.seen().iter().filter(|m| !m.from_me) {
            *shown.entry(message.text.clone()).or_default() += message.shown;
        }
    }
    for text in outbound.texts() {
        let times = shown.get(&text).copied().unwrap_or(0);
        ensure!(times == 1, "`{text}` was shown {times} times");
    }
    Ok(())
}
