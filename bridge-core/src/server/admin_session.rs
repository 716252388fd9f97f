//! The part of the admin API that reaches the messenger.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
};
use serde::Deserialize;
use serde_json::json;

use super::{
    AccountRuntime,
    admin::{Answer, Server, find, read},
    shared::Shared,
};
use crate::{
    account::Surface,
    contract::ContractError,
    message::{ChatId, ChatKind},
    target::Target,
};

/// More ids than a person reads at once.
const MAX_READ: usize = 200;

#[derive(Debug, Deserialize)]
pub(super) struct Typing {
    target: String,
    #[serde(default = "yes")]
    active: bool,
}

const fn yes() -> bool {
    true
}

pub(super) async fn typing(State(shared): Server, request: Request) -> Answer {
    let asked: Typing = read(&shared, request).await?;
    let (account, chat) = resolve(&shared, &asked.target)?;
    account.driver.typing(&chat, asked.active).await?;
    Ok(Json(json!({ "ok": true })))
}

#[derive(Debug, Deserialize)]
pub(super) struct MarkRead {
    target: String,
    sender: Option<String>,
    ids: Vec<String>,
}

pub(super) async fn mark_read(State(shared): Server, request: Request) -> Answer {
    let asked: MarkRead = read(&shared, request).await?;
    let (account, chat) = resolve(&shared, &asked.target)?;
    if asked.ids.is_empty() || asked.ids.len() > MAX_READ {
        let reason = format!("member ids must have 1 to {MAX_READ} elements");
        return Err(ContractError::malformed(reason).into());
    }
    let sender = match &asked.sender {
        Some(sender) => account.driver.canonical(ChatKind::Contact, sender)?,
        None => chat.clone(),
    };
    account.driver.mark_read(&chat, &sender, &asked.ids).await?;
    Ok(Json(json!({ "ok": true })))
}

/// A target names its channel and account itself.
fn resolve(shared: &Shared, text: &str) -> Result<(Arc<AccountRuntime>, ChatId), ContractError> {
    let channel = text.split(':').next().unwrap_or_default().trim();
    let surface = shared
        .accounts
        .surface(Some(channel))?
        .unwrap_or(Surface::WhatsAppPersonal);
    let target = Target::parse(surface, text)?;
    let account = shared
        .accounts
        .find(Some(surface), Some(target.account.as_str()))?;
    let chat = account.driver.canonical(target.kind, &target.id)?;
    Ok((account, chat))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct OfAccount {
    channel: Option<String>,
    account: Option<String>,
}

pub(super) async fn unlink(State(shared): Server, request: Request) -> Answer {
    let asked: OfAccount = read(&shared, request).await?;
    let account = find(&shared, asked.channel.as_deref(), asked.account.as_deref())?;
    account.driver.unlink().await?;
    Ok(Json(json!({ "ok": true })))
}

pub(super) async fn nudge(State(shared): Server, request: Request) -> Answer {
    let asked: OfAccount = read(&shared, request).await?;
    let account = find(&shared, asked.channel.as_deref(), asked.account.as_deref())?;
    account.driver.nudge();
    Ok(Json(json!({ "ok": true })))
}
