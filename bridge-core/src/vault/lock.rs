//! Private folders, and the lock that keeps a store to one process.

use std::{
    fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError},
    io::{Read, Seek, SeekFrom, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use super::{LockHolder, VaultError};

/// Makes sure that `dir` exists and is the user's alone.
pub(super) fn private_dir(dir: &Path) -> Result<(), VaultError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(VaultError::io("create the folder", dir))?;
    restrict(dir, 0o700)
}

/// Takes from `path` all rights that are not in `mode`, if it has any such.
pub(super) fn restrict(path: &Path, mode: u32) -> Result<(), VaultError> {
    let now = path
        .metadata()
        .map_err(VaultError::io("look at", path))?
        .permissions()
        .mode();
    if now & 0o7777 & !mode == 0 {
        return Ok(());
    }
    std::fs::set_permissions(path, Permissions::from_mode(mode))
        .map_err(VaultError::io("restrict the permissions of", path))
}

/// Makes the entries of a folder survive a power failure.
pub(super) fn sync_dir(dir: &Path) -> Result<(), VaultError> {
    let opened = File::open(dir).map_err(VaultError::io("open the folder", dir))?;
    opened
        .sync_all()
        .map_err(VaultError::io("sync the folder", dir))
}

/// A locked lock file. The lock goes with the process, whatever ends it.
#[derive(Debug)]
pub(super) struct DirLock {
    file: File,
}

impl DirLock {
    /// Takes the lock of the store in `dir` and writes down who has it.
    pub(super) fn acquire(dir: &Path) -> Result<Self, VaultError> {
        let path: PathBuf = dir.join("lock");
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600);
        let mut file = options
            .open(&path)
            .map_err(VaultError::io("open the lock file", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = read_holder(&mut file);
                return Err(VaultError::Locked {
                    dir: dir.to_owned(),
                    holder,
                });
            }
            Err(TryLockError::Error(error)) => {
                return Err(VaultError::io("lock", &path)(error));
            }
        }
        let mut lock = Self { file };
        let me = format!("{} {}\n", std::process::id(), program_name());
        lock.replace(&me)
            .map_err(VaultError::io("write the lock file", &path))?;
        Ok(lock)
    }

    fn replace(&mut self, text: &str) -> std::io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(text.as_bytes())
    }
}

impl Drop for DirLock {
    fn drop(&mut self) {
        // Only tidiness: whoever meets an unlocked file does not read it.
        if let Err(error) = self.replace("") {
            tracing::debug!(%error, "could not empty the lock file");
        }
    }
}

fn read_holder(file: &mut File) -> Option<LockHolder> {
    let mut text = String::new();
    file.take(4096).read_to_string(&mut text).ok()?;
    let (pid, program) = text.trim_end().split_once(' ')?;
    Some(LockHolder {
        pid: pid.parse().ok()?,
        program: program.to_owned(),
    })
}

fn program_name() -> String {
    let path = std::env::current_exe().unwrap_or_default();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.chars().filter(|c| !c.is_control()).take(100).collect()
}
