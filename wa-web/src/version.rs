//! The protocol version that is announced to WhatsApp.
//!
//! Servers refuse versions that are too old (failure 405), and the number changes
//! with every release of WhatsApp Web. So one is built in, a newer one is looked
//! up on WhatsApp's own site now and then and remembered, and neither being out
//! of date nor the site being away ever keeps a session from starting.

use std::{
    fmt,
    str::FromStr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bridge_core::vault::{SpaceId, Vault};
use serde::{Deserialize, Serialize};
use tokio_util::task::AbortOnDropHandle;
use whatsapp_rust::wacore::version::parse_sw_js;

use crate::{
    clock,
    transport::{Endpoint, Trust},
};

mod fetch;

pub use fetch::FetchError;

/// The version that `whatsapp-rust` 0.7.0 announces by default, of August 2026.
pub const BUILT_IN: ProtocolVersion = ProtocolVersion(2, 3000, 1_042_742_319);
/// The space of the remembered version; record 0.
const SPACE: SpaceId = SpaceId::new(0x9e);
/// How old a remembered version may get before a newer one is looked for, in
/// milliseconds: a day, as the library does it.
const STALE_MS: u64 = 24 * 60 * 60 * 1000;
/// How long a start waits for the look-up when nothing is remembered, or when
/// the server refused what we have.
const START_WAIT: Duration = Duration::from_secs(5);
/// Revisions of WhatsApp Web have ten digits; less is a placeholder.
const LEAST_REVISION: u32 = 1_000_000_000;

/// A version of WhatsApp Web, such as `2.3000.1042742319`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ProtocolVersion(pub u32, pub u32, pub u32);

impl fmt::Display for ProtocolVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

impl From<ProtocolVersion> for (u32, u32, u32) {
    fn from(version: ProtocolVersion) -> Self {
        (version.0, version.1, version.2)
    }
}

/// A text that is no version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a protocol version; they look like 2.3000.1042742319")]
pub struct VersionError(String);

impl FromStr for ProtocolVersion {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut numbers = text.trim().split('.').map(|part| {
            part.bytes()
                .all(|b| b.is_ascii_digit())
                .then(|| part.parse::<u32>().ok())
                .flatten()
        });
        match (
            numbers.next(),
            numbers.next(),
            numbers.next(),
            numbers.next(),
        ) {
            (Some(Some(a)), Some(Some(b)), Some(Some(c)), None) if a > 0 => Ok(Self(a, b, c)),
            _ => Err(VersionError(text.to_owned())),
        }
    }
}

/// Which version to announce.
#[derive(Debug, Clone)]
pub enum VersionPolicy {
    /// Always this one; nothing is looked up.
    Pinned(ProtocolVersion),
    /// The newest that is known, looked up on WhatsApp's site the way the
    /// endpoint is reached (its proxy, its certificates).
    Refreshed(Endpoint),
}

impl VersionPolicy {
    /// The policy for an endpoint: a configured version is pinned; a server in
    /// WhatsApp's place gets the built-in one, and WhatsApp is never asked about
    /// it; only WhatsApp itself gets looked-up versions.
    #[must_use]
    pub fn for_endpoint(endpoint: &Endpoint, configured: Option<ProtocolVersion>) -> Self {
        match configured {
            Some(version) => Self::Pinned(version),
            None if endpoint.is_whatsapp() => Self::Refreshed(endpoint.clone()),
            None => Self::Pinned(BUILT_IN),
        }
    }
}

/// Where a looked-up version is remembered between starts.
pub(crate) trait VersionCache: Send + Sync + fmt::Debug {
    /// The version remembered last and when it was looked up, Unix milliseconds.
    fn load(&self) -> Option<(ProtocolVersion, u64)>;
    /// Remembers one. Best effort.
    fn save(&self, version: ProtocolVersion, at_ms: u64);
}

#[derive(Serialize, Deserialize)]
struct Remembered {
    version: ProtocolVersion,
    at_ms: u64,
}

impl VersionCache for Vault {
    fn load(&self) -> Option<(ProtocolVersion, u64)> {
        let space = self.space(SPACE);
        let record = space.get(&space.ordered(0)).ok().flatten()?;
        let found: Remembered = serde_json::from_slice(&record).ok()?;
        Some((found.version, found.at_ms))
    }

