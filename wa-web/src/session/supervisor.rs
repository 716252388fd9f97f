//! The task that owns a session: it opens connections, watches them, and does
//! what the state machine says when they end.

use std::{pin::pin, sync::Arc, time::Duration};

use bridge_core::{
    driver::{DriverError, Ingress},
    state::{LinkCode, LinkedAccount, SessionStatus},
    vault::Vault,
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;
use whatsapp_rust::{
    Client,
    wacore::{
        iq::{devices::RemoveCompanionDeviceSpec, keepalive::KeepaliveSpec},
        net::TransportFactory,
    },
};

use super::{
    Acks, Online,
    backoff::Backoff,
    link::{Link, Parts},
    linking::{self, AFTER_REFUSAL, CODE_AFTER_QR},
    machine::{End, Machine, Next},
    signals::{Signal, linked_account},
};
use crate::{
    clock,
    options::WaOptions,
    store::{self, FenceControl, SledStore},
    transport::DialStats,
    version::VersionKeeper,
};

/// How long a session stays after the inbox turned out to be full. Nothing is
/// acknowledged meanwhile, but answers can still be sent: without them a consumer
/// that answers before it acknowledges could never make room.
const FULL_GRACE: Duration = Duration::from_secs(3);
/// How long a login may take while nothing at all arrives from the server.
const LOGIN_SILENCE: Duration = Duration::from_secs(45);

/// What the outside asks of a session.
#[derive(Debug)]
pub(crate) enum Command {
    /// Try now, whatever the state.
    Nudge,
    /// Tell the server to forget this device, then set the credentials aside.
    Unlink(oneshot::Sender<Result<(), DriverError>>),
}

/// What a supervisor is made of.
pub(crate) struct SupervisorParts {
    pub(crate) options: WaOptions,
    pub(crate) vault: Vault,
    pub(crate) fence: FenceControl,
    pub(crate) transport: Arc<dyn TransportFactory>,
    pub(crate) dials: Arc<DialStats>,
    pub(crate) ingress: Arc<dyn Ingress>,
    pub(crate) acks: Arc<Acks>,
    pub(crate) online: Arc<Online>,
    pub(crate) versions: VersionKeeper,
    pub(crate) status: watch::Sender<SessionStatus>,
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) shutdown: CancellationToken,
}

/// See the module's documentation.
pub(crate) struct Supervisor {
    parts: SupervisorParts,
    machine: Machine,
}

/// How a connection came to its end.
enum Outcome {
    Ended(End),
    Shutdown,
}

/// A finished piece of work on the current connection.
enum Job {
    Ping(bool),
    Code(Result<LinkCode, String>),
    Unlinked(Result<(), DriverError>),
}

/// The timers of one connection.
struct Timers {
    ping: Option<Instant>,
    code: Option<Instant>,
    login: Option<Instant>,
    first_code_due: bool,
    /// Whether the server said anything after the handshake.
    talked: bool,
    /// When to leave because the inbox is full, and its bound.
    full: Option<(Instant, usize)>,
    /// Whether room was made since.
    room: bool,
    /// Who asked to unlink and waits for the outcome.
    unlink: Option<oneshot::Sender<Result<(), DriverError>>>,
}

impl Supervisor {
    pub(crate) fn new(parts: SupervisorParts, linked: Option<LinkedAccount>) -> Self {
        let machine = Machine::new(linked, Backoff::new(), clock::now_ms());
        Self { parts, machine }
    }

    /// Runs until shutdown.
    pub(crate) async fn run(mut self) {
        let mut next = Next::Dial;
        while !self.parts.shutdown.is_cancelled() {
            next = match next {
                Next::Dial => match self.connection().await {
                    Outcome::Ended(end) => self.ended(end),
                    Outcome::Shutdown => break,
                },
                Next::DialAt(at) => self.pause(Some(at)).await,
                Next::Wait => self.pause(None).await,
                Next::Archive => self.archive().await,
            };
        }
        self.machine.stopped(clock::now_ms());
        self.publish();
    }

