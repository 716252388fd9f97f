//! From the file as written to one account.

use std::path::PathBuf;

use bridge_core::{
    account::{AccountId, AccountIdentity, Surface},
    policy::Allowlist,
};

use super::{
    account::{ChannelAccount, Selection, WeixinAccount, WhatsAppAccount},
    endpoint::authority,
    environment::Environment,
    load::Config,
    raw::{RawAccount, RawChannel},
    secret::SecretRef,
    setting::{Origin, Setting, TextPlaces},
    source::Located,
};

/// Why there is no such account.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum AccountError {
    /// It is not configured.
    #[error("the account `{requested}` is not configured for {surface}; configured: {configured}")]
    Unknown {
        /// What was asked for, normalised.
        requested: AccountId,
        /// The channel id.
        surface: &'static str,
        /// The ids that exist.
        configured: String,
    },
}

/// What flags of a command line say instead of the file.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--listen`.
    pub listen: Option<String>,
    /// `--auth-dir`.
    pub auth_dir: Option<String>,
    /// `--allow`.
    pub allow: Vec<String>,
    /// `--wa-url`.
    pub whatsapp_url: Option<String>,
    /// `--wa-ca`.
    pub whatsapp_ca: Option<String>,
    /// `--wa-version`.
    pub whatsapp_version: Option<String>,
    /// `--proxy`.
    pub proxy: Option<String>,
}

/// The default names of the variables that pointers point to.
const fn bridge_url_variable(surface: Surface) -> &'static str {
    match surface {
        Surface::WhatsAppPersonal => "WHATSAPP_PERSONAL_BRIDGE_URL",
        Surface::Weixin => "WEIXIN_BRIDGE_URL",
    }
}

const fn token_variable(surface: Surface) -> &'static str {
    match surface {
        Surface::WhatsAppPersonal => "WHATSAPP_PERSONAL_BRIDGE_ACCESS_TOKEN",
        Surface::Weixin => "WEIXIN_BRIDGE_ACCESS_TOKEN",
    }
}

/// A key of an account that has no pointer.
type Literal = fn(&RawAccount) -> Option<&Located<String>>;

/// The values of one account before they are merged.
#[derive(Clone, Copy)]
struct Layers<'a> {
    channel: &'a RawChannel,
    account: Option<&'a RawAccount>,
}

