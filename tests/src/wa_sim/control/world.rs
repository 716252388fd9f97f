//! Calls about the server as a whole.

use std::convert::Infallible;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde_json::Value;
use tokio::sync::broadcast::error::RecvError;

use super::error::parse;
use super::phones::done;
use super::types::{Clock, FaultTarget, InjectFault, ServerCertificates, SimInfo};
use super::{Control, ControlError};
use crate::wa_sim::address::DeviceJid;
use crate::wa_sim::cert::{NOT_AFTER, NOT_BEFORE};
use crate::wa_sim::faults::Fault;
use crate::wa_sim::hub::{ClientInfo, Hub};
use crate::wa_sim::ledger::LedgerEntry;
use crate::wa_sim::phone::PhoneError;

pub(super) async fn info(State(control): State<Control>) -> Json<SimInfo> {
    let hub = control.hub();
    Json(SimInfo {
        seed: hub.seed(),
        now: hub.now(),
        server: certificates(hub),
    })
}

pub(super) async fn clients(State(control): State<Control>) -> Json<Vec<ClientInfo>> {
    Json(control.hub().clients())
}

/// Everything that happens from now on, one JSON object per line.
pub(super) async fn events(State(control): State<Control>) -> Response {
    let lines = stream::unfold(control.hub().events(), |mut events| async move {
        let line = match events.recv().await {
            Ok(event) => serde_json::to_string(&event).unwrap_or_default(),
            Err(RecvError::Lagged(missed)) => {
                serde_json::json!({ "event": "lagged", "missed": missed }).to_string()
            }
            Err(RecvError::Closed) => return None,
        };
        Some((Ok::<_, Infallible>(Bytes::from(line + "\n")), events))
    });
    (
        [(CONTENT_TYPE, "application/x-ndjson")],
        Body::from_stream(lines),
    )
        .into_response()
}

pub(super) async fn ledger(State(control): State<Control>) -> Json<Vec<LedgerEntry>> {
    Json(control.hub().ledger())
}

pub(super) async fn ledger_entry(
    State(control): State<Control>,
    Path(id): Path<String>,
) -> Result<Json<LedgerEntry>, ControlError> {
    let entry = control.hub().ledger_entry(&id);
    entry
        .map(Json)
        .ok_or_else(|| ControlError::NotFound(format!("no message has the id {id}")))
}

pub(super) async fn inject(
    State(control): State<Control>,
    body: Bytes,
) -> Result<Json<Value>, ControlError> {
    let request: InjectFault = parse(&body)?;
    let device = request.device.as_deref().map(device_name).transpose()?;
    control.hub().inject(device, request.fault);
    Ok(done())
}

pub(super) async fn clear_faults(
    State(control): State<Control>,
    Query(target): Query<FaultTarget>,
) -> Result<Json<Value>, ControlError> {
    let device = target.device.as_deref().map(device_name).transpose()?;
    control.hub().clear_faults(device);
    Ok(done())
}

pub(super) async fn set_clock(
    State(control): State<Control>,
    body: Bytes,
) -> Result<Json<Value>, ControlError> {
    let clock: Clock = parse(&body)?;
    control.hub().inject(
        None,
        Fault::ClockSkew {
            seconds: clock.skew_seconds,
        },
    );
    Ok(done())
}

pub(super) async fn shutdown(State(control): State<Control>) -> Json<Value> {
    control.shutdown().cancel();
    done()
}

/// Reads `digits:device`; without a device the phone is meant. A JID is
/// understood too.
pub(super) fn device_name(text: &str) -> Result<DeviceJid, ControlError> {
    let bad = || PhoneError::BadAddress(text.to_owned());
    let name = text.split('@').next().unwrap_or_default();
    let (number, device) = name.split_once(':').unwrap_or((name, "0"));
    if number.is_empty() || !number.chars().all(|c| c.is_ascii_digit()) {
        return Err(bad().into());
    }
    let device = device.parse().map_err(|_bad| bad())?;
    Ok(DeviceJid::new(number, device))
}

/// What clients may cache of the server's certificates.
pub(super) fn certificates(hub: &Hub) -> ServerCertificates {
    ServerCertificates {
        leaf: hex::encode(hub.server_static_public()),
        intermediate: hex::encode(hub.identity().intermediate().key()),
        root: hex::encode(hub.root_public()),
        not_before: NOT_BEFORE,
        not_after: NOT_AFTER,
    }
}
