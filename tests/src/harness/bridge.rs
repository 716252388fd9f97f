//! The `loong` binary as a child process with a home of its own.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, bail};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    task::JoinHandle,
    time::timeout,
};

/// How long an event may take before a test gives up. Generous, because a slow
/// machine is no failure; nothing waits this long when all is well.
const EVENT: Duration = Duration::from_secs(60);
/// How long a graceful end may take, as the documentation promises.
const STOP: Duration = Duration::from_secs(5);

/// One line of `--events ndjson`: its `event` member names it.
pub type Event = Value;

/// The binary under test: `LOONG_BIN`, else a build of this profile, else a
/// release build.
///
/// # Errors
/// When there is none; the message says how to build it.
pub fn loong_binary() -> anyhow::Result<PathBuf> {
    if let Some(path) = std::env::var_os("LOONG_BIN") {
        return Ok(path.into());
    }
    let here = std::env::current_exe().context("the test's own path")?;
    let name = format!("loong{}", std::env::consts::EXE_SUFFIX);
    here.ancestors()
        .flat_map(|dir| [dir.join(&name), dir.join("release").join(&name)])
        .find(|candidate| candidate.is_file())
        .context("no `loong` binary; build it with `cargo build -p loong-cli`, or set LOONG_BIN")
}

/// How to start a bridge.
#[derive(Debug, Clone)]
pub struct BridgeSetup {
    binary: PathBuf,
    home: PathBuf,
    args: Vec<String>,
    env: Vec<(String, String)>,
}

impl BridgeSetup {
    /// `binary` with the home folder `home` and an empty environment of its own.
    #[must_use]
    pub fn new(binary: &Path, home: &Path) -> Self {
        Self {
            binary: binary.to_owned(),
            home: home.to_owned(),
            args: Vec::new(),
            env: Vec::new(),
        }
    }

    /// Adds an argument to `whatsapp-personal bridge run`.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.push((name.to_owned(), value.into()));
        self
    }

    /// The command line, ready to be started with other arguments.
    #[must_use]
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .args(args)
            .env_clear()
            .env("HOME", &self.home)
            .env("LOONG_HOME", self.home.join(".loong"))
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(self.env.iter().cloned())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Starts the bridge on a free port and waits until it listens.
    ///
    /// # Errors
    /// When it ends or stays silent instead; with what it printed.
    pub async fn start(&self) -> anyhow::Result<Bridge> {
        let mut args = vec!["whatsapp-personal", "bridge", "run", "--events", "ndjson"];
        if !self.args.iter().any(|a| a == "--listen" || a == "--config") {
            args.extend(["--listen", "127.0.0.1:0"]);
        }
        args.extend(self.args.iter().map(String::as_str));
        let mut child = self
            .command(&args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {}", self.binary.display()))?;
        let stdout = child.stdout.take().context("piped standard output")?;
        let stderr = child.stderr.take().context("piped standard error")?;
        let log = tokio::spawn(async move {
            let mut lines = BufReader::new(stderr).lines();
            let mut kept = Vec::new();
            while let Ok(Some(line)) = lines.next_line().await {
                if std::env::var_os("LOONG_TEST_LOG").is_some() {
                    #[expect(
                        clippy::print_stderr,
                        reason = "asked for by the person who runs the test"
                    )]
                    {
                        eprintln!("[loong] {line}");
                    }
                }
                kept.push(line);
            }
            kept
        });
        let mut bridge = Bridge {
            child,
            events: BufReader::new(stdout).lines(),
            log: Some(log),
            url: String::new(),
            seen: Vec::new(),
        };
        let listening = bridge.event("listening").await?;
        bridge.url = listening["url"]
            .as_str()
            .context("the `listening` event has a `url`")?
            .to_owned();
        Ok(bridge)
    }
}

/// A running bridge. Dropping it kills it.
#[derive(Debug)]
pub struct Bridge {
    child: Child,
    events: Lines<BufReader<ChildStdout>>,
    log: Option<JoinHandle<Vec<String>>>,
    url: String,
    seen: Vec<Event>,
}

impl Bridge {
    /// The endpoint of the contract, `http://127.0.0.1:PORT/bridge`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// All events so far.
    #[must_use]
    pub fn seen(&self) -> &[Event] {
        &self.seen
    }

    /// Waits for the next event called `name`; for state changes see [`Self::state`].
    ///
    /// # Errors
    /// When the process ends first, or nothing comes in time.
    pub async fn event(&mut self, name: &str) -> anyhow::Result<Event> {
        self.until(&format!("the event `{name}`"), |event| {
            event["event"] == name
        })
        .await
    }

    /// Waits until the session is in `state`.
    ///
    /// # Errors
    /// As [`Self::event`].
    pub async fn state(&mut self, state: &str) -> anyhow::Result<Event> {
        self.until(&format!("the state `{state}`"), |event| {
            event["event"] == "state" && event["state"] == state
        })
        .await
    }

    async fn until(
        &mut self,
        what: &str,
        wanted: impl Fn(&Event) -> bool,
    ) -> anyhow::Result<Event> {
        let wait = async {
            loop {
                let Some(line) = self.events.next_line().await? else {
                    return Ok::<_, std::io::Error>(None);
                };
                if let Ok(event) = serde_json::from_str::<Event>(&line) {
                    let found = wanted(&event);
                    self.seen.push(event.clone());
                    if found {
                        return Ok(Some(event));
                    }
                }
            }
        };
        match timeout(EVENT, wait).await {
            Ok(Ok(Some(event))) => Ok(event),
            Ok(Ok(None)) => {
                let status = self.child.wait().await?;
                let log = self.take_log().await;
                bail!("the bridge ended ({status}) before {what}:\n{log}")
            }
            Ok(Err(error)) => Err(error).context("reading the bridge's events"),
            Err(_elapsed) => {
                self.child.kill().await?;
                let log = self.take_log().await;
                bail!("{what} did not come; seen: {:?}\n{log}", self.seen)
            }
        }
    }

    async fn take_log(&mut self) -> String {
        match self.log.take() {
            Some(log) => log.await.unwrap_or_default().join("\n"),
            None => String::new(),
        }
    }

    /// Kills the process as a crash would.
    ///
    /// # Errors
    /// When the process cannot be killed or waited for.
    pub async fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill().await.context("killing the bridge")
    }

    /// Asks the process to end and returns its exit code and what it logged.
    ///
    /// # Errors
    /// When it does not end in the promised time.
    #[cfg(unix)]
    pub async fn stop(mut self) -> anyhow::Result<(Option<i32>, String)> {
        let pid = self.child.id().context("the bridge has ended already")?;
        let sent = std::process::Command::new("kill")
            .args(["-TERM", &pid.to_string()])
            .status()
            .context("sending SIGTERM")?;
        anyhow::ensure!(sent.success(), "SIGTERM could not be sent");
        let status = timeout(STOP, self.child.wait())
            .await
            .context("the bridge did not end within 5 s of SIGTERM")??;
        let log = self.take_log().await;
        Ok((status.code(), log))
    }

    /// Waits until the process ends by itself; its exit code and its log.
    ///
    /// # Errors
    /// When it does not end in time.
    pub async fn ended(mut self) -> anyhow::Result<(Option<i32>, String)> {
        let status = timeout(EVENT, self.child.wait())
            .await
            .context("the bridge did not end")??;
        let log = self.take_log().await;
        Ok((status.code(), log))
    }
}
