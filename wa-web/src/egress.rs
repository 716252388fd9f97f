//! Sending one message and learning what became of it.
//!
//! The library's `Ok` only means that the message was handed to the socket, and
//! the server's ack can stand for a message that was encrypted for nobody. So a
//! message counts as sent when the server acked it *and* the stanza that left
//! named at least one device of the receiver.

use std::{sync::Arc, time::Duration};

use bridge_core::driver::{OutboundPart, SendFailure, SendOutcome};
use tokio::time::Instant;
use whatsapp_rust::{
    Client, Freshness, IqError, Jid, NodeFilter, SendError, SendOptions,
    wacore_binary::{JidExt as _, Node, NodeContent},
    waproto::whatsapp as wa,
};

use crate::{
    jid,
    session::{Ack, Acks},
};

/// Sends `part`, waiting at most `limit` for the server's word. A first attempt
/// that reached no device, or met a stale group, is repeated once with fresh
/// device lists and under the same id.
pub(crate) async fn send(
    client: &Arc<Client>,
    acks: &Arc<Acks>,
    part: &OutboundPart,
    limit: Duration,
) -> SendOutcome {
    let Some(to) = jid::to_jid(&part.chat) else {
        return SendOutcome::Failed {
            failure: SendFailure::Invalid,
            reason: format!("{} is not an address on WhatsApp", part.chat),
        };
    };
    let deadline = Instant::now() + limit;
    let first = attempt(client, acks, part, &to, Freshness::default(), deadline).await;
    match first {
        Attempt::Stale(_) => {
            match attempt(client, acks, part, &to, Freshness::Refresh, deadline).await {
                Attempt::Stale(outcome) | Attempt::Done(outcome) => outcome,
            }
        }
        Attempt::Done(outcome) => outcome,
    }
}

enum Attempt {
    /// Final.
    Done(SendOutcome),
    /// Our idea of the receiver's devices was out of date.
    Stale(SendOutcome),
}

async fn attempt(
    client: &Arc<Client>,
    acks: &Arc<Acks>,
    part: &OutboundPart,
    to: &Jid,
    freshness: Freshness,
    deadline: Instant,
) -> Attempt {
    let mut ack = acks.wait(&part.message_id);
    let mut left =
        client.wait_for_sent_node(NodeFilter::tag("message").attr("id", part.message_id.clone()));
    let message = wa::Message {
        conversation: Some(part.text.clone()),
        ..wa::Message::default()
    };
    let options = SendOptions::default()
        .with_message_id(part.message_id.clone())
        .with_device_freshness(freshness)
        .with_group_metadata_freshness(freshness);
    let sending = client.send_message_with_options(to.clone(), message, options);
    let sent = tokio::time::timeout_at(deadline, sending).await;
    let stanza = left.try_recv().ok().flatten();
    match sent {
        Ok(Ok(_handed)) => {}
        Ok(Err(error)) => return Attempt::Done(refused_locally(&error, stanza.is_some())),
        Err(_elapsed) => return Attempt::Done(ran_out(stanza.is_some())),
    }
    let Ok(Some(answer)) = tokio::time::timeout_at(deadline, ack.answered()).await else {
        return Attempt::Done(ran_out(true));
    };
    judge(client, to, &answer, stanza.as_deref())
}

fn ran_out(handed: bool) -> SendOutcome {
    if handed {
        SendOutcome::Uncertain {
            reason: "the server did not confirm the message in time".to_owned(),
        }
    } else {
        SendOutcome::NotSent {
            reason: "the receiver's devices could not be looked up in time".to_owned(),
        }
    }
}

fn refused_locally(error: &SendError, handed: bool) -> SendOutcome {
    let reason = error.to_string();
    if handed {
        return SendOutcome::Uncertain { reason };
    }
    match error {
        SendError::InvalidRequest(_) => SendOutcome::Failed {
            failure: SendFailure::Invalid,
            reason,
        },
        SendError::Iq(IqError::ServerError {
            code: 403 | 404 | 406,
            ..
        }) => SendOutcome::Failed {
            failure: SendFailure::NoRecipient,
            reason,
        },
        _ => SendOutcome::NotSent { reason },
    }
}

fn judge(client: &Client, to: &Jid, ack: &Ack, stanza: Option<&Node>) -> Attempt {
    let Some(code) = ack.error.as_deref() else {
        return if stanza.is_some_and(|node| !reaches_receiver(client, to, node)) {
            Attempt::Stale(SendOutcome::Failed {
                failure: SendFailure::NoRecipient,
                reason: "the receiver has no device that messages can be encrypted for".to_owned(),
            })
        } else {
            Attempt::Done(SendOutcome::Acked {
                server_ms: ack.server_ms,
            })
        };
    };
    let (failure, why) = match code {
        "404" => (SendFailure::NoRecipient, "no such account or group"),
        "400" | "479" => (SendFailure::Invalid, "the message is malformed"),
        "421" => (SendFailure::Refused, "the group changed meanwhile"),
        "463" => (
            SendFailure::Refused,
            "this account may not write to people who have not written first",
        ),
        "475" => (SendFailure::Refused, "too many new conversations"),
        _ => (SendFailure::Refused, "refused by the server"),
    };
    let outcome = SendOutcome::Failed {
        failure,
        reason: format!("{why} (code {code})"),
    };
    if code == "421" {
        Attempt::Stale(outcome)
    } else {
        Attempt::Done(outcome)
    }
}

/// Whether the stanza carries a ciphertext for a device of the receiver, and not
/// only copies for our own other devices.
fn reaches_receiver(client: &Client, to: &Jid, stanza: &Node) -> bool {
    if to.is_group() {
        // Members who already hold our sender key read the group ciphertext.
        return children(stanza).iter().any(|child| child.tag == "enc");
    }
    let own = [client.pn(), client.lid()];
    let is_own = |who: &Jid| own.iter().flatten().any(|me| me.user == who.user);
    let to_self = is_own(to);
    children(stanza)
        .iter()
        .filter(|child| child.tag == "participants")
        .flat_map(children)
        .filter_map(|entry| {
            entry
                .attrs
                .get("jid")
                .and_then(|jid| jid.as_str().parse::<Jid>().ok())
        })
        .any(|device| to_self || !is_own(&device))
        || children(stanza).iter().any(|child| child.tag == "enc")
}

fn children(node: &Node) -> &[Node] {
    match &node.content {
        Some(NodeContent::Nodes(nodes)) => nodes,
        _ => &[],
    }
}
