//! An in-memory messenger for tests: it records what is sent, answers as it was
//! told to, and lets a test put messages into the bridge.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::watch;

use crate::{
    driver::{
        DeliveryProof, Driver, DriverError, Ingress, IngressError, OutboundPart, SendOutcome,
        TargetError,
    },
    message::{ChatId, ChatKind, ContentKind, InboundEvent, InboundMessage},
    state::{SessionState, SessionStatus},
};

/// How long a held send waits before it gives up as uncertain, like a driver
/// that gets no answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(7);

/// The messenger. A new one is online; every send is acked unless a script says
/// otherwise. Contacts are `DIGITS@s.whatsapp.net`, groups `NAME@g.us`.
pub struct MemoryDriver {
    status: watch::Sender<SessionStatus>,
    held: watch::Sender<bool>,
    changed: watch::Sender<u64>,
    part_chars: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    script: VecDeque<SendOutcome>,
    sent: Vec<OutboundPart>,
    typing: Vec<(ChatId, bool)>,
    read: Vec<(ChatId, Vec<String>)>,
    next_id: u64,
    nudges: u64,
    unlinked: bool,
    ingress: Option<Arc<dyn Ingress>>,
}

impl std::fmt::Debug for MemoryDriver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MemoryDriver")
    }
}

impl Default for MemoryDriver {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryDriver {
    /// A messenger that is online and takes texts of up to 4096 characters.
    #[must_use]
    pub fn new() -> Self {
        let mut status = SessionStatus::starting(0);
        status.state = SessionState::Online;
        Self {
            status: watch::Sender::new(status),
            held: watch::Sender::new(false),
            changed: watch::Sender::new(0),
            part_chars: 4096,
            state: Mutex::default(),
        }
    }

    /// Changes how long one part of a text may be, in characters.
    #[must_use]
    pub const fn with_part_chars(mut self, part_chars: usize) -> Self {
        self.part_chars = part_chars;
        self
    }

    /// Says where arriving messages go.
    pub fn connect(&self, ingress: Arc<dyn Ingress>) {
        self.lock().ingress = Some(ingress);
    }

    /// Publishes a state, with advice where a person has to act.
    pub fn set_state(&self, state: SessionState) {
        self.status.send_modify(|status| {
            status.state = state;
            status.cause = None;
            status.advice = state
                .needs_operator()
                .then(|| format!("look at the session: it is {}", state.name()));
        });
    }

    /// Changes the published status in any way.
    pub fn modify_status(&self, change: impl FnOnce(&mut SessionStatus)) {
        self.status.send_modify(change);
    }

    /// Queues the outcome of the next send that has none yet.
    pub fn script(&self, outcome: SendOutcome) {
        self.lock().script.push_back(outcome);
    }

    /// From now on sends wait until [`MemoryDriver::release`]; one that waits for
    /// 7 s is uncertain.
    pub fn hold(&self) {
        self.held.send_replace(true);
    }

    /// Lets held sends go on.
    pub fn release(&self) {
        self.held.send_replace(false);
    }

    /// Everything that was handed over, in order, repeats included.
    #[must_use]
    pub fn sent(&self) -> Vec<OutboundPart> {
        self.lock().sent.clone()
    }

    /// Waits until at least `count` parts were handed over.
    ///
    /// # Errors
    /// When that does not happen within 10 s.
    pub async fn wait_sent(&self, count: usize) -> Result<Vec<OutboundPart>, DriverError> {
        let mut changed = self.changed.subscribe();
        let enough = changed.wait_for(|_| self.lock().sent.len() >= count);
        match tokio::time::timeout(Duration::from_secs(10), enough).await {
            Ok(Ok(_)) => Ok(self.sent()),
            _ => Err(DriverError::Timeout(10)),
        }
    }

    /// What [`Driver::typing`] was asked for.
    #[must_use]
    pub fn typed(&self) -> Vec<(ChatId, bool)> {
        self.lock().typing.clone()
    }

    /// What [`Driver::mark_read`] was asked for.
    #[must_use]
    pub fn marked_read(&self) -> Vec<(ChatId, Vec<String>)> {
        self.lock().read.clone()
    }

    /// How often [`Driver::nudge`] was called.
    #[must_use]
    pub fn nudges(&self) -> u64 {
        self.lock().nudges
    }

    /// Waits until [`Driver::nudge`] was called at least `count` times.
    ///
    /// # Errors
    /// When that does not happen within 10 s.
    pub async fn wait_nudges(&self, count: u64) -> Result<(), DriverError> {
        let mut changed = self.changed.subscribe();
        let enough = changed.wait_for(|_| self.lock().nudges >= count);
        match tokio::time::timeout(Duration::from_secs(10), enough).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(DriverError::Timeout(10)),
        }
    }

    /// Whether [`Driver::unlink`] was called.
    #[must_use]
    pub fn unlinked(&self) -> bool {
        self.lock().unlinked
    }

    /// Lets events arrive.
    ///
    /// # Errors
    /// As [`Ingress::commit`]. Without a connected bridge nothing happens.
    pub async fn inject(&self, events: Vec<InboundEvent>) -> Result<(), IngressError> {
        let ingress = self.lock().ingress.clone();
        match ingress {
            Some(ingress) => ingress.commit(events).await,
            None => Ok(()),
        }
    }

