//! From `main` to a command: the one place where the process is set up.

use std::{ffi::OsString, io::IsTerminal as _, process::ExitCode};

use clap::Parser as _;
use tokio_util::sync::CancellationToken;

use crate::{
    cli::Cli,
    commands::{self, Context},
    config::{Environment, Home},
    exit::Exit,
    failure::Failure,
    logging,
    signals::Signals,
    terminal::Event,
};

/// Threads for asynchronous work. A bridge waits more than it computes.
const WORKERS: usize = 2;
/// Threads for work that blocks: disk syncs, and the terminal.
const BLOCKING: usize = 16;

/// Runs the command line of this process.
#[must_use]
pub fn main_entry() -> ExitCode {
    run(std::env::args_os()).into()
}

/// Runs a command line, the name of the program first.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(help) => {
            // Nobody may be reading; then there is nobody to tell.
            let _unread = help.print();
            return if help.use_stderr() {
                Exit::Usage
            } else {
                Exit::Ok
            };
        }
    };
    let environment = Environment::of_process();
    let events = commands::wants_events(&cli.command);
    match set_up_and_run(cli, environment) {
        Ok(exit) => exit,
        Err(failure) => {
            if events {
                write_quietly(&mut std::io::stdout(), &Event::error(&failure).line());
            }
            write_quietly(&mut std::io::stderr(), &format!("{failure}\n"));
            failure.exit()
        }
    }
}

fn set_up_and_run(cli: Cli, environment: Environment) -> Result<Exit, Failure> {
    logging::install(&environment)?;
    // An error means that one is installed already.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let home = Home::locate(&environment);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .max_blocking_threads(BLOCKING)
        .enable_all()
        .build()
        .map_err(|error| Failure::io("cannot start", &error))?;
    let graceful = commands::ends_in_order(&cli.command);
    let context = Context {
        colour: std::io::stdout().is_terminal() && environment.get("NO_COLOR").is_none(),
        environment,
        home,
        shutdown: CancellationToken::new(),
    };
    let shutdown = context.shutdown.clone();
    let ended = runtime.block_on(async move {
        let signals =
            Signals::install().map_err(|error| Failure::io("cannot watch for signals", &error))?;
        // A task of its own, so that a second signal ends the process even if
        // the command is stuck.
        let command = tokio::spawn(commands::run(cli.command, context));
        tokio::select! {
            biased;
            ended = command => match ended {
                Ok(ended) => ended,
                Err(error) => {
                    Err(Failure::new(Exit::Failed, "the command broke off").because(&error))
                }
            },
            exit = signals.watch(shutdown, graceful) => Ok(exit),
        }
    });
    // Whatever is still running must not hold the process up.
    runtime.shutdown_background();
    ended
}

/// Writes, or does not if nobody reads.
fn write_quietly(out: &mut dyn std::io::Write, text: &str) {
    let _unread = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
