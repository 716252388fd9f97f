//! One module per command.

mod admin_client;
pub(crate) mod whatsapp;

use tokio_util::sync::CancellationToken;

use crate::{
    cli::{AccountArgs, Command},
    config::{Config, ConfigPlace, Environment, Home},
    exit::Exit,
    failure::Failure,
};

/// What every command gets.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) environment: Environment,
    pub(crate) home: Home,
    /// Cancelled at the first signal.
    pub(crate) shutdown: CancellationToken,
    /// Whether standard output takes colours.
    pub(crate) colour: bool,
}

impl Context {
    /// Loads the configuration that a command means.
    pub(crate) fn config(&self, arguments: &AccountArgs) -> Result<Config, Failure> {
        let place = ConfigPlace::locate(arguments.config.as_deref(), &self.environment, &self.home);
        Ok(Config::load(
            &place,
            self.environment.clone(),
            self.home.clone(),
        )?)
    }
}

/// Runs a command to its end.
pub(crate) async fn run(command: Command, context: Context) -> Result<Exit, Failure> {
    match command {
        Command::WhatsApp(arguments) => Box::pin(whatsapp::run(arguments, context)).await,
    }
}

/// Whether errors are expected as JSON on standard output as well.
pub(crate) const fn wants_events(command: &Command) -> bool {
    match command {
        Command::WhatsApp(arguments) => arguments.wants_events(),
    }
}

/// Whether a command ends in order when it is asked to; any other is broken off.
pub(crate) const fn ends_in_order(command: &Command) -> bool {
    match command {
        Command::WhatsApp(arguments) => arguments.ends_in_order(),
    }
}

/// Blocking work off the threads that everything else runs on.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Failure::new(Exit::Failed, "an inner task broke off").because(&error))
}
