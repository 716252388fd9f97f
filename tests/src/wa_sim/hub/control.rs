//! What tests do to a running server: groups, faults, and reading its books.

use std::time::{Duration, Instant};

use whatsapp_rust::wacore_binary::Jid;

use super::session::{Role, Session};
use super::state::State;
use super::{ClientInfo, Hub, HubError};
use crate::wa_sim::address::DeviceJid;
use crate::wa_sim::events::SimEvent;
use crate::wa_sim::faults::Fault;
use crate::wa_sim::groups::GroupChange;
use crate::wa_sim::ledger::LedgerEntry;

impl Hub {
    /// Makes a group and tells its members.
    ///
    /// # Errors
    /// When a member has no account.
    pub fn create_group(
        &self,
        creator: &str,
        subject: &str,
        members: &[String],
        by_lid: bool,
    ) -> Result<Jid, HubError> {
        self.state().create_group(creator, subject, members, by_lid)
    }

    /// The numbers of a group's members.
    #[must_use]
    pub fn group_members(&self, group: &Jid) -> Vec<String> {
        let state = self.state();
        state
            .groups
            .get(group.user.as_str())
            .map(crate::wa_sim::groups::Group::numbers)
            .unwrap_or_default()
    }

    /// Whether a group's members appear by LID; `None` if there is no such group.
    #[must_use]
    pub fn group_by_lid(&self, group: &Jid) -> Option<bool> {
        self.state()
            .groups
            .get(group.user.as_str())
            .map(|group| group.by_lid)
    }

    /// Changes a group and tells its members, old and new.
    ///
    /// # Errors
    /// When there is no such group, or somebody has no account.
    pub fn change_group(
        &self,
        group: &Jid,
        actor: &str,
        change: GroupChange,
    ) -> Result<(), HubError> {
        self.state().change_group(group, actor, change)
    }

    /// Every message ever handed in, in that order.
    #[must_use]
    pub fn ledger(&self) -> Vec<LedgerEntry> {
        self.state().ledger.all()
    }

    /// What became of one message; of the newest if several share the id.
    #[must_use]
    pub fn ledger_entry(&self, id: &str) -> Option<LedgerEntry> {
        self.state().ledger.find(id)
    }

    /// Notes that a device put a message on its screen.
    pub fn note_shown(&self, device: &DeviceJid, id: &str) {
        let mut state = self.state();
        if let Some(target) = state.ledger.any_target(id, device) {
            target.shown += 1;
        }
        state.emit(SimEvent::Shown {
            on: device.clone(),
            id: id.to_owned(),
        });
    }

    /// Every connection and attached phone.
    #[must_use]
    pub fn clients(&self) -> Vec<ClientInfo> {
        let state = self.state();
        state
            .sessions
            .iter()
            .map(|(id, session)| client(&state, *id, session))
            .collect()
    }

    /// What waits for a device and is not confirmed.
    #[must_use]
    pub fn queued(&self, device: &DeviceJid) -> usize {
        self.state()
            .device(device)
            .map_or(0, |known| known.mailbox.len())
    }

    /// Makes something go wrong, for one device or for everybody.
    pub fn inject(&self, target: Option<DeviceJid>, fault: Fault) {
        self.state().inject(target.as_ref(), fault);
    }

    /// Ends the standing faults of a device, or all of them; the clock is right
    /// again when all are cleared.
    pub fn clear_faults(&self, target: Option<DeviceJid>) {
        let mut state = self.state();
        state.faults.clear(target.as_ref());
        if target.is_none() {
            state.skew = 0;
        }
        state.wake_all();
    }
}

