//! The configuration as a whole: what is refused, and what is decided by whom.

mod messages;
mod precedence;
mod properties;

use std::path::Path;

use super::{Config, ConfigError, Environment, Home};

fn parse_in(environment: Environment, text: &str) -> Result<Config, ConfigError> {
    let home = Home::locate(&environment);
    Config::parse(
        Path::new("/etc/x/loong.toml"),
        text.to_owned(),
        environment,
        home,
    )
}

fn parse(text: &str) -> Result<Config, ConfigError> {
    parse_in(Environment::from_pairs([("HOME", "/u")]), text)
}

fn good(text: &str) -> Config {
    parse(text).unwrap_or_else(|error| panic!("{error}"))
}
