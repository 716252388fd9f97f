//! How the program ends. These numbers are a promise to scripts: see the table
//! in the help text.

use std::process::ExitCode;

/// The status of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Exit {
    /// It did what it was asked to do; a bridge was stopped in order.
    Ok = 0,
    /// It works, with warnings. Kept for checks such as `doctor`.
    Warnings = 1,
    /// The command line or the configuration is wrong.
    Usage = 2,
    /// Anything that has no number of its own.
    Failed = 3,
    /// The port of the bridge is in use.
    PortTaken = 10,
    /// Another process has the store open.
    StoreLocked = 11,
    /// A file or folder may not be used.
    Permission = 12,
    /// The disk is full, or reading or writing failed.
    Disk = 13,
    /// The master key is missing or is not the one the store was sealed with.
    MasterKey = 14,
    /// A newer version of the program wrote the store.
    NewerStore = 15,
    /// The store or the session in it is damaged.
    Damaged = 16,
    /// No bridge answers.
    Unreachable = 20,
    /// The bridge answered, and refused.
    Refused = 21,
    /// Interrupted (SIGINT) before it could end in order.
    Interrupted = 130,
    /// Terminated (SIGTERM) before it could end in order.
    Terminated = 143,
}

impl Exit {
    /// Every status, for tables and tests.
    pub const ALL: [Self; 15] = [
        Self::Ok,
        Self::Warnings,
        Self::Usage,
        Self::Failed,
        Self::PortTaken,
        Self::StoreLocked,
        Self::Permission,
        Self::Disk,
        Self::MasterKey,
        Self::NewerStore,
        Self::Damaged,
        Self::Unreachable,
        Self::Refused,
        Self::Interrupted,
        Self::Terminated,
    ];

    /// The number.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// A stable name for machine-readable output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warnings => "warnings",
            Self::Usage => "usage",
            Self::Failed => "failed",
            Self::PortTaken => "port_taken",
            Self::StoreLocked => "store_locked",
            Self::Permission => "permission",
            Self::Disk => "disk",
            Self::MasterKey => "master_key",
            Self::NewerStore => "newer_store",
            Self::Damaged => "damaged",
            Self::Unreachable => "unreachable",
            Self::Refused => "refused",
            Self::Interrupted => "interrupted",
            Self::Terminated => "terminated",
        }
    }

    /// What it means, for the help text.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Ok => "done; a bridge was stopped in order",
            Self::Warnings => "done, with warnings",
            Self::Usage => "wrong command line or configuration",
            Self::Failed => "any other failure",
            Self::PortTaken => "the bridge's port is in use",
            Self::StoreLocked => "another process has the session open",
            Self::Permission => "no permission for a file or folder",
            Self::Disk => "disk full, or reading or writing failed",
            Self::MasterKey => "master key missing or wrong",
            Self::NewerStore => "a newer version wrote the session",
            Self::Damaged => "the session is damaged",
            Self::Unreachable => "no bridge answers",
            Self::Refused => "the bridge refused",
            Self::Interrupted => "interrupted before it could end in order",
            Self::Terminated => "terminated before it could end in order",
        }
    }

    /// The table for the help text.
    #[must_use]
    pub fn table() -> String {
        let mut table = String::from("Exit status:\n");
        for exit in Self::ALL {
            table.push_str(&format!("  {:>3}  {}\n", exit.code(), exit.meaning()));
        }
        table.push_str(
            "A bridge that needs its operator (logged out, replaced, banned, outdated, inbox full)\n\
             keeps running, so that its health can be read.",
        );
        table
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn numbers_and_names_are_promises() {
        let table: Vec<(u8, &str)> = Exit::ALL.iter().map(|e| (e.code(), e.name())).collect();
        assert_eq!(
            table,
            [
                (0, "ok"),
                (1, "warnings"),
                (2, "usage"),
                (3, "failed"),
                (10, "port_taken"),
                (11, "store_locked"),
                (12, "permission"),
                (13, "disk"),
                (14, "master_key"),
                (15, "newer_store"),
                (16, "damaged"),
                (20, "unreachable"),
                (21, "refused"),
                (130, "interrupted"),
                (143, "terminated"),
            ]
        );
        let meanings: HashSet<&str> = Exit::ALL.iter().map(|e| e.meaning()).collect();
        assert_eq!(meanings.len(), Exit::ALL.len());
    }
}
