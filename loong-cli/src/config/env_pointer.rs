//! Checks of `*_env` keys: they hold the *name* of a variable, and people put all
//! kinds of things there, secrets among them.

/// Why a pointer is refused: a stable code and what to write instead. The value
/// is never repeated, it may be a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PointerFault {
    pub(super) code: &'static str,
    pub(super) message: &'static str,
}

/// Beginnings of well-known tokens.
const TOKEN_PREFIXES: [&str; 7] = ["sk-", "rk-", "pk-", "ya29.", "bearer ", "ghp_", "glpat-"];
/// From here on, text with punctuation is taken for a token.
const LONG: usize = 24;

/// Checks the text of a pointer. Blank is fine: it switches the pointer off.
pub(super) fn check(raw: &str) -> Option<PointerFault> {
    let text = raw.trim();
    if text.is_empty() {
        return None;
    }
    let fault = |code, message| Some(PointerFault { code, message });
    if looks_secret(text) {
        return fault(
            "config.env_pointer.secret_literal",
            "this looks like a secret; write the name of the environment variable that holds it",
        );
    }
    if text.starts_with('$') {
        return fault(
            "config.env_pointer.dollar_prefix",
            "write the name of the environment variable without `$`",
        );
    }
    if text.len() > 2 && text.starts_with('%') && text.ends_with('%') {
        return fault(
            "config.env_pointer.percent_wrapped",
            "write the name of the environment variable without `%`",
        );
    }
    if is_assignment(text) {
        return fault(
            "config.env_pointer.assignment",
            "write only the name of the environment variable, not `NAME=value`",
        );
    }
    if !is_name(text) {
        return fault(
            "config.env_pointer.invalid_name",
            "not a name of an environment variable: letters, digits, `_`, `-` and `.`, \
             beginning with a letter, digit or `_`",
        );
    }
    None
}

/// Whether `text` may name a variable.
pub(super) fn is_name(text: &str) -> bool {
    let mut characters = text.chars();
    characters
        .next()
        .is_some_and(|first| first.is_ascii_alphanumeric() || first == '_')
        && characters.all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

fn is_assignment(text: &str) -> bool {
    let bare = ["export ", "set "]
        .iter()
        .find_map(|prefix| text.strip_prefix(prefix))
        .unwrap_or(text);
    bare.split_once('=')
        .is_some_and(|(name, _)| is_name(name.trim()))
}

fn looks_secret(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    TOKEN_PREFIXES
        .iter()
        .any(|prefix| lower.starts_with(prefix))
        || is_uuid(text)
        || (text.len() >= LONG
            && text.contains(['-', '.', ':', '/', '+'])
            && !is_name(text)
            && !text.starts_with(['$', '%'])
            && !is_assignment(text))
}

fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups
            .iter()
            .all(|group| group.bytes().all(|b| b.is_ascii_hexdigit()))
}
