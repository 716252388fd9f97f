//! Pairing by code.

use anyhow::{Result, ensure};

use crate::interop::baileys::Baileys;
use crate::interop::party::{Chat, Party, say};
use crate::interop::plain::Plain;
use crate::interop::stage::Stage;
use crate::wa_sim::phone::Phone;
use std::sync::Arc;

/// Baileys, with a code of its own making or with `custom`.
pub(super) async fn baileys(stage: &Stage, custom: Option<&str>) -> Result<()> {
    let (owner, ann) = (stage.phone("Owner", false)?, stage.phone("Ann", false)?);
    let mut setup = stage.baileys("by code");
    setup.phone = Some(owner.number().to_owned());
    setup.custom_code = custom.map(str::to_owned);
    let client = Baileys::start(&setup)?;
    enter(stage, &owner, &client.code().await?, custom).await?;
    client.open().await?;
    greet(&client, &owner, &ann).await?;
    client.stop().await
}

/// The same for `whatsapp-rust`.
pub(super) async fn plain(stage: &Stage, custom: Option<&str>) -> Result<()> {
    let (owner, ann) = (stage.phone("Owner", false)?, stage.phone("Ann", false)?);
    let mut setup = stage.plain("by code");
    setup.phone = Some(owner.number().to_owned());
    setup.custom_code = custom.map(str::to_owned);
    let client = Plain::start(&setup).await?;
    enter(stage, &owner, &client.code().await?, custom).await?;
    client.connected().await?;
    greet(&client, &owner, &ann).await?;
    client.stop().await;
    Ok(())
}

async fn enter(stage: &Stage, phone: &Phone, code: &str, custom: Option<&str>) -> Result<()> {
    if let Some(custom) = custom {
        ensure!(
            code.replace('-', "") == custom,
            "it shows {code} and not {custom}"
        );
    }
    stage.enter_code(phone, code).await
}

async fn greet(client: &dyn Party, owner: &Arc<Phone>, ann: &Arc<Phone>) -> Result<()> {
    let (here, there) = (Chat::person(owner.number()), Chat::person(ann.number()));
    say(ann, &here, "did the code work?", &[(client, &there)]).await?;
    say(client, &there, "it did", &[(ann, &here)]).await
}