    /// Lets one text arrive from a contact, in the chat with them.
    ///
    /// # Errors
    /// As [`MemoryDriver::inject`].
    pub async fn inject_text(&self, from: &str, id: &str, text: &str) -> Result<(), IngressError> {
        let message = InboundEvent::Message(text_message(from, id, text));
        self.inject(vec![message]).await
    }

    /// Reports a late proof about a sent message.
    pub async fn prove(&self, chat: &ChatId, message_id: &str, proof: DeliveryProof) {
        let ingress = self.lock().ingress.clone();
        if let Some(ingress) = ingress {
            ingress.proof(chat, message_id, proof).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bump(&self) {
        self.changed.send_modify(|count| *count += 1);
    }
}

/// A text from a contact in the chat with them; `from` is the canonical id.
#[must_use]
pub fn text_message(from: &str, id: &str, text: &str) -> InboundMessage {
    let from = ChatId::from_canonical(from);
    InboundMessage {
        chat: from.clone(),
        chat_aliases: Vec::new(),
        chat_kind: ChatKind::Contact,
        sender: from,
        sender_aliases: Vec::new(),
        id: id.to_owned(),
        text: text.to_owned(),
        content: ContentKind::Text,
        timestamp_ms: 1_790_000_000_000,
        sender_name: Some("Test".to_owned()),
        chat_name: None,
        quoted_id: None,
        quoted_sender: None,
        mentions_me: false,
        note_to_self: false,
    }
}

/// A text from `sender` in a group; both ids canonical.
#[must_use]
pub fn group_message(group: &str, sender: &str, id: &str, text: &str) -> InboundMessage {
    InboundMessage {
        chat: ChatId::from_canonical(group),
        chat_kind: ChatKind::Group,
        chat_name: Some("Test group".to_owned()),
        ..text_message(sender, id, text)
    }
}

#[async_trait]
impl Driver for MemoryDriver {
    fn status(&self) -> watch::Receiver<SessionStatus> {
        self.status.subscribe()
    }

    fn canonical(&self, kind: ChatKind, id: &str) -> Result<ChatId, TargetError> {
        let id = id.trim();
        if id.contains('@') {
            return Ok(ChatId::from_canonical(id));
        }
        if kind == ChatKind::Group && !id.is_empty() {
            return Ok(ChatId::from_canonical(format!("{id}@g.us")));
        }
        let digits: String = id.chars().filter(char::is_ascii_digit).collect();
        if digits.len() < 8 || digits.starts_with('0') {
            return Err(TargetError {
                reason: format!("{id:?} is no phone number with its country code"),
            });
        }
        Ok(ChatId::from_canonical(format!("{digits}@s.whatsapp.net")))
    }

    fn allow_entry(&self, entry: &str) -> Vec<ChatId> {
        let contact = self.canonical(ChatKind::Contact, entry);
        let group = self.canonical(ChatKind::Group, entry);
        let mut ids: Vec<ChatId> = contact.into_iter().chain(group).collect();
        ids.dedup();
        ids
    }

    fn display(&self, chat: &ChatId) -> String {
        match chat.as_str().strip_suffix("@s.whatsapp.net") {
            Some(number) => format!("+{number}"),
            None => chat.as_str().to_owned(),
        }
    }

    fn layout(&self, text: &str) -> Vec<String> {
        let chars: Vec<char> = text.chars().collect();
        chars
            .chunks(self.part_chars.max(1))
            .map(|part| part.iter().collect())
            .collect()
    }

    fn new_message_id(&self) -> String {
        let mut state = self.lock();
        state.next_id += 1;
        // Random as well: two drivers on one store must not repeat an id.
        format!("MEM{:08X}{:04X}", fastrand::u32(..), state.next_id)
    }

    async fn send(&self, part: &OutboundPart) -> SendOutcome {
        let state = self.status.borrow().state;
        if state != SessionState::Online {
            return SendOutcome::NotSent {
                reason: format!("the session is {}", state.name()),
            };
        }
        let scripted = self.lock().script.pop_front();
        if let Some(SendOutcome::NotSent { reason }) = scripted {
            return SendOutcome::NotSent { reason };
        }
        self.lock().sent.push(part.clone());
        self.bump();
        let mut held = self.held.subscribe();
        let released = held.wait_for(|held| !held);
        if tokio::time::timeout(ANSWER_LIMIT, released).await.is_err() {
            return SendOutcome::Uncertain {
                reason: "no answer within 7 s".to_owned(),
            };
        }
        scripted.unwrap_or(SendOutcome::Acked { server_ms: None })
    }

    async fn typing(&self, chat: &ChatId, active: bool) -> Result<(), DriverError> {
        self.lock().typing.push((chat.clone(), active));
        Ok(())
    }

    async fn mark_read(
        &self,
        chat: &ChatId,
        _sender: &ChatId,
        ids: &[String],
    ) -> Result<(), DriverError> {
        self.lock().read.push((chat.clone(), ids.to_vec()));
        Ok(())
    }

    async fn unlink(&self) -> Result<(), DriverError> {
        self.lock().unlinked = true;
        self.set_state(SessionState::LoggedOut);
        Ok(())
    }

    fn nudge(&self) {
        self.lock().nudges += 1;
        self.bump();
    }

    async fn shutdown(&self) {
        self.set_state(SessionState::Stopped);
    }
}
