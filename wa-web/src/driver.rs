//! The WhatsApp driver: what the bridge sees of this crate.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bridge_core::{
    driver::{Driver, DriverError, Ingress, OutboundPart, SendOutcome, TargetError},
    message::{ChatId, ChatKind},
    state::{SessionState, SessionStatus},
    vault::Vault,
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use whatsapp_rust::{Client, wacore_binary::JidExt as _};

use crate::{
    clock, egress,
    error::WaError,
    jid,
    options::WaOptions,
    session::{Acks, Command, Online, Supervisor, SupervisorParts},
    store, text,
    transport::WsTransportFactory,
    version::VersionKeeper,
};

/// Commands that may wait for the supervisor. They come from a person or from
/// the inbox making room; more than a few at once carry no news.
const COMMANDS: usize = 8;
/// How long the phone may take to answer a request that is not a message.
const REQUEST: Duration = Duration::from_secs(10);
/// How long an answer waits for a paused session to come back.
const RESUME: Duration = Duration::from_secs(4);
/// How long a shutdown waits for the session to end in order.
const SHUTDOWN: Duration = Duration::from_millis(4_500);

/// One WhatsApp account: a supervised session and the means to send through it.
#[derive(Debug)]
pub struct WaDriver {
    status: watch::Receiver<SessionStatus>,
    commands: mpsc::Sender<Command>,
    online: Arc<Online>,
    acks: Arc<Acks>,
    ack_timeout: Duration,
    shutdown: CancellationToken,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl WaDriver {
    /// Opens the session that is stored in `vault`, or starts linking one. The
    /// work happens in a task of its own; its state is in [`Driver::status`].
    ///
    /// # Errors
    /// When the stored credentials cannot be read or do not fit together, or
    /// when the transport cannot be set up.
    pub async fn start(
        options: WaOptions,
        vault: Vault,
        ingress: Arc<dyn Ingress>,
    ) -> Result<Arc<Self>, WaError> {
        let linked = store::linked_account(&vault).await?;
        let transport = WsTransportFactory::new(options.endpoint.clone())?;
        let dials = transport.stats();
        let versions = VersionKeeper::new(options.version.clone(), &vault);
        let (status_tx, status) = watch::channel(SessionStatus::starting(clock::now_ms()));
        let (commands, command_rx) = mpsc::channel(COMMANDS);
        let online = Arc::new(Online::default());
        let acks = Arc::new(Acks::default());
        let shutdown = CancellationToken::new();
        let ack_timeout = options.ack_timeout;
        let supervisor = Supervisor::new(
            SupervisorParts {
                options,
                fence: store::FenceControl::new(),
                vault,
                transport: Arc::new(transport),
                dials,
                ingress,
                acks: Arc::clone(&acks),
                online: Arc::clone(&online),
                versions,
                status: status_tx,
                commands: command_rx,
                shutdown: shutdown.clone(),
            },
            linked,
        );
        Ok(Arc::new(Self {
            status,
            commands,
            online,
            acks,
            ack_timeout,
            shutdown,
            task: Mutex::new(Some(tokio::spawn(supervisor.run()))),
        }))
    }

    /// A session that is paused because its inbox is full comes back for a
    /// moment to send an answer: only answered messages get acknowledged.
    async fn resumed(&self) -> Option<Arc<Client>> {
        if self.status.borrow().state != SessionState::Paused {
            return None;
        }
        self.nudge();
        let mut status = self.status.clone();
        let online = status.wait_for(|status| status.state == SessionState::Online);
        tokio::time::timeout(RESUME, online).await.ok()?.ok()?;
        self.online.client()
    }

    fn why_offline(&self) -> String {
        let status = self.status.borrow();
        let cause = status.cause.as_deref().map(|c| format!(", {c}"));
        format!(
            "the session is {}{}",
            status.state.name(),
            cause.unwrap_or_default()
        )
    }

    fn client(&self) -> Result<Arc<Client>, DriverError> {
        self.online
            .client()
            .ok_or_else(|| DriverError::NotOnline(self.status.borrow().state.name()))
    }
}

async fn within<T, E: std::fmt::Display>(
    request: impl Future<Output = Result<T, E>>,
) -> Result<(), DriverError> {
    match tokio::time::timeout(REQUEST, request).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(DriverError::Refused(error.to_string())),
        Err(_elapsed) => Err(DriverError::Timeout(REQUEST.as_secs())),
    }
}

