//! One Baileys and a phone.

use anyhow::{Result, ensure};

use crate::interop::baileys::Baileys;
use crate::interop::party::{Chat, Party as _, expect, say};
use crate::interop::stage::Stage;

/// Sent while the client is away; more than the first lot of a login.
const WAITING: usize = 12;

/// Pairs by QR code, texts both ways, restarts, and takes what waited.
pub(super) async fn by_qr(stage: &Stage, by_lid: bool) -> Result<()> {
    let (owner, ann) = (stage.phone("Owner", by_lid)?, stage.phone("Ann", by_lid)?);
    let (here, there) = (Chat::person(owner.number()), Chat::person(ann.number()));
    let (setup, client) = stage.linked_baileys("one", &owner).await?;
    ensure!(
        client.closed_with(515),
        "the server must have asked for a restart after pairing"
    );

    say(
        &ann,
        &here,
        "hello Baileys",
        &[(&client, &there), (&owner, &there)],
    )
    .await?;
    say(&client, &there, "hello Ann", &[(&ann, &here)]).await?;
    expect(&owner, &there, "hello Ann", true).await?;
    client.stop().await?;

    for n in 0..WAITING {
        ann.write(&here, &format!("waiting {n}")).await?;
    }
    let client = Baileys::start(&setup)?;
    client.open().await?;
    for n in 0..WAITING {
        expect(&client, &there, &format!("waiting {n}"), false).await?;
    }
    ensure!(
        client.events("qr") == 0,
        "a linked session must not show a QR code"
    );
    say(&client, &there, "I was away", &[(&ann, &here)]).await?;
    say(&ann, &here, "welcome back", &[(&client, &there)]).await?;
    ensure!(
        client.times("hello Baileys").await? == 0,
        "what was acknowledged must not come again"
    );
    client.stop().await
}
