//! What a start is going to do, checked before anything is touched.

use std::path::PathBuf;

use bridge_core::vault::{VaultOptions, master_key::KeyPlaces};
use secrecy::SecretString;
use wa_web::{
    PairingRequest, WaOptions, phone_number,
    transport::{Endpoint, Proxy, ProxyChoice},
    version::VersionPolicy,
};

use super::{
    super::keys,
    arguments::{EventFormat, RunArgs},
    config_warnings,
};
use crate::{
    config::{
        BridgeEndpoint, Config, ConfigPlace, Environment, Home, Origin, Setting, WhatsAppAccount,
    },
    exit::Exit,
    failure::Failure,
};

/// Everything that a start needs to know.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) account: WhatsAppAccount,
    pub(super) endpoint: BridgeEndpoint,
    pub(super) auth_dir: PathBuf,
    pub(super) vault: VaultOptions,
    pub(super) keys: KeyPlaces,
    pub(super) bridge_token: Option<SecretString>,
    pub(super) whatsapp: WaOptions,
    pub(super) events: Option<EventFormat>,
    pub(super) qr_png: Option<PathBuf>,
    pub(super) warnings: Vec<String>,
}

impl Plan {
    /// Reads flags, configuration and environment. Blocks: the token may come
    /// from a program.
    pub(super) fn make(
        arguments: &RunArgs,
        environment: Environment,
        home: Home,
    ) -> Result<Self, Failure> {
        let pairing = pairing(arguments)?;
        let place = ConfigPlace::locate(arguments.which.config.as_deref(), &environment, &home);
        let config = Config::load(&place, environment, home)?;
        let account =
            config.whatsapp(arguments.which.account.as_deref(), &arguments.overrides())?;
        let endpoint = endpoint(&account)?;
        let auth_dir = absolute(&account)?;
        let mut whatsapp = whatsapp(&account)?;
        whatsapp.pairing = pairing;
        whatsapp.visible = account.presence_visible.value;
        Ok(Self {
            endpoint,
            vault: VaultOptions::new(&auth_dir),
            auth_dir,
            keys: keys::places(&account, &config.environment),
            bridge_token: config.bridge_token(&account.channel)?,
            whatsapp,
            events: arguments.events,
            qr_png: arguments.qr_png.clone(),
            warnings: config_warnings(&config),
            account,
        })
    }
}

/// Checks the number and the code before anyone is asked anything.
fn pairing(arguments: &RunArgs) -> Result<Option<PairingRequest>, Failure> {
    let Some(number) = &arguments.pairing_code else {
        return Ok(None);
    };
    let phone_number = phone_number::normalize(number).map_err(|error| {
        Failure::usage("--pairing-code needs the account's number")
            .because(&error)
            .next("include the country code, e.g. --pairing-code +15551234567")
    })?;
    let custom_code = arguments
        .custom_pairing_code
        .as_deref()
        .map(phone_number::validate_custom_code)
        .transpose()
        .map_err(|error| {
            Failure::usage("--custom-pairing-code cannot be used")
                .because(&error)
                .next("choose another code, or leave it away and WhatsApp chooses one")
        })?;
    Ok(Some(PairingRequest {
        phone_number,
        custom_code,
    }))
}

fn endpoint(account: &WhatsAppAccount) -> Result<BridgeEndpoint, Failure> {
    let Some(url) = &account.channel.bridge_url else {
        return Ok(BridgeEndpoint::default());
    };
    BridgeEndpoint::parse(&url.value).map_err(|error| {
        Failure::usage(format!(
            "the bridge cannot listen where {} says",
            url.origin
        ))
        .because(&error)
        .next(match url.origin {
            Origin::Flag(_) => "for example: --listen 127.0.0.1:39731",
            _ => "set bridge_url = \"http://127.0.0.1:39731/bridge\", or pass --listen",
        })
    })
}

fn absolute(account: &WhatsAppAccount) -> Result<PathBuf, Failure> {
    let dir = &account.auth_dir;
    std::path::absolute(&dir.value).map_err(|error| {
        Failure::new(
            Exit::Usage,
            format!("{} names no usable folder", dir.origin),
        )
        .because(&error)
    })
}

/// How to reach WhatsApp, or a server in its place.
fn whatsapp(account: &WhatsAppAccount) -> Result<WaOptions, Failure> {
    let refused = |setting: &Origin, error: &dyn std::error::Error| {
        Failure::usage(format!("{setting} cannot be used")).because(error)
    };
    let mut endpoint = match &account.whatsapp_url {
        Some(url) => Endpoint::parse(&url.value).map_err(|error| refused(&url.origin, &error)),
        None => Endpoint::whatsapp().map_err(|error| refused(&Origin::Default, &error)),
    }?;
    if let Some(file) = &account.whatsapp_ca {
        endpoint = endpoint.with_extra_ca(&file.value);
    }
    if let Some(proxy) = &account.proxy {
        endpoint = endpoint.with_proxy(choose_proxy(proxy)?);
    }
    // The environment may name one that cannot be used; better now than at
    // every dial.
    endpoint.resolve_proxy().map_err(|error| {
        Failure::usage("the proxy cannot be used")
            .because(&error)
            .next("correct it, or pass --proxy direct")
    })?;
    let version = account
        .whatsapp_version
        .as_ref()
        .map(|version| {
            version
                .value
                .parse()
                .map_err(|error: wa_web::version::VersionError| refused(&version.origin, &error))
        })
        .transpose()?;
    let version = VersionPolicy::for_endpoint(&endpoint, version);
    Ok(WaOptions::new(endpoint, version))
}

fn choose_proxy(proxy: &Setting<String>) -> Result<ProxyChoice, Failure> {
    if proxy.value.eq_ignore_ascii_case("direct") {
        return Ok(ProxyChoice::Direct);
    }
    Proxy::parse(&proxy.value, &proxy.origin.to_string())
        .map(ProxyChoice::Explicit)
        .map_err(|error| {
            Failure::usage("the proxy cannot be used")
                .because(&error)
                .next("for example: --proxy http://127.0.0.1:3128, or --proxy direct")
        })
}
