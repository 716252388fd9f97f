//! The shipped bridge with other people's clients.

use anyhow::{Context as _, Result, ensure};

use crate::interop::baileys::Baileys;
use crate::interop::bridge::BridgeParty;
use crate::interop::party::{Chat, Party as _, expect, on_screen, say};
use crate::interop::stage::Stage;

/// Both directions; then each side is away while the other writes.
pub(super) async fn one_to_one(stage: &Stage) -> Result<()> {
    let (ann, ben) = (stage.phone("Ann", false)?, stage.phone("Ben", false)?);
    let (at_ann, at_ben) = (Chat::person(ann.number()), Chat::person(ben.number()));
    let setup = stage.bridge(&ann).await?;
    let bridge = BridgeParty::start(&setup).await?;
    let (client, baileys) = stage.linked_baileys("of Ben", &ben).await?;
    say(
        &baileys,
        &at_ann,
        "to the bridge",
        &[(&bridge, &at_ben), (&ann, &at_ben)],
    )
    .await?;
    say(
        &bridge,
        &at_ben,
        "from the bridge",
        &[(&baileys, &at_ann), (&ben, &at_ann)],
    )
    .await?;
    expect(&ann, &at_ben, "from the bridge", true).await?;

    bridge.stop().await?;
    say(&baileys, &at_ann, "are you there?", &[(&ann, &at_ben)]).await?;
    let bridge = BridgeParty::start(&setup).await?;
    expect(&bridge, &at_ben, "are you there?", false).await?;
    say(&bridge, &at_ben, "restarted", &[(&baileys, &at_ann)]).await?;

    baileys.stop().await?;
    say(&bridge, &at_ben, "and you?", &[(&ben, &at_ann)]).await?;
    let baileys = Baileys::start(&client)?;
    baileys.open().await?;
    expect(&baileys, &at_ann, "and you?", false).await?;
    say(&baileys, &at_ann, "restarted, too", &[(&bridge, &at_ben)]).await?;

    bridge.kill().await?;
    say(&baileys, &at_ann, "did you crash?", &[(&ann, &at_ben)]).await?;
    let bridge = BridgeParty::start(&setup).await?;
    expect(&bridge, &at_ben, "did you crash?", false).await?;
    say(&bridge, &at_ben, "I did", &[(&baileys, &at_ann)]).await?;
    bridge.stop().await?;
    baileys.stop().await
}

/// The same in a phone's group, by number and by LID.
pub(super) async fn in_a_group(stage: &Stage) -> Result<()> {
    let (ann, ben, cem) = (
        stage.phone("Ann", false)?,
        stage.phone("Ben", false)?,
        stage.phone("Cem", false)?,
    );
    let setup = stage.bridge(&ann).await?;
    let mut bridge = BridgeParty::start(&setup).await?;
    let (client, mut baileys) = stage.linked_baileys("of Ben", &ben).await?;
    for by_lid in [false, true] {
        let group =
            Chat::Group(stage.group(&cem, "Chess", &[ann.number(), ben.number()], by_lid)?);
        let text =
            |text: &str| format!("{text}, group by {}", if by_lid { "LID" } else { "number" });
        say(
            &baileys,
            &group,
            &text("Baileys"),
            &[(&bridge, &group), (&cem, &group)],
        )
        .await?;
        say(
            &bridge,
            &group,
            &text("bridge"),
            &[(&baileys, &group), (&cem, &group)],
        )
        .await?;
        expect(&ann, &group, &text("bridge"), true).await?;

        bridge.stop().await?;
        say(&baileys, &group, &text("meanwhile"), &[(&cem, &group)]).await?;
        bridge = BridgeParty::start(&setup).await?;
        expect(&bridge, &group, &text("meanwhile"), false).await?;
        baileys.stop().await?;
        say(&bridge, &group, &text("bridge is back"), &[(&cem, &group)]).await?;
        baileys = Baileys::start(&client)?;
        baileys.open().await?;
        expect(&baileys, &group, &text("bridge is back"), false).await?;
        say(
            &baileys,
            &group,
            &text("Baileys is back"),
            &[(&bridge, &group), (&cem, &group)],
        )
        .await?;
        say(&bridge, &group, &text("good"), &[(&baileys, &group)]).await?;
    }
    bridge.stop().await?;
    baileys.stop().await
}

/// With plain `whatsapp-rust`, one to one and in a group that Baileys is not in.
pub(super) async fn with_plain(stage: &Stage) -> Result<()> {
    let (ann, ben) = (stage.phone("Ann", false)?, stage.phone("Ben", false)?);
    let (at_ann, at_ben) = (Chat::person(ann.number()), Chat::person(ben.number()));
    let setup = stage.bridge(&ann).await?;
    let bridge = BridgeParty::start(&setup).await?;
    let (_, plain) = stage.linked_plain("of Ben", &ben).await?;
    say(&plain, &at_ann, "to the bridge", &[(&bridge, &at_ben)]).await?;
    say(&bridge, &at_ben, "from the bridge", &[(&plain, &at_ann)]).await?;
    let group = Chat::Group(stage.group(&ben, "Two", &[ann.number()], true)?);
    say(
        &plain,
        &group,
        "to the bridge's group",
        &[(&bridge, &group)],
    )
    .await?;
    say(
        &bridge,
        &group,
        "from the bridge's group",
        &[(&plain, &group), (&ben, &group)],
    )
    .await?;
    bridge.stop().await?;
    plain.write(&at_ann, "are you there?").await?;
    let bridge = BridgeParty::start(&setup).await?;
    expect(&bridge, &at_ben, "are you there?", false).await?;
    plain.stop().await;
    bridge.stop().await
}

/// Two devices lose their sessions with the bridge and ask again for the same
/// group text at the same time; both get it.
pub(super) async fn asked_again_by_two(stage: &Stage) -> Result<()> {
    let (ann, ben) = (stage.phone("Ann", false)?, stage.phone("Ben", false)?);
    let (at_ann, at_ben) = (Chat::person(ann.number()), Chat::person(ben.number()));
    let bridge = BridgeParty::start(&stage.bridge(&ann).await?).await?;
    say(&bridge, &at_ben, "a session stands", &[(&ben, &at_ann)]).await?;
    expect(&ann, &at_ben, "a session stands", true).await?;
    // Answers, so that the bridge's next texts no longer carry a way to start anew.
    say(&ann, &at_ben, "by hand", &[(&ben, &at_ann)]).await?;
    say(&ben, &at_ann, "it does", &[(&bridge, &at_ben)]).await?;

    let device = stage.companion(&ann)?.pn();
    let group = Chat::Group(stage.group(&ben, "Two", &[ann.number()], true)?);
    for phone in [&ann, &ben] {
        phone.forget_session(&device)?;
    }
    bridge.write(&group, "who reads this?").await?;
    for phone in [&ann, &ben] {
        let about = || phone.name();
        on_screen(phone, &group, "who reads this?")
            .await
            .with_context(about)?;
        ensure!(
            !phone.log().refusals.is_empty(),
            "{} did not have to ask",
            about()
        );
    }
    bridge.stop().await
}
