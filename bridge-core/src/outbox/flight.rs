//! One send on its way: a task of its own, which the callers wait for.
//!
//! A caller has to be answered within 8 s or it gives up and takes the send for
//! failed. What is on its way then must not be cut off, so the callers only
//! watch: after [`ANSWER_WITHIN`] they are told how it stands.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use loong_proto::store::{OutboxRecord, OutboxState as PartState};
use tokio::{
    sync::{Notify, OwnedMutexGuard, watch},
    time::{Instant, sleep, timeout, timeout_at},
};

use super::{
    Inner, MADE_UP, OutboxError, SendReceipt, SendState,
    lane::{Meter, Turn},
    record, store,
};
use crate::{
    driver::{Driver, OutboundPart, SendOutcome},
    message::ChatId,
    state::SessionState,
    vault::VaultError,
};

/// When a caller is answered at the latest.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_millis(7_500);
/// When the first part is handed over at the latest; after that, the caller is
/// told that nothing was sent.
const HAND_WITHIN: Duration = Duration::from_secs(7);
/// A driver answers within about 7 s; this is for one that does not.
const DRIVER_LIMIT: Duration = Duration::from_secs(15);
/// How long the rest of a text waits for a proof of the part before, or for the
/// connection, when some of it is out already.
const REST_PATIENCE: Duration = Duration::from_secs(30);

/// What tasks and callers share.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) chat: ChatId,
    pub(super) record: Mutex<Tracked>,
    /// A late proof came for a part.
    pub(super) proved: Notify,
    /// Someone asks for the same key again: what waits is to be tried now.
    pub(super) again: Notify,
    phase: Mutex<Phase>,
    /// The end: what the callers get.
    landed: watch::Sender<Option<Result<(), String>>>,
}

/// A record; its texts are not for printing.
pub(super) struct Tracked(pub(super) OutboxRecord);

impl std::fmt::Debug for Tracked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Tracked").field(&self.0.key).finish()
    }
}

/// Whether something was handed over, decided once for the task and the callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Waiting,
    Handed,
    /// A caller was told that nothing was sent.
    Cancelled,
}

/// Why the task goes no further.
enum Stop {
    /// Everything was tried that could be.
    Done,
    Store(OutboxError),
}

impl From<OutboxError> for Stop {
    fn from(error: OutboxError) -> Self {
        Self::Store(error)
    }
}

impl Flight {
    pub(super) fn new(record: OutboxRecord) -> Self {
        Self {
            chat: ChatId::from_canonical(record.chat.clone()),
            record: Mutex::new(Tracked(record)),
            proved: Notify::new(),
            again: Notify::new(),
            phase: Mutex::new(Phase::Waiting),
            landed: watch::Sender::new(None),
        }
    }

    pub(super) fn record(&self) -> MutexGuard<'_, Tracked> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the end, at most until `deadline`, and says how the send stands.
    pub(super) async fn answer(
        &self,
        deadline: Instant,
        repeated: bool,
        other_text: bool,
    ) -> Result<SendReceipt, OutboxError> {
        let mut landed = self.landed.subscribe();
        let end = timeout_at(deadline, landed.wait_for(Option::is_some)).await;
        let end = end.map(|end| end.map(|end| end.clone()));
        let open = end.is_err();
        match end {
            Ok(Ok(Some(Err(cause)))) => return Err(VaultError::Stopped(cause).into()),
            Ok(Err(_)) => return Err(OutboxError::Task("the send was given up".to_owned())),
            Ok(Ok(_)) => {}
            Err(_elapsed) => {
                self.settle(Phase::Cancelled);
            }
        }
        let mut receipt = record::receipt(&self.record().0, repeated, other_text);
        if open && receipt.state == SendState::NotSent && self.phase() == Phase::Handed {
            // Between the decision to hand over and the note of it.
            receipt.state = SendState::Uncertain;
        }
        Ok(receipt)
    }

