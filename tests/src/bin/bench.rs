//! What the shipped binary costs, measured from outside on the simulator:
//! `cargo run --release -p loong-tests --bin bench`.
//!
//! The simulator and its phones run in this process and share the processors
//! with the bridge, so rates are lower bounds. Build the bridge first:
//! `cargo build --release`.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use clap::Parser;
use futures_util::future::try_join_all;
use loong_tests::{
    harness::{Bridge, Consumer, World, WorldOptions, loong_binary},
    wa_sim::phone::{Phone, send::Letter},
};
use tokio::time::timeout;

/// How long one step may take.
const STEP: Duration = Duration::from_secs(300);
/// A message outside the measurement, to set up sessions.
const FIRST: Duration = Duration::from_secs(30);
/// Between two looks at something that has no event.
const LOOK: Duration = Duration::from_millis(2);
/// How long the bridge is left alone before its memory is read.
const IDLE: Duration = Duration::from_secs(3);
/// Messages to one person that go out without a pause, one less than the bridge
/// allows: its pauses are not what is measured.
const UNPACED: usize = 19;

/// Measure the shipped binary on the simulator.
#[derive(Debug, Parser)]
struct Options {
    /// Messages that come in.
    #[arg(long, default_value_t = 2000)]
    messages: usize,
    /// People who write them, all at once.
    #[arg(long, default_value_t = 16)]
    people: usize,
    /// Messages that go out, one after the other, to everybody in turn.
    #[arg(long, default_value_t = 200)]
    sends: usize,
    /// Cold starts.
    #[arg(long, default_value_t = 10)]
    starts: usize,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    ensure!(
        options.people > 0 && options.starts > 0 && options.sends > 0,
        "counts begin at 1"
    );
    ensure!(
        options.sends <= options.people * UNPACED,
        "more than {UNPACED} messages to one person are slowed down on purpose"
    );
    let binary = loong_binary()?;
    let size = std::fs::metadata(&binary).context("the binary's size")?;
    let world = World::start(WorldOptions {
        seed: 1,
        people: options.people,
    })
    .await?;

    say(&format!("{}\n", binary.display()));
    row("", "measured", "aim");
    row("binary", &mebibytes(size.len()), "< 30 MiB");
    starts(&world, options.starts).await?;

    let mut bridge = world.bridge().start().await?;
    bridge.state("online").await?;
    tokio::time::sleep(IDLE).await;
    row("memory, online and idle", &memory(&bridge)?, "< 30 MiB");
    let consumer = Consumer::new(bridge.url())?;
    let before = processor(&bridge)?;
    let count = inbound(&world, &consumer, options.messages).await?;
    let spent = processor(&bridge)?.saturating_sub(before);
    let each = spent / u32::try_from(count).context("fewer messages")?.max(1);
    row("processor time per message in", &milliseconds(each), "");
    row("memory after that", &memory(&bridge)?, "");
    sends(&world, &consumer, options.sends).await?;
    let (code, log) = bridge.stop().await?;
    ensure!(code == Some(0), "the bridge ended with {code:?}:\n{log}");
    Ok(())
}

#[expect(clippy::print_stdout, reason = "this is a command line tool")]
fn say(line: &str) {
    println!("{line}");
}

fn row(what: &str, measured: &str, aim: &str) {
    say(&format!("{what:<34}{measured:>18}   {aim}"));
}

fn mebibytes(bytes: u64) -> String {
    let tenths = bytes.saturating_mul(10) / (1 << 20);
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}

/// The resident memory of the bridge, as Linux counts it.
fn memory(bridge: &Bridge) -> anyhow::Result<String> {
    let pid = bridge.pid().context("the bridge has ended")?;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))
        .context("reading the bridge's memory; this needs Linux")?;
    let kib: u64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.split_whitespace().next())
        .context("VmRSS in the process status")?
        .parse()?;
    Ok(mebibytes(kib * 1024))
}

/// The processor time that the bridge has used so far, in all its threads.
fn processor(bridge: &Bridge) -> anyhow::Result<Duration> {
    /// Linux reports to programs in hundredths of a second, whatever it counts in.
    const TICK: Duration = Duration::from_millis(10);
    let pid = bridge.pid().context("the bridge has ended")?;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .context("reading the bridge's processor time; this needs Linux")?;
    // The name, in parentheses, may contain anything; user and system time are
    // the 12th and 13th field after it.
    let (_name, fields) = stat.rsplit_once(')').context("a name in parentheses")?;
    let times = fields.split_whitespace().skip(11).take(2);
    let ticks: u32 = times.map(str::parse::<u32>).sum::<Result<_, _>>()?;
    Ok(TICK * ticks)
}

