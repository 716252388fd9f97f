//! What is checked before a request is looked at: that it was meant for this
//! server, that no web page sent it, and that it carries the token it needs.

use axum::http::uri::Authority;
use base64::Engine as _;
use hyper::{
    HeaderMap, Uri,
    header::{AUTHORIZATION, CONTENT_TYPE, HOST, ORIGIN},
};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::contract::ContractError;

/// How a request came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    /// Over the loopback port, which browsers reach.
    Tcp,
    /// Over the Unix socket, which they do not.
    Unix,
}

/// Refuses what a DNS-rebinding page or a cross-site form would send.
pub(super) fn check_source(
    transport: Transport,
    uri: &Uri,
    headers: &HeaderMap,
    port: u16,
) -> Result<(), ContractError> {
    if transport == Transport::Tcp {
        check_host(uri, headers, port)?;
    }
    let mut origins = headers.get_all(ORIGIN).iter();
    if let Some(origin) = origins.find(|origin| !origin.to_str().is_ok_and(is_local_origin)) {
        let origin = String::from_utf8_lossy(origin.as_bytes())
            .chars()
            .take(80)
            .collect();
        return Err(ContractError::Origin { origin });
    }
    // Browsers add this to requests that have no origin, such as images.
    if headers
        .get("sec-fetch-site")
        .is_some_and(|site| site == "cross-site")
    {
        return Err(ContractError::Origin {
            origin: "cross-site".to_owned(),
        });
    }
    Ok(())
}

fn check_host(uri: &Uri, headers: &HeaderMap, port: u16) -> Result<(), ContractError> {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Err(ContractError::Host);
    };
    let host = host
        .to_str()
        .ok()
        .and_then(|host| host.parse::<Authority>().ok());
    // A proxy may put the address into the request line as well.
    let named = host.as_ref().is_some_and(|host| is_ours(host, port));
    let line = uri
        .authority()
        .is_none_or(|authority| is_ours(authority, port));
    if named && line {
        Ok(())
    } else {
        Err(ContractError::Host)
    }
}

fn is_ours(authority: &Authority, port: u16) -> bool {
    !authority.as_str().contains('@')
        && authority.port_u16().unwrap_or(80) == port
        && is_loopback_name(authority.host())
}

fn is_loopback_name(host: &str) -> bool {
    let address = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    match address.parse::<std::net::IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => host.trim_end_matches('.').eq_ignore_ascii_case("localhost"),
    }
}

fn is_local_origin(origin: &str) -> bool {
    url::Url::parse(origin).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https") && url.host_str().is_some_and(is_loopback_name)
    })
}

/// Refuses bodies that a web page can send without the browser asking first.
pub(super) fn check_media_type(headers: &HeaderMap) -> Result<(), ContractError> {
    let media_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = media_type
        .and_then(|text| text.split(';').next())
        .unwrap_or_default();
    if essence.trim().eq_ignore_ascii_case("application/json") {
        Ok(())
    } else {
        Err(ContractError::MediaType)
    }
}

/// What the authorization header carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Credential {
    /// None.
    Absent,
    /// The token.
    Right,
    /// Something else.
    Wrong,
}

/// Compares a Bearer token or, where `basic` allows it, the password of Basic
/// with `token`, in time that does not depend on either.
pub(super) fn credential(headers: &HeaderMap, token: &SecretString, basic: bool) -> Credential {
    let Some(header) = headers.get(AUTHORIZATION) else {
        return Credential::Absent;
    };
    let given = header
        .to_str()
        .ok()
        .and_then(|header| header.split_once(' '));
    let right = match given {
        Some((scheme, given)) if scheme.eq_ignore_ascii_case("bearer") => {
            same(given.trim().as_bytes(), token)
        }
        Some((scheme, given)) if basic && scheme.eq_ignore_ascii_case("basic") => {
            basic_password(given.trim()).is_some_and(|password| same(&password, token))
        }
        _ => false,
    };
    if right {
        Credential::Right
    } else {
        Credential::Wrong
    }
}

