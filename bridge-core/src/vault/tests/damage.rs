use std::{fs, panic::catch_unwind, path::PathBuf};

use super::super::{SpaceId, Vault, VaultError, VaultOptions};
use super::{Result, key, open, scratch};

const A: SpaceId = SpaceId::new(0x41);

/// The text of record `n`.
fn text(n: u64) -> Vec<u8> {
    format!("text {n}").repeat(40).into_bytes()
}

fn fill(options: &VaultOptions) -> Result {
    let vault = open(options, 1)?;
    let a = vault.space(A);
    for n in 0..200 {
        let mut batch = vault.batch();
        a.put(&mut batch, &a.ordered(n), &text(n));
        vault.apply(batch)?;
    }
    drop(a);
    Ok(vault.close()?)
}

/// Opens a store and reads it all. Errors are fine; wrong texts are not.
fn read_all(options: &VaultOptions) -> Result {
    let vault = open(options, 1)?;
    for row in vault.space(A).scan_all() {
        let (name, value) = row?;
        let n = name.as_ordered().ok_or("not a number")?;
        assert_eq!(*value, text(n), "record {n} reads wrong");
    }
    Ok(())
}

#[test]
fn damaged_files_are_reported() -> Result {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let (_dir, whole) = scratch()?;
    fill(&whole)?;
    open(&whole, 1)?.close()?;
    let files: Vec<PathBuf> = fs::read_dir(whole.dir.join("sled"))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.is_file())
        .collect();
    for round in 0..60 {
        let (_dir, options) = scratch()?;
        let data = options.dir.join("sled");
        fs::create_dir_all(&data)?;
        let chosen = random.usize(..files.len());
        for (n, path) in files.iter().enumerate() {
            let mut bytes = fs::read(path)?;
            if n == chosen {
                let at = random.usize(..bytes.len());
                if random.u8(..4) == 0 {
                    bytes.truncate(at);
                } else if let Some(hit) = bytes.get_mut(at) {
                    *hit ^= random.u8(1..);
                }
            }
            fs::write(data.join(path.file_name().ok_or("no name")?), bytes)?;
        }
        let outcome = catch_unwind(|| read_all(&options).map_err(|error| error.to_string()));
        println!(
            "DBG {round} {:?} {outcome:?}",
            files.get(chosen).and_then(|p| p.file_name())
        );
        assert!(outcome.is_ok(), "round {round}: it panicked");
    }
    Ok(())
}

#[test]
fn a_database_that_comes_up_empty_is_not_taken_for_a_new_one() -> Result {
    let (_dir, options) = scratch()?;
    assert!(!Vault::exists(&options.dir));
    fill(&options)?;
    assert!(Vault::exists(&options.dir));
    fs::remove_dir_all(options.dir.join("sled"))?;
    for _ in 0..2 {
        let refused = open(&options, 1).map(drop);
        assert!(
            matches!(refused, Err(VaultError::Corrupt { .. })),
            "{refused:?}"
        );
    }
    Ok(())
}

#[test]
fn only_an_existing_store_is_rotated() -> Result {
    let (_dir, options) = scratch()?;
    let refused = Vault::rotate(&options, &key(1), &key(2));
    assert!(
        matches!(refused, Err(VaultError::NoStore { .. })),
        "{refused:?}"
    );
    assert!(!options.dir.exists());
    Ok(())
}
