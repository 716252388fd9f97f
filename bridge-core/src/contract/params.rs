//! The parameters of `receive_batch`, `ack_inbound` and `complete_batch`, with
//! the optional members that this bridge adds.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    ContractError,
    member::{self, Object},
};

/// The most messages in one batch.
pub const MAX_MESSAGES: usize = 50;
/// The longest time a `receive_batch` waits for a message.
pub const MAX_WAIT: Duration = Duration::from_secs(25);
/// The optional members that this bridge understands, as it advertises them.
pub const FEATURES: [&str; 5] = ["wait_ms", "max_messages", "consumer", "holding", "failed"];

const MAX_HOLDING: usize = 1000;
const MAX_FAILED: usize = 1000;
const MAX_CONSUMER_CHARS: usize = 128;
const MAX_ERROR_CHARS: usize = 500;
const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// How much to fetch, for whom, and how long to wait for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiveParams {
    /// Zero unless asked for; at most [`MAX_WAIT`].
    pub wait: Duration,
    /// 1 to [`MAX_MESSAGES`]. A request without any of the optional members gets
    /// 1: such a client loses the rest of a batch when one message fails.
    pub max_messages: usize,
    /// Who asks; requests without a name are one consumer.
    pub consumer: Option<String>,
    /// The cursors whose leases the consumer keeps.
    pub holding: Vec<String>,
}

impl ReceiveParams {
    /// Reads them from the payload.
    ///
    /// # Errors
    /// When a member has the wrong type or is out of all proportion.
    pub fn parse(payload: &Object) -> Result<Self, ContractError> {
        let wait = member::number(payload, "wait_ms")?;
        let max_messages = member::number(payload, "max_messages")?;
        let consumer = member::string(payload, "consumer")?.map(str::trim);
        let holding = member::strings(payload, "holding", MAX_HOLDING)?;
        if consumer.is_some_and(|name| name.chars().count() > MAX_CONSUMER_CHARS) {
            let reason =
                format!("member consumer must have at most {MAX_CONSUMER_CHARS} characters");
            return Err(ContractError::malformed(reason));
        }
        let knows_us = wait.is_some() || consumer.is_some() || holding.is_some();
        let default = if knows_us { MAX_MESSAGES } else { 1 };
        let max_messages =
            max_messages.map_or(default, |n| usize::try_from(n).unwrap_or(usize::MAX));
        Ok(Self {
            wait: Duration::from_millis(wait.unwrap_or(0)).min(MAX_WAIT),
            max_messages: max_messages.clamp(1, MAX_MESSAGES),
            consumer: consumer.filter(|name| !name.is_empty()).map(str::to_owned),
            holding: holding.unwrap_or_default(),
        })
    }

    /// What the answer says about this bridge; the original client ignores it.
    #[must_use]
    pub fn advertisement() -> Value {
        json!({
            "name": "loong",
            "version": env!("CARGO_PKG_VERSION"),
            "features": FEATURES,
            "max_messages": MAX_MESSAGES,
            "max_wait_ms": u64::try_from(MAX_WAIT.as_millis()).unwrap_or(u64::MAX),
        })
    }
}

/// Which message was handled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AckParams {
    /// `message.delivery.ack_cursor`.
    pub cursor: String,
}

impl AckParams {
    /// Reads the cursor; the rest of the message is not looked at.
    ///
    /// # Errors
    /// When there is no cursor.
    pub fn parse(payload: &Object) -> Result<Self, ContractError> {
        let message = member::required_object(payload, "message")?;
        let delivery = member::required_object(message, "message.delivery")?;
        let cursor = member::required_string(delivery, "message.delivery.ack_cursor")?;
        Ok(Self {
            cursor: cursor.to_owned(),
        })
    }
}

/// A message that the consumer could not handle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedMessage {
    /// Its cursor.
    pub cursor: String,
    /// Why, for the operator.
    pub error: String,
    /// Not before this time again, at most a day.
    pub retry_after: Option<Duration>,
    /// Set it aside until an operator decides.
    pub park: bool,
}

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompleteParams {
    /// Empty from clients that do not know the member.
    pub failed: Vec<FailedMessage>,
}

