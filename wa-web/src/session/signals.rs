//! From the library's events to what the supervisor and the outbox need.
//!
//! [`map_end`] is the one place that gives a meaning to each way in which the
//! server, the network or the library can end a connection.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bridge_core::{driver::DeliveryProof, message::ChatId, state::LinkedAccount};
use secrecy::SecretString;
use tokio::sync::{Notify, mpsc};
use whatsapp_rust::{
    wacore::types::{
        events::{ConnectFailureReason, Event, EventHandler, ServerAck},
        presence::ReceiptType,
    },
    wacore_binary::node::NodeRef,
};

use super::{acks::Acks, machine::End};
use crate::{clock, jid};

/// Room for signals that the supervisor has not taken yet. A connection yields a
/// handful; more means that the supervisor hangs, and then the connection is cut.
const SIGNALS: usize = 64;
/// Room for late proofs. They only refine what is already known, so an overflow
/// drops them, counted.
const PROOFS: usize = 1024;

/// Something happened on the current connection.
#[derive(Debug)]
pub(crate) enum Signal {
    /// A QR code to show.
    Qr { code: SecretString, ttl: Duration },
    /// The phone asked for a fresh pairing code.
    PairingCodeStale,
    /// The phone accepted us.
    Paired,
    /// Linking went wrong in a way that the person at the phone should know.
    LinkingTrouble(String),
    /// The server let us in.
    LoggedIn,
    /// The library finished its start.
    Ready,
    /// The inbox took nothing more.
    InboxFull { limit: usize },
    /// Our own name changed, which makes the library announce us as available.
    NameChanged,
}

/// A late word about a sent message.
#[derive(Debug)]
pub(crate) struct Proof {
    pub(crate) chat: ChatId,
    pub(crate) message_id: String,
    pub(crate) proof: DeliveryProof,
}

/// The receiving ends of one connection's [`Signals`].
#[derive(Debug)]
pub(crate) struct SignalReceivers {
    pub(crate) signals: mpsc::Receiver<Signal>,
    pub(crate) proofs: mpsc::Receiver<Proof>,
}

/// The event handler of one connection.
#[derive(Debug)]
pub(crate) struct Signals {
    signals: mpsc::Sender<Signal>,
    proofs: mpsc::Sender<Proof>,
    end: Mutex<Option<End>>,
    pub(crate) ended: Notify,
    pub(crate) acks: Arc<Acks>,
    dropped_proofs: AtomicU64,
    full: AtomicBool,
}

impl Signals {
    pub(crate) fn new(acks: Arc<Acks>) -> (Arc<Self>, SignalReceivers) {
        let (signals, signal_rx) = mpsc::channel(SIGNALS);
        let (proofs, proof_rx) = mpsc::channel(PROOFS);
        let this = Arc::new(Self {
            signals,
            proofs,
            end: Mutex::new(None),
            ended: Notify::new(),
            acks,
            dropped_proofs: AtomicU64::new(0),
            full: AtomicBool::new(false),
        });
        let receivers = SignalReceivers {
            signals: signal_rx,
            proofs: proof_rx,
        };
        (this, receivers)
    }

    /// Notes why the connection ends. The first reason wins: what follows it is
    /// the noise of a closing socket.
    pub(crate) fn end(&self, end: End) {
        let mut slot = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.is_none() {
            *slot = Some(end);
            self.ended.notify_one();
        }
    }

