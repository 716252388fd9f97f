//! Unmodified third-party clients against the simulated WhatsApp and against the
//! shipped bridge: `cargo run -p loong-tests --bin interop`.
//!
//! Needs Node and `npm ci` in `tests/interop/baileys`; scenarios with the bridge
//! need the `loong` binary, built by an invocation of its own or named by
//! `LOONG_BIN`.

use std::process::ExitCode;

use clap::Parser;
use loong_tests::interop::{Report, Scenario, Stage, StageOptions, all, run};
use tracing_subscriber::EnvFilter;

/// Run third-party clients against the simulator and the bridge.
#[derive(Debug, Parser)]
struct Options {
    /// Fixes the simulator's keys, numbers and ids.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Play only the scenarios whose name contains this.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Print the scenarios' names and end.
    #[arg(long)]
    list: bool,
}

#[expect(clippy::print_stdout, reason = "this is a command line tool")]
fn say(line: &str) {
    println!("{line}");
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_unset| EnvFilter::new("off"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let only = options.only.unwrap_or_default();
    let mut scenarios: Vec<Scenario> = all()
        .into_iter()
        .filter(|s| s.name.contains(&only))
        .collect();
    if options.list {
        for scenario in &scenarios {
            say(scenario.name);
        }
        return Ok(ExitCode::SUCCESS);
    }
    say("over plain WebSockets");
    let mut report = play(options.seed, false, &scenarios).await?;
    scenarios.retain(|scenario| scenario.wrapped_too);
    if !scenarios.is_empty() {
        say("over TLS, with compressed frames");
        report = report.and(play(options.seed, true, &scenarios).await?);
    }
    say(&format!(
        "interop: {} passed, {} failed",
        report.passed, report.failed
    ));
    let good = report.failed == 0 && report.passed > 0;
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn play(seed: u64, wrapped: bool, scenarios: &[Scenario]) -> anyhow::Result<Report> {
    let stage = Stage::start(StageOptions { seed, wrapped }).await?;
    let report = run(&stage, scenarios, say).await;
    stage.end().await;
    Ok(report)
}
