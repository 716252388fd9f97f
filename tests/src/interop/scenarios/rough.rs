//! Connections that break while texts flow.

use anyhow::{Result, bail, ensure};

use crate::interop::bridge::BridgeParty;
use crate::interop::party::{Chat, Party, expect};
use crate::interop::stage::Stage;
use crate::wa_sim::faults::{Direction, Fault};
use crate::wa_sim::phone::Phone;

/// Texts per scenario.
const TEXTS: usize = 40;
/// Deliveries that come twice.
const TWICE: u32 = 5;
/// Frames to the client between two breaks.
const BETWEEN: [u32; 3] = [3, 8, 15];

/// Baileys reads while its connection breaks. It may lose what it opened and
/// could not confirm: version 7.0.0-rc.9 sends the receipt before it tells the
/// application, gives up when that fails, and takes the second delivery for a
/// repetition. It must show nothing twice, and go on.
pub(super) async fn baileys(stage: &Stage) -> Result<()> {
    let (owner, ann) = (stage.phone("Owner", false)?, stage.phone("Ann", false)?);
    let (_, client) = stage.linked_baileys("one", &owner).await?;
    let (here, there) = (Chat::person(owner.number()), Chat::person(ann.number()));
    for (round, frames) in BETWEEN.into_iter().enumerate() {
        break_later(stage, &owner, frames)?;
        for n in 0..TEXTS {
            ann.write(&here, &text(round, n)).await?;
        }
        expect(&client, &there, &text(round, TEXTS - 1), false).await?;
        let mut missing = 0;
        for n in 0..TEXTS {
            match client.times(&text(round, n)).await? {
                0 => missing += 1,
                1 => {}
                times => bail!("{} was shown {times} times", text(round, n)),
            }
        }
        ensure!(
            missing <= frames,
            "{missing} texts are missing, more than were on the way"
        );
    }
    ensure!(
        client.closed_with(428),
        "its connection must have been cut at least once"
    );
    client.stop().await
}

/// The bridge takes what a Baileys writes while the bridge's connection breaks:
/// all of it, once.
pub(super) async fn bridge(stage: &Stage) -> Result<()> {
    let (ann, ben) = (stage.phone("Ann", false)?, stage.phone("Ben", false)?);
    let mut bridge = BridgeParty::start(&stage.bridge(&ann).await?).await?;
    let (_, baileys) = stage.linked_baileys("of Ben", &ben).await?;
    let (here, there) = (Chat::person(ann.number()), Chat::person(ben.number()));
    for (round, frames) in BETWEEN.into_iter().enumerate() {
        break_later(stage, &ann, frames)?;
        for n in 0..TEXTS {
            baileys.write(&here, &text(round, n)).await?;
        }
        for n in 0..TEXTS {
            expect(&bridge, &there, &text(round, n), false).await?;
        }
        bridge.online_again().await?;
    }
    bridge.stop().await?;
    baileys.stop().await
}

fn text(round: usize, n: usize) -> String {
    format!("round {round}, text {n}")
}

fn break_later(stage: &Stage, phone: &Phone, frames: u32) -> Result<()> {
    stage.inject(phone, Fault::Duplicate { times: TWICE })?;
    let direction = Direction::Out;
    stage.inject(phone, Fault::DropAfter { frames, direction })
}