fn client(state: &State, id: u64, session: &Session) -> ClientInfo {
    let device = session.device().cloned();
    let reference = match &session.role {
        Role::Registering(registering) => registering.references.first().cloned(),
        Role::Device(_) => None,
    };
    ClientInfo {
        session: id,
        kind: if session.phone { "phone" } else { "socket" },
        phase: match (&session.role, session.live) {
            (Role::Registering(_), _) => "registering",
            (Role::Device(_), true) => "live",
            (Role::Device(_), false) => "draining",
        },
        frames_in: session.frames_in,
        frames_out: session.frames_out,
        queued: device
            .as_ref()
            .and_then(|device| state.device(device))
            .map_or(0, |known| known.mailbox.len()),
        routing: session.routing.as_ref().map(hex::encode),
        device,
        reference,
    }
}

impl State {
    pub(crate) fn wake_all(&self) {
        for session in self.sessions.values() {
            session.wake.notify_one();
            session.hole.notify_one();
        }
    }

    /// Ends every connection and phone.
    pub(crate) fn cut_all(&mut self) {
        for session in self.sessions.values_mut() {
            session.cut();
        }
    }

    fn cut_registering(&mut self) {
        for session in self.sessions.values_mut() {
            if matches!(session.role, Role::Registering(_)) {
                session.cut();
            }
        }
    }

    /// The devices that something is to happen to now.
    fn connected(&self, target: Option<&DeviceJid>) -> Vec<DeviceJid> {
        match target {
            Some(device) => vec![device.clone()],
            None => {
                let sockets = self.sessions.values().filter(|session| !session.phone);
                sockets
                    .filter_map(|session| session.device().cloned())
                    .collect()
            }
        }
    }

    fn inject(&mut self, target: Option<&DeviceJid>, fault: Fault) {
        tracing::info!(?fault, "fault");
        match fault {
            Fault::Drop => {
                self.each(target, "drop", |state, device| {
                    if let Some(session) = state.session_of(device) {
                        session.cut();
                    }
                });
                if target.is_none() {
                    self.cut_registering();
                }
            }
            Fault::StreamError { code } => {
                self.each(target, "stream_error", |state, device| {
                    state.stream_error(device, code, None)
                });
            }
            Fault::DeviceRemoved => self.each(target, "device_removed", Self::remove_device),
            Fault::Replaced => {
                self.each(target, "replaced", |state, device| {
                    state.stream_error(device, 0, Some("replaced"))
                });
            }
            Fault::StreamEnd => self.each(target, "stream_end", Self::stream_end),
            Fault::ClockSkew { seconds } => self.skew = seconds,
            standing => self.schedule(target, standing),
        }
        self.wake_all();
    }

    fn each(
        &mut self,
        target: Option<&DeviceJid>,
        name: &'static str,
        act: impl Fn(&mut Self, &DeviceJid),
    ) {
        for device in self.connected(target) {
            act(self, &device);
            self.emit(SimEvent::Fault {
                device,
                fault: name,
            });
        }
    }

    /// Faults that wait for their moment.
    fn schedule(&mut self, target: Option<&DeviceJid>, fault: Fault) {
        let pending = self.faults.of(target);
        match fault {
            Fault::DropAfter { frames, direction } => {
                pending.drop_after = Some((frames, direction))
            }
            Fault::BlackHole { for_ms } => {
                pending.black_hole =
                    Some(for_ms.map(|ms| Instant::now() + Duration::from_millis(ms)));
            }
            Fault::FailLogin {
                reason,
                times,
                expire,
            } => pending.fail_login = Some((reason, times, expire)),
            Fault::FailConnect { times } => pending.fail_connect = times,
            Fault::RefuseSend { error, times } => pending.refuse_send = Some((error, times)),
            Fault::Delay { ms } => pending.delay = Some(Duration::from_millis(ms)),
            Fault::Duplicate { times } => pending.duplicate = times,
            Fault::Reorder { times } => pending.reorder = times,
            Fault::WithholdAcks { times } => pending.withhold_acks = Some(times),
            Fault::SlowIqs { ms } => pending.slow_iqs = Some(Duration::from_millis(ms)),
            Fault::Drop
            | Fault::StreamError { .. }
            | Fault::DeviceRemoved
            | Fault::Replaced
            | Fault::StreamEnd
            | Fault::ClockSkew { .. } => {}
        }
    }
}
