//! Plain whatsapp-rust with its in-memory store, and what it says happened.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::sync::{Mutex, mpsc};
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::{WebSocketStream, client_async};
use whatsapp_rust::prelude::*;
use whatsapp_rust::wacore::net::{
    DisconnectReason, HttpClient, HttpRequest, HttpResponse, Transport, TransportEvent,
    TransportFactory,
};
use whatsapp_rust::wacore::store::InMemoryBackend;
use whatsapp_rust::{async_channel, async_trait, bytes};

/// How long a test waits for something that must happen.
const PATIENCE: Duration = Duration::from_secs(30);

type Stream = WebSocketStream<tokio::net::TcpStream>;

/// Dials the simulator without TLS.
struct Plain(String);

struct Socket(Mutex<futures_util::stream::SplitSink<Stream, Frame>>);

#[async_trait]
impl TransportFactory for Plain {
    async fn create_transport(
        &self,
    ) -> Result<(Arc<dyn Transport>, async_channel::Receiver<TransportEvent>)> {
        let url = url::Url::parse(&self.0)?;
        let address = url.socket_addrs(|| None)?;
        let tcp = tokio::net::TcpStream::connect(address.as_slice()).await?;
        tcp.set_nodelay(true)?;
        let (stream, _) = client_async(self.0.as_str(), tcp).await?;
        let (sink, mut input) = stream.split();
        let (events, receiver) = async_channel::bounded(64);
        events.send(TransportEvent::Connected).await?;
        tokio::spawn(async move {
            while let Some(Ok(frame)) = input.next().await {
                if let Frame::Binary(bytes) = frame
                    && events
                        .send(TransportEvent::DataReceived(bytes))
                        .await
                        .is_err()
                {
                    return;
                }
            }
            let _ = events
                .send(TransportEvent::Disconnected(DisconnectReason::StreamEnded))
                .await;
        });
        Ok((Arc::new(Socket(Mutex::new(sink))), receiver))
    }
}

#[async_trait]
impl Transport for Socket {
    async fn send(&self, data: bytes::Bytes) -> Result<()> {
        Ok(self.0.lock().await.send(Frame::Binary(data)).await?)
    }

    async fn disconnect(&self) {
        let _ = self.0.lock().await.close().await;
    }
}

struct NoHttp;

#[async_trait]
impl HttpClient for NoHttp {
    async fn execute(&self, _request: HttpRequest) -> Result<HttpResponse> {
        Err(anyhow::anyhow!("tests fetch nothing"))
    }
}

/// What a client said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    Qr(String),
    Code(String),
    Paired(String),
    Connected,
    Disconnected,
    LoggedOut,
    Replaced,
    Outdated,
    Banned,
    Text {
        chat: String,
        id: String,
        text: String,
    },
    Acked {
        id: String,
        error: Option<String>,
    },
    Receipt {
        ids: Vec<String>,
        kind: String,
    },
    Other(String),
}

/// A client.
pub(crate) struct Client {
    bot: BotHandle,
    said: mpsc::Receiver<Said>,
    /// Acks and receipts that were passed over: the library runs a task for each
    /// event, so they overtake each other.
    passed: Vec<Said>,
}

impl Client {
    /// Starts a client with a new store.
    pub(crate) async fn start(url: &str, name: &str) -> Result<Self> {
        Self::start_on(url, Arc::new(InMemoryBackend::new()), name).await
    }

    /// Starts a client on a store that may know a session.
    pub(crate) async fn start_on(
        url: &str,
        store: Arc<InMemoryBackend>,
        name: &str,
    ) -> Result<Self> {
        let (tell, said) = mpsc::channel(4096);
        let bot = Bot::builder()
            .with_backend_arc(store)
            .with_transport_factory(Plain(url.to_owned()))
            .with_http_client(NoHttp)
            .with_version((2, 3000, 1_027_934_701))
            .with_push_name(name)
            .with_wanted_pre_key_count(30)
            .skip_history_sync()
            .on_event(move |event, _client| {
                let tell = tell.clone();
                async move {
                    for said in read(&event) {
                        // A test that ended does not listen any more.
                        let _ = tell.send(said).await;
                    }
                }
            })
            .build()
            .await?
            .spawn();
        Ok(Self {
            bot,
            said,
            passed: Vec::new(),
        })
    }

