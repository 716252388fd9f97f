//! What is played, in this order.

mod alone;
mod bridge;
mod code;
mod groups;
mod pairs;
mod plain;

use std::pin::Pin;

use anyhow::Result;

use super::stage::Stage;

type Playing<'a> = Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;

/// Something that clients do together, and how it has to end.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// What it shows, in a few words.
    pub name: &'static str,
    play: for<'a> fn(&'a Stage) -> Playing<'a>,
}

impl Scenario {
    pub(super) fn play<'a>(&self, stage: &'a Stage) -> Playing<'a> {
        (self.play)(stage)
    }
}

/// Every scenario.
#[must_use]
pub fn all() -> Vec<Scenario> {
    let scenario = |name, play| Scenario { name, play };
    vec![
        scenario("Baileys pairs by QR code, texts, restarts", |s| {
            Box::pin(alone::by_qr(s, false))
        }),
        scenario("the same with people addressed by LID", |s| {
            Box::pin(alone::by_qr(s, true))
        }),
        scenario("Baileys pairs by code", |s| {
            Box::pin(code::baileys(s, None))
        }),
        scenario("Baileys pairs by a code of its own choice", |s| {
            Box::pin(code::baileys(s, Some("L0NGC0DE")))
        }),
        scenario("Baileys with Baileys, and with a second companion", |s| {
            Box::pin(pairs::baileys(s))
        }),
        scenario("Baileys in a phone's group", |s| {
            Box::pin(groups::of_a_phone(s, false))
        }),
        scenario("Baileys in a phone's group by LID", |s| {
            Box::pin(groups::of_a_phone(s, true))
        }),
        scenario("Baileys in a group that it made", |s| {
            Box::pin(groups::of_baileys(s))
        }),
        scenario("whatsapp-rust pairs by QR code, texts, restarts", |s| {
            Box::pin(plain::by_qr(s))
        }),
        scenario("whatsapp-rust pairs by code", |s| {
            Box::pin(code::plain(s, None))
        }),
        scenario("whatsapp-rust pairs by a code of its own choice", |s| {
            Box::pin(code::plain(s, Some("LNGCDE42")))
        }),
        scenario(
            "whatsapp-rust with Baileys and a phone, alone and in a group",
            |s| Box::pin(plain::with_baileys(s)),
        ),
        scenario("the bridge with Baileys, one to one", |s| {
            Box::pin(bridge::one_to_one(s))
        }),
        scenario("the bridge with Baileys, in a group", |s| {
            Box::pin(bridge::in_a_group(s))
        }),
        scenario("the bridge with whatsapp-rust, alone and in a group", |s| {
            Box::pin(bridge::with_plain(s))
        }),
    ]
}
