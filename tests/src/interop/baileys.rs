//! An unmodified Baileys as a child process, driven over JSON lines; see
//! `tests/interop/baileys/driver.mjs`.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Mutex;
use tokio_util::task::AbortOnDropHandle;

use super::heard::Heard;
use super::party::{Chat, Party};

/// How long an orderly end may take: it writes its files.
const STOP: Duration = Duration::from_secs(10);
/// Prints what the library logs, with the level named by the value (`debug`,
/// `trace`); session keys of simulated people included.
const LOG: &str = "LOONG_INTEROP_BAILEYS_LOG";

/// How a Baileys is started.
#[derive(Debug, Clone)]
pub(super) struct BaileysSetup {
    pub(super) name: String,
    pub(super) url: String,
    /// Whom to trust besides well-known authorities.
    pub(super) ca_file: Option<PathBuf>,
    /// Its own storage; the same folder is the same session.
    pub(super) auth_dir: PathBuf,
    /// Pair by code with the phone of this number, digits.
    pub(super) phone: Option<String>,
    /// Ask for this pairing code.
    pub(super) custom_code: Option<String>,
}

/// A running Baileys. Dropping it kills it.
pub(super) struct Baileys {
    name: String,
    child: Child,
    commands: Mutex<ChildStdin>,
    heard: Heard<Value>,
    next: AtomicU64,
    _reader: AbortOnDropHandle<()>,
}

/// Where the driver and its modules lie.
pub(super) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("interop")
        .join("baileys")
}

impl Baileys {
    /// Starts it.
    ///
    /// # Errors
    /// When Node or the modules are not installed.
    pub(super) fn start(setup: &BaileysSetup) -> Result<Self> {
        let folder = folder();
        ensure!(
            folder.join("node_modules").is_dir(),
            "Baileys is not installed; run `npm ci` in {}",
            folder.display()
        );
        let mut command = Command::new("node");
        command
            .arg(folder.join("driver.mjs"))
            .arg("--url")
            .arg(&setup.url)
            .arg("--auth")
            .arg(&setup.auth_dir);
        for (flag, value) in [
            ("--phone", &setup.phone),
            ("--custom-code", &setup.custom_code),
        ] {
            if let Some(value) = value {
                command.arg(flag).arg(value);
            }
        }
        if let Some(ca) = &setup.ca_file {
            command.env("NODE_EXTRA_CA_CERTS", ca);
        }
        let log = std::env::var(LOG).ok();
        if let Some(level) = &log {
            command.args(["--log", level]);
        }
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        command.stderr(if log.is_some() {
            Stdio::inherit()
        } else {
            Stdio::null()
        });
        let mut child = command.spawn().context("starting node")?;
        let commands = child.stdin.take().context("piped standard input")?;
        let output = child.stdout.take().context("piped standard output")?;
        let heard = Heard::new();
        let reader = AbortOnDropHandle::new(tokio::spawn(read(output, heard.clone())));
        Ok(Self {
            name: setup.name.clone(),
            child,
            commands: Mutex::new(commands),
            heard,
            next: AtomicU64::new(0),
            _reader: reader,
        })
    }

    /// The text of the first QR code that it shows.
    ///
    /// # Errors
    /// When it shows none.
    pub(super) async fn qr(&self) -> Result<String> {
        self.text_of("qr", "code").await
    }

    /// The pairing code that it shows.
    ///
    /// # Errors
    /// When it shows none.
    pub(super) async fn code(&self) -> Result<String> {
        self.text_of("code", "code").await
    }

    /// Waits until it is logged in and ready.
    ///
    /// # Errors
    /// When that never comes.
    pub(super) async fn open(&self) -> Result<()> {
        self.event("open").await.map(drop)
    }

    /// Whether it reported a connection that ended with `status`.
    pub(super) fn closed_with(&self, status: u16) -> bool {
        self.heard
            .count(|event| event["event"] == "close" && event["status"] == status)
            > 0
    }

    /// How many of its events have this name.
    pub(super) fn events(&self, name: &str) -> usize {
        self.heard.count(|event| event["event"] == name)
    }

    /// Makes a group with the people of these numbers; its JID.
    ///
    /// # Errors
    /// When the client refuses.
    pub(super) async fn create_group(&self, subject: &str, members: &[&str]) -> Result<String> {
        let members: Vec<String> = members
            .iter()
            .map(|number| Chat::person(number).jid())
            .collect();
        self.command("group", json!({ "subject": subject, "members": members }))
            .await
    }

    /// Asks it to end and waits until it has.
    ///
    /// # Errors
    /// When it does not.
    pub(super) async fn stop(mut self) -> Result<()> {
        self.tell(&json!({ "do": "stop" })).await?;
        let ended = tokio::time::timeout(STOP, self.child.wait());
        ended
            .await
            .with_context(|| format!("{} did not end", self.name))??;
        Ok(())
    }

    async fn text_of(&self, event: &str, member: &str) -> Result<String> {
        let said = self.event(event).await?;
        let text = said[member]
            .as_str()
            .with_context(|| format!("the event {event} has no {member}"));
        text.map(str::to_owned)
    }

    async fn event(&self, name: &str) -> Result<Value> {
        let what = format!("the event {name:?}");
        let found = self.heard.wait(&what, |event| {
            (event["event"] == name).then(|| event.clone())
        });
        found.await.with_context(|| self.name.clone())
    }

    /// Tells it to do something and returns the id it answers with.
    async fn command(&self, what: &str, rest: Value) -> Result<String> {
        let reference = self.next.fetch_add(1, Ordering::Relaxed);
        let mut line = json!({ "do": what, "ref": reference });
        if let (Some(line), Value::Object(rest)) = (line.as_object_mut(), rest) {
            line.extend(rest);
        }
        self.tell(&line).await?;
        let wanted = format!("the answer to {what}");
        let answer = self.heard.wait(&wanted, |event| {
            (event["ref"] == reference).then(|| event.clone())
        });
        let answer = answer.await?;
        match answer["id"].as_str() {
            Some(id) => Ok(id.to_owned()),
            None => bail!("it refused to {what}: {}", answer["error"]),
        }
    }

    async fn tell(&self, line: &Value) -> Result<()> {
        let mut commands = self.commands.lock().await;
        commands.write_all(format!("{line}\n").as_bytes()).await?;
        Ok(commands.flush().await?)
    }
}

async fn read(output: ChildStdout, heard: Heard<Value>) {
    let mut lines = BufReader::new(output).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        match serde_json::from_str(&line) {
            Ok(event) => heard.add(event),
            Err(_not_json) => heard.add(json!({ "event": "noise", "line": line })),
        }
    }
    heard.close();
}

#[async_trait]
impl Party for Baileys {
    fn name(&self) -> String {
        self.name.clone()
    }

    async fn write(&self, to: &Chat, text: &str) -> Result<()> {
        self.command("send", json!({ "to": to.jid(), "text": text }))
            .await
            .map(drop)
    }

    async fn shown(&self, chat: &Chat, text: &str) -> Result<bool> {
        let found = self.heard.wait("the message", |event| {
            let here = event["event"] == "message" && event["text"] == text;
            let here = here && event["chat"].as_str().is_some_and(|jid| chat.is(jid));
            here.then(|| event["from_me"] == true)
        });
        found.await
    }

    async fn times(&self, text: &str) -> Result<usize> {
        Ok(self
            .heard
            .count(|event| event["event"] == "message" && event["text"] == text))
    }
}
