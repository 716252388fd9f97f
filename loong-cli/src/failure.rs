//! Errors as people see them: what happened, why, and what to do next.

use std::{error::Error, fmt, io::ErrorKind};

use bridge_core::vault::{VaultError, master_key::KeyError};

use crate::{
    config::{AccountError, ConfigError, SecretError},
    exit::Exit,
    terminal::plain,
};

/// Why a command ended without success.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    what: String,
    cause: Option<String>,
    next: Option<String>,
}

impl Failure {
    /// `what` was attempted and failed, lower case, without a stop at the end.
    #[must_use]
    pub fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self {
            exit,
            what: what.into(),
            cause: None,
            next: None,
        }
    }

    /// A wrong command line or configuration.
    #[must_use]
    pub fn usage(what: impl Into<String>) -> Self {
        Self::new(Exit::Usage, what)
    }

    /// With the error behind it, and all errors behind that.
    #[must_use]
    pub fn because(mut self, cause: &dyn Error) -> Self {
        self.cause = Some(chain(cause));
        self
    }

    /// With the next thing to do.
    #[must_use]
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// The status to end with.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        self.exit
    }

    /// What happened.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }

    /// Why.
    #[must_use]
    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// What to do next.
    #[must_use]
    pub fn next_step(&self) -> Option<&str> {
        self.next.as_deref()
    }

    /// A file operation that failed while `what` was attempted.
    #[must_use]
    pub fn io(what: impl Into<String>, error: &std::io::Error) -> Self {
        let exit = of_io(error.kind());
        let failure = Self::new(exit, what).because(error);
        match exit {
            Exit::Permission => {
                failure.next("check the owner and mode of that path, then try again")
            }
            _ if full(error.kind()) => failure.next("free some space, then try again"),
            _ => failure,
        }
    }
}

/// Everything on one line per part, safe for a terminal.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", plain(&self.what))?;
        if let Some(cause) = &self.cause {
            write!(f, "\n  cause: {}", plain(cause))?;
        }
        if let Some(next) = &self.next {
            write!(f, "\n  next: {}", plain(next))?;
        }
        Ok(())
    }
}

impl Error for Failure {}

/// An error and its sources in one phrase; a source that its parent has already
/// spelt out is not repeated.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let message = error.to_string();
        if !text.contains(&message) {
            text = format!("{text}: {message}");
        }
        source = error.source();
    }
    text
}

fn full(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

fn of_io(kind: ErrorKind) -> Exit {
    match kind {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Exit::Permission,
        _ => Exit::Disk,
    }
}

/// The first file error among the sources of `error`.
fn io_kind(error: &(dyn Error + 'static)) -> Option<ErrorKind> {
    let mut current = Some(error);
    while let Some(error) = current {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            return Some(io.kind());
        }
        current = error.source();
    }
    None
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        match &error {
            ConfigError::Missing { path } => Self::usage(error.to_string()).next(format!(
                "create {}, or leave --config and LOONG_CONFIG_PATH away: a bridge runs without a \
                 configuration",
                path.display()
            )),
            ConfigError::Unreadable { path, source } => Self::io(
                format!("cannot read the configuration file {}", path.display()),
                source,
            ),
            ConfigError::Syntax { .. } | ConfigError::Invalid { .. } => {
                Self::usage(error.to_string()).next("correct the file, then try again")
            }
        }
    }
}

impl From<AccountError> for Failure {
    fn from(error: AccountError) -> Self {
        let AccountError::Unknown { requested, .. } = &error;
        let next = format!("choose one of them with --account, or add accounts.{requested}");
        Self::usage(error.to_string()).next(next)
    }
}

impl From<SecretError> for Failure {
    fn from(error: SecretError) -> Self {
        Self::usage("the configured bridge_access_token cannot be read")
            .because(&error)
            .next("correct `bridge_access_token`, or remove it to serve without a token")
    }
}

