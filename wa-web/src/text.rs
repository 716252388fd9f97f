//! From what an assistant writes to what WhatsApp shows: markdown becomes
//! WhatsApp's own markers, and long texts become several messages.

mod format;
mod split;

/// The longest message, in characters. WhatsApp takes 65,536, but phones fold
/// long messages behind "Read more" and render very long ones slowly; at this
/// length a message is about two screens.
pub(crate) const MAX_CHARS: usize = 4_000;

/// Formats and splits a text. Gives at least one part; each part is at most
/// [`MAX_CHARS`] long and, unless the whole text is blank, not blank.
pub(crate) fn layout(text: &str) -> Vec<String> {
    let parts = split::split(&format::to_whatsapp(text), MAX_CHARS);
    if parts.is_empty() {
        return vec![String::new()];
    }
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_short_text_stays_one_message() {
        assert_eq!(layout("**Hello**, world"), ["*Hello*, world"]);
        assert_eq!(layout("  \n "), [""]);
    }

    proptest! {
        #[test]
        fn any_text_becomes_parts_of_bounded_length(text in "(\\PC|\\n){0,300}", times in 1usize..40) {
            let parts = layout(&text.repeat(times));
            prop_assert!(!parts.is_empty());
            for part in &parts {
                prop_assert!(part.chars().count() <= MAX_CHARS);
                prop_assert!(parts.len() == 1 || !part.trim().is_empty());
            }
        }
    }
}
