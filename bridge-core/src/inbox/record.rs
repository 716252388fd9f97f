//! Between the records on disk and our types.

use loong_proto::store::{
    InboxChat, InboxContent, InboxEnd, InboxMessage, InboxPlace, InboxRecord, InboxStanding,
    InboxTombstone, InboxVerdict,
};
use prost::Message as _;

use super::{
    Cursor, InboxError, SeenChat,
    entry::{Entry, Place, Standing},
};
use crate::{
    message::{ChatId, ChatKind, ContentKind, InboundMessage},
    policy::Verdict,
};

pub(super) fn encode(cursor: &Cursor, message: &InboundMessage, standing: &Standing) -> Vec<u8> {
    let record = InboxRecord {
        cursor: cursor.as_str().to_owned(),
        message: Some(message_record(message)),
        standing: Some(standing_record(standing)),
    };
    record.encode_to_vec()
}

pub(super) fn decode(
    number: u64,
    bytes: &[u8],
) -> Result<(Cursor, InboundMessage, Standing), InboxError> {
    let broken = |reason: &str| InboxError::Record {
        record: number.to_string(),
        reason: reason.to_owned(),
    };
    let record = InboxRecord::decode(bytes).map_err(|error| broken(&error.to_string()))?;
    let message = record
        .message
        .ok_or_else(|| broken("there is no message in it"))?;
    let standing = record
        .standing
        .ok_or_else(|| broken("it says not where it stands"))?;
    Ok((
        Cursor::from(record.cursor),
        message_from(message),
        standing_from(standing),
    ))
}

fn message_record(message: &InboundMessage) -> InboxMessage {
    InboxMessage {
        chat: message.chat.as_str().to_owned(),
        chat_aliases: texts(&message.chat_aliases),
        group: message.chat_kind == ChatKind::Group,
        sender: message.sender.as_str().to_owned(),
        sender_aliases: texts(&message.sender_aliases),
        id: message.id.clone(),
        text: message.text.clone(),
        content: content_record(message.content).into(),
        timestamp_ms: message.timestamp_ms,
        sender_name: message.sender_name.clone(),
        chat_name: message.chat_name.clone(),
        quoted_id: message.quoted_id.clone(),
        quoted_sender: message
            .quoted_sender
            .as_ref()
            .map(|id| id.as_str().to_owned()),
        mentions_me: message.mentions_me,
        note_to_self: message.note_to_self,
    }
}

fn message_from(record: InboxMessage) -> InboundMessage {
    InboundMessage {
        content: content_from(record.content()),
        chat: ChatId::from_canonical(record.chat),
        chat_aliases: ids(record.chat_aliases),
        chat_kind: kind(record.group),
        sender: ChatId::from_canonical(record.sender),
        sender_aliases: ids(record.sender_aliases),
        id: record.id,
        text: record.text,
        timestamp_ms: record.timestamp_ms,
        sender_name: record.sender_name,
        chat_name: record.chat_name,
        quoted_id: record.quoted_id,
        quoted_sender: record.quoted_sender.map(ChatId::from_canonical),
        mentions_me: record.mentions_me,
        note_to_self: record.note_to_self,
    }
}

const fn content_record(content: ContentKind) -> InboxContent {
    match content {
        ContentKind::Text => InboxContent::Text,
        ContentKind::Image => InboxContent::Image,
        ContentKind::Video => InboxContent::Video,
        ContentKind::Audio => InboxContent::Audio,
        ContentKind::Document => InboxContent::Document,
        ContentKind::Sticker => InboxContent::Sticker,
        ContentKind::Location => InboxContent::Location,
        ContentKind::Contact => InboxContent::Contact,
        ContentKind::Poll => InboxContent::Poll,
        ContentKind::Other => InboxContent::Other,
    }
}

