//! Markdown to WhatsApp's markers.
//!
//! WhatsApp knows `*bold*`, `_italic_`, `~struck~`, `` `code` ``, fenced blocks,
//! lists and quotes. Its markers work within one line and only at the borders of
//! words, so the same holds for what is taken for markdown here: `2*3*4` and
//! `snake_case_names` stay as they are. Nothing inside code or a web address is
//! touched.

/// How far a closing marker is looked for, in bytes. Keeps a hostile line linear.
const REACH: usize = 2_000;
/// How deep emphasis may be nested; what is deeper stays as written.
const DEPTH: u8 = 6;
/// A fence as WhatsApp wants it: alone on its line, without a language.
pub(super) const FENCE: &str = "```";

/// Rewrites a text line by line. A block of code that is not closed is closed at
/// the end.
pub(super) fn to_whatsapp(text: &str) -> String {
    let mut out = Vec::new();
    let mut in_code = false;
    for line in text.lines() {
        if in_code {
            let closes = line.trim() == FENCE;
            in_code = !closes;
            out.push(if closes {
                FENCE.to_owned()
            } else {
                line.to_owned()
            });
        } else if opens_code(line) {
            in_code = true;
            out.push(FENCE.to_owned());
        } else {
            out.push(plain_line(line));
        }
    }
    if in_code {
        out.push(FENCE.to_owned());
    }
    out.join("\n")
}

/// Whether a line opens a block: a fence with at most one word, the language.
/// Longer fences are not told apart.
fn opens_code(line: &str) -> bool {
    line.trim_start()
        .strip_prefix(FENCE)
        .is_some_and(|rest| !rest.contains('`') && rest.split_whitespace().count() <= 1)
}

fn plain_line(line: &str) -> String {
    let indent = line.len() - line.trim_start().len();
    let (space, body) = line.split_at_checked(indent).unwrap_or(("", line));
    if is_rule(body) {
        return line.to_owned();
    }
    if let Some(title) = heading(body) {
        return bold_line(title);
    }
    let (marker, body) = bullet(body);
    let mut out = String::with_capacity(line.len());
    out.push_str(space);
    out.push_str(marker);
    inline(body, DEPTH, &mut out);
    out
}

/// `***`, `---`, `___`: a line across the page.
fn is_rule(body: &str) -> bool {
    let body = body.trim_end();
    body.len() >= 3
        && ['*', '-', '_']
            .iter()
            .any(|mark| body.chars().all(|c| c == *mark || c == ' '))
}

fn heading(body: &str) -> Option<&str> {
    let title = body.trim_start_matches('#');
    let level = body.len() - title.len();
    let title = title.strip_prefix(' ')?.trim();
    let bare = title.trim_end_matches('#');
    let title = if bare.ends_with(' ') {
        bare.trim_end()
    } else {
        title
    };
    ((1..=6).contains(&level) && !title.is_empty()).then_some(title)
}

/// A heading: the line in bold, whatever was bold in it included.
fn bold_line(title: &str) -> String {
    let mut text = String::new();
    inline(title, DEPTH, &mut text);
    let marked = text.contains(['*', '`']);
    if !marked {
        return format!("*{text}*");
    }
    // Bold does not nest, so the whole line takes over from its parts.
    let inner = text.replace('*', "");
    if inner.contains('`') || inner.is_empty() {
        text
    } else {
        format!("*{inner}*")
    }
}

/// Splits off the marker of a list item. WhatsApp knows `- ` and `1. `; a star
/// could be taken for bold.
fn bullet(body: &str) -> (&'static str, &str) {
    for marker in ["* ", "+ "] {
        if let Some(rest) = body.strip_prefix(marker) {
            return ("- ", rest);
        }
    }
    ("", body)
}

/// Rewrites what stands within a line.
fn inline(text: &str, depth: u8, out: &mut String) {
    let mut rest = text;
    let mut before = None;
    while let Some(c) = rest.chars().next() {
        let taken = match c {
            '`' => code(rest, out),
            '[' | '!' if depth > 0 => link(rest, depth, out),
            'h' => address(rest, before, out),
            '\\' => escaped(rest, out),
            '*' | '_' | '~' if depth > 0 => emphasis(rest, before, depth, out),
            _ => None,
        };
        let taken = taken.unwrap_or_else(|| {
            out.push(c);
            c.len_utf8()
        });
        let (done, next) = rest.split_at_checked(taken).unwrap_or((rest, ""));
        before = done.chars().next_back();
        rest = next;
    }
}

/// Code between equal runs of backticks is copied as it is.
fn code(rest: &str, out: &mut String) -> Option<usize> {
    let run = rest.len() - rest.trim_start_matches('`').len();
    let (ticks, body) = rest.split_at_checked(run)?;
    let body = reach(body);
    let mut from = 0;
    while let Some(at) = body.get(from..)?.find(ticks) {
        let start = from + at;
        let tail = body.get(start..)?;
        let length = tail.len() - tail.trim_start_matches('`').len();
        if length == run {
            let end = run + start + length;
            out.push_str(rest.get(..end)?);
            return Some(end);
        }
        from = start + length;
    }
    // No code: the whole run is text.
    out.push_str(ticks);
    Some(run)
}

