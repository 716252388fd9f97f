//! Runs every test that needs nothing but Rust and a C compiler:
//! `cargo run -p loong-tests --bin check`.
//!
//! Cargo unifies features within one invocation, and the simulators' tests need
//! a client that does not check certificates. So the shipped binary is built by
//! an invocation of its own, and the tests are told where it lies.

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::Instant,
};

use clap::Parser;

/// Build the shipped binary alone, then run all tests against it.
#[derive(Debug, Parser)]
struct Options {
    /// Test a debug build of the binary instead of the release build.
    #[arg(long)]
    dev: bool,
    /// Run only the tests whose name contains this.
    filter: Option<String>,
}

/// The packages whose tests run without the simulators' features.
const PLAIN: [&str; 5] = [
    "loong-proto",
    "bridge-core",
    "wa-web",
    "ilink-client",
    "loong-cli",
];

#[expect(clippy::print_stderr, reason = "this is a command line tool")]
fn main() -> ExitCode {
    let options = Options::parse();
    let started = Instant::now();
    let result = run(&options);
    let took = started.elapsed().as_secs();
    match result {
        Ok(()) => {
            eprintln!("check: everything passed in {took} s");
            ExitCode::SUCCESS
        }
        Err(what) => {
            eprintln!("check: {what} failed after {took} s");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map_or_else(|| PathBuf::from("."), Path::to_path_buf);
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let profile = if options.dev { "debug" } else { "release" };
    let binary = target
        .join(profile)
        .join(format!("loong{}", std::env::consts::EXE_SUFFIX));

    let mut build = cargo(
        &root,
        &["build", "--locked", "-p", "loong-cli", "--bin", "loong"],
    );
    if !options.dev {
        build.arg("--release");
    }
    step("the build of the shipped binary", &mut build)?;

    let filter: Vec<&str> = options.filter.as_deref().into_iter().collect();
    let mut plain = cargo(&root, &["test", "--locked"]);
    for package in PLAIN {
        plain.args(["-p", package]);
    }
    step("the libraries' tests", plain.args(&filter))?;

    let mut simulated = cargo(&root, &["test", "--locked", "-p", "loong-tests"]);
    simulated.env("LOONG_BIN", &binary);
    step("the tests on the simulators", simulated.args(&filter))
}

fn cargo(root: &Path, args: &[&str]) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.current_dir(root).args(args);
    command
}

#[expect(clippy::print_stderr, reason = "this is a command line tool")]
fn step(what: &str, command: &mut Command) -> Result<(), String> {
    eprintln!("check: {what}");
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(what.to_owned()),
        Err(error) => Err(format!("{what} ({error})")),
    }
}
