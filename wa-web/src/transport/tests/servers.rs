//! Servers and proxies for the tests. Each takes connections until its task is
//! dropped.

use std::{net::SocketAddr, sync::Arc};

use futures_util::{SinkExt as _, StreamExt as _};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::PrivateKeyDer;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::{
    accept_hdr_async,
    tungstenite::{
        Message,
        handshake::server::{ErrorResponse, Request, Response},
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};
use tokio_util::task::AbortOnDropHandle;

pub(super) struct Server {
    pub(super) address: SocketAddr,
    _task: AbortOnDropHandle<()>,
}

async fn serve<F>(handle: impl Fn(TcpStream) -> F + Send + 'static) -> Server
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let mut running = tokio::task::JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            running.spawn(handle(stream));
        }
    });
    Server {
        address,
        _task: AbortOnDropHandle::new(task),
    }
}

/// Greets, sends back what it gets, and ends when told to: "close" in an orderly
/// way, "drop" without a word. Refuses other origins than WhatsApp's.
async fn echo(stream: impl AsyncRead + AsyncWrite + Unpin) {
    #[expect(clippy::result_large_err, reason = "the signature is the library's")]
    let check = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        let origin = request
            .headers()
            .get("origin")
            .and_then(|o| o.to_str().ok());
        if origin == Some("https://web.whatsapp.com") {
            return Ok(response);
        }
        let mut refusal = ErrorResponse::new(None);
        *refusal.status_mut() = tokio_tungstenite::tungstenite::http::StatusCode::FORBIDDEN;
        Err(refusal)
    };
    let Ok(mut socket) = accept_hdr_async(stream, check).await else {
        return;
    };
    let _sent = socket.send(Message::Binary("hello".into())).await;
    while let Some(Ok(message)) = socket.next().await {
        match message {
            Message::Binary(data) if data.as_ref() == b"close" => {
                let frame = CloseFrame {
                    code: CloseCode::Restart,
                    reason: "later".into(),
                };
                let _closed = socket.close(Some(frame)).await;
            }
            Message::Binary(data) if data.as_ref() == b"drop" => return,
            Message::Binary(data) => {
                let _sent = socket.send(Message::Binary(data)).await;
            }
            _ => {}
        }
    }
}

pub(super) async fn ws() -> Server {
    serve(echo).await
}

/// A server with a fresh certificate for `name`, which is given as PEM.
pub(super) async fn wss(name: &str) -> (Server, String) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed([name.to_owned()]).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![cert.der().clone()],
            PrivateKeyDer::Pkcs8(signing_key.serialize_der().into()),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let server = serve(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                echo(stream).await;
            }
        }
    });
    (server.await, cert.pem())
}

/// Takes connections and never says a word.
pub(super) async fn black_hole() -> Server {
    serve(|mut stream| async move {
        let mut buffer = [0; 1024];
        while stream.read(&mut buffer).await.is_ok_and(|n| n > 0) {}
    })
    .await
}

/// Upgrades, then neither reads nor writes.
pub(super) async fn deaf() -> Server {
    serve(|stream| async move {
        let socket = tokio_tungstenite::accept_async(stream).await;
        std::future::pending::<()>().await;
        drop(socket);
    })
    .await
}

/// Answers every connection with `answer`.
pub(super) async fn fixed(answer: &'static [u8]) -> Server {
    serve(move |mut stream| async move {
        let mut buffer = [0; 4096];
        let _request = stream.read(&mut buffer).await;
        let _answered = stream.write_all(answer).await;
    })
    .await
}

/// An HTTP proxy that wants the user "user" with the password "p@ss".
pub(super) async fn http_proxy() -> Server {
    serve(|mut stream| async move {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        if !head.contains("Proxy-Authorization: Basic dXNlcjpwQHNz\r\n") {
            let _sent = stream.write_all(b"HTTP/1.1 407 Who are you\r\n\r\n").await;
            return;
        }
        let target = head.split(' ').nth(1).unwrap().to_owned();
        let mut upstream = TcpStream::connect(target).await.unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nx: y\r\n\r\n")
            .await
            .unwrap();
        let _ended = copy_bidirectional(&mut stream, &mut upstream).await;
    })
    .await
}

/// A SOCKS5 proxy without passwords that knows every name as this machine.
pub(super) async fn socks_proxy() -> Server {
    serve(|mut stream| async move {
        let mut greeting = [0; 2];
        stream.read_exact(&mut greeting).await.unwrap();
        let mut methods = vec![0; usize::from(greeting[1])];
        stream.read_exact(&mut methods).await.unwrap();
        stream.write_all(&[5, 0]).await.unwrap();
        let mut head = [0; 4];
        stream.read_exact(&mut head).await.unwrap();
        let length = match head[3] {
            1 => 4,
            3 => usize::from(stream.read_u8().await.unwrap()),
            _ => 16,
        };
        let mut name = vec![0; length];
        stream.read_exact(&mut name).await.unwrap();
        let port = stream.read_u16().await.unwrap();
        let mut upstream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream
            .write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])
            .await
            .unwrap();
        let _ended = copy_bidirectional(&mut stream, &mut upstream).await;
    })
    .await
}
