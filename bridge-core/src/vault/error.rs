//! Why a store could not be opened, read or written.

use std::path::{Path, PathBuf};

/// Who holds the lock of a store, as it wrote itself into the lock file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockHolder {
    /// The process id.
    pub pid: u32,
    /// The name of its program; empty if it is not known.
    pub program: String,
}

impl std::fmt::Display for LockHolder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.program.is_empty() {
            write!(f, "process {}", self.pid)
        } else {
            write!(f, "{} (process {})", self.program, self.pid)
        }
    }
}

/// Why a store could not be opened, read or written. None of these ever leads to
/// data being deleted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// Another process, or another part of this one, has the store open.
    #[error("the store in {} is in use by {}", dir.display(), holder.as_ref().map_or_else(|| "another process".to_owned(), ToString::to_string))]
    Locked {
        /// The folder of the store.
        dir: PathBuf,
        /// Who has it, where the lock file says so.
        holder: Option<LockHolder>,
    },
    /// There is no store to work on.
    #[error("there is no store in {}", dir.display())]
    NoStore {
        /// The folder that was named.
        dir: PathBuf,
    },
    /// The store was sealed with another master key.
    #[error("the store was sealed with another master key; restore the key it was created with")]
    WrongKey,
    /// The key is the one from before the last rotation.
    #[error("the store was sealed anew under a newer master key; this is the one it replaced")]
    RetiredKey,
    /// A newer version of the program wrote the store.
    #[error(
        "the store has schema {found}, this program knows up to {supported}; use a newer program"
    )]
    NewerSchema {
        /// The schema of the store.
        found: u32,
        /// The newest schema that this program can read.
        supported: u32,
    },
    /// A record cannot be unsealed, or does not mean anything.
    #[error("the store is damaged: {what}")]
    Corrupt {
        /// Which record, and what is wrong with it.
        what: String,
    },
    /// A file operation failed.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as in "cannot … the file".
        action: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The database failed.
    #[error("database: {0}")]
    Database(#[from] sled::Error),
    /// An earlier write did not reach the disk. What was written since may be
    /// lost, so nothing more is taken until the store is opened again.
    #[error("the store stopped after a failed write: {0}")]
    Stopped(String),
    /// The system has no random numbers to give.
    #[error("no random numbers: {0}")]
    Random(String),
}

impl VaultError {
    /// For `map_err` on file operations.
    pub(super) fn io(
        action: &'static str,
        path: &Path,
    ) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }

    /// A damaged record.
    pub(super) fn corrupt(what: impl Into<String>) -> Self {
        Self::Corrupt { what: what.into() }
    }
}
