//! The four operations.

use std::{sync::Arc, time::Duration};

use serde_json::{Map, Value, json};
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::{AccountRuntime, shared::Shared};
use crate::{
    contract::{
        AckParams, Addressing, CompleteParams, ContractError, Envelope, InboundJson, Operation,
        ReceiveParams, RequestContext, SendParams,
    },
    inbox::{Cursor, InboxError, Leased, ReceiveRequest},
    message::ChatId,
    outbox::{OutboxError, SendReceipt, SendRequest, SendState},
    policy::Allowlist,
    state::{SessionState, SessionStatus},
};

/// One request on its account.
struct Call<'a> {
    shared: &'a Arc<Shared>,
    account: Arc<AccountRuntime>,
    context: RequestContext,
    payload: Map<String, Value>,
}

/// Does what the request asks for and returns the payload of the answer.
pub(super) async fn execute(
    shared: &Arc<Shared>,
    envelope: Envelope,
    header_key: Option<&str>,
    permit: OwnedSemaphorePermit,
) -> Result<Value, ContractError> {
    let context = RequestContext::parse(&envelope.payload)?;
    let account = shared
        .accounts
        .select(envelope.channel_id.as_deref(), &context)?;
    let call = Call {
        shared,
        account,
        context,
        payload: envelope.payload,
    };
    match envelope.operation {
        Operation::ReceiveBatch => call.receive(permit).await,
        Operation::SendMessage => call.send(header_key).await,
        Operation::AckInbound => call.ack().await,
        Operation::CompleteBatch => call.complete().await,
    }
}

impl Call<'_> {
    async fn receive(&self, permit: OwnedSemaphorePermit) -> Result<Value, ContractError> {
        let params = ReceiveParams::parse(&self.payload)?;
        let _long_poll = if params.wait.is_zero() {
            None
        } else {
            let long_poll = self.shared.admit_long_poll()?;
            drop(permit);
            Some(long_poll)
        };
        let leased = self.fetch(params).await?;
        let messages = leased
            .iter()
            .map(|leased| self.describe(leased))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(json!({ "messages": messages, "bridge": ReceiveParams::advertisement() }))
    }

    /// Takes what there is, or waits for it. A session that needs the operator is
    /// an error, not an empty batch, so that nobody takes it for a quiet day. The
    /// one exception is a full inbox: what is in it is handed out, because
    /// nothing else makes room.
    async fn fetch(&self, params: ReceiveParams) -> Result<Vec<Leased>, ContractError> {
        let mut status = self.account.driver.status();
        let mut request = ReceiveRequest {
            consumer: params.consumer,
            holding: params.holding.into_iter().map(Cursor::from).collect(),
            max_messages: params.max_messages,
            wait: params.wait,
            allowed: self
                .account
                .policy
                .narrowing(self.context.allowed(self.account.identity.surface)),
        };
        if !status.borrow().state.needs_operator() {
            let waiting = self.account.inbox.receive(request.clone());
            tokio::select! {
                leased = waiting => return leased.map_err(|error| store(&error)),
                () = self.shared.shutdown.cancelled() => return Ok(Vec::new()),
                () = operator_needed(&mut status) => {}
            }
        }
        if status.borrow().state == SessionState::Paused {
            request.wait = Duration::ZERO;
            let leased = self
                .account
                .inbox
                .receive(request)
                .await
                .map_err(|error| store(&error))?;
            if !leased.is_empty() {
                return Ok(leased);
            }
        }
        Err(unavailable(&status.borrow(), "receive"))
    }

    fn describe(&self, leased: &Leased) -> Result<Value, ContractError> {
        let identity = &self.account.identity;
        let route = self.account.driver.display(&leased.message.chat);
        let configured = self.context.configured_account_id.as_deref();
        let addressing = Addressing {
            surface: identity.surface,
            configured_account_id: configured.unwrap_or(identity.configured.as_str()),
            account_id: self
                .context
                .account_id
                .as_deref()
                .unwrap_or(&identity.runtime_id),
            target_account: identity.configured.as_str(),
            route: &route,
        };
        let message = InboundJson::new(
            &leased.message,
            leased.cursor.as_str(),
            leased.attempt,
            &addressing,
        );
        serde_json::to_value(message)
            .map_err(|_defect| ContractError::Internal("a message has no JSON form"))
    }

    async fn ack(&self) -> Result<Value, ContractError> {
        let params = AckParams::parse(&self.payload)?;
        let outcome = self
            .account
            .inbox
            .ack(&params.cursor)
            .await
            .map_err(|error| store(&error))?;
        Ok(json!({ "ok": true, "outcome": outcome }))
    }

    async fn complete(&self) -> Result<Value, ContractError> {
        let params = CompleteParams::parse(&self.payload)?;
        for failed in params.failed {
            let inbox = &self.account.inbox;
            let done = inbox.fail(
                &failed.cursor,
                &failed.error,
                failed.retry_after,
                failed.park,
            );
            done.await.map_err(|error| store(&error))?;
        }
        Ok(json!({ "ok": true }))
    }

    async fn send(&self, header_key: Option<&str>) -> Result<Value, ContractError> {
        let identity = &self.account.identity;
        let params = SendParams::parse(identity.surface, &self.payload, header_key)?;
        if params.target.account != identity.configured {
            return Err(ContractError::TargetAccount {
                target: params.target.account.to_string(),
                request: identity.configured.to_string(),
            });
        }
        let chat = self
            .account
            .driver
            .canonical(params.target.kind, &params.target.id)?;
        self.check_policy(&chat)?;
        // The outbox answers in time and goes on when this call is dropped.
        let request = SendRequest {
            chat,
            text: params.text,
            key: params.key.clone(),
        };
        let receipt = self
            .account
            .outbox
            .send(&self.account.driver, request)
            .await;
        let key = params.key.unwrap_or_default();
        self.report(receipt.map_err(|error| send_error(error, &key))?)
    }

    /// A configured list binds sends as well. One that is not set binds only what
    /// comes in: to write first is the operator's own decision.
    fn check_policy(&self, chat: &ChatId) -> Result<(), ContractError> {
        let policy = &self.account.policy;
        if matches!(policy.allowlist(), Allowlist::Only(_)) && !policy.allows(chat, &[]) {
            let reason = format!(
                "{chat} is not in the allowlist of this bridge; add it there to send to it"
            );
            return Err(ContractError::Forbidden { reason });
        }
        let list = self.context.allowed(self.account.identity.surface);
        if policy
            .narrowing(list)
            .is_some_and(|narrowing| !narrowing.includes(chat, &[]))
        {
            let reason = format!("{chat} is not in the allowlist that came with the request");
            return Err(ContractError::Forbidden { reason });
        }
        Ok(())
    }

    fn report(&self, receipt: SendReceipt) -> Result<Value, ContractError> {
        let reason = receipt.reason.unwrap_or_default();
        match receipt.state {
            SendState::Acked => Ok(json!({
                "ok": true,
                "message_id": receipt.message_ids.first(),
                "message_ids": receipt.message_ids,
                "state": "acked",
                "repeated": receipt.repeated,
                "other_text": receipt.other_text,
            })),
            SendState::Uncertain => Err(ContractError::Uncertain {
                reason,
                key: receipt.key,
                message_ids: receipt.message_ids,
            }),
            SendState::Failed(failure) => Err(ContractError::SendFailed { failure, reason }),
            SendState::NotSent => {
                let status = self.account.driver.status();
                let status = status.borrow();
                if status.state == SessionState::Online {
                    let reason = format!("nothing was sent: {reason}");
                    return Err(ContractError::Unavailable {
                        reason,
                        state: status.state.name(),
                    });
                }
                Err(unavailable(&status, "send"))
            }
        }
    }
}

