//! Calls about one phone.

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use serde::Serialize;
use serde_json::Value;
use whatsapp_rust::wacore_binary::Jid;

use super::error::parse;
use super::types::{CreatePhone, LogPage, OneDevice, Online, Page, PhoneInfo, Read, Typing};
use super::{Control, ControlError};
use crate::wa_sim::phone::log::PhoneLog;
use crate::wa_sim::phone::send::{Letter, Posted};
use crate::wa_sim::phone::{Phone, PhoneError, PhoneOptions};

/// The longest a call waits for something to happen.
const LONGEST_WAIT: Duration = Duration::from_secs(120);

/// One letter and where it goes.
#[derive(serde::Deserialize)]
struct SendLetter {
    to: String,
    #[serde(flatten)]
    letter: Letter,
}

pub(super) async fn create(
    State(control): State<Control>,
    body: Bytes,
) -> Result<Json<PhoneInfo>, ControlError> {
    let request: CreatePhone = parse(&body)?;
    // Makes keys, which takes a few milliseconds of computing.
    let phone = control.book().create(PhoneOptions {
        number: request.number,
        push_name: request.push_name,
        by_lid: request.lid,
        business: request.business,
    })?;
    describe(&control, &phone).map(Json)
}

pub(super) async fn list(
    State(control): State<Control>,
) -> Result<Json<Vec<PhoneInfo>>, ControlError> {
    let phones = control.book().all();
    phones
        .iter()
        .map(|phone| describe(&control, phone))
        .collect::<Result<_, _>>()
        .map(Json)
}

pub(super) async fn show(
    State(control): State<Control>,
    Path(number): Path<String>,
) -> Result<Json<PhoneInfo>, ControlError> {
    let phone = control.book().get(&number)?;
    describe(&control, &phone).map(Json)
}

pub(super) async fn send(
    State(control): State<Control>,
    Path(number): Path<String>,
    body: Bytes,
) -> Result<Json<Posted>, ControlError> {
    let request: SendLetter = parse(&body)?;
    let phone = control.book().get(&number)?;
    Ok(Json(phone.send(&request.to, &request.letter)?))
}

pub(super) async fn read(
    State(control): State<Control>,
    Path(number): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, ControlError> {
    let request: Read = parse(&body)?;
    let phone = control.book().get(&number)?;
    phone.read(&request.chat, request.author.as_deref(), &request.ids)?;
    Ok(done())
}

pub(super) async fn typing(
    State(control): State<Control>,
    Path(number): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, ControlError> {
    let request: Typing = parse(&body)?;
    control
        .book()
        .get(&number)?
        .type_in(&request.to, request.typing)?;
    Ok(done())
}

pub(super) async fn online(
    State(control): State<Control>,
    Path(number): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, ControlError> {
    let request: Online = parse(&body)?;
    let phone = control.book().get(&number)?;
    if request.online {
        phone.go_online()?;
    } else {
        phone.go_offline();
    }
    Ok(done())
}

pub(super) async fn forget_session(
    State(control): State<Control>,
    Path(number): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, ControlError> {
    let request: OneDevice = parse(&body)?;
    control
        .book()
        .get(&number)?
        .forget_session(&device_jid(&request.device)?)?;
    Ok(done())
}

/// `inbox`, `receipts`, `acks`, `typing`, `refusals` or `notifications`, from
/// entry `after` on; waits up to `wait_ms` until there are `min` of them.
pub(super) async fn log(
    State(control): State<Control>,
    Path((number, list)): Path<(String, String)>,
    Query(page): Query<Page>,
) -> Result<Json<LogPage<Value>>, ControlError> {
    let phone = control.book().get(&number)?;
    let mut changes = phone.changes();
    let wait = Duration::from_millis(page.wait_ms).min(LONGEST_WAIT);
    let deadline = tokio::time::Instant::now() + wait;
    loop {
        changes.mark_unchanged();
        let found = entries(&phone.log(), &list, page.after)?;
        if found.entries.len() >= page.min
            || !matches!(
                tokio::time::timeout_at(deadline, changes.changed()).await,
                Ok(Ok(()))
            )
        {
            return Ok(Json(found));
        }
    }
}

fn entries(log: &PhoneLog, list: &str, after: usize) -> Result<LogPage<Value>, ControlError> {
    match list {
        "inbox" => page(log.view.seen(), after),
        "receipts" => page(&log.receipts, after),
        "acks" => page(&log.acks, after),
        "typing" => page(&log.typing, after),
        "refusals" => page(&log.refusals, after),
        "notifications" => page(&log.notifications, after),
        other => Err(ControlError::NotFound(format!(
            "a phone keeps no list {other:?}"
        ))),
    }
}

fn page<T: Serialize>(all: &[T], after: usize) -> Result<LogPage<Value>, ControlError> {
    let entries = all
        .iter()
        .skip(after)
        .map(serde_json::to_value)
        .collect::<Result<_, _>>();
    let entries = entries.map_err(|error| ControlError::BadRequest(error.to_string()))?;
    Ok(LogPage {
        total: all.len(),
        entries,
    })
}

fn describe(control: &Control, phone: &Phone) -> Result<PhoneInfo, ControlError> {
    let number = phone.number();
    let account = control
        .hub()
        .account(number)
        .ok_or_else(|| PhoneError::NoPhone(number.to_owned()))?;
    Ok(PhoneInfo {
        pn: account.pn().to_string(),
        lid: account.lid_jid().to_string(),
        number: account.number,
        push_name: account.push_name,
        by_lid: account.by_lid,
        devices: account.devices,
    })
}

/// Reads a JID with a device.
pub(super) fn device_jid(text: &str) -> Result<Jid, ControlError> {
    text.parse()
        .map_err(|_bad| PhoneError::BadAddress(text.to_owned()).into())
}

/// The answer of calls that have nothing to say.
pub(super) fn done() -> Json<Value> {
    Json(serde_json::json!({ "ok": true }))
}
