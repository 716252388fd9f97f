//! The file as written.

use bridge_core::account::Surface;
use toml::de::DeTable;

use super::{
    issue::{ConfigError, Issue},
    reader::{self, TableReader},
    secret::SecretRef,
    source::{Located, Position, Source},
};

/// The tables that are ours. `[whatsapp]` is not among them: it belongs to the
/// Cloud API channel of another product.
#[derive(Debug, Clone, Default)]
pub struct RawConfig {
    /// `[runtime_plugins]`.
    pub runtime_plugins: RawRuntimePlugins,
    /// `[whatsapp_personal]` and `[weixin]`.
    pub surfaces: Surfaces,
}

/// One [`RawChannel`] per surface.
#[derive(Debug, Clone, Default)]
pub struct Surfaces {
    whatsapp_personal: RawChannel,
    weixin: RawChannel,
}

impl Surfaces {
    /// The channel of a surface; empty if the file has none.
    #[must_use]
    pub const fn get(&self, surface: Surface) -> &RawChannel {
        match surface {
            Surface::WhatsAppPersonal => &self.whatsapp_personal,
            Surface::Weixin => &self.weixin,
        }
    }
}

/// `[runtime_plugins]`: external bridges. The built-in one needs none of it.
#[derive(Debug, Clone, Default)]
pub struct RawRuntimePlugins {
    /// Whether manifests are looked for at all.
    pub enabled: Option<Located<bool>>,
    /// The folders to look in.
    pub roots: Option<Located<Vec<String>>>,
    /// Labels of accepted transports; empty accepts all.
    pub supported_bridges: Option<Located<Vec<String>>>,
    /// Accepted adapter families; empty accepts all.
    pub supported_adapter_families: Option<Located<Vec<String>>>,
    /// Programs that a manifest may start.
    pub allowed_process_commands: Option<Located<Vec<String>>>,
}

/// `[whatsapp_personal]` or `[weixin]`.
#[derive(Debug, Clone, Default)]
pub struct RawChannel {
    /// Where the table begins; `None` if there is none.
    pub at: Option<Position>,
    /// The values that hold for every account that does not have its own.
    pub root: RawAccount,
    /// The account to use when none is named.
    pub default_account: Option<Located<String>>,
    /// The id of the bridge to use.
    pub managed_bridge_plugin_id: Option<Located<String>>,
    /// `accounts.<label>`, in the order of the file.
    pub accounts: Vec<RawNamedAccount>,
}

/// One `accounts.<label>` table.
#[derive(Debug, Clone)]
pub struct RawNamedAccount {
    /// The key as written.
    pub label: String,
    /// Where the key is.
    pub at: Position,
    /// The values.
    pub values: RawAccount,
}

/// The keys that a channel and each of its accounts may have. Those of the other
/// surface stay `None`.
#[derive(Debug, Clone, Default)]
pub struct RawAccount {
    /// Whether the surface is used.
    pub enabled: Option<Located<bool>>,
    /// The name for runtime files and conversations.
    pub account_id: Option<Located<String>>,
    /// Where the bridge is.
    pub bridge_url: Option<Located<String>>,
    /// The variable that says where the bridge is.
    pub bridge_url_env: Option<Located<String>>,
    /// WhatsApp: the folder of the session.
    pub auth_dir: Option<Located<String>>,
    /// WhatsApp: the variable with the folder.
    pub auth_dir_env: Option<Located<String>>,
    /// `allowed_chat_ids` on WhatsApp, `allowed_contact_ids` on Weixin.
    pub allowed: Option<Located<Vec<String>>>,
    /// The token that a bridge asks for.
    pub bridge_access_token: Option<Located<SecretRef>>,
    /// The variable with the token.
    pub bridge_access_token_env: Option<Located<String>>,
    /// The file with the master key of the store.
    pub master_key_file: Option<Located<String>>,
    /// A Unix socket to serve the contract on as well.
    pub unix_socket: Option<Located<String>>,
    /// How many messages may wait before the session pauses.
    pub max_pending: Option<Located<usize>>,
    /// WhatsApp: appear online.
    pub presence_visible: Option<Located<bool>>,
    /// WhatsApp: another server, for tests.
    pub whatsapp_url: Option<Located<String>>,
    /// WhatsApp: certificates to trust besides the system's.
    pub whatsapp_ca: Option<Located<String>>,
    /// WhatsApp: the protocol version to speak.
    pub whatsapp_version: Option<Located<String>>,
    /// WhatsApp: an HTTP or SOCKS5 proxy.
    pub proxy: Option<Located<String>>,
}

