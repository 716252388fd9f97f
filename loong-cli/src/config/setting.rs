//! Values together with what decided them.

use super::{environment::Environment, source::Located};

/// What decided a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A flag of the command line.
    Flag(&'static str),
    /// The configuration file.
    File {
        /// The full key.
        path: String,
        /// The line.
        line: usize,
    },
    /// An environment variable.
    Variable(String),
    /// Nobody: it is the default.
    Default,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Flag(flag) => f.write_str(flag),
            Self::File { path, line } => write!(f, "{path} (line {line})"),
            Self::Variable(name) => write!(f, "${name}"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A value and its origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting<T> {
    /// The value.
    pub value: T,
    /// What decided it.
    pub origin: Origin,
}

impl<T> Setting<T> {
    /// A value that nobody chose.
    pub const fn default_of(value: T) -> Self {
        Self {
            value,
            origin: Origin::Default,
        }
    }

    /// A value of a flag.
    pub const fn flag(flag: &'static str, value: T) -> Self {
        Self {
            value,
            origin: Origin::Flag(flag),
        }
    }

    pub(super) fn file(located: &Located<T>) -> Self
    where
        T: Clone,
    {
        Self {
            value: located.value.clone(),
            origin: Origin::File {
                path: located.path.clone(),
                line: located.at.line,
            },
        }
    }

    /// The same origin, another value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Setting<U> {
        Setting {
            value: change(self.value),
            origin: self.origin,
        }
    }
}

/// Where a text may come from, in the order of precedence. `None` anywhere means
/// that this place says nothing.
#[derive(Debug, Default)]
pub(super) struct TextPlaces<'a> {
    pub(super) flag: Option<(&'static str, &'a str)>,
    pub(super) account: Option<&'a Located<String>>,
    pub(super) root: Option<&'a Located<String>>,
    pub(super) account_pointer: Option<&'a Located<String>>,
    pub(super) root_pointer: Option<&'a Located<String>>,
    pub(super) variable: &'static str,
}

impl TextPlaces<'_> {
    /// The first place that says something, trimmed. A blank pointer switches the
    /// variable off.
    pub(super) fn resolve(&self, environment: &Environment) -> Option<Setting<String>> {
        if let Some((flag, text)) = self.flag {
            return Some(Setting::flag(flag, text.trim().to_owned()));
        }
        let literal = [self.account, self.root]
            .into_iter()
            .flatten()
            .find(|literal| !literal.value.trim().is_empty());
        if let Some(literal) = literal {
            return Some(Setting::file(literal).map(|text| text.trim().to_owned()));
        }
        let pointer = self.account_pointer.or(self.root_pointer);
        let name = pointer.map_or(self.variable, |pointer| pointer.value.trim());
        let value = environment.get(name)?;
        Some(Setting {
            value: value.to_owned(),
            origin: Origin::Variable(name.to_owned()),
        })
    }
}