impl From<VaultError> for Failure {
    fn from(error: VaultError) -> Self {
        let what = "the session store cannot be used";
        match &error {
            VaultError::Locked { holder, .. } => {
                let next = holder.as_ref().map_or_else(
                    || "stop the other process, or use another --auth-dir".to_owned(),
                    |holder| format!("stop process {}, or use another --auth-dir", holder.pid),
                );
                Self::new(Exit::StoreLocked, error.to_string()).next(next)
            }
            VaultError::WrongKey | VaultError::RetiredKey => {
                Self::new(Exit::MasterKey, what).because(&error).next(
                    "put the right key back (see --help for where keys are looked for); nothing \
                     was changed",
                )
            }
            VaultError::NewerSchema { .. } => Self::new(Exit::NewerStore, what)
                .because(&error)
                .next("install the newer version of loong again; nothing was changed"),
            VaultError::Corrupt { .. } => Self::new(Exit::Damaged, what).because(&error).next(
                "restore the folder and its key from a backup, or move the folder away and link \
                 again; nothing was changed",
            ),
            other => match io_kind(other) {
                Some(kind) if full(kind) => Self::new(Exit::Disk, what)
                    .because(&error)
                    .next("free some space, then start again; nothing was lost"),
                Some(kind) => {
                    let failure = Self::new(of_io(kind), what).because(&error);
                    match of_io(kind) {
                        Exit::Permission => {
                            failure.next("check the owner and mode of that path, then try again")
                        }
                        _ => failure,
                    }
                }
                None => Self::new(Exit::Disk, what).because(&error),
            },
        }
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        let what = "there is no usable master key";
        match error {
            KeyError::File(error) => Self::from(error),
            KeyError::TooOpen { path, .. } => Self::new(
                Exit::MasterKey,
                format!("other users may read the key file {}", path.display()),
            )
            .next(format!("run: chmod 600 {}", path.display())),
            KeyError::Missing { .. } => Self::new(Exit::MasterKey, what).because(&error).next(
                "restore that file from a backup; without it the stored session stays sealed",
            ),
            other => Self::new(Exit::MasterKey, what)
                .because(&other)
                .next("restore the key file from a backup"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use bridge_core::vault::LockHolder;

    use super::*;

    #[test]
    fn each_store_error_has_its_status_and_a_next_step() {
        let io = |kind| VaultError::Io {
            action: "write",
            path: PathBuf::from("/data/db"),
            source: std::io::Error::from(kind),
        };
        let locked = VaultError::Locked {
            dir: PathBuf::from("/data"),
            holder: Some(LockHolder {
                pid: 4711,
                program: "loong".to_owned(),
            }),
        };
        for (error, exit, next) in [
            (locked, Exit::StoreLocked, "stop process 4711"),
            (VaultError::WrongKey, Exit::MasterKey, "right key"),
            (VaultError::RetiredKey, Exit::MasterKey, "right key"),
            (
                VaultError::NewerSchema {
                    found: 9,
                    supported: 1,
                },
                Exit::NewerStore,
                "newer version",
            ),
            (
                VaultError::Corrupt {
                    what: "header".to_owned(),
                },
                Exit::Damaged,
                "backup",
            ),
            (io(ErrorKind::StorageFull), Exit::Disk, "free some space"),
            (
                io(ErrorKind::PermissionDenied),
                Exit::Permission,
                "owner and mode",
            ),
        ] {
            let failure = Failure::from(error);
            assert_eq!(failure.exit(), exit, "{failure}");
            assert!(
                failure.next_step().unwrap_or_default().contains(next),
                "{failure}"
            );
        }
    }

    #[test]
    fn text_from_outside_cannot_drive_the_terminal() {
        let failure = Failure::usage("bad\u{1b}[2J name").next("go \u{202e}on");
        assert_eq!(
            failure.to_string(),
            "error: bad\\u{1b}[2J name\n  next: go \\u{202e}on"
        );
    }
}
