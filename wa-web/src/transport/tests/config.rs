//! What may be configured.

use crate::transport::{
    Endpoint, EndpointError, Proxy, ProxyError, TransportError, WsTransportFactory,
};

#[test]
fn encryption_is_only_optional_on_this_machine() {
    for url in [
        "wss://web.whatsapp.com/ws/chat",
        "wss://example.org:8443/x?y=z",
        "ws://127.0.0.1:9000/ws/chat",
        "ws://localhost/ws/chat",
        "ws://[::1]:9000/ws/chat",
    ] {
        assert!(Endpoint::parse(url).is_ok(), "{url}");
    }
    assert!(matches!(
        Endpoint::parse("ws://10.0.0.1/"),
        Err(EndpointError::Unencrypted(_))
    ));
    assert!(matches!(
        Endpoint::parse("ws://localhost.example.org/"),
        Err(EndpointError::Unencrypted(_))
    ));
    assert!(matches!(
        Endpoint::parse("https://web.whatsapp.com/"),
        Err(EndpointError::Scheme(_))
    ));
    assert!(matches!(
        Endpoint::parse("web.whatsapp.com"),
        Err(EndpointError::Syntax { .. })
    ));
    assert!(matches!(
        Endpoint::parse("wss://a:b@example.org/"),
        Err(EndpointError::Decorated)
    ));
    assert!(matches!(
        Endpoint::parse("wss://example.org/#x"),
        Err(EndpointError::Decorated)
    ));
}

#[test]
fn only_the_real_address_is_whatsapp() {
    assert!(Endpoint::whatsapp().unwrap().is_whatsapp());
    assert!(
        !Endpoint::parse("wss://web.whatsapp.com:8443/ws/chat")
            .unwrap()
            .is_whatsapp()
    );
}

fn resolved(url: &str, environment: &[(&str, &str)]) -> Result<Option<String>, ProxyError> {
    let variable = |name: &str| {
        environment
            .iter()
            .find(|(n, _)| *n == name)
            .map(|(_, value)| (*value).to_owned())
    };
    let found = Endpoint::parse(url).unwrap().resolve_proxy_in(variable)?;
    Ok(found.map(|proxy| proxy.to_string()))
}

#[test]
fn the_environment_names_a_proxy() {
    let https = ("HTTPS_PROXY", "http://user:secret@proxy:3128");
    let all = ("all_proxy", "socks5://10.0.0.9");
    let official = "wss://web.whatsapp.com/ws/chat";
    let http_proxy = Some("http://proxy:3128".to_owned());
    for (environment, expected) in [
        (vec![], None),
        (vec![https], http_proxy.clone()),
        (vec![all], Some("socks5://10.0.0.9:1080".to_owned())),
        (vec![all, https], http_proxy.clone()),
        (
            vec![("HTTPS_PROXY", " "), all],
            Some("socks5://10.0.0.9:1080".to_owned()),
        ),
        (
            vec![https, ("NO_PROXY", "example.org, .whatsapp.com")],
            None,
        ),
        (vec![https, ("no_proxy", "whatsapp.com:443")], None),
        (
            vec![https, ("no_proxy", "whatsapp.com:80")],
            http_proxy.clone(),
        ),
        (vec![https, ("NO_PROXY", "app.com")], http_proxy),
        (vec![https, ("NO_PROXY", "*")], None),
    ] {
        assert_eq!(
            resolved(official, &environment).unwrap(),
            expected,
            "{environment:?}"
        );
    }
    assert_eq!(resolved("wss://127.0.0.1:1/", &[https]).unwrap(), None);
    assert_eq!(resolved("ws://localhost:1/", &[https]).unwrap(), None);
    assert!(matches!(
        resolved(official, &[("HTTPS_PROXY", "https://proxy")]),
        Err(ProxyError::Kind { .. })
    ));
}

#[test]
fn the_password_of_a_proxy_is_never_shown() {
    let proxy = Proxy::parse("socks5://user:secret@proxy", "test").unwrap();
    assert!(!format!("{proxy:?} {proxy}").contains("secret"));
    let error = Proxy::parse("http://user:secret@[bad", "test").unwrap_err();
    assert!(!format!("{error:?} {error}").contains("secret"));
}

#[test]
fn a_file_without_certificates_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ca.pem");
    let endpoint = Endpoint::parse("wss://127.0.0.1:1/")
        .unwrap()
        .with_extra_ca(&file);
    let missing = WsTransportFactory::new(endpoint.clone()).unwrap_err();
    assert!(
        matches!(missing, TransportError::ExtraCa { .. }),
        "{missing}"
    );
    std::fs::write(&file, "nothing here").unwrap();
    let empty = WsTransportFactory::new(endpoint).unwrap_err();
    assert!(empty.to_string().contains("no certificate"), "{empty}");
}
