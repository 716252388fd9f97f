//! Kills processes that write to a store, and looks at what is left.
//!
//! The children are this test binary, started again with one test selected and
//! the variables below set; without them, those tests do nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bridge_core::vault::{MasterKey, SpaceId, Vault, VaultError, VaultOptions};

type Result<T = ()> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The folder of the store that a child works on.
const DIR: &str = "LOONG_TEST_VAULT_DIR";
/// How many records a child writes before it ends by itself.
const LIMIT: &str = "LOONG_TEST_VAULT_LIMIT";
/// How many of a child's tasks write at once, if not [`WRITERS`].
const WRITERS_NOW: &str = "LOONG_TEST_VAULT_WRITERS";

const RECORDS: SpaceId = SpaceId::new(0xf0);
const INDEX: SpaceId = SpaceId::new(0xf1);
/// How many records are kept; writing one deletes the one this far back.
const KEPT: u64 = 200;
/// How many tasks write at once.
const WRITERS: u64 = 4;

fn key(byte: u8) -> MasterKey {
    MasterKey::from_bytes([byte; MasterKey::LEN])
}

/// The value of record `n`: mostly small, some larger than sled keeps in its log.
fn value(n: u64) -> Vec<u8> {
    let length = match n % 50 {
        0 => 200_000,
        1..=5 => 9_000,
        _ => 300,
    };
    n.to_be_bytes().into_iter().cycle().take(length).collect()
}

/// The test binary again, with only `test` in it.
fn child(test: &str, dir: &Path) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(DIR, dir);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    Ok(command)
}