impl CompleteParams {
    /// Reads them from the payload.
    ///
    /// # Errors
    /// When `failed` or one of its elements is malformed; none counts then.
    pub fn parse(payload: &Object) -> Result<Self, ContractError> {
        let failed = member::list(payload, "failed")?.unwrap_or_default();
        if failed.len() > MAX_FAILED {
            let reason = format!("member failed must have at most {MAX_FAILED} elements");
            return Err(ContractError::malformed(reason));
        }
        let failed = failed
            .iter()
            .map(failed_message)
            .collect::<Result<_, _>>()?;
        Ok(Self { failed })
    }
}

fn failed_message(value: &Value) -> Result<FailedMessage, ContractError> {
    let element = value
        .as_object()
        .ok_or_else(|| ContractError::malformed("member failed must be a list of objects"))?;
    let retry_after = member::number(element, "failed[].retry_after_ms")?;
    Ok(FailedMessage {
        cursor: member::required_string(element, "failed[].cursor")?.to_owned(),
        error: member::string(element, "failed[].error")?
            .unwrap_or("no reason given")
            .chars()
            .take(MAX_ERROR_CHARS)
            .collect(),
        retry_after: retry_after.map(|ms| Duration::from_millis(ms).min(MAX_RETRY_AFTER)),
        park: member::flag(element, "failed[].park")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receive(value: &Value) -> Result<ReceiveParams, ContractError> {
        ReceiveParams::parse(value.as_object().expect("an object"))
    }

    #[test]
    fn a_client_of_the_original_contract_gets_one_message_at_once() {
        let params = receive(&json!({"runtime_context": {}})).expect("well formed");
        assert_eq!((params.wait, params.max_messages), (Duration::ZERO, 1));
        assert_eq!(params.consumer, None);
    }

    #[test]
    fn optional_members_are_read_and_bounded() {
        let asked = json!({"wait_ms": 600_000, "consumer": " a ", "holding": ["c1"]});
        let params = receive(&asked).expect("well formed");
        assert_eq!((params.wait, params.max_messages), (MAX_WAIT, MAX_MESSAGES));
        assert_eq!(params.consumer.as_deref(), Some("a"));
        assert_eq!(params.holding, ["c1"]);
        for (asked, given) in [(0, 1), (7, 7), (u64::MAX, MAX_MESSAGES)] {
            assert_eq!(
                receive(&json!({"max_messages": asked}))
                    .expect("a number")
                    .max_messages,
                given
            );
        }
    }

    #[test]
    fn wrong_types_are_refused() {
        for value in [
            json!({"wait_ms": "5"}),
            json!({"wait_ms": -1}),
            json!({"max_messages": 1.5}),
            json!({"consumer": 5}),
            json!({"consumer": "x".repeat(200)}),
            json!({"holding": "c1"}),
            json!({"holding": [null]}),
        ] {
            assert_eq!(receive(&value).expect_err("wrong").status(), 400, "{value}");
        }
    }

    #[test]
    fn acks_need_nothing_but_the_cursor() {
        let payload = json!({"message": {"delivery": {"ack_cursor": "c"}, "text": 5}});
        let params = AckParams::parse(payload.as_object().expect("an object")).expect("a cursor");
        assert_eq!(params.cursor, "c");
        for value in [
            json!({}),
            json!({"message": {}}),
            json!({"message": {"delivery": {"ack_cursor": null}}}),
        ] {
            assert!(
                AckParams::parse(value.as_object().expect("an object")).is_err(),
                "{value}"
            );
        }
    }

    #[test]
    fn failures_are_read_in_full_or_not_at_all() {
        let good =
            json!({"failed": [{"cursor": "c", "error": "no", "retry_after_ms": 5, "park": true}]});
        let params =
            CompleteParams::parse(good.as_object().expect("an object")).expect("well formed");
        assert_eq!(params.failed.len(), 1);
        assert_eq!(params.failed[0].retry_after, Some(Duration::from_millis(5)));
        assert!(params.failed[0].park);
        for value in [
            json!({"failed": {}}),
            json!({"failed": [5]}),
            json!({"failed": [{"cursor": "a"}, {}]}),
        ] {
            assert!(
                CompleteParams::parse(value.as_object().expect("an object")).is_err(),
                "{value}"
            );
        }
    }
}
