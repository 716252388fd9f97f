//! The connection to WhatsApp: where it goes, how it gets there, and what is
//! known about it.
//!
//! The library asks a factory for a connection and gets bytes; it frames and
//! encrypts them itself. A dial that fails leaves no trace in the library's
//! events, and a connection over which nothing comes any more looks healthy to
//! it. So everything that happens here is kept in [`DialStats`], which also can
//! cut a connection.

mod connection;
mod dial;
mod endpoint;
mod error;
mod factory;
mod proxy;
mod stats;
mod tls;

pub use endpoint::{Endpoint, EndpointError, ProxyChoice};
pub use error::{DialClass, DialError, TransportError};
pub use factory::{DialLimits, WsTransportFactory};
pub use proxy::{Proxy, ProxyError};
pub use stats::{DialFailure, DialReport, DialStats};

pub(crate) use tls::Trust;

#[cfg(test)]
mod tests;
