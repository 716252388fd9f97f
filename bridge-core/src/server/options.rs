//! What a server is told at its start, and why it may refuse.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use secrecy::SecretString;

/// Paths that the server needs for itself.
const RESERVED: [&str; 3] = ["/healthz", "/readyz", "/status"];
pub(super) const ADMIN_PREFIX: &str = "/loong/v1";

/// Where to listen and whom to believe.
#[derive(Debug)]
pub struct BridgeOptions {
    /// A loopback address; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// The path of the contract, `/bridge` by default; compared exactly.
    pub path: String,
    /// Also listen here, for this user only.
    pub unix_socket: Option<PathBuf>,
    /// What the four operations require, if anything.
    pub bridge_token: Option<SecretString>,
    /// What everything else that shows or changes data requires.
    pub admin_token: SecretString,
    /// Bounds.
    pub limits: ServerLimits,
    /// How old the last proof of a live connection may be for `/readyz`.
    pub ready_within: Duration,
}

impl BridgeOptions {
    /// Options with the usual limits, without Unix socket and bridge token.
    #[must_use]
    pub fn new(listen: SocketAddr, path: impl Into<String>, admin_token: SecretString) -> Self {
        Self {
            listen,
            path: path.into(),
            unix_socket: None,
            bridge_token: None,
            admin_token,
            limits: ServerLimits::default(),
            ready_within: Duration::from_secs(90),
        }
    }

    pub(super) fn check(&self) -> Result<(), ServerError> {
        if !self.listen.ip().is_loopback() {
            return Err(ServerError::NotLoopback {
                listen: self.listen,
            });
        }
        let bad = |reason| ServerError::Path {
            path: self.path.clone(),
            reason,
        };
        if !self.path.starts_with('/') || self.path.contains(['?', '#']) {
            return Err(bad("it must start with / and have no query"));
        }
        if RESERVED.contains(&self.path.as_str()) || self.path.starts_with(ADMIN_PREFIX) {
            return Err(bad("the bridge uses it for itself"));
        }
        Ok(())
    }
}

/// Bounds on what callers can cost.
#[derive(Debug, Clone)]
pub struct ServerLimits {
    /// The largest request body in bytes.
    pub body_bytes: usize,
    /// The largest request head in bytes, at least 8192.
    pub head_bytes: usize,
    /// The most header lines.
    pub headers: usize,
    /// How long a head may take, and how long a connection may idle.
    pub head_time: Duration,
    /// How long a body may take.
    pub body_time: Duration,
    /// How long an operation may take; longer than the longest long poll.
    pub request_time: Duration,
    /// How long one connection may last.
    pub connection_time: Duration,
    /// Open connections; more wait in the backlog.
    pub connections: usize,
    /// Requests at once, long polls not counted; more get 429.
    pub requests: usize,
    /// Long polls at once; more get 429.
    pub long_polls: usize,
    /// How long running requests may take to finish at shutdown.
    pub shutdown_time: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            body_bytes: 1024 * 1024,
            head_bytes: 16 * 1024,
            headers: 64,
            head_time: Duration::from_secs(10),
            body_time: Duration::from_secs(10),
            request_time: Duration::from_secs(60),
            connection_time: Duration::from_secs(600),
            connections: 256,
            requests: 64,
            long_polls: 32,
            shutdown_time: Duration::from_secs(4),
        }
    }
}

/// Why the server could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// Whoever can reach the port can read and send messages.
    #[error("refusing to listen on {listen}: only loopback addresses are allowed")]
    NotLoopback {
        /// The address.
        listen: SocketAddr,
    },
    /// Another process has the port.
    #[error("{listen} is already taken by another process")]
    PortTaken {
        /// The address.
        listen: SocketAddr,
    },
    /// The port could not be taken.
    #[error("cannot listen on {listen}: {source}")]
    Bind {
        /// The address.
        listen: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The contract cannot be served there.
    #[error("cannot serve the path {path:?}: {reason}")]
    Path {
        /// The path.
        path: String,
        /// Why.
        reason: &'static str,
    },
    /// The Unix socket could not be made.
    #[error("cannot listen on the socket {}: {source}", path.display())]
    Socket {
        /// Its file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Two accounts would answer to the same name.
    #[error("account {account} of {channel} is configured twice")]
    DuplicateAccount {
        /// The channel.
        channel: &'static str,
        /// The account.
        account: String,
    },
}
