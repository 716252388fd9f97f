//! From an address to an open WebSocket.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinSet,
};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{
        self,
        client::IntoClientRequest as _,
        http::{HeaderValue, header::ORIGIN},
        protocol::WebSocketConfig,
    },
};
use url::Host;
use whatsapp_rust::wacore::net::WHATSAPP_WEB_ORIGIN;

use super::{endpoint::Endpoint, error::DialError, factory::DialLimits, proxy::Proxy, tls::Trust};

/// How long one address of a host may keep the next one waiting (RFC 8305
/// recommends 250 ms).
const NEXT_ADDRESS: Duration = Duration::from_millis(250);
/// Read and write buffers; the protocol's frames are small, and the default of
/// 128 KiB each would be most of an idle session's memory.
const BUFFER: usize = 16 * 1024;
/// The largest message: the protocol's frames carry a 3-byte length.
const MAX_MESSAGE: usize = 32 * 1024 * 1024;

/// A byte stream, encrypted or not.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send + std::fmt::Debug {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send + std::fmt::Debug> Stream for S {}

/// An open WebSocket.
pub(super) type Socket = WebSocketStream<Box<dyn Stream>>;

/// Opens a WebSocket within the limits.
pub(super) async fn dial(
    endpoint: &Endpoint,
    proxy: Option<&Proxy>,
    trust: &Trust,
    limits: &DialLimits,
) -> Result<Socket, DialError> {
    let host = endpoint.url().host().unwrap_or(Host::Domain(""));
    let steps = async {
        let tcp = reach(&host, endpoint.port(), proxy, limits).await?;
        let stream: Box<dyn Stream> = if endpoint.is_tls() {
            let config = trust.config().await?;
            Box::new(within("the TLS handshake", limits.tls, encrypt(tcp, &host, config)).await?)
        } else {
            Box::new(tcp)
        };
        within(
            "the WebSocket handshake",
            limits.upgrade,
            upgrade(endpoint, &host, stream),
        )
        .await
    };
    within("connecting", limits.total, steps).await
}

async fn within<T>(
    step: &'static str,
    limit: Duration,
    work: impl Future<Output = Result<T, DialError>>,
) -> Result<T, DialError> {
    tokio::time::timeout(limit, work)
        .await
        .unwrap_or(Err(DialError::Timeout { step, limit }))
}

/// A TCP connection to the host, through the proxy if there is one.
async fn reach(
    host: &Host<&str>,
    port: u16,
    proxy: Option<&Proxy>,
    limits: &DialLimits,
) -> Result<TcpStream, DialError> {
    let Some(proxy) = proxy else {
        return tcp(host, port, limits).await;
    };
    let refuse = |reason: String| DialError::Proxy {
        proxy: proxy.clone(),
        reason,
    };
    let at = proxy.host().unwrap_or(Host::Domain(""));
    let stream = tcp(&at, proxy.port(), limits)
        .await
        .map_err(|error| refuse(error.to_string()))?;
    tokio::time::timeout(limits.connect, proxy.tunnel(stream, host, port))
        .await
        .unwrap_or_else(|_elapsed| {
            Err(format!(
                "no answer within {} s",
                limits.connect.as_secs_f32()
            ))
        })
        .map_err(refuse)
}

/// Looks the host up and connects to its addresses, each a moment after the one
/// before, until one answers.
async fn tcp(host: &Host<&str>, port: u16, limits: &DialLimits) -> Result<TcpStream, DialError> {
    let addresses = match host {
        Host::Ipv4(ip) => vec![SocketAddr::from((*ip, port))],
        Host::Ipv6(ip) => vec![SocketAddr::from((*ip, port))],
        Host::Domain(name) => {
            within("looking up the host name", limits.dns, look_up(name, port)).await?
        }
    };
    let stream = within("the TCP connection", limits.connect, async {
        race(addresses).await.map_err(|source| DialError::Connect {
            host: host.to_string(),
            port,
            source,
        })
    })
    .await?;
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY cannot be set");
    }
    Ok(stream)
}

