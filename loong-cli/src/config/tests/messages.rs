//! Every message about a configuration, as people read it.

use super::{good, parse};

/// The message about `text`, one line per issue.
fn message(text: &str) -> String {
    let error = parse(text).map(|_| ()).expect_err("refused").to_string();
    error.replace("; /etc", "\n/etc")
}

fn warnings(text: &str) -> Vec<String> {
    let config = good(text);
    let file = config.file.clone().expect("from a file");
    config
        .warnings
        .iter()
        .map(|issue| issue.in_file(&file))
        .collect()
}

#[test]
fn broken_toml_has_a_place() {
    insta::assert_snapshot!(
        message("[whatsapp_personal]\nenabled = yes\n"),
        @"/etc/x/loong.toml:2:11: not valid TOML: string values must be quoted, expected literal string"
    );
}

#[test]
fn wrong_types_have_places_and_never_show_the_value() {
    insta::assert_snapshot!(
        message("[whatsapp_personal]\nenabled = \"yes\"\nbridge_url = 5\nallowed_chat_ids = \"*\"\nmax_pending = 0\n"),
        @r"
    invalid configuration: /etc/x/loong.toml:2:11: whatsapp_personal.enabled: expected true or false, found a string (config.value.type)
    /etc/x/loong.toml:3:14: whatsapp_personal.bridge_url: expected a string, found an integer (config.value.type)
    /etc/x/loong.toml:4:20: whatsapp_personal.allowed_chat_ids: expected an array of strings, found a string (config.value.type)
    /etc/x/loong.toml:5:15: whatsapp_personal.max_pending: expected a whole number above zero, found an integer (config.value.type)
    "
    );
}

#[test]
fn env_pointers_are_names_and_secrets_are_not_repeated() {
    let text = "[weixin]\nbridge_url_env = \"$URL\"\nbridge_access_token_env = \"sk-abcdefghijk\"\n\
                [weixin.accounts.\"Ops Team\"]\nbridge_url_env = \"export URL=http://x\"\n\
                [weixin.accounts.b]\naccount_id = \"b\"\nbridge_url_env = \"%URL%\"\nbridge_access_token_env = \"ä\"\n";
    insta::assert_snapshot!(message(text), @r"
    invalid configuration: /etc/x/loong.toml:2:18: weixin.bridge_url_env: write the name of the environment variable without `$` (config.env_pointer.dollar_prefix)
    /etc/x/loong.toml:3:27: weixin.bridge_access_token_env: this looks like a secret; write the name of the environment variable that holds it (config.env_pointer.secret_literal)
    /etc/x/loong.toml:5:18: weixin.accounts.Ops Team.bridge_url_env: write only the name of the environment variable, not `NAME=value` (config.env_pointer.assignment)
    /etc/x/loong.toml:8:18: weixin.accounts.b.bridge_url_env: write the name of the environment variable without `%` (config.env_pointer.percent_wrapped)
    /etc/x/loong.toml:9:27: weixin.accounts.b.bridge_access_token_env: not a name of an environment variable: letters, digits, `_`, `-` and `.`, beginning with a letter, digit or `_` (config.env_pointer.invalid_name)
    ");
}

#[test]
fn accounts_must_differ_and_defaults_must_exist() {
    insta::assert_snapshot!(
        message("[whatsapp_personal]\ndefault_account = \"nobody\"\n[whatsapp_personal.accounts.a]\n[whatsapp_personal.accounts.b]\n[whatsapp_personal.accounts.\" B \"]\n"),
        @r"
    invalid configuration: /etc/x/loong.toml:2:19: whatsapp_personal.default_account: no account `nobody`; configured:  B , a, b (config.channel_account.unknown_default)
    /etc/x/loong.toml:4:29: whatsapp_personal.accounts.b: has the same runtime identity `default` as `a`; give each its own `account_id` or `bridge_url` (config.channel_account.duplicate_id)
    /etc/x/loong.toml:5:29: whatsapp_personal.accounts. B : `b` and this key are both the account `b` (config.channel_account.duplicate_id)
    "
    );
}

#[test]
fn plugins_need_roots_and_known_kinds() {
    insta::assert_snapshot!(
        message("[runtime_plugins]\nenabled = true\nroots = [\" \"]\nsupported_bridges = [\"http_json\", \"carrier_pigeon\"]\n"),
        @r"
    invalid configuration: /etc/x/loong.toml:3:9: runtime_plugins.roots: enabled needs at least one folder in `roots`; the built-in bridge needs no [runtime_plugins] at all (config.value.invalid)
    /etc/x/loong.toml:4:21: runtime_plugins.supported_bridges: unknown bridge kind `carrier_pigeon`; known: http_json, process_stdio, native_ffi, wasm_component, mcp_server, acp_bridge, acp_runtime (config.value.invalid)
    "
    );
}

#[test]
fn secrets_have_one_form() {
    insta::assert_snapshot!(
        message("[weixin]\nbridge_access_token = { env = \"A\", file = \"b\" }\n[weixin.accounts.x]\nbridge_access_token = { env = \"$A\" }\n"),
        @r"
    invalid configuration: /etc/x/loong.toml:2:23: weixin.bridge_access_token: a secret is a string, or a table with exactly one of `env` (a name), `file` (a path) and `exec` (an array: program and arguments) (config.value.invalid)
    /etc/x/loong.toml:4:23: weixin.accounts.x.bridge_access_token.env: write the name of the environment variable without `$` (config.env_pointer.dollar_prefix)
    "
    );
}

#[test]
fn misspelt_keys_of_ours_are_warnings_and_other_tables_are_left_alone() {
    let text = "[provider]\nanything = 1\n[whatsapp]\naccess_token = \"x\"\n\
                [whatsapp_personal]\nalowed_chat_ids = [\"*\"]\nfrobnicate = 1\n\
                [whatsapp_personal.accounts.a]\nbridge_ulr = \"x\"\n";
    assert_eq!(
        warnings(text),
        [
            "/etc/x/loong.toml:6:1: whatsapp_personal.alowed_chat_ids: unknown key, it has no \
             effect; did you mean `allowed_chat_ids`? (config.key.unknown)",
            "/etc/x/loong.toml:7:1: whatsapp_personal.frobnicate: unknown key, it has no effect \
             (config.key.unknown)",
            "/etc/x/loong.toml:9:1: whatsapp_personal.accounts.a.bridge_ulr: unknown key, it has \
             no effect; did you mean `bridge_url`? (config.key.unknown)",
        ]
    );
}
