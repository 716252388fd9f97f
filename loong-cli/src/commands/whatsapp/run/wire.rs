//! Puts a bridge together from its parts, and takes it apart in order.
//!
//! Start: token, port, key, store, boxes, session. The port comes before the
//! store, so that a second bridge stops at the first thing it shares with the
//! one that runs. End: no new requests, open ones answered, session closed, store
//! on disk.

use std::{sync::Arc, time::Duration};

use bridge_core::{
    clock::SystemClock,
    driver::Driver,
    inbox::{Inbox, InboxError, InboxLimits, ingress::InboxIngress},
    outbox::{Outbox, OutboxError},
    policy::PolicyHandle,
    server::{AccountRuntime, BridgeOptions, BridgeServer, ServerError},
    state::SessionStatus,
    vault::Vault,
};
use tokio::{
    sync::watch,
    task::{JoinError, JoinHandle},
};
use tokio_util::sync::CancellationToken;
use wa_web::{WaDriver, WaError};

use super::{
    super::{folder::SessionFolder, keys},
    plan::Plan,
};
use crate::{commands::blocking, exit::Exit, failure::Failure};

/// How long requests that are being answered may take at the end. The session
/// needs the rest of the 5 s.
const LAST_REQUESTS: Duration = Duration::from_millis(1_000);
/// How long the session may take to close, within the 5 s.
const LAST_FRAMES: Duration = Duration::from_millis(3_000);
/// How much longer an answer to a message is remembered than the message.
const OUTBOX_MARGIN: Duration = Duration::from_hours(2 * 24);

/// A bridge whose session is open and whose port is taken, not yet serving.
#[derive(Debug)]
pub(super) struct Bridge {
    server: BridgeServer,
    url: String,
    account: Arc<AccountRuntime>,
    driver: Arc<WaDriver>,
    ingress: InboxIngress,
    vault: Vault,
}

impl Bridge {
    /// Opens everything.
    pub(super) async fn open(plan: &Plan, folder: &SessionFolder) -> Result<Self, Failure> {
        let server = bind(plan, folder).await?;
        let url = plan.endpoint.url_at(server.local_addr());
        let (places, options) = (plan.keys.clone(), plan.vault.clone());
        let vault = blocking(move || -> Result<Vault, Failure> {
            let key = keys::find(&places, &options)?;
            Ok(Vault::open_any(&options, &key.candidates())?)
        })
        .await??;
        let (ingress, policy) = boxes(plan, &vault).await?;
        let (events, whatsapp) = (ingress.clone(), plan.whatsapp.clone());
        let driver = WaDriver::start(whatsapp, vault.clone(), Arc::new(events))
            .await
            .map_err(driver_failure)?;
        let account = Arc::new(AccountRuntime {
            identity: plan.account.channel.identity.clone(),
            driver: Arc::<WaDriver>::clone(&driver),
            inbox: Arc::clone(&ingress.inbox),
            outbox: Arc::clone(&ingress.outbox),
            policy,
        });
        Ok(Self {
            server,
            url,
            account,
            driver,
            ingress,
            vault,
        })
    }

    /// The endpoint of the contract.
    pub(super) fn url(&self) -> String {
        self.url.clone()
    }

    /// The state of the session.
    pub(super) fn status(&self) -> watch::Receiver<SessionStatus> {
        self.driver.status()
    }

    /// Entries of the allowlist that mean nothing.
    pub(super) fn unresolved(&self) -> Vec<String> {
        self.account.policy.unresolved()
    }

    /// Starts to serve, until `shutdown`.
    pub(super) fn serve(self, shutdown: CancellationToken) -> Serving {
        let accounts = vec![self.account];
        let driver: Arc<dyn Driver> = Arc::<WaDriver>::clone(&self.driver);
        Serving {
            server: tokio::spawn(self.server.serve(accounts, shutdown.clone())),
            upkeep: tokio::spawn(self.ingress.maintain(driver, shutdown)),
            driver: self.driver,
            vault: self.vault,
        }
    }
}

/// A bridge at work.
#[derive(Debug)]
pub(super) struct Serving {
    /// Ends when it was told to, or cannot go on.
    pub(super) server: JoinHandle<Result<(), ServerError>>,
    upkeep: JoinHandle<()>,
    driver: Arc<WaDriver>,
    vault: Vault,
}

impl Serving {
    /// Ends everything in order; `shutdown` has been cancelled before.
    /// `server_ended`: it was waited for already.
    pub(super) async fn end(self, server_ended: bool) -> Result<(), Failure> {
        if !server_ended {
            note_end(
                "server",
                self.server
                    .await
                    .map(|ended| ended.map_err(|e| e.to_string())),
            );
        }
        if tokio::time::timeout(LAST_FRAMES, self.driver.shutdown())
            .await
            .is_err()
        {
            // What it had to keep is kept as it goes; only politeness is lost.
            tracing::warn!("WhatsApp did not take the end of the session in time");
        }
        note_end("upkeep", self.upkeep.await.map(Ok));
        let vault = self.vault;
        blocking(move || vault.close()).await??;
        Ok(())
    }
}

