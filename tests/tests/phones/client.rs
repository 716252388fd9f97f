//! The client library as it is published, with its store in memory: it knows
//! nothing of the simulator but an address.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::SplitSink;
use futures_util::{SinkExt as _, StreamExt as _};
use loong_tests::wa_sim::phone::view::describe;
use tokio::net::TcpStream;
use tokio::sync::{Mutex, mpsc};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Frame;
use whatsapp_rust::async_channel;
use whatsapp_rust::bot::{Bot, BotHandle};
use whatsapp_rust::traits::Backend;
use whatsapp_rust::wacore::net::{
    DisconnectReason, HttpClient, HttpRequest, HttpResponse, Transport, TransportEvent,
    TransportFactory,
};
use whatsapp_rust::wacore::pair_code::PairCodeOptions;
use whatsapp_rust::wacore::store::InMemoryBackend;
use whatsapp_rust::wacore::types::events::Event;
use whatsapp_rust::{Client, Jid};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A message as the client reported it.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    pub(crate) id: String,
    pub(crate) chat: String,
    pub(crate) from_me: bool,
    message: Arc<whatsapp_rust::waproto::whatsapp::Message>,
}

impl Got {
    pub(crate) fn kind(&self) -> &'static str {
        describe(&self.message).map_or("nothing", |(kind, _)| kind)
    }

    pub(crate) fn text(&self) -> String {
        describe(&self.message)
            .map(|(_, text)| text)
            .unwrap_or_default()
    }
}

/// A running client.
pub(crate) struct PlainClient {
    client: Arc<Client>,
    handle: BotHandle,
    events: mpsc::Receiver<Arc<Event>>,
    got: VecDeque<Got>,
}

impl PlainClient {
    /// Starts a client that is not linked to anything, and perhaps asks for a
    /// code for this number.
    pub(crate) async fn start(ws_url: &str, name: &str, code_for: Option<&str>) -> Result<Self> {
        Self::start_on(Arc::new(InMemoryBackend::new()), ws_url, name, code_for).await
    }

    /// The same on a store that may hold a session.
    pub(crate) async fn start_on(
        backend: Arc<dyn Backend>,
        ws_url: &str,
        name: &str,
        code_for: Option<&str>,
    ) -> Result<Self> {
        let (tell, events) = mpsc::channel(10_000);
        let mut builder = Bot::builder()
            .with_backend_arc(backend)
            .with_transport_factory(Dialer {
                url: ws_url.to_owned(),
            })
            .with_http_client(NoHttp)
            .with_version((2, 3000, 0))
            .with_wanted_pre_key_count(50)
            .skip_history_sync()
            .on_event(move |event, _client| {
                let tell = tell.clone();
                async move {
                    // Nobody listens any more when a test has ended.
                    let _ = tell.send(event).await;
                }
            });
        if !name.is_empty() {
            builder = builder.with_push_name(name);
        }
        if let Some(number) = code_for {
            let phone_number = number.to_owned();
            builder = builder.with_pair_code(PairCodeOptions {
                phone_number,
                ..Default::default()
            });
        }
        let bot = builder.build().await.map_err(anyhow::Error::new)?;
        let client = bot.client();
        Ok(Self {
            client,
            handle: bot.spawn(),
            events,
            got: VecDeque::new(),
        })
    }

    /// The next event that `pick` wants; messages on the way are kept.
    async fn wait<T>(&mut self, what: &str, pick: impl Fn(&Event) -> Option<T>) -> Result<T> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let event = tokio::time::timeout_at(deadline, self.events.recv())
                .await
                .with_context(|| format!("the client did not report {what}"))?
                .with_context(|| format!("the client ended before {what}"))?;
            self.keep(&event);
            if let Some(found) = pick(&event) {
                return Ok(found);
            }
        }
    }

    fn keep(&mut self, event: &Event) {
        for inbound in event.messages() {
            let source = &inbound.info.source;
            self.got.push_back(Got {
                id: inbound.info.id.to_string(),
                chat: source.chat.to_string(),
                from_me: source.is_from_me,
                message: inbound.message.clone(),
            });
        }
    }

    pub(crate) async fn qr(&mut self) -> Result<String> {
        let pick = |event: &Event| match event {
            Event::PairingQrCode(qr) => Some(qr.code.clone()),
            _ => None,
        };
        self.wait("a QR code", pick).await
    }

    pub(crate) async fn code(&mut self) -> Result<String> {
        let pick = |event: &Event| match event {
            Event::PairingCode(code) => Some(code.code.clone()),
            _ => None,
        };
        self.wait("a pairing code", pick).await
    }

    pub(crate) async fn connected(&mut self) -> Result<()> {
        let pick = |event: &Event| matches!(event, Event::Connected(_)).then_some(());
        self.wait("being connected", pick).await
    }

    /// The next message that shows something.
    pub(crate) async fn message(&mut self) -> Result<Got> {
        loop {
            while let Some(got) = self.got.pop_front() {
                if describe(&got.message).is_some() {
                    return Ok(got);
                }
            }
            self.wait("a message", |event| event.messages().next().map(|_| ()))
                .await?;
        }
    }

    /// Sends a text and returns its id.
    pub(crate) async fn send(&self, to: &str, text: &str) -> Result<String> {
        let to: Jid = to.parse().map_err(anyhow::Error::msg)?;
        let sent = self
            .client
            .send_text(to, text)
            .await
            .map_err(anyhow::Error::new)?;
        Ok(sent.message_id)
    }

    pub(crate) async fn stop(self) {
        self.handle.shutdown().await;
    }
}

/// Dials without TLS, and at once.
struct Dialer {
    url: String,
}

type Socket = WebSocketStream<TcpStream>;

#[async_trait]
impl TransportFactory for Dialer {
    async fn create_transport(
        &self,
    ) -> Result<(Arc<dyn Transport>, async_channel::Receiver<TransportEvent>)> {
        let url = url::Url::parse(&self.url)?;
        let host = url.host_str().context("no host")?;
        let port = url.port_or_known_default().context("no port")?;
        let stream = TcpStream::connect((host, port)).await?;
        stream.set_nodelay(true)?;
        let (socket, _) = tokio_tungstenite::client_async(self.url.as_str(), stream).await?;
        let (write, mut read) = socket.split();
        let (tell, events) = async_channel::bounded(64);
        tell.send(TransportEvent::Connected).await?;
        tokio::spawn(async move {
            while let Some(Ok(frame)) = read.next().await {
                if let Frame::Binary(data) = frame
                    && tell.send(TransportEvent::DataReceived(data)).await.is_err()
                {
                    return;
                }
            }
            let _ = tell
                .send(TransportEvent::Disconnected(DisconnectReason::StreamEnded))
                .await;
        });
        Ok((Arc::new(Wire(Mutex::new(write))), events))
    }
}

struct Wire(Mutex<SplitSink<Socket, Frame>>);

#[async_trait]
impl Transport for Wire {
    async fn send(&self, data: Bytes) -> Result<()> {
        Ok(self.0.lock().await.send(Frame::Binary(data)).await?)
    }

    async fn disconnect(&self) {
        let _ = self.0.lock().await.close().await;
    }
}

struct NoHttp;

#[async_trait]
impl HttpClient for NoHttp {
    async fn execute(&self, request: HttpRequest) -> Result<HttpResponse> {
        bail!("no HTTP in tests: {}", request.url)
    }
}