/// Resolves when the session can only be helped by a person.
async fn operator_needed(status: &mut watch::Receiver<SessionStatus>) {
    if status
        .wait_for(|status| status.state.needs_operator())
        .await
        .is_err()
    {
        // The driver is gone; the inbox still is there.
        std::future::pending::<()>().await;
    }
}

/// What the session's state means to a caller, with the next step.
fn unavailable(status: &SessionStatus, action: &str) -> ContractError {
    let state = status.state;
    let mut reason = format!("cannot {action}: the session is {}", state.name());
    if let Some(cause) = &status.cause {
        reason.push_str(&format!(" ({cause})"));
    }
    let advice = status.advice.as_deref().or(match state {
        SessionState::Unlinked => Some("run the bridge and scan the QR code"),
        SessionState::Pairing => Some("finish linking on the phone"),
        SessionState::Starting | SessionState::Connecting | SessionState::Syncing => {
            Some("try again in a moment")
        }
        SessionState::Backoff => Some("it keeps trying; see the bridge's status"),
        _ => None,
    });
    if let Some(advice) = advice {
        reason.push_str("; ");
        reason.push_str(advice);
    }
    ContractError::Unavailable {
        reason,
        state: state.name(),
    }
}

pub(super) fn store(error: &InboxError) -> ContractError {
    tracing::error!(%error, "the inbox failed");
    ContractError::Store {
        reason: error.to_string(),
    }
}

/// The failure of a send under `key`.
fn send_error(error: OutboxError, key: &str) -> ContractError {
    match error {
        OutboxError::KeyConflict => ContractError::KeyConflict {
            key: key.chars().take(200).collect(),
        },
        OutboxError::BadKey { max } => {
            ContractError::malformed(format!("an idempotency key has 1 to {max} bytes"))
        }
        OutboxError::BlankText => ContractError::BlankText,
        OutboxError::Closed => ContractError::Stopping,
        other => outbox_error(&other),
    }
}

pub(super) fn outbox_error(error: &OutboxError) -> ContractError {
    tracing::error!(%error, "the outbox failed");
    ContractError::Store {
        reason: error.to_string(),
    }
}