/// The value below which `percent` of the sorted `times` lie.
fn percentile(times: &[Duration], percent: usize) -> Duration {
    let rank = (times.len() * percent).div_ceil(100).saturating_sub(1);
    times.get(rank).copied().unwrap_or_default()
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}

fn rate(count: usize, time: Duration) -> String {
    let per_second = u128::try_from(count).unwrap_or_default() * 1_000_000_000;
    format!("{}/s", per_second / time.as_nanos().max(1))
}

/// From the start of the process until it listens, and until it is online.
async fn starts(world: &World, count: usize) -> anyhow::Result<()> {
    let (mut listening, mut online) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let begun = Instant::now();
        let mut bridge = world.bridge().start().await?;
        listening.push(begun.elapsed());
        bridge.state("online").await?;
        online.push(begun.elapsed());
        let (code, log) = bridge.stop().await?;
        ensure!(code == Some(0), "the bridge ended with {code:?}:\n{log}");
    }
    listening.sort();
    online.sort();
    let middle = |times: &[Duration]| milliseconds(percentile(times, 50));
    row("start to listening, median", &middle(&listening), "< 50 ms");
    row("start to online, median", &middle(&online), "");
    Ok(())
}

/// Everybody writes at once, while a program takes and acknowledges.
///
/// A message has left the server's queue when the bridge has confirmed it, which
/// it does only once the message is on disk. Gives the number of messages.
async fn inbound(world: &World, consumer: &Consumer, count: usize) -> anyhow::Result<usize> {
    // The first message of each person carries keys; it is not what is measured.
    for person in &world.people {
        person.send(&world.own_number, &Letter::text("first"))?;
    }
    consumer.take(world.people.len(), FIRST).await?;

    let each = count.div_ceil(world.people.len());
    let total = each * world.people.len();
    let begun = Instant::now();
    let writing = world.people.iter().map(|person| {
        let (person, to) = (Arc::clone(person), world.own_number.clone());
        tokio::task::spawn_blocking(move || write(&person, &to, each))
    });
    let writing = try_join_all(writing.collect::<Vec<_>>());
    let stored = async {
        for written in writing.await? {
            written?;
        }
        let written = begun.elapsed();
        while world.sim.hub().queued(&world.device) > 0 {
            tokio::time::sleep(LOOK).await;
        }
        anyhow::Ok((written, begun.elapsed()))
    };
    let taken = async {
        take(consumer, total).await?;
        anyhow::Ok(begun.elapsed())
    };
    let both = async { tokio::try_join!(stored, taken) };
    let ((written, stored), taken) = timeout(STEP, both)
        .await
        .context("the messages did not come through")??;
    row("written by the phones", &rate(total, written), "");
    row("stored and confirmed", &rate(total, stored), "");
    row("messages in, acknowledged", &rate(total, taken), "> 1000/s");
    Ok(total)
}

fn write(person: &Phone, to: &str, count: usize) -> anyhow::Result<()> {
    for n in 0..count {
        person.send(to, &Letter::text(format!("message {n}")))?;
    }
    Ok(())
}

/// Takes batches as large as they come, and acknowledges each batch at once.
async fn take(consumer: &Consumer, count: usize) -> anyhow::Result<()> {
    let mut taken = 0;
    while taken < count {
        let batch = consumer.receive(50, Duration::from_secs(5)).await?;
        try_join_all(batch.iter().map(|message| consumer.ack(message))).await?;
        taken += batch.len();
    }
    Ok(())
}

/// One message after the other, each with a key of its own.
async fn sends(world: &World, consumer: &Consumer, count: usize) -> anyhow::Result<()> {
    let people = world.people.len();
    let mut times = Vec::with_capacity(count + people);
    // The first one to each person fetches keys; it is not what is measured.
    for (n, person) in world.people.iter().cycle().take(people + count).enumerate() {
        let to = format!("contact:+{}", person.number());
        let key = format!("bench-{n}");
        let begun = Instant::now();
        let answer = consumer.send(&to, "an answer", Some(&key)).await?;
        times.push(begun.elapsed());
        ensure!(answer.status == 200, "send_message: {answer:?}");
    }
    let mut times = times.split_off(people);
    times.sort();
    row(
        "send, half take at most",
        &milliseconds(percentile(&times, 50)),
        "",
    );
    row(
        "send, 95 of 100 take at most",
        &milliseconds(percentile(&times, 95)),
        "",
    );
    Ok(())
}