impl RawConfig {
    /// Takes our tables out of the text; everything else is left alone.
    pub(super) fn parse(source: &Source, issues: &mut Vec<Issue>) -> Result<Self, ConfigError> {
        let document = DeTable::parse(&source.text).map_err(|error| ConfigError::Syntax {
            path: source.file.clone(),
            at: source.position(&error.span().unwrap_or_default()),
            message: error.message().replace('\n', ", "),
        })?;
        let mut root = reader::root(source, document);
        let runtime_plugins = root
            .table("runtime_plugins", issues)
            .map(|(_, table)| runtime_plugins(table, issues))
            .unwrap_or_default();
        let mut channel = |key, surface| {
            root.table(key, issues)
                .map(|(at, table)| channel(at, table, surface, issues))
                .unwrap_or_default()
        };
        Ok(Self {
            runtime_plugins,
            surfaces: Surfaces {
                whatsapp_personal: channel("whatsapp_personal", Surface::WhatsAppPersonal),
                weixin: channel("weixin", Surface::Weixin),
            },
        })
    }
}

fn runtime_plugins(mut table: TableReader<'_>, issues: &mut Vec<Issue>) -> RawRuntimePlugins {
    let read = RawRuntimePlugins {
        enabled: table.boolean("enabled", issues),
        roots: table.texts("roots", issues),
        supported_bridges: table.texts("supported_bridges", issues),
        supported_adapter_families: table.texts("supported_adapter_families", issues),
        allowed_process_commands: table.texts("allowed_process_commands", issues),
    };
    table.finish(issues);
    read
}

fn channel(
    at: Position,
    mut table: TableReader<'_>,
    surface: Surface,
    issues: &mut Vec<Issue>,
) -> RawChannel {
    let root = account(&mut table, surface, issues);
    let default_account = table.text("default_account", issues);
    let managed_bridge_plugin_id = table.text("managed_bridge_plugin_id", issues);
    let named = table
        .table("accounts", issues)
        .map(|(_, accounts)| accounts.into_tables(issues))
        .unwrap_or_default();
    table.finish(issues);
    let accounts = named
        .into_iter()
        .map(|(label, at, mut table)| {
            let values = account(&mut table, surface, issues);
            table.finish(issues);
            RawNamedAccount { label, at, values }
        })
        .collect();
    RawChannel {
        at: Some(at),
        root,
        default_account,
        managed_bridge_plugin_id,
        accounts,
    }
}

fn account(table: &mut TableReader<'_>, surface: Surface, issues: &mut Vec<Issue>) -> RawAccount {
    let mut read = RawAccount {
        enabled: table.boolean("enabled", issues),
        account_id: table.text("account_id", issues),
        bridge_url: table.text("bridge_url", issues),
        bridge_url_env: table.text("bridge_url_env", issues),
        bridge_access_token: SecretRef::read(table, "bridge_access_token", issues),
        bridge_access_token_env: table.text("bridge_access_token_env", issues),
        master_key_file: table.text("master_key_file", issues),
        unix_socket: table.text("unix_socket", issues),
        max_pending: table.count("max_pending", issues),
        ..RawAccount::default()
    };
    match surface {
        Surface::WhatsAppPersonal => {
            read.auth_dir = table.text("auth_dir", issues);
            read.auth_dir_env = table.text("auth_dir_env", issues);
            read.allowed = table.texts("allowed_chat_ids", issues);
            read.presence_visible = table.boolean("presence_visible", issues);
            read.whatsapp_url = table.text("whatsapp_url", issues);
            read.whatsapp_ca = table.text("whatsapp_ca", issues);
            read.whatsapp_version = table.text("whatsapp_version", issues);
            read.proxy = table.text("proxy", issues);
        }
        Surface::Weixin => read.allowed = table.texts("allowed_contact_ids", issues),
    }
    read
}
