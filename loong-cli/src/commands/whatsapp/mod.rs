//! `loong whatsapp-personal …`.

mod folder;
mod keys;
mod run;
mod session;

use clap::{Args, Subcommand};

use self::run::{EventFormat, RunArgs};
use super::Context;
use crate::{exit::Exit, failure::Failure};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: WhatsAppCommand,
}

#[derive(Debug, Subcommand)]
enum WhatsAppCommand {
    /// The bridge between the account and programs on this machine
    #[command(arg_required_else_help = true)]
    Bridge {
        #[command(subcommand)]
        command: BridgeCommand,
    },
    /// The link between the account and this machine
    #[command(arg_required_else_help = true)]
    Session {
        #[command(subcommand)]
        command: session::SessionCommand,
    },
}

#[derive(Debug, Subcommand)]
enum BridgeCommand {
    /// Links the account if need be, and serves it until it is stopped
    ///
    /// Shows a QR code while no account is linked. Listens on loopback only; what
    /// arrives is kept on disk until a program has acknowledged it.
    #[command(after_help = run::EXAMPLES)]
    Run(Box<RunArgs>),
}

impl Arguments {
    pub(crate) const fn wants_events(&self) -> bool {
        match &self.command {
            WhatsAppCommand::Bridge {
                command: BridgeCommand::Run(arguments),
            } => matches!(arguments.events, Some(EventFormat::Ndjson)),
            WhatsAppCommand::Session { .. } => false,
        }
    }

    pub(crate) const fn ends_in_order(&self) -> bool {
        matches!(self.command, WhatsAppCommand::Bridge { .. })
    }
}

pub(crate) async fn run(arguments: Arguments, context: Context) -> Result<Exit, Failure> {
    match arguments.command {
        WhatsAppCommand::Bridge {
            command: BridgeCommand::Run(arguments),
        } => Box::pin(run::run(*arguments, context)).await,
        WhatsAppCommand::Session { command } => Box::pin(session::run(command, context)).await,
    }
}
