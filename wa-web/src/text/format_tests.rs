use proptest::prelude::*;

use super::*;

fn check(cases: &[(&str, &str)]) {
    for (markdown, whatsapp) in cases {
        assert_eq!(to_whatsapp(markdown), *whatsapp, "{markdown:?}");
    }
}

#[test]
fn markers_become_those_of_whatsapp() {
    check(&[
        ("**bold** and __bold__", "*bold* and *bold*"),
        ("*it* and _it_", "_it_ and _it_"),
        ("~~gone~~ and ~gone~", "~gone~ and ~gone~"),
        ("***both*** ___both___", "*_both_* *_both_*"),
        ("**a *b* c**", "*a _b_ c*"),
        ("**a *b***", "*a _b_*"),
        ("这是**重点**。", "这是*重点*。"),
        ("(**x**), \"*y*\"", "(*x*), \"_y_\""),
    ]);
}

#[test]
fn what_only_looks_like_a_marker_stays() {
    check(&[
        ("2*3*4 = 24, 2 * 3", "2*3*4 = 24, 2 * 3"),
        (
            "snake_case_name and __init__.py",
            "snake_case_name and *init*.py",
        ),
        ("2**3**4", "2**3**4"),
        ("a ** b ** c", "a ** b ** c"),
        ("*open", "*open"),
        ("**", "**"),
        ("****", "****"),
        (r"\*not\* snake\_case", "*not* snake_case"),
        ("C:\\dir", "C:\\dir"),
    ]);
}

#[test]
fn code_is_never_touched() {
    check(&[
        ("`**a**` **b**", "`**a**` *b*"),
        ("**a `*` b**", "*a `*` b*"),
        ("``a`b**c**``", "``a`b**c**``"),
        ("```\n**a**\n# b\n```", "```\n**a**\n# b\n```"),
        (
            "```rust\nlet a = *b;\n```\n**c**",
            "```\nlet a = *b;\n```\n*c*",
        ),
        ("```\nopen", "```\nopen\n```"),
        ("```x``` **a**", "```x``` *a*"),
        ("a ` **b**", "a ` *b*"),
    ]);
}

#[test]
fn headings_lists_and_links_are_kept_readable() {
    check(&[
        ("# Title", "*Title*"),
        ("## The **big** one ##", "*The big one*"),
        ("### Use `x`", "Use `x`"),
        ("#hashtag", "#hashtag"),
        (
            "* one\n+ two\n- three\n1. four",
            "- one\n- two\n- three\n1. four",
        ),
        ("  * **deep**", "  - *deep*"),
        ("> said *so*", "> said _so_"),
        ("***", "***"),
        ("[docs](https://e.org/a_b_c)", "docs (https://e.org/a_b_c)"),
        ("![cat](https://e.org/c.png)", "cat (https://e.org/c.png)"),
        ("[https://e.org](https://e.org)", "https://e.org"),
        ("[a](https://e.org/x_(y))", "a (https://e.org/x_(y))"),
        ("[**b**](u)", "*b* (u)"),
        ("see https://e.org/_a_/*b*", "see https://e.org/_a_/_b_"),
        ("**https://e.org/a_b_c**", "*https://e.org/a_b_c*"),
        ("[ ] task and [x] done", "[ ] task and [x] done"),
    ]);
}

#[test]
fn hostile_lines_end_soon() {
    for unit in ["*a ", "**_", "[", "`", "![](", "\\", "_a_b", "``` `"] {
        let text = unit.repeat(3_000);
        assert!(to_whatsapp(&text).len() <= 2 * text.len() + 8);
    }
}

proptest! {
    #[test]
    fn words_survive(text in "([a-z ]|[*_~`#\\[\\]()!.\\\\-]|\\n|é|语){0,120}") {
        let words = |t: &str| -> String { t.chars().filter(|c| c.is_alphanumeric()).collect() };
        // The language of a block of code is the one thing that is left out.
        prop_assume!(!text.lines().any(opens_code));
        prop_assert_eq!(words(&to_whatsapp(&text)), words(&text));
    }

    #[test]
    fn nothing_panics(text in "(\\PC|\\n|\\*|_|`){0,200}") {
        let _formatted = to_whatsapp(&text);
    }
}
