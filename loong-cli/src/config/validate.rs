//! What has to hold for a file whichever command reads it.

use std::collections::BTreeMap;

use bridge_core::account::{AccountId, Surface};

use super::{
    env_pointer,
    environment::Environment,
    issue::{Issue, Severity},
    raw::{RawAccount, RawChannel, RawConfig, RawRuntimePlugins},
    resolve::{bridge_url, runtime_identity},
    secret::SecretRef,
    source::{Located, Position},
};

/// The labels of `supported_bridges`, with their short forms.
const BRIDGE_LABELS: [&str; 14] = [
    "http_json",
    "process_stdio",
    "native_ffi",
    "wasm_component",
    "mcp_server",
    "acp_bridge",
    "acp_runtime",
    "http",
    "stdio",
    "ffi",
    "wasm",
    "mcp",
    "acp",
    "native",
];

pub(super) fn check(raw: &RawConfig, environment: &Environment, issues: &mut Vec<Issue>) {
    runtime_plugins(&raw.runtime_plugins, issues);
    for surface in [Surface::WhatsAppPersonal, Surface::Weixin] {
        let channel = raw.surfaces.get(surface);
        pointers(&channel.root, issues);
        for account in &channel.accounts {
            pointers(&account.values, issues);
        }
        default_account(channel, issues);
        duplicates(channel, surface, environment, issues);
    }
}

fn error(code: &'static str, path: &str, at: Position, message: String) -> Issue {
    Issue {
        severity: Severity::Error,
        code,
        path: path.to_owned(),
        at,
        message,
    }
}

fn runtime_plugins(plugins: &RawRuntimePlugins, issues: &mut Vec<Issue>) {
    const INVALID: &str = "config.value.invalid";
    if let Some(enabled) = plugins.enabled.as_ref().filter(|enabled| enabled.value) {
        let named = plugins
            .roots
            .as_ref()
            .is_some_and(|roots| roots.value.iter().any(|root| !root.trim().is_empty()));
        if !named {
            let at = plugins.roots.as_ref().map_or(enabled.at, |roots| roots.at);
            let message = "enabled needs at least one folder in `roots`; the built-in bridge needs \
                           no [runtime_plugins] at all";
            issues.push(error(
                INVALID,
                "runtime_plugins.roots",
                at,
                message.to_owned(),
            ));
        }
    }
    for label in plugins.supported_bridges.iter().flat_map(|l| {
        l.value
            .iter()
            .map(move |value| (l.at, value.trim().to_ascii_lowercase()))
    }) {
        let (at, label) = label;
        if !BRIDGE_LABELS.contains(&label.as_str()) {
            let message = format!(
                "unknown bridge kind `{label}`; known: {}",
                BRIDGE_LABELS.get(..7).unwrap_or_default().join(", ")
            );
            issues.push(error(
                INVALID,
                "runtime_plugins.supported_bridges",
                at,
                message,
            ));
        }
    }
}

fn pointers(account: &RawAccount, issues: &mut Vec<Issue>) {
    let mut check = |path: &str, at, text: &str| {
        if let Some(fault) = env_pointer::check(text) {
            issues.push(error(fault.code, path, at, fault.message.to_owned()));
        }
    };
    let pointers: [&Option<Located<String>>; 3] = [
        &account.bridge_url_env,
        &account.auth_dir_env,
        &account.bridge_access_token_env,
    ];
    for pointer in pointers.into_iter().flatten() {
        check(&pointer.path, pointer.at, &pointer.value);
    }
    if let Some(token) = &account.bridge_access_token
        && let SecretRef::Env(name) = &token.value
    {
        check(&format!("{}.env", token.path), token.at, name);
    }
}

fn default_account(channel: &RawChannel, issues: &mut Vec<Issue>) {
    let Some(default) = &channel.default_account else {
        return;
    };
    let wanted = AccountId::normalize(&default.value);
    let exists = |label: &str| AccountId::normalize(label) == wanted;
    if channel.accounts.is_empty() || channel.accounts.iter().any(|a| exists(&a.label)) {
        return;
    }
    let mut labels: Vec<&str> = channel.accounts.iter().map(|a| a.label.as_str()).collect();
    labels.sort_unstable();
    issues.push(error(
        "config.channel_account.unknown_default",
        &default.path,
        default.at,
        format!("no account `{wanted}`; configured: {}", labels.join(", ")),
    ));
}

fn duplicates(
    channel: &RawChannel,
    surface: Surface,
    environment: &Environment,
    issues: &mut Vec<Issue>,
) {
    const DUPLICATE: &str = "config.channel_account.duplicate_id";
    let prefix = match surface {
        Surface::WhatsAppPersonal => "whatsapp_personal.accounts",
        Surface::Weixin => "weixin.accounts",
    };
    let mut ids: BTreeMap<AccountId, &str> = BTreeMap::new();
    let mut identities: BTreeMap<String, &str> = BTreeMap::new();
    for account in &channel.accounts {
        let path = format!("{prefix}.{}", account.label);
        let id = AccountId::normalize(&account.label);
        if let Some(other) = ids.get(&id) {
            let message = format!("`{other}` and this key are both the account `{id}`");
            issues.push(error(DUPLICATE, &path, account.at, message));
            continue;
        }
        ids.insert(id, &account.label);
        let url = bridge_url(channel, Some(&account.values), surface, environment);
        let own = account.values.account_id.as_ref();
        let account_id = own.or(channel.root.account_id.as_ref());
        let (identity, _) = runtime_identity(account_id, url.as_ref(), surface);
        if let Some(other) = identities.get(&identity) {
            let message = format!(
                "has the same runtime identity `{identity}` as `{other}`; give each its own \
                 `account_id` or `bridge_url`"
            );
            issues.push(error(DUPLICATE, &path, account.at, message));
        } else {
            identities.insert(identity, &account.label);
        }
    }
}
