use std::slice;

use super::super::{Batch, SpaceId, Vault, VaultError, VaultOptions, header, header::Migration};
use super::{Result, key, scratch};

const A: SpaceId = SpaceId::new(0x41);

/// Version 2 writes numbers in upper-case text, version 3 adds a count.
const STEPS: &[Migration] = &[
    Migration {
        name: "upper case",
        run: upper_case,
    },
    Migration {
        name: "count",
        run: count,
    },
];

fn upper_case(vault: &Vault) -> std::result::Result<Batch, VaultError> {
    let a = vault.space(A);
    let mut batch = vault.batch();
    for row in a.scan_all() {
        let (name, value) = row?;
        a.put(&mut batch, &name, &value.to_ascii_uppercase());
    }
    Ok(batch)
}

fn count(vault: &Vault) -> std::result::Result<Batch, VaultError> {
    let a = vault.space(A);
    let mut batch = vault.batch();
    let found = u64::try_from(a.scan_all().count()).unwrap_or_default();
    a.put(&mut batch, &a.named(&[b"count"]), &found.to_be_bytes());
    Ok(batch)
}

fn open_at(options: &VaultOptions, max_version: usize) -> Result<Vault> {
    let steps = STEPS.get(..max_version - 1).ok_or("no such version")?;
    Ok(Vault::open_with(options, slice::from_ref(&&key(1)), steps)?)
}

fn fill(vault: &Vault) -> Result {
    let a = vault.space(A);
    let mut batch = vault.batch();
    a.put(&mut batch, &a.ordered(1), b"one");
    Ok(vault.apply(batch)?)
}

fn text(vault: &Vault) -> Result<Option<Vec<u8>>> {
    let a = vault.space(A);
    Ok(a.get(&a.ordered(1))?.map(|value| value.to_vec()))
}

#[test]
fn an_old_store_is_brought_up_to_date_once() -> Result {
    let (_dir, options) = scratch()?;
    fill(&open_at(&options, 1)?)?;
    let vault = open_at(&options, 3)?;
    assert_eq!(text(&vault)?, Some(b"ONE".to_vec()));
    let a = vault.space(A);
    assert_eq!(
        a.get(&a.named(&[b"count"]))?.map(|v| v.to_vec()),
        Some(1_u64.to_be_bytes().to_vec())
    );
    fill(&vault)?;
    drop((a, vault));
    assert_eq!(
        text(&open_at(&options, 3)?)?,
        Some(b"one".to_vec()),
        "no step runs twice"
    );
    Ok(())
}

#[test]
fn a_store_in_between_goes_on() -> Result {
    let (_dir, options) = scratch()?;
    fill(&open_at(&options, 1)?)?;
    drop(open_at(&options, 2)?);
    fill(&open_at(&options, 2)?)?;
    let vault = open_at(&options, 3)?;
    assert_eq!(
        text(&vault)?,
        Some(b"one".to_vec()),
        "the first step is not repeated"
    );
    assert!(
        vault
            .space(A)
            .contains(&vault.space(A).named(&[b"count"]))?
    );
    Ok(())
}

#[test]
fn a_newer_store_is_refused_and_left_alone() -> Result {
    let (_dir, options) = scratch()?;
    fill(&open_at(&options, 3)?)?;
    for refused in [
        Vault::open_with(&options, &[&key(1)], &[]).map(drop),
        Vault::open_with(&options, &[&key(9)], &[]).map(drop),
        Vault::rotate(&options, &key(1), &key(2)),
    ] {
        let Err(VaultError::NewerSchema {
            found: 3,
            supported: 1,
        }) = refused
        else {
            return Err(format!("{refused:?}").into());
        };
    }
    assert_eq!(text(&open_at(&options, 3)?)?, Some(b"one".to_vec()));
    Ok(())
}

#[test]
fn records_without_a_header_are_damage() -> Result {
    let (_dir, options) = scratch()?;
    let vault = open_at(&options, 1)?;
    fill(&vault)?;
    vault.0.disk.db.remove([0])?;
    drop(vault);
    assert!(matches!(
        Vault::open(&options, &key(1)),
        Err(VaultError::Corrupt { .. })
    ));
    Ok(())
}

#[test]
fn the_list_of_versions_has_no_gaps() {
    assert_eq!(header::newest(&[]), 1);
    assert_eq!(header::newest(STEPS), 3);
}

/// A store as version 1 wrote it, one record per line: raw key, value, both
/// hexadecimal. It must open for as long as its version is supported; the bytes
/// pin down the derivation of keys and names and the form of records.
const FROZEN_V1: &str = include_str!("store-v1.txt");

#[test]
fn a_frozen_store_of_version_1_opens() -> Result {
    let (_dir, options) = scratch()?;
    let db = sled::open(options.dir.join("sled"))?;
    for line in FROZEN_V1.lines() {
        let (raw_key, value) = line.split_once(' ').ok_or("not two columns")?;
        db.insert(hex::decode(raw_key)?, hex::decode(value)?)?;
    }
    db.flush()?;
    drop(db);
    assert!(matches!(
        Vault::open(&options, &key(2)),
        Err(VaultError::WrongKey)
    ));
    let vault = Vault::open(&options, &key(1))?;
    let a = vault.space(A);
    assert_eq!(text(&vault)?, Some(b"one".to_vec()));
    let named = a.named(&[b"chat", b"message"]);
    assert_eq!(a.get(&named)?.map(|v| v.to_vec()), Some(b"a text".to_vec()));
    assert_eq!(a.scan(&[b"chat"]).count(), 2);
    assert_eq!(a.scan_all().count(), 3);
    Ok(())
}
