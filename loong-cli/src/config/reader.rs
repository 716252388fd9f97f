//! Reading TOML tables key by key, with places, types checked, and left-over keys
//! reported.

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    issue::{Issue, Severity},
    source::{Located, Position, Source},
};

/// A table that is being taken apart.
pub(super) struct TableReader<'d> {
    source: &'d Source,
    table: DeTable<'d>,
    path: String,
    known: Vec<&'static str>,
}

impl<'d> TableReader<'d> {
    pub(super) const fn new(source: &'d Source, table: DeTable<'d>, path: String) -> Self {
        Self {
            source,
            table,
            path,
            known: Vec::new(),
        }
    }

    /// The full key of `key` in this table.
    pub(super) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// Takes a value out, whatever its type.
    pub(super) fn take(&mut self, key: &'static str) -> Option<(Position, DeValue<'d>)> {
        self.known.push(key);
        let value = self.table.remove(key)?;
        Some((self.source.position(&value.span()), value.into_inner()))
    }

    pub(super) fn text(
        &mut self,
        key: &'static str,
        issues: &mut Vec<Issue>,
    ) -> Option<Located<String>> {
        let (at, value) = self.take(key)?;
        let text = match value {
            DeValue::String(text) => Some(text.into_owned()),
            other => {
                self.wrong_type(key, at, "a string", &other, issues);
                None
            }
        };
        self.located(key, at, text)
    }

    pub(super) fn boolean(
        &mut self,
        key: &'static str,
        issues: &mut Vec<Issue>,
    ) -> Option<Located<bool>> {
        let (at, value) = self.take(key)?;
        let flag = match value {
            DeValue::Boolean(flag) => Some(flag),
            other => {
                self.wrong_type(key, at, "true or false", &other, issues);
                None
            }
        };
        self.located(key, at, flag)
    }

    /// A whole number above zero.
    pub(super) fn count(
        &mut self,
        key: &'static str,
        issues: &mut Vec<Issue>,
    ) -> Option<Located<usize>> {
        let (at, value) = self.take(key)?;
        let number = match &value {
            DeValue::Integer(digits) => usize::from_str_radix(digits.as_str(), digits.radix())
                .ok()
                .filter(|number| *number > 0),
            _ => None,
        };
        if number.is_none() {
            self.wrong_type(key, at, "a whole number above zero", &value, issues);
        }
        self.located(key, at, number)
    }

    pub(super) fn texts(
        &mut self,
        key: &'static str,
        issues: &mut Vec<Issue>,
    ) -> Option<Located<Vec<String>>> {
        let (at, value) = self.take(key)?;
        let items = match value {
            DeValue::Array(items) => items,
            other => {
                self.wrong_type(key, at, "an array of strings", &other, issues);
                return None;
            }
        };
        let mut texts = Vec::new();
        for item in items {
            let item_at = self.source.position(&item.span());
            match item.into_inner() {
                DeValue::String(text) => texts.push(text.into_owned()),
                other => self.wrong_type(key, item_at, "an array of strings", &other, issues),
            }
        }
        self.located(key, at, Some(texts))
    }

    /// A table below this one.
    pub(super) fn table(
        &mut self,
        key: &'static str,
        issues: &mut Vec<Issue>,
    ) -> Option<(Position, Self)> {
        let (at, value) = self.take(key)?;
        match value {
            DeValue::Table(table) => Some((at, Self::new(self.source, table, self.path_of(key)))),
            other => {
                self.wrong_type(key, at, "a table", &other, issues);
                None
            }
        }
    }

    /// Everything that is left, as tables by key, in the order of the file.
    pub(super) fn into_tables(self, issues: &mut Vec<Issue>) -> Vec<(String, Position, Self)> {
        let mut tables = Vec::new();
        for (key, value) in self.table {
            let at = self.source.position(&key.span());
            let key = key.into_inner().into_owned();
            let path = format!("{}.{key}", self.path);
            match value.into_inner() {
                DeValue::Table(table) => {
                    tables.push((key, at, Self::new(self.source, table, path)));
                }
                other => issues.push(type_issue(path, at, "a table", &other)),
            }
        }
        tables.sort_by_key(|(_, at, _)| *at);
        tables
    }

    /// Warns about every key that was not asked for.
    pub(super) fn finish(self, issues: &mut Vec<Issue>) {
        for (key, _) in &self.table {
            let at = self.source.position(&key.span());
            let name: &str = key.get_ref();
            let hint = nearest(name, &self.known)
                .map(|known| format!("; did you mean `{known}`?"))
                .unwrap_or_default();
            issues.push(Issue {
                severity: Severity::Warning,
                code: "config.key.unknown",
                path: self.path_of(name),
                at,
                message: format!("unknown key, it has no effect{hint}"),
            });
        }
    }

    pub(super) fn wrong_type(
        &self,
        key: &str,
        at: Position,
        wanted: &str,
        found: &DeValue<'_>,
        issues: &mut Vec<Issue>,
    ) {
        issues.push(type_issue(self.path_of(key), at, wanted, found));
    }

    fn located<T>(&self, key: &str, at: Position, value: Option<T>) -> Option<Located<T>> {
        value.map(|value| Located {
            value,
            at,
            path: self.path_of(key),
        })
    }
}

fn type_issue(path: String, at: Position, wanted: &str, found: &DeValue<'_>) -> Issue {
    Issue {
        severity: Severity::Error,
        code: "config.value.type",
        path,
        at,
        message: format!("expected {wanted}, found {}", describe(found)),
    }
}

/// What a value is, without repeating it: it may be a secret.
pub(super) const fn describe(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

/// The known key that a misspelt one was probably meant to be.
fn nearest(name: &str, known: &[&'static str]) -> Option<&'static str> {
    known
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), *candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 4)
        .min()
        .map(|(_, candidate)| candidate)
}

/// The top level of a parsed document.
pub(super) fn root<'d>(source: &'d Source, document: Spanned<DeTable<'d>>) -> TableReader<'d> {
    TableReader::new(source, document.into_inner(), String::new())
}
