//! Plain `whatsapp-rust` with its in-memory store: none of our storage, ingress
//! or supervision; only the transport is ours.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use wa_web::transport::{Endpoint, ProxyChoice, WsTransportFactory};
use whatsapp_rust::async_trait;
use whatsapp_rust::pair_code::PairCodeOptions;
use whatsapp_rust::prelude::*;
use whatsapp_rust::wacore::net::{HttpClient, HttpRequest, HttpResponse};
use whatsapp_rust::wacore::store::InMemoryBackend;

use super::heard::Heard;
use super::party::{Chat, Party};

/// Any number: what counts is that it is not looked up.
const VERSION: (u32, u32, u32) = (2, 3000, 1_027_934_701);
/// Enough one-time keys for a test; the default takes seconds to make.
const PRE_KEYS: usize = 30;

/// How a client is started.
#[derive(Clone)]
pub(super) struct PlainSetup {
    pub(super) name: String,
    pub(super) url: String,
    /// Whom to trust besides well-known authorities.
    pub(super) ca_file: Option<PathBuf>,
    /// The same store is the same session.
    pub(super) store: Arc<InMemoryBackend>,
    /// Pair by code with the phone of this number, digits.
    pub(super) phone: Option<String>,
    /// Ask for this pairing code.
    pub(super) custom_code: Option<String>,
}

/// A running client. Dropping it ends it at once.
pub(super) struct Plain {
    name: String,
    bot: BotHandle,
    heard: Heard<Said>,
}

/// What a client said.
#[derive(Debug, Clone)]
enum Said {
    Qr(String),
    Code(String),
    Connected,
    Text {
        chat: String,
        from_me: bool,
        text: String,
    },
    Other {
        _kind: String,
    },
}

struct NoHttp;

#[async_trait]
impl HttpClient for NoHttp {
    async fn execute(&self, _request: HttpRequest) -> Result<HttpResponse> {
        Err(anyhow::anyhow!("nothing is fetched here"))
    }
}

impl Plain {
    /// Starts it.
    ///
    /// # Errors
    /// When the library refuses the set-up.
    pub(super) async fn start(setup: &PlainSetup) -> Result<Self> {
        let mut endpoint = Endpoint::parse(&setup.url)?.with_proxy(ProxyChoice::Direct);
        if let Some(ca) = &setup.ca_file {
            endpoint = endpoint.with_extra_ca(ca);
        }
        let heard = Heard::new();
        let tell = heard.clone();
        let mut builder = Bot::builder()
            .with_backend_arc(setup.store.clone())
            .with_transport_factory(WsTransportFactory::new(endpoint)?)
            .with_http_client(NoHttp)
            .with_version(VERSION)
            .with_push_name(setup.name.clone())
            .with_wanted_pre_key_count(PRE_KEYS)
            .skip_history_sync()
            .on_event(move |event, _client| {
                for said in read(&event) {
                    tell.add(said);
                }
                async {}
            });
        if let Some(phone) = &setup.phone {
            builder = builder.with_pair_code(PairCodeOptions {
                phone_number: phone.clone(),
                custom_code: setup.custom_code.clone(),
                ..PairCodeOptions::default()
            });
        }
        Ok(Self {
            name: setup.name.clone(),
            bot: builder.build().await?.spawn(),
            heard,
        })
    }

    /// The first QR code that it shows.
    ///
    /// # Errors
    /// When it shows none.
    pub(super) async fn qr(&self) -> Result<String> {
        let found = self.heard.wait("a QR code", |said| match said {
            Said::Qr(code) => Some(code.clone()),
            _ => None,
        });
        found.await.with_context(|| self.name.clone())
    }

    /// The pairing code that it shows.
    ///
    /// # Errors
    /// When it shows none.
    pub(super) async fn code(&self) -> Result<String> {
        let found = self.heard.wait("a pairing code", |said| match said {
            Said::Code(code) => Some(code.clone()),
            _ => None,
        });
        found.await.with_context(|| self.name.clone())
    }

    /// Waits until it is logged in and ready.
    ///
    /// # Errors
    /// When that never comes.
    pub(super) async fn connected(&self) -> Result<()> {
        let found = self.heard.wait("the connection", |said| {
            matches!(said, Said::Connected).then_some(())
        });
        found.await.with_context(|| self.name.clone())
    }

    /// How many QR codes it has shown.
    pub(super) fn qr_codes(&self) -> usize {
        self.heard.count(|said| matches!(said, Said::Qr(_)))
    }

    /// Ends it in order.
    pub(super) async fn stop(self) {
        self.bot.shutdown().await;
    }
}

#[async_trait]
impl Party for Plain {
    fn name(&self) -> String {
        self.name.clone()
    }

    async fn write(&self, to: &Chat, text: &str) -> Result<()> {
        let to: Jid = to.jid().parse().map_err(anyhow::Error::msg)?;
        self.bot.client().send_text(&to, text).await?;
        Ok(())
    }

    async fn shown(&self, chat: &Chat, text: &str) -> Result<bool> {
        let found = self.heard.wait("the message", |said| match said {
            Said::Text {
                chat: at,
                from_me,
                text: said,
            } if said == text && chat.is(at) => Some(*from_me),
            _ => None,
        });
        found.await
    }

    async fn times(&self, text: &str) -> Result<usize> {
        Ok(self
            .heard
            .count(|said| matches!(said, Said::Text { text: said, .. } if said == text)))
    }
}

fn read(event: &Event) -> Vec<Said> {
    match event {
        Event::PairingQrCode(qr) => vec![Said::Qr(qr.code.clone())],
        Event::PairingCode(code) => vec![Said::Code(code.code.clone())],
        Event::Connected(_) => vec![Said::Connected],
        Event::Messages(_) => event.messages().filter_map(text).collect(),
        other => vec![Said::Other {
            _kind: format!("{other:?}"),
        }],
    }
}

fn text(inbound: &InboundMessage) -> Option<Said> {
    let text = inbound.message.text_content()?.to_owned();
    let source = &inbound.info.source;
    Some(Said::Text {
        chat: source.chat.to_string(),
        from_me: source.is_from_me,
        text,
    })
}
