//! One account, ready to be used.

use std::path::PathBuf;

use bridge_core::{
    account::{AccountId, AccountIdentity},
    policy::Allowlist,
};
use secrecy::SecretString;

use super::{
    secret::{SecretError, SecretRef},
    setting::{Origin, Setting},
};

/// Why this account was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Selection {
    /// It was asked for.
    Requested,
    /// `default_account` names it.
    ExplicitDefault,
    /// There are no named accounts.
    RuntimeIdentity,
    /// There is an account called `default`.
    MappedDefault,
    /// It is the first by name.
    Fallback,
}

/// What the accounts of every surface have.
#[derive(Debug, Clone)]
pub struct ChannelAccount {
    /// How it names itself.
    pub identity: AccountIdentity,
    /// Why it was taken.
    pub selection: Selection,
    /// Whether `send` and `serve` may use it.
    pub enabled: Setting<bool>,
    /// Where its bridge is, as written.
    pub bridge_url: Option<Setting<String>>,
    /// Who may write to it.
    pub allowed: Setting<Allowlist>,
    /// The id of the bridge to use.
    pub managed_bridge_plugin_id: Option<Setting<String>>,
    /// The token of the bridge: a reference that decided, or what a variable says.
    pub(super) token: Option<Setting<SecretRef>>,
}

impl ChannelAccount {
    /// The normalised id.
    #[must_use]
    pub const fn id(&self) -> &AccountId {
        &self.identity.configured
    }

    /// Where the token comes from, if one is configured.
    #[must_use]
    pub fn token_origin(&self) -> Option<&Origin> {
        self.token.as_ref().map(|token| &token.origin)
    }
}

/// A WhatsApp account.
#[derive(Debug, Clone)]
pub struct WhatsAppAccount {
    /// What every surface has.
    pub channel: ChannelAccount,
    /// The folder of the session, as written; `None` if it is the default one.
    pub auth_dir_written: Option<String>,
    /// The folder of the session.
    pub auth_dir: Setting<PathBuf>,
    /// A master key named by the operator.
    pub master_key_file: Option<Setting<PathBuf>>,
    /// The master key to generate otherwise.
    pub generated_key_file: PathBuf,
    /// A Unix socket to serve as well.
    pub unix_socket: Option<Setting<PathBuf>>,
    /// How many messages may wait before the session pauses.
    pub max_pending: Option<Setting<usize>>,
    /// Appear online.
    pub presence_visible: Setting<bool>,
    /// Another server than WhatsApp's.
    pub whatsapp_url: Option<Setting<String>>,
    /// Certificates to trust besides the system's.
    pub whatsapp_ca: Option<Setting<PathBuf>>,
    /// The protocol version to speak.
    pub whatsapp_version: Option<Setting<String>>,
    /// A proxy.
    pub proxy: Option<Setting<String>>,
}

/// A Weixin account.
#[derive(Debug, Clone)]
pub struct WeixinAccount {
    /// What every surface has.
    pub channel: ChannelAccount,
}

impl super::Config {
    /// Reads the token of an account's bridge. Blocks: the reference may be a
    /// program. `None` if no token is configured.
    ///
    /// # Errors
    /// When a token is configured and cannot be had.
    pub fn bridge_token(
        &self,
        account: &ChannelAccount,
    ) -> Result<Option<SecretString>, SecretError> {
        account
            .token
            .as_ref()
            .map(|token| token.value.resolve(&self.environment, self.base()))
            .transpose()
    }
}
