//! Logs on standard error: `LOONG_LOG` or `RUST_LOG` says which, and
//! `LOONG_LOG_FORMAT` how (`compact`, `pretty` or `json`).

use std::io::IsTerminal as _;

use tracing_subscriber::{EnvFilter, fmt};

use crate::{config::Environment, failure::Failure};

/// What is logged when nobody asks: what someone may have to act on. Of the
/// library, only what our own states do not say better.
const DEFAULT: &str = "warn,whatsapp_rust=error,wacore=error,whatsapp_rust::client::lifecycle=off";

/// Installs the subscriber of the process.
///
/// # Errors
/// When a filter or a format cannot be understood.
pub(crate) fn install(environment: &Environment) -> Result<(), Failure> {
    let named = ["LOONG_LOG", "RUST_LOG"]
        .into_iter()
        .find_map(|name| environment.get(name).map(|filter| (name, filter)));
    let filter = match named {
        Some((name, filter)) => EnvFilter::try_new(filter).map_err(|error| {
            Failure::usage(format!("{name} is not a log filter"))
                .because(&error)
                .next(format!(
                    "for example: {name}=info, or {name}=warn,wa_web=debug"
                ))
        })?,
        None => EnvFilter::new(DEFAULT),
    };
    let colour = std::io::stderr().is_terminal() && environment.get("NO_COLOR").is_none();
    let builder = fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colour);
    let installed = match environment.get("LOONG_LOG_FORMAT") {
        None | Some("compact") => builder.compact().try_init(),
        Some("pretty") => builder.pretty().try_init(),
        Some("json") => builder.json().try_init(),
        Some(other) => {
            return Err(Failure::usage(format!(
                "LOONG_LOG_FORMAT is `{other}`, which is no format"
            ))
            .next("use compact, pretty or json"));
        }
    };
    if let Err(error) = installed {
        // A test or an embedding program has one already; that one counts.
        tracing::debug!(%error, "logging was set up before");
    }
    Ok(())
}
