//! A bridge with an in-memory messenger behind a real port.

use std::{sync::Arc, time::Duration};

use bridge_core::{
    account::{AccountId, AccountIdentity, Surface},
    clock::SystemClock,
    driver::Driver,
    driver_memory::MemoryDriver,
    inbox::{Inbox, InboxLimits, ingress::InboxIngress},
    outbox::{DEFAULT_RETENTION, Outbox},
    policy::{Allowlist, PolicyHandle},
    server::{AccountRuntime, BridgeOptions, BridgeServer, ServerError},
    vault::{MasterKey, Vault, VaultOptions},
};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

pub(crate) const ADMIN: &str = "admin-token";
pub(crate) const ALICE: &str = "15551234567@s.whatsapp.net";
pub(crate) const BOB: &str = "15557654321@s.whatsapp.net";
/// Nothing in these tests takes this long unless it hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// One account of the bridge.
pub(crate) struct Account {
    pub(crate) driver: Arc<MemoryDriver>,
    pub(crate) runtime: Arc<AccountRuntime>,
    _folder: tempfile::TempDir,
}

impl Account {
    pub(crate) fn new(configured: &str, list: &[&str], limits: InboxLimits) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let key = MasterKey::from_bytes([7; MasterKey::LEN]);
        let vault = Vault::open(&VaultOptions::new(folder.path().join("store")), &key)?;
        let driver = Arc::new(MemoryDriver::new());
        let resolver = Arc::clone(&driver);
        let policy = Arc::new(PolicyHandle::new(
            Allowlist::parse(Some(list)),
            Arc::new(move |entry| resolver.allow_entry(entry)),
        ));
        let clock = Arc::new(SystemClock);
        let inbox = Inbox::open(&vault, limits, Arc::clone(&policy), clock.clone())?;
        let outbox = Arc::new(Outbox::open(&vault, DEFAULT_RETENTION, clock)?);
        let inbox = Arc::new(inbox);
        driver.connect(Arc::new(InboxIngress {
            inbox: Arc::clone(&inbox),
            outbox: Outbox::clone(&outbox).into(),
        }));
        let identity = AccountIdentity {
            surface: Surface::WhatsAppPersonal,
            configured: AccountId::normalize(configured),
            configured_label: configured.to_owned(),
            runtime_id: "own_runtime_id".to_owned(),
            runtime_label: "own runtime id".to_owned(),
        };
        let runtime = Arc::new(AccountRuntime {
            identity,
            driver: Arc::clone(&driver) as Arc<dyn Driver>,
            inbox,
            outbox,
            policy,
        });
        Ok(Self {
            driver,
            runtime,
            _folder: folder,
        })
    }

    /// Lets a text arrive.
    pub(crate) async fn hear(&self, from: &str, id: &str, text: &str) -> Result {
        Ok(self.driver.inject_text(from, id, text).await?)
    }
}

/// A running server.
pub(crate) struct Rig {
    pub(crate) accounts: Vec<Account>,
    pub(crate) port: u16,
    pub(crate) http: reqwest::Client,
    pub(crate) stop: CancellationToken,
    pub(crate) server: JoinHandle<std::result::Result<(), ServerError>>,
}

pub(crate) fn options() -> BridgeOptions {
    let listen = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    BridgeOptions::new(listen, "/bridge", ADMIN.into())
}

impl Rig {
    /// One account, everyone allowed, the usual limits.
    pub(crate) async fn start() -> Result<Self> {
        Self::with(
            vec![Account::new("default", &["*"], InboxLimits::default())?],
            options(),
        )
        .await
    }

    pub(crate) async fn with_list(list: &[&str]) -> Result<Self> {
        Self::with(
            vec![Account::new("default", list, InboxLimits::default())?],
            options(),
        )
        .await
    }

    pub(crate) async fn with_options(change: impl FnOnce(&mut BridgeOptions)) -> Result<Self> {
        let mut options = options();
        change(&mut options);
        Self::with(
            vec![Account::new("default", &["*"], InboxLimits::default())?],
            options,
        )
        .await
    }

