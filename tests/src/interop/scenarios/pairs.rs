//! Several Baileys.

use anyhow::Result;

use crate::interop::party::{Chat, expect, say};
use crate::interop::stage::Stage;

/// Two companions of one account and one of another.
pub(super) async fn baileys(stage: &Stage) -> Result<()> {
    let (ann, ben) = (stage.phone("Ann", false)?, stage.phone("Ben", false)?);
    let (at_ann, at_ben) = (Chat::person(ann.number()), Chat::person(ben.number()));
    // Linked before anything is written: Baileys keeps device lists for minutes.
    let (_, first) = stage.linked_baileys("of Ann", &ann).await?;
    let (_, second) = stage.linked_baileys("of Ann too", &ann).await?;
    let (_, third) = stage.linked_baileys("of Ben", &ben).await?;

    say(
        &third,
        &at_ann,
        "to all of Ann",
        &[(&first, &at_ben), (&second, &at_ben), (&ann, &at_ben)],
    )
    .await?;
    expect(&ben, &at_ann, "to all of Ann", true).await?;
    say(
        &first,
        &at_ben,
        "to all of Ben",
        &[(&third, &at_ann), (&ben, &at_ann)],
    )
    .await?;
    expect(&second, &at_ben, "to all of Ben", true).await?;
    expect(&ann, &at_ben, "to all of Ben", true).await?;
    say(
        &second,
        &at_ben,
        "me too",
        &[(&third, &at_ann), (&ben, &at_ann)],
    )
    .await?;
    expect(&first, &at_ben, "me too", true).await?;
    // Once sessions stand in both directions, the ratchets turn.
    for n in 0..5 {
        say(
            &third,
            &at_ann,
            &format!("ping {n}"),
            &[(&first, &at_ben), (&second, &at_ben)],
        )
        .await?;
        say(&first, &at_ben, &format!("pong {n}"), &[(&third, &at_ann)]).await?;
    }
    for client in [first, second, third] {
        client.stop().await?;
    }
    Ok(())
}