    fn phase(&self) -> Phase {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decides the phase unless it is decided; returns what it is.
    fn settle(&self, phase: Phase) -> Phase {
        let mut current = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        if *current == Phase::Waiting {
            *current = phase;
        }
        *current
    }
}

/// The task. Ends by itself, or soon after the outbox was told to stop.
pub(super) async fn run(
    inner: Arc<Inner>,
    driver: Arc<dyn Driver>,
    flight: Arc<Flight>,
    turn: Turn,
) {
    let stop = inner.stop.clone();
    let done = tokio::select! {
        biased;
        () = stop.cancelled() => Stop::Done,
        done = deliver(&inner, driver.as_ref(), &flight, turn) => done,
    };
    // Whatever happens, nothing is handed over from here on.
    flight.settle(Phase::Cancelled);
    let result = match done {
        Stop::Done => inner.finish(&flight).await,
        Stop::Store(error) => Err(error),
    };
    inner.land(&flight, result.is_ok());
    let result = result.map_err(|error| {
        tracing::error!(%error, "a send was given up");
        error.to_string()
    });
    flight.landed.send_replace(Some(result));
}

/// Writes the send down, waits for its turn, and hands over part by part.
async fn deliver(inner: &Inner, driver: &dyn Driver, flight: &Flight, turn: Turn) -> Stop {
    let hand_by = Instant::now() + HAND_WITHIN;
    if let Err(error) = inner.store.vault.sync().await {
        return Stop::Store(error.into());
    }
    let Ok(mut meter) = timeout_at(hand_by, turn).await else {
        let reason = "earlier messages to this chat are still on their way";
        return match inner.note(flight, |record| give_reason(record, reason)) {
            Ok(()) => Stop::Done,
            Err(error) => Stop::Store(error),
        };
    };
    let parts = flight.record().0.parts.len();
    for at in 0..parts {
        if let Err(stop) = deliver_part(inner, driver, flight, &mut meter, at, hand_by).await {
            return stop;
        }
    }
    Stop::Done
}

/// Sends one part until it is acked; anything else ends the send.
async fn deliver_part(
    inner: &Inner,
    driver: &dyn Driver,
    flight: &Flight,
    meter: &mut OwnedMutexGuard<Meter>,
    at: usize,
    hand_by: Instant,
) -> Result<(), Stop> {
    loop {
        let Some((part, before)) = next_part(flight, at) else {
            return Ok(());
        };
        let pause = meter.admit(inner.pace, Instant::now());
        if flight.phase() == Phase::Waiting && Instant::now() + pause > hand_by {
            inner.note(flight, |record| {
                give_reason(record, "too many messages to this chat at once");
            })?;
            return Err(Stop::Done);
        }
        sleep(pause).await;
        if flight.settle(Phase::Handed) == Phase::Cancelled {
            return Err(Stop::Done);
        }
        let now_ms = inner.clock.now_ms();
        inner.note(flight, |record| {
            if let Some(part) = record.parts.get_mut(at) {
                record::hand(part, now_ms);
            }
        })?;
        let answer = timeout(DRIVER_LIMIT, driver.send(&part)).await;
        let outcome = answer.unwrap_or_else(|_elapsed| SendOutcome::Uncertain {
            reason: "the messenger did not say what became of it".to_owned(),
        });
        let now_ms = inner.clock.now_ms();
        inner.note(flight, |record| {
            if let Some(part) = record.parts.get_mut(at) {
                record::answer(part, before, &outcome, now_ms);
            }
        })?;
        match outcome {
            SendOutcome::Acked { .. } => return Ok(()),
            SendOutcome::Failed { .. } => return Err(Stop::Done),
            SendOutcome::Uncertain { .. } if !wait_for_proof(flight, at).await => {
                return Err(Stop::Done);
            }
            SendOutcome::NotSent { .. } if !wait_for_session(driver, flight, at).await => {
                return Err(Stop::Done);
            }
            SendOutcome::Uncertain { .. } | SendOutcome::NotSent { .. } => {}
        }
    }
}

/// The part to send, and how it stood so far; none if it is acked.
fn next_part(flight: &Flight, at: usize) -> Option<(OutboundPart, PartState)> {
    let record = flight.record();
    let part = record.0.parts.get(at)?;
    if record::is_acked(part) {
        return None;
    }
    let outbound = OutboundPart {
        chat: flight.chat.clone(),
        message_id: part.message_id.clone(),
        text: part.text.clone(),
    };
    Some((outbound, part.state()))
}

/// An uncertain part may still be proven; if more parts follow, that is worth
/// waiting for. Returns whether to go on: it was, or the key was asked for again,
/// which sends the part once more.
async fn wait_for_proof(flight: &Flight, at: usize) -> bool {
    let acked = || {
        let record = flight.record();
        (
            record.0.parts.get(at).is_some_and(record::is_acked),
            at + 1 < record.0.parts.len(),
        )
    };
    let proven = async {
        loop {
            let proved = flight.proved.notified();
            let (proven, more) = acked();
            if proven || !more {
                return proven;
            }
            tokio::select! {
                () = proved => {}
                () = flight.again.notified() => return true,
            }
        }
    };
    timeout(REST_PATIENCE, proven).await.unwrap_or(false)
}

/// If some of a text is out already, its rest waits for the session to come
/// back. Returns whether to go on.
async fn wait_for_session(driver: &dyn Driver, flight: &Flight, at: usize) -> bool {
    /// A driver that is online and does not send must not be asked all the time.
    const PAUSE: Duration = Duration::from_secs(1);
    if at == 0
        || !flight
            .record()
            .0
            .parts
            .first()
            .is_some_and(record::is_acked)
    {
        return false;
    }
    let mut status = driver.status();
    let back = async {
        sleep(PAUSE).await;
        status
            .wait_for(|status| status.state == SessionState::Online)
            .await
            .is_ok()
    };
    timeout(REST_PATIENCE, back).await.unwrap_or(false)
}

/// Says why nothing was sent, where nothing else was said.
fn give_reason(record: &mut OutboxRecord, reason: &str) {
    let open = record.parts.iter_mut().find(|part| !record::is_acked(part));
    if let Some(part) = open.filter(|part| part.state() == PartState::Queued) {
        part.reason = Some(reason.to_owned());
    }
}

impl Inner {
    /// Changes a record in flight, and writes it; not on disk yet.
    fn note(
        &self,
        flight: &Flight,
        change: impl FnOnce(&mut OutboxRecord),
    ) -> Result<(), OutboxError> {
        let mut record = flight.record();
        change(&mut record.0);
        record.0.updated_ms = self.clock.now_ms();
        self.store.put(&record.0, true)
    }

    /// Puts the result on disk.
    async fn finish(&self, flight: &Flight) -> Result<(), OutboxError> {
        {
            let record = flight.record();
            let unsent = record.0.parts.iter().all(record::is_queued);
            if unsent && record.0.key.starts_with(MADE_UP) {
                // Nobody is going to repeat a key that was made up.
                self.store.delete(&record.0)?;
            } else {
                self.store.put(&record.0, store::is_open(&record.0))?;
            }
        }
        Ok(self.store.vault.sync().await?)
    }
}