    pub(crate) fn library(&self) -> Arc<whatsapp_rust::Client> {
        self.bot.client()
    }

    /// The first thing said that `wanted` picks; what came before is passed over,
    /// except for acks and receipts, which later calls still find.
    pub(crate) async fn wait<T>(
        &mut self,
        what: &str,
        mut wanted: impl FnMut(&Said) -> Option<T>,
    ) -> Result<T> {
        let known = self
            .passed
            .iter()
            .enumerate()
            .find_map(|(at, said)| wanted(said).map(|found| (at, found)));
        if let Some((at, found)) = known {
            self.passed.remove(at);
            return Ok(found);
        }
        let mut heard = Vec::new();
        let search = async {
            while let Some(said) = self.said.recv().await {
                if let Some(found) = wanted(&said) {
                    return Some(found);
                }
                if matches!(said, Said::Acked { .. } | Said::Receipt { .. }) {
                    self.passed.push(said.clone());
                }
                heard.push(said);
            }
            None
        };
        match tokio::time::timeout(PATIENCE, search).await {
            Ok(Some(found)) => Ok(found),
            Ok(None) => bail!("the client ended before {what}; it said {heard:?}"),
            Err(_) => bail!("no {what} within {PATIENCE:?}; it said {heard:?}"),
        }
    }

    pub(crate) async fn wait_for(&mut self, said: &Said) -> Result<()> {
        self.wait(&format!("{said:?}"), |heard| (heard == said).then_some(()))
            .await
    }

    pub(crate) async fn text(&mut self) -> Result<String> {
        self.wait("text", |said| match said {
            Said::Text { text, .. } => Some(text.clone()),
            _ => None,
        })
        .await
    }

    pub(crate) async fn qr(&mut self) -> Result<String> {
        self.wait("QR code", |said| match said {
            Said::Qr(code) => Some(code.clone()),
            _ => None,
        })
        .await
    }

    /// Sends a text and returns its id.
    pub(crate) async fn send(&self, to: &Jid, text: &str) -> Result<String> {
        let sent = self
            .library()
            .send_text(to, text)
            .await
            .context("cannot send")?;
        Ok(sent.message_id)
    }

    pub(crate) async fn stop(self) {
        self.bot.shutdown().await;
    }
}

fn read(event: &Event) -> Vec<Said> {
    match event {
        Event::PairingQrCode(qr) => vec![Said::Qr(qr.code.clone())],
        Event::PairingCode(code) => vec![Said::Code(code.code.clone())],
        Event::PairSuccess(success) => vec![Said::Paired(success.id.to_string())],
        Event::Connected(_) => vec![Said::Connected],
        Event::Disconnected(_) => vec![Said::Disconnected],
        Event::LoggedOut(_) => vec![Said::LoggedOut],
        Event::StreamReplaced(_) => vec![Said::Replaced],
        Event::ClientOutdated(_) => vec![Said::Outdated],
        Event::TemporaryBan(_) => vec![Said::Banned],
        Event::ServerAck(ack) if ack.class.as_deref() == Some("message") => {
            vec![Said::Acked {
                id: ack.id.to_string(),
                error: ack.error.as_ref().map(|error| error.to_string()),
            }]
        }
        Event::Receipt(receipt) => vec![Said::Receipt {
            ids: receipt
                .message_ids
                .iter()
                .map(ToString::to_string)
                .collect(),
            kind: format!("{:?}", receipt.r#type).to_lowercase(),
        }],
        Event::Messages(_) => event.messages().filter_map(text).collect(),
        other => vec![Said::Other(format!("{other:?}"))],
    }
}

fn text(inbound: &InboundMessage) -> Option<Said> {
    let text = inbound.message.text_content()?.to_owned();
    let chat = inbound.info.source.chat.to_string();
    Some(Said::Text {
        chat,
        id: inbound.info.id.to_string(),
        text,
    })
}
