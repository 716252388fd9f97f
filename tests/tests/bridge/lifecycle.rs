//! Starting, stopping, and what stands in the way.

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
