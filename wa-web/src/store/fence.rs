//! Which library client may write.
//!
//! `advance` hands out a new generation and refuses all earlier ones. The check and the write that
//! it allows happen under one read guard, and `advance` takes the write side of that lock: when it
//! returns, no change set of an older generation can still be on its way into the vault.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use whatsapp_rust::wacore::store::error::StoreError;

/// How the error of a refused write begins.
pub const STALE_SESSION: &str = "stale session";

/// Number of the generation that may write; none after [`FenceControl::close`].
type Current = RwLock<Option<u64>>;

/// Hands out generations. Belongs to whoever rebuilds the library client.
#[derive(Clone, Debug)]
pub struct FenceControl {
    current: Arc<Current>,
    next: Arc<std::sync::atomic::AtomicU64>,
}

impl Default for FenceControl {
    fn default() -> Self {
        Self::new()
    }
}

impl FenceControl {
    /// A control whose first generation is 1; nobody may write before it is asked for.
    #[must_use]
    pub fn new() -> Self {
        Self {
            current: Arc::new(RwLock::new(None)),
            next: Arc::new(std::sync::atomic::AtomicU64::new(1)),
        }
    }

    /// Starts a new generation. Waits for the change sets that are being applied at this moment;
    /// afterwards every older handle is refused.
    #[must_use = "the generation is the right to write"]
    pub fn advance(&self) -> Fence {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let generation = self.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        *current = Some(generation);
        Fence {
            current: Arc::clone(&self.current),
            generation,
        }
    }

    /// Refuses every handle given out so far, without a successor: for the time between two
    /// clients, and before the credentials are archived.
    pub fn close(&self) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The generation that may write, if any.
    #[must_use]
    pub fn generation(&self) -> Option<u64> {
        *self.current.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right of one library client to write. Deliberately not `Clone`: one generation, one store.
pub struct Fence {
    current: Arc<Current>,
    generation: u64,
}

impl fmt::Debug for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fence")
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

/// Proof that the generation was current and stays so until this is dropped.
pub(super) struct Passage<'a> {
    _current: RwLockReadGuard<'a, Option<u64>>,
}

impl Fence {
    /// The number of this generation, for logs.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Holds the generation in place for one change set. Never nest two: a waiting `advance`
    /// between them would block both.
    pub(super) fn enter(&self) -> Result<Passage<'_>, StoreError> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        if *current == Some(self.generation) {
            return Ok(Passage { _current: current });
        }
        let state = match *current {
            Some(newer) => format!("generation {newer} has taken over"),
            None => "no session may write now".to_owned(),
        };
        Err(StoreError::Validation(format!(
            "{STALE_SESSION}: generation {} may not write, {state}",
            self.generation
        )))
    }
}
