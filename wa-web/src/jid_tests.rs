use proptest::prelude::*;

use super::*;

const ANA: &str = "15551234567@s.whatsapp.net";

fn contact(id: &str) -> Result<String, String> {
    canonical(ChatKind::Contact, id)
        .map(|chat| chat.to_string())
        .map_err(|error| error.reason)
}

fn group(id: &str) -> Result<String, String> {
    canonical(ChatKind::Group, id)
        .map(|chat| chat.to_string())
        .map_err(|error| error.reason)
}

fn entry(text: &str) -> Vec<String> {
    allow_entry(text).iter().map(ToString::to_string).collect()
}

#[test]
fn a_person_has_one_id_however_they_are_written() {
    for id in [
        "+1 (555) 123-4567",
        "15551234567",
        "15551234567@s.whatsapp.net",
        " 15551234567@c.us ",
        "15551234567@S.WhatsApp.net",
        "+15551234567@s.whatsapp.net",
        "15551234567@hosted",
    ] {
        assert_eq!(contact(id).as_deref(), Ok(ANA), "{id:?}");
    }
    assert_eq!(
        contact("98765432101234@lid").as_deref(),
        Ok("98765432101234@lid")
    );
    assert_eq!(
        contact("98765432101234@hosted.lid").as_deref(),
        Ok("98765432101234@lid")
    );
}

#[test]
fn groups_need_no_server() {
    for id in ["120363012345678901@g.us", "120363012345678901"] {
        assert_eq!(group(id).as_deref(), Ok("120363012345678901@g.us"));
    }
    for id in ["15551234567-1630000000@g.us", "15551234567-1630000000"] {
        assert_eq!(group(id).as_deref(), Ok("15551234567-1630000000@g.us"));
    }
}

#[test]
fn devices_are_refused_and_the_person_is_named() {
    let error = contact("15551234567:12@s.whatsapp.net").unwrap_err();
    assert!(error.contains("use 15551234567@s.whatsapp.net"), "{error}");
    let error = contact("15551234567.0:12@s.whatsapp.net").unwrap_err();
    assert!(error.contains("use 15551234567@s.whatsapp.net"), "{error}");
}

#[test]
fn the_wrong_kind_is_refused() {
    assert!(
        contact("120363012345678901@g.us")
            .unwrap_err()
            .contains("is a group")
    );
    assert!(
        contact("120363012345678901")
            .unwrap_err()
            .contains("id of a group")
    );
    assert!(group(ANA).unwrap_err().contains("is a contact"));
    assert!(
        group("+15551234567")
            .unwrap_err()
            .contains("not the id of a group")
    );
}

#[test]
fn places_without_people_are_refused() {
    for (id, word) in [
        ("status@broadcast", "status"),
        ("123@broadcast", "broadcast"),
        ("120363@newsletter", "channel"),
        ("13135550002@bot", "not an address"),
        ("ana@example.org", "not an address"),
        ("ana@lid", "not a number"),
        ("@s.whatsapp.net", "country code"),
        ("0555123456", "country code"),
        ("", "empty"),
    ] {
        let error = contact(id).unwrap_err();
        assert!(error.contains(word), "{id:?}: {error}");
    }
}

#[test]
fn digits_alone_in_an_allowlist_mean_both_kinds() {
    assert_eq!(entry("15551234567"), [ANA, "15551234567@g.us"]);
    assert_eq!(entry("+15551234567"), [ANA]);
    assert_eq!(entry("120363012345678901"), ["120363012345678901@g.us"]);
    assert_eq!(
        entry("15551234567-1630000000"),
        ["15551234567-1630000000@g.us"]
    );
    assert_eq!(
        entry("120363012345678901@g.us"),
        ["120363012345678901@g.us"]
    );
    assert_eq!(entry("98765432101234@lid"), ["98765432101234@lid"]);
    assert!(entry("15551234567:2@s.whatsapp.net").is_empty());
    assert!(entry("everybody").is_empty());
}

#[test]
fn numbers_are_shown_with_a_plus() {
    assert_eq!(display(&ChatId::from_canonical(ANA)), "+15551234567");
    assert_eq!(display(&ChatId::from_canonical("1@lid")), "1@lid");
    assert_eq!(display(&ChatId::from_canonical("1203@g.us")), "1203@g.us");
}

#[test]
fn wire_addresses_lose_device_and_hosting() {
    for (wire, id) in [
        ("15551234567:3@s.whatsapp.net", Some(ANA)),
        ("15551234567:99@hosted", Some(ANA)),
        ("15551234567@c.us", Some(ANA)),
        ("98765432101234:4@lid", Some("98765432101234@lid")),
        ("120363012345678901@g.us", Some("120363012345678901@g.us")),
        ("status@broadcast", None),
        ("0@s.whatsapp.net", None),
        ("120363@newsletter", None),
        ("s.whatsapp.net", None),
        ("nonsense", None),
    ] {
        let parsed = parse_bare(wire);
        assert_eq!(parsed.as_ref().map(ChatId::as_str), id, "{wire}");
    }
}

proptest! {
    #[test]
    fn nothing_panics_and_canonical_ids_are_stable(text in "\\PC{0,40}") {
        for kind in [ChatKind::Contact, ChatKind::Group] {
            if let Ok(chat) = canonical(kind, &text) {
                prop_assert_eq!(canonical(kind, chat.as_str()), Ok(chat.clone()));
            }
        }
        let _ids = allow_entry(&text);
        let _wire = parse_bare(&text);
    }

    #[test]
    fn ids_survive_the_way_through_the_library(
        user in "[1-9][0-9]{6,14}",
        device in 0u16..100,
        server in prop::sample::select(vec!["s.whatsapp.net", "lid", "g.us"]),
    ) {
        let chat = ChatId::from_canonical(format!("{user}@{server}"));
        let jid = to_jid(&chat).expect("a canonical id");
        prop_assert_eq!(&chat_id(&jid), &chat);
        prop_assert_eq!(&chat_id(&jid.with_device(device)), &chat);
        let parsed = parse_bare(&jid.to_string());
        prop_assert_eq!(parsed.as_ref(), Some(&chat));
        let kind = if server == "g.us" { ChatKind::Group } else { ChatKind::Contact };
        prop_assert_eq!(canonical(kind, &display(&chat)).expect("its own display"), chat);
    }
}
