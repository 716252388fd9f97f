//! Starting, stopping, and what stands in the way.

use std::process::Output;

use anyhow::ensure;
use loong_tests::harness::{World, WorldOptions};

const ALONE: WorldOptions = WorldOptions { seed: 3, people: 0 };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_taken_port_is_found_before_the_session_is_opened() -> anyhow::Result<()> {
    let world = World::start(ALONE).await?;
    let holder = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = holder.local_addr()?.to_string();
    let setup = world.bridge_with(&["--listen", &address]);
    let error = setup
        .start()
        .await
        .err()
        .map(|e| format!("{e:#}"))
        .unwrap_or_default();
    ensure!(error.contains("exit status: 10"), "{error}");
    ensure!(
        error.contains(&address),
        "the message names the address: {error}"
    );
    ensure!(
        world
            .sim
            .hub()
            .clients()
            .iter()
            .all(|c| c.device.as_ref() != Some(&world.device)),
        "no login"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_bridges_never_share_a_session_folder() -> anyhow::Result<()> {
    let world = World::start(ALONE).await?;
    let mut first = world.bridge().start().await?;
    first.state("online").await?;
    let error = world
        .bridge()
        .start()
        .await
        .err()
        .map(|e| format!("{e:#}"))
        .unwrap_or_default();
    ensure!(error.contains("exit status: 11"), "{error}");
    let pid = first.pid().map(|pid| pid.to_string()).unwrap_or_default();
    ensure!(
        error.contains(&pid),
        "the message names the holder {pid}: {error}"
    );
    let (code, _log) = first.stop().await?;
    ensure!(code == Some(0), "{code:?}");
    Ok(())
}

/// Runs another command of the binary on the world's session.
async fn run(world: &World, args: &[&str]) -> anyhow::Result<Output> {
    let auth_dir = world.auth_dir().display().to_string();
    let mut all = args.to_vec();
    all.extend(["--auth-dir", &auth_dir]);
    Ok(world.bridge().command(&all).output().await?)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unlinking_tells_the_server_and_ends_the_session_for_good() -> anyhow::Result<()> {
    let world = World::start(ALONE).await?;
    let mut bridge = world.bridge().start().await?;
    bridge.state("online").await?;
    let status = run(
        &world,
        &["whatsapp-personal", "session", "status", "--json"],
    )
    .await?;
    ensure!(status.status.success(), "{}", text(&status.stderr));
    let json: serde_json::Value = serde_json::from_slice(&status.stdout)?;
    ensure!(json.to_string().contains("online"), "{json}");

    let unlinked = run(&world, &["whatsapp-personal", "session", "unlink"]).await?;
    ensure!(unlinked.status.success(), "{}", text(&unlinked.stderr));
    bridge.state("logged_out").await?;
    let devices = world
        .sim
        .hub()
        .account(&world.own_number)
        .map(|a| a.devices);
    ensure!(
        devices == Some(vec![0]),
        "the server knows only the phone: {devices:?}"
    );
    bridge.stop().await?;

    let mut bridge = world.bridge().start().await?;
    let event = bridge.state("unlinked").await?;
    ensure!(event["linked"].is_null(), "{event}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_bridge_the_session_commands_say_which_command_starts_one() -> anyhow::Result<()>
{
    let world = World::start(ALONE).await?;
    let unlinked = run(&world, &["whatsapp-personal", "session", "unlink"]).await?;
    ensure!(unlinked.status.code() == Some(20), "{:?}", unlinked.status);
    let error = text(&unlinked.stderr);
    ensure!(
        error.contains("loong whatsapp-personal bridge run"),
        "{error}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotated_key_opens_the_session_and_the_old_one_never_again() -> anyhow::Result<()> {
    let world = World::start(ALONE).await?;
    let key = world.home().join("master.key");
    let old = std::fs::read(&key)?;
    let rotated = run(&world, &["whatsapp-personal", "session", "key", "rotate"]).await?;
    ensure!(rotated.status.success(), "{}", text(&rotated.stderr));
    ensure!(std::fs::read(&key)? != old, "the key file holds a new key");
    let mut bridge = world.bridge().start().await?;
    bridge.state("online").await?;
    bridge.stop().await?;

    std::fs::write(&key, &old)?;
    let error = world
        .bridge()
        .start()
        .await
        .err()
        .map(|e| format!("{e:#}"))
        .unwrap_or_default();
    ensure!(error.contains("exit status: 14"), "{error}");
    Ok(())
}
