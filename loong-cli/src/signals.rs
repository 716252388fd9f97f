//! SIGINT and SIGTERM: the first asks for an end in order, the second ends at once.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::exit::Exit;

/// The two signals.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Takes the signals over from the system.
    pub(crate) fn install() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for a signal; the status of a process that it ended.
    async fn next(&mut self) -> Exit {
        tokio::select! {
            Some(()) = self.interrupt.recv() => Exit::Interrupted,
            Some(()) = self.terminate.recv() => Exit::Terminated,
            else => std::future::pending().await,
        }
    }

    /// Cancels `shutdown` at the first signal and returns at the second, or at
    /// the first if nobody would end in order.
    pub(crate) async fn watch(mut self, shutdown: CancellationToken, graceful: bool) -> Exit {
        let first = self.next().await;
        shutdown.cancel();
        if !graceful {
            return first;
        }
        self.next().await
    }
}
