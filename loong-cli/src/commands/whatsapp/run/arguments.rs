//! The flags of `bridge run`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::{cli::AccountArgs, config::Overrides};

pub(in crate::commands::whatsapp) const EXAMPLES: &str = "\
Examples:
  loong whatsapp-personal bridge run
  loong whatsapp-personal bridge run --allow +15551234567 --allow 120363040000000000@g.us
  loong whatsapp-personal bridge run --pairing-code '+1 555 123 4567'
  loong whatsapp-personal bridge run --events ndjson --qr-png /tmp/qr.png

The master key that seals the session is taken from the systemd credential
loong-master-key, else from the file in $LOONG_MASTER_KEY_FILE or the key
master_key_file, else from $LOONG_HOME/keys, where one is made. A backup needs the
session folder and the key.";

/// How events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::commands::whatsapp) enum EventFormat {
    /// One JSON object per line on standard output; text goes to standard error
    Ndjson,
}

#[derive(Debug, Args)]
pub(in crate::commands::whatsapp) struct RunArgs {
    #[command(flatten)]
    pub(super) which: AccountArgs,
    /// Link by a code that is typed on the phone; the account's own number
    ///
    /// Any spelling with the country code. The QR code is shown as well.
    #[arg(long, value_name = "PHONE", alias = "pairing-code-phone")]
    pub(super) pairing_code: Option<String>,
    /// The code to type, eight characters of your own
    #[arg(long, value_name = "CODE", requires = "pairing_code")]
    pub(super) custom_pairing_code: Option<String>,
    /// Accepted for old scripts: there is nothing to install
    #[arg(long)]
    pub(super) skip_install: bool,
    /// The folder of the session
    #[arg(long, value_name = "DIR")]
    pub(super) auth_dir: Option<String>,
    /// Where to listen, on loopback; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT[/PATH]")]
    pub(super) listen: Option<String>,
    /// Who may write: a number, a JID, a group id, or '*' for everyone; repeatable
    #[arg(long, value_name = "ID")]
    pub(super) allow: Vec<String>,
    /// Report events for programs
    #[arg(long, value_name = "FORMAT")]
    pub(in crate::commands::whatsapp) events: Option<EventFormat>,
    /// Keep the current QR code in a picture as long as there is one
    #[arg(long, value_name = "FILE")]
    pub(super) qr_png: Option<PathBuf>,
    /// Reach WhatsApp through this proxy (http:// or socks5://), or `direct`
    #[arg(long, value_name = "URL", help_heading = "Network")]
    pub(super) proxy: Option<String>,
    /// Another server in WhatsApp's place, wss:// or ws:// on loopback [env: LOONG_WHATSAPP_URL]
    #[arg(long, value_name = "URL", help_heading = "Network")]
    pub(super) wa_url: Option<String>,
    /// Certificates to trust besides the system's, PEM [env: LOONG_WHATSAPP_CA]
    #[arg(long, value_name = "FILE", help_heading = "Network")]
    pub(super) wa_ca: Option<String>,
    /// The protocol version to speak, such as 2.3000.1042742319 [env: LOONG_WHATSAPP_VERSION]
    #[arg(long, value_name = "VERSION", help_heading = "Network")]
    pub(super) wa_version: Option<String>,
}

impl RunArgs {
    /// What these flags say instead of the configuration.
    pub(super) fn overrides(&self) -> Overrides {
        Overrides {
            listen: self.listen.clone(),
            auth_dir: self.auth_dir.clone(),
            allow: self.allow.clone(),
            whatsapp_url: self.wa_url.clone(),
            whatsapp_ca: self.wa_ca.clone(),
            whatsapp_version: self.wa_version.clone(),
            proxy: self.proxy.clone(),
        }
    }
}