fn basic_password(encoded: &str) -> Option<Zeroizing<Vec<u8>>> {
    let decoded = base64::engine::general_purpose::STANDARD
        .decode(encoded)
        .ok()?;
    let decoded = Zeroizing::new(decoded);
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    decoded
        .get(colon + 1..)
        .map(|password| Zeroizing::new(password.to_vec()))
}

/// Digests have one length, so the comparison does not tell that of the token.
fn same(given: &[u8], token: &SecretString) -> bool {
    let given = Sha256::digest(given);
    let token = Sha256::digest(token.expose_secret().as_bytes());
    given.as_slice().ct_eq(token.as_slice()).into()
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn source(host: &str, extra: &[(&'static str, &str)]) -> Result<(), ContractError> {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_str(host).expect("a header"));
        for (name, value) in extra {
            headers.append(*name, HeaderValue::from_str(value).expect("a header"));
        }
        check_source(
            Transport::Tcp,
            &Uri::from_static("/bridge"),
            &headers,
            39731,
        )
    }

    #[test]
    fn only_loopback_names_with_our_port_are_ours() {
        for host in [
            "127.0.0.1:39731",
            "localhost:39731",
            "LOCALHOST.:39731",
            "[::1]:39731",
            "127.8.9.1:39731",
        ] {
            assert!(source(host, &[]).is_ok(), "{host}");
        }
        for host in [
            "",
            "127.0.0.1",
            "localhost",
            "127.0.0.1:39732",
            "evil.example:39731",
            "127.0.0.1.evil.example:39731",
            "localhost.evil.example:39731",
            "192.168.0.1:39731",
            "0.0.0.0:39731",
            "u@127.0.0.1:39731",
            "a b",
        ] {
            assert!(
                matches!(source(host, &[]), Err(ContractError::Host)),
                "{host}"
            );
        }
        let twice = [("host", "127.0.0.1:39731")];
        assert!(source("127.0.0.1:39731", &twice).is_err());
    }

    #[test]
    fn web_pages_are_refused() {
        for origin in [
            "https://evil.example",
            "null",
            "http://127.0.0.1.evil.example",
            "file://",
            "http://192.168.0.1",
        ] {
            let refused = source("127.0.0.1:39731", &[("origin", origin)]);
            assert!(
                matches!(refused, Err(ContractError::Origin { .. })),
                "{origin}"
            );
        }
        assert!(source("127.0.0.1:39731", &[("sec-fetch-site", "cross-site")]).is_err());
        assert!(source("127.0.0.1:39731", &[("origin", "http://localhost:3000")]).is_ok());
    }

    #[test]
    fn a_form_cannot_send_json() {
        let check = |media_type: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
            check_media_type(&headers)
        };
        assert!(check("application/json").is_ok());
        assert!(check("Application/JSON; charset=utf-8").is_ok());
        for media_type in [
            "text/plain",
            "text/plain; application/json",
            "application/x-www-form-urlencoded",
            "",
        ] {
            assert!(check(media_type).is_err(), "{media_type}");
        }
        assert!(check_media_type(&HeaderMap::new()).is_err());
    }

    #[test]
    fn tokens_come_as_bearer_or_as_a_basic_password() {
        let token = SecretString::from("s3cret:x");
        let check = |header: &str, basic| {
            let mut headers = HeaderMap::new();
            headers.insert(
                AUTHORIZATION,
                HeaderValue::from_str(header).expect("a header"),
            );
            credential(&headers, &token, basic)
        };
        assert_eq!(
            credential(&HeaderMap::new(), &token, true),
            Credential::Absent
        );
        assert_eq!(check("Bearer s3cret:x", false), Credential::Right);
        assert_eq!(check("bearer  s3cret:x", false), Credential::Right);
        // "any:s3cret:x"
        assert_eq!(check("Basic YW55OnMzY3JldDp4", true), Credential::Right);
        assert_eq!(check("Basic YW55OnMzY3JldDp4", false), Credential::Wrong);
        for header in [
            "Bearer",
            "Bearer ",
            "Bearer s3cret",
            "Basic !!!",
            "Basic YQ==",
            "Digest s3cret:x",
        ] {
            assert_eq!(check(header, true), Credential::Wrong, "{header}");
        }
    }
}
