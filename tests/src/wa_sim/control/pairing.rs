//! Calls that link companions.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};

use super::error::parse;
use super::types::{EnterCode, Linked, Scan};
use super::{Control, ControlError};
use crate::wa_sim::phone::PhoneError;
use crate::wa_sim::phone::linking::{LinkOptions, Qr};

/// The QR text is the body, and the companion's push name says whose phone
/// scans it: the same name means the same number.
pub(super) async fn scan_any(
    State(control): State<Control>,
    body: String,
) -> Result<Json<Linked>, ControlError> {
    let qr = Qr::parse(&body)?;
    let pairing = control
        .hub()
        .pairing_by_ref(&qr.reference)
        .ok_or(PhoneError::NoCompanion)?;
    let phone = control.book().for_push_name(pairing.push_name.as_deref())?;
    let device = phone.scan_qr(&body, LinkOptions::default()).await?;
    Ok(Json(Linked {
        number: device.number,
        device: device.device,
    }))
}

pub(super) async fn scan(
    State(control): State<Control>,
    Path(number): Path<String>,
    body: Bytes,
) -> Result<Json<Linked>, ControlError> {
    let request: Scan = parse(&body)?;
    let phone = control.book().get(&number)?;
    let device = phone
        .scan_qr(
            &request.qr,
            LinkOptions {
                primer: request.primer,
            },
        )
        .await?;
    Ok(Json(Linked {
        number: device.number,
        device: device.device,
    }))
}

pub(super) async fn enter_code(
    State(control): State<Control>,
    Path(number): Path<String>,
    body: Bytes,
) -> Result<Json<Linked>, ControlError> {
    let request: EnterCode = parse(&body)?;
    let phone = control.book().get(&number)?;
    let device = phone
        .enter_code(
            &request.code,
            LinkOptions {
                primer: request.primer,
            },
        )
        .await?;
    Ok(Json(Linked {
        number: device.number,
        device: device.device,
    }))
}
