//! In-process phones: clients without a socket.

use std::sync::Arc;

use tokio::sync::Notify;
use whatsapp_rust::wacore_binary::Node;

use super::session::Step;
use super::{Endpoint, Hub, HubError};
use crate::wa_sim::address::DeviceJid;

impl Hub {
    /// The account's phone comes online: what waited is delivered to it, then
    /// what comes. A phone that was attached before is replaced.
    ///
    /// # Errors
    /// When there is no such account, or no runtime to deliver on.
    pub fn attach_phone(&self, number: &str, endpoint: Arc<dyn Endpoint>) -> Result<(), HubError> {
        let runtime =
            tokio::runtime::Handle::try_current().map_err(|_no_runtime| HubError::NoRuntime)?;
        let device = DeviceJid::new(number, 0);
        let mut state = self.state();
        if state.device(&device).is_none() {
            return Err(HubError::UnknownAccount(number.to_owned()));
        }
        let id = state.phone_online(&device);
        let Some(wake) = state.sessions.get(&id).map(|session| session.wake.clone()) else {
            return Ok(());
        };
        drop(state);
        self.0
            .tasks
            .spawn_on(pump(self.clone(), id, wake, endpoint), &runtime);
        Ok(())
    }

    /// The phone goes offline; its queue keeps filling.
    pub fn detach_phone(&self, number: &str) {
        if let Some(session) = self.state().session_of(&DeviceJid::new(number, 0)) {
            session.cut();
        }
    }

    /// Takes what a client writes to its socket, requests apart.
    pub fn submit(&self, from: &DeviceJid, stanza: Node) {
        self.state().on_stanza(from, &stanza);
    }

    /// Answers a request.
    pub async fn request(&self, from: &DeviceJid, iq: Node) -> Node {
        let (answer, wait) = {
            let mut state = self.state();
            let answer = state.on_request(from, &iq);
            (answer, state.faults.slow_iqs(from))
        };
        if let Some(wait) = wait {
            tokio::time::sleep(wait).await;
        }
        answer
    }
}

/// Hands a phone what its session has to write, until the session ends.
async fn pump(hub: Hub, id: u64, wake: Arc<Notify>, endpoint: Arc<dyn Endpoint>) {
    loop {
        let step = hub.state().next_step(id);
        match step {
            Step::Write(stanza) => endpoint.deliver(stanza),
            Step::Wait(until) => wait(&wake, until).await,
            Step::Close | Step::Cut => break,
        }
    }
    hub.state().end_session(id);
}

/// Waits for a wake-up, or until then.
pub(crate) async fn wait(wake: &Notify, until: Option<std::time::Instant>) {
    match until {
        None => wake.notified().await,
        Some(until) => {
            // Running out of time is the other way to wake up.
            let _ = tokio::time::timeout_at(until.into(), wake.notified()).await;
        }
    }
}