    fn save(&self, version: ProtocolVersion, at_ms: u64) {
        let Ok(record) = serde_json::to_vec(&Remembered { version, at_ms }) else {
            return;
        };
        let space = self.space(SPACE);
        let mut batch = self.batch();
        space.put(&mut batch, &space.ordered(0), &record);
        // Not worth a disk sync: it can be looked up again.
        if let Err(error) = self.apply(batch) {
            tracing::warn!(%error, "the protocol version cannot be remembered");
        }
    }
}

/// Knows the version to announce and keeps it fresh.
#[derive(Debug)]
pub(crate) struct VersionKeeper {
    source: Source,
    refused: AtomicBool,
}

#[derive(Debug)]
enum Source {
    Pinned(ProtocolVersion),
    Refreshed {
        shared: Arc<Refresher>,
        /// The look-up under way, if any; ends with the keeper.
        running: Mutex<Option<AbortOnDropHandle<()>>>,
    },
}

#[derive(Debug)]
struct Refresher {
    endpoint: Endpoint,
    cache: Box<dyn VersionCache>,
    done: tokio::sync::Notify,
}

impl VersionKeeper {
    pub(crate) fn new(policy: VersionPolicy, vault: &Vault) -> Self {
        Self::with_cache(policy, Box::new(vault.clone()))
    }

    fn with_cache(policy: VersionPolicy, cache: Box<dyn VersionCache>) -> Self {
        let source = match policy {
            VersionPolicy::Pinned(version) => Source::Pinned(version),
            VersionPolicy::Refreshed(endpoint) => Source::Refreshed {
                shared: Arc::new(Refresher {
                    endpoint,
                    cache,
                    done: tokio::sync::Notify::new(),
                }),
                running: Mutex::new(None),
            },
        };
        Self {
            source,
            refused: AtomicBool::new(false),
        }
    }

    /// The server refused the version: the next [`Self::current`] looks for a
    /// newer one first.
    pub(crate) fn refused(&self) {
        self.refused.store(true, Ordering::Relaxed);
    }

    /// The version to announce now. Looks for a newer one in the background if
    /// the known one is old, and waits for it a few seconds if none was ever
    /// looked up or the known one was refused. Always answers.
    pub(crate) async fn current(&self) -> ProtocolVersion {
        let (shared, running) = match &self.source {
            Source::Pinned(version) => return *version,
            Source::Refreshed { shared, running } => (shared, running),
        };
        let known = shared.cache.load();
        let refused = self.refused.swap(false, Ordering::Relaxed);
        let fresh = known.is_some_and(|(_, at)| clock::now_ms().saturating_sub(at) < STALE_MS);
        if refused || !fresh {
            let done = shared.done.notified();
            tokio::pin!(done);
            // Listens before the look-up starts, so that its end is not missed.
            done.as_mut().enable();
            start(shared, running);
            if refused || known.is_none() {
                let _late = tokio::time::timeout(START_WAIT, done).await;
            }
        }
        let known = shared.cache.load().map(|(version, _)| version);
        // An upgrade of this program may know more than an old record.
        known.map_or(BUILT_IN, |version| version.max(BUILT_IN))
    }
}

/// Starts a look-up unless one is under way.
fn start(shared: &Arc<Refresher>, running: &Mutex<Option<AbortOnDropHandle<()>>>) {
    let mut running = running.lock().unwrap_or_else(PoisonError::into_inner);
    if running.as_ref().is_some_and(|task| !task.is_finished()) {
        return;
    }
    let shared = Arc::clone(shared);
    *running = Some(AbortOnDropHandle::new(tokio::spawn(async move {
        match look_up(&shared.endpoint).await {
            Ok(version) => {
                tracing::debug!(%version, "looked up the protocol version");
                shared.cache.save(version, clock::now_ms());
            }
            Err(error) => {
                tracing::info!(
                    error = &error as &dyn std::error::Error,
                    "the newest protocol version cannot be looked up; going on with the known one"
                );
            }
        }
        shared.done.notify_waiters();
    })));
}

async fn look_up(endpoint: &Endpoint) -> Result<ProtocolVersion, FetchError> {
    let trust = Trust::new(endpoint.extra_ca().map(std::path::PathBuf::as_path))?;
    let config = trust.config().await?;
    let script = fetch::service_worker(fetch::SOURCE, &config, endpoint.resolve_proxy()?).await?;
    revision(&script).ok_or(FetchError::NoVersion)
}

/// The version in the text of WhatsApp Web's service worker.
fn revision(script: &str) -> Option<ProtocolVersion> {
    parse_sw_js(script)
        .map(|(a, b, c)| ProtocolVersion(a, b, c))
        .filter(|version| version.2 >= LEAST_REVISION)
}

#[cfg(test)]
mod tests;
