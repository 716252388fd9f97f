//! Finding and loading the file.

use std::path::{Path, PathBuf};

use super::{
    environment::{Environment, Home},
    issue::{ConfigError, Issue, Severity},
    raw::RawConfig,
    source::Source,
    validate,
};

/// Larger than any configuration; such a file is a mistake.
const MAX_FILE: u64 = 4 << 20;

/// Which file is the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigPlace {
    /// Named by `--config` or `LOONG_CONFIG_PATH`: it has to exist.
    Named(PathBuf),
    /// The default file: it may be missing.
    Default(PathBuf),
}

impl ConfigPlace {
    /// `--config`, else `LOONG_CONFIG_PATH`, else `config.toml` in the home.
    #[must_use]
    pub fn locate(flag: Option<&str>, environment: &Environment, home: &Home) -> Self {
        flag.or_else(|| environment.get("LOONG_CONFIG_PATH"))
            .map_or_else(
                || Self::Default(home.config_file()),
                |path| Self::Named(environment.expand(path)),
            )
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Named(path) | Self::Default(path) => path,
        }
    }
}

/// A configuration without errors.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file it is from; `None` if there is no file.
    pub file: Option<PathBuf>,
    /// What it says.
    pub raw: RawConfig,
    /// What is odd about it.
    pub warnings: Vec<Issue>,
    /// The variables that pointers point to.
    pub environment: Environment,
    /// Where defaults lie.
    pub home: Home,
}

impl Config {
    /// What holds without any file.
    #[must_use]
    pub fn empty(environment: Environment, home: Home) -> Self {
        Self {
            file: None,
            raw: RawConfig::default(),
            warnings: Vec::new(),
            environment,
            home,
        }
    }

    /// Loads the file at `place`; a default file that does not exist is an empty
    /// configuration.
    ///
    /// # Errors
    /// When the file is missing although it was named, cannot be read, is not
    /// TOML, or has an issue of severity `error` in one of our tables.
    pub fn load(
        place: &ConfigPlace,
        environment: Environment,
        home: Home,
    ) -> Result<Self, ConfigError> {
        match read(place.path()) {
            Ok(text) => Self::parse(place.path(), text, environment, home),
            Err(ConfigError::Missing { .. }) if matches!(place, ConfigPlace::Default(_)) => {
                Ok(Self::empty(environment, home))
            }
            Err(error) => Err(error),
        }
    }

    /// As [`Config::load`], for text that is already at hand; `path` is named in
    /// messages and is what relative paths are relative to.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(
        path: &Path,
        text: String,
        environment: Environment,
        home: Home,
    ) -> Result<Self, ConfigError> {
        let source = Source {
            file: path.to_owned(),
            text,
        };
        let mut issues = Vec::new();
        let raw = RawConfig::parse(&source, &mut issues)?;
        validate::check(&raw, &environment, &mut issues);
        issues.sort_by_key(|issue| issue.at);
        if issues.iter().any(|issue| issue.severity == Severity::Error) {
            return Err(ConfigError::Invalid {
                path: source.file,
                issues,
            });
        }
        Ok(Self {
            file: Some(source.file),
            raw,
            warnings: issues,
            environment,
            home,
        })
    }

    /// The folder that relative paths of the file are relative to.
    #[must_use]
    pub fn base(&self) -> &Path {
        self.file
            .as_deref()
            .and_then(Path::parent)
            .unwrap_or(Path::new(""))
    }
}

fn read(path: &Path) -> Result<String, ConfigError> {
    use std::io::Read as _;
    let unreadable = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::NotFound => ConfigError::Missing {
            path: path.to_owned(),
        },
        _ => ConfigError::Unreadable {
            path: path.to_owned(),
            source,
        },
    };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut text = String::new();
    file.take(MAX_FILE)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    Ok(text)
}
