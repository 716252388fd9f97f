use std::collections::BTreeMap;

use super::super::{
    RecordName, SpaceId, Vault, VaultError, VaultOptions, header, keys::Keys, rotate::Step,
};
use super::{Result, key, open, scratch};

const A: SpaceId = SpaceId::new(0x41);
const B: SpaceId = SpaceId::new(0x42);

/// Fills a store with records of both kinds, more than one chunk of them.
fn fill(options: &VaultOptions) -> Result {
    let vault = open(options, 1)?;
    let (a, b) = (vault.space(A), vault.space(B));
    let mut batch = vault.batch();
    for n in 0..150_u64 {
        a.put(
            &mut batch,
            &a.named(&[b"chat", &n.to_be_bytes()]),
            format!("a{n}").as_bytes(),
        );
        b.put(&mut batch, &b.ordered(n), format!("b{n}").as_bytes());
    }
    vault.apply(batch)?;
    drop((a, b));
    Ok(vault.close()?)
}

/// Everything in a store, by what it means.
fn contents(vault: &Vault) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut all = BTreeMap::new();
    for space in [vault.space(A), vault.space(B)] {
        for row in space.scan_all() {
            let (name, value) = row?;
            let parts = name.parts().to_vec();
            if !parts.is_empty() {
                let borrowed: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
                assert_eq!(space.get(&space.named(&borrowed))?.as_ref(), Some(&value));
            }
            all.insert(
                format!("{:?} {:?}", name.as_ordered(), parts),
                value.to_vec(),
            );
        }
    }
    Ok(all)
}

/// Rotates from key 1 to key 2 and stops at the `nth` step; says which it was.
fn rotate_until(options: &VaultOptions, nth: usize) -> Result<Option<Step>> {
    let mut left = nth;
    let mut stopped_at = None;
    let done = Vault::rotate_watched(options, &key(1), &key(2), &mut |step| {
        if left == 0 {
            stopped_at = Some(step);
            return Err(VaultError::Stopped("by the test".to_owned()));
        }
        left -= 1;
        Ok(())
    });
    if stopped_at.is_none() {
        done?;
    }
    Ok(stopped_at)
}

#[test]
fn a_rotation_keeps_every_record() -> Result {
    let (_dir, options) = scratch()?;
    fill(&options)?;
    let before = contents(&open(&options, 1)?)?;
    let raw_before: Vec<_> = raw_keys(&open(&options, 1)?)?;
    Vault::rotate(&options, &key(1), &key(2))?;
    assert!(matches!(open(&options, 1), Err(VaultError::RetiredKey)));
    assert!(matches!(open(&options, 3), Err(VaultError::WrongKey)));
    let vault = open(&options, 2)?;
    assert_eq!(contents(&vault)?, before);
    let raw_after = raw_keys(&vault)?;
    assert_eq!(raw_after.len(), raw_before.len());
    let named = |keys: &[Vec<u8>]| -> Vec<Vec<u8>> {
        keys.iter()
            .filter(|k| k.len() > 12)
            .filter_map(|k| k.get(1..).map(<[u8]>::to_vec))
            .collect()
    };
    assert!(
        named(&raw_after)
            .iter()
            .all(|k| !named(&raw_before).contains(k)),
        "names are new"
    );
    drop(vault);
    // Again, and a third time under the same key.
    Vault::rotate(&options, &key(2), &key(1))?;
    Vault::rotate(&options, &key(2), &key(1))?;
    assert_eq!(contents(&open(&options, 1)?)?, before);
    Ok(())
}

#[test]
fn a_rotation_may_stop_anywhere() -> Result {
    let mut seen = Vec::new();
    for nth in 0.. {
        let (_dir, options) = scratch()?;
        fill(&options)?;
        let before = contents(&open(&options, 1)?)?;
        let Some(step) = rotate_until(&options, nth)? else {
            break;
        };
        seen.push(step);
        let switched = matches!(step, Step::Switched | Step::SweptSome | Step::Swept);
        if nth % 2 == 0 {
            // The new key goes on from wherever it was.
            assert_eq!(contents(&open(&options, 2)?)?, before, "after {step:?}");
            assert!(
                matches!(open(&options, 1), Err(VaultError::RetiredKey)),
                "after {step:?}"
            );
        } else if switched {
            assert!(
                matches!(open(&options, 1), Err(VaultError::RetiredKey)),
                "after {step:?}"
            );
        } else {
            // The old key drops the copy.
            assert_eq!(contents(&open(&options, 1)?)?, before, "after {step:?}");
            assert!(
                matches!(open(&options, 2), Err(VaultError::WrongKey)),
                "after {step:?}"
            );
        }
        // Whatever happened, asking again gets it done, and nothing is left over.
        Vault::rotate(&options, &key(1), &key(2))?;
        let vault = open(&options, 2)?;
        assert_eq!(contents(&vault)?, before, "after {step:?}");
        assert_eq!(raw_keys(&vault)?.len(), before.len(), "after {step:?}");
    }
    for step in [
        Step::Announced,
        Step::CopiedSome,
        Step::Copied,
        Step::Switched,
        Step::SweptSome,
        Step::Swept,
    ] {
        assert!(seen.contains(&step), "{step:?} was not reached: {seen:?}");
    }
    Ok(())
}

#[test]
fn key_numbers_wrap_around() -> Result {
    let (_dir, options) = scratch()?;
    let vault = open(&options, 1)?;
    let a = vault.space(A);
    let mut batch = vault.batch();
    a.put(&mut batch, &a.named(&[b"only"]), b"text");
    vault.apply(batch)?;
    // As if the store had got to the number before the last one by one.
    let mut head = header::read(&vault.0.disk)?.ok_or("no header")?;
    let (slot, keys) = Keys::new_slot(254, &key(1))?;
    head.current = Some(slot);
    header::write(&vault.0.disk, &head)?;
    let name = RecordName::named(&keys, A.byte(), &[b"only"]);
    let place = [&[A.byte()], name.raw()].concat();
    let sealed = keys.seal(&name.wrap(b"text")?, &place)?;
    let db = &vault.0.disk.db;
    db.insert([&[254], place.as_slice()].concat(), sealed)?;
    db.remove([&[1, A.byte()], a.named(&[b"only"]).raw()].concat())?;
    drop((a, vault));
    for (old, new, number) in [(1, 2, 255), (2, 3, 1), (3, 4, 2)] {
        Vault::rotate(&options, &key(old), &key(new))?;
        let vault = open(&options, new)?;
        assert_eq!(vault.0.keys.id(), number);
        let a = vault.space(A);
        assert_eq!(
            a.get(&a.named(&[b"only"]))?.map(|v| v.to_vec()),
            Some(b"text".to_vec())
        );
    }
    Ok(())
}

/// The raw keys of all records.
fn raw_keys(vault: &Vault) -> Result<Vec<Vec<u8>>> {
    let rows = vault.0.disk.db.range([1]..).keys();
    Ok(rows
        .map(|key| key.map(|key| key.to_vec()))
        .collect::<std::result::Result<_, _>>()?)
}
