//! What the original client decodes, as strictly as it does: a missing member
//! without a default fails the whole batch, unknown members are ignored.

use serde::{Deserialize, Serialize};

#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Batch {
    pub(crate) messages: Vec<Inbound>,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
pub(crate) struct Inbound {
    pub(crate) session: Session,
    pub(crate) reply_target: Target,
    pub(crate) text: String,
    pub(crate) delivery: Delivery,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
pub(crate) struct Session {
    pub(crate) platform: Platform,
    pub(crate) configured_account_id: Option<String>,
    pub(crate) account_id: Option<String>,
    pub(crate) conversation_id: String,
    pub(crate) participant_id: Option<String>,
    pub(crate) thread_id: Option<String>,
    #[serde(default)]
    pub(crate) identity_participant_scoped: bool,
    #[serde(default)]
    pub(crate) identity_thread_scoped: bool,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Platform {
    WhatsApp,
    Weixin,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Conversation,
    MessageReply,
    ReceiveId,
    Address,
    Endpoint,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
pub(crate) struct Target {
    pub(crate) platform: Platform,
    pub(crate) kind: Kind,
    pub(crate) id: String,
    pub(crate) options: Options,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
pub(crate) struct Options {
    pub(crate) idempotency_key: Option<String>,
    pub(crate) feishu_receive_id_type: Option<String>,
    pub(crate) feishu_reply_in_thread: Option<bool>,
    pub(crate) feishu_reply_chat_id: Option<String>,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
pub(crate) struct Delivery {
    pub(crate) ack_cursor: Option<String>,
    pub(crate) source_message_id: Option<String>,
    pub(crate) sender_principal_key: Option<String>,
    pub(crate) thread_root_id: Option<String>,
    pub(crate) parent_message_id: Option<String>,
    pub(crate) resources: Vec<Resource>,
    pub(crate) feishu_callback: Option<serde_json::Map<String, serde_json::Value>>,
    pub(crate) acp_bootstrap_mcp_servers: Vec<String>,
    pub(crate) acp_working_directory: Option<String>,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
pub(crate) struct Resource {
    pub(crate) resource_type: String,
    pub(crate) file_key: String,
    pub(crate) file_name: Option<String>,
}
