//! What can go wrong with a connection, in classes that an operator can act on.

use std::{io, path::PathBuf, time::Duration};

use super::proxy::{Proxy, ProxyError};

/// Why a factory cannot be made; a matter of configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The file with further certificates cannot be used.
    #[error("cannot use the certificates in {}: {reason}", file.display())]
    ExtraCa {
        /// The file.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// The proxy cannot be used.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// The cryptography provider refused the settings.
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
}

/// Classes of failed dials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DialClass {
    /// The name was not found.
    Dns,
    /// Nobody listens there.
    Refused,
    /// No way to the host, or the connection broke.
    Network,
    /// The encryption could not be agreed.
    Tls,
    /// The server's certificate is not trusted.
    Certificate,
    /// The server answered, but not with a WebSocket; the HTTP status, if any.
    Upgrade(Option<u16>),
    /// No answer in time.
    Timeout,
    /// The proxy is the problem.
    Proxy,
}

/// Why a dial failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DialError {
    /// The name was not found.
    #[error("cannot find {host}: {source}")]
    Dns {
        /// The name.
        host: String,
        /// Why.
        source: io::Error,
    },
    /// No address of the host took the connection; the last one's answer.
    #[error("cannot connect to {host}:{port}: {source}")]
    Connect {
        /// The host.
        host: String,
        /// The port.
        port: u16,
        /// Why.
        source: io::Error,
    },
    /// The proxy could not be reached or did not make the connection.
    #[error("the proxy {proxy} does not connect: {reason}")]
    Proxy {
        /// The proxy.
        proxy: Proxy,
        /// Why.
        reason: String,
    },
    /// The system has no certificates to trust.
    #[error("this system has no root certificates; install its ca-certificates package")]
    NoRoots,
    /// The server's certificate was refused.
    #[error("the certificate of {host} is not trusted: {reason}")]
    Certificate {
        /// The host.
        host: String,
        /// Why.
        reason: String,
    },
    /// TLS failed otherwise.
    #[error("no encrypted connection to {host}: {source}")]
    Tls {
        /// The host.
        host: String,
        /// Why.
        source: io::Error,
    },
    /// The server answered the upgrade with an HTTP status.
    #[error("{host} answered with HTTP status {status} instead of a WebSocket")]
    Status {
        /// The host.
        host: String,
        /// The status.
        status: u16,
    },
    /// The WebSocket handshake failed otherwise.
    #[error("no WebSocket from {host}: {reason}")]
    Upgrade {
        /// The host.
        host: String,
        /// Why.
        reason: String,
    },
    /// A step took too long.
    #[error("{step} took longer than {} s", limit.as_secs_f32())]
    Timeout {
        /// What was waited for.
        step: &'static str,
        /// How long.
        limit: Duration,
    },
}

impl DialError {
    /// The class of the failure.
    #[must_use]
    pub fn class(&self) -> DialClass {
        match self {
            Self::Dns { .. } => DialClass::Dns,
            Self::Connect { source, .. } => match source.kind() {
                io::ErrorKind::ConnectionRefused => DialClass::Refused,
                io::ErrorKind::TimedOut => DialClass::Timeout,
                _ => DialClass::Network,
            },
            Self::Proxy { .. } => DialClass::Proxy,
            Self::NoRoots | Self::Certificate { .. } => DialClass::Certificate,
            Self::Tls { .. } => DialClass::Tls,
            Self::Status { status, .. } => DialClass::Upgrade(Some(*status)),
            Self::Upgrade { .. } => DialClass::Upgrade(None),
            Self::Timeout { .. } => DialClass::Timeout,
        }
    }
}