fn address(chat: &ChatId) -> Result<whatsapp_rust::Jid, DriverError> {
    jid::to_jid(chat)
        .ok_or_else(|| DriverError::Refused(format!("{chat} is not an address on WhatsApp")))
}

#[async_trait]
impl Driver for WaDriver {
    fn status(&self) -> watch::Receiver<SessionStatus> {
        self.status.clone()
    }

    fn canonical(&self, kind: ChatKind, id: &str) -> Result<ChatId, TargetError> {
        jid::canonical(kind, id)
    }

    fn allow_entry(&self, entry: &str) -> Vec<ChatId> {
        jid::allow_entry(entry)
    }

    fn display(&self, chat: &ChatId) -> String {
        jid::display(chat)
    }

    fn layout(&self, text: &str) -> Vec<String> {
        text::layout(text)
    }

    fn new_message_id(&self) -> String {
        use std::fmt::Write as _;
        // The shape of ids from WhatsApp Web: a fixed prefix and 9 random bytes.
        let mut id = String::from("3EB0");
        for _ in 0..9 {
            // Writing to a String cannot fail.
            let _infallible = write!(id, "{:02X}", fastrand::u8(..));
        }
        id
    }

    async fn send(&self, part: &OutboundPart) -> SendOutcome {
        let started = Instant::now();
        let client = match self.online.client() {
            Some(client) => Some(client),
            None => self.resumed().await,
        };
        match client {
            Some(client) => {
                let left = self.ack_timeout.saturating_sub(started.elapsed());
                egress::send(&client, &self.acks, part, left).await
            }
            None => SendOutcome::NotSent {
                reason: self.why_offline(),
            },
        }
    }

    async fn typing(&self, chat: &ChatId, active: bool) -> Result<(), DriverError> {
        let client = self.client()?;
        let to = address(chat)?;
        let chatstate = client.chatstate();
        if active {
            within(chatstate.send_composing(&to)).await
        } else {
            within(chatstate.send_paused(&to)).await
        }
    }

    async fn mark_read(
        &self,
        chat: &ChatId,
        sender: &ChatId,
        ids: &[String],
    ) -> Result<(), DriverError> {
        let client = self.client()?;
        let to = address(chat)?;
        let author = if to.is_group() {
            Some(address(sender)?)
        } else {
            None
        };
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        within(client.mark_as_read(&to, author.as_ref(), &ids)).await
    }

    async fn unlink(&self) -> Result<(), DriverError> {
        let (reply, answer) = oneshot::channel();
        let gone = || DriverError::NotOnline("stopped");
        self.commands
            .send(Command::Unlink(reply))
            .await
            .map_err(|_closed| gone())?;
        match tokio::time::timeout(REQUEST * 2, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_dropped)) => Err(gone()),
            Err(_elapsed) => Err(DriverError::Timeout(REQUEST.as_secs() * 2)),
        }
    }

    fn nudge(&self) {
        // A full queue holds a nudge already.
        let _full = self.commands.try_send(Command::Nudge);
    }

    async fn shutdown(&self) {
        self.shutdown.cancel();
        let task = self
            .task
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(mut task) = task
            && tokio::time::timeout(SHUTDOWN, &mut task).await.is_err()
        {
            tracing::warn!("the session did not end in time");
            task.abort();
        }
    }
}

impl Drop for WaDriver {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}
