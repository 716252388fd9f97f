//! Where the server is, and what may be configured about it.

use std::path::PathBuf;

use url::{Host, Url};
use whatsapp_rust::wacore::net::WHATSAPP_WEB_WS_URL;

use super::proxy::{Proxy, ProxyError};

/// Why an address cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// It does not parse.
    #[error("{text:?} is not a web address")]
    Syntax {
        /// The text.
        text: String,
        /// What is wrong with it.
        #[source]
        source: url::ParseError,
    },
    /// Another scheme than `wss` or `ws`.
    #[error("a WhatsApp address starts with wss://, not {0}://")]
    Scheme(String),
    /// No host.
    #[error("the address names no host")]
    NoHost,
    /// Unencrypted to another machine.
    #[error("ws:// is only allowed to this machine itself, not to {0}; use wss://")]
    Unencrypted(String),
    /// A user name, password or fragment.
    #[error("the address must not contain a user name, a password or a fragment")]
    Decorated,
}

/// How to find a proxy.
#[derive(Debug, Clone, Default)]
pub enum ProxyChoice {
    /// Ask the environment: `HTTPS_PROXY`, then `ALL_PROXY`, with `NO_PROXY`;
    /// never for addresses on this machine or for `ws://`.
    #[default]
    Environment,
    /// Connect directly, whatever the environment says.
    Direct,
    /// Always use this one.
    Explicit(Proxy),
}

/// A server that speaks WhatsApp's protocol over WebSocket.
#[derive(Debug, Clone)]
pub struct Endpoint {
    url: Url,
    extra_ca: Option<PathBuf>,
    proxy: ProxyChoice,
}

impl Endpoint {
    /// WhatsApp itself.
    ///
    /// # Errors
    /// Never in practice: the address is a constant of the library.
    pub fn whatsapp() -> Result<Self, EndpointError> {
        Self::parse(WHATSAPP_WEB_WS_URL)
    }

    /// Checks an address: `wss://` anywhere, `ws://` to this machine only.
    ///
    /// # Errors
    /// When it is not of that shape.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        let url = Url::parse(text.trim()).map_err(|source| EndpointError::Syntax {
            text: text.trim().to_owned(),
            source,
        })?;
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(EndpointError::Decorated);
        }
        let host = url.host().ok_or(EndpointError::NoHost)?;
        match url.scheme() {
            "wss" => {}
            "ws" if is_loopback(&host) => {}
            "ws" => return Err(EndpointError::Unencrypted(host.to_string())),
            other => return Err(EndpointError::Scheme(other.to_owned())),
        }
        Ok(Self {
            url,
            extra_ca: None,
            proxy: ProxyChoice::default(),
        })
    }

    /// Trusts the certificates in a PEM file, besides those of the system.
    #[must_use]
    pub fn with_extra_ca(mut self, file: impl Into<PathBuf>) -> Self {
        self.extra_ca = Some(file.into());
        self
    }

    /// Sets how to find a proxy.
    #[must_use]
    pub fn with_proxy(mut self, proxy: ProxyChoice) -> Self {
        self.proxy = proxy;
        self
    }

    /// The address.
    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.url
    }

    /// The PEM file with further certificates.
    #[must_use]
    pub const fn extra_ca(&self) -> Option<&PathBuf> {
        self.extra_ca.as_ref()
    }

    /// Whether this is WhatsApp itself and not another server in its place.
    #[must_use]
    pub fn is_whatsapp(&self) -> bool {
        Self::whatsapp().is_ok_and(|official| official.url == self.url)
    }

    /// The proxy to use, with the process's environment.
    ///
    /// # Errors
    /// When the environment names a proxy that cannot be used.
    pub fn resolve_proxy(&self) -> Result<Option<Proxy>, ProxyError> {
        self.resolve_proxy_in(|name| std::env::var(name).ok())
    }

    pub(super) fn resolve_proxy_in(
        &self,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Proxy>, ProxyError> {
        match &self.proxy {
            ProxyChoice::Direct => Ok(None),
            ProxyChoice::Explicit(proxy) => Ok(Some(proxy.clone())),
            ProxyChoice::Environment => {
                let Some(host) = self.url.host() else {
                    return Ok(None);
                };
                if self.url.scheme() != "wss" || is_loopback(&host) {
                    return Ok(None);
                }
                Proxy::from_environment(&host, self.port(), variable)
            }
        }
    }

    /// The port, from the address or its scheme.
    pub(super) fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or(443)
    }

    pub(super) fn is_tls(&self) -> bool {
        self.url.scheme() == "wss"
    }
}

/// Whether a host is this machine by its name or number alone.
pub(super) fn is_loopback<S: AsRef<str>>(host: &Host<S>) -> bool {
    match host {
        Host::Domain(name) => name.as_ref().eq_ignore_ascii_case("localhost"),
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => ip.is_loopback(),
    }
}
