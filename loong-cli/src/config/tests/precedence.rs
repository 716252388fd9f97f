//! Who decides a value.

use std::path::Path;

use bridge_core::{account::Surface, policy::Allowlist};
use secrecy::ExposeSecret as _;

use super::{good, parse_in};
use crate::config::{
    AccountError, Config, ConfigPlace, Environment, Home, Origin, Overrides, Selection,
};

const DOCUMENTED: &str = r#"
[runtime_plugins]
enabled = true
roots = ["./runtime-plugins"]

[whatsapp_personal]
enabled = true
managed_bridge_plugin_id = "whatsapp-personal-baileys-bridge"
bridge_url = "http://127.0.0.1:39731/bridge"
auth_dir = "~/.loong/whatsapp-personal/default"
allowed_chat_ids = ["*"]
"#;

fn none() -> Overrides {
    Overrides::default()
}

#[test]
fn the_documented_configuration_works_verbatim() {
    let config = good(DOCUMENTED);
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    let account = config.whatsapp(None, &none()).expect("the account");
    let identity = &account.channel.identity;
    assert_eq!(identity.configured.as_str(), "default");
    assert_eq!(identity.runtime_id, "whatsapp_personal_127-0-0-1-39731");
    assert_eq!(identity.runtime_label, "whatsapp-personal:127.0.0.1:39731");
    assert_eq!(account.channel.selection, Selection::RuntimeIdentity);
    assert!(account.channel.enabled.value);
    assert_eq!(account.channel.allowed.value, Allowlist::Everyone);
    assert_eq!(
        account.auth_dir.value,
        Path::new("/u/.loong/whatsapp-personal/default")
    );
    assert_eq!(
        account.auth_dir_written.as_deref(),
        Some("~/.loong/whatsapp-personal/default")
    );
}

#[test]
fn both_documented_weixin_configurations_work() {
    let environment = Environment::from_pairs([
        ("HOME", "/u"),
        ("WEIXIN_BRIDGE_URL", " http://127.0.0.1:39741/bridge "),
        ("WEIXIN_BRIDGE_ACCESS_TOKEN", "token"),
    ]);
    for id in ["", "managed_bridge_plugin_id = \"weixin-clawbot-bridge\"\n"] {
        let text = format!(
            "[weixin]\nenabled = true\n{id}bridge_url_env = \"WEIXIN_BRIDGE_URL\"\n\
             bridge_access_token_env = \"WEIXIN_BRIDGE_ACCESS_TOKEN\"\n\
             allowed_contact_ids = [\"wxid_ops\"]\n"
        );
        let config = parse_in(environment.clone(), &text).expect("valid");
        let account = config.weixin(None).expect("the account").channel;
        let url = account.bridge_url.clone().expect("a URL");
        assert_eq!(url.value, "http://127.0.0.1:39741/bridge");
        assert_eq!(url.origin, Origin::Variable("WEIXIN_BRIDGE_URL".to_owned()));
        let token = config
            .bridge_token(&account)
            .expect("resolves")
            .expect("a token");
        assert_eq!(token.expose_secret(), "token");
        assert_eq!(account.identity.runtime_id, "default");
    }
}

#[test]
fn a_flag_beats_a_literal_beats_a_variable_beats_the_default() {
    let with = |text: &str, variable: Option<&str>, flag: Option<&str>| {
        let environment = Environment::from_pairs([
            ("HOME", "/u"),
            ("WHATSAPP_PERSONAL_AUTH_DIR", variable.unwrap_or("")),
        ]);
        let flags = Overrides {
            auth_dir: flag.map(str::to_owned),
            ..none()
        };
        let config = parse_in(environment, text).expect("valid");
        let dir = config.whatsapp(None, &flags).expect("the account").auth_dir;
        (dir.value.display().to_string(), dir.origin.to_string())
    };
    let literal = "[whatsapp_personal]\nauth_dir = \"sub/dir\"\n";
    let text = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(
        with(literal, Some("/v"), Some("/f")),
        text("/f", "--auth-dir")
    );
    // Relative to the file, not to the folder the command was started in.
    assert_eq!(
        with(literal, Some("/v"), None),
        text("/etc/x/sub/dir", "whatsapp_personal.auth_dir (line 2)")
    );
    assert_eq!(
        with("", Some("~/v"), None),
        text("/u/v", "$WHATSAPP_PERSONAL_AUTH_DIR")
    );
    assert_eq!(
        with("", None, None),
        text("/u/.loong/whatsapp-personal/default", "default")
    );
    // A blank pointer switches the variable off.
    let off = "[whatsapp_personal]\nauth_dir_env = \"\"\n";
    assert_eq!(with(off, Some("/v"), None).1, "default");
}

