//! The JSON of one inbound message.

use serde::Serialize;

use crate::{
    account::Surface,
    message::{ChatKind, ContentKind, InboundMessage},
    target::kind_name,
};

/// How the message is addressed in this answer: what the request said about its
/// account, and the parts of the target that a reply goes to.
#[derive(Debug, Clone, Copy)]
pub struct Addressing<'a> {
    /// The surface.
    pub surface: Surface,
    /// `session.configured_account_id`, copied from the request.
    pub configured_account_id: &'a str,
    /// `session.account_id`, copied from the request.
    pub account_id: &'a str,
    /// The normalised account in the reply target.
    pub target_account: &'a str,
    /// The chat in the reply target, as the driver displays it.
    pub route: &'a str,
}

/// A message with every member that the original client requires or knows, and
/// ours, which it ignores: `session.sender_name` and `.chat_name`;
/// `delivery.timestamp_ms` (Unix milliseconds), `.content_kind`, `.mentioned`,
/// `.note_to_self` and `.attempt` (1 the first time).
#[derive(Debug, Clone, Serialize)]
pub struct InboundJson<'a> {
    session: Session<'a>,
    reply_target: ReplyTarget<'a>,
    text: &'a str,
    delivery: Delivery<'a>,
}

#[derive(Debug, Clone, Serialize)]
struct Session<'a> {
    platform: &'static str,
    configured_account_id: &'a str,
    account_id: &'a str,
    conversation_id: &'a str,
    participant_id: Option<&'a str>,
    thread_id: Option<&'a str>,
    identity_participant_scoped: bool,
    identity_thread_scoped: bool,
    sender_name: Option<&'a str>,
    chat_name: Option<&'a str>,
}

#[derive(Debug, Clone, Serialize)]
struct ReplyTarget<'a> {
    platform: &'static str,
    kind: &'static str,
    id: String,
    options: Options<'a>,
}

#[derive(Debug, Clone, Serialize)]
struct Options<'a> {
    idempotency_key: &'a str,
    feishu_receive_id_type: Option<()>,
    feishu_reply_in_thread: Option<()>,
    feishu_reply_chat_id: Option<()>,
}

#[derive(Debug, Clone, Serialize)]
struct Delivery<'a> {
    ack_cursor: &'a str,
    source_message_id: &'a str,
    sender_principal_key: &'a str,
    thread_root_id: Option<()>,
    parent_message_id: Option<&'a str>,
    resources: [(); 0],
    feishu_callback: Option<()>,
    acp_bootstrap_mcp_servers: [(); 0],
    acp_working_directory: Option<()>,
    timestamp_ms: u64,
    content_kind: ContentKind,
    mentioned: bool,
    note_to_self: bool,
    attempt: u32,
}

impl<'a> InboundJson<'a> {
    /// Describes `message`. The cursor is also the idempotency key of the reply:
    /// the client sends the reply target back unchanged, so that a second answer
    /// to the same message is recognised.
    #[must_use]
    pub fn new(
        message: &'a InboundMessage,
        cursor: &'a str,
        attempt: u32,
        to: &Addressing<'a>,
    ) -> Self {
        let group = message.chat_kind == ChatKind::Group;
        let kind = kind_name(to.surface, message.chat_kind);
        let channel = to.surface.channel_id();
        Self {
            session: Session {
                platform: to.surface.platform(),
                configured_account_id: to.configured_account_id,
                account_id: to.account_id,
                conversation_id: message.chat.as_str(),
                participant_id: group.then(|| message.sender.as_str()),
                thread_id: None,
                identity_participant_scoped: false,
                identity_thread_scoped: false,
                sender_name: message.sender_name.as_deref(),
                chat_name: message.chat_name.as_deref(),
            },
            reply_target: ReplyTarget {
                platform: to.surface.platform(),
                kind: "conversation",
                id: format!("{channel}:{}:{kind}:{}", to.target_account, to.route),
                options: Options {
                    idempotency_key: cursor,
                    feishu_receive_id_type: None,
                    feishu_reply_in_thread: None,
                    feishu_reply_chat_id: None,
                },
            },
            text: &message.text,
            delivery: delivery(message, cursor, attempt),
        }
    }
}

fn delivery<'a>(message: &'a InboundMessage, cursor: &'a str, attempt: u32) -> Delivery<'a> {
    Delivery {
        ack_cursor: cursor,
        source_message_id: &message.id,
        sender_principal_key: message.sender.as_str(),
        thread_root_id: None,
        parent_message_id: message.quoted_id.as_deref(),
        resources: [],
        feishu_callback: None,
        acp_bootstrap_mcp_servers: [],
        acp_working_directory: None,
        timestamp_ms: message.timestamp_ms,
        content_kind: message.content,
        mentioned: message.mentions_me,
        note_to_self: message.note_to_self,
        attempt,
    }
}