impl<'a> Layers<'a> {
    fn account<T>(self, get: impl Fn(&'a RawAccount) -> Option<T>) -> Option<T> {
        self.account.and_then(get)
    }

    /// The account's value, else the channel's.
    fn merged<T>(self, get: impl Fn(&'a RawAccount) -> Option<T>) -> Option<T> {
        self.account(&get).or_else(|| get(&self.channel.root))
    }

    fn text(
        self,
        environment: &Environment,
        variable: &'static str,
        flag: Option<(&'static str, &str)>,
        literal: impl Fn(&'a RawAccount) -> Option<&'a Located<String>>,
        pointer: impl Fn(&'a RawAccount) -> Option<&'a Located<String>>,
    ) -> Option<Setting<String>> {
        TextPlaces {
            flag,
            account: self.account(&literal),
            root: literal(&self.channel.root),
            account_pointer: self.account(&pointer),
            root_pointer: pointer(&self.channel.root),
            variable,
        }
        .resolve(environment)
    }
}

impl Config {
    /// The ids of a surface's accounts, normalised, by name.
    #[must_use]
    pub fn account_ids(&self, surface: Surface) -> Vec<AccountId> {
        let accounts = &self.raw.surfaces.get(surface).accounts;
        let mut ids: Vec<AccountId> = accounts
            .iter()
            .map(|account| AccountId::normalize(&account.label))
            .collect();
        ids.sort();
        ids
    }

    /// Resolves one WhatsApp account.
    ///
    /// # Errors
    /// When `requested` names an account that is not configured although others
    /// are.
    pub fn whatsapp(
        &self,
        requested: Option<&str>,
        flags: &Overrides,
    ) -> Result<WhatsAppAccount, AccountError> {
        let surface = Surface::WhatsAppPersonal;
        let (channel, layers) = self.channel_account(surface, requested, flags)?;
        let environment = &self.environment;
        let key = |variable, flag: Option<(&'static str, &str)>, get: Literal| {
            layers.text(environment, variable, flag, get, |_| None)
        };
        let auth_dir = layers.text(
            environment,
            "WHATSAPP_PERSONAL_AUTH_DIR",
            flags.auth_dir.as_deref().map(|dir| ("--auth-dir", dir)),
            |account| account.auth_dir.as_ref(),
            |account| account.auth_dir_env.as_ref(),
        );
        let id = channel.id().as_str();
        Ok(WhatsAppAccount {
            auth_dir_written: auth_dir.as_ref().map(|dir| dir.value.clone()),
            auth_dir: auth_dir.map_or_else(
                || Setting::default_of(self.home.auth_dir(surface, id)),
                |dir| self.path(dir),
            ),
            master_key_file: key("LOONG_MASTER_KEY_FILE", None, |a| {
                a.master_key_file.as_ref()
            })
            .map(|file| self.path(file)),
            generated_key_file: self.home.key_file(surface, id),
            unix_socket: key("", None, |a| a.unix_socket.as_ref()).map(|file| self.path(file)),
            max_pending: layers.merged(|a| a.max_pending.as_ref()).map(Setting::file),
            presence_visible: layers
                .merged(|a| a.presence_visible.as_ref())
                .map_or(Setting::default_of(false), Setting::file),
            whatsapp_url: key(
                "LOONG_WHATSAPP_URL",
                flag("--wa-url", &flags.whatsapp_url),
                |a| a.whatsapp_url.as_ref(),
            ),
            whatsapp_ca: key(
                "LOONG_WHATSAPP_CA",
                flag("--wa-ca", &flags.whatsapp_ca),
                |a| a.whatsapp_ca.as_ref(),
            )
            .map(|file| self.path(file)),
            whatsapp_version: key(
                "LOONG_WHATSAPP_VERSION",
                flag("--wa-version", &flags.whatsapp_version),
                |a| a.whatsapp_version.as_ref(),
            ),
            proxy: key("LOONG_WHATSAPP_PROXY", flag("--proxy", &flags.proxy), |a| {
                a.proxy.as_ref()
            }),
            channel,
        })
    }

    /// Resolves one Weixin account.
    ///
    /// # Errors
    /// As [`Config::whatsapp`].
    pub fn weixin(&self, requested: Option<&str>) -> Result<WeixinAccount, AccountError> {
        let flags = Overrides::default();
        let (channel, _) = self.channel_account(Surface::Weixin, requested, &flags)?;
        Ok(WeixinAccount { channel })
    }

    fn channel_account(
        &self,
        surface: Surface,
        requested: Option<&str>,
        flags: &Overrides,
    ) -> Result<(ChannelAccount, Layers<'_>), AccountError> {
        let channel = self.raw.surfaces.get(surface);
        let (label, selection) = select(channel, surface, requested)?;
        let configured = AccountId::normalize(&label);
        let account = channel
            .accounts
            .iter()
            .find(|account| AccountId::normalize(&account.label) == configured)
            .map(|account| &account.values);
        let layers = Layers { channel, account };
        let configured_url = bridge_url(channel, account, surface, &self.environment);
        let (runtime_id, runtime_label) = runtime_identity(
            layers.merged(|a| a.account_id.as_ref()),
            configured_url.as_ref(),
            surface,
        );
        let listen = flags.listen.as_ref();
        let resolved = ChannelAccount {
            identity: AccountIdentity {
                surface,
                configured,
                configured_label: label,
                runtime_id,
                runtime_label,
            },
            selection,
            enabled: enabled(layers),
            bridge_url: listen
                .map(|text| Setting::flag("--listen", text.clone()))
                .or(configured_url),
            allowed: allowed(layers, flags),
            managed_bridge_plugin_id: channel
                .managed_bridge_plugin_id
                .as_ref()
                .filter(|id| !id.value.trim().is_empty())
                .map(|id| Setting::file(id).map(|id| id.trim().to_owned())),
            token: token(layers, surface, &self.environment),
        };
        Ok((resolved, layers))
    }

    /// A path from the file is relative to the file, any other to the folder
    /// that the command was started in.
    fn path(&self, text: Setting<String>) -> Setting<PathBuf> {
        let from_file = matches!(text.origin, Origin::File { .. });
        text.map(|text| {
            let path = self.environment.expand(&text);
            if from_file {
                self.base().join(path)
            } else {
                path
            }
        })
    }
}

fn flag<'a>(name: &'static str, value: &'a Option<String>) -> Option<(&'static str, &'a str)> {
    value.as_deref().map(|text| (name, text))
}

/// Which account a command means: its label, and why.
fn select(
    channel: &RawChannel,
    surface: Surface,
    requested: Option<&str>,
) -> Result<(String, Selection), AccountError> {
    let find = |wanted: &AccountId| {
        let mut labels = channel.accounts.iter().map(|account| &account.label);
        labels
            .find(|label| AccountId::normalize(label) == *wanted)
            .cloned()
    };
    let mut ids: Vec<AccountId> = channel
        .accounts
        .iter()
        .map(|account| AccountId::normalize(&account.label))
        .collect();
    ids.sort();
    if let Some(requested) = requested.map(str::trim).filter(|text| !text.is_empty()) {
        let wanted = AccountId::normalize(requested);
        if ids.is_empty() {
            return Ok((requested.to_owned(), Selection::Requested));
        }
        let found = find(&wanted).map(|label| (label, Selection::Requested));
        return found.ok_or_else(|| AccountError::Unknown {
            requested: wanted,
            surface: surface.channel_id(),
            configured: ids
                .iter()
                .map(AccountId::as_str)
                .collect::<Vec<_>>()
                .join(", "),
        });
    }
    let by_default = channel
        .default_account
        .as_ref()
        .and_then(|id| find(&AccountId::normalize(&id.value)));
    if let Some(label) = by_default {
        return Ok((label, Selection::ExplicitDefault));
    }
    let Some(first) = ids.first() else {
        return Ok(("default".to_owned(), Selection::RuntimeIdentity));
    };
    if let Some(label) = find(&AccountId::normalize("default")) {
        return Ok((label, Selection::MappedDefault));
    }
    let label = find(first).unwrap_or_else(|| first.to_string());
    Ok((label, Selection::Fallback))
}

/// The bridge of an account as the file and the environment have it.
pub(super) fn bridge_url(
    channel: &RawChannel,
    account: Option<&RawAccount>,
    surface: Surface,
    environment: &Environment,
) -> Option<Setting<String>> {
    Layers { channel, account }.text(
        environment,
        bridge_url_variable(surface),
        None,
        |account| account.bridge_url.as_ref(),
        |account| account.bridge_url_env.as_ref(),
    )
}

/// The id and label that name runtime files and conversations.
pub(super) fn runtime_identity(
    account_id: Option<&Located<String>>,
    bridge_url: Option<&Setting<String>>,
    surface: Surface,
) -> (String, String) {
    let written = account_id
        .map(|id| id.value.trim())
        .filter(|id| id.chars().any(|c| c.is_ascii_alphanumeric()));
    if let Some(written) = written {
        return (
            AccountId::normalize(written).to_string(),
            written.to_owned(),
        );
    }
    let authority = match surface {
        Surface::WhatsAppPersonal => bridge_url.and_then(|url| authority(&url.value)),
        Surface::Weixin => None,
    };
    authority.map_or_else(
        || ("default".to_owned(), "default".to_owned()),
        |authority| {
            (
                format!("whatsapp_personal_{}", AccountId::normalize(&authority)),
                format!("whatsapp-personal:{authority}"),
            )
        },
    )
}

/// An account that says true is enabled unless the channel says false.
fn enabled(layers: Layers<'_>) -> Setting<bool> {
    let root = layers.channel.root.enabled.as_ref();
    let account = layers.account(|account| account.enabled.as_ref());
    match (root, account) {
        (Some(root), _) if !root.value => Setting::file(root),
        (_, Some(own)) => Setting::file(own),
        (Some(root), None) => Setting::file(root),
        (None, None) => Setting::default_of(false),
    }
}

fn allowed(layers: Layers<'_>, flags: &Overrides) -> Setting<Allowlist> {
    if !flags.allow.is_empty() {
        return Setting::flag("--allow", Allowlist::parse(Some(&flags.allow)));
    }
    layers
        .merged(|account| account.allowed.as_ref())
        .map_or(Setting::default_of(Allowlist::Unset), |list| {
            Setting::file(list).map(|entries| Allowlist::parse(Some(&entries)))
        })
}

/// A configured reference decides alone; only without one does the variable count.
fn token(
    layers: Layers<'_>,
    surface: Surface,
    environment: &Environment,
) -> Option<Setting<SecretRef>> {
    let configured = |account: Option<&RawAccount>| {
        account
            .and_then(|account| account.bridge_access_token.as_ref())
            .filter(|token| !token.value.is_blank())
            .map(Setting::file)
    };
    configured(layers.account)
        .or_else(|| configured(Some(&layers.channel.root)))
        .or_else(|| {
            let pointer = layers.text(
                environment,
                token_variable(surface),
                None,
                |_| None,
                |account| account.bridge_access_token_env.as_ref(),
            )?;
            let Origin::Variable(name) = &pointer.origin else {
                return None;
            };
            let reference = SecretRef::Env(name.clone());
            Some(pointer.map(|_secret| reference))
        })
}
