//! `session status`, from the bridge's JSON.

use std::fmt::Write as _;

use serde_json::Value;

use crate::terminal::plain;

/// What to show of the counts, in this order.
const INBOX: [(&str, &str); 5] = [
    ("pending", "pending"),
    ("leased", "being worked on"),
    ("parked", "parked"),
    ("quarantined", "quarantined"),
    ("refused", "refused"),
];

pub(super) fn as_json(answer: &Value) -> String {
    serde_json::to_string_pretty(answer).unwrap_or_default()
}

/// One block per account.
pub(super) fn as_text(answer: &Value) -> String {
    let accounts = answer["accounts"].as_array();
    let blocks: Vec<String> = accounts.into_iter().flatten().map(account).collect();
    blocks.join("\n\n")
}

fn account(account: &Value) -> String {
    let text = |key: &str| account[key].as_str().map(plain);
    let mut block = String::new();
    let mut row = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            // Writing to a String cannot fail.
            let _infallible = writeln!(block, "{name:<9} {value}");
        }
    };
    row("account:", text("configured_account_id"));
    row("state:", text("state"));
    row("cause:", text("cause"));
    row("linked:", linked(&account["linked_account"]));
    row("inbox:", counts(&account["inbox"]));
    row("allowed:", Some(allowed(&account["allowlist"])));
    row("next:", text("advice"));
    block.trim_end().to_owned()
}

fn linked(account: &Value) -> Option<String> {
    let address = account["address"].as_str()?;
    let number = plain(address.split('@').next().unwrap_or_default());
    Some(match account["name"].as_str() {
        Some(name) => format!("{} (+{number})", plain(name)),
        None => format!("+{number}"),
    })
}

fn counts(inbox: &Value) -> Option<String> {
    inbox.as_object()?;
    let parts = INBOX
        .iter()
        .filter_map(|(key, word)| Some(format!("{} {word}", inbox[key].as_u64()?)));
    Some(parts.collect::<Vec<_>>().join(", "))
}

fn allowed(list: &Value) -> String {
    match list.as_array() {
        None => "nobody yet; messages wait in quarantine".to_owned(),
        Some(entries) if entries.iter().any(|entry| entry == "*") => "everyone".to_owned(),
        Some(entries) => format!("{} named", entries.len()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_account_reads_as_a_block() {
        let answer = json!({ "accounts": [{
            "configured_account_id": "default",
            "state": "replaced",
            "cause": "another client took this session over",
            "advice": "stop the other client",
            "linked_account": { "address": "15551234567@s.whatsapp.net", "name": "A\u{1b}[31m" },
            "inbox": { "pending": 2, "leased": 1, "parked": 0, "quarantined": 7, "refused": 3 },
            "allowlist": ["+1555", "x@g.us"],
        }]});
        assert_eq!(
            as_text(&answer),
            "account:  default\n\
             state:    replaced\n\
             cause:    another client took this session over\n\
             linked:   A\\u{1b}[31m (+15551234567)\n\
             inbox:    2 pending, 1 being worked on, 0 parked, 7 quarantined, 3 refused\n\
             allowed:  2 named\n\
             next:     stop the other client"
        );
    }

    #[test]
    fn missing_members_are_left_out() {
        let answer = json!({ "accounts": [{ "configured_account_id": "a", "state": "unlinked" }] });
        assert_eq!(
            as_text(&answer),
            "account:  a\nstate:    unlinked\nallowed:  nobody yet; messages wait in quarantine"
        );
        assert_eq!(as_text(&json!({})), "");
    }
}
