//! Logging in, and the offline phase: what waited for a device, in batches,
//! with a marker at the end.

use std::time::{Duration, Instant};

use whatsapp_rust::wacore_binary::Node;

use super::address::DeviceJid;
use super::events::SimEvent;
use super::hub::mailbox::{Class, Waiting};
use super::hub::session::{Role, Session};
use super::hub::state::State;
use super::node::{SERVER, bytes, child, el, empty};

/// Stanzas that come before the client has to ask.
const PRIMER: usize = 5;
/// Stanzas per batch when the client never asks.
const BATCH: usize = 100;
/// How long the server waits to be asked before it goes on by itself.
const NUDGE: Duration = Duration::from_millis(400);

/// How far the offline phase of a connection is.
pub(crate) struct Drain {
    total: usize,
    left: usize,
    /// The last position that was written.
    position: u64,
    /// The last position that belongs to the backlog.
    until: u64,
    pub(crate) nudge_at: Option<Instant>,
}

/// What a login payload says.
pub(crate) struct Login {
    pub(crate) device: DeviceJid,
    pub(crate) noise: [u8; 32],
    pub(crate) passive: bool,
    pub(crate) routing: Option<Vec<u8>>,
}

/// What becomes of a login.
pub(crate) enum Outcome {
    /// The session it opened.
    Accepted(u64),
    /// To be written before the connection closes.
    Refused(Node),
}

impl State {
    /// Logs a device in, or says why not.
    pub(crate) fn log_in(&mut self, login: Login) -> Outcome {
        let device = login.device;
        if let Some((reason, expire)) = self.faults.fail_login(&device) {
            return self.refuse(device, reason, expire);
        }
        let known = self.device(&device).and_then(|known| known.noise);
        if device.device == 0 || known != Some(login.noise) {
            return self.refuse(device, 401, None);
        }
        self.evict(&device);
        let mut session = Session::new(Role::Device(device.clone()), false);
        session.routing = login.routing;
        let id = self.open_session(session);
        let mut backlog = 0;
        if let Some(known) = self.device_mut(&device) {
            known.session = Some(id);
            known.logins += 1;
            backlog = known.mailbox.len();
        }
        self.emit(SimEvent::LoggedIn {
            device: device.clone(),
            session: id,
            backlog,
        });
        self.greet(id, &device);
        if !login.passive {
            self.start_drain(&device);
        }
        Outcome::Accepted(id)
    }

    fn refuse(&self, device: DeviceJid, reason: u16, expire: Option<u64>) -> Outcome {
        tracing::info!(reason, "login refused");
        self.emit(SimEvent::Refused { device, reason });
        Outcome::Refused(failure(reason, expire))
    }

    /// A device has one connection: a newer one ends the older one.
    fn evict(&mut self, device: &DeviceJid) {
        let holed = self.faults.black_hole(device).is_some();
        if let Some(session) = self.session_of(device) {
            if holed {
                return session.cut();
            }
            let conflict = el("conflict").attr("type", "replaced").build();
            session.out.clear();
            session.write(el("stream:error").children([conflict]).build());
            session.close();
        }
    }

    fn greet(&mut self, id: u64, device: &DeviceJid) {
        let now = self.now();
        let Some(account) = self.accounts.get(&device.number) else {
            return;
        };
        let lid = account.jid(device.device, whatsapp_rust::wacore_binary::Server::Lid);
        let first = account
            .devices
            .get(&device.device)
            .is_some_and(|known| known.logins == 1);
        let success = el("success")
            .attr("t", now)
            .attr("lid", lid)
            .attr("props", "1")
            .attr("location", "sim")
            .attr("display_name", account.push_name.as_str())
            .attr("creation", 1_600_000_000_u64)
            .attr("abprops", "1")
            .attr("group_abprops", "1")
            .build();
        let routing = format!("sim-route-{}", device.device);
        let routing = el("edge_routing")
            .children([bytes("routing_info", routing.as_bytes())])
            .build();
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        session.write(success);
        session.write(ib(routing));
        if first {
            session.write(ib(el("dirty")
                .attr("type", "account_sync")
                .attr("timestamp", now)
                .build()));
        }
    }

    /// Starts to deliver what waited; nothing if that has begun already.
    pub(crate) fn start_drain(&mut self, device: &DeviceJid) {
        let Some(known) = self.device(device) else {
            return;
        };
        let (total, until, counts) = (
            known.mailbox.len(),
            known.mailbox.newest(),
            known.mailbox.counts(),
        );
        let Some(session) = self
            .session_of(device)
            .filter(|session| session.drain.is_none() && !session.live)
        else {
            return;
        };
        if total > 0 {
            let [messages, notifications, receipts, peer] = counts;
            let preview = el("offline_preview")
                .attr("count", total)
                .attr("message", messages)
                .attr("notification", notifications)
                .attr("receipt", receipts)
                .attr("appdata", peer)
                .build();
            session.write(ib(preview));
        }
        session.drain = Some(Drain {
            total,
            left: total,
            position: 0,
            until,
            nudge_at: None,
        });
        self.drain_more(device, PRIMER);
    }

