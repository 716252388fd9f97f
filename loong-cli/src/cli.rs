//! The command line.

use clap::{Args, Parser, Subcommand};

use crate::{commands::whatsapp, exit::Exit};

/// A native bridge between messengers and programs on this machine.
#[derive(Debug, Parser)]
#[command(
    name = "loong",
    version,
    propagate_version = true,
    arg_required_else_help = true,
    after_help = "Example:\n  loong whatsapp-personal bridge run",
    after_long_help = exit_help()
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Your own WhatsApp account, linked like WhatsApp Web
    #[command(
        name = "whatsapp-personal",
        visible_aliases = ["whatsapp-web", "wa-personal"],
        arg_required_else_help = true
    )]
    WhatsApp(whatsapp::Arguments),
}

/// Which configuration, and which account in it.
#[derive(Debug, Clone, Args)]
pub(crate) struct AccountArgs {
    /// The configuration file
    ///
    /// Without it, $LOONG_CONFIG_PATH, else config.toml in $LOONG_HOME (~/.loong).
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<String>,
    /// The account, where the configuration has several
    #[arg(long, value_name = "ID")]
    pub(crate) account: Option<String>,
}

fn exit_help() -> String {
    format!(
        "Example:\n  loong whatsapp-personal bridge run\n\n{}\n\n\
         Environment:\n  \
         LOONG_HOME         where everything lies by default (~/.loong)\n  \
         LOONG_CONFIG_PATH  the configuration file, as --config\n  \
         LOONG_LOG          what is logged to standard error: warn, info, wa_web=debug, …\n  \
         LOONG_LOG_FORMAT   compact, pretty or json\n  \
         NO_COLOR           no colours",
        Exit::table()
    )
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
