//! The whole product on one machine, without a phone:
//! `cargo run -p loong-tests --bin sandbox`.
//!
//! Starts a simulated WhatsApp, hands out a linked session, runs the shipped
//! bridge on it, and lets a program answer what a scripted phone writes. On a
//! terminal, every line typed is sent from that phone.

use std::{io::IsTerminal as _, path::Path, process::Command, sync::Arc, time::Duration};

use anyhow::{Context as _, ensure};
use loong_tests::{
    harness::{Consumer, World, WorldOptions},
    wa_sim::phone::{Phone, send::Letter},
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    time::timeout,
};

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(30);
/// What the phone writes by itself.
const SCRIPT: [&str; 2] = ["hello from the phone", "*bold* words and a second message"];

#[expect(clippy::print_stdout, reason = "this is a command line tool")]
fn say(line: &str) {
    println!("{line}");
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    build_shipped_binary()?;
    let world = World::start(WorldOptions { seed: 1, people: 1 }).await?;
    say(&format!("simulated WhatsApp   {}", world.sim.ws_url()));
    let mut bridge = world.bridge().start().await?;
    bridge.state("online").await?;
    say(&format!("shipped bridge       {}", bridge.url()));
    say(&format!("linked account       +{}", world.own_number));

    let ann = world.people.first().context("one person")?;
    say(&format!("a phone              +{}\n", ann.number()));
    let answering = tokio::spawn(answer(Consumer::new(bridge.url())?));
    for text in SCRIPT {
        talk(ann, &world.own_number, text).await?;
    }
    if std::io::stdin().is_terminal() {
        say("\ntype what the phone should write; end with Ctrl-D");
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        while let Some(line) = lines.next_line().await? {
            if !line.trim().is_empty() {
                talk(ann, &world.own_number, &line).await?;
            }
        }
    }
    answering.abort();
    let (code, log) = bridge.stop().await?;
    ensure!(code == Some(0), "the bridge ended with {code:?}:\n{log}");
    say("the bridge ended in order");
    Ok(())
}

/// The shipped binary comes from an invocation of its own, so that nothing of the
/// test packages is built into it.
fn build_shipped_binary() -> anyhow::Result<()> {
    if std::env::var_os("LOONG_BIN").is_some() {
        return Ok(());
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args([
            "build",
            "--release",
            "--locked",
            "-p",
            "loong-cli",
            "--bin",
            "loong",
        ])
        .current_dir(&root)
        .status()
        .context("running cargo")?;
    ensure!(status.success(), "the bridge could not be built");
    Ok(())
}

/// Sends `text` from the phone and prints what comes back.
async fn talk(phone: &Arc<Phone>, to: &str, text: &str) -> anyhow::Result<()> {
    let mut changes = phone.changes();
    let before = phone.log().view.seen().len();
    phone.send(to, &Letter::text(text))?;
    say(&format!("phone writes   {text}"));
    let arrived = async {
        loop {
            let seen = phone.log().view.seen().get(before).map(|m| m.text.clone());
            match seen {
                Some(reply) => return anyhow::Ok(reply),
                None => changes.changed().await?,
            }
        }
    };
    let reply = timeout(ANSWER, arrived).await.context("no answer came")??;
    say(&format!("phone shows    {reply}"));
    Ok(())
}

/// A program behind the bridge: takes each message, answers, acknowledges.
async fn answer(consumer: Consumer) -> anyhow::Result<()> {
    loop {
        for message in consumer.receive(10, Duration::from_secs(20)).await? {
            let text = message["text"].as_str().unwrap_or_default();
            let target = &message["reply_target"];
            let answer = consumer
                .reply(target, &format!("you wrote: {text}"))
                .await?;
            ensure!(answer.status == 200, "the answer was not sent: {answer:?}");
            consumer.ack(&message).await?;
        }
    }
}
