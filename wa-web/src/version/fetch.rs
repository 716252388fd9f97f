//! Fetching the service worker of WhatsApp Web, which names its own revision.

use std::time::Duration;

use reqwest::header::USER_AGENT;

use crate::transport::{DialError, Proxy, ProxyError, TransportError};

/// WhatsApp Web's service worker.
pub(super) const SOURCE: &str = "https://web.whatsapp.com/sw.js";
/// A browser's name; the site sends others a page that asks to upgrade.
const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
                       Chrome/139.0.0.0 Safari/537.36";
/// How long the whole request may take.
const LIMIT: Duration = Duration::from_secs(15);
/// The most that is read; the real file has some tens of kilobytes.
const MAX_BYTES: usize = 2 * 1024 * 1024;

/// Why the version cannot be looked up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The certificates or the proxy cannot be used.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The proxy of the environment cannot be used.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// The system's certificates cannot be used.
    #[error(transparent)]
    Trust(#[from] DialError),
    /// The request failed.
    #[error("the request failed")]
    Http(#[from] reqwest::Error),
    /// The site answered with an error.
    #[error("the site answered with status {0}")]
    Status(u16),
    /// The answer is far larger than the file should be.
    #[error("the answer is too large")]
    TooLarge,
    /// The answer names no version.
    #[error("the answer names no version")]
    NoVersion,
}

/// Gets the file at `source`.
pub(super) async fn service_worker(
    source: &str,
    tls: &rustls::ClientConfig,
    proxy: Option<Proxy>,
) -> Result<String, FetchError> {
    let mut builder = reqwest::Client::builder()
        .use_preconfigured_tls(tls.clone())
        .timeout(LIMIT)
        .no_proxy();
    if let Some(proxy) = proxy {
        builder = builder.proxy(reqwest::Proxy::all(proxy.url_for_client())?);
    }
    let mut answer = builder
        .build()?
        .get(source)
        .header(USER_AGENT, BROWSER)
        .header("sec-fetch-site", "none")
        .send()
        .await?;
    if !answer.status().is_success() {
        return Err(FetchError::Status(answer.status().as_u16()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if body.len() + chunk.len() > MAX_BYTES {
            return Err(FetchError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(String::from_utf8_lossy(&body).into_owned())
}
