//! A typed client of the simulator's control API, for tests and tools. Every
//! call fails with the server's own words.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use reqwest::{Method, RequestBuilder};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::wa_sim::control::types::{
    ChangeGroup, CreateGroup, CreatePhone, GroupInfo, InjectFault, Linked, LogPage, PhoneInfo,
    RegisterDevice, Registered, SimInfo, Vouched,
};
use crate::wa_sim::faults::Fault;
use crate::wa_sim::phone::content::Content;
use crate::wa_sim::phone::log::{AckSeen, ReceiptSeen, Refusal, TypingSeen};
use crate::wa_sim::phone::send::{Letter, Posted};
use crate::wa_sim::phone::view::Seen;

/// Calls that wait for a companion take this long at most, beyond their own
/// waiting time.
const PATIENCE: Duration = Duration::from_secs(45);

/// The control API of one simulator.
#[derive(Debug, Clone)]
pub struct SimClient {
    base: String,
    http: reqwest::Client,
}

impl SimClient {
    /// Speaks to the simulator at `base`, for example `http://127.0.0.1:4711`.
    ///
    /// # Errors
    /// If no HTTP client can be made.
    pub fn new(base: impl Into<String>) -> Result<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(PATIENCE * 4)
            .build()?;
        Ok(Self {
            base: base.into().trim_end_matches('/').to_owned(),
            http,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// What the simulator is.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn info(&self) -> Result<SimInfo> {
        self.get("/__sim/info").await
    }

    /// Makes a phone.
    ///
    /// # Errors
    /// If the number is taken.
    pub async fn create_phone(&self, phone: &CreatePhone) -> Result<PhoneInfo> {
        self.post("/__sim/phones", phone).await
    }

    /// All phones.
    ///
    /// # Errors
    /// If the simulator does not answer.
    pub async fn phones(&self) -> Result<Vec<PhoneInfo>> {
        self.get("/__sim/phones").await
    }

    /// One phone.
    ///
    /// # Errors
    /// If there is none with this number.
    pub async fn phone(&self, number: &str) -> Result<PhoneInfo> {
        self.get(&format!("/__sim/phones/{number}")).await
    }

    /// Scans a QR code with the phone that has the companion's push name.
    ///
    /// # Errors
    /// If the companion is not linked.
    pub async fn scan_any(&self, qr: &str) -> Result<Linked> {
        let request = self
            .http
            .post(format!("{}/admin/mock-phone/scan-qr", self.base));
        answer(request.body(qr.to_owned())).await
    }

    /// Scans a QR code with one phone.
    ///
    /// # Errors
    /// If the companion is not linked.
    pub async fn scan(&self, number: &str, qr: &str) -> Result<Linked> {
        self.post(
            &format!("/__sim/phones/{number}/scan"),
            &json!({ "qr": qr }),
        )
        .await
    }

    /// Types a pairing code into one phone.
    ///
    /// # Errors
    /// If the code is wrong or nobody waits for it.
    pub async fn enter_code(&self, number: &str, code: &str) -> Result<Linked> {
        self.post(
            &format!("/__sim/phones/{number}/enter-code"),
            &json!({ "code": code }),
        )
        .await
    }

    /// Sends a text from a phone.
    ///
    /// # Errors
    /// If nobody is there.
    pub async fn send_text(&self, number: &str, to: &str, text: &str) -> Result<Posted> {
        self.send(number, to, &Letter::text(text)).await
    }

    /// Sends something else from a phone.
    ///
    /// # Errors
    /// If nobody is there.
    pub async fn send_content(&self, number: &str, to: &str, content: Content) -> Result<Posted> {
        self.send(number, to, &Letter::from(content)).await
    }

    /// Sends a letter from a phone.
    ///
    /// # Errors
    /// If nobody is there.
    pub async fn send(&self, number: &str, to: &str, letter: &Letter) -> Result<Posted> {
        let mut body = serde_json::to_value(letter)?;
        if let Some(fields) = body.as_object_mut() {
            fields.insert("to".to_owned(), Value::from(to));
        }
        self.post(&format!("/__sim/phones/{number}/send"), &body)
            .await
    }

    /// Marks messages as read on a phone.
    ///
    /// # Errors
    /// If the chat does not exist.
    pub async fn read(
        &self,
        number: &str,
        chat: &str,
        author: Option<&str>,
        ids: &[&str],
    ) -> Result<()> {
        let body = json!({ "chat": chat, "author": author, "ids": ids });
        self.done(&format!("/__sim/phones/{number}/read"), &body)
            .await
    }

    /// Starts or stops typing on a phone.
    ///
    /// # Errors
    /// If the chat does not exist.
    pub async fn typing(&self, number: &str, to: &str, typing: bool) -> Result<()> {
        let body = json!({ "to": to, "typing": typing });
        self.done(&format!("/__sim/phones/{number}/typing"), &body)
            .await
    }

    /// Connects or disconnects a phone.
    ///
    /// # Errors
    /// If there is no such phone.
    pub async fn set_online(&self, number: &str, online: bool) -> Result<()> {
        let path = format!("/__sim/phones/{number}/online");
        let _: Value = self
            .call(Method::PUT, &path, Some(&json!({ "online": online })))
            .await?;
        Ok(())
    }

    /// Makes a phone forget its session with a device.
    ///
    /// # Errors
    /// If there is no such device.
    pub async fn forget_session(&self, number: &str, device: &str) -> Result<()> {
        let body = json!({ "device": device });
        self.done(&format!("/__sim/phones/{number}/forget-session"), &body)
            .await
    }

    /// What a phone shows from entry `after` on, once there are `min` more of
    /// them or the time is up.
    ///
    /// # Errors
    /// If there is no such phone.
    pub async fn inbox(&self, number: &str, page: Wait) -> Result<LogPage<Seen>> {
        self.log(number, "inbox", page).await
    }

    /// Receipts for what a phone sent.
    ///
    /// # Errors
    /// If there is no such phone.
    pub async fn receipts(&self, number: &str, page: Wait) -> Result<LogPage<ReceiptSeen>> {
        self.log(number, "receipts", page).await
    }

    /// The server's acks for what a phone sent.
    ///
    /// # Errors
    /// If there is no such phone.
    pub async fn acks(&self, number: &str, page: Wait) -> Result<LogPage<AckSeen>> {
        self.log(number, "acks", page).await
    }

    /// Who was seen typing.
    ///
    /// # Errors
    /// If there is no such phone.
    pub async fn typing_seen(&self, number: &str, page: Wait) -> Result<LogPage<TypingSeen>> {
        self.log(number, "typing", page).await
    }

    /// What a phone would not or could not do.
    ///
    /// # Errors
    /// If there is no such phone.
    pub async fn refusals(&self, number: &str, page: Wait) -> Result<LogPage<Refusal>> {
        self.log(number, "refusals", page).await
    }

    async fn log<T: DeserializeOwned>(
        &self,
        number: &str,
        list: &str,
        wait: Wait,
    ) -> Result<LogPage<T>> {
        let Wait {
            after,
            min,
            at_most,
        } = wait;
        let wait_ms = at_most.as_millis();
        let query = format!("after={after}&min={min}&wait_ms={wait_ms}");
        self.get(&format!("/__sim/phones/{number}/log/{list}?{query}"))
            .await
    }

    /// Makes a group.
    ///
    /// # Errors
    /// If a member does not exist.
    pub async fn create_group(&self, group: &CreateGroup) -> Result<GroupInfo> {
        self.post("/__sim/groups", group).await
    }

    /// Changes a group.
    ///
    /// # Errors
    /// If it does not exist.
    pub async fn change_group(&self, group: &str, change: &ChangeGroup) -> Result<GroupInfo> {
        self.post(&format!("/__sim/groups/{group}/members"), change)
            .await
    }

    /// Live connections and phones.
    ///
    /// # Errors
    /// If the simulator does not answer.
    pub async fn clients(&self) -> Result<Vec<Value>> {
        self.get("/__sim/clients").await
    }

    /// What became of every message.
    ///
    /// # Errors
    /// If the simulator does not answer.
    pub async fn ledger(&self) -> Result<Vec<Value>> {
        self.get("/__sim/ledger").await
    }

    /// What became of one message.
    ///
    /// # Errors
    /// If nobody handed it in.
    pub async fn ledger_entry(&self, id: &str) -> Result<Value> {
        self.get(&format!("/__sim/ledger/{id}")).await
    }

    /// Lets something go wrong for a device (`digits:device`) or for everybody.
    ///
    /// # Errors
    /// If the device is not an address.
    pub async fn inject(&self, device: Option<&str>, fault: Fault) -> Result<()> {
        let request = InjectFault {
            device: device.map(str::to_owned),
            fault,
        };
        self.done("/__sim/faults", &request).await
    }

    /// Ends what was injected.
    ///
    /// # Errors
    /// If the device is not an address.
    pub async fn clear_faults(&self, device: Option<&str>) -> Result<()> {
        let query = device
            .map(|device| format!("?device={device}"))
            .unwrap_or_default();
        let path = format!("/__sim/faults{query}");
        let _: Value = self.call(Method::DELETE, &path, None::<&Value>).await?;
        Ok(())
    }

    /// Sets the server's clock ahead.
    ///
    /// # Errors
    /// If the simulator does not answer.
    pub async fn set_clock_skew(&self, seconds: i64) -> Result<()> {
        let body = json!({ "skew_seconds": seconds });
        let _: Value = self.call(Method::PUT, "/__sim/clock", Some(&body)).await?;
        Ok(())
    }

    /// Has a phone vouch for a companion with this identity; the record is
    /// encoded, without the companion's signature.
    ///
    /// # Errors
    /// If there is no such phone.
    pub async fn vouch(&self, number: &str, identity: &[u8; 32]) -> Result<Vec<u8>> {
        let body = json!({ "identity": hex::encode(identity) });
        let vouched: Vouched = self
            .post(&format!("/__sim/phones/{number}/vouch"), &body)
            .await?;
        hex::decode(&vouched.record).context("the record is not hexadecimal")
    }

    /// Registers a companion that was never paired.
    ///
    /// # Errors
    /// If its keys or its record are wrong.
    pub async fn register_device(&self, device: &RegisterDevice) -> Result<Registered> {
        self.post("/__sim/devices", device).await
    }

    /// Unlinks a device (`digits:device`).
    ///
    /// # Errors
    /// If it is not an address.
    pub async fn remove_device(&self, device: &str) -> Result<()> {
        let path = format!("/__sim/devices/{device}");
        let _: Value = self.call(Method::DELETE, &path, None::<&Value>).await?;
        Ok(())
    }

    /// Has a phone send a companion the key of the account's app state.
    ///
    /// # Errors
    /// If there is no such device.
    pub async fn prime(&self, number: &str, device: &str) -> Result<()> {
        self.done(
            &format!("/__sim/phones/{number}/prime"),
            &json!({ "device": device }),
        )
        .await
    }

    /// Ends the simulator.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn shutdown(&self) -> Result<()> {
        self.done("/__sim/shutdown", &json!({})).await
    }

