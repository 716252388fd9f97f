//! What follows from an outbox record.

use loong_proto::store::{OutboxPart, OutboxRecord, OutboxState as PartState};
use sha2::{Digest as _, Sha256};

use super::{OutboxItem, OutboxState, SendReceipt, SendState};
use crate::{
    driver::{DeliveryProof, SendFailure, SendOutcome},
    message::ChatId,
};

/// The longest reason that is kept, in characters.
const REASON_CHARS: usize = 300;

pub(super) fn digest(text: &str) -> Vec<u8> {
    Sha256::digest(text).to_vec()
}

/// A part that has not been handed over.
pub(super) fn part(message_id: String, text: String) -> OutboxPart {
    OutboxPart {
        message_id,
        text,
        ..OutboxPart::default()
    }
}

pub(super) fn is_acked(part: &OutboxPart) -> bool {
    part.state() == PartState::Acked
}

pub(super) fn is_queued(part: &OutboxPart) -> bool {
    part.state() == PartState::Queued
}

fn failure(part: &OutboxPart) -> Option<SendFailure> {
    match part.state() {
        PartState::NoRecipient => Some(SendFailure::NoRecipient),
        PartState::Refused => Some(SendFailure::Refused),
        PartState::Invalid => Some(SendFailure::Invalid),
        PartState::Queued | PartState::Handed | PartState::Acked | PartState::Uncertain => None,
    }
}

/// How a send stands when nothing of it is on its way.
pub(super) fn state(record: &OutboxRecord) -> SendState {
    if let Some(failure) = record.parts.iter().find_map(failure) {
        SendState::Failed(failure)
    } else if record.parts.iter().all(is_acked) {
        SendState::Acked
    } else if record.parts.iter().all(is_queued) {
        SendState::NotSent
    } else {
        SendState::Uncertain
    }
}

/// Whether the result will not change by repeating the key.
pub(super) fn is_final(record: &OutboxRecord) -> bool {
    match state(record) {
        SendState::Acked | SendState::Failed(_) => true,
        SendState::Uncertain | SendState::NotSent => false,
    }
}

/// Why it is not acked: what was said about the first part that is not.
fn reason(record: &OutboxRecord) -> Option<String> {
    let (at, part) = record
        .parts
        .iter()
        .enumerate()
        .find(|(_, part)| !is_acked(part))?;
    let why = part
        .reason
        .clone()
        .unwrap_or_else(|| "no answer yet".to_owned());
    Some(if record.parts.len() == 1 {
        why
    } else {
        format!("part {} of {}: {why}", at + 1, record.parts.len())
    })
}

pub(super) fn receipt(record: &OutboxRecord, repeated: bool, other_text: bool) -> SendReceipt {
    SendReceipt {
        key: record.key.clone(),
        message_ids: message_ids(record),
        state: state(record),
        repeated,
        other_text,
        reason: reason(record),
    }
}

pub(super) fn item(record: &OutboxRecord, in_flight: bool) -> OutboxItem {
    let handed = record
        .parts
        .iter()
        .any(|part| part.state() == PartState::Handed);
    OutboxItem {
        key: record.key.clone(),
        chat: ChatId::from_canonical(record.chat.clone()),
        state: match state(record) {
            SendState::NotSent if in_flight => OutboxState::Queued,
            SendState::Uncertain if in_flight && handed => OutboxState::Handed,
            SendState::NotSent => OutboxState::NotSent,
            SendState::Uncertain => OutboxState::Uncertain,
            SendState::Acked => OutboxState::Acked,
            SendState::Failed(failure) => OutboxState::Failed(failure),
        },
        message_ids: message_ids(record),
        parts_acked: record.parts.iter().filter(|part| is_acked(part)).count(),
        created_ms: record.created_ms,
        updated_ms: record.updated_ms,
        requests: record.requests,
        reason: reason(record),
    }
}

fn message_ids(record: &OutboxRecord) -> Vec<String> {
    record
        .parts
        .iter()
        .map(|part| part.message_id.clone())
        .collect()
}

/// Notes that a part is about to be handed over.
pub(super) fn hand(part: &mut OutboxPart, now_ms: u64) {
    if !is_acked(part) {
        part.set_state(PartState::Handed);
        part.handed_ms = Some(now_ms);
    }
}

/// Notes the messenger's answer. `before` is how the part stood before it was
/// handed over this time: that nothing was sent now does not undo that something
/// was sent then.
pub(super) fn answer(part: &mut OutboxPart, before: PartState, outcome: &SendOutcome, now_ms: u64) {
    if is_acked(part) {
        // A proof was faster.
        return;
    }
    match outcome {
        SendOutcome::Acked { server_ms } => ack(part, server_ms.unwrap_or(now_ms)),
        SendOutcome::NotSent { reason } => {
            part.set_state(match before {
                PartState::Queued => PartState::Queued,
                _ => PartState::Uncertain,
            });
            part.reason = Some(short(reason));
        }
        SendOutcome::Uncertain { reason } => {
            part.set_state(PartState::Uncertain);
            part.reason = Some(short(reason));
        }
        SendOutcome::Failed { failure, reason } => {
            part.set_state(match failure {
                SendFailure::NoRecipient => PartState::NoRecipient,
                SendFailure::Refused => PartState::Refused,
                SendFailure::Invalid => PartState::Invalid,
            });
            part.reason = Some(short(reason));
        }
    }
}

/// Notes what the messenger said later. Returns whether it changed anything.
pub(super) fn prove(part: &mut OutboxPart, proof: DeliveryProof, now_ms: u64) -> bool {
    if is_acked(part) {
        return false;
    }
    match proof {
        DeliveryProof::ServerAck | DeliveryProof::Delivered | DeliveryProof::Read => {
            ack(part, now_ms);
        }
        DeliveryProof::ServerRefused if failure(part).is_some() => return false,
        DeliveryProof::ServerRefused => {
            part.set_state(PartState::Refused);
            part.reason = Some("the server refused it".to_owned());
        }
    }
    true
}

/// Notes that the process ended while the send was on its way. What was queued
/// then may have been handed over after the last write that reached the disk.
pub(super) fn interrupt(record: &mut OutboxRecord) -> bool {
    let open = record
        .parts
        .iter_mut()
        .find(|part| matches!(part.state(), PartState::Queued | PartState::Handed));
    match open {
        Some(part) => {
            part.set_state(PartState::Uncertain);
            part.reason = Some("the bridge stopped while it was being sent".to_owned());
            true
        }
        None => false,
    }
}

fn ack(part: &mut OutboxPart, at_ms: u64) {
    part.set_state(PartState::Acked);
    part.acked_ms = Some(at_ms);
    part.text.clear();
    part.reason = None;
}

fn short(reason: &str) -> String {
    reason.chars().take(REASON_CHARS).collect()
}
