//! `loong whatsapp-personal session …`.

mod rotate;
mod status;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{
    super::{Context, admin_client::AdminClient, blocking},
    folder::SessionFolder,
};
use crate::{
    cli::AccountArgs,
    config::{BridgeEndpoint, Config, Overrides, WhatsAppAccount},
    exit::Exit,
    failure::Failure,
};

#[derive(Debug, Subcommand)]
pub(super) enum SessionCommand {
    /// How the session of a running bridge is doing
    #[command(after_help = "Example:\n  loong whatsapp-personal session status --json")]
    Status {
        #[command(flatten)]
        which: SessionArgs,
        /// Print the bridge's own JSON
        #[arg(long)]
        json: bool,
    },
    /// Removes this device from the account, and archives its credentials
    ///
    /// WhatsApp is told first, so the bridge has to run and be online.
    #[command(after_help = "Example:\n  loong whatsapp-personal session unlink")]
    Unlink {
        #[command(flatten)]
        which: SessionArgs,
    },
    /// Lets a session that waits or was replaced try again now
    #[command(after_help = "Example:\n  loong whatsapp-personal session reconnect")]
    Reconnect {
        #[command(flatten)]
        which: SessionArgs,
    },
    /// The master key that seals the session
    #[command(arg_required_else_help = true)]
    Key {
        #[command(subcommand)]
        command: KeyCommand,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// Makes a new master key and seals the session with it; the bridge is stopped
    #[command(after_help = "Example:\n  loong whatsapp-personal session key rotate")]
    Rotate {
        #[command(flatten)]
        which: SessionArgs,
    },
}

/// Which session.
#[derive(Debug, Clone, Args)]
pub(super) struct SessionArgs {
    #[command(flatten)]
    which: AccountArgs,
    /// The folder of the session
    #[arg(long, value_name = "DIR")]
    auth_dir: Option<String>,
}

pub(super) async fn run(command: SessionCommand, context: Context) -> Result<Exit, Failure> {
    match command {
        SessionCommand::Status { which, json } => {
            let session = Session::find(&which, &context)?;
            let answer = session.client()?.get("status").await?;
            print(&if json {
                status::as_json(&answer)
            } else {
                status::as_text(&answer)
            });
        }
        SessionCommand::Unlink { which } => {
            let session = Session::find(&which, &context)?;
            session
                .client()?
                .post("session/unlink", &session.body())
                .await?;
            print(
                "unlinked: WhatsApp has removed this device, and its credentials are archived\n  \
                 next: restart the bridge to link again",
            );
        }
        SessionCommand::Reconnect { which } => {
            let session = Session::find(&which, &context)?;
            session
                .client()?
                .post("session/nudge", &session.body())
                .await?;
            print("the bridge is trying again");
        }
        SessionCommand::Key {
            command: KeyCommand::Rotate { which },
        } => {
            let session = Session::find(&which, &context)?;
            let report = blocking(move || rotate::rotate(&session.config, &session.account));
            print(&report.await??);
        }
    }
    Ok(Exit::Ok)
}

/// The session that a command means.
struct Session {
    config: Config,
    account: WhatsAppAccount,
}

impl Session {
    fn find(which: &SessionArgs, context: &Context) -> Result<Self, Failure> {
        let config = context.config(&which.which)?;
        let flags = Overrides {
            auth_dir: which.auth_dir.clone(),
            ..Overrides::default()
        };
        let account = config.whatsapp(which.which.account.as_deref(), &flags)?;
        Ok(Self { config, account })
    }

    /// The bridge that runs this session: where it noted itself, else where the
    /// configuration puts it.
    fn client(&self) -> Result<AdminClient, Failure> {
        let folder = SessionFolder::new(&self.account.auth_dir.value);
        let Some(token) = folder.token()? else {
            return Err(Failure::new(
                Exit::Unreachable,
                format!(
                    "no bridge has run with the session folder {} yet",
                    self.account.auth_dir.value.display()
                ),
            )
            .next("start it: loong whatsapp-personal bridge run"));
        };
        let url = match (folder.running(), &self.account.channel.bridge_url) {
            (Some(running), _) => running.url,
            (None, Some(url)) => url.value.clone(),
            (None, None) => BridgeEndpoint::default().to_string(),
        };
        // The token must not leave this machine, whatever a file says.
        BridgeEndpoint::parse(&url).map_err(|error| {
            Failure::usage("the bridge's address cannot be used").because(&error)
        })?;
        AdminClient::new(&url, token)
    }

    fn body(&self) -> serde_json::Value {
        let identity = &self.account.channel.identity;
        json!({
            "channel": identity.surface.channel_id(),
            "account": identity.configured,
        })
    }
}

/// Prints a result; silent if nobody reads it.
fn print(text: &str) {
    use std::io::Write as _;
    let mut out = std::io::stdout();
    let _unread = writeln!(out, "{text}").and_then(|()| out.flush());
}
