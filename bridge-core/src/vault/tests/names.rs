use std::collections::{BTreeMap, BTreeSet};

use proptest::{collection::vec, prelude::*};

use super::super::{SpaceId, name};
use super::{open, scratch};

const A: SpaceId = SpaceId::new(0x41);

type Parts = Vec<Vec<u8>>;

fn borrow(parts: &[Vec<u8>]) -> Vec<&[u8]> {
    parts.iter().map(Vec::as_slice).collect()
}

/// Few different bytes and short parts, so that prefixes and splits collide.
fn parts() -> impl Strategy<Value = Parts> {
    vec(vec(0..3_u8, 0..3), 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// A scan finds exactly the records whose parts begin with the prefix.
    #[test]
    fn scans_follow_the_parts(names in vec(parts(), 0..40), prefixes in vec(parts(), 1..8)) {
        let (_dir, options) = scratch().map_err(|e| TestCaseError::fail(e.to_string()))?;
        let vault = open(&options, 1).map_err(|e| TestCaseError::fail(e.to_string()))?;
        let a = vault.space(A);
        let mut batch = vault.batch();
        let mut expected = BTreeMap::new();
        for (n, parts) in names.iter().enumerate() {
            a.put(&mut batch, &a.named(&borrow(parts)), &n.to_be_bytes());
            expected.insert(parts.clone(), n.to_be_bytes().to_vec());
        }
        prop_assert!(vault.apply(batch).is_ok());
        for prefix in prefixes.iter().chain([&Vec::new()]) {
            let found: Result<BTreeMap<Parts, Vec<u8>>, _> = a
                .scan(&borrow(prefix))
                .map(|row| row.map(|(name, value)| (name.parts().to_vec(), value.to_vec())))
                .collect();
            let wanted = expected.iter().filter(|(parts, _)| parts.starts_with(prefix));
            let wanted: BTreeMap<_, _> = wanted.map(|(k, v)| (k.clone(), v.clone())).collect();
            prop_assert_eq!(found.map_err(|e| TestCaseError::fail(e.to_string()))?, wanted);
        }
    }

    /// Ordered records come back by number, and a scan can begin in between.
    #[test]
    fn numbers_keep_their_order(numbers in vec(any::<u64>(), 0..40), first in any::<u64>()) {
        let (_dir, options) = scratch().map_err(|e| TestCaseError::fail(e.to_string()))?;
        let vault = open(&options, 1).map_err(|e| TestCaseError::fail(e.to_string()))?;
        let (a, next) = (vault.space(A), vault.space(SpaceId::new(0x42)));
        let mut batch = vault.batch();
        next.put(&mut batch, &next.ordered(0), b"of another space");
        for n in &numbers {
            a.put(&mut batch, &a.ordered(*n), b"");
        }
        prop_assert!(vault.apply(batch).is_ok());
        let all: BTreeSet<u64> = numbers.iter().copied().collect();
        let found: Vec<_> = a.scan_all().filter_map(|row| row.ok()?.0.as_ordered()).collect();
        prop_assert_eq!(&found, &all.iter().copied().collect::<Vec<_>>());
        let found: Vec<_> = a.scan_from(first).filter_map(|row| row.ok()?.0.as_ordered()).collect();
        prop_assert_eq!(found, all.range(first..).copied().collect::<Vec<_>>());
    }
}

#[test]
fn hashes_depend_on_key_space_and_what_precedes() -> super::Result {
    let (_dir, options) = scratch()?;
    let (_other_dir, other_options) = scratch()?;
    let (vault, other) = (open(&options, 1)?, open(&other_options, 1)?);
    let of = |space, parts: &[&[u8]]| name::hashed(&vault.0.keys, space, parts);
    let base = of(1, &[b"a", b"b"]);
    assert_eq!(base.len(), 32);
    assert_eq!(base, of(1, &[b"a", b"b"]));
    assert!(base.starts_with(&of(1, &[b"a"])));
    assert_ne!(base, of(2, &[b"a", b"b"]));
    assert_ne!(base.get(16..), of(1, &[b"x", b"b"]).get(16..));
    assert_ne!(
        base,
        name::hashed(&other.0.keys, 1, &[b"a", b"b"]),
        "each store has its salt"
    );
    assert_ne!(of(1, &[b"ab", b""]), of(1, &[b"a", b"b"]));
    Ok(())
}
