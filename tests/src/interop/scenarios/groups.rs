//! Baileys in groups.

use anyhow::Result;

use crate::interop::baileys::Baileys;
use crate::interop::party::{Chat, expect, say};
use crate::interop::stage::Stage;

/// A phone makes the group; two Baileys and another phone are in it.
pub(super) async fn of_a_phone(stage: &Stage, by_lid: bool) -> Result<()> {
    let (ann, ben, cem) = (
        stage.phone("Ann", by_lid)?,
        stage.phone("Ben", by_lid)?,
        stage.phone("Cem", by_lid)?,
    );
    let (setup, first) = stage.linked_baileys("of Ann", &ann).await?;
    let (_, second) = stage.linked_baileys("of Ben", &ben).await?;
    let group = Chat::Group(stage.group(&cem, "Chess", &[ann.number(), ben.number()], by_lid)?);

    say(
        &cem,
        &group,
        "from the phone",
        &[(&first, &group), (&second, &group), (&ann, &group)],
    )
    .await?;
    say(
        &first,
        &group,
        "from Ann",
        &[(&second, &group), (&cem, &group), (&ben, &group)],
    )
    .await?;
    expect(&ann, &group, "from Ann", true).await?;
    say(
        &second,
        &group,
        "from Ben",
        &[(&first, &group), (&cem, &group), (&ann, &group)],
    )
    .await?;
    say(
        &cem,
        &group,
        "again",
        &[(&first, &group), (&second, &group)],
    )
    .await?;

    first.stop().await?;
    say(&second, &group, "where is Ann?", &[(&cem, &group)]).await?;
    let first = Baileys::start(&setup)?;
    first.open().await?;
    expect(&first, &group, "where is Ann?", false).await?;
    say(&first, &group, "back", &[(&second, &group), (&cem, &group)]).await?;
    first.stop().await?;
    second.stop().await
}

/// Baileys makes the group.
pub(super) async fn of_baileys(stage: &Stage) -> Result<()> {
    let (ann, ben, cem) = (
        stage.phone("Ann", false)?,
        stage.phone("Ben", false)?,
        stage.phone("Cem", false)?,
    );
    let (_, first) = stage.linked_baileys("of Ann", &ann).await?;
    let (_, second) = stage.linked_baileys("of Ben", &ben).await?;
    let group = Chat::Group(
        first
            .create_group("Chess", &[ben.number(), cem.number()])
            .await?,
    );

    say(
        &first,
        &group,
        "welcome",
        &[(&second, &group), (&cem, &group), (&ben, &group)],
    )
    .await?;
    say(
        &second,
        &group,
        "thanks",
        &[(&first, &group), (&cem, &group)],
    )
    .await?;
    say(
        &cem,
        &group,
        "thanks, too",
        &[(&first, &group), (&second, &group)],
    )
    .await?;
    first.stop().await?;
    second.stop().await
}
