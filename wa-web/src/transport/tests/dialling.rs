//! Reaching a server, and the reasons for not reaching it.

use std::time::Duration;

use whatsapp_rust::wacore::net::TransportFactory as _;

use super::servers;
use crate::transport::{
    DialClass, DialFailure, DialLimits, Endpoint, Proxy, ProxyChoice, WsTransportFactory,
};

fn quick() -> DialLimits {
    let short = Duration::from_millis(300);
    DialLimits {
        upgrade: short,
        tls: short,
        connect: short,
        ..DialLimits::default()
    }
}

fn endpoint(url: &str) -> Endpoint {
    Endpoint::parse(url)
        .unwrap()
        .with_proxy(ProxyChoice::Direct)
}

fn through(proxy: &str, url: &str) -> Endpoint {
    let proxy = Proxy::parse(proxy, "test").unwrap();
    endpoint(url).with_proxy(ProxyChoice::Explicit(proxy))
}

async fn reach(endpoint: Endpoint) -> Result<(), DialFailure> {
    // Generous where success is expected: other tests compete for the machine.
    let factory = WsTransportFactory::new(endpoint).unwrap();
    outcome(&factory).await
}

async fn fail(endpoint: Endpoint) -> DialFailure {
    let factory = WsTransportFactory::with_limits(endpoint, quick()).unwrap();
    outcome(&factory).await.expect_err("a failure")
}

async fn outcome(factory: &WsTransportFactory) -> Result<(), DialFailure> {
    let result = factory.create_transport().await;
    let stats = factory.stats();
    let report = stats.report();
    assert_eq!(report.attempts, 1);
    assert!(report.last_attempt_ms.is_some());
    match result {
        Ok(_) => {
            assert_eq!((report.connections, report.failures_in_a_row), (1, 0));
            Ok(())
        }
        Err(error) => {
            assert_eq!((report.connections, report.failures_in_a_row), (0, 1));
            let failure = report.last_dial_failure.expect("the failure is kept");
            assert_eq!(failure.cause, error.to_string());
            assert_eq!(stats.last_failure(), Some(failure.cause.clone()));
            Err(failure)
        }
    }
}

#[tokio::test]
async fn plain_and_encrypted_servers_are_reached() {
    let plain = servers::ws().await;
    reach(endpoint(&format!("ws://{}/ws/chat", plain.address)))
        .await
        .unwrap();

    let (server, pem) = servers::wss("localhost").await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ca.pem");
    std::fs::write(&file, pem).unwrap();
    let url = format!("wss://localhost:{}/ws/chat", server.address.port());
    reach(endpoint(&url).with_extra_ca(&file)).await.unwrap();
}

#[tokio::test]
async fn certificates_must_be_trusted_and_fit() {
    let (server, pem) = servers::wss("localhost").await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ca.pem");
    std::fs::write(&file, pem).unwrap();
    let (_other, other_pem) = servers::wss("localhost").await;
    let other_file = dir.path().join("other.pem");
    std::fs::write(&other_file, other_pem).unwrap();

    let url = format!("wss://localhost:{}/", server.address.port());
    let slow = |endpoint| async {
        let factory = WsTransportFactory::new(endpoint).unwrap();
        outcome(&factory).await.expect_err("a failure")
    };
    let unknown = slow(endpoint(&url).with_extra_ca(&other_file)).await;
    assert_eq!(unknown.class, DialClass::Certificate, "{}", unknown.cause);

    let misnamed = format!("wss://{}/", server.address);
    let misnamed = slow(endpoint(&misnamed).with_extra_ca(&file)).await;
    assert_eq!(misnamed.class, DialClass::Certificate, "{}", misnamed.cause);
}