async fn look_up(name: &str, port: u16) -> Result<Vec<SocketAddr>, DialError> {
    let dns = |source| DialError::Dns {
        host: name.to_owned(),
        source,
    };
    let found: Vec<_> = tokio::net::lookup_host((name, port))
        .await
        .map_err(dns)?
        .collect();
    if found.is_empty() {
        return Err(dns(io::Error::other("the name has no address")));
    }
    // The resolver orders by preference; the families take turns, so that one
    // that leads nowhere costs a moment and not a timeout.
    let first_is_v6 = found.first().is_some_and(SocketAddr::is_ipv6);
    let (mut a, mut b): (Vec<_>, Vec<_>) = found
        .into_iter()
        .rev()
        .partition(|at| at.is_ipv6() == first_is_v6);
    let mut ordered = Vec::with_capacity(a.len() + b.len());
    while let Some(next) = a.pop().or_else(|| b.pop()) {
        ordered.push(next);
        ordered.extend(b.pop());
    }
    Ok(ordered)
}

async fn race(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut waiting = addresses.into_iter();
    let mut running = JoinSet::new();
    let mut last = io::Error::other("there is no address");
    loop {
        match waiting.next() {
            Some(address) => {
                running.spawn(TcpStream::connect(address));
            }
            None if running.is_empty() => return Err(last),
            None => {}
        }
        let done = if waiting.len() > 0 {
            tokio::time::timeout(NEXT_ADDRESS, running.join_next())
                .await
                .ok()
                .flatten()
        } else {
            running.join_next().await
        };
        match done {
            Some(Ok(Ok(stream))) => return Ok(stream),
            Some(Ok(Err(error))) => last = error,
            Some(Err(_)) | None => {}
        }
    }
}

async fn encrypt(
    tcp: TcpStream,
    host: &Host<&str>,
    config: Arc<rustls::ClientConfig>,
) -> Result<impl Stream + 'static, DialError> {
    let name = match host {
        Host::Domain(name) => {
            ServerName::try_from((*name).to_owned()).map_err(|error| DialError::Certificate {
                host: (*name).to_owned(),
                reason: error.to_string(),
            })?
        }
        Host::Ipv4(ip) => ServerName::IpAddress(std::net::IpAddr::V4(*ip).into()),
        Host::Ipv6(ip) => ServerName::IpAddress(std::net::IpAddr::V6(*ip).into()),
    };
    TlsConnector::from(config)
        .connect(name, tcp)
        .await
        .map_err(|source| tls_error(host.to_string(), source))
}

fn tls_error(host: String, source: io::Error) -> DialError {
    let inner = source
        .get_ref()
        .and_then(|e| e.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(reason)) => DialError::Certificate {
            host,
            reason: reason.to_string(),
        },
        Some(rustls::Error::NoCertificatesPresented) => DialError::Certificate {
            host,
            reason: "it shows none".to_owned(),
        },
        _ => DialError::Tls { host, source },
    }
}

async fn upgrade(
    endpoint: &Endpoint,
    host: &Host<&str>,
    stream: Box<dyn Stream>,
) -> Result<Socket, DialError> {
    let refuse = |error: tungstenite::Error| match error {
        tungstenite::Error::Http(answer) => DialError::Status {
            host: host.to_string(),
            status: answer.status().as_u16(),
        },
        other => DialError::Upgrade {
            host: host.to_string(),
            reason: other.to_string(),
        },
    };
    let mut request = endpoint
        .url()
        .as_str()
        .into_client_request()
        .map_err(refuse)?;
    request
        .headers_mut()
        .insert(ORIGIN, HeaderValue::from_static(WHATSAPP_WEB_ORIGIN));
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER)
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE));
    client_async_with_config(request, stream, Some(config))
        .await
        .map(|(socket, _answer)| socket)
        .map_err(refuse)
}
