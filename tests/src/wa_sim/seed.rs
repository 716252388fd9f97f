//! Everything a simulator makes up comes from its seed, so that a run can be
//! repeated.

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use sha2::{Digest as _, Sha256};

/// 32 bytes that belong to `label` in a simulator with `seed`.
pub(crate) fn bytes(seed: u64, label: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"loong simulator");
    hash.update(seed.to_be_bytes());
    hash.update(label.as_bytes());
    hash.finalize().into()
}

/// A generator that belongs to `label`, where an interface asks for one.
pub(crate) fn rng(seed: u64, label: &str) -> StdRng {
    StdRng::from_seed(bytes(seed, label))
}
