//! One connection, or one attached phone: what is to be written next.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use whatsapp_rust::wacore_binary::Node;

use super::mailbox::Class;
use super::state::State;
use crate::wa_sim::address::DeviceJid;
use crate::wa_sim::events::SimEvent;
use crate::wa_sim::faults::{Direction, OVERTAKEN};
use crate::wa_sim::login::Drain;
use crate::wa_sim::pairing::Registering;

/// What a connection is for.
pub(crate) enum Role {
    /// It shows QR codes.
    Registering(Box<Registering>),
    /// A device is logged in.
    Device(DeviceJid),
}

/// A stanza on its way out.
pub(crate) struct Outgoing {
    pub(crate) node: Node,
    /// Not before this.
    ready: Option<Instant>,
    /// For messages: the sender's number and the id, for the ledger.
    note: Option<(String, String)>,
}

/// A connection.
pub(crate) struct Session {
    pub(crate) role: Role,
    pub(crate) phone: bool,
    /// Wakes the writer.
    pub(crate) wake: Arc<Notify>,
    /// Wakes the reader when a black hole opens or closes.
    pub(crate) hole: Arc<Notify>,
    pub(crate) out: VecDeque<Outgoing>,
    /// Ends once everything is written.
    pub(crate) closing: bool,
    /// Ends at once.
    pub(crate) cut: bool,
    /// Gets new stanzas as they come.
    pub(crate) live: bool,
    pub(crate) drain: Option<Drain>,
    pub(crate) frames_in: u64,
    pub(crate) frames_out: u64,
    pub(crate) routing: Option<Vec<u8>>,
}

/// What the writer of a connection does next.
pub(crate) enum Step {
    Write(Node),
    /// Until woken, or until then.
    Wait(Option<Instant>),
    /// End the connection properly.
    Close,
    /// End it without a word.
    Cut,
}

impl Session {
    pub(crate) fn new(role: Role, phone: bool) -> Self {
        Self {
            role,
            phone,
            wake: Arc::new(Notify::new()),
            hole: Arc::new(Notify::new()),
            out: VecDeque::new(),
            closing: false,
            cut: false,
            live: false,
            drain: None,
            frames_in: 0,
            frames_out: 0,
            routing: None,
        }
    }

    pub(crate) fn device(&self) -> Option<&DeviceJid> {
        match &self.role {
            Role::Device(device) => Some(device),
            Role::Registering(_) => None,
        }
    }

    fn push(&mut self, outgoing: Outgoing) {
        if !self.closing {
            self.out.push_back(outgoing);
            self.wake.notify_one();
        }
    }

    pub(crate) fn write(&mut self, node: Node) {
        self.push(Outgoing {
            node,
            ready: None,
            note: None,
        });
    }

    pub(crate) fn write_after(&mut self, node: Node, wait: Duration) {
        self.push(Outgoing {
            node,
            ready: Some(Instant::now() + wait),
            note: None,
        });
    }

    /// Writes what is queued, then ends.
    pub(crate) fn close(&mut self) {
        self.closing = true;
        self.wake.notify_one();
    }

    pub(crate) fn cut(&mut self) {
        self.cut = true;
        self.wake.notify_one();
    }

    /// The first stanza whose time has come, or when the next one's does.
    fn take_ready(&mut self) -> Result<Outgoing, Option<Instant>> {
        let now = Instant::now();
        let ready = |outgoing: &Outgoing| outgoing.ready.is_none_or(|at| at <= now);
        match self
            .out
            .iter()
            .position(ready)
            .and_then(|at| self.out.remove(at))
        {
            Some(outgoing) => Ok(outgoing),
            None => Err(self.out.iter().filter_map(|outgoing| outgoing.ready).min()),
        }
    }
}

impl State {
    pub(crate) fn open_session(&mut self, session: Session) -> u64 {
        self.last_session += 1;
        self.sessions.insert(self.last_session, session);
        self.last_session
    }

    /// Forgets a connection that ended.
    pub(crate) fn end_session(&mut self, id: u64) {
        let Some(session) = self.sessions.remove(&id) else {
            return;
        };
        let device = session.device().cloned();
        if let Some(device) = device.as_ref().and_then(|device| self.device_mut(device))
            && device.session == Some(id)
        {
            device.session = None;
        }
        if let Role::Registering(registering) = session.role {
            registering.gone();
        }
        self.emit(SimEvent::Closed {
            device,
            session: id,
        });
    }

