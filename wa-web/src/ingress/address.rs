//! One name for each person: the phone number where it is known, the hidden id
//! (LID) otherwise.

use bridge_core::message::{ChatId, ChatKind};
use whatsapp_rust::{
    Client, Jid,
    wacore::types::message::{MessageCategory, MessageInfo},
    wacore_binary::JidExt as _,
};

use super::classify::{Address, Origin};
use crate::jid;

/// Resolves who wrote where. `None` for traffic that no person addressed to this
/// account: status posts, newsletters, broadcast lists and peer messages.
pub(crate) async fn origin(client: &Client, info: &MessageInfo) -> Option<Origin> {
    let source = &info.source;
    if info.category == MessageCategory::Peer || !jid::is_conversation(&source.chat) {
        return None;
    }
    let own = own_addresses(client);
    let kind = if source.is_group || source.chat.is_group() {
        ChatKind::Group
    } else {
        ChatKind::Contact
    };
    let sender = address(client, &source.sender, source.sender_alt.as_ref()).await;
    let chat = match kind {
        ChatKind::Group => Address {
            canonical: jid::chat_id(&source.chat),
            aliases: Vec::new(),
        },
        ChatKind::Contact if source.is_from_me => {
            let alias = source
                .recipient_alt
                .as_ref()
                .or(info.peer_recipient_pn.as_ref());
            address(client, &source.chat, alias).await
        }
        ChatKind::Contact => sender.clone(),
    };
    Some(Origin {
        chat,
        kind,
        sender,
        id: info.id.clone(),
        timestamp_ms: u64::try_from(info.timestamp.timestamp_millis()).unwrap_or(0),
        sender_name: Some(info.push_name.trim().to_owned()).filter(|n| !n.is_empty()),
        from_me: source.is_from_me,
        own,
    })
}

fn own_addresses(client: &Client) -> Vec<ChatId> {
    [client.pn(), client.lid()]
        .into_iter()
        .flatten()
        .map(|own| jid::chat_id(&own))
        .collect()
}

async fn address(client: &Client, who: &Jid, alternative: Option<&Jid>) -> Address {
    let mut names = vec![jid::chat_id(who)];
    names.extend(alternative.map(jid::chat_id));
    if names.len() == 1
        && let Ok(Some(entry)) = client.get_lid_pn_entry(&who.to_non_ad()).await
    {
        names.push(jid::chat_id(&Jid::pn(&*entry.phone_number)));
        names.push(jid::chat_id(&Jid::lid(&*entry.lid)));
    }
    let number = names.iter().position(jid::is_number).unwrap_or(0);
    let canonical = names.swap_remove(number);
    names.retain(|name| *name != canonical);
    names.dedup();
    Address {
        canonical,
        aliases: names,
    }
}
