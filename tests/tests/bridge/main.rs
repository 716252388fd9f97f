//! The shipped bridge as a process, on the simulated WhatsApp.

mod faults;
mod lifecycle;
mod messages;
mod pairing;

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use loong_tests::wa_sim::phone::{Phone, view::Seen};
use tokio::time::timeout;

/// Longer than anything takes when all is well.
const SOON: Duration = Duration::from_secs(30);

/// Waits until a phone shows a text from somebody else.
async fn shown(phone: &Arc<Phone>, text: &str) -> anyhow::Result<Seen> {
    let mut changes = phone.changes();
    let wait = async {
        loop {
            let found = phone
                .log()
                .view
                .seen()
                .iter()
                .find(|m| m.text == text)
                .cloned();
            match found {
                Some(message) => return anyhow::Ok(message),
                None => changes.changed().await?,
            }
        }
    };
    timeout(SOON, wait)
        .await
        .with_context(|| format!("the phone never showed `{text}`"))?
}
