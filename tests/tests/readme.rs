//! Every command that the README shows is run, in a way that is cheap and needs
//! no network: a block marked `sh` with a command this file does not know fails.

use std::{path::Path, process::Stdio, time::Duration};

use anyhow::{Context as _, bail, ensure};
use loong_tests::{
    harness::{BridgeSetup, Consumer, World, WorldOptions, loong_binary},
    wa_sim::phone::send::Letter,
};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader},
    process::Command,
    time::timeout,
};

/// Longer than anything takes when all is well.
const SOON: Duration = Duration::from_secs(60);
/// How long the sandbox may take: two processes, a link and two answers.
const SANDBOX: Duration = Duration::from_secs(120);

/// What stands in for a command of the README.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stand {
    /// The `loong` binary with the same arguments, without a network.
    Loong,
    /// The program of this package with that name, to its end.
    Sandbox,
    /// What runs this very test: running it here would never end. That it
    /// exists and understands its command line is seen here.
    Check,
    /// The benchmark with a few messages.
    Bench,
    /// The same request by another HTTP client, to a bridge on the simulator.
    Request,
}

/// How each command begins, and what runs it here. The first that fits counts.
const COMMANDS: [(&[&str], Stand); 5] = [
    (&["cargo", "run", "--release", "--"], Stand::Loong),
    (
        &["cargo", "run", "-p", "loong-tests", "--bin", "sandbox"],
        Stand::Sandbox,
    ),
    (
        &["cargo", "run", "-p", "loong-tests", "--bin", "check"],
        Stand::Check,
    ),
    (
        &[
            "cargo",
            "run",
            "--release",
            "-p",
            "loong-tests",
            "--bin",
            "bench",
        ],
        Stand::Bench,
    ),
    (&["curl"], Stand::Request),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_of_the_readme_works() -> anyhow::Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme =
        std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let commands = commands(&readme)?;
    ensure!(!commands.is_empty(), "the README shows no command at all");
    for words in commands {
        let line = words.join(" ");
        run(&words)
            .await
            .with_context(|| format!("the README's `{line}`"))?;
    }
    Ok(())
}

#[test]
fn blocks_are_taken_apart_as_a_shell_would() -> anyhow::Result<()> {
    let text = "x\n```sh\n# why\na --b  'c\n d' # e\n\nf \\\n  g\n```\n```toml\nh = 1\n```\n";
    assert_eq!(commands(text)?, [vec!["a", "--b", "c\n d"], vec!["f", "g"]]);
    assert!(commands("```sh\na 'b\n```\n").is_err());
    assert!(commands("```sh\na").is_err());
    assert!(commands("```bash\na\n```\n").is_err());
    Ok(())
}

/// The commands of all `sh` blocks as words. A command ends with its line, unless
/// a quotation or a backslash continues it.
fn commands(text: &str) -> anyhow::Result<Vec<Vec<String>>> {
    let mut commands = Vec::new();
    let mut block = None;
    let mut open = String::new();
    for line in text.lines() {
        match (block, line.strip_prefix("```")) {
            (None, Some(language)) => block = Some(language),
            (Some(_), Some(_)) => {
                ensure!(
                    open.is_empty(),
                    "a block ends within the command `{}`",
                    open.trim()
                );
                block = None;
            }
            (Some("sh"), None) => {
                // The crate would leave an empty word where a line is continued.
                if let Some(continued) = line.strip_suffix('\\') {
                    open.push_str(continued);
                    continue;
                }
                open.push_str(line);
                open.push('\n');
                if let Some(words) = shlex::split(&open) {
                    open.clear();
                    if !words.is_empty() {
                        commands.push(words);
                    }
                }
            }
            (Some("bash" | "shell" | "console"), None) => {
                bail!("a block with commands is to be marked `sh`, so that they are run")
            }
            _ => {}
        }
    }
    ensure!(block.is_none(), "the last block is not closed");
    Ok(commands)
}

async fn run(words: &[String]) -> anyhow::Result<()> {
    let known = COMMANDS.iter().find_map(|(start, stand)| {
        let begins = words.len() >= start.len() && words.iter().zip(*start).all(|(w, s)| w == s);
        begins.then(|| (*stand, words.get(start.len()..).unwrap_or_default()))
    });
    let (stand, rest) = known.context("nothing runs this command; add it to COMMANDS")?;
    if matches!(stand, Stand::Sandbox | Stand::Check | Stand::Bench) {
        ensure!(rest.is_empty(), "arguments {rest:?} are not tested");
    }
    match stand {
        Stand::Loong => loong(rest).await,
        Stand::Request => request(rest).await,
        Stand::Sandbox => {
            let shown = finished(env!("CARGO_BIN_EXE_sandbox"), &[]).await?;
            ensure!(shown.contains("phone shows"), "{shown}");
            Ok(())
        }
        Stand::Check => {
            let shown = finished(env!("CARGO_BIN_EXE_check"), &["--help"]).await?;
            ensure!(shown.contains("run all tests"), "{shown}");
            Ok(())
        }
        Stand::Bench => {
            let few = ["--messages", "40", "--sends", "4", "--starts", "1"];
            let shown = finished(env!("CARGO_BIN_EXE_bench"), &few).await?;
            ensure!(shown.contains("messages in"), "{shown}");
            Ok(())
        }
    }
}

