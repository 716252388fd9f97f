//! References to secrets, and reading what they refer to.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use secrecy::{ExposeSecret as _, SecretString};
use toml::de::DeValue;

use super::{
    environment::Environment,
    issue::{Issue, Severity},
    reader::{TableReader, describe},
    source::{Located, Position},
};

/// How long a program may take to print a secret.
const EXEC_LIMIT: Duration = Duration::from_secs(5);
/// More than any token; a larger file is a mistake.
const MAX_SECRET: u64 = 64 << 10;

/// Where a secret is to be found.
#[derive(Debug, Clone)]
pub enum SecretRef {
    /// In the configuration itself.
    Inline(SecretString),
    /// In an environment variable.
    Env(String),
    /// In a file.
    File(String),
    /// On the standard output of a program.
    Exec(Vec<String>),
}

/// Why a secret that is configured could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The variable is unset or blank.
    #[error("the environment variable {0} is not set")]
    Unset(String),
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The program failed.
    #[error("`{program}` {reason}")]
    Exec {
        /// The program, without its arguments.
        program: String,
        /// What happened.
        reason: String,
    },
    /// There was nothing in it.
    #[error("{0} is empty")]
    Empty(String),
}

impl SecretRef {
    /// The forms of a string: a variable in four spellings, else a literal.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        let trimmed = text.trim();
        let named = trimmed
            .strip_prefix("${")
            .and_then(|rest| rest.strip_suffix('}'))
            .or_else(|| trimmed.strip_prefix('$'))
            .or_else(|| trimmed.strip_prefix("env:"))
            .or_else(|| {
                trimmed
                    .strip_prefix('%')
                    .and_then(|rest| rest.strip_suffix('%'))
            })
            .filter(|name| super::env_pointer::is_name(name));
        named.map_or_else(
            || Self::Inline(SecretString::from(trimmed)),
            |name| Self::Env(name.to_owned()),
        )
    }

    /// Whether it is a blank string, which counts as not configured.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        matches!(self, Self::Inline(text) if text.expose_secret().is_empty())
    }

    pub(super) fn read(
        table: &mut TableReader<'_>,
        key: &'static str,
        issues: &mut Vec<Issue>,
    ) -> Option<Located<Self>> {
        let (at, value) = table.take(key)?;
        let path = table.path_of(key);
        let read = match value {
            DeValue::String(text) => Some(Self::from_text(&text)),
            DeValue::Table(_) => from_table(value),
            other => {
                table.wrong_type(key, at, "a string or a table", &other, issues);
                return None;
            }
        };
        if read.is_none() {
            issues.push(malformed(path.clone(), at));
        }
        read.map(|value| Located { value, at, path })
    }

    /// Reads the secret. Blocks: a program may run for up to 5 s.
    ///
    /// # Errors
    /// When it cannot be had. There is no second place to look then.
    pub fn resolve(
        &self,
        environment: &Environment,
        base: &Path,
    ) -> Result<SecretString, SecretError> {
        match self {
            Self::Inline(text) => Ok(text.clone()),
            Self::Env(name) => environment
                .get(name)
                .map(SecretString::from)
                .ok_or_else(|| SecretError::Unset(name.clone())),
            Self::File(path) => read_file(&base.join(path)),
            Self::Exec(command) => run(command),
        }
    }
}

fn malformed(path: String, at: Position) -> Issue {
    Issue {
        severity: Severity::Error,
        code: "config.value.invalid",
        path,
        at,
        message: "a secret is a string, or a table with exactly one of `env` (a name), `file` \
                  (a path) and `exec` (an array: program and arguments)"
            .to_owned(),
    }
}

fn from_table(value: DeValue<'_>) -> Option<SecretRef> {
    let DeValue::Table(table) = value else {
        return None;
    };
    let mut entries = table.into_iter();
    let (key, value) = entries.next()?;
    if entries.next().is_some() {
        return None;
    }
    let key: &str = key.get_ref();
    match (key, value.into_inner()) {
        ("env", DeValue::String(name)) => Some(SecretRef::Env(name.into_owned())),
        ("file", DeValue::String(path)) => Some(SecretRef::File(path.into_owned())),
        ("exec", DeValue::Array(items)) => {
            let command: Option<Vec<String>> = items
                .into_iter()
                .map(|item| match item.into_inner() {
                    DeValue::String(text) => Some(text.into_owned()),
                    other => {
                        tracing::debug!(found = describe(&other), "`exec` takes strings");
                        None
                    }
                })
                .collect();
            command
                .filter(|command| !command.is_empty())
                .map(SecretRef::Exec)
        }
        _ => None,
    }
}

fn read_file(path: &Path) -> Result<SecretString, SecretError> {
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_SECRET).read_to_string(&mut text))
        .map_err(|source| SecretError::File {
            path: path.to_owned(),
            source,
        })?;
    non_empty(text, || path.display().to_string())
}

fn non_empty(text: String, what: impl FnOnce() -> String) -> Result<SecretString, SecretError> {
    let trimmed = text.trim_end_matches(['\r', '\n']);
    if trimmed.trim().is_empty() {
        return Err(SecretError::Empty(what()));
    }
    Ok(SecretString::from(trimmed))
}

fn run(command: &[String]) -> Result<SecretString, SecretError> {
    let (program, arguments) = command.split_first().map_or(("", command), |(p, a)| (p, a));
    let failed = |reason: String| SecretError::Exec {
        program: program.to_owned(),
        reason,
    };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| failed(format!("cannot be started: {error}")))?;
    let stdout = child.stdout.take();
    let (sender, receiver) = mpsc::sync_channel(1);
    // Owned by this call: it ends with the pipe, which the kill below closes.
    let reading = std::thread::spawn(move || {
        let mut text = String::new();
        let read = match stdout {
            Some(pipe) => pipe.take(MAX_SECRET).read_to_string(&mut text),
            None => Ok(0),
        };
        // The receiver is gone once the limit has passed.
        let _late = sender.send(read.map(|_| text));
    });
    let answer = receiver.recv_timeout(EXEC_LIMIT);
    if answer.is_err() {
        // It may have ended in this very moment.
        let _ended = child.kill();
    }
    let status = child
        .wait()
        .map_err(|error| failed(format!("cannot be waited for: {error}")))?;
    let text = match answer {
        Ok(text) => text.map_err(|error| failed(format!("printed no text: {error}")))?,
        Err(_elapsed) => return Err(failed("did not end within 5 s".to_owned())),
    };
    if reading.join().is_err() {
        return Err(failed("could not be read".to_owned()));
    }
    if !status.success() {
        return Err(failed(format!("failed ({status})")));
    }
    non_empty(text, || format!("the output of `{program}`"))
}
