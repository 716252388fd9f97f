//! The database files, and what it takes to get records onto the disk.
//!
//! sled 0.34 writes its log with `pwrite` and `sync_file_range`, which does not
//! reach the disk's own cache and does not cover the file's length; nodes of
//! more than a quarter of a segment go to files of their own, which it does not
//! sync at all. Hence [`Disk::flush`]: the log written out, the files synced.

use std::{
    collections::HashSet,
    ffi::OsString,
    fs::{File, OpenOptions},
    io::ErrorKind,
    os::unix::fs::OpenOptionsExt,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{
    VaultError,
    lock::{DirLock, private_dir, restrict, sync_dir},
};

/// How often a store is tried that this process has just closed: threads of the
/// database may hold its files for some milliseconds longer.
const REOPEN_TRIES: u32 = 100;

/// The empty file that says that a store was created.
const MARK: &str = "created";

/// Whether a store was ever created in `dir`.
pub(super) fn was_created(dir: &Path) -> bool {
    dir.join(MARK).exists()
}

/// An open database. Field order is drop order: the lock goes last.
#[derive(Debug)]
pub(super) struct Disk {
    pub(super) db: sled::Db,
    dir: PathBuf,
    log: File,
    blob_dir: PathBuf,
    /// Names of files in `blob_dir` that are known to be on disk.
    synced_blobs: Mutex<HashSet<OsString>>,
    flushes: AtomicU64,
    _lock: DirLock,
}

impl Disk {
    /// Opens or creates the database in `dir`, for this process alone.
    pub(super) fn open(dir: &Path, cache_bytes: u64) -> Result<Self, VaultError> {
        private_dir(dir)?;
        let lock = DirLock::acquire(dir)?;
        let data = dir.join("sled");
        let blob_dir = data.join("blobs");
        private_dir(&data)?;
        private_dir(&blob_dir)?;
        // sled creates files with the rights that the umask leaves; creating the
        // log first keeps it private from the start.
        let log_path = data.join("db");
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600);
        let log = options
            .open(&log_path)
            .map_err(VaultError::io("open", &log_path))?;
        let config = sled::Config::new()
            .path(&data)
            .cache_capacity(cache_bytes)
            .mode(sled::Mode::LowSpace)
            .flush_every_ms(Some(1000));
        let db = open_released(&config)?;
        restrict_files(&data)?;
        sync_dir(&data)?;
        sync_dir(dir)?;
        Ok(Self {
            db,
            dir: dir.to_owned(),
            log,
            blob_dir,
            synced_blobs: Mutex::default(),
            flushes: AtomicU64::new(0),
            _lock: lock,
        })
    }

    /// Returns when everything applied so far would survive a power failure.
    pub(super) fn flush(&self) -> Result<(), VaultError> {
        self.flushes.fetch_add(1, Ordering::Relaxed);
        self.db.flush()?;
        self.sync_blobs()?;
        self.log
            .sync_data()
            .map_err(VaultError::io("sync", &self.blob_dir.with_file_name("db")))
    }

    /// Notes, outside the database, that there is a store now. A database that
    /// comes up empty is taken for a new one only without this note.
    pub(super) fn mark_created(&self) -> Result<(), VaultError> {
        let mark = self.dir.join(MARK);
        let mut options = OpenOptions::new();
        match options.write(true).create_new(true).mode(0o600).open(&mark) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(()),
            made => made.map_err(VaultError::io("create", &mark))?,
        };
        sync_dir(&self.dir)
    }

    /// Whether there was a store here before.
    pub(super) fn is_marked_created(&self) -> bool {
        was_created(&self.dir)
    }

    /// How often the disk was asked.
    pub(super) fn flush_count(&self) -> u64 {
        self.flushes.load(Ordering::Relaxed)
    }

    fn sync_blobs(&self) -> Result<(), VaultError> {
        let dir = &self.blob_dir;
        let mut synced = self
            .synced_blobs
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut present = HashSet::new();
        let mut added = false;
        for entry in dir.read_dir().map_err(VaultError::io("list", dir))? {
            let name = entry.map_err(VaultError::io("list", dir))?.file_name();
            if !synced.contains(&name) {
                added |= sync_blob(&dir.join(&name))?;
            }
            present.insert(name);
        }
        if added {
            sync_dir(dir)?;
        }
        *synced = present;
        Ok(())
    }
}

/// Syncs one file; `false` if the database has removed it meanwhile.
fn sync_blob(path: &Path) -> Result<bool, VaultError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(VaultError::io("open", path)(error)),
    };
    file.sync_all().map_err(VaultError::io("sync", path))?;
    Ok(true)
}

fn restrict_files(data: &Path) -> Result<(), VaultError> {
    for entry in data.read_dir().map_err(VaultError::io("list", data))? {
        let path = entry.map_err(VaultError::io("list", data))?.path();
        if path.is_file() {
            restrict(&path, 0o600)?;
        }
    }
    Ok(())
}

fn open_released(config: &sled::Config) -> Result<sled::Db, VaultError> {
    for _ in 0..REOPEN_TRIES {
        match open_caught(config) {
            // Our own lock is held, so only this process can still have the file.
            Err(VaultError::Database(sled::Error::Io(error)))
                if error.to_string().contains("acquire lock") =>
            {
                std::thread::sleep(Duration::from_millis(20));
            }
            done => return done,
        }
    }
    open_caught(config)
}

/// sled panics on some kinds of damage where it should report them.
fn open_caught(config: &sled::Config) -> Result<sled::Db, VaultError> {
    let opened = catch_unwind(AssertUnwindSafe(|| config.open()));
    let opened = opened.map_err(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str);
        let said = said.or_else(|| panic.downcast_ref::<&str>().copied());
        VaultError::corrupt(format!(
            "the database does not open: {}",
            said.unwrap_or("no reason")
        ))
    })?;
    Ok(opened?)
}
