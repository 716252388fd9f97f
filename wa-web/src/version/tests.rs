use std::sync::PoisonError;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::*;
use crate::transport::{Proxy, ProxyChoice};

type Cell = Arc<Mutex<Option<(ProtocolVersion, u64)>>>;

#[derive(Debug, Default)]
struct Memory(Cell);

impl VersionCache for Memory {
    fn load(&self) -> Option<(ProtocolVersion, u64)> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn save(&self, version: ProtocolVersion, at_ms: u64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((version, at_ms));
    }
}

/// WhatsApp behind a proxy that nobody runs.
fn unreachable() -> Endpoint {
    let proxy = Proxy::parse("http://127.0.0.1:9", "test").unwrap();
    Endpoint::whatsapp()
        .unwrap()
        .with_proxy(ProxyChoice::Explicit(proxy))
}

fn keeper(remembered: Option<(ProtocolVersion, u64)>) -> VersionKeeper {
    let cache = Memory(Arc::new(Mutex::new(remembered)));
    VersionKeeper::with_cache(VersionPolicy::Refreshed(unreachable()), Box::new(cache))
}

#[test]
fn versions_are_read_and_written() {
    let version: ProtocolVersion = " 2.3000.1042742319 ".parse().unwrap();
    assert_eq!(version, BUILT_IN);
    assert_eq!(version.to_string(), "2.3000.1042742319");
    for text in [
        "",
        "2.3000",
        "2.3000.1.1",
        "2.3000.x",
        "2..1",
        "0.1.2",
        "2.3000.+1",
        "2.3000.99999999999",
    ] {
        assert!(text.parse::<ProtocolVersion>().is_err(), "{text:?}");
    }
}

#[test]
fn the_service_worker_names_the_version() {
    let script = r#"{\"server_revision\":1026131876,\"client_revision\":1046131876,\"x\":1}"#;
    assert_eq!(
        revision(script),
        Some(ProtocolVersion(2, 3000, 1_046_131_876))
    );
    assert_eq!(revision("client_revision: 0"), None);
    assert_eq!(revision("assets-manifest-98765 "), None);
    assert_eq!(revision("<html>"), None);
}

#[test]
fn only_whatsapp_itself_is_asked() {
    let local = Endpoint::parse("ws://127.0.0.1:1/ws/chat").unwrap();
    let pinned = ProtocolVersion(2, 3000, 5);
    assert!(matches!(
        VersionPolicy::for_endpoint(&local, None),
        VersionPolicy::Pinned(BUILT_IN)
    ));
    assert!(matches!(
        VersionPolicy::for_endpoint(&unreachable(), Some(pinned)),
        VersionPolicy::Pinned(version) if version == pinned
    ));
    assert!(matches!(
        VersionPolicy::for_endpoint(&unreachable(), None),
        VersionPolicy::Refreshed(_)
    ));
}

#[tokio::test]
async fn a_session_starts_without_the_site() {
    assert_eq!(keeper(None).current().await, BUILT_IN);
    let old = ProtocolVersion(2, 3000, 1_000_000_000);
    assert_eq!(keeper(Some((old, 0))).current().await, BUILT_IN);
    let newer = ProtocolVersion(2, 3000, 1_999_999_999);
    let keeper = keeper(Some((newer, clock::now_ms())));
    assert_eq!(keeper.current().await, newer);
    keeper.refused();
    assert_eq!(keeper.current().await, newer);
}

#[tokio::test]
async fn a_version_survives_in_the_vault() {
    let dir = tempfile::tempdir().unwrap();
    let options = bridge_core::vault::VaultOptions::new(dir.path().join("db"));
    let key = bridge_core::vault::MasterKey::from_bytes([7; 32]);
    let vault = Vault::open(&options, &key).unwrap();
    assert_eq!(VersionCache::load(&vault), None);
    vault.save(BUILT_IN, 5);
    assert_eq!(VersionCache::load(&vault), Some((BUILT_IN, 5)));
}

async fn answer_once(answer: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 2048];
        let _read = stream.read(&mut request).await;
        let _written = stream.write_all(&answer).await;
    });
    format!("http://{address}/sw.js")
}

#[tokio::test]
async fn answers_are_bounded_and_checked() {
    let _ring = rustls::crypto::ring::default_provider().install_default();
    let roots = rustls::RootCertStore::empty();
    let tls = rustls::ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let fetched = async |answer: Vec<u8>| {
        let url = answer_once(answer).await;
        fetch::service_worker(&url, &tls, None).await
    };
    let good = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nclient_revision:1046131876;".to_vec();
    assert_eq!(fetched(good).await.unwrap(), "client_revision:1046131876;");
    let missing = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_vec();
    assert!(matches!(
        fetched(missing).await,
        Err(FetchError::Status(404))
    ));
    let mut large = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_vec();
    large.resize(3 * 1024 * 1024, b'x');
    assert!(matches!(fetched(large).await, Err(FetchError::TooLarge)));
}