/// Runs a program of this package to its end; what it printed.
async fn finished(program: &str, args: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(program)
        .args(args)
        .env("LOONG_BIN", loong_binary()?)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(SANDBOX, output).await.context("it did not end")??;
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.success(),
        "{}:\n{shown}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(shown)
}

/// A fresh home, and nothing but a closed door on the way to WhatsApp: the
/// bridge listens, says that it is offline, and ends in order when asked.
async fn loong(args: &[String]) -> anyhow::Result<()> {
    ensure!(
        args.starts_with(&["whatsapp-personal", "bridge", "run"].map(str::to_owned)),
        "only `whatsapp-personal bridge run` is tested"
    );
    let mut args: Vec<&str> = args.iter().map(String::as_str).collect();
    if !args.contains(&"--listen") {
        // The usual port may be in use on the machine that tests.
        args.extend(["--listen", "127.0.0.1:0"]);
    }
    let home = tempfile::tempdir().context("a folder for the bridge")?;
    let mut child = BridgeSetup::new(&loong_binary()?, home.path())
        .env("LOONG_WHATSAPP_PROXY", "http://127.0.0.1:9")
        .command(&args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("starting loong")?;
    let stdout = child.stdout.take().context("piped standard output")?;
    let mut stderr = child.stderr.take().context("piped standard error")?;
    let mut lines = BufReader::new(stdout).lines();
    let mut shown = String::new();
    let mut listens = false;
    let told = async {
        while let Some(line) = lines.next_line().await? {
            shown.push_str(&line);
            shown.push('\n');
            listens |= line.starts_with("listen:") && line.contains("http://127.0.0.1:");
            if line.starts_with("offline: ") {
                break;
            }
        }
        anyhow::Ok(())
    };
    timeout(SOON, told).await.context("it stayed silent")??;
    if !listens || !shown.contains("offline: ") {
        child.kill().await.context("ending loong")?;
        let mut errors = String::new();
        stderr.read_to_string(&mut errors).await?;
        bail!("neither listening nor offline:\n{shown}{errors}");
    }
    let pid = child.id().context("it ended by itself")?;
    let asked = Command::new("kill")
        .args(["-TERM", &pid.to_string()])
        .status()
        .await
        .context("sending SIGTERM")?;
    ensure!(asked.success(), "SIGTERM could not be sent");
    while timeout(SOON, lines.next_line()).await??.is_some() {}
    let status = timeout(SOON, child.wait())
        .await
        .context("it did not end after SIGTERM")??;
    ensure!(status.success(), "{status} after SIGTERM");
    Ok(())
}

/// A request as `curl` would make it.
#[derive(Debug, Default)]
struct Curl {
    url: Option<String>,
    headers: Vec<(String, String)>,
    body: Option<String>,
}

impl Curl {
    fn parse(args: &[String]) -> anyhow::Result<Self> {
        let mut curl = Self::default();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().with_context(|| format!("`{arg}` has no value"));
            match arg.as_str() {
                "-s" | "-sS" | "--silent" => {}
                "-H" | "--header" => {
                    let header = value()?.split_once(':').context("a header has a colon")?;
                    let (name, text) = (header.0.trim(), header.1.trim());
                    curl.headers.push((name.to_owned(), text.to_owned()));
                }
                "-d" | "--data" => curl.body = Some(value()?.clone()),
                other if other.starts_with("http://") => curl.url = Some(other.to_owned()),
                other => bail!("`{other}` is not tested"),
            }
        }
        Ok(curl)
    }
}

/// The request to a linked bridge, with one message waiting in it. The address is
/// the test's own; the path, the headers and the body are the README's.
async fn request(args: &[String]) -> anyhow::Result<()> {
    let curl = Curl::parse(args)?;
    let world = World::start(WorldOptions { seed: 5, people: 1 }).await?;
    let ann = world.people.first().context("one person")?;
    let mut bridge = world.bridge().start().await?;
    bridge.state("online").await?;
    ann.send(&world.own_number, &Letter::text("read me"))?;
    // Once it is here, a consumer without a name that asks again gets it again.
    let consumer = Consumer::new(bridge.url())?;
    let waiting = consumer
        .call("receive_batch", serde_json::json!({ "wait_ms": 20_000 }))
        .await?;
    ensure!(waiting.status == 200, "{waiting:?}");

    let mut url: reqwest::Url = curl.url.context("an address")?.parse()?;
    let own: reqwest::Url = bridge.url().parse()?;
    ensure!(
        url.host_str() == own.host_str(),
        "the bridge is at {own}, not at {url}"
    );
    ensure!(
        url.set_port(own.port()).is_ok(),
        "{url} cannot have a port of its own"
    );
    let http = reqwest::Client::builder()
        .no_proxy()
        .timeout(SOON)
        .build()?;
    let mut request = match &curl.body {
        Some(body) => http.post(url).body(body.clone()),
        None => http.get(url),
    };
    for (name, value) in &curl.headers {
        request = request.header(name, value);
    }
    let answer = request.send().await?;
    let status = answer.status();
    let text = answer.text().await?;
    ensure!(status.is_success(), "{status}: {text}");
    if curl.body.is_some_and(|body| body.contains("receive_batch")) {
        let answer: Value = serde_json::from_str(&text).context("the answer is JSON")?;
        ensure!(
            answer["payload"]["messages"][0]["text"] == "read me",
            "the waiting message is not in {answer}"
        );
    }
    let (code, log) = bridge.stop().await?;
    ensure!(code == Some(0), "the bridge ended with {code:?}:\n{log}");
    Ok(())
}
