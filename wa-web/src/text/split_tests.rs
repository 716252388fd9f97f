use proptest::prelude::*;

use super::{super::format, *};

/// Everything but space and fences, in order.
fn content(text: &str) -> String {
    text.lines()
        .filter(|line| !is_fence(line))
        .flat_map(str::chars)
        .filter(|c| !c.is_whitespace())
        .collect()
}

#[test]
fn short_texts_are_left_alone() {
    assert_eq!(split("one\n\n  two", 64), ["one\n\n  two"]);
    assert!(split("", 64).is_empty());
    assert!(split(" \n\n ", 64).is_empty());
}

#[test]
fn the_largest_border_in_reach_is_taken() {
    let a = "a".repeat(30);
    let b = "b".repeat(30);
    let c = "c".repeat(30);
    assert_eq!(
        split(&format!("{a}\n\n{b} x\n{c}"), 72),
        [a.clone(), format!("{b} x\n{c}")]
    );
    assert_eq!(
        split(&format!("{a}\n{b} {c}"), 72),
        [a.clone(), format!("{b} {c}")]
    );
    assert_eq!(
        split(&format!("{a}. {b} {c}"), 72),
        [format!("{a}."), format!("{b} {c}")]
    );
    assert_eq!(split(&format!("{a} {b} {c}"), 72), [format!("{a} {b}"), c]);
}

#[test]
fn a_word_without_end_is_cut() {
    let parts = split(&"x".repeat(150), 64);
    assert_eq!(
        parts.iter().map(String::len).collect::<Vec<_>>(),
        [60, 60, 30]
    );
}

#[test]
fn a_block_of_code_is_closed_and_opened_again() {
    let code = "let line = 1;\n".repeat(10);
    let text = format!("before\n```\n{code}```\nafter");
    let parts = split(&text, 64);
    assert!(parts.len() > 2);
    for part in &parts {
        let fences = part.lines().filter(|line| is_fence(line)).count();
        assert_eq!(fences % 2, 0, "{part}");
        assert!(!part.contains("```\n```"), "{part}");
    }
    assert_eq!(content(&parts.join("\n")), content(&text));
    assert!(parts.last().is_some_and(|part| part.ends_with("after")));
}

#[test]
fn what_readers_see_as_one_character_stays_whole() {
    let family = "👨‍👩‍👧‍👦";
    let parts = split(&family.repeat(40), 64);
    assert!(parts.len() > 1);
    for part in parts {
        assert_eq!(part.replace(family, ""), "");
    }
}

#[test]
fn indentation_survives_a_cut() {
    let text = format!("{}\n  - item", "a".repeat(58));
    assert_eq!(split(&text, 64)[1], "  - item");
}

proptest! {
    #[test]
    fn nothing_is_lost_and_no_part_is_too_long(
        text in "([a-z]{1,12}|\\PC| |\\. |\\n|\\n\\n|\\n```\\n|e\u{301}|👩‍🚀){0,120}",
        limit in 64usize..200,
    ) {
        let text = format::to_whatsapp(&text);
        let parts = split(&text, limit);
        for part in &parts {
            prop_assert!(part.chars().count() <= limit, "{part:?}");
            prop_assert!(!part.trim().is_empty());
            let fences = part.lines().filter(|line| is_fence(line)).count();
            prop_assert_eq!(fences % 2, 0, "{:?}", part);
        }
        prop_assert_eq!(content(&parts.join("\n")), content(&text));
    }
}
