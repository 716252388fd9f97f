//! The parameters of `send_message`.

use serde::Deserialize;
use serde_json::Value;

use super::{
    ContractError,
    member::{self, Object},
};
use crate::{account::Surface, target::Target};

const MAX_KEY_BYTES: usize = 512;
/// About sixteen of WhatsApp's longest messages.
const MAX_TEXT_CHARS: usize = 65_536;

/// What may stand in `message`, one member that names the kind.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub enum OutboundMessage {
    /// A text, the only kind that is sent.
    Text(String),
    /// A card in Markdown.
    MarkdownCard(String),
    /// A structured post.
    Post(Value),
    /// A picture that was uploaded elsewhere.
    Image {
        /// Its key there.
        image_key: String,
    },
    /// A file that was uploaded elsewhere.
    File {
        /// Its key there.
        file_key: String,
    },
}

impl OutboundMessage {
    fn into_text(self) -> Result<String, ContractError> {
        let kind = match self {
            Self::Text(text) if text.trim().is_empty() => return Err(ContractError::BlankText),
            Self::Text(text) if text.chars().count() > MAX_TEXT_CHARS => {
                let limit = format!("{MAX_TEXT_CHARS} characters");
                return Err(ContractError::TooLarge {
                    what: "the text",
                    limit,
                });
            }
            Self::Text(text) => return Ok(text),
            Self::MarkdownCard(_) => "MarkdownCard",
            Self::Post(_) => "Post",
            Self::Image { .. } => "Image",
            Self::File { .. } => "File",
        };
        Err(ContractError::UnsupportedMessage { kind })
    }
}

/// What to send, and where to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendParams {
    /// The address.
    pub target: Target,
    /// What makes a repeat of this request the same send.
    pub key: Option<String>,
    /// The text, not blank.
    pub text: String,
}

impl SendParams {
    /// Reads them from the payload. `header_key` is the `Idempotency-Key` header,
    /// which counts where `target.options.idempotency_key` is absent or blank.
    ///
    /// # Errors
    /// When the target or the message is not one that this surface can send.
    pub fn parse(
        surface: Surface,
        payload: &Object,
        header_key: Option<&str>,
    ) -> Result<Self, ContractError> {
        let target = member::required_object(payload, "target")?;
        let expected = surface.platform();
        let platform = member::required_string(target, "target.platform")?;
        if platform != expected {
            let reason = format!("member target.platform must be {expected:?}");
            return Err(ContractError::malformed(reason));
        }
        if member::required_string(target, "target.kind")? != "conversation" {
            return Err(ContractError::malformed(
                "member target.kind must be \"conversation\"",
            ));
        }
        let id = member::required_string(target, "target.id")?;
        let message = member::required_object(payload, "message")?;
        let message =
            OutboundMessage::deserialize(Value::Object(message.clone())).map_err(|_unnamed| {
                ContractError::malformed("member message must be {\"Text\": \"…\"}")
            })?;
        Ok(Self {
            target: Target::parse(surface, id)?,
            key: key(target, header_key)?,
            text: message.into_text()?,
        })
    }
}

fn key(target: &Object, header: Option<&str>) -> Result<Option<String>, ContractError> {
    let option = match member::object(target, "target.options")? {
        Some(options) => member::string(options, "target.options.idempotency_key")?,
        None => None,
    };
    let given = |text: &&str| !text.trim().is_empty();
    let key = option.filter(given).or(header.filter(given));
    if key.is_some_and(|key| key.len() > MAX_KEY_BYTES) {
        let reason = format!("an idempotency key has at most {MAX_KEY_BYTES} bytes");
        return Err(ContractError::malformed(reason));
    }
    Ok(key.map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(target: Value, message: Value) -> Result<SendParams, ContractError> {
        let payload = json!({ "target": target, "message": message });
        let payload = payload.as_object().expect("an object");
        SendParams::parse(Surface::WhatsAppPersonal, payload, Some("from-header"))
    }

    fn target(options: Value) -> Value {
        json!({
            "platform": "whatsapp", "kind": "conversation",
            "id": "whatsapp-personal:default:contact:+15551234567", "options": options,
        })
    }

    #[test]
    fn the_option_wins_over_the_header() {
        for (options, key) in [
            (json!({"idempotency_key": "k"}), "k"),
            (json!({"idempotency_key": null}), "from-header"),
            (json!({"idempotency_key": " "}), "from-header"),
            (json!({}), "from-header"),
            (json!(null), "from-header"),
        ] {
            let params = parse(target(options), json!({"Text": "hi"})).expect("well formed");
            assert_eq!(params.key.as_deref(), Some(key));
        }
    }

    #[test]
    fn only_texts_with_something_in_them_are_sent() {
        for (message, word) in [
            (json!({"Text": " \n"}), "blank"),
            (json!({"MarkdownCard": "x"}), "MarkdownCard"),
            (json!({"Post": [1]}), "Post"),
            (json!({"Image": {"image_key": "k"}}), "Image"),
            (json!({"File": {"file_key": "k"}}), "File"),
            (json!({"Text": 5}), "Text"),
            (json!({"text": "x"}), "Text"),
            (json!({"Text": "x", "File": {"file_key": "k"}}), "Text"),
            (json!("x"), "message"),
            (json!(null), "message"),
        ] {
            let error = parse(target(json!({})), message).expect_err("not a text");
            assert_eq!(error.status(), 400);
            assert!(error.to_string().contains(word), "{error}");
        }
        let endless = json!({"Text": "x".repeat(MAX_TEXT_CHARS + 1)});
        assert_eq!(
            parse(target(json!({})), endless)
                .expect_err("too long")
                .status(),
            413
        );
    }

    #[test]
    fn targets_of_other_platforms_and_kinds_are_refused() {
        let text = json!({"Text": "hi"});
        for (member, value) in [
            ("platform", json!("whatsapp-personal")),
            ("platform", json!(null)),
            ("kind", json!("message_reply")),
            ("id", json!("contact:+1")),
            ("id", json!(5)),
            ("options", json!([])),
            ("options", json!({"idempotency_key": 5})),
            ("options", json!({"idempotency_key": "k".repeat(600)})),
        ] {
            let mut bad = target(json!({}));
            bad[member] = value;
            assert_eq!(
                parse(bad, text.clone()).expect_err(member).status(),
                400,
                "{member}"
            );
        }
    }
}