#[test]
fn an_account_beats_the_channel_but_a_root_literal_beats_its_pointer() {
    let environment =
        Environment::from_pairs([("HOME", "/u"), ("A_URL", "http://127.0.0.1:2/bridge")]);
    let text = "[whatsapp_personal]\nbridge_url = \"http://127.0.0.1:1/bridge\"\nallowed_chat_ids = [\"*\"]\n\
                [whatsapp_personal.accounts.a]\naccount_id = \"A\"\nbridge_url_env = \"A_URL\"\nallowed_chat_ids = []\n\
                [whatsapp_personal.accounts.b]\nbridge_url = \"http://127.0.0.1:3/bridge\"\n";
    let config = parse_in(environment, text).expect("valid");
    let url = |id| {
        let account = config.whatsapp(Some(id), &none()).expect("the account");
        account.channel.bridge_url.map(|url| url.value)
    };
    assert_eq!(url("a").as_deref(), Some("http://127.0.0.1:1/bridge"));
    assert_eq!(url("b").as_deref(), Some("http://127.0.0.1:3/bridge"));
    let a = config.whatsapp(Some("a"), &none()).expect("the account");
    assert_eq!(
        a.channel.allowed.value,
        Allowlist::Unset,
        "an empty list replaces"
    );
    assert_eq!(a.channel.identity.runtime_label, "A");
}

#[test]
fn the_account_is_chosen_as_documented() {
    let choose = |text: &str, requested: Option<&str>| {
        let config = good(text);
        let account = config.whatsapp(requested, &none())?.channel;
        Ok::<_, AccountError>((account.id().to_string(), account.selection))
    };
    let two = "[whatsapp_personal.accounts.Zoe]\naccount_id = \"z\"\n\
               [whatsapp_personal.accounts.\"Ops Team\"]\naccount_id = \"o\"\n";
    let chosen = |id: &str, why| Ok((id.to_owned(), why));
    assert_eq!(
        choose("", None),
        chosen("default", Selection::RuntimeIdentity)
    );
    assert_eq!(
        choose("", Some("Any One")),
        chosen("any-one", Selection::Requested)
    );
    assert_eq!(choose(two, None), chosen("ops-team", Selection::Fallback));
    assert_eq!(
        choose(two, Some("OPS team")),
        chosen("ops-team", Selection::Requested)
    );
    let named = format!("[whatsapp_personal]\ndefault_account = \"zoe\"\n{two}");
    assert_eq!(
        choose(&named, None),
        chosen("zoe", Selection::ExplicitDefault)
    );
    let mapped = format!("{two}[whatsapp_personal.accounts.default]\n");
    assert_eq!(
        choose(&mapped, None),
        chosen("default", Selection::MappedDefault)
    );
    let error = choose(two, Some("nobody")).expect_err("unknown");
    assert_eq!(
        error.to_string(),
        "the account `nobody` is not configured for whatsapp-personal; configured: ops-team, zoe"
    );
}