    fn publish(&self) {
        let status = self.machine.status().clone();
        self.parts.status.send_replace(status);
    }

    fn ended(&mut self, end: End) -> Next {
        if end == End::Outdated {
            self.parts.versions.refused();
        }
        let next = self.machine.ended(end, clock::now_ms());
        self.publish();
        next
    }

    /// Waits until `at` (for ever if `None`), a nudge, or shutdown.
    async fn pause(&mut self, at: Option<u64>) -> Next {
        let delay = at.map(|at| Duration::from_millis(at.saturating_sub(clock::now_ms())));
        let due = async {
            match delay {
                Some(delay) => tokio::time::sleep(delay).await,
                None => std::future::pending().await,
            }
        };
        let mut due = pin!(due);
        loop {
            tokio::select! {
                biased;
                () = self.parts.shutdown.cancelled() => return Next::Wait,
                command = self.parts.commands.recv() => match command {
                    Some(Command::Nudge) => return Next::Dial,
                    Some(Command::Unlink(reply)) => {
                        let state = self.machine.status().state.name();
                        let _asker_left = reply.send(Err(DriverError::NotOnline(state)));
                    }
                    None => return Next::Wait,
                },
                () = &mut due => return Next::Dial,
            }
        }
    }

    async fn archive(&self) -> Next {
        self.parts.fence.close();
        match store::archive_credentials(&self.parts.vault).await {
            Ok(()) => Next::Wait,
            Err(error) => {
                tracing::error!(%error, "the old credentials could not be set aside");
                Next::Wait
            }
        }
    }

    async fn connection(&mut self) -> Outcome {
        self.machine.dialling(clock::now_ms());
        self.publish();
        let parts = Parts {
            store: SledStore::new(self.parts.vault.clone(), self.parts.fence.advance())
                .keeping_sent(),
            transport: Arc::clone(&self.parts.transport),
            ingress: Arc::clone(&self.parts.ingress),
            acks: Arc::clone(&self.parts.acks),
            version: self.parts.versions.current().await,
            linked: self.machine.status().linked.is_some(),
        };
        let mut link = match Link::start(parts, &self.parts.options).await {
            Ok(link) => link,
            Err(error) => {
                return Outcome::Ended(End::Store {
                    cause: error.to_string(),
                });
            }
        };
        let mut timers = self.timers();
        let outcome = self.drive(&mut link, &mut timers).await;
        self.parts.online.set(None);
        link.close().await;
        match timers.unlink {
            Some(reply) => self.unlinked(outcome, reply).await,
            None => outcome,
        }
    }

    /// Ends a request to unlink. The server may close the connection as unlinked
    /// before it answers; that is an answer, too.
    async fn unlinked(
        &self,
        outcome: Outcome,
        reply: oneshot::Sender<Result<(), DriverError>>,
    ) -> Outcome {
        let gone = matches!(
            outcome,
            Outcome::Ended(End::Unlinked | End::LoggedOut { .. })
        );
        let (answer, outcome) = if gone {
            self.parts.fence.close();
            let archived = store::archive_credentials(&self.parts.vault).await;
            let answer = archived.map_err(|error| DriverError::Store(error.to_string()));
            (answer, Outcome::Ended(End::Unlinked))
        } else {
            let lost = "the connection ended before the server answered".to_owned();
            (Err(DriverError::Refused(lost)), outcome)
        };
        let _asker_left = reply.send(answer);
        outcome
    }

    fn timers(&self) -> Timers {
        let linked = self.machine.status().linked.is_some();
        Timers {
            ping: None,
            code: None,
            login: linked.then(|| Instant::now() + LOGIN_SILENCE),
            first_code_due: self.parts.options.pairing.is_some(),
            talked: false,
            full: None,
            room: false,
            unlink: None,
        }
    }

