//! Makes connections for the library.

use std::{sync::Arc, time::Duration};

use whatsapp_rust::{
    anyhow, async_channel, async_trait,
    wacore::net::{Transport, TransportEvent, TransportFactory},
};

use super::{
    connection::Connection, dial::dial, endpoint::Endpoint, error::TransportError, proxy::Proxy,
    stats::DialStats, tls::Trust,
};

/// How long the steps of a dial, and a write, may take.
#[derive(Debug, Clone, Copy)]
pub struct DialLimits {
    /// Looking up the name.
    pub dns: Duration,
    /// The TCP connection, and again the proxy's answer.
    pub connect: Duration,
    /// The TLS handshake.
    pub tls: Duration,
    /// The WebSocket handshake.
    pub upgrade: Duration,
    /// All of them together. The library gives up on its own after 20 s, without
    /// saying why.
    pub total: Duration,
    /// One write: time for the largest frame over a bad line.
    pub write: Duration,
}

impl Default for DialLimits {
    fn default() -> Self {
        Self {
            dns: Duration::from_secs(6),
            connect: Duration::from_secs(10),
            tls: Duration::from_secs(10),
            upgrade: Duration::from_secs(10),
            total: Duration::from_secs(18),
            write: Duration::from_secs(15),
        }
    }
}

/// The factory that the library is given.
#[derive(Debug)]
pub struct WsTransportFactory {
    endpoint: Endpoint,
    proxy: Option<Proxy>,
    trust: Trust,
    limits: DialLimits,
    stats: Arc<DialStats>,
}

impl WsTransportFactory {
    /// A factory for an endpoint. Nothing is sent yet.
    ///
    /// # Errors
    /// When the extra certificates or the proxy cannot be used.
    pub fn new(endpoint: Endpoint) -> Result<Self, TransportError> {
        Self::with_limits(endpoint, DialLimits::default())
    }

    /// The same with other limits.
    ///
    /// # Errors
    /// When the extra certificates or the proxy cannot be used.
    pub fn with_limits(endpoint: Endpoint, limits: DialLimits) -> Result<Self, TransportError> {
        Ok(Self {
            proxy: endpoint.resolve_proxy()?,
            trust: Trust::new(endpoint.extra_ca().map(std::path::PathBuf::as_path))?,
            endpoint,
            limits,
            stats: Arc::new(DialStats::default()),
        })
    }

    /// What is known about the dials and the connection.
    #[must_use]
    pub fn stats(&self) -> Arc<DialStats> {
        Arc::clone(&self.stats)
    }
}

#[async_trait]
impl TransportFactory for WsTransportFactory {
    async fn create_transport(
        &self,
    ) -> anyhow::Result<(Arc<dyn Transport>, async_channel::Receiver<TransportEvent>)> {
        self.stats.dialling();
        let dialled = dial(
            &self.endpoint,
            self.proxy.as_ref(),
            &self.trust,
            &self.limits,
        )
        .await;
        match dialled {
            Ok(socket) => {
                let stats = Arc::clone(&self.stats);
                let (connection, events) = Connection::start(socket, stats, self.limits.write);
                Ok((connection, events))
            }
            Err(error) => {
                self.stats.dial_failed(&error);
                Err(error.into())
            }
        }
    }
}
