//! Proxies: HTTP `CONNECT` and SOCKS5.

use std::net::IpAddr;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_socks::tcp::Socks5Stream;
use url::{Host, Url};

/// The longest answer to `CONNECT` that is read.
const MAX_ANSWER: usize = 8 * 1024;

/// Why a proxy cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// It does not parse. The text is left out: it may hold a password.
    #[error("the proxy in {origin} is not a web address")]
    Syntax {
        /// Where it was named.
        origin: String,
        /// What is wrong with it.
        #[source]
        source: url::ParseError,
    },
    /// Another kind of proxy.
    #[error("the proxy in {origin} is of kind {scheme}://; http:// and socks5:// work")]
    Kind {
        /// Where it was named.
        origin: String,
        /// The scheme.
        scheme: String,
    },
    /// No host.
    #[error("the proxy in {0} names no host")]
    NoHost(String),
}

/// A proxy. `Debug` and `Display` leave its password out.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    url: Url,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Http,
    Socks5,
}

impl std::fmt::Display for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let host = self.url.host_str().unwrap_or_default();
        write!(f, "{}://{host}:{}", self.url.scheme(), self.port())
    }
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Proxy({self})")
    }
}

impl Proxy {
    /// Reads `http://[user:password@]host[:port]` or `socks5://…`; without a
    /// scheme, HTTP is meant. `origin` names the option in errors.
    ///
    /// # Errors
    /// When it is neither.
    pub fn parse(text: &str, origin: &str) -> Result<Self, ProxyError> {
        let text = text.trim();
        let full = if text.contains("://") {
            text.to_owned()
        } else {
            format!("http://{text}")
        };
        let url = Url::parse(&full).map_err(|source| ProxyError::Syntax {
            origin: origin.to_owned(),
            source,
        })?;
        let kind = match url.scheme() {
            "http" => Kind::Http,
            "socks5" | "socks5h" | "socks" => Kind::Socks5,
            other => {
                return Err(ProxyError::Kind {
                    origin: origin.to_owned(),
                    scheme: other.to_owned(),
                });
            }
        };
        if url.host_str().is_none_or(str::is_empty) {
            return Err(ProxyError::NoHost(origin.to_owned()));
        }
        Ok(Self { url, kind })
    }

