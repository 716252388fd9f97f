//! The listeners: plain and TLS, WebSocket clients and the control interface
//! on the same port.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::response::Response;
use axum::routing::get;
use axum::serve::Listener;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::conn::serve;
use super::hub::Hub;

/// Where clients connect.
const PATH: &str = "/ws/chat";
/// A client that starts TLS must finish that within this time.
const TLS_HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a shutdown waits for connections to end.
const SHUTDOWN: Duration = Duration::from_secs(5);

/// How a simulator is started.
#[derive(Debug, Clone)]
pub struct SimOptions {
    /// Where to listen for `ws://` and plain HTTP.
    pub listen: SocketAddr,
    /// Where to listen for `wss://` and HTTPS, if at all.
    pub tls_listen: Option<SocketAddr>,
    /// Fixes keys, numbers, ids and the order of random choices.
    pub seed: u64,
    /// Compress what is sent to clients.
    pub compress: bool,
    /// Refuse what the real server is said to refuse: companions that do not
    /// call themselves a browser on a system.
    pub strict: bool,
}

impl Default for SimOptions {
    fn default() -> Self {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            listen,
            tls_listen: None,
            seed: 1,
            compress: false,
            strict: false,
        }
    }
}

/// A running simulator.
pub struct SimServer {
    hub: Hub,
    http: SocketAddr,
    https: Option<SocketAddr>,
    ca: Option<String>,
    stop: CancellationToken,
    listeners: JoinSet<io::Result<()>>,
    clients: TaskTracker,
}

impl std::fmt::Debug for SimServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimServer")
            .field("http", &self.http)
            .field("https", &self.https)
            .finish_non_exhaustive()
    }
}

impl SimServer {
    /// Makes a hub and listens; `control` adds HTTP routes to the same port.
    ///
    /// # Errors
    /// When an address cannot be bound or a certificate cannot be made.
    pub async fn start(
        options: SimOptions,
        control: impl FnOnce(Hub) -> Router,
    ) -> anyhow::Result<Self> {
        let hub = Hub::new(&options)?;
        let router = control(hub.clone());
        Self::start_with(options, hub, router).await
    }

    /// Listens for a hub that exists already.
    ///
    /// # Errors
    /// When an address cannot be bound or a certificate cannot be made.
    pub async fn start_with(
        options: SimOptions,
        hub: Hub,
        control: Router,
    ) -> anyhow::Result<Self> {
        let stop = CancellationToken::new();
        let clients = TaskTracker::new();
        let router = control.merge(clients_route(&hub, options.compress, &stop, &clients));
        let bind = |at: SocketAddr| async move {
            TcpListener::bind(at)
                .await
                .with_context(|| format!("cannot listen on {at}"))
        };
        let plain = bind(options.listen).await?;
        let http = plain.local_addr()?;
        let mut listeners = JoinSet::new();
        listeners.spawn(run(NoDelay(plain), router.clone(), stop.clone()));
        let (mut https, mut ca) = (None, None);
        if let Some(at) = options.tls_listen {
            let tcp = bind(at).await?;
            https = Some(tcp.local_addr()?);
            let (acceptor, pem) = tls()?;
            ca = Some(pem);
            listeners.spawn(run(Tls::new(tcp, acceptor), router, stop.clone()));
        }
        tracing::info!(%http, ?https, seed = options.seed, "simulator listens");
        Ok(Self {
            hub,
            http,
            https,
            ca,
            stop,
            listeners,
            clients,
        })
    }

    /// The server behind the sockets.
    #[must_use]
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// Where plain HTTP is served.
    #[must_use]
    pub fn http_addr(&self) -> SocketAddr {
        self.http
    }

    /// Where clients connect without TLS.
    #[must_use]
    pub fn ws_url(&self) -> String {
        format!("ws://{}{PATH}", self.http)
    }

    /// Where clients connect with TLS.
    #[must_use]
    pub fn wss_url(&self) -> Option<String> {
        self.https.map(|at| format!("wss://{at}{PATH}"))
    }

