use std::sync::Arc;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::routing::get;
use loong_tests::wa_sim::server::{SimOptions, SimServer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::net::TcpStream;
use tokio_tungstenite::client_async;

#[tokio::test(flavor = "multi_thread")]
async fn clients_and_the_control_interface_share_both_ports() -> Result<()> {
    let options = SimOptions {
        tls_listen: Some(SimOptions::default().listen),
        ..SimOptions::default()
    };
    let control = |_| Router::new().route("/hello", get(|| async { "hi" }));
    let server = SimServer::start(options, control).await?;
    let ca = server.ca_pem().context("no certificate")?;

    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::builder()
        .no_proxy()
        .add_root_certificate(reqwest::Certificate::from_pem(ca.as_bytes())?)
        .build()?;
    let wss = server.wss_url().context("no TLS address")?;
    let https = wss
        .replace("wss://", "https://")
        .replace("/ws/chat", "/hello");
    let plain = format!("http://{}/hello", server.http_addr());
    for url in [https, plain] {
        assert_eq!(http.get(url).send().await?.text().await?, "hi");
    }

    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.as_bytes())?)?;
    let config = rustls::ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let address = wss
        .trim_start_matches("wss://")
        .trim_end_matches("/ws/chat");
    let tcp = TcpStream::connect(address).await?;
    let name = rustls::pki_types::ServerName::try_from("127.0.0.1")?;
    let tls = tokio_rustls::TlsConnector::from(Arc::new(config))
        .connect(name, tcp)
        .await?;
    let (_, upgraded) = client_async(wss.as_str(), tls).await?;
    assert_eq!(upgraded.status().as_u16(), 101);
    server.shutdown().await;
    Ok(())
}