    /// What the environment says about `host`. Upper and lower case names count,
    /// lower case first.
    pub(super) fn from_environment(
        host: &Host<&str>,
        port: u16,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, ProxyError> {
        let either = |name: &str| {
            [name.to_ascii_lowercase(), name.to_owned()]
                .into_iter()
                .find_map(|n| {
                    variable(&n)
                        .filter(|v| !v.trim().is_empty())
                        .map(|v| (n, v))
                })
        };
        if either("NO_PROXY").is_some_and(|(_, list)| exempt(&list, host, port)) {
            return Ok(None);
        }
        match either("HTTPS_PROXY").or_else(|| either("ALL_PROXY")) {
            Some((name, value)) => Self::parse(&value, &name).map(Some),
            None => Ok(None),
        }
    }

    /// The address with user and password, for another client of the same proxy.
    pub(crate) fn url_for_client(&self) -> Url {
        let mut url = self.url.clone();
        if self.kind == Kind::Socks5 {
            // Names are resolved by the proxy, as here.
            let _same_kind = url.set_scheme("socks5h");
        }
        url
    }

    pub(super) fn host(&self) -> Option<Host<&str>> {
        // The address of a scheme the standard does not know keeps numbers as names.
        match self.url.host()? {
            Host::Domain(name) => Some(name.parse().map_or(Host::Domain(name), |ip| match ip {
                IpAddr::V4(ip) => Host::Ipv4(ip),
                IpAddr::V6(ip) => Host::Ipv6(ip),
            })),
            other => Some(other),
        }
    }

    pub(super) fn port(&self) -> u16 {
        self.url.port().unwrap_or(match self.kind {
            Kind::Http => self.url.port_or_known_default().unwrap_or(80),
            Kind::Socks5 => 1080,
        })
    }

    /// Asks the proxy at the other end of `stream` for a connection to
    /// `host:port`. The proxy resolves names.
    pub(super) async fn tunnel(
        &self,
        mut stream: TcpStream,
        host: &Host<&str>,
        port: u16,
    ) -> Result<TcpStream, String> {
        match self.kind {
            Kind::Http => {
                self.connect(&mut stream, host, port).await?;
                Ok(stream)
            }
            Kind::Socks5 => self.socks(stream, host, port).await,
        }
    }

    fn credentials(&self) -> Option<(String, String)> {
        let decode = |text: &str| percent_decode(text).unwrap_or_else(|| text.to_owned());
        let user = self.url.username();
        let password = self.url.password().unwrap_or_default();
        (!user.is_empty()).then(|| (decode(user), decode(password)))
    }

    async fn socks(
        &self,
        stream: TcpStream,
        host: &Host<&str>,
        port: u16,
    ) -> Result<TcpStream, String> {
        let name = match host {
            // Brackets belong to web addresses only.
            Host::Ipv6(ip) => ip.to_string(),
            other => other.to_string(),
        };
        let target = (name.as_str(), port);
        let done = match self.credentials() {
            None => Socks5Stream::connect_with_socket(stream, target).await,
            Some((user, password)) => {
                Socks5Stream::connect_with_password_and_socket(stream, target, &user, &password)
                    .await
            }
        };
        done.map(Socks5Stream::into_inner)
            .map_err(|error| error.to_string())
    }

    async fn connect(
        &self,
        stream: &mut TcpStream,
        host: &Host<&str>,
        port: u16,
    ) -> Result<(), String> {
        let mut request = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n");
        if let Some((user, password)) = self.credentials() {
            let token = STANDARD.encode(format!("{user}:{password}"));
            request.push_str(&format!("Proxy-Authorization: Basic {token}\r\n"));
        }
        request.push_str("\r\n");
        stream
            .write_all(request.as_bytes())
            .await
            .map_err(|e| e.to_string())?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            // One byte at a time, so that nothing behind the answer is taken; it
            // is short and comes once per connection.
            match stream.read_u8().await {
                Ok(byte) => answer.push(byte),
                Err(_) if answer.is_empty() => return Err("it closed without an answer".to_owned()),
                Err(error) => return Err(error.to_string()),
            }
            if answer.len() > MAX_ANSWER {
                return Err("its answer is too long".to_owned());
            }
        }
        match status(&answer) {
            Some(200..=299) => Ok(()),
            Some(407) => Err("it wants another user name or password (407)".to_owned()),
            Some(code) => Err(format!("it refused with status {code}")),
            None => Err("its answer is not HTTP".to_owned()),
        }
    }
}

/// The status code of an HTTP/1 answer.
fn status(answer: &[u8]) -> Option<u16> {
    let line = answer.split(|b| *b == b'\r').next()?;
    let line = std::str::from_utf8(line).ok()?;
    let mut words = line.split(' ');
    words
        .next()
        .filter(|version| version.starts_with("HTTP/1."))?;
    words.next()?.parse().ok()
}

/// Whether a `NO_PROXY` list covers a host: `*`, exact names and numbers, and
/// domains with everything below them, each with an optional port.
fn exempt(list: &str, host: &Host<&str>, port: u16) -> bool {
    let host = match host {
        Host::Ipv6(ip) => ip.to_string(),
        other => other.to_string().to_ascii_lowercase(),
    };
    list.split([',', ' '])
        .map(str::trim)
        .filter(|e| !e.is_empty())
        .any(|entry| {
            let entry = entry.to_ascii_lowercase();
            let entry = match entry.rsplit_once(':') {
                Some((name, digits)) if !name.contains(':') => match digits.parse::<u16>() {
                    Ok(only) if only != port => return false,
                    _ => name.to_owned(),
                },
                _ => entry,
            };
            let domain = entry.trim_start_matches('*').trim_start_matches('.');
            entry == "*"
                || (!domain.is_empty()
                    && host
                        .strip_suffix(domain)
                        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
        })
}

/// `%41` → `A`. `None` if that is not text.
fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let high = char::from(bytes.next()?).to_digit(16)?;
        let low = char::from(bytes.next()?).to_digit(16)?;
        out.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(out).ok()
}