    /// The self-signed certificate that TLS clients must trust.
    #[must_use]
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca.as_deref()
    }

    /// Stops listening, cuts the connections and waits for their tasks.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        self.clients.close();
        let ended = async {
            self.clients.wait().await;
            while self.listeners.join_next().await.is_some() {}
        };
        if tokio::time::timeout(SHUTDOWN, ended).await.is_err() {
            tracing::warn!("connections did not end in time");
        }
        self.hub.state().cut_all();
        if tokio::time::timeout(SHUTDOWN, self.hub.phones_ended())
            .await
            .is_err()
        {
            tracing::warn!("phones did not end in time");
        }
    }
}

fn clients_route(
    hub: &Hub,
    compress: bool,
    stop: &CancellationToken,
    clients: &TaskTracker,
) -> Router {
    let (hub, stop, clients) = (hub.clone(), stop.clone(), clients.clone());
    let accept = move |upgrade: WebSocketUpgrade| {
        let (hub, stop, clients) = (hub.clone(), stop.clone(), clients.clone());
        async move { accept(upgrade, hub, compress, stop, &clients) }
    };
    Router::new().route(PATH, get(accept))
}

fn accept(
    upgrade: WebSocketUpgrade,
    hub: Hub,
    compress: bool,
    stop: CancellationToken,
    clients: &TaskTracker,
) -> Response {
    let token = clients.token();
    upgrade
        .max_message_size(super::frame::MAX_FRAME + 3)
        .on_upgrade(move |socket| async move {
            let _token = token;
            tokio::select! {
                () = serve(hub, socket, compress) => {}
                () = stop.cancelled() => {}
            }
        })
}

async fn run<L>(listener: L, router: Router, stop: CancellationToken) -> io::Result<()>
where
    L: Listener,
    L::Addr: std::fmt::Debug,
{
    axum::serve(listener, router)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
}

/// A listener whose connections do not wait to fill packets: stanzas are small
/// and answers are waited for.
struct NoDelay(TcpListener);

impl Listener for NoDelay {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        let (stream, from) = Listener::accept(&mut self.0).await;
        // Only slower without it.
        let _ = stream.set_nodelay(true);
        (stream, from)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

type Accepted = (TlsStream<TcpStream>, SocketAddr);

/// A listener that speaks TLS; handshakes run beside each other, so that a
/// client that never finishes holds up nobody.
struct Tls {
    tcp: NoDelay,
    acceptor: TlsAcceptor,
    handshakes: JoinSet<io::Result<Accepted>>,
}

impl Tls {
    fn new(tcp: TcpListener, acceptor: TlsAcceptor) -> Self {
        Self {
            tcp: NoDelay(tcp),
            acceptor,
            handshakes: JoinSet::new(),
        }
    }
}

impl Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> Accepted {
        loop {
            tokio::select! {
                (stream, from) = self.tcp.accept() => {
                    let handshake = self.acceptor.accept(stream);
                    self.handshakes.spawn(async move {
                        let done = tokio::time::timeout(TLS_HANDSHAKE, handshake);
                        Ok((done.await.map_err(io::Error::from)??, from))
                    });
                }
                Some(done) = self.handshakes.join_next() => match done {
                    Ok(Ok(accepted)) => return accepted,
                    Ok(Err(error)) => tracing::info!(%error, "TLS handshake failed"),
                    Err(error) => tracing::warn!(%error, "TLS handshake ended early"),
                },
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

/// A certificate for loopback that nobody trusts unless told to.
fn tls() -> anyhow::Result<(TlsAcceptor, String)> {
    let names = vec![
        "localhost".to_owned(),
        "127.0.0.1".to_owned(),
        "::1".to_owned(),
    ];
    let made = rcgen::generate_simple_self_signed(names).context("cannot make a certificate")?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)?;
    Ok((TlsAcceptor::from(Arc::new(config)), made.cert.pem()))
}
