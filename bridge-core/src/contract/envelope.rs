//! The outer JSON object of requests and answers.

use serde_json::{Map, Value, json};

use super::{
    ContractError,
    member::{self, Object},
};

/// The only `method` of the contract.
pub const METHOD: &str = "tools/call";

/// The four operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Sends one text.
    SendMessage,
    /// Fetches what came in.
    ReceiveBatch,
    /// Says that one message was handled.
    AckInbound,
    /// Says that a batch was handled, and what failed in it.
    CompleteBatch,
}

impl Operation {
    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SendMessage => "send_message",
            Self::ReceiveBatch => "receive_batch",
            Self::AckInbound => "ack_inbound",
            Self::CompleteBatch => "complete_batch",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [
            Self::SendMessage,
            Self::ReceiveBatch,
            Self::AckInbound,
            Self::CompleteBatch,
        ]
        .into_iter()
        .find(|known| known.name() == name)
    }
}

/// What an answer repeats from its request, so that clients which compare them
/// are content.
#[derive(Debug, Clone, PartialEq)]
pub struct Echo {
    method: String,
    id: Value,
}

impl Default for Echo {
    fn default() -> Self {
        Self {
            method: METHOD.to_owned(),
            id: Value::Null,
        }
    }
}

impl Echo {
    fn of(request: &Object) -> Self {
        Self {
            method: request
                .get("method")
                .and_then(Value::as_str)
                .unwrap_or(METHOD)
                .to_owned(),
            id: request.get("id").cloned().unwrap_or(Value::Null),
        }
    }

    /// `{"method","id","payload"}`.
    #[must_use]
    pub fn success(&self, payload: Value) -> Value {
        json!({ "method": self.method, "id": self.id, "payload": payload })
    }

    /// `{"method","id","payload":{"error",…},"error"}`; the text stands twice
    /// because clients look in both places.
    #[must_use]
    pub fn failure(&self, error: &ContractError) -> Value {
        let text = error.to_string();
        let mut payload = error.details();
        payload.insert("error".to_owned(), text.as_str().into());
        json!({ "method": self.method, "id": self.id, "payload": payload, "error": text })
    }
}

/// A request that could not be read, with what its answer repeats.
#[derive(Debug)]
pub struct Rejected {
    /// As much of the request's `method` and `id` as there was.
    pub echo: Echo,
    /// Why.
    pub error: ContractError,
}

/// A request, read as far as is the same for all operations.
#[derive(Debug)]
pub struct Envelope {
    /// What the answer repeats.
    pub echo: Echo,
    /// The channel, if the request names one.
    pub channel_id: Option<String>,
    /// What to do.
    pub operation: Operation,
    /// The operation's parameters; empty if the request has none.
    pub payload: Map<String, Value>,
}

impl Envelope {
    /// Reads a request body.
    ///
    /// # Errors
    /// When the body is no JSON object, the operation is missing or unknown, or
    /// `payload` is neither an object nor absent.
    pub fn parse(body: &[u8]) -> Result<Self, Box<Rejected>> {
        let refuse = |echo: Echo, error| Box::new(Rejected { echo, error });
        let request = match serde_json::from_slice::<Value>(body) {
            Ok(Value::Object(request)) => request,
            Ok(_) => {
                let error = ContractError::malformed("the body must be a JSON object");
                return Err(refuse(Echo::default(), error));
            }
            Err(error) => {
                let place = format!("line {}, column {}", error.line(), error.column());
                let error = ContractError::malformed(format!("the body is not JSON ({place})"));
                return Err(refuse(Echo::default(), error));
            }
        };
        let echo = Echo::of(&request);
        match Self::read(request, echo.clone()) {
            Ok(envelope) => Ok(envelope),
            Err(error) => Err(refuse(echo, error)),
        }
    }

    fn read(mut request: Object, echo: Echo) -> Result<Self, ContractError> {
        let name = member::required_string(&request, "operation")?;
        let operation = Operation::from_name(name)
            .ok_or_else(|| ContractError::UnknownOperation(name.chars().take(64).collect()))?;
        let channel_id = member::string(&request, "channel_id")?.map(str::to_owned);
        let payload = match request.remove("payload") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(payload)) => payload,
            Some(_) => return Err(ContractError::malformed("member payload must be an object")),
        };
        Ok(Self {
            echo,
            channel_id,
            operation,
            payload,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn method_and_id_come_back_whatever_they_are() {
        let body = br#"{"method":"tools/call","id":7,"operation":"receive_batch"}"#;
        let envelope = Envelope::parse(body).expect("well formed");
        let answer = envelope.echo.success(json!({"messages": []}));
        assert_eq!(
            answer,
            json!({"method": "tools/call", "id": 7, "payload": {"messages": []}})
        );
    }

    #[test]
    fn an_unknown_operation_keeps_its_name_and_echo() {
        let body = br#"{"method":"tools/call","id":"x","operation":"poke","payload":{}}"#;
        let rejected = Envelope::parse(body).expect_err("no such operation");
        assert_eq!(rejected.error.status(), 400);
        let answer = rejected.echo.failure(&rejected.error);
        assert_eq!(answer["id"], "x");
        assert_eq!(answer["payload"]["error"], "unsupported operation poke");
        assert_eq!(answer["error"], "unsupported operation poke");
    }

    #[test]
    fn whatever_is_no_request_is_a_400() {
        let deep = "[".repeat(100_000);
        for body in [
            "",
            "null",
            "[]",
            "3",
            "\"x\"",
            "{",
            "{}",
            "\u{0}",
            r#"{"operation":null}"#,
            r#"{"operation":{}}"#,
            r#"{"operation":"receive_batch","payload":[]}"#,
            r#"{"operation":"receive_batch","payload":"x"}"#,
            r#"{"operation":"receive_batch","channel_id":5}"#,
            deep.as_str(),
        ] {
            let rejected = Envelope::parse(body.as_bytes()).expect_err("not a request");
            assert_eq!(rejected.error.status(), 400, "{body:.20}");
        }
        assert!(Envelope::parse(&[0xff, 0xfe]).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_body_panics(body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            if let Err(rejected) = Envelope::parse(&body) {
                proptest::prop_assert!(rejected.error.status().is_client_error());
            }
        }
    }
}
