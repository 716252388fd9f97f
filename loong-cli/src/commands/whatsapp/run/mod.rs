//! `loong whatsapp-personal bridge run`.

mod arguments;
mod plan;
mod wire;

use std::time::Duration;

use bridge_core::policy::Allowlist;
use tokio::{runtime::Handle, task::JoinHandle};
use tokio_util::sync::CancellationToken;

pub(super) use self::arguments::{EXAMPLES, EventFormat, RunArgs};
use self::{plan::Plan, wire::Bridge};
use super::{
    super::{Context, blocking},
    folder::{RunningBridge, SessionFolder},
};
use crate::{
    config::Severity,
    exit::Exit,
    failure::Failure,
    terminal::{Event, Presenter, QrFile, Streams, plain},
};

/// How long an end in order may take; 5 s are promised.
const END: Duration = Duration::from_millis(4_700);
/// How long the last lines may take to be written. A reader that is stuck must
/// not hold the end up.
const LAST_LINES: Duration = Duration::from_millis(200);

pub(super) async fn run(arguments: RunArgs, context: Context) -> Result<Exit, Failure> {
    let plan = {
        let environment = context.environment.clone();
        let home = context.home.clone();
        blocking(move || Plan::make(&arguments, environment, home)).await??
    };
    let mut presenter = Presenter::new(
        streams(plan.events, context.colour),
        plan.qr_png.clone().map(QrFile::new),
        window,
    );
    for warning in &plan.warnings {
        presenter.say(&format!("warning: {}", plain(warning)));
    }
    let folder = SessionFolder::new(&plan.auth_dir);
    folder.create()?;
    explain_baileys(&folder, &plan, &mut presenter);
    let bridge = Bridge::open(&plan, &folder).await?;
    announce(&plan, &bridge, &folder, &mut presenter);
    serve(bridge, folder, presenter, context.shutdown).await
}

/// Serves until it is asked to stop, or cannot go on.
async fn serve(
    bridge: Bridge,
    folder: SessionFolder,
    presenter: Presenter,
    shutdown: CancellationToken,
) -> Result<Exit, Failure> {
    let spoken = CancellationToken::new();
    let mut speaking = speak(presenter, &bridge, spoken.clone());
    let mut serving = bridge.serve(shutdown.clone());
    let early = tokio::select! {
        biased;
        () = shutdown.cancelled() => None,
        ended = &mut serving.server => Some(ended),
    };
    // An end that nobody asked for is carried out like any other, then reported.
    shutdown.cancel();
    let in_order = tokio::time::timeout(END, serving.end(early.is_some())).await;
    folder.forget_running();
    spoken.cancel();
    if tokio::time::timeout(LAST_LINES, &mut speaking)
        .await
        .is_err()
    {
        tracing::debug!("nobody reads the last lines");
    }
    if let Some(ended) = early {
        ended
            .map_err(|error| Failure::new(Exit::Failed, "the server broke off").because(&error))?
            .map_err(|error| wire::server_failure(&error))?;
    }
    match in_order {
        Ok(closed) => closed.map(|()| Exit::Ok),
        Err(_elapsed) => Err(
            Failure::new(Exit::Failed, "the session did not close within 5 s")
                .next("nothing that was acknowledged is lost; start the bridge again"),
        ),
    }
}

/// Follows the session on a thread of its own: writing to a terminal or a pipe
/// may block for as long as its reader likes.
fn speak(mut presenter: Presenter, bridge: &Bridge, done: CancellationToken) -> JoinHandle<()> {
    let status = bridge.status();
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || {
        runtime.block_on(presenter.follow(status, &done));
        presenter.event(&Event::Stopped);
        presenter.say("stopped");
    })
}

fn streams(events: Option<EventFormat>, colour: bool) -> Streams {
    use std::io::{IsTerminal as _, stderr, stdout};
    match events {
        Some(EventFormat::Ndjson) => Streams {
            terminal: stderr().is_terminal(),
            colour: false,
            human: Box::new(stderr()),
            events: Some(Box::new(stdout())),
        },
        None => Streams {
            terminal: stdout().is_terminal(),
            colour,
            human: Box::new(stdout()),
            events: None,
        },
    }
}

fn window() -> Option<(u16, u16)> {
    crossterm::terminal::size().ok()
}

fn explain_baileys(folder: &SessionFolder, plan: &Plan, presenter: &mut Presenter) {
    if folder.holds_baileys_session() {
        presenter.say(&format!(
            "note: {} holds a session of the Node bridge (Baileys). Its files stay as they are; \
             its keys cannot be taken over. Link this bridge as a new device, then remove the old \
             one on the phone under Linked devices.",
            plain(&plan.auth_dir.display().to_string())
        ));
    }
}

/// The lines that every start begins with.
fn announce(plan: &Plan, bridge: &Bridge, folder: &SessionFolder, presenter: &mut Presenter) {
    let url = bridge.url();
    let running = RunningBridge {
        url: url.clone(),
        pid: std::process::id(),
    };
    if let Err(error) = folder.note_running(&running) {
        presenter.say(&format!(
            "warning: cannot write bridge.json ({error}); `session` commands will look for the \
             bridge at its configured address"
        ));
    }
    let auth_dir = plan.auth_dir.display().to_string();
    let account = plan.account.channel.id().as_str();
    presenter.event(&Event::Listening {
        url: &url,
        account,
        auth_dir: &auth_dir,
        pid: running.pid,
    });
    presenter.say(&format!("account:  {account}"));
    presenter.say(&format!("listen:   {url}"));
    presenter.say(&format!("auth_dir: {}", plain(&auth_dir)));
    presenter.say(&match &plan.account.channel.allowed.value {
        Allowlist::Unset => "allowed:  nobody yet, everything that arrives waits in quarantine; \
                             name people with --allow +15551234567 (or --allow '*'), or set \
                             allowed_chat_ids"
            .to_owned(),
        Allowlist::Everyone => "allowed:  everyone".to_owned(),
        Allowlist::Only(entries) => format!("allowed:  {} named", entries.len()),
    });
    for entry in bridge.unresolved() {
        presenter.say(&format!(
            "warning: `{}` in the allowlist is no number, JID or group id; it allows nobody",
            plain(&entry)
        ));
    }
}

/// The warnings of a configuration, as lines.
fn config_warnings(config: &crate::config::Config) -> Vec<String> {
    let Some(file) = &config.file else {
        return Vec::new();
    };
    config
        .warnings
        .iter()
        .filter(|issue| issue.severity == Severity::Warning)
        .map(|issue| issue.in_file(file))
        .collect()
}
