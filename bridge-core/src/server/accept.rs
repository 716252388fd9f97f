//! Connections: admission, time limits, and the end.

use std::{io, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
};
use tower::ServiceExt as _;

use super::{ServerLimits, guard::Transport, shared::Shared, socket::Socket};

/// The pause after a failed accept, such as one for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts until shutdown, then waits for what is running, and cuts the rest.
pub(super) async fn run(
    tcp: TcpListener,
    socket: Option<Socket>,
    router: Router,
    shared: &Arc<Shared>,
) {
    let mut connections = JoinSet::new();
    accept_all(&tcp, socket.as_ref(), &router, shared, &mut connections).await;
    // 1. No new connections; the socket's file goes with it.
    drop((tcp, socket));
    // 2. Long polls and idle connections end by the same token; running requests
    //    get their time.
    let finish = async {
        while let Some(ended) = connections.join_next().await {
            note_panic(ended);
        }
    };
    if tokio::time::timeout(shared.options.limits.shutdown_time, finish)
        .await
        .is_err()
    {
        tracing::warn!("requests that did not finish in time are cut");
    }
    // 3. What is left. Sends go on inside the outbox, which its owner closes.
    connections.shutdown().await;
}

async fn accept_all(
    tcp: &TcpListener,
    socket: Option<&Socket>,
    router: &Router,
    shared: &Arc<Shared>,
    connections: &mut JoinSet<()>,
) {
    let slots = Arc::new(Semaphore::new(shared.options.limits.connections));
    loop {
        let slot = tokio::select! {
            biased;
            () = shared.shutdown.cancelled() => return,
            slot = Arc::clone(&slots).acquire_owned() => slot,
        };
        let Ok(slot) = slot else { return };
        let accepted = tokio::select! {
            biased;
            () = shared.shutdown.cancelled() => return,
            Some(ended) = connections.join_next() => { note_panic(ended); continue }
            accepted = tcp.accept() => accepted.map(|(stream, _)| Stream::Tcp(stream)),
            accepted = accept_unix(socket) => accepted.map(Stream::Unix),
        };
        match accepted {
            Ok(stream) => start(stream, router, shared, slot, connections),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::select! {
                    () = shared.shutdown.cancelled() => return,
                    () = tokio::time::sleep(ACCEPT_PAUSE) => {}
                }
            }
        }
    }
}

enum Stream {
    Tcp(tokio::net::TcpStream),
    Unix(tokio::net::UnixStream),
}

async fn accept_unix(socket: Option<&Socket>) -> io::Result<tokio::net::UnixStream> {
    match socket {
        Some(socket) => socket.accept().await,
        None => std::future::pending().await,
    }
}

fn start(
    stream: Stream,
    router: &Router,
    shared: &Arc<Shared>,
    slot: OwnedSemaphorePermit,
    connections: &mut JoinSet<()>,
) {
    let (router, shared) = (router.clone(), Arc::clone(shared));
    match stream {
        Stream::Tcp(stream) => {
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "cannot switch off delayed writes");
            }
            connections.spawn(connection(stream, Transport::Tcp, router, shared, slot));
        }
        Stream::Unix(stream) => {
            connections.spawn(connection(stream, Transport::Unix, router, shared, slot));
        }
    }
}

async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send,
    transport: Transport,
    router: Router,
    shared: Arc<Shared>,
    _slot: OwnedSemaphorePermit,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(transport);
        router.clone().oneshot(request)
    });
    let limits = &shared.options.limits;
    let connection = builder(limits).serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shared.shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
        () = tokio::time::sleep(limits.connection_time) => {
            connection.as_mut().graceful_shutdown();
            tokio::time::timeout(limits.request_time, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

fn builder(limits: &ServerLimits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_time)
        .max_headers(limits.headers)
        // Smaller buffers make the library panic.
        .max_buf_size(limits.head_bytes.max(8192));
    builder
}

fn note_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a request handler panicked");
    }
}
