//! The process environment as a value, and the home folder that follows from it.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

/// A snapshot of environment variables. Values that are not UTF-8 are left out.
#[derive(Clone, Default)]
pub struct Environment(HashMap<String, String>);

// The variables may hold secrets.
impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Environment({} variables)", self.0.len())
    }
}

impl Environment {
    /// The variables of this process.
    #[must_use]
    pub fn of_process() -> Self {
        Self(
            std::env::vars_os()
                .filter_map(|(name, value)| {
                    Some((name.into_string().ok()?, value.into_string().ok()?))
                })
                .collect(),
        )
    }

    /// Exactly these variables.
    #[must_use]
    pub fn from_pairs<const N: usize>(pairs: [(&str, &str); N]) -> Self {
        let owned = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self(owned.into_iter().collect())
    }

    /// The trimmed value of a variable; `None` if it is unset or blank.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let value = self.0.get(name)?.trim();
        (!value.is_empty()).then_some(value)
    }

    /// `path` with a leading `~` or `~/` replaced by the user's folder. Left
    /// alone where there is none.
    #[must_use]
    pub fn expand(&self, path: &str) -> PathBuf {
        let user = || self.get("HOME").or_else(|| self.get("USERPROFILE"));
        let rest = match path {
            "~" => Some(""),
            _ => path.strip_prefix("~/"),
        };
        match rest.zip(user()) {
            Some(("", user)) => PathBuf::from(user),
            Some((rest, user)) => Path::new(user).join(rest),
            None => PathBuf::from(path),
        }
    }
}

/// The folder that everything of ours lies in by default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home(PathBuf);

impl Home {
    /// `$LOONG_HOME`, else `$HOME/.loong`, else `$USERPROFILE/.loong`, else
    /// `./.loong`.
    #[must_use]
    pub fn locate(environment: &Environment) -> Self {
        if let Some(home) = environment.get("LOONG_HOME") {
            return Self(environment.expand(home));
        }
        let user = environment
            .get("HOME")
            .or_else(|| environment.get("USERPROFILE"))
            .unwrap_or(".");
        Self(Path::new(user).join(".loong"))
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.0
    }

    /// The configuration file that is read when none is named.
    #[must_use]
    pub fn config_file(&self) -> PathBuf {
        self.0.join("config.toml")
    }

    /// Where an account keeps its session when the configuration does not say.
    #[must_use]
    pub fn auth_dir(&self, surface: bridge_core::account::Surface, account: &str) -> PathBuf {
        self.0.join(surface.channel_id()).join(account)
    }

    /// The file of a generated master key: outside the folder of the data, so
    /// that a copy of the data alone is worthless.
    #[must_use]
    pub fn key_file(&self, surface: bridge_core::account::Surface, account: &str) -> PathBuf {
        self.0
            .join("keys")
            .join(format!("{}-{account}.key", surface.channel_id()))
    }
}