    /// Delivers up to `count` more of what waited, and the marker at the end.
    pub(crate) fn drain_more(&mut self, device: &DeviceJid, count: usize) {
        let Some(drain) = self
            .session_of(device)
            .and_then(|session| session.drain.take())
        else {
            return;
        };
        let Some(known) = self.device(device) else {
            return;
        };
        let backlog = known
            .mailbox
            .after(drain.position)
            .take_while(|(n, _)| *n <= drain.until);
        let batch: Vec<(u64, Waiting)> = backlog.take(count).map(|(n, w)| (n, w.clone())).collect();
        let ended = batch.len() < count;
        let mut drain = drain;
        for (n, waiting) in batch {
            drain.position = n;
            drain.left = drain.left.saturating_sub(1);
            self.write_waiting(device, waiting, Some(drain.left));
        }
        if ended || drain.left == 0 {
            self.end_drain(device, &drain);
        } else if let Some(session) = self.session_of(device) {
            drain.nudge_at = Some(Instant::now() + NUDGE);
            session.drain = Some(drain);
            session.wake.notify_one();
        }
    }

    /// Says that this was all, and passes on what came meanwhile.
    fn end_drain(&mut self, device: &DeviceJid, drain: &Drain) {
        let marker = ib(el("offline").attr("count", drain.total).build());
        self.tell(device, marker);
        if let Some(session) = self.session_of(device) {
            session.live = true;
        }
        self.emit(SimEvent::Drained {
            device: device.clone(),
        });
        let Some(known) = self.device(device) else {
            return;
        };
        let later: Vec<_> = known
            .mailbox
            .after(drain.until)
            .map(|(_, waiting)| waiting.clone())
            .collect();
        for waiting in later {
            self.write_waiting(device, waiting, None);
        }
    }

    fn write_waiting(&mut self, device: &DeviceJid, waiting: Waiting, offline: Option<usize>) {
        let mut node = waiting.node;
        if let Some(left) = offline {
            node.attrs.insert("offline", left);
        }
        let note = (waiting.class == Class::Message).then_some((waiting.sender, waiting.id));
        self.write_queued(device, waiting.class, note, node);
    }

    /// Goes on with the offline phase if the client has not asked for too long.
    pub(crate) fn continue_drain(&mut self, session: u64) {
        let Some(session) = self.sessions.get(&session) else {
            return;
        };
        let due = session
            .drain
            .as_ref()
            .and_then(|drain| drain.nudge_at)
            .is_some_and(|at| at <= Instant::now());
        if due && let Some(device) = session.device().cloned() {
            self.drain_more(&device, BATCH);
        }
    }

    /// An in-process phone comes online.
    pub(crate) fn phone_online(&mut self, device: &DeviceJid) -> u64 {
        if let Some(session) = self.session_of(device) {
            session.cut();
        }
        let id = self.open_session(Session::new(Role::Device(device.clone()), true));
        let mut waiting = Vec::new();
        if let Some(known) = self.device_mut(device) {
            known.session = Some(id);
            waiting = known
                .mailbox
                .after(0)
                .map(|(_, waiting)| waiting.clone())
                .collect();
        }
        if let Some(session) = self.sessions.get_mut(&id) {
            session.live = true;
        }
        let total = waiting.len();
        for (at, stanza) in waiting.into_iter().enumerate() {
            self.write_waiting(device, stanza, Some(total - at - 1));
        }
        id
    }

    /// Queues a stanza for a device until it is confirmed, and writes it if the
    /// device is connected and past its backlog.
    pub(crate) fn enqueue(&mut self, device: &DeviceJid, waiting: Waiting) {
        let live = self.session_of(device).is_some_and(|session| session.live);
        let Some(known) = self.device_mut(device) else {
            return;
        };
        known.mailbox.push(waiting.clone());
        if live {
            self.write_waiting(device, waiting, None);
        }
    }

    /// What a client says outside of requests and messages.
    pub(crate) fn on_ib(&mut self, device: &DeviceJid, ib: &Node) {
        if let Some(ask) = child(ib, "offline_batch") {
            let count = super::node::attr(ask, "count").and_then(|count| count.parse().ok());
            self.drain_more(device, count.unwrap_or(BATCH).clamp(1, 1000));
        }
    }

    /// Ends a device's stream with an error; `code` 0 means none.
    pub(crate) fn stream_error(
        &mut self,
        device: &DeviceJid,
        code: u16,
        conflict: Option<&'static str>,
    ) {
        let Some(session) = self.session_of(device) else {
            return;
        };
        let mut error = el("stream:error");
        if code != 0 {
            error = error.attr("code", code);
        }
        if let Some(kind) = conflict {
            error = error.children([el("conflict").attr("type", kind).build()]);
        }
        session.write(error.build());
        session.close();
    }

    pub(crate) fn stream_end(&mut self, device: &DeviceJid) {
        if let Some(session) = self.session_of(device) {
            session.write(empty("xmlstreamend"));
            session.close();
        }
    }
}

/// Tells a client that it may not log in; a ban (402) ends in `expire` seconds.
pub(crate) fn failure(reason: u16, expire: Option<u64>) -> Node {
    let mut failure = el("failure").attr("reason", reason).attr("location", "sim");
    if reason == 402 {
        failure = failure
            .attr("code", 101_u32)
            .attr("expire", expire.unwrap_or(3600));
    }
    failure.build()
}

fn ib(child: Node) -> Node {
    el("ib").attr("from", SERVER).children([child]).build()
}
