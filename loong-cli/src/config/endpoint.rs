//! The address that a bridge listens on.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use url::{Host, Url};

/// Host, port and path of a bridge on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BridgeEndpoint {
    /// A loopback address.
    pub ip: IpAddr,
    /// The port; 0 lets the system choose.
    pub port: u16,
    /// The path, beginning with `/`.
    pub path: String,
}

/// Why text is not the address of a bridge on this machine.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndpointError {
    /// It is no URL.
    #[error("`{text}` is not a URL like http://127.0.0.1:39731/bridge ({reason})")]
    Malformed {
        /// The text, without a password.
        text: String,
        /// What the parser says.
        reason: String,
    },
    /// It has another scheme than `http`.
    #[error("the scheme `{0}` is not served; the bridge speaks plain http on loopback")]
    Scheme(String),
    /// It is not on this machine.
    #[error("{0} is not a loopback address; the bridge serves 127.0.0.1, ::1 or localhost only")]
    NotLoopback(String),
}

impl BridgeEndpoint {
    /// The port that documents and configurations of old name.
    pub const DEFAULT_PORT: u16 = 39731;
    /// The path, likewise.
    pub const DEFAULT_PATH: &'static str = "/bridge";

    /// Understands `http://HOST[:PORT][/PATH]` and, for `--listen`, the same
    /// without the scheme. What is missing is taken from the default.
    ///
    /// # Errors
    /// When it is no such address, or not one of this machine.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        let text = text.trim();
        let with_scheme = if text.contains("://") {
            text.to_owned()
        } else {
            format!("http://{text}")
        };
        let malformed = |reason: String| EndpointError::Malformed {
            text: without_password(text),
            reason,
        };
        let url = Url::parse(&with_scheme).map_err(|error| malformed(error.to_string()))?;
        if url.scheme() != "http" {
            return Err(EndpointError::Scheme(url.scheme().to_owned()));
        }
        let ip = match url.host() {
            Some(Host::Ipv4(ip)) => IpAddr::V4(ip),
            Some(Host::Ipv6(ip)) => IpAddr::V6(ip),
            Some(Host::Domain(name)) if name.eq_ignore_ascii_case("localhost") => {
                IpAddr::V4(Ipv4Addr::LOCALHOST)
            }
            Some(Host::Domain(name)) => return Err(EndpointError::NotLoopback(name.to_owned())),
            None => return Err(malformed("it names no host".to_owned())),
        };
        if !ip.is_loopback() {
            return Err(EndpointError::NotLoopback(ip.to_string()));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(malformed(
                "it must not have a query or a fragment".to_owned(),
            ));
        }
        let port = match url.port() {
            Some(port) => port,
            None if names_port_80(&with_scheme) => 80,
            None => Self::DEFAULT_PORT,
        };
        let path = match url.path() {
            "" | "/" => Self::DEFAULT_PATH.to_owned(),
            path => path.to_owned(),
        };
        Ok(Self { ip, port, path })
    }

    /// The socket to listen on.
    #[must_use]
    pub const fn socket(&self) -> SocketAddr {
        SocketAddr::new(self.ip, self.port)
    }

    /// The URL that clients use when the bridge listens on `socket`.
    #[must_use]
    pub fn url_at(&self, socket: SocketAddr) -> String {
        format!("http://{socket}{}", self.path)
    }
}

impl Default for BridgeEndpoint {
    fn default() -> Self {
        Self {
            ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: Self::DEFAULT_PORT,
            path: Self::DEFAULT_PATH.to_owned(),
        }
    }
}

impl std::fmt::Display for BridgeEndpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.url_at(self.socket()))
    }
}

/// The URL parser drops the port 80 where it is written out.
fn names_port_80(url: &str) -> bool {
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = after_scheme.split('/').next().unwrap_or_default();
    authority.ends_with(":80")
}

/// `text` without what stands between `://` and `@`: a URL may carry a token.
fn without_password(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").map_or(("", text), |(s, r)| (s, r));
    match rest.split_once('@') {
        Some((_, host)) if scheme.is_empty() => host.to_owned(),
        Some((_, host)) => format!("{scheme}://{host}"),
        None => text.to_owned(),
    }
}

/// `host[:port]` of a URL, with the port only if it is not the scheme's own.
pub(super) fn authority(url: &str) -> Option<String> {
    let url = Url::parse(url.trim()).ok()?;
    let host = url.host_str().filter(|host| !host.is_empty())?;
    Some(match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_this_machine_are_understood() {
        for (text, url) in [
            (
                "http://127.0.0.1:39731/bridge",
                "http://127.0.0.1:39731/bridge",
            ),
            ("http://localhost:8080", "http://127.0.0.1:8080/bridge"),
            ("http://127.0.0.1", "http://127.0.0.1:39731/bridge"),
            ("http://127.0.0.1:80/x", "http://127.0.0.1:80/x"),
            ("127.0.0.1:0", "http://127.0.0.1:0/bridge"),
            ("[::1]:4000/a/b", "http://[::1]:4000/a/b"),
            (
                "http://token:secret@127.0.0.7:1/",
                "http://127.0.0.7:1/bridge",
            ),
        ] {
            let parsed = BridgeEndpoint::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(parsed.to_string(), url, "{text}");
        }
    }

    #[test]
    fn other_addresses_are_refused_without_their_password() {
        for (text, message) in [
            (
                "http://0.0.0.0:39731/bridge",
                "0.0.0.0 is not a loopback address; the bridge serves 127.0.0.1, ::1 or localhost only",
            ),
            (
                "http://bridge.example/",
                "bridge.example is not a loopback address; the bridge serves 127.0.0.1, ::1 or localhost only",
            ),
            (
                "https://127.0.0.1/bridge",
                "the scheme `https` is not served; the bridge speaks plain http on loopback",
            ),
            (
                "http://u:hunter2@127.0.0.1:99999/",
                "`http://127.0.0.1:99999/` is not a URL like http://127.0.0.1:39731/bridge (invalid port number)",
            ),
            (
                "http://127.0.0.1/bridge?a=1",
                "`http://127.0.0.1/bridge?a=1` is not a URL like http://127.0.0.1:39731/bridge (it must not have a query or a fragment)",
            ),
        ] {
            let error = BridgeEndpoint::parse(text).unwrap_err();
            assert_eq!(error.to_string(), message, "{text}");
        }
    }

    #[test]
    fn an_authority_names_only_a_port_that_says_something() {
        assert_eq!(
            authority("http://127.0.0.1:39731/bridge").as_deref(),
            Some("127.0.0.1:39731")
        );
        assert_eq!(authority("https://h:443/x").as_deref(), Some("h"));
        assert_eq!(authority("nonsense"), None);
    }
}
