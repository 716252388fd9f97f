//! The HTTP server: the contract's one path, health, and the admin API.
//!
//! It listens on loopback only and distrusts what reaches it there as well: a
//! web page in the user's browser can send requests to loopback, so the `Host`
//! and `Origin` headers and the content type are checked before anything else.
//!
//! | Path | Who may | What |
//! |---|---|---|
//! | `POST <bridge path>` | everyone local, or the holder of the bridge token | the four operations |
//! | `GET /healthz` | everyone local | the process answers |
//! | `GET /readyz` | everyone local | 200 if every session is online and proven |
//! | `GET /status` | everyone local | states; with the admin token, details |
//! | `/loong/v1/…` | the holder of the admin token | see the table in the source of `admin` |

mod accept;
mod accounts;
mod admin;
mod admin_session;
mod body;
mod guard;
mod health;
mod operations;
mod options;
mod reply;
mod routes;
mod shared;
mod socket;

pub use accounts::AccountRuntime;
pub use options::{BridgeOptions, ServerError, ServerLimits};

use std::{net::SocketAddr, sync::Arc};

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::{shared::Shared, socket::Socket};

/// A server that has its port, so that a taken one is found before a session is
/// opened. Callers wait in the backlog until [`BridgeServer::serve`].
#[derive(Debug)]
pub struct BridgeServer {
    options: BridgeOptions,
    tcp: TcpListener,
    local: SocketAddr,
    socket: Option<Socket>,
}

impl BridgeServer {
    /// Takes the port and, if configured, the Unix socket.
    ///
    /// # Errors
    /// When the address is not loopback, the path cannot be served, or the port
    /// or the socket cannot be taken.
    pub async fn bind(options: BridgeOptions) -> Result<Self, ServerError> {
        options.check()?;
        let bind = |source: std::io::Error| match source.kind() {
            std::io::ErrorKind::AddrInUse => ServerError::PortTaken {
                listen: options.listen,
            },
            _ => ServerError::Bind {
                listen: options.listen,
                source,
            },
        };
        let tcp = TcpListener::bind(options.listen).await.map_err(bind)?;
        let local = tcp.local_addr().map_err(bind)?;
        let socket = match &options.unix_socket {
            Some(path) => Some(Socket::bind(path).await?),
            None => None,
        };
        Ok(Self {
            options,
            tcp,
            local,
            socket,
        })
    }

    /// The address it listens on, with the port that the system chose for port 0.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Serves until `shutdown`. Then, in this order: no new connections, long
    /// polls answer, running requests finish within the limit, the rest is cut.
    ///
    /// # Errors
    /// When two accounts are the same.
    pub async fn serve(
        self,
        accounts: Vec<Arc<AccountRuntime>>,
        shutdown: CancellationToken,
    ) -> Result<(), ServerError> {
        let accounts = accounts::Accounts::new(accounts)?;
        let shared = Arc::new(Shared::new(
            self.options,
            self.local.port(),
            accounts,
            shutdown,
        ));
        let router = routes::router(&shared);
        accept::run(self.tcp, self.socket, router, &shared).await;
        Ok(())
    }
}
