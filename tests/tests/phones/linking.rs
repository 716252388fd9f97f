//! Linking by QR and by code, and the companions of one account.

use anyhow::Result;
use loong_tests::sim_client::Wait;

use crate::client::PlainClient;
use crate::world::World;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_pairs_by_code_and_a_wrong_code_is_refused() -> Result<()> {
    let world = World::start(31).await?;
    let (phone, friend) = (
        world.phone("Owner", false).await?,
        world.phone("Friend", false).await?,
    );
    let mut client =
        PlainClient::start(&world.server.ws_url(), "Owner", Some(&phone.number)).await?;
    let code = client.code().await?;

    let last = if code.ends_with('1') { "2" } else { "1" };
    let wrong = format!("{}{last}", code.get(..7).unwrap_or_default());
    let refused = world.sim.enter_code(&phone.number, &wrong).await;
    assert!(refused.is_err_and(|error| format!("{error:#}").contains("422")));
    let refusals = world.sim.refusals(&phone.number, Wait::until(1)).await?;
    assert!(
        refusals
            .entries
            .iter()
            .any(|refusal| refusal.what == "pairing_code")
    );

    let dashed = format!(
        "{}-{}",
        code.get(..4).unwrap_or_default(),
        code.get(4..).unwrap_or_default()
    );
    let linked = world
        .sim
        .enter_code(&phone.number, &dashed.to_lowercase())
        .await?;
    assert_eq!(
        (linked.number.as_str(), linked.device),
        (phone.number.as_str(), 1)
    );
    client.connected().await?;
    world
        .sim
        .send_text(&friend.number, &phone.number, "after the code")
        .await?;
    assert_eq!(client.message().await?.text(), "after the code");
    client.stop().await;
    world.server.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_clients_of_one_name_share_an_account() -> Result<()> {
    let world = World::start(32).await?;
    let friend = world.phone("Friend", false).await?;
    let (mut one, own) = world.linked("Me").await?;
    let (mut two, again) = world.linked("Me").await?;
    assert_eq!(own, again);
    assert_eq!(world.sim.phone(&own).await?.devices, [0, 1, 2]);

    world.sim.send_text(&friend.number, &own, "to both").await?;
    assert_eq!(one.message().await?.text(), "to both");
    assert_eq!(two.message().await?.text(), "to both");
    // What one of them writes, the other sees as its own.
    one.send(&friend.pn, "from one").await?;
    let copy = two.message().await?;
    assert_eq!((copy.text().as_str(), copy.from_me), ("from one", true));
    one.stop().await;
    two.stop().await;
    world.server.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn codes_and_qr_texts_that_nobody_shows_are_refused() -> Result<()> {
    let world = World::start(33).await?;
    let phone = world.phone("Owner", false).await?;
    let status = |result: Result<_>| {
        result
            .map(|_: loong_tests::wa_sim::control::types::Linked| ())
            .err()
            .map(|error| format!("{error:#}"))
    };
    let bad = status(world.sim.scan_any("nonsense").await);
    assert!(bad.is_some_and(|error| error.contains("400")));
    let key = "A".repeat(43) + "=";
    let stale = status(
        world
            .sim
            .scan(&phone.number, &format!("2@x,{key},{key},{key}"))
            .await,
    );
    assert!(stale.is_some_and(|error| error.contains("404")));
    let early = status(world.sim.enter_code(&phone.number, "ABCD-1234").await);
    assert!(early.is_some_and(|error| error.contains("404")));
    let short = status(world.sim.enter_code(&phone.number, "AB").await);
    assert!(short.is_some_and(|error| error.contains("400")));
    world.server.shutdown().await;
    Ok(())
}