    pub(crate) fn session_of(&mut self, device: &DeviceJid) -> Option<&mut Session> {
        let id = self.device(device)?.session?;
        self.sessions.get_mut(&id)
    }

    /// Writes something to a device if it is connected; it is not kept.
    pub(crate) fn tell(&mut self, device: &DeviceJid, node: Node) {
        let delay = self.faults.delay(device);
        if let Some(session) = self.session_of(device) {
            match delay {
                Some(delay) => session.write_after(node, delay),
                None => session.write(node),
            }
        }
    }

    /// Writes a queued stanza to the device's connection, through its faults.
    pub(crate) fn write_queued(
        &mut self,
        device: &DeviceJid,
        class: Class,
        note: Option<(String, String)>,
        node: Node,
    ) {
        let message = class == Class::Message;
        let twice = message && self.faults.duplicate(device);
        let overtaken = message && self.faults.reorder(device);
        let delay = self
            .faults
            .delay(device)
            .or_else(|| overtaken.then_some(OVERTAKEN));
        for (what, happened) in [("duplicate", twice), ("reorder", overtaken)] {
            if happened {
                self.emit(SimEvent::Fault {
                    device: device.clone(),
                    fault: what,
                });
            }
        }
        let Some(session) = self.session_of(device) else {
            return;
        };
        let ready = delay.map(|delay| Instant::now() + delay);
        for _ in 0..=usize::from(twice) {
            session.push(Outgoing {
                node: node.clone(),
                ready,
                note: note.clone(),
            });
        }
    }

    /// What the writer of connection `id` does next.
    pub(crate) fn next_step(&mut self, id: u64) -> Step {
        self.continue_drain(id);
        let Some(session) = self.sessions.get_mut(&id) else {
            return Step::Cut;
        };
        if session.cut {
            return Step::Cut;
        }
        let device = session.device().cloned();
        if let Some(until) = device
            .as_ref()
            .and_then(|device| self.faults.black_hole(device))
        {
            return Step::Wait(until);
        }
        let nudge = session.drain.as_ref().and_then(|drain| drain.nudge_at);
        match session.take_ready() {
            Ok(outgoing) => self.passing(id, device, outgoing),
            Err(None) if session.closing => Step::Close,
            Err(next) => Step::Wait(next.into_iter().chain(nudge).min()),
        }
    }

    fn passing(&mut self, id: u64, device: Option<DeviceJid>, outgoing: Outgoing) -> Step {
        let Some(device) = device else {
            return Step::Write(outgoing.node);
        };
        if self.faults.frame(&device, Direction::Out) {
            self.emit(SimEvent::Fault {
                device,
                fault: "drop_after",
            });
            return Step::Cut;
        }
        let Some(session) = self.sessions.get_mut(&id) else {
            return Step::Cut;
        };
        session.frames_out += 1;
        let n = session.frames_out;
        self.emit(SimEvent::FrameOut {
            device: device.clone(),
            n,
            tag: outgoing.node.tag.to_string(),
        });
        if let Some((sender, id)) = outgoing.note {
            if let Some(target) = self.ledger.target(&sender, &id, &device) {
                target.delivered += 1;
            }
            self.emit(SimEvent::Delivered { to: device, id });
        }
        Step::Write(outgoing.node)
    }

    /// Whether a connection is cut off, and until when if that is known.
    pub(crate) fn black_holed(&mut self, id: u64) -> Option<Option<Instant>> {
        let device = self.sessions.get(&id)?.device()?.clone();
        self.faults.black_hole(&device)
    }

    /// Counts a frame from a client; false if the connection must be cut.
    pub(crate) fn frame_in(&mut self, id: u64, tag: &str) -> bool {
        let Some(session) = self.sessions.get_mut(&id) else {
            return false;
        };
        session.frames_in += 1;
        let n = session.frames_in;
        let Some(device) = session.device().cloned() else {
            return true;
        };
        if self.faults.frame(&device, Direction::In) {
            self.emit(SimEvent::Fault {
                device,
                fault: "drop_after",
            });
            return false;
        }
        self.emit(SimEvent::FrameIn {
            device,
            n,
            tag: tag.to_owned(),
        });
        true
    }
}
