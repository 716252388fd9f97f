//! What holds for every file.

use proptest::prelude::*;

use super::{parse, parse_in};
use crate::config::{BridgeEndpoint, Environment, Overrides, SecretRef};

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,200}") {
        let _refused = parse(&text);
    }

    #[test]
    fn no_value_panics_and_places_lie_in_the_file(
        key in "(enabled|bridge_url|auth_dir_env|allowed_chat_ids|accounts|bridge_access_token|x)",
        value in "(true|1|\"\\PC{0,20}\"|\\[1\\]|\\{ env = \"\\PC{0,9}\" \\}|\\{ \\})",
    ) {
        let text = format!("\n[whatsapp_personal]\n  {key} = {value}\n");
        if let Err(crate::config::ConfigError::Invalid { issues, .. }) = parse(&text) {
            for issue in issues {
                prop_assert_eq!(issue.at.line, 3);
                prop_assert!(issue.at.column >= 3);
            }
        }
    }

    #[test]
    fn the_first_place_that_speaks_decides(
        flag in proptest::option::of("[a-z]{1,5}"),
        own in proptest::option::of("[a-z]{0,5}"),
        root in proptest::option::of("[a-z]{0,5}"),
        variable in "[a-z]{0,5}",
    ) {
        let line = |value: &Option<String>| {
            value.as_ref().map(|text| format!("proxy = \"{text}\"\n")).unwrap_or_default()
        };
        let text = format!(
            "[whatsapp_personal]\n{}[whatsapp_personal.accounts.a]\n{}", line(&root), line(&own)
        );
        let environment = Environment::from_pairs([("LOONG_WHATSAPP_PROXY", variable.as_str())]);
        let config = parse_in(environment, &text).expect("valid");
        let flags = Overrides { proxy: flag.clone(), ..Overrides::default() };
        let found = config.whatsapp(None, &flags).expect("the account").proxy.map(|p| p.value);
        let expected = flag
            .or(own.filter(|text| !text.is_empty()))
            .or(root.filter(|text| !text.is_empty()))
            .or(Some(variable).filter(|text| !text.is_empty()));
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn only_loopback_is_ever_listened_on(text in "\\PC{0,40}") {
        if let Ok(endpoint) = BridgeEndpoint::parse(&text) {
            prop_assert!(endpoint.ip.is_loopback());
            prop_assert!(endpoint.path.starts_with('/'));
            prop_assert_eq!(BridgeEndpoint::parse(&endpoint.to_string()), Ok(endpoint));
        }
    }

    #[test]
    fn secrets_never_print(text in "[a-zA-Z0-9]{8,30}") {
        let secret = SecretRef::from_text(&text);
        let printed = format!("{secret:?}");
        prop_assert!(!printed.contains(&text));
    }
}
