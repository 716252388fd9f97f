//! Starting the binary, reading its events, stopping it.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use serde_json::Value;

/// Longer than anything takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Nobody listens on this port.
pub(crate) const NOWHERE: &str = "ws://127.0.0.1:1/ws";

/// A home folder.
pub(crate) struct Home(tempfile::TempDir);

/// How a process ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder for the test"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn auth_dir(&self) -> PathBuf {
        self.path().join(".loong/whatsapp-personal/default")
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let path = self.path().join(name);
        std::fs::write(&path, text).expect("a file for the test");
        path.display().to_string()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_loong"));
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.path())
            .env("LOONG_WHATSAPP_URL", NOWHERE)
            .current_dir(self.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs a command that ends by itself.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        finish(self.command(arguments).spawn().expect("the binary starts"))
    }

    /// Starts a bridge on a free port and waits until it listens.
    pub(crate) fn bridge(&self, arguments: &[&str]) -> Bridge {
        let mut all = vec!["whatsapp-personal", "bridge", "run", "--events", "ndjson"];
        all.extend(["--listen", "127.0.0.1:0"]);
        all.extend(arguments);
        let mut child = self.command(&all).spawn().expect("the binary starts");
        let stdout = child.stdout.take().expect("piped");
        let (sender, events) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let event = serde_json::from_str(&line).expect("each line is JSON");
                if sender.send(event).is_err() {
                    break;
                }
            }
        });
        let bridge = Bridge { child, events };
        bridge.event("listening");
        bridge
    }
}

/// A running bridge.
pub(crate) struct Bridge {
    child: Child,
    events: mpsc::Receiver<Value>,
}

impl Bridge {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the next event of that name.
    pub(crate) fn event(&self, name: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let event = self.events.recv_timeout(left);
            let event = event.unwrap_or_else(|error| panic!("no event `{name}`: {error}"));
            if event["event"] == name {
                return event;
            }
        }
    }

    /// Waits for a state.
    pub(crate) fn state(&self, name: &str) -> Value {
        loop {
            let event = self.event("state");
            if event["state"] == name {
                return event;
            }
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// Sends SIGTERM and waits for the end.
    pub(crate) fn stop(self) -> Ended {
        self.signal("TERM");
        self.ended()
    }

    pub(crate) fn ended(self) -> Ended {
        finish(self.child)
    }
}

pub(crate) fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill")
        .args([&format!("-{name}"), &pid.to_string()])
        .status();
    assert!(sent.expect("kill runs").success());
}

/// Waits for the end; kills a process that does not come to it.
pub(crate) fn finish(mut child: Child) -> Ended {
    let stdout = child.stdout.take();
    let mut stderr = child.stderr.take().expect("piped");
    let pid = child.id();
    let (done, over) = mpsc::channel::<()>();
    let guard = std::thread::spawn(move || {
        if over.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
            signal(pid, "KILL");
        }
    });
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        if let Some(mut stdout) = stdout {
            stdout.read_to_string(&mut text).expect("text");
        }
        text
    });
    let mut text = String::new();
    stderr.read_to_string(&mut text).expect("text");
    let status = child.wait().expect("the end of the process");
    drop(done);
    guard.join().expect("the guard");
    Ended {
        code: status.code(),
        stdout: reader.join().expect("the reader"),
        stderr: text,
    }
}