fn number_from(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// One line for the parent, in one write.
fn report(what: &str, n: u64) -> Result {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{what} {n}\n").as_bytes())?;
    Ok(out.flush()?)
}

/// Reads reports until there are `enough`, kills the child without warning, and
/// returns everything that it had reported by then.
fn kill_after(mut child: Child, what: &str, enough: usize) -> Result<BTreeSet<u64>> {
    let out = child.stdout.take().ok_or("no output")?;
    let mut reported = BTreeSet::new();
    for line in BufReader::new(out).lines() {
        let line = line?;
        // The test harness may have begun the line.
        if let Some((_, n)) = line.split_once(what) {
            reported.insert(n.trim().parse()?);
            if reported.len() == enough {
                child.kill()?;
            }
        }
    }
    let status = child.wait()?;
    if status.code().is_some() && reported.len() < enough {
        return Err(format!("the child ended by itself: {status}").into());
    }
    Ok(reported)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_that_writes() -> Result {
    let Some(dir) = std::env::var_os(DIR) else {
        return Ok(());
    };
    let limit = number_from(LIMIT).unwrap_or(u64::MAX);
    let vault = Vault::open(&VaultOptions::new(dir), &key(1))?;
    let last = vault
        .space(RECORDS)
        .scan_all()
        .filter_map(|row| row.ok()?.0.as_ordered())
        .max();
    let next = Arc::new(AtomicU64::new(last.map_or(0, |n| n + 1)));
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..number_from(WRITERS_NOW).unwrap_or(WRITERS) {
        let (vault, next) = (vault.clone(), Arc::clone(&next));
        writers.spawn(async move {
            let (records, index) = (vault.space(RECORDS), vault.space(INDEX));
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= limit {
                    return Ok(());
                }
                let mut batch = vault.batch();
                records.put(&mut batch, &records.ordered(n), &value(n));
                index.put(
                    &mut batch,
                    &index.named(&[b"n", &n.to_be_bytes()]),
                    &n.to_be_bytes(),
                );
                if let Some(old) = n.checked_sub(KEPT) {
                    records.delete(&mut batch, &records.ordered(old));
                    index.delete(&mut batch, &index.named(&[b"n", &old.to_be_bytes()]));
                }
                vault.apply_durable(batch).await?;
                report("stored", n)?;
            }
        });
    }
    while let Some(done) = writers.join_next().await {
        let done: Result = done?;
        done?;
    }
    Ok(())
}

#[test]
fn nothing_that_was_reported_is_lost() -> Result {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let dir = tempfile::tempdir()?;
    let options = VaultOptions::new(dir.path().join("store"));
    let mut promised = BTreeSet::new();
    for round in 0..15 {
        let running = child("child_that_writes", &options.dir)?.spawn()?;
        let pid = running.id();
        let reported = kill_after(running, "stored", random.usize(1..150))?;
        promised.extend(reported);
        let found = surviving(&options).map_err(|error| format!("round {round}: {error}"))?;
        let newest = found.last().copied().unwrap_or_default();
        // Writers may be as many records apart as there are writers.
        promised.retain(|n| n + KEPT > newest);
        let lost: Vec<_> = promised.difference(&found).collect();
        assert!(
            lost.is_empty(),
            "round {round}, process {pid}: lost {lost:?}"
        );
        assert!(
            found.len() as u64 <= KEPT + WRITERS,
            "round {round}: {} are left",
            found.len()
        );
    }
    Ok(())
}

/// The numbers of the records in a store. Each has to be whole, and has to have
/// its entry in the index, which was written in the same batch.
fn surviving(options: &VaultOptions) -> Result<BTreeSet<u64>> {
    let vault = Vault::open(options, &key(1))?;
    let (records, index) = (vault.space(RECORDS), vault.space(INDEX));
    let mut found = BTreeSet::new();
    for row in records.scan_all() {
        let (name, bytes) = row?;
        let n = name.as_ordered().ok_or("a record without a number")?;
        if *bytes != value(n) || !index.contains(&index.named(&[b"n", &n.to_be_bytes()]))? {
            return Err(format!("record {n} is not whole").into());
        }
        found.insert(n);
    }
    let indexed = index.scan(&[b"n"]).count();
    if indexed != found.len() {
        return Err(format!("{} records, {indexed} in the index", found.len()).into());
    }
    drop((records, index));
    vault.close()?;
    Ok(found)
}

#[tokio::test]
async fn child_that_aborts() -> Result {
    let Some(dir) = std::env::var_os(DIR) else {
        return Ok(());
    };
    let vault = Vault::open(&VaultOptions::new(dir), &key(1))?;
    let (records, index) = (vault.space(RECORDS), vault.space(INDEX));
    let n = records.scan_all().count() as u64;
    let mut batch = vault.batch();
    records.put(&mut batch, &records.ordered(n), &value(n));
    if n.is_multiple_of(2) {
        index.put(
            &mut batch,
            &index.named(&[b"n", &n.to_be_bytes()]),
            &n.to_be_bytes(),
        );
        vault.apply_durable(batch).await?;
    } else {
        vault.apply_durable(batch).await?;
        let name = index.named(&[b"n", &n.to_be_bytes()]);
        index.put_durable(&name, &n.to_be_bytes()).await?;
    }
    // Nothing in this process gets to run after the promise.
    std::process::abort()
}

/// Without writers that come after, nothing but `sync` itself can have put the
/// last record on disk.
#[test]
fn the_last_word_counts() -> Result {
    let dir = tempfile::tempdir()?;
    let options = VaultOptions::new(dir.path().join("store"));
    for n in 0..8 {
        let status = child("child_that_aborts", &options.dir)?
            .stdout(Stdio::null())
            .status()?;
        assert_eq!(status.code(), None, "the child was to be ended by a signal");
        let expected: BTreeSet<u64> = (0..=n).collect();
        assert_eq!(surviving(&options)?, expected);
    }
    Ok(())
}

#[test]
fn child_that_rotates() -> Result {
    let Some(dir) = std::env::var_os(DIR) else {
        return Ok(());
    };
    let options = VaultOptions::new(dir);
    let now = match Vault::open(&options, &key(1)) {
        Ok(vault) => vault.close().map(|()| 1)?,
        Err(VaultError::RetiredKey | VaultError::WrongKey) => 2,
        Err(error) => return Err(error.into()),
    };
    for round in 0_u64.. {
        report("begun", round)?;
        let turned = (round + now) % 2 == 1;
        let (old, new) = if turned {
            (key(1), key(2))
        } else {
            (key(2), key(1))
        };
        Vault::rotate(&options, &old, &new)?;
    }
    Ok(())
}

#[test]
fn a_rotation_survives_being_killed() -> Result {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let dir = tempfile::tempdir()?;
    let options = VaultOptions::new(dir.path().join("store"));
    let vault = Vault::open(&options, &key(1))?;
    let (records, index) = (vault.space(RECORDS), vault.space(INDEX));
    let mut batch = vault.batch();
    for n in 1..KEPT {
        records.put(&mut batch, &records.ordered(n), &value(n));
        index.put(
            &mut batch,
            &index.named(&[b"n", &n.to_be_bytes()]),
            &n.to_be_bytes(),
        );
    }
    vault.apply(batch)?;
    drop((records, index));
    vault.close()?;
    let before = everything(&options)?;
    for round in 0..15 {
        let mut running = child("child_that_rotates", &options.dir)?.spawn()?;
        // Somewhere within the rotations that follow the report.
        let delay = Duration::from_micros(random.u64(0..60_000));
        let mut lines = BufReader::new(running.stdout.take().ok_or("no output")?).lines();
        while !lines
            .next()
            .ok_or("the child ended by itself")??
            .contains("begun")
        {}
        // Not to wait for anything: this picks the moment of the kill.
        std::thread::sleep(delay);
        running.kill()?;
        running.wait()?;
        let after = everything(&options).map_err(|error| format!("round {round}: {error}"))?;
        assert!(
            after == before,
            "round {round}, after {delay:?}: the records differ"
        );
    }
    Ok(())
}

/// Opens a store with whichever key fits, and reads it all.
fn everything(options: &VaultOptions) -> Result<BTreeMap<String, Vec<u8>>> {
    let vault = Vault::open_any(options, &[&key(1), &key(2)])?;
    let mut all = BTreeMap::new();
    for space in [RECORDS, INDEX] {
        for row in vault.space(space).scan_all() {
            let (name, bytes) = row?;
            let shown = format!("{space:?} {:?} {:?}", name.as_ordered(), name.parts());
            all.insert(shown, bytes.to_vec());
        }
    }
    vault.close()?;
    Ok(all)
}

/// `sync` must reach the disk, not only the system's cache: after the log was
/// written, the database file is synced before anything is reported, and so is
/// a file of its own that a large value went to.
#[cfg(feature = "strace")]
#[test]
fn a_report_follows_a_sync_of_the_files() -> Result {
    let dir = tempfile::tempdir()?;
    let trace = dir.path().join("trace");
    let plain = child("child_that_writes", &dir.path().join("store"))?;
    let mut traced = Command::new("strace");
    traced.args([
        "-f",
        "-y",
        "-s",
        "32",
        "-e",
        "trace=write,pwrite64,fsync,fdatasync",
        "-o",
    ]);
    traced
        .arg(&trace)
        .arg(plain.get_program())
        .args(plain.get_args());
    traced
        .env(DIR, dir.path().join("store"))
        .env(LIMIT, "60")
        .env(WRITERS_NOW, "1");
    traced.stdout(Stdio::null());
    let status = match traced.status() {
        Ok(status) => status,
        Err(error) => return Err(format!("this test needs strace: {error}").into()),
    };
    assert!(status.success(), "{status}");
    let text = std::fs::read_to_string(&trace)?;
    assert!(
        text.lines()
            .any(|l| l.contains("fsync(") && l.contains("/sled/blobs/")),
        "{text}"
    );
    let mut reports = 0;
    let mut state = Log::Untouched;
    for line in text.lines() {
        if line.contains("pwrite64") && line.contains("/sled/db>") {
            state = Log::Written;
        } else if line.contains("fdatasync") && line.ends_with("= 0") && state == Log::Written {
            state = Log::Synced;
        } else if line.contains("\"stored ") {
            assert_eq!(
                state,
                Log::Synced,
                "report {reports} came too early:\n{text}"
            );
            state = Log::Untouched;
            reports += 1;
        }
    }
    assert_eq!(reports, 60);
    Ok(())
}

/// What happened to the log since the last report.
#[cfg(feature = "strace")]
#[derive(Debug, PartialEq)]
enum Log {
    Untouched,
    Written,
    Synced,
}