    pub(crate) fn take_end(&self) -> Option<End> {
        self.end
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// Notes that the inbox is full; once per connection is enough.
    pub(crate) fn inbox_full(&self, limit: usize) {
        if !self.full.swap(true, Ordering::Relaxed) {
            self.signal(Signal::InboxFull { limit });
        }
    }

    fn signal(&self, signal: Signal) {
        if let Err(error) = self.signals.try_send(signal) {
            tracing::warn!(%error, "the session supervisor does not keep up");
            self.end(End::Lost {
                cause: "the session supervisor does not keep up".to_owned(),
            });
        }
    }

    fn proof(&self, chat: ChatId, message_id: String, proof: DeliveryProof) {
        let proof = Proof {
            chat,
            message_id,
            proof,
        };
        if self.proofs.try_send(proof).is_err() {
            let dropped = self.dropped_proofs.fetch_add(1, Ordering::Relaxed) + 1;
            tracing::debug!(dropped, "a late delivery proof was dropped");
        }
    }

    fn server_ack(&self, ack: &ServerAck) {
        if ack.class.as_deref() != Some("message") {
            return;
        }
        let proof = match ack.error {
            None => DeliveryProof::ServerAck,
            Some(_) => DeliveryProof::ServerRefused,
        };
        self.acks.answer(&ack.id, ack.error.clone(), ack.timestamp);
        if let Some(from) = &ack.from {
            self.proof(jid::chat_id(from), ack.id.clone(), proof);
        }
    }
}

impl EventHandler for Signals {
    fn handle_event(&self, event: Arc<Event>) {
        match &*event {
            Event::PairingQrCode(qr) => self.signal(Signal::Qr {
                code: qr.code.clone().into(),
                ttl: qr.timeout,
            }),
            Event::PairingCodeRefresh(_) => self.signal(Signal::PairingCodeStale),
            Event::PairSuccess(_) => self.signal(Signal::Paired),
            Event::QrScannedWithoutMultidevice(_) => self.signal(Signal::LinkingTrouble(
                "the phone must be updated before it can link devices".to_owned(),
            )),
            Event::PairPasskeyRequest(_) => self.signal(Signal::LinkingTrouble(
                "the phone asks for a passkey, which this version cannot answer; \
                 use a pairing code instead"
                    .to_owned(),
            )),
            Event::OfflineSyncPreview(_) | Event::OfflineSyncCompleted(_) => {
                self.signal(Signal::LoggedIn);
            }
            Event::Connected(_) => self.signal(Signal::Ready),
            Event::SelfPushNameUpdated(_) => self.signal(Signal::NameChanged),
            Event::ServerAck(ack) => self.server_ack(ack),
            Event::Receipt(receipt) => {
                let proof = match receipt.r#type {
                    ReceiptType::Delivered | ReceiptType::Inactive => DeliveryProof::Delivered,
                    ReceiptType::Read | ReceiptType::Played => DeliveryProof::Read,
                    _ => return,
                };
                for id in &receipt.message_ids {
                    self.proof(jid::chat_id(&receipt.source.chat), id.clone(), proof);
                }
            }
            Event::RawNode(stanza) => {
                if let Some(end) = stream_error(stanza.get()) {
                    self.end(end);
                }
            }
            other => {
                if let Some(end) = map_end(other, clock::now_ms()) {
                    self.end(end);
                }
            }
        }
    }
}

/// The meaning of an event that ends, or is about to end, a connection.
pub(crate) fn map_end(event: &Event, now_ms: u64) -> Option<End> {
    let end = match event {
        Event::LoggedOut(out) => match out.reason {
            ConnectFailureReason::AccountLocked | ConnectFailureReason::UnknownLogout => {
                End::Banned {
                    cause: format!("the account is locked (code {})", out.reason.code()),
                    until_ms: None,
                }
            }
            _ => End::LoggedOut {
                cause: "this device is no longer linked".to_owned(),
            },
        },
        Event::StreamReplaced(_) => End::Replaced,
        Event::TemporaryBan(ban) => End::Banned {
            cause: format!("temporarily banned, {}", ban.code),
            until_ms: u64::try_from(ban.expire.num_milliseconds())
                .ok()
                .map(|ms| now_ms.saturating_add(ms)),
        },
        Event::ClientOutdated(_) => End::Outdated,
        Event::ConnectFailure(failure) => match failure.reason {
            ConnectFailureReason::TempBanned => End::Banned {
                cause: "temporarily banned".to_owned(),
                until_ms: None,
            },
            ref reason => End::Lost {
                cause: format!("the server refused the login (code {})", reason.code()),
            },
        },
        Event::PairingQrCodesExhausted(_) => End::CodesExpired,
        Event::PairError(error) => End::PairingFailed {
            cause: format!("pairing failed: {}", error.error),
        },
        Event::Disconnected(gone) => End::Lost {
            cause: format!("connection lost: {}", gone.reason),
        },
        _ => return None,
    };
    Some(end)
}

/// The meaning of a `<stream:error>`. The library acts on most of them without a
/// word: 515 is how pairing ends, 503 announces that the server goes away. Those
/// with a `<conflict>` come as events of their own, and those without a code are
/// remarks about one stanza, after which the stream goes on.
fn stream_error(stanza: &NodeRef<'_>) -> Option<End> {
    if &*stanza.tag != "stream:error" || stanza.get_optional_child("conflict").is_some() {
        return None;
    }
    let code = stanza.get_attr("code")?;
    let cause = match &*code.as_str() {
        "515" => return Some(End::Restart),
        // Logged out and replaced: events of their own.
        "401" | "409" | "516" => return None,
        "429" => "the server asks for fewer connections (code 429)".to_owned(),
        "503" => "the server is going away for a while (code 503)".to_owned(),
        other => format!(
            "the server ended the stream (code {})",
            other.escape_default()
        ),
    };
    Some(End::Lost { cause })
}

/// The account that a client is logged in to, as far as it knows.
pub(crate) fn linked_account(client: &whatsapp_rust::Client) -> Option<LinkedAccount> {
    let number = client.pn()?;
    Some(LinkedAccount {
        address: jid::chat_id(&number).as_str().to_owned(),
        hidden_address: client
            .lid()
            .map(|lid| jid::chat_id(&lid).as_str().to_owned()),
        name: Some(client.push_name()).filter(|n| !n.is_empty()),
    })
}