fn note_end(part: &str, ended: Result<Result<(), String>, JoinError>) {
    match ended {
        Ok(Ok(())) => tracing::debug!(part, "ended"),
        Ok(Err(error)) => tracing::warn!(part, error, "ended with an error"),
        Err(error) => tracing::warn!(part, %error, "broke off"),
    }
}

async fn bind(plan: &Plan, folder: &SessionFolder) -> Result<BridgeServer, Failure> {
    let token = folder.token_or_new()?;
    let mut options = BridgeOptions::new(plan.endpoint.socket(), &plan.endpoint.path, token);
    options.unix_socket = plan
        .account
        .unix_socket
        .as_ref()
        .map(|path| path.value.clone());
    options.bridge_token.clone_from(&plan.bridge_token);
    options.limits.shutdown_time = LAST_REQUESTS;
    BridgeServer::bind(options).await.map_err(|error| {
        let failure = server_failure(&error);
        match folder.running() {
            Some(running) if failure.exit() == Exit::PortTaken => failure.next(format!(
                "a bridge of this account noted {} as process {}; stop it, or listen elsewhere \
                 with --listen 127.0.0.1:0",
                running.url, running.pid
            )),
            _ => failure,
        }
    })
}

/// Inbox and outbox, and who may fill the first.
async fn boxes(plan: &Plan, vault: &Vault) -> Result<(InboxIngress, Arc<PolicyHandle>), Failure> {
    let allowed = plan.account.channel.allowed.value.clone();
    let policy = Arc::new(PolicyHandle::new(allowed, Arc::new(wa_web::allow_entry)));
    let mut limits = InboxLimits::default();
    if let Some(bound) = &plan.account.max_pending {
        limits.max_pending = bound.value;
    }
    let retention = limits.tombstone + OUTBOX_MARGIN;
    let (vault, handle) = (vault.clone(), Arc::clone(&policy));
    let opened = blocking(move || -> Result<InboxIngress, Failure> {
        let clock = Arc::new(SystemClock);
        let inbox = Inbox::open(&vault, limits, handle, Arc::<SystemClock>::clone(&clock))
            .map_err(inbox_failure)?;
        let outbox = Outbox::open(&vault, retention, clock).map_err(outbox_failure)?;
        Ok(InboxIngress {
            inbox: Arc::new(inbox),
            outbox: Arc::new(outbox),
        })
    });
    Ok((opened.await??, policy))
}

fn inbox_failure(error: InboxError) -> Failure {
    match error {
        InboxError::Store(error) => error.into(),
        other => damaged("the inbox cannot be opened", &other),
    }
}

fn outbox_failure(error: OutboxError) -> Failure {
    match error {
        OutboxError::Store(error) => error.into(),
        other => damaged("the outbox cannot be opened", &other),
    }
}

fn driver_failure(error: WaError) -> Failure {
    use wa_web::store::StoreOpenError;
    match error {
        WaError::Store(StoreOpenError::Vault(error)) => error.into(),
        WaError::Store(error) => damaged("the stored session cannot be used", &error),
        WaError::Transport(error) => Failure::usage("the connection to WhatsApp cannot be set up")
            .because(&error)
            .next("correct --wa-ca or --proxy, or the keys and variables of the same meaning"),
        other => Failure::new(Exit::Failed, "the session cannot be started").because(&other),
    }
}

fn damaged(what: &str, error: &dyn std::error::Error) -> Failure {
    Failure::new(Exit::Damaged, what).because(error).next(
        "restore the folder and its key from a backup, or move the folder away and link again; \
         nothing was changed",
    )
}

pub(super) fn server_failure(error: &ServerError) -> Failure {
    match error {
        ServerError::PortTaken { .. } => Failure::new(Exit::PortTaken, error.to_string())
            .next("stop that process, or listen elsewhere with --listen 127.0.0.1:0"),
        ServerError::Bind { listen, source } => {
            Failure::io(format!("cannot listen on {listen}"), source)
                .next("choose another address with --listen, for example --listen 127.0.0.1:39731")
        }
        ServerError::Socket { path, source } => Failure::io(
            format!("cannot listen on the socket {}", path.display()),
            source,
        ),
        ServerError::NotLoopback { .. } | ServerError::Path { .. } => {
            Failure::usage(error.to_string())
                .next("set bridge_url = \"http://127.0.0.1:39731/bridge\", or pass --listen")
        }
        other => Failure::new(Exit::Failed, "the server cannot be started").because(other),
    }
}
