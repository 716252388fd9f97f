//! A second process that dies by SIGKILL, for tests of what survives.
//!
//! The test binary runs itself with the name of one test and a folder in an environment variable;
//! without that variable the test does nothing.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use whatsapp_rust::anyhow::{self, Context as _, ensure};

const FOLDER: &str = "LOONG_STORE_TEST_FOLDER";
const TASK: &str = "LOONG_STORE_TEST_TASK";
/// Marks the lines that a child wrote among those of the test runner.
const MARK: &str = "child> ";

/// In a child: the folder and the task it was given.
pub(super) fn assignment() -> Option<(PathBuf, String)> {
    let folder = std::env::var_os(FOLDER)?;
    Some((folder.into(), std::env::var(TASK).ok()?))
}

/// In a child: tells the parent something, at once.
pub(super) fn say(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n{MARK}{text}")?;
    Ok(out.flush()?)
}

/// In a child: ends the process without any chance to clean up.
pub(super) fn die() -> anyhow::Result<()> {
    Command::new("sh")
        .args(["-c", "kill -9 \"$PPID\""])
        .status()?;
    anyhow::bail!("still alive after SIGKILL")
}

/// Runs `test` in a child that is expected to kill itself; returns what it said.
pub(super) fn run(test: &str, folder: &Path, task: &str) -> anyhow::Result<Vec<String>> {
    let output = Command::new(std::env::current_exe()?)
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .env(TASK, task)
        .stdin(Stdio::null())
        .output()
        .context("cannot start the child")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.code().is_none(),
        "the child of {task} ended by itself: {said}{errors}"
    );
    Ok(said
        .lines()
        .filter_map(|line| line.strip_prefix(MARK))
        .map(str::to_owned)
        .collect())
}
