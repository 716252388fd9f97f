//! What is wrong with a configuration.

use std::path::{Path, PathBuf};

use super::source::Position;

/// Whether an issue stops a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It is mentioned.
    Warning,
    /// Every command that reads the file refuses.
    Error,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// Whether it stops a command.
    pub severity: Severity,
    /// A stable name, such as `config.env_pointer.dollar_prefix`.
    pub code: &'static str,
    /// The full key that it is about.
    pub path: String,
    /// Where it is.
    pub at: Position,
    /// What is wrong and what would be right, without secrets.
    pub message: String,
}

impl Issue {
    /// The finding with the file it is in, as compilers print it.
    #[must_use]
    pub fn in_file(&self, file: &Path) -> String {
        format!(
            "{}:{}: {}: {} ({})",
            file.display(),
            self.at,
            self.path,
            self.message,
            self.code
        )
    }
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file does not exist.
    #[error("there is no configuration file {}", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("cannot read the configuration file {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{}:{at}: not valid TOML: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where the parser stopped.
        at: Position,
        /// What it expected.
        message: String,
    },
    /// The file is TOML, but says something impossible.
    #[error("invalid configuration: {}", issues.iter().filter(|issue| issue.severity == Severity::Error).map(|issue| issue.in_file(path)).collect::<Vec<_>>().join("; "))]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Everything that was found, warnings included.
        issues: Vec<Issue>,
    },
}
