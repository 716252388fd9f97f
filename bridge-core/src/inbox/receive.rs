//! Handing messages out, with the long poll.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::{Inbox, InboxError, Leased, ReceiveRequest, State, entry::Place};
use crate::vault::VaultError;

/// The calls that are waiting, so that a newer call of a consumer sends the
/// older one home instead of losing messages to a connection nobody reads.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    next: u64,
    waiting: Vec<(u64, Option<String>)>,
}

/// One waiting call; it is struck off the list when it ends in any way.
struct Waiter<'a> {
    inbox: &'a Inbox,
    ticket: u64,
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut state = self.inbox.lock();
        state
            .waiters
            .waiting
            .retain(|(ticket, _)| *ticket != self.ticket);
    }
}

impl Waiters {
    fn enter(&mut self, consumer: Option<&str>) -> u64 {
        let ticket = self.next;
        self.next = self.next.wrapping_add(1);
        self.waiting.push((ticket, consumer.map(str::to_owned)));
        ticket
    }

    fn is_overtaken(&self, ticket: u64, consumer: Option<&str>) -> bool {
        let newest = self
            .waiting
            .iter()
            .rev()
            .find(|(_, who)| who.as_deref() == consumer);
        newest.is_some_and(|(newest, _)| *newest != ticket)
    }
}

/// The outcome of one look at the inbox.
enum Look {
    Batch(Vec<Leased>),
    /// Nothing now; look again at this time at the latest, Unix milliseconds.
    Nothing {
        again_ms: Option<u64>,
    },
}

impl Inbox {
    /// Leases messages to a consumer, waiting for the first one for up to
    /// `request.wait`. The consumer's earlier leases end, except those it holds.
    ///
    /// Dropping the call while it waits leases nothing: leases are taken in the
    /// step that returns them. A newer call of the same consumer makes an older
    /// one return empty.
    ///
    /// # Errors
    /// When the store fails; nothing was leased then.
    pub async fn receive(&self, request: ReceiveRequest) -> Result<Vec<Leased>, InboxError> {
        let consumer = request.consumer.as_deref();
        let deadline = Instant::now() + request.wait.min(ReceiveRequest::MAX_WAIT);
        let waiter = self.come_back(&request)?;
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // From here on no change goes unnoticed.
            changed.as_mut().enable();
            if self.lock().waiters.is_overtaken(waiter.ticket, consumer) {
                return Ok(Vec::new());
            }
            let again_ms = match self.look(&request)? {
                Look::Batch(batch) => return Ok(batch),
                Look::Nothing { again_ms } => again_ms,
            };
            if Instant::now() >= deadline {
                return Ok(Vec::new());
            }
            let pause = again_ms.map(|at| at.saturating_sub(self.clock.now_ms()).max(1));
            let again = pause.map(|pause| Instant::now() + Duration::from_millis(pause));
            let until = again.map_or(deadline, |again| again.min(deadline));
            // Whether it changed or the time is up, the next look decides.
            let _elapsed = timeout_at(until, changed).await;
        }
    }

    /// Registers the call, and ends what the consumer does not hold any more.
    fn come_back(&self, request: &ReceiveRequest) -> Result<Waiter<'_>, InboxError> {
        let consumer = request.consumer.as_deref();
        let (ticket, stored) = {
            let mut state = self.lock();
            let now_ms = self.clock.now_ms();
            let worn = state
                .index
                .come_back(consumer, &request.holding, &self.limits, now_ms);
            let stored = self.store_standings(&state, &worn);
            (state.waiters.enter(consumer), stored)
        };
        let waiter = Waiter {
            inbox: self,
            ticket,
        };
        stored?;
        self.changed.notify_waiters();
        Ok(waiter)
    }

    /// Takes the next batch, if there is one.
    fn look(&self, request: &ReceiveRequest) -> Result<Look, InboxError> {
        let mut state = self.lock();
        let now_ms = self.clock.now_ms();
        let worn = state.index.expire(&self.limits, now_ms);
        self.store_standings(&state, &worn)?;
        let max = request.max_messages.clamp(1, ReceiveRequest::MAX_MESSAGES);
        let numbers = state.index.select(max, now_ms, &|entry| {
            self.policy.allows(&entry.chat, &entry.aliases)
                && request
                    .allowed
                    .as_ref()
                    .is_none_or(|allowed| allowed.includes(&entry.chat, &entry.aliases))
        });
        let (numbers, mut batch) = self.read(&mut state, numbers)?;
        if batch.is_empty() {
            return Ok(Look::Nothing {
                again_ms: state.index.next_change_ms(now_ms),
            });
        }
        let consumer = request.consumer.as_deref();
        let until_ms = state.index.grant(&numbers, consumer, &self.limits, now_ms);
        for leased in &mut batch {
            leased.lease_until_ms = until_ms;
        }
        Ok(Look::Batch(batch))
    }

    /// Reads the texts of a batch. A record that is damaged is set aside, so that
    /// it does not stop the others.
    fn read(
        &self,
        state: &mut State,
        numbers: Vec<u64>,
    ) -> Result<(Vec<u64>, Vec<Leased>), InboxError> {
        let mut readable = Vec::with_capacity(numbers.len());
        let mut batch = Vec::with_capacity(numbers.len());
        for number in numbers {
            let damage = match self.store.read(number) {
                Ok(Some((cursor, message, standing))) => {
                    readable.push(number);
                    batch.push(Leased {
                        cursor,
                        message,
                        received_ms: standing.received_ms,
                        attempt: standing.attempts.saturating_add(1),
                        lease_until_ms: 0,
                    });
                    continue;
                }
                Ok(None) => "its record is gone".to_owned(),
                Err(
                    error @ (InboxError::Record { .. }
                    | InboxError::Store(VaultError::Corrupt { .. })),
                ) => error.to_string(),
                Err(error) => return Err(error),
            };
            tracing::error!(number, %damage, "a message in the inbox cannot be read");
            state.index.change(number, |entry| {
                entry.standing.place = Place::Parked;
                entry.standing.last_error = Some(damage);
            });
        }
        Ok((readable, batch))
    }
}
