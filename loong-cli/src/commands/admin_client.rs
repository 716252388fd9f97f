//! Asking a running bridge, with the token that lies in its session folder.
//!
//! Sled's lock keeps other processes out of the store, so whatever a command
//! wants to know or change while a bridge runs, the bridge does for it.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use url::Url;

use crate::{exit::Exit, failure::Failure};

/// Longer than the bridge takes over the slowest request of this API.
const ANSWER: Duration = Duration::from_secs(30);
/// A bridge on this machine accepts at once or not at all.
const CONNECT: Duration = Duration::from_secs(3);

/// A connection to the admin API of one bridge.
pub(super) struct AdminClient {
    http: reqwest::Client,
    root: Url,
    token: SecretString,
}

impl AdminClient {
    /// For the bridge whose contract is served at `bridge_url`.
    pub(super) fn new(bridge_url: &str, token: SecretString) -> Result<Self, Failure> {
        let malformed = |error: &dyn std::error::Error| {
            Failure::usage(format!("{bridge_url} is no address of a bridge")).because(error)
        };
        let url = Url::parse(bridge_url).map_err(|error| malformed(&error))?;
        let root = url.join("/loong/v1/").map_err(|error| malformed(&error))?;
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            .build()
            .map_err(|error| {
                Failure::new(Exit::Failed, "cannot set up the connection").because(&error)
            })?;
        Ok(Self { http, root, token })
    }

    pub(super) async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.send(self.http.get(self.address(path)?)).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.send(self.http.post(self.address(path)?).json(body))
            .await
    }

    fn address(&self, path: &str) -> Result<Url, Failure> {
        self.root
            .join(path)
            .map_err(|error| Failure::new(Exit::Failed, "wrong address").because(&error))
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Value, Failure> {
        let sent = request.bearer_auth(self.token.expose_secret()).send().await;
        let response = sent.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        let body: Value = response
            .json()
            .await
            .map_err(|error| self.stranger(&error))?;
        if status.is_success() {
            return Ok(body);
        }
        let reason = body["error"].as_str().unwrap_or("no reason given");
        Err(Failure::new(
            Exit::Refused,
            format!("the bridge refused ({}): {reason}", status.as_u16()),
        ))
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let what = if error.is_timeout() {
            format!("the bridge at {} does not answer in time", self.place())
        } else {
            format!("no bridge answers at {}", self.place())
        };
        Failure::new(Exit::Unreachable, what)
            .because(error)
            .next("start it: loong whatsapp-personal bridge run")
    }

    fn stranger(&self, error: &reqwest::Error) -> Failure {
        Failure::new(
            Exit::Unreachable,
            format!("what answers at {} is not this bridge", self.place()),
        )
        .because(error)
        .next("check bridge_url, or start the bridge: loong whatsapp-personal bridge run")
    }

    fn place(&self) -> String {
        let host = self.root.host_str().unwrap_or_default();
        format!(
            "{host}:{}",
            self.root.port_or_known_default().unwrap_or_default()
        )
    }
}
