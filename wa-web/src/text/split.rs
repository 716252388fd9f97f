//! Cutting a long text into messages: between paragraphs if possible, else
//! between lines, sentences, words, and only then inside a word, but never
//! inside what a reader sees as one character. A block of code that is cut is
//! closed and opened again.

use unicode_segmentation::UnicodeSegmentation;

use super::format::FENCE;

/// Room for closing a block of code at the end of a part, and for opening it
/// again: the fence and a line break.
const FENCE_ROOM: usize = 4;

/// Cuts `text`, in which every fence stands alone on its line and is closed,
/// into parts of at most `limit` characters. No part is blank; a blank text has
/// no parts.
pub(super) fn split(text: &str, limit: usize) -> Vec<String> {
    let mut parts = Vec::new();
    let mut rest = text.trim_end();
    let mut in_code = false;
    while !rest.trim().is_empty() {
        if in_code && let Some(after) = without_fence(rest) {
            in_code = false;
            rest = after;
            continue;
        }
        let opening = if in_code { FENCE_ROOM } else { 0 };
        if fits(rest, limit.saturating_sub(opening)) {
            push(&mut parts, in_code, rest, false);
            break;
        }
        let cut = cut(rest, limit.saturating_sub(opening + FENCE_ROOM).max(1));
        let (piece, next) = rest.split_at_checked(cut).unwrap_or((rest, ""));
        let opened = in_code;
        in_code = code_after(piece, in_code);
        push(&mut parts, opened, piece, in_code);
        rest = if in_code {
            next.strip_prefix('\n').unwrap_or(next)
        } else {
            trim_start(next)
        };
    }
    parts
}

/// Adds a part unless there is nothing in it but fences.
fn push(parts: &mut Vec<String>, opened: bool, piece: &str, open_at_end: bool) {
    let mut lines: Vec<&str> = piece.lines().collect();
    while lines.last().is_some_and(|line| line.trim().is_empty()) {
        lines.pop();
    }
    let mut closing = open_at_end;
    if open_at_end && lines.last().is_some_and(|line| is_fence(line)) {
        // Cut right behind a fence that opens a block: the next part opens it.
        lines.pop();
        closing = false;
    }
    if lines
        .iter()
        .all(|line| line.trim().is_empty() || is_fence(line))
    {
        return;
    }
    if opened {
        lines.insert(0, FENCE);
    }
    if closing {
        lines.push(FENCE);
    }
    parts.push(lines.join("\n").trim_end().to_owned());
}

fn is_fence(line: &str) -> bool {
    line.trim() == FENCE
}

/// Whether a block of code is open behind `piece`.
fn code_after(piece: &str, before: bool) -> bool {
    piece.lines().filter(|line| is_fence(line)).count() % 2 == usize::from(!before)
}

/// What follows a fence that stands first; blank lines before it do not count.
fn without_fence(rest: &str) -> Option<&str> {
    let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
    is_fence(line).then(|| trim_start(after))
}

fn fits(text: &str, limit: usize) -> bool {
    text.len() <= limit || text.chars().nth(limit).is_none()
}

/// Where to cut: a byte index greater than 0 with at most `room` characters
/// before it.
fn cut(text: &str, room: usize) -> usize {
    let mut borders = Borders::default();
    let mut used = 0;
    let mut end = 0;
    let mut last = "";
    for (at, grapheme) in text.grapheme_indices(true) {
        borders.note(text, at, last, grapheme);
        used += grapheme.chars().count();
        if used > room {
            break;
        }
        end = at + grapheme.len();
        last = grapheme;
    }
    if end == 0 {
        // One "character" longer than a message, say a letter with thousands of
        // accents, is cut between code points.
        return text
            .char_indices()
            .nth(room)
            .map_or(text.len(), |(at, _)| at);
    }
    borders.best(end)
}

/// The last border of each kind.
#[derive(Default)]
struct Borders {
    paragraph: usize,
    line: usize,
    sentence: usize,
    word: usize,
}

impl Borders {
    /// Looks at the border before `grapheme`, which starts at `at`.
    fn note(&mut self, text: &str, at: usize, last: &str, grapheme: &str) {
        if is_break(grapheme) {
            self.line = at;
            let rest = text.get(at..).unwrap_or_default();
            if rest.trim_start_matches([' ', '\t', '\r']).starts_with('\n')
                && rest
                    .trim_start_matches([' ', '\t', '\r'])
                    .get(1..)
                    .is_some_and(blank_line)
            {
                self.paragraph = at;
            }
        }
        let space = is_space(grapheme);
        if space && matches!(last, "." | "!" | "?" | "…" | ":" | ";") {
            self.sentence = at;
        }
        if matches!(last, "。" | "！" | "？" | "；") {
            self.sentence = at;
        }
        if space && !is_space(last) {
            self.word = at;
        }
    }

    /// The best border before `end`; one that would leave a part nearly empty is
    /// worth less than a lesser border further back.
    fn best(&self, end: usize) -> usize {
        let third = end / 3;
        [
            (self.paragraph, third),
            (self.line, third),
            (self.sentence, third),
            (self.word, end / 8),
        ]
        .into_iter()
        .find(|(at, least)| *at > 0 && at >= least && *at <= end)
        .map_or(end, |(at, _)| at)
    }
}

fn blank_line(rest: &str) -> bool {
    rest.trim_start_matches([' ', '\t', '\r']).starts_with('\n')
}

fn is_break(grapheme: &str) -> bool {
    matches!(grapheme, "\n" | "\r\n")
}

fn is_space(grapheme: &str) -> bool {
    !grapheme.is_empty() && grapheme.chars().all(char::is_whitespace)
}

/// Drops blank lines and the space that was cut at, but not a space that carries
/// an accent, and not the indentation of a line.
fn trim_start(text: &str) -> &str {
    let spaces: usize = text
        .graphemes(true)
        .take_while(|g| is_space(g))
        .map(str::len)
        .sum();
    let (space, _) = text.split_at_checked(spaces).unwrap_or(("", text));
    let from = space.rfind('\n').map_or(spaces, |at| at + 1);
    text.get(from..).unwrap_or(text)
}

#[cfg(test)]
#[path = "split_tests.rs"]
mod tests;
