//! Pairing codes: when to ask for one, and what to say when it is refused.

use std::{sync::Arc, time::Duration};

use bridge_core::state::LinkCode;
use whatsapp_rust::{
    Client,
    pair_code::{PairCodeOptions, PairCodeRejection, PairError},
};

use crate::{clock, options::PairingRequest};

/// How long a code works on the phone.
const CODE_TTL: Duration = Duration::from_secs(180);
/// The pause between the first QR code and the request for a pairing code; the
/// server refuses requests on a connection that has not settled.
pub(crate) const CODE_AFTER_QR: Duration = Duration::from_secs(3);
/// The pause after a refusal. The server throttles requests per number and
/// answers every further one with the same refusal.
pub(crate) const AFTER_REFUSAL: Duration = Duration::from_secs(60);
/// How long the request itself may take.
const REQUEST: Duration = Duration::from_secs(20);

/// Asks the server for a code; an outstanding one is withdrawn first.
pub(crate) async fn request_code(
    client: &Arc<Client>,
    request: &PairingRequest,
) -> Result<LinkCode, String> {
    client.cancel_pair_code().await;
    let options = PairCodeOptions {
        phone_number: request.phone_number.clone(),
        custom_code: request.custom_code.clone(),
        ..PairCodeOptions::default()
    };
    let asked = tokio::time::timeout(REQUEST, client.pair_with_code(options)).await;
    let code = match asked {
        Ok(Ok(code)) => code,
        Ok(Err(error)) => return Err(explain(&error)),
        Err(_elapsed) => {
            return Err("the server did not answer the request for a pairing code".to_owned());
        }
    };
    let ttl = u64::try_from(CODE_TTL.as_millis()).unwrap_or(u64::MAX);
    Ok(LinkCode {
        code: grouped(&code).into(),
        expires_at_ms: clock::now_ms().saturating_add(ttl),
    })
}

/// `ABCD1234` as phones show it, `ABCD-1234`.
fn grouped(code: &str) -> String {
    match code.split_at_checked(4) {
        Some((first, second)) if second.len() == 4 => format!("{first}-{second}"),
        _ => code.to_owned(),
    }
}

fn explain(error: &PairError) -> String {
    match error.rejection() {
        Some(PairCodeRejection::BadRequest | PairCodeRejection::RateOverlimit) => {
            "the server refused a pairing code for this number (wrong number, or too many \
             requests); it is asked again in a minute, the QR code works meanwhile"
                .to_owned()
        }
        Some(PairCodeRejection::FeatureNotAvailable) => {
            "this account cannot link by code; scan the QR code".to_owned()
        }
        Some(PairCodeRejection::Forbidden) => {
            "the server forbids pairing codes for this number; scan the QR code".to_owned()
        }
        Some(PairCodeRejection::InternalServerError | PairCodeRejection::Unknown(_)) | None => {
            format!("no pairing code: {error}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn codes_are_shown_as_phones_show_them() {
        assert_eq!(grouped("ABCD1234"), "ABCD-1234");
        assert_eq!(grouped("short"), "short");
    }
}
