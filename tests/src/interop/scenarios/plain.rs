//! Plain `whatsapp-rust`.

use anyhow::{Result, ensure};

use crate::interop::party::{Chat, Party as _, expect, say};
use crate::interop::plain::Plain;
use crate::interop::stage::Stage;

/// Sent while the client is away.
const WAITING: usize = 12;

/// Pairs by QR code, texts both ways, restarts on the same store, and takes what
/// waited.
pub(super) async fn by_qr(stage: &Stage) -> Result<()> {
    let (owner, ann) = (stage.phone("Owner", false)?, stage.phone("Ann", false)?);
    let (here, there) = (Chat::person(owner.number()), Chat::person(ann.number()));
    let (setup, client) = stage.linked_plain("one", &owner).await?;
    say(&ann, &here, "hello", &[(&client, &there), (&owner, &there)]).await?;
    say(&client, &there, "hello Ann", &[(&ann, &here)]).await?;
    expect(&owner, &there, "hello Ann", true).await?;
    client.stop().await;

    for n in 0..WAITING {
        ann.write(&here, &format!("waiting {n}")).await?;
    }
    let client = Plain::start(&setup).await?;
    client.connected().await?;
    for n in 0..WAITING {
        expect(&client, &there, &format!("waiting {n}"), false).await?;
    }
    ensure!(
        client.qr_codes() == 0,
        "a linked session must not show a QR code"
    );
    say(&client, &there, "I was away", &[(&ann, &here)]).await?;
    client.stop().await;
    Ok(())
}

/// One to one with Baileys, then in a group with it and a phone.
pub(super) async fn with_baileys(stage: &Stage) -> Result<()> {
    let (ann, ben, cem) = (
        stage.phone("Ann", false)?,
        stage.phone("Ben", false)?,
        stage.phone("Cem", false)?,
    );
    let (at_ann, at_ben) = (Chat::person(ann.number()), Chat::person(ben.number()));
    let (_, plain) = stage.linked_plain("of Ann", &ann).await?;
    let (_, baileys) = stage.linked_baileys("of Ben", &ben).await?;
    say(
        &baileys,
        &at_ann,
        "to Rust",
        &[(&plain, &at_ben), (&ann, &at_ben)],
    )
    .await?;
    say(
        &plain,
        &at_ben,
        "to Node",
        &[(&baileys, &at_ann), (&ben, &at_ann)],
    )
    .await?;
    say(&baileys, &at_ann, "to Rust again", &[(&plain, &at_ben)]).await?;

    for by_lid in [false, true] {
        let group =
            Chat::Group(stage.group(&cem, "Chess", &[ann.number(), ben.number()], by_lid)?);
        let text =
            |from: &str| format!("{from}, group by {}", if by_lid { "LID" } else { "number" });
        say(
            &cem,
            &group,
            &text("phone"),
            &[(&plain, &group), (&baileys, &group)],
        )
        .await?;
        say(
            &plain,
            &group,
            &text("Rust"),
            &[(&baileys, &group), (&cem, &group), (&ben, &group)],
        )
        .await?;
        expect(&ann, &group, &text("Rust"), true).await?;
        say(
            &baileys,
            &group,
            &text("Node"),
            &[(&plain, &group), (&cem, &group), (&ann, &group)],
        )
        .await?;
    }
    plain.stop().await;
    baileys.stop().await
}
