//! `wa-sim`: a simulated WhatsApp on loopback, and sessions for it. Only the
//! command line is here; the work is in the library.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Args, Parser, Subcommand};
use loong_tests::sim_client::SimClient;
use loong_tests::wa_sim::control::{self, Control};
use loong_tests::wa_sim::hub::Hub;
use loong_tests::wa_sim::link::{LinkOptions, LinkedPhone, link_remote};
use loong_tests::wa_sim::phone::book::PhoneBook;
use loong_tests::wa_sim::server::{SimOptions, SimServer};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// A simulated WhatsApp: a server with phones, for tests of clients.
///
/// Without a subcommand it serves until SIGTERM, SIGINT or the shutdown call,
/// and prints one JSON line with its addresses. tests/README.md documents the
/// control API.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Serve,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Hand out a linked session of a running simulator, as if it had paired.
    Link(Link),
}

#[derive(Debug, Args)]
struct Serve {
    /// Where to listen for ws:// and the control API.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Where to listen for wss:// as well, with a certificate made for it.
    #[arg(long, value_name = "ADDR")]
    tls_listen: Option<SocketAddr>,
    /// Write the certificate of the wss:// listener's authority here.
    #[arg(long, value_name = "FILE", requires = "tls_listen")]
    ca_file: Option<PathBuf>,
    /// Fixes keys, numbers and ids.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Compress every frame to clients.
    #[arg(long)]
    compress: bool,
    /// Refuse what the real server refuses and clients usually get away with.
    #[arg(long)]
    strict: bool,
}

#[derive(Debug, Args)]
struct Link {
    /// The simulator's control address, as printed.
    #[arg(long, value_name = "URL")]
    sim: String,
    /// The session folder to write.
    #[arg(long, value_name = "DIR")]
    auth_dir: PathBuf,
    /// The file with the key that seals it; made if missing. Default: the
    /// folder's name with `.key`, beside it.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// The account's number; a phone is made if there is none.
    #[arg(long, value_name = "DIGITS")]
    number: Option<String>,
    /// The account's name, if its phone is made.
    #[arg(long, value_name = "NAME", default_value = "Simulated phone")]
    push_name: String,
    /// The phone addresses people by LID, if it is made.
    #[arg(long)]
    lid: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_env("WA_SIM_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let cli = Cli::parse();
    let result = match cli.command {
        Some(Command::Link(link)) => hand_out(link).await,
        None => serve(cli.serve).await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(args: Serve) -> Result<()> {
    let options = SimOptions {
        listen: args.listen,
        tls_listen: args.tls_listen,
        seed: args.seed,
        compress: args.compress,
        strict: args.strict,
    };
    let hub = Hub::new(&options)?;
    let control = Control::new(PhoneBook::new(hub.clone()));
    let router = control::router(control.clone());
    let server = SimServer::start_with(options, hub, router).await?;
    let ca_file = match (&args.ca_file, server.ca_pem()) {
        (Some(path), Some(pem)) => {
            tokio::fs::write(path, pem)
                .await
                .with_context(|| format!("cannot write {}", path.display()))?;
            Some(path.display().to_string())
        }
        _ => None,
    };
    print_line(&serde_json::json!({
        "control": format!("http://{}", server.http_addr()),
        "ws": server.ws_url(),
        "wss": server.wss_url(),
        "ca_file": ca_file,
        "seed": args.seed,
    }))?;
    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = control.shutdown().cancelled() => {}
    }
    server.shutdown().await;
    Ok(())
}

async fn hand_out(args: Link) -> Result<()> {
    let key_file = args
        .key_file
        .unwrap_or_else(|| args.auth_dir.with_added_extension("key"));
    let options = LinkOptions::new(args.auth_dir, key_file);
    let phone = LinkedPhone {
        number: args.number,
        push_name: args.push_name,
        by_lid: args.lid,
    };
    let sim = SimClient::new(args.sim)?;
    let session = link_remote(&sim, &phone, &options).await?;
    print_line(&serde_json::to_value(session)?)
}

/// One line on standard output, for whoever started this.
fn print_line(value: &serde_json::Value) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{value}")?;
    out.flush()?;
    Ok(())
}