/// `[text](address)` and `![text](address)`: the text with the address behind it.
fn link(rest: &str, depth: u8, out: &mut String) -> Option<usize> {
    let bang = usize::from(rest.starts_with('!'));
    let body = rest.get(bang..)?.strip_prefix('[')?;
    let near = reach(body);
    let middle = near.find("](")?;
    let label = near.get(..middle)?;
    if label.contains('[') {
        return None;
    }
    let target = near.get(middle + 2..)?;
    let end = closing_parenthesis(target)?;
    let address = target.get(..end)?;
    if address.is_empty() || address.contains(char::is_whitespace) {
        return None;
    }
    if label.trim().is_empty() || label == address {
        out.push_str(address);
    } else {
        inline(label, depth - 1, out);
        out.push_str(" (");
        out.push_str(address);
        out.push(')');
    }
    Some(bang + 1 + middle + 2 + end + 1)
}

/// The parenthesis that closes an address; addresses may contain pairs.
fn closing_parenthesis(target: &str) -> Option<usize> {
    let mut open = 0_usize;
    for (at, c) in target.char_indices() {
        match c {
            '(' => open += 1,
            ')' if open == 0 => return Some(at),
            ')' => open -= 1,
            _ => {}
        }
    }
    None
}

/// A web address is copied up to where it must end.
fn address(rest: &str, before: Option<char>, out: &mut String) -> Option<usize> {
    let scheme = ["https://", "http://"]
        .into_iter()
        .find(|s| rest.starts_with(s))?;
    if before.is_some_and(char::is_alphanumeric) {
        return None;
    }
    let stop = |c: char| c.is_whitespace() || matches!(c, '*' | '`' | '<' | '>' | '[' | ']' | '"');
    let end = rest.find(stop).unwrap_or(rest.len());
    let end = rest.get(..end)?.find("~~").unwrap_or(end);
    // A marker that closes behind the address belongs to the text around it.
    let text = rest.get(..end)?.trim_end_matches(['_', '~', ')', '.', ',']);
    if text.len() <= scheme.len() {
        return None;
    }
    out.push_str(text);
    Some(text.len())
}

/// A backslash before a marker only keeps markdown away from it.
fn escaped(rest: &str, out: &mut String) -> Option<usize> {
    let next = rest.chars().nth(1)?;
    if !matches!(
        next,
        '\\' | '*' | '_' | '~' | '`' | '[' | ']' | '(' | ')' | '#' | '!' | '-' | '.' | '>' | '|'
    ) {
        return None;
    }
    out.push(next);
    Some(1 + next.len_utf8())
}

/// Markdown's markers with what WhatsApp has for them, longest first.
const MARKERS: [(&str, &str, &str); 7] = [
    ("***", "*_", "_*"),
    ("___", "*_", "_*"),
    ("**", "*", "*"),
    ("__", "*", "*"),
    ("~~", "~", "~"),
    ("*", "_", "_"),
    ("_", "_", "_"),
];

fn emphasis(rest: &str, before: Option<char>, depth: u8, out: &mut String) -> Option<usize> {
    let (marker, open, close) = MARKERS.into_iter().find(|(m, ..)| rest.starts_with(m))?;
    let body = rest.get(marker.len()..)?;
    let mark = marker.chars().next()?;
    let starts = body
        .chars()
        .next()
        .is_some_and(|c| !c.is_whitespace() && c != mark);
    let inner = (starts && !joined(before, mark))
        .then(|| enclosed(reach(body), marker, mark))
        .flatten();
    let Some(inner) = inner else {
        // Not emphasis: the whole run of markers is text.
        let run = rest.len() - rest.trim_start_matches(mark).len();
        out.push_str(rest.get(..run)?);
        return Some(run);
    };
    out.push_str(open);
    inline(inner, depth - 1, out);
    out.push_str(close);
    Some(2 * marker.len() + inner.len())
}

/// The text up to the matching marker, which stands behind a word and is not
/// part of a longer run or of code.
fn enclosed<'a>(body: &'a str, marker: &str, mark: char) -> Option<&'a str> {
    let mut from = 0;
    loop {
        let at = from + body.get(from..)?.find([mark, '`', '\\'])?;
        let tail = body.get(at..)?;
        if tail.starts_with('\\') {
            from = at + 1 + tail.chars().nth(1)?.len_utf8();
            continue;
        }
        if tail.starts_with('`') {
            let mut skipped = String::new();
            from = at + code(tail, &mut skipped)?;
            continue;
        }
        let run = tail.len() - tail.trim_start_matches(mark).len();
        let behind_word = body
            .get(..at)?
            .chars()
            .next_back()
            .is_some_and(|c| !c.is_whitespace());
        let after = tail.get(run..)?.chars().next();
        // A longer run closes an inner marker first: `**a *b***`.
        let ends_here = run == marker.len() || (run == 3 && marker.len() < 3);
        if ends_here && behind_word && !joined(after, mark) {
            return body.get(..at + run - marker.len());
        }
        from = at + run;
    }
}

/// Whether a marker next to `c` would be inside a word. Scripts that are written
/// without spaces can have stars inside a sentence.
fn joined(c: Option<char>, mark: char) -> bool {
    c.is_some_and(|c| match mark {
        '_' => c.is_alphanumeric(),
        _ => c.is_ascii_alphanumeric(),
    })
}

fn reach(text: &str) -> &str {
    text.get(..text.floor_char_boundary(REACH)).unwrap_or(text)
}

#[cfg(test)]
#[path = "format_tests.rs"]
mod tests;