    /// Serves one connection until it ends.
    async fn drive(&mut self, link: &mut Link, timers: &mut Timers) -> Outcome {
        let mut jobs = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                () = self.parts.shutdown.cancelled() => return Outcome::Shutdown,
                // Before the ends: what was said before the end still counts.
                Some(signal) = link.receivers.signals.recv() => {
                    if let Some(end) = self.on_signal(signal, link, timers, &mut jobs).await {
                        return Outcome::Ended(end);
                    }
                }
                () = link.signals.ended.notified() => {
                    return Outcome::Ended(self.reason(link, timers));
                }
                () = &mut link.handle => return Outcome::Ended(self.reason(link, timers)),
                Some(done) = jobs.join_next() => {
                    if let Ok(job) = done
                        && let Some(end) = self.on_job(job, link, timers)
                    {
                        return Outcome::Ended(end);
                    }
                }
                Some(proof) = link.receivers.proofs.recv() => {
                    self.parts.ingress.proof(&proof.chat, &proof.message_id, proof.proof).await;
                }
                Some(command) = self.parts.commands.recv() => {
                    self.on_command(command, link, timers, &mut jobs);
                }
                () = due(timers.ping) => {
                    timers.ping = None;
                    self.start_ping(link, &mut jobs);
                }
                () = due(timers.code) => {
                    timers.code = None;
                    self.start_code(link, &mut jobs);
                }
                () = due(timers.full.map(|(at, _limit)| at)) => {
                    let limit = timers.full.map_or(0, |(_at, limit)| limit);
                    // What was refused comes again at the next login.
                    let end = if timers.room { End::Restart } else { End::InboxFull { limit } };
                    return Outcome::Ended(end);
                }
                () = due(timers.login) => match self.login_overdue() {
                    Some(again) => timers.login = Some(again),
                    None => return Outcome::Ended(End::Silent),
                },
            }
        }
    }

    /// The next look at a login that is not done, or `None` when the server has
    /// been silent for too long.
    fn login_overdue(&self) -> Option<Instant> {
        let last = self.parts.dials.last_received_ms()?;
        let silent = Duration::from_millis(clock::now_ms().saturating_sub(last));
        let left = LOGIN_SILENCE.checked_sub(silent)?;
        Some(Instant::now() + left.max(Duration::from_millis(100)))
    }

    /// Why the connection ended: what the server said, else what the network
    /// did. When neither says anything, the library itself hung up: on a server
    /// that fell silent, or, before the first stanza, over the handshake.
    fn reason(&self, link: &Link, timers: &Timers) -> End {
        if let Some(end) = link.signals.take_end() {
            return end;
        }
        if let Some(cause) = self.parts.dials.last_failure() {
            return End::Lost { cause };
        }
        let cause = if timers.talked {
            return End::Silent;
        } else if self.parts.dials.received_frames() == 0 {
            "the server did not answer the handshake"
        } else {
            "the server did not prove to be WhatsApp: its certificate was refused"
        };
        End::Lost {
            cause: cause.to_owned(),
        }
    }

    async fn on_signal(
        &mut self,
        signal: Signal,
        link: &Link,
        timers: &mut Timers,
        jobs: &mut JoinSet<Job>,
    ) -> Option<End> {
        let now = clock::now_ms();
        timers.talked = true;
        match signal {
            Signal::Qr { code, ttl } => {
                let ttl = u64::try_from(ttl.as_millis()).unwrap_or(0);
                let expires_at_ms = now.saturating_add(ttl);
                self.machine.qr(
                    LinkCode {
                        code,
                        expires_at_ms,
                    },
                    now,
                );
                if std::mem::take(&mut timers.first_code_due) {
                    timers.code = Some(Instant::now() + CODE_AFTER_QR);
                }
            }
            Signal::PairingCodeStale => timers.code = Some(Instant::now()),
            Signal::LinkingTrouble(cause) => self.machine.pairing_code_refused(cause),
            Signal::Paired => {
                let manager = link.client.persistence_manager();
                let device = manager.get_device_snapshot();
                if let Err(error) = manager.backend().save(&device).await {
                    return Some(End::Store {
                        cause: error.to_string(),
                    });
                }
                if let Some(account) = linked_account(&link.client) {
                    self.machine.paired(account, now);
                }
            }
            Signal::LoggedIn => {
                if self.machine.status().linked.is_some() {
                    self.machine.syncing(now);
                }
            }
            Signal::Ready => {
                timers.login = None;
                self.machine.syncing(now);
                self.stay_invisible(link).await;
                self.start_ping(link, jobs);
            }
            Signal::NameChanged => self.stay_invisible(link).await,
            Signal::InboxFull { limit } => {
                timers
                    .full
                    .get_or_insert((Instant::now() + FULL_GRACE, limit));
            }
        }
        self.publish();
        None
    }

    /// The library announces us as available whenever it can; the phone would
    /// stop notifying its owner.
    async fn stay_invisible(&self, link: &Link) {
        if self.parts.options.visible {
            return;
        }
        let presence = link.client.presence();
        let sent =
            tokio::time::timeout(self.parts.options.ping_timeout, presence.set_unavailable());
        if !matches!(sent.await, Ok(Ok(()))) {
            tracing::debug!("could not tell the server that this device is unavailable");
        }
    }

    fn start_ping(&self, link: &Link, jobs: &mut JoinSet<Job>) {
        let client = Arc::clone(&link.client);
        let limit = self.parts.options.ping_timeout;
        jobs.spawn(async move { Job::Ping(ping(&client, limit).await) });
    }

    fn start_code(&self, link: &Link, jobs: &mut JoinSet<Job>) {
        if let Some(request) = self.parts.options.pairing.clone()
            && self.machine.status().linked.is_none()
        {
            let client = Arc::clone(&link.client);
            jobs.spawn(async move { Job::Code(linking::request_code(&client, &request).await) });
        }
    }

    fn on_job(&mut self, job: Job, link: &Link, timers: &mut Timers) -> Option<End> {
        let now = clock::now_ms();
        match job {
            Job::Ping(false) => return Some(End::Silent),
            Job::Ping(true) => {
                self.machine.proven(linked_account(&link.client), now);
                self.parts.online.set(Some(Arc::clone(&link.client)));
                timers.ping = Some(Instant::now() + self.parts.options.ping_every);
            }
            Job::Code(Ok(code)) => {
                let left = Duration::from_millis(code.expires_at_ms.saturating_sub(now));
                timers.code = Some(Instant::now() + left);
                self.machine.pairing_code(Some(code), now);
            }
            Job::Code(Err(cause)) => {
                timers.code = Some(Instant::now() + AFTER_REFUSAL);
                self.machine.pairing_code_refused(cause);
            }
            Job::Unlinked(Ok(())) => return Some(End::Unlinked),
            Job::Unlinked(Err(error)) => {
                if let Some(reply) = timers.unlink.take() {
                    let _asker_left = reply.send(Err(error));
                }
            }
        }
        self.publish();
        None
    }

    fn on_command(
        &self,
        command: Command,
        link: &Link,
        timers: &mut Timers,
        jobs: &mut JoinSet<Job>,
    ) {
        match command {
            Command::Nudge => timers.room |= timers.full.is_some(),
            Command::Unlink(reply) => {
                let client = Arc::clone(&link.client);
                let limit = self.parts.options.ping_timeout;
                timers.unlink = Some(reply);
                jobs.spawn(async move { Job::Unlinked(tell_unlinked(&client, limit).await) });
            }
        }
    }
}

async fn due(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

async fn ping(client: &Client, limit: Duration) -> bool {
    let answer = tokio::time::timeout(limit, client.execute(KeepaliveSpec::with_timeout(limit)));
    matches!(answer.await, Ok(Ok(_)))
}

async fn tell_unlinked(client: &Client, limit: Duration) -> Result<(), DriverError> {
    let Some(own) = client.pn() else {
        return Err(DriverError::NotOnline("unlinked"));
    };
    let spec = RemoveCompanionDeviceSpec::new(&own);
    match tokio::time::timeout(limit, client.execute(spec)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(DriverError::Refused(error.to_string())),
        Err(_elapsed) => Err(DriverError::Timeout(limit.as_secs())),
    }
}