    async fn done(&self, path: &str, body: &impl Serialize) -> Result<()> {
        let _: Value = self.post(path, body).await?;
        Ok(())
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.call(Method::GET, path, None::<&Value>).await
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T> {
        self.call(Method::POST, path, Some(body)).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<T> {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(body) = body {
            request = request.json(body);
        }
        answer(request)
            .await
            .with_context(|| format!("the simulator's call {path}"))
    }
}

/// How much of a phone's log to wait for.
#[derive(Debug, Clone, Copy)]
pub struct Wait {
    /// Leaves out so many entries from the start.
    pub after: usize,
    /// Waits for so many more …
    pub min: usize,
    /// … at most so long.
    pub at_most: Duration,
}

impl Wait {
    /// At least `min` entries, within 20 seconds.
    #[must_use]
    pub const fn until(min: usize) -> Self {
        Self {
            after: 0,
            min,
            at_most: Duration::from_secs(20),
        }
    }

    /// Whatever is there now.
    #[must_use]
    pub const fn not() -> Self {
        Self {
            after: 0,
            min: 0,
            at_most: Duration::ZERO,
        }
    }
}

async fn answer<T: DeserializeOwned>(request: RequestBuilder) -> Result<T> {
    let response = request.send().await?;
    let status = response.status();
    let body = response.bytes().await?;
    if !status.is_success() {
        let said = serde_json::from_slice::<Value>(&body).ok();
        let error = said
            .as_ref()
            .and_then(|said| said.get("error"))
            .and_then(Value::as_str);
        bail!("{}: {status}", error.unwrap_or("no reason given"));
    }
    serde_json::from_slice(&body).context("the answer is not what was expected")
}
