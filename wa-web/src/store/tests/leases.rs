//! A crash never lets a message counter be used twice.
//!
//! The library reserves counters in batches, writes the reservation before the first ciphertext
//! of a batch, and lets the later ones go out unwritten. A child sends until it is deep inside a
//! batch and kills itself; the parent goes on from what is on disk. It works only if the write of
//! the reservation is durable when our store says so.

use async_trait::async_trait;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use whatsapp_rust::anyhow::{self, Context as _, ensure};
use whatsapp_rust::wacore::libsignal::protocol::error::Result as SignalResult;
use whatsapp_rust::wacore::libsignal::protocol::{
    ChainKey, IdentityKey, KeyPair, ProtocolAddress, RootKey, SenderKeyName, SenderKeyRecord,
    SenderKeyStore, SessionCheckoutStoreResult, SessionRecord, SessionState, SignalProtocolError,
    create_sender_key_distribution_message, group_encrypt,
};
use whatsapp_rust::wacore::store::SignalStoreCache;

use super::{Opened, TestResult, child, open_vault};
use crate::store::{FenceControl, SledStore};

const CHILD: &str = "store::tests::leases::a_child_sends_and_dies";
/// More than one batch of 64 and not a multiple of it.
const SENT: u32 = 100;

struct Sender {
    store: SledStore,
    cache: SignalStoreCache,
    rng: StdRng,
}

#[async_trait]
impl SenderKeyStore for Sender {
    async fn store_sender_key(
        &mut self,
        name: &SenderKeyName,
        record: SenderKeyRecord,
    ) -> SignalResult<()> {
        self.cache.put_sender_key(name, record).await;
        Ok(())
    }

    async fn load_sender_key(&self, name: &SenderKeyName) -> SignalResult<Option<SenderKeyRecord>> {
        let record = self.cache.get_sender_key(name, &self.store).await;
        let record = record
            .map_err(|error| SignalProtocolError::BackendError("test store", error.into()))?;
        Ok(record.map(|record| (*record).clone()))
    }
}

fn group() -> SenderKeyName {
    SenderKeyName::from_parts("120363000000000001@g.us", "15550000001@s.whatsapp.net:3")
}

fn fresh_session(rng: &mut StdRng) -> SessionRecord {
    let local = IdentityKey::new(KeyPair::generate(rng).public_key);
    let remote = IdentityKey::new(KeyPair::generate(rng).public_key);
    let base = KeyPair::generate(rng).public_key;
    let mut state = SessionState::new(3, &local, &remote, &RootKey::new([1; 32]), &base);
    state.set_sender_chain(&KeyPair::generate(rng), &ChainKey::new([2; 32], 0));
    SessionRecord::new(state)
}

impl Sender {
    fn new(store: SledStore, seed: u64) -> Self {
        Self {
            store,
            cache: SignalStoreCache::new(),
            rng: StdRng::seed_from_u64(seed),
        }
    }

    /// What the library does before a ciphertext goes out.
    async fn before_the_wire(&self) -> TestResult {
        if self.cache.needs_pre_wire_flush().await {
            self.cache.flush(&self.store).await?;
        }
        Ok(())
    }

    /// Spends one counter of the session and returns it.
    async fn send_direct(&mut self) -> anyhow::Result<u32> {
        let address = ProtocolAddress::new("15550000002", 0.into());
        let (known, checkout) = self.cache.checkout_session(&address, &self.store).await?;
        let existed = known.is_some();
        let mut record = match known {
            Some(record) => record,
            None => fresh_session(&mut self.rng),
        };
        let state = record.session_state().context("a session")?;
        let chain = state
            .get_sender_chain_key()
            .map_err(|error| anyhow::anyhow!("{error:?}"))?;
        let next = chain.next_chain_key()?;
        let state = record.session_state_mut().context("a session")?;
        state
            .set_sender_chain_key(&next)
            .map_err(|error| anyhow::anyhow!("{error:?}"))?;
        if chain.index() >= record.reserved_sender_chain_index() {
            record.reserve_sender_chain_counters(chain.index());
        }
        let stored = self
            .cache
            .restore_session_from_checkout(&address, record, checkout, existed);
        ensure!(
            matches!(stored, SessionCheckoutStoreResult::Stored),
            "not stored"
        );
        self.before_the_wire().await?;
        Ok(chain.index())
    }

    /// Encrypts one group message and returns its chain and counter.
    async fn send_group(&mut self) -> anyhow::Result<(u32, u32)> {
        let mut rng = StdRng::from_rng(&mut self.rng);
        if self.load_sender_key(&group()).await?.is_none() {
            create_sender_key_distribution_message(&group(), self, &mut rng).await?;
        }
        let message = group_encrypt(self, &group(), b"text", &mut rng).await?;
        self.before_the_wire().await?;
        Ok((message.chain_id(), message.iteration()))
    }
}

#[test]
fn counters_are_not_reused_after_sigkill() -> TestResult {
    let dir = tempfile::tempdir()?;
    let said = child::run(CHILD, dir.path(), "send")?;
    ensure!(
        said.len() == 2 * SENT as usize,
        "the child sent {} messages",
        said.len()
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    let opened = Opened::in_dir(dir)?;
    let mut sender = Sender::new(opened.store, 2);
    for _ in 0..SENT {
        let direct = format!("direct {}", runtime.block_on(sender.send_direct())?);
        let (chain, counter) = runtime.block_on(sender.send_group())?;
        let group = format!("group {chain} {counter}");
        ensure!(!said.contains(&direct), "used twice: {direct}");
        ensure!(!said.contains(&group), "used twice: {group}");
    }
    // The chain went on; it was not simply a new one.
    let (chain, _) = runtime.block_on(sender.send_group())?;
    ensure!(
        said.iter()
            .any(|line| line.starts_with(&format!("group {chain} ")))
    );
    Ok(())
}

#[tokio::test]
async fn a_child_sends_and_dies() -> TestResult {
    let Some((folder, _)) = child::assignment() else {
        return Ok(());
    };
    let store = SledStore::new(open_vault(&folder)?, FenceControl::new().advance());
    let mut sender = Sender::new(store, 1);
    for _ in 0..SENT {
        let direct = sender.send_direct().await?;
        child::say(&format!("direct {direct}"))?;
        let (chain, counter) = sender.send_group().await?;
        child::say(&format!("group {chain} {counter}"))?;
    }
    child::die()
}