#[test]
fn enabled_follows_the_account_unless_the_root_says_no() {
    let enabled = |root: &str, account: &str| {
        let text =
            format!("[whatsapp_personal]\n{root}\n[whatsapp_personal.accounts.a]\n{account}\n");
        let account = good(&text).whatsapp(None, &none()).expect("the account");
        account.channel.enabled.value
    };
    for (root, account, expected) in [
        ("", "", false),
        ("", "enabled = true", true),
        ("enabled = true", "", true),
        ("enabled = true", "enabled = false", false),
        ("enabled = false", "enabled = true", false),
    ] {
        assert_eq!(enabled(root, account), expected, "{root:?} {account:?}");
    }
}

#[test]
fn a_configured_secret_that_fails_has_no_second_place() {
    let environment = Environment::from_pairs([
        ("HOME", "/u"),
        ("WEIXIN_BRIDGE_ACCESS_TOKEN", "from the variable"),
        ("NAMED", "from the name"),
    ]);
    let token = |value: &str| {
        let text = format!("[weixin]\nbridge_access_token = {value}\n");
        let config = parse_in(environment.clone(), &text).expect("valid");
        let account = config.weixin(None).expect("the account").channel;
        config
            .bridge_token(&account)
            .map(|token| token.map(|token| token.expose_secret().to_owned()))
            .map_err(|error| error.to_string())
    };
    let found = |text: &str| Ok(Some(text.to_owned()));
    assert_eq!(token("\" literal \""), found("literal"));
    for form in [
        "\"$NAMED\"",
        "\"${NAMED}\"",
        "\"env:NAMED\"",
        "\"%NAMED%\"",
        "{ env = \"NAMED\" }",
    ] {
        assert_eq!(token(form), found("from the name"), "{form}");
    }
    assert_eq!(token("\"\""), found("from the variable"));
    assert_eq!(
        token("{ env = \"GONE\" }"),
        Err("the environment variable GONE is not set".to_owned())
    );
    assert_eq!(
        token("{ exec = [\"sh\", \"-c\", \"echo printed; echo\"] }"),
        found("printed")
    );
    let failed = token("{ exec = [\"false\"] }").expect_err("it fails");
    assert!(failed.starts_with("`false` failed"), "{failed}");
    let missing = token("{ file = \"no/such\" }").expect_err("missing");
    assert!(
        missing.starts_with("cannot read /etc/x/no/such"),
        "{missing}"
    );
}

#[test]
fn the_home_and_the_file_are_found_as_documented() {
    let home = |pairs: [(&str, &str); 2]| {
        let environment = Environment::from_pairs(pairs);
        Home::locate(&environment).dir().display().to_string()
    };
    assert_eq!(home([("LOONG_HOME", "/l"), ("HOME", "/h")]), "/l");
    assert_eq!(home([("LOONG_HOME", " "), ("HOME", "/h")]), "/h/.loong");
    assert_eq!(home([("USERPROFILE", "/u"), ("x", "")]), "/u/.loong");
    assert_eq!(home([("x", ""), ("y", "")]), "./.loong");

    let environment = Environment::from_pairs([("HOME", "/h"), ("LOONG_CONFIG_PATH", "~/c.toml")]);
    let home = Home::locate(&environment);
    assert_eq!(
        ConfigPlace::locate(None, &environment, &home),
        ConfigPlace::Named("/h/c.toml".into())
    );
    assert_eq!(
        ConfigPlace::locate(Some("loong.toml"), &environment, &home),
        ConfigPlace::Named("loong.toml".into())
    );
    let bare = Environment::from_pairs([("HOME", "/h")]);
    assert_eq!(
        ConfigPlace::locate(None, &bare, &home),
        ConfigPlace::Default("/h/.loong/config.toml".into())
    );
}

#[test]
fn keys_lie_outside_of_the_session() {
    let config = Config::empty(
        Environment::default(),
        Home::locate(&Environment::default()),
    );
    let account = config.whatsapp(None, &none()).expect("the account");
    assert!(
        !account
            .generated_key_file
            .starts_with(&account.auth_dir.value)
    );
    assert_eq!(
        config.home.key_file(Surface::WhatsAppPersonal, "a"),
        Path::new("./.loong/keys/whatsapp-personal-a.key")
    );
}