    pub(crate) async fn with(accounts: Vec<Account>, options: BridgeOptions) -> Result<Self> {
        let bound = BridgeServer::bind(options).await?;
        let port = bound.local_addr().port();
        let runtimes = accounts
            .iter()
            .map(|account| Arc::clone(&account.runtime))
            .collect();
        let stop = CancellationToken::new();
        let server = tokio::spawn(bound.serve(runtimes, stop.clone()));
        let http = http_client()?;
        Ok(Self {
            accounts,
            port,
            http,
            stop,
            server,
        })
    }

    pub(crate) fn account(&self) -> &Account {
        &self.accounts[0]
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// A request to the contract's path, not sent yet.
    pub(crate) fn post(&self, body: &Value) -> RequestBuilder {
        self.http.post(self.url("/bridge")).json(body)
    }

    /// One operation, as the original client asks for it.
    pub(crate) async fn call(
        &self,
        operation: &str,
        payload: Value,
    ) -> Result<(StatusCode, Value)> {
        answer(self.post(&envelope(operation, payload))).await
    }

    /// A batch that must succeed.
    pub(crate) async fn receive(&self, extra: Value) -> Result<Vec<Value>> {
        let (status, body) = self.call("receive_batch", extra).await?;
        if status != StatusCode::OK {
            return Err(format!("{status}: {body}").into());
        }
        let messages = body["payload"]["messages"].as_array();
        Ok(messages.ok_or("no messages member")?.clone())
    }

    pub(crate) async fn ack(&self, message: &Value) -> Result<(StatusCode, Value)> {
        self.call("ack_inbound", json!({ "message": message }))
            .await
    }

    /// A request to the admin API with its token.
    pub(crate) async fn admin(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<(StatusCode, Value)> {
        let url = self.url(&format!("/loong/v1/{path}"));
        let request = self.http.request(method, url).bearer_auth(ADMIN);
        answer(match body {
            Some(body) => request.json(&body),
            None => request,
        })
        .await
    }
}

/// The library insists on a cryptography provider, even for plain HTTP. The
/// second test of a process finds it installed.
fn http_client() -> Result<reqwest::Client> {
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    let builder = reqwest::Client::builder()
        .no_proxy()
        .tls_built_in_root_certs(false);
    Ok(builder.timeout(PATIENCE).build()?)
}

/// Status and JSON body.
pub(crate) async fn answer(request: RequestBuilder) -> Result<(StatusCode, Value)> {
    let response = request.send().await?;
    let status = response.status();
    let text = response.text().await?;
    let body = serde_json::from_str(&text).map_err(|error| format!("{error}: {text:?}"))?;
    Ok((status, body))
}

/// The envelope of the original client; `payload` is merged over its context.
pub(crate) fn envelope(operation: &str, payload: Value) -> Value {
    let mut merged = json!({ "runtime_context": context("default") });
    for (name, value) in payload.as_object().into_iter().flatten() {
        merged[name] = value.clone();
    }
    json!({
        "method": "tools/call",
        "id": format!("whatsapp-personal-bridge:whatsapp-personal:{operation}"),
        "provider_id": "whatsapp-personal-bridge",
        "channel_id": "whatsapp-personal",
        "operation": operation,
        "payload": merged,
    })
}

pub(crate) fn context(account: &str) -> Value {
    context_with(account, json!(["*"]))
}

pub(crate) fn context_with(account: &str, allowed: Value) -> Value {
    json!({
        "channel_id": "whatsapp-personal",
        "account": {
            "configured_account_id": account,
            "configured_account_label": account,
            "account_id": "whatsapp_personal_127-0-0-1-39731",
            "account_label": "whatsapp-personal:127.0.0.1:39731",
            "config": {
                "bridge_url": "http://127.0.0.1:39731/bridge",
                "auth_dir": "~/.loong/whatsapp-personal/default",
                "allowed_chat_ids": allowed,
            },
        },
    })
}

/// The payload of a send, as `channels send` writes it.
pub(crate) fn text_to(id: &str, key: Option<&str>, text: &str) -> Value {
    json!({
        "target": {
            "platform": "whatsapp",
            "kind": "conversation",
            "id": id,
            "options": {
                "idempotency_key": key,
                "feishu_receive_id_type": null,
                "feishu_reply_in_thread": null,
                "feishu_reply_chat_id": null,
            },
        },
        "message": { "Text": text },
    })
}