#[tokio::test]
async fn each_failure_has_its_class() {
    let silent = servers::black_hole().await;
    let teapot = servers::fixed(b"HTTP/1.1 418 I'm a teapot\r\ncontent-length: 0\r\n\r\n").await;
    let ssh = servers::fixed(b"SSH-2.0-other\r\n").await;
    let closed = {
        let server = servers::black_hole().await;
        server.address
    };
    let refused = fail(endpoint(&format!("ws://{closed}/"))).await;
    assert_eq!(refused.class, DialClass::Refused, "{}", refused.cause);
    let failure = fail(endpoint(&format!("ws://{}/", silent.address))).await;
    assert_eq!(failure.class, DialClass::Timeout, "{}", failure.cause);
    assert!(
        failure.cause.contains("the WebSocket handshake"),
        "{}",
        failure.cause
    );
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ca.pem");
    std::fs::write(&file, servers::wss("localhost").await.1).unwrap();
    let failure = fail(endpoint(&format!("wss://{}/", silent.address)).with_extra_ca(&file)).await;
    assert_eq!(failure.class, DialClass::Timeout, "{}", failure.cause);
    assert!(
        failure.cause.contains("the TLS handshake"),
        "{}",
        failure.cause
    );
    let failure = fail(endpoint(&format!("ws://{}/", teapot.address))).await;
    assert_eq!(
        failure.class,
        DialClass::Upgrade(Some(418)),
        "{}",
        failure.cause
    );
    let failure = fail(endpoint(&format!("ws://{}/", ssh.address))).await;
    assert_eq!(failure.class, DialClass::Upgrade(None), "{}", failure.cause);
    let failure = fail(endpoint(&format!("wss://{}/", ssh.address)).with_extra_ca(&file)).await;
    assert_eq!(failure.class, DialClass::Tls, "{}", failure.cause);
}

#[tokio::test]
async fn names_without_an_address_are_told_apart() {
    let limits = DialLimits::default();
    let nowhere = endpoint("wss://nowhere.invalid/");
    let factory = WsTransportFactory::with_limits(nowhere, limits).unwrap();
    let failure = outcome(&factory).await.expect_err("a failure");
    // A machine without any resolver can only run out of time.
    assert!(
        matches!(failure.class, DialClass::Dns | DialClass::Timeout),
        "{}",
        failure.cause
    );
}

#[tokio::test]
async fn proxies_are_used() {
    let server = servers::ws().await;
    let url = format!("ws://{}/ws/chat", server.address);
    let http = servers::http_proxy().await;
    reach(through(
        &format!("http://user:p%40ss@{}", http.address),
        &url,
    ))
    .await
    .unwrap();
    let socks = servers::socks_proxy().await;
    reach(through(&format!("socks5://{}", socks.address), &url))
        .await
        .unwrap();
    // The proxy resolves the name.
    let (encrypted, pem) = servers::wss("only-the-proxy-knows.test").await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ca.pem");
    std::fs::write(&file, pem).unwrap();
    let url = format!(
        "wss://only-the-proxy-knows.test:{}/",
        encrypted.address.port()
    );
    let endpoint = through(&format!("socks5://{}", socks.address), &url).with_extra_ca(&file);
    reach(endpoint).await.unwrap();
}

#[tokio::test]
async fn a_failing_proxy_is_named() {
    let server = servers::ws().await;
    let url = format!("ws://{}/", server.address);
    let closed = servers::black_hole().await.address;
    let silent = servers::black_hole().await;
    let http = servers::http_proxy().await;
    let ssh = servers::fixed(b"SSH-2.0-other\r\n\r\n").await;
    for (proxy, word) in [
        (format!("http://{closed}"), "cannot connect"),
        (format!("http://{}", silent.address), "no answer within"),
        (format!("socks5://{}", silent.address), "no answer within"),
        (format!("http://user:wrong@{}", http.address), "407"),
        (format!("http://{}", ssh.address), "not HTTP"),
        (format!("socks5://{}", ssh.address), "version"),
    ] {
        let failure = fail(through(&proxy, &url)).await;
        assert_eq!(failure.class, DialClass::Proxy, "{}", failure.cause);
        assert!(failure.cause.contains(word), "{proxy}: {}", failure.cause);
        assert!(!failure.cause.contains("wrong"), "{}", failure.cause);
    }
}