const fn content_from(content: InboxContent) -> ContentKind {
    match content {
        InboxContent::Text => ContentKind::Text,
        InboxContent::Image => ContentKind::Image,
        InboxContent::Video => ContentKind::Video,
        InboxContent::Audio => ContentKind::Audio,
        InboxContent::Document => ContentKind::Document,
        InboxContent::Sticker => ContentKind::Sticker,
        InboxContent::Location => ContentKind::Location,
        InboxContent::Contact => ContentKind::Contact,
        InboxContent::Poll => ContentKind::Poll,
        InboxContent::Other => ContentKind::Other,
    }
}

fn standing_record(standing: &Standing) -> InboxStanding {
    InboxStanding {
        place: match standing.place {
            Place::Waiting => InboxPlace::Waiting,
            Place::Parked => InboxPlace::Parked,
            Place::Quarantined => InboxPlace::Quarantined,
        }
        .into(),
        received_ms: standing.received_ms,
        accepted: standing.accepted,
        attempts: standing.attempts,
        strikes: standing.strikes,
        failures: standing.failures,
        first_attempt_ms: standing.first_attempt_ms,
        last_attempt_ms: standing.last_attempt_ms,
        retry_at_ms: standing.retry_at_ms,
        last_error: standing.last_error.clone(),
        edited: standing.edited,
    }
}

fn standing_from(record: InboxStanding) -> Standing {
    Standing {
        place: match record.place() {
            InboxPlace::Waiting => Place::Waiting,
            InboxPlace::Parked => Place::Parked,
            InboxPlace::Quarantined => Place::Quarantined,
        },
        received_ms: record.received_ms,
        accepted: record.accepted,
        attempts: record.attempts,
        strikes: record.strikes,
        failures: record.failures,
        first_attempt_ms: record.first_attempt_ms,
        last_attempt_ms: record.last_attempt_ms,
        retry_at_ms: record.retry_at_ms,
        last_error: record.last_error,
        edited: record.edited,
    }
}

/// What stays of `entry` when it is gone.
pub(super) fn tombstone(entry: &Entry, end: InboxEnd, now_ms: u64) -> InboxTombstone {
    InboxTombstone {
        end: end.into(),
        ended_ms: now_ms,
        received_ms: entry.standing.received_ms,
        chat: entry.chat.as_str().to_owned(),
        sender: entry.sender.as_str().to_owned(),
        id: entry.id.clone(),
        attempts: entry.standing.attempts,
        last_error: entry.standing.last_error.clone(),
    }
}

pub(super) fn chat_record(seen: &SeenChat) -> InboxChat {
    InboxChat {
        chat: seen.chat.as_str().to_owned(),
        group: seen.chat_kind == ChatKind::Group,
        name: seen.name.clone(),
        first_ms: seen.first_ms,
        last_ms: seen.last_ms,
        count: seen.count,
        last_verdict: match seen.last_verdict {
            Verdict::Deliver => InboxVerdict::Deliver,
            Verdict::Quarantine => InboxVerdict::Quarantine,
            Verdict::Refuse => InboxVerdict::Refuse,
        }
        .into(),
    }
}

pub(super) fn chat_from(record: InboxChat) -> SeenChat {
    SeenChat {
        last_verdict: match record.last_verdict() {
            InboxVerdict::Deliver => Verdict::Deliver,
            InboxVerdict::Quarantine => Verdict::Quarantine,
            InboxVerdict::Refuse => Verdict::Refuse,
        },
        chat: ChatId::from_canonical(record.chat),
        chat_kind: kind(record.group),
        name: record.name,
        first_ms: record.first_ms,
        last_ms: record.last_ms,
        count: record.count,
    }
}

const fn kind(group: bool) -> ChatKind {
    if group {
        ChatKind::Group
    } else {
        ChatKind::Contact
    }
}

fn texts(ids: &[ChatId]) -> Vec<String> {
    ids.iter().map(|id| id.as_str().to_owned()).collect()
}

fn ids(texts: Vec<String>) -> Vec<ChatId> {
    texts.into_iter().map(ChatId::from_canonical).collect()
}
