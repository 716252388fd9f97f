//! What is played, in this order.

mod alone;
mod bridge;
mod code;
mod groups;
mod pairs;
mod plain;
mod rough;

use std::pin::Pin;

use anyhow::Result;

use super::stage::Stage;

type Playing<'a> = Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;

/// Something that clients do together, and how it has to end.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// What it shows, in a few words.
    pub name: &'static str,
    /// Played a second time over TLS with compressed frames.
    pub wrapped_too: bool,
    play: for<'a> fn(&'a Stage) -> Playing<'a>,
}

impl Scenario {
    const fn new(name: &'static str, play: for<'a> fn(&'a Stage) -> Playing<'a>) -> Self {
        Self {
            name,
            wrapped_too: false,
            play,
        }
    }

    const fn wrapped_too(mut self) -> Self {
        self.wrapped_too = true;
        self
    }

    pub(super) fn play<'a>(&self, stage: &'a Stage) -> Playing<'a> {
        (self.play)(stage)
    }
}

/// Every scenario.
#[must_use]
pub fn all() -> Vec<Scenario> {
    [of_baileys(), of_plain(), of_the_bridge()].concat()
}

fn of_baileys() -> Vec<Scenario> {
    vec![
        Scenario::new("Baileys pairs by QR code, texts, restarts", |s| {
            Box::pin(alone::by_qr(s, false))
        })
        .wrapped_too(),
        Scenario::new("the same with people addressed by LID", |s| {
            Box::pin(alone::by_qr(s, true))
        }),
        Scenario::new("Baileys pairs by code", |s| {
            Box::pin(code::baileys(s, None))
        }),
        Scenario::new("Baileys pairs by a code of its own choice", |s| {
            Box::pin(code::baileys(s, Some("BAYLEYS7")))
        }),
        Scenario::new("Baileys with Baileys, and with a second companion", |s| {
            Box::pin(pairs::baileys(s))
        }),
        Scenario::new("Baileys in a phone's group", |s| {
            Box::pin(groups::of_a_phone(s, false))
        }),
        Scenario::new("Baileys in a phone's group by LID", |s| {
            Box::pin(groups::of_a_phone(s, true))
        }),
        Scenario::new("Baileys in a group that it made", |s| {
            Box::pin(groups::of_baileys(s))
        }),
        Scenario::new("Baileys through broken connections", |s| {
            Box::pin(rough::baileys(s))
        }),
    ]
}

fn of_plain() -> Vec<Scenario> {
    vec![
        Scenario::new("whatsapp-rust pairs by QR code, texts, restarts", |s| {
            Box::pin(plain::by_qr(s))
        })
        .wrapped_too(),
        Scenario::new("whatsapp-rust pairs by code", |s| {
            Box::pin(code::plain(s, None))
        }),
        Scenario::new("whatsapp-rust pairs by a code of its own choice", |s| {
            Box::pin(code::plain(s, Some("LNGCDE42")))
        }),
        Scenario::new(
            "whatsapp-rust with Baileys and a phone, alone and in a group",
            |s| Box::pin(plain::with_baileys(s)),
        ),
    ]
}

fn of_the_bridge() -> Vec<Scenario> {
    vec![
        Scenario::new("the bridge with Baileys, one to one", |s| {
            Box::pin(bridge::one_to_one(s))
        })
        .wrapped_too(),
        Scenario::new("the bridge with Baileys, in a group", |s| {
            Box::pin(bridge::in_a_group(s))
        }),
        Scenario::new("the bridge with whatsapp-rust, alone and in a group", |s| {
            Box::pin(bridge::with_plain(s))
        }),
        Scenario::new("the bridge with Baileys, through broken connections", |s| {
            Box::pin(rough::bridge(s))
        }),
        Scenario::new("the bridge serves two devices that ask again", |s| {
            Box::pin(bridge::asked_again_by_two(s))
        }),
    ]
}
