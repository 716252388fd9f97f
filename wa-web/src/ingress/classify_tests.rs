use whatsapp_rust::waproto::buffa::MessageField;

use super::*;

fn id(text: &str) -> ChatId {
    ChatId::from_canonical(text)
}

fn address(text: &str) -> Address {
    Address {
        canonical: id(text),
        aliases: Vec::new(),
    }
}

fn from(sender: &str) -> Origin {
    Origin {
        chat: address(sender),
        kind: ChatKind::Contact,
        sender: address(sender),
        id: "3EB0AA".to_owned(),
        timestamp_ms: 1_000,
        sender_name: Some("Ann".to_owned()),
        from_me: false,
        own: vec![id("15550001@s.whatsapp.net"), id("900@lid")],
    }
}

fn text(body: &str) -> wa::Message {
    wa::Message {
        conversation: Some(body.to_owned()),
        ..wa::Message::default()
    }
}

fn wrapped(inner: wa::Message) -> MessageField<wa::message::FutureProofMessage> {
    MessageField::some(wa::message::FutureProofMessage {
        message: MessageField::some(inner),
    })
}

fn shown(message: &wa::Message) -> Option<(ContentKind, String)> {
    match classify(message, &from("15550002@s.whatsapp.net"))? {
        InboundEvent::Message(m) => Some((m.content, m.text)),
        other => panic!("not a message: {other:?}"),
    }
}

#[test]
fn plain_and_extended_texts_are_texts() {
    assert_eq!(
        shown(&text("hi")),
        Some((ContentKind::Text, "hi".to_owned()))
    );
    let extended = wa::Message {
        extended_text_message: MessageField::some(wa::message::ExtendedTextMessage {
            text: Some("hi".to_owned()),
            ..Default::default()
        }),
        ..Default::default()
    };
    assert_eq!(shown(&extended), Some((ContentKind::Text, "hi".to_owned())));
}

#[test]
fn wrappers_are_peeled_in_any_order() {
    let view_once = wa::Message {
        view_once_message_v2: wrapped(text("secret")),
        ..Default::default()
    };
    let ephemeral = wa::Message {
        ephemeral_message: wrapped(view_once),
        ..Default::default()
    };
    assert_eq!(
        shown(&ephemeral),
        Some((ContentKind::Text, "secret".to_owned()))
    );
}

#[test]
fn endless_wrapping_is_given_up_without_harm() {
    let mut message = text("deep");
    for _ in 0..100 {
        message = wa::Message {
            ephemeral_message: wrapped(message),
            ..Default::default()
        };
    }
    assert_eq!(shown(&message), None);
}

#[test]
fn media_become_placeholders_with_captions() {
    let image = wa::Message {
        image_message: MessageField::some(wa::message::ImageMessage {
            caption: Some("the cat".to_owned()),
            ..Default::default()
        }),
        ..Default::default()
    };
    assert_eq!(
        shown(&image),
        Some((ContentKind::Image, "[image] the cat".to_owned()))
    );
    let document = wa::Message {
        document_with_caption_message: wrapped(wa::Message {
            document_message: MessageField::some(wa::message::DocumentMessage {
                file_name: Some("bill.pdf".to_owned()),
                caption: Some("March".to_owned()),
                ..Default::default()
            }),
            ..Default::default()
        }),
        ..Default::default()
    };
    assert_eq!(
        shown(&document),
        Some((
            ContentKind::Document,
            "[document] bill.pdf March".to_owned()
        ))
    );
    let sticker = wa::Message {
        sticker_message: MessageField::some(wa::message::StickerMessage::default()),
        ..Default::default()
    };
    assert_eq!(
        shown(&sticker),
        Some((ContentKind::Sticker, "[sticker]".to_owned()))
    );
}

#[test]
fn reactions_and_key_traffic_are_no_messages() {
    let reaction = wa::Message {
        reaction_message: MessageField::some(wa::message::ReactionMessage {
            text: Some("👍".to_owned()),
            ..Default::default()
        }),
        ..Default::default()
    };
    assert_eq!(shown(&reaction), None);
    assert_eq!(shown(&wa::Message::default()), None);
    assert_eq!(shown(&text("  \n")), None);
}

fn protocol(kind: Type, edited: Option<wa::Message>) -> wa::Message {
    wa::Message {
        protocol_message: MessageField::some(wa::message::ProtocolMessage {
            key: MessageField::some(wa::MessageKey {
                id: Some("OLD".to_owned()),
                ..Default::default()
            }),
            r#type: Some(kind),
            edited_message: edited.map_or_else(MessageField::none, MessageField::some),
            ..Default::default()
        }),
        ..Default::default()
    }
}

#[test]
fn edits_and_deletes_name_their_target() {
    let origin = from("15550002@s.whatsapp.net");
    let edit = protocol(Type::MESSAGE_EDIT, Some(text("better")));
    let edit = wa::Message {
        edited_message: wrapped(edit),
        ..Default::default()
    };
    assert!(matches!(
        classify(&edit, &origin),
        Some(InboundEvent::Edit { target_id, text, .. }) if target_id == "OLD" && text == "better"
    ));
    assert!(matches!(
        classify(&protocol(Type::REVOKE, None), &origin),
        Some(InboundEvent::Revoke { target_id, .. }) if target_id == "OLD"
    ));
    assert_eq!(
        classify(&protocol(Type::EPHEMERAL_SETTING, None), &origin),
        None
    );
}

#[test]
fn own_words_to_others_are_not_mail_but_notes_to_self_are() {
    let mut origin = from("15550001@s.whatsapp.net");
    origin.from_me = true;
    origin.chat = address("15550002@s.whatsapp.net");
    assert_eq!(classify(&text("to a friend"), &origin), None);
    origin.chat = Address {
        canonical: id("77@lid"),
        aliases: vec![id("900@lid")],
    };
    assert!(matches!(
        classify(&text("to me"), &origin),
        Some(InboundEvent::Message(m)) if m.note_to_self
    ));
}

#[test]
fn quotes_and_mentions_are_passed_on() {
    let message = wa::Message {
        extended_text_message: MessageField::some(wa::message::ExtendedTextMessage {
            text: Some("@you see above".to_owned()),
            context_info: MessageField::some(wa::ContextInfo {
                stanza_id: Some("Q1".to_owned()),
                participant: Some("15550003@s.whatsapp.net".to_owned()),
                mentioned_jid: vec!["900@lid".to_owned()],
                ..Default::default()
            }),
            ..Default::default()
        }),
        ..Default::default()
    };
    let Some(InboundEvent::Message(m)) = classify(&message, &from("15550002@s.whatsapp.net"))
    else {
        panic!("no message")
    };
    assert_eq!(m.quoted_id.as_deref(), Some("Q1"));
    assert_eq!(m.quoted_sender, Some(id("15550003@s.whatsapp.net")));
    assert!(m.mentions_me);
}
