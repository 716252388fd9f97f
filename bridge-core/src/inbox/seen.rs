//! The chats that wrote to the account: what an operator picks an allowlist from.

use std::collections::{HashMap, HashSet};

use super::{SeenChat, store::Store};
use crate::{
    message::{ChatId, ChatKind, InboundMessage},
    policy::Verdict,
    vault::Batch,
};

/// The longest name that is kept, in characters.
const NAME_CHARS: usize = 120;

/// A message, as far as the list of chats needs to know it.
#[derive(Debug)]
pub(super) struct Sighting {
    chat: ChatId,
    kind: ChatKind,
    name: Option<String>,
    verdict: Verdict,
}

impl Sighting {
    pub(super) fn of(message: &InboundMessage, verdict: Verdict) -> Self {
        let name = match message.chat_kind {
            ChatKind::Group => message.chat_name.as_ref(),
            ChatKind::Contact => message.chat_name.as_ref().or(message.sender_name.as_ref()),
        };
        Self {
            chat: message.chat.clone(),
            kind: message.chat_kind,
            name: name.map(|name| name.chars().take(NAME_CHARS).collect()),
            verdict,
        }
    }
}

/// A bounded table of chats.
#[derive(Debug, Default)]
pub(super) struct SeenChats(HashMap<ChatId, SeenChat>);

impl SeenChats {
    pub(super) fn new(chats: Vec<SeenChat>) -> Self {
        let by_id = chats.into_iter().map(|seen| (seen.chat.clone(), seen));
        Self(by_id.collect())
    }

    /// Notes new messages, and adds to `batch` what changed. Beyond `limit` the
    /// chats that have been quiet for longest are forgotten.
    pub(super) fn note(
        &mut self,
        sightings: Vec<Sighting>,
        limit: usize,
        now_ms: u64,
        store: &Store,
        batch: &mut Batch,
    ) {
        let mut touched = HashSet::new();
        for sighting in sightings {
            touched.insert(sighting.chat.clone());
            let seen = self
                .0
                .entry(sighting.chat.clone())
                .or_insert_with(|| SeenChat {
                    chat: sighting.chat,
                    chat_kind: sighting.kind,
                    name: None,
                    first_ms: now_ms,
                    last_ms: now_ms,
                    count: 0,
                    last_verdict: sighting.verdict,
                });
            seen.last_ms = now_ms;
            seen.count = seen.count.saturating_add(1);
            seen.last_verdict = sighting.verdict;
            seen.name = sighting.name.or_else(|| seen.name.take());
        }
        while self.0.len() > limit.max(1) {
            let Some(quiet) = self.quietest() else { break };
            self.0.remove(&quiet);
            touched.remove(&quiet);
            store.delete_chat(batch, &quiet);
        }
        for seen in touched.iter().filter_map(|chat| self.0.get(chat)) {
            store.put_chat(batch, seen);
        }
    }

    /// The chats, the one that wrote last first.
    pub(super) fn list(&self) -> Vec<SeenChat> {
        let mut chats: Vec<SeenChat> = self.0.values().cloned().collect();
        chats.sort_by(|a, b| b.last_ms.cmp(&a.last_ms).then_with(|| a.chat.cmp(&b.chat)));
        chats
    }

    fn quietest(&self) -> Option<ChatId> {
        let quiet = self
            .0
            .values()
            .min_by_key(|seen| (seen.last_ms, seen.count));
        quiet.map(|seen| seen.chat.clone())
    }
}
