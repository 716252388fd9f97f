//! Text from outside, made harmless for a terminal.

/// `text` with control characters and marks that reorder or hide text written
/// out as `\u{…}`; line breaks become such escapes as well.
#[must_use]
pub fn plain(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || is_invisible(c) {
            safe.extend(c.escape_unicode());
        } else {
            safe.push(c);
        }
    }
    safe
}

/// Direction marks and overrides, zero-width characters, line separators, tags.
const fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{2069}'
        | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_text_of_any_language_stays() {
        for text in ["Ünïcode 日本語 عربى 🎉", "a-b_c (d)", ""] {
            assert_eq!(plain(text), text);
        }
    }

    proptest! {
        #[test]
        fn no_control_character_passes(text in any::<String>()) {
            prop_assert!(!plain(&text).chars().any(|c| c.is_control() || is_invisible(c)));
        }
    }
}
