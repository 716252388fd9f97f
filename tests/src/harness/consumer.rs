//! A consumer of the bridge contract, written from the wire alone.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

/// Longer than every deadline of the bridge.
const REQUEST: Duration = Duration::from_secs(40);

/// The bridge's answer to one operation.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The whole body, `null` if it was no JSON.
    pub body: Value,
}

impl Answer {
    /// The operation's payload.
    #[must_use]
    pub fn payload(&self) -> &Value {
        self.body.get("payload").unwrap_or(&self.body)
    }
}

/// A consumer; clones share their connections.
#[derive(Debug, Clone)]
pub struct Consumer {
    http: reqwest::Client,
    url: String,
    account: String,
}

impl Consumer {
    /// A consumer of the bridge at `url`.
    ///
    /// # Errors
    /// When the HTTP client cannot be set up.
    pub fn new(url: &str) -> anyhow::Result<Self> {
        // Whoever is first installs it; the HTTP client asks for one even for plain HTTP.
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .timeout(REQUEST)
            .no_proxy()
            .build()
            .context("setting up the HTTP client")?;
        Ok(Self {
            http,
            url: url.to_owned(),
            account: "default".to_owned(),
        })
    }

    /// Calls `operation` with the members of `extra` added to the payload.
    ///
    /// # Errors
    /// When no answer arrives.
    pub async fn call(&self, operation: &str, extra: Value) -> anyhow::Result<Answer> {
        let mut payload = json!({ "runtime_context": {
            "channel_id": "whatsapp-personal",
            "account": {
                "configured_account_id": self.account,
                "configured_account_label": self.account,
                "account_id": "whatsapp_personal_test",
                "account_label": "whatsapp-personal:test",
                "config": { "bridge_url": self.url, "allowed_chat_ids": ["*"] },
            },
        }});
        if let (Some(payload), Value::Object(extra)) = (payload.as_object_mut(), extra) {
            payload.extend(extra);
        }
        let envelope = json!({
            "method": "tools/call",
            "id": format!("whatsapp-personal-bridge:whatsapp-personal:{operation}"),
            "provider_id": "whatsapp-personal-bridge",
            "channel_id": "whatsapp-personal",
            "operation": operation,
            "payload": payload,
        });
        let response = self
            .http
            .post(&self.url)
            .json(&envelope)
            .send()
            .await
            .with_context(|| format!("calling {operation}"))?;
        let status = response.status().as_u16();
        let body = response.json().await.unwrap_or(Value::Null);
        Ok(Answer { status, body })
    }

    /// Takes messages, waiting up to `wait` for the first.
    ///
    /// # Errors
    /// When the bridge does not answer with a batch.
    pub async fn receive(&self, max: usize, wait: Duration) -> anyhow::Result<Vec<Value>> {
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let extra = json!({ "max_messages": max, "wait_ms": wait_ms, "consumer": "test" });
        let answer = self.call("receive_batch", extra).await?;
        ensure!(answer.status == 200, "receive_batch: {answer:?}");
        answer.payload()["messages"]
            .as_array()
            .cloned()
            .with_context(|| format!("receive_batch has `messages`: {answer:?}"))
    }

    /// Acknowledges one message of a batch.
    ///
    /// # Errors
    /// When the bridge refuses.
    pub async fn ack(&self, message: &Value) -> anyhow::Result<()> {
        let answer = self
            .call("ack_inbound", json!({ "message": message }))
            .await?;
        ensure!(answer.status == 200, "ack_inbound: {answer:?}");
        Ok(())
    }

    /// Sends `text` to `contact:<id>` or `group:<id>`, once per `key`.
    ///
    /// # Errors
    /// When no answer arrives; a refusal is an [`Answer`].
    pub async fn send(&self, to: &str, text: &str, key: Option<&str>) -> anyhow::Result<Answer> {
        let target = json!({
            "platform": "whatsapp",
            "kind": "conversation",
            "id": format!("whatsapp-personal:{}:{to}", self.account),
            "options": {
                "idempotency_key": key,
                "feishu_receive_id_type": null,
                "feishu_reply_in_thread": null,
                "feishu_reply_chat_id": null,
            },
        });
        self.call(
            "send_message",
            json!({ "target": target, "message": { "Text": text } }),
        )
        .await
    }

    /// Answers a message through the `reply_target` that came with it.
    ///
    /// # Errors
    /// When no answer arrives; a refusal is an [`Answer`].
    pub async fn reply(&self, reply_target: &Value, text: &str) -> anyhow::Result<Answer> {
        let extra = json!({ "target": reply_target, "message": { "Text": text } });
        self.call("send_message", extra).await
    }

    /// Takes messages until `count` have been acknowledged, in order of arrival.
    ///
    /// # Errors
    /// When the bridge refuses, or `within` passes first.
    pub async fn take(&self, count: usize, within: Duration) -> anyhow::Result<Vec<Value>> {
        let mut taken = Vec::new();
        let work = async {
            while taken.len() < count {
                for message in self.receive(50, Duration::from_secs(5)).await? {
                    self.ack(&message).await?;
                    taken.push(message);
                }
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(within, work)
            .await
            .with_context(|| format!("{count} messages did not arrive in time"))??;
        Ok(taken)
    }
}
