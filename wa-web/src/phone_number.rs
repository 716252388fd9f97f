//! Phone numbers and pairing codes as people type them.

/// The fewest digits of an international number.
const MIN_DIGITS: usize = 7;
/// The most digits that ITU-T E.164 allows.
const MAX_DIGITS: usize = 15;
/// The letters and digits of a pairing code: no 0, I, O or U, which are easily
/// confused.
const CODE_ALPHABET: &str = "123456789ABCDEFGHJKLMNPQRSTVWXYZ";
/// The length of a pairing code.
const CODE_LENGTH: usize = 8;

/// Why a text is no phone number in international form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PhoneNumberError {
    /// Something other than digits and the usual separators.
    #[error("a phone number has no {0:?}; write it like +15551234567")]
    Character(char),
    /// It starts with 0: a national number, or a dialling prefix.
    #[error(
        "a number that starts with 0 has no country code; include the country code, e.g. +15551234567"
    )]
    LeadingZero,
    /// Fewer digits than any international number.
    #[error(
        "{0} digits are too few for a phone number; include the country code, e.g. +15551234567"
    )]
    TooShort(usize),
    /// More digits than any international number.
    #[error(
        "{0} digits are too many for a phone number (at most 15); include the country code, e.g. +15551234567"
    )]
    TooLong(usize),
}

/// Why a text cannot be used as a pairing code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a pairing code has 8 characters out of 1-9 and A-Z without I, O and U, for example LNG2-3456"
)]
pub struct CustomCodeError;

/// The digits of an international number in any usual spelling:
/// `+1 (555) 123-4567`, `1.555.123.4567`, `tel:+15551234567`.
///
/// # Errors
/// When other characters occur, when the country code is missing, or when the
/// length is impossible.
pub fn normalize(text: &str) -> Result<String, PhoneNumberError> {
    let text = text.trim();
    let text = text.strip_prefix("tel:").unwrap_or(text);
    // "+44 (0) 20 …": the zero is only dialled within the country.
    let international = text.trim_start().starts_with('+');
    let text = if international {
        text.replace("(0)", "")
    } else {
        text.to_owned()
    };
    let mut digits = String::with_capacity(text.len());
    for (place, c) in text.chars().enumerate() {
        match c {
            '0'..='9' => digits.push(c),
            '+' if place == 0 || digits.is_empty() => {}
            c if is_separator(c) => {}
            c => return Err(PhoneNumberError::Character(c)),
        }
    }
    if digits.starts_with('0') {
        return Err(PhoneNumberError::LeadingZero);
    }
    match digits.len() {
        n if n < MIN_DIGITS => Err(PhoneNumberError::TooShort(n)),
        n if n > MAX_DIGITS => Err(PhoneNumberError::TooLong(n)),
        _ => Ok(digits),
    }
}

/// Checks a pairing code that the operator chose, in any case, with or without
/// dashes and spaces, and returns it as the protocol wants it.
///
/// # Errors
/// When it is not eight characters of the alphabet.
pub fn validate_custom_code(code: &str) -> Result<String, CustomCodeError> {
    let code: String = code
        .chars()
        .filter(|c| *c != '-' && !c.is_whitespace())
        .map(|c| c.to_ascii_uppercase())
        .collect();
    if code.chars().count() == CODE_LENGTH && code.chars().all(|c| CODE_ALPHABET.contains(c)) {
        Ok(code)
    } else {
        Err(CustomCodeError)
    }
}

/// What people and address books put between digits, with the invisible marks
/// that come along when a number is copied out of an app.
fn is_separator(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '-' | '.' | '/' | '(' | ')' | '[' | ']')
        || matches!(c, '\u{2010}'..='\u{2015}' | '\u{2212}')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
        || matches!(
            c,
            '\u{2060}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{ad}'
        )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_usual_spelling_gives_the_same_digits() {
        for text in [
            "+1 (555) 123-4567",
            "15551234567",
            "1.555.123.4567",
            "tel:+1-555-123-4567",
            "\u{202a}+1\u{a0}555\u{2011}123\u{2011}4567\u{202c}",
            " +1/555/1234567 ",
        ] {
            assert_eq!(normalize(text).as_deref(), Ok("15551234567"), "{text:?}");
        }
        assert_eq!(
            normalize("+44 (0) 20 7946 0000").as_deref(),
            Ok("442079460000")
        );
    }

    #[test]
    fn what_lacks_a_country_code_is_refused_with_an_example() {
        for text in ["0555 123 4567", "0015551234567", "+0123456789", "12345", ""] {
            let error = normalize(text).unwrap_err().to_string();
            assert!(
                error.contains("include the country code, e.g. +15551234567"),
                "{error}"
            );
        }
        assert_eq!(
            normalize("1234567890123456"),
            Err(PhoneNumberError::TooLong(16))
        );
        assert_eq!(
            normalize("555-CALL-ME"),
            Err(PhoneNumberError::Character('C'))
        );
        assert_eq!(
            normalize("1555+1234567"),
            Err(PhoneNumberError::Character('+'))
        );
    }

    #[test]
    fn custom_codes_are_normalised_or_refused() {
        assert_eq!(
            validate_custom_code("loong-2345").as_deref(),
            Err(&CustomCodeError)
        );
        assert_eq!(validate_custom_code("abcd-1234").as_deref(), Ok("ABCD1234"));
        assert_eq!(validate_custom_code("WXYZ9876").as_deref(), Ok("WXYZ9876"));
        for code in [
            "ABCD123",
            "ABCD12345",
            "ABCD123O",
            "ABCD1230",
            "ABCDI234",
            "ÄBCD1234",
            "",
        ] {
            assert_eq!(validate_custom_code(code), Err(CustomCodeError), "{code:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics_and_what_passes_is_in_range(text in "\\PC{0,40}") {
            if let Ok(digits) = normalize(&text) {
                prop_assert!((MIN_DIGITS..=MAX_DIGITS).contains(&digits.len()));
                prop_assert_eq!(normalize(&format!("+{digits}")), Ok(digits));
            }
            if let Ok(code) = validate_custom_code(&text) {
                let again = validate_custom_code(&code);
                prop_assert_eq!(again.as_ref(), Ok(&code));
            }
        }
    }
}
