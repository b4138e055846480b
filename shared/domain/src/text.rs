//! Bounds of free text. What people type is trimmed, bounded in characters and free of control characters.

use std::{borrow::Cow, ops::RangeInclusive};

use crate::problem::FieldError;

/// Characters that change how the text around them is shown; none has a place in a name or an address.
fn is_deceptive(c: char) -> bool {
    matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// What [`is_token`] takes, in words.
pub const TOKEN: &str = "expected 1 to 32 of a-z, 0-9 and -";

/// Whether `text` is a short name that programs use.
#[must_use]
pub fn is_token(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// Whether a spreadsheet would take a cell for a formula, once the apostrophes before it are gone. The wide forms count
/// as well where people write them.
fn is_formula(cell: &str) -> bool {
    let bare = cell.trim_start_matches('\'');
    bare.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'])
}

/// A cell of a table that no spreadsheet takes for a formula: one that it would gets an apostrophe in front.
#[must_use]
pub fn guarded(cell: &str) -> Cow<'_, str> {
    if is_formula(cell) { Cow::Owned(format!("'{cell}")) } else { Cow::Borrowed(cell) }
}

/// What [`guarded`] made a cell of.
#[must_use]
pub fn unguarded(cell: &str) -> &str {
    cell.strip_prefix('\'').filter(|bare| is_formula(bare)).unwrap_or(cell)
}

/// One line: trimmed, within `chars`, without control characters. What is wrong is added to `errors`.
pub fn line(text: &str, pointer: &str, chars: RangeInclusive<usize>, errors: &mut Vec<FieldError>) -> String {
    bounded(text, pointer, &chars, |c| !c.is_control() && !is_deceptive(c), errors)
}

/// Several lines: like [`line()`], and line breaks and tabs are allowed.
pub fn paragraphs(
    text: &str,
    pointer: &str,
    chars: RangeInclusive<usize>,
    errors: &mut Vec<FieldError>,
) -> String {
    let allowed = |c: char| matches!(c, '\n' | '\r' | '\t') || (!c.is_control() && !is_deceptive(c));
    bounded(text, pointer, &chars, allowed, errors)
}

fn bounded(
    text: &str,
    pointer: &str,
    chars: &RangeInclusive<usize>,
    allowed: impl Fn(char) -> bool,
    errors: &mut Vec<FieldError>,
) -> String {
    let text = text.trim();
    let count = text.chars().count();
    let code = if count < *chars.start() {
        Some("too-short")
    } else if count > *chars.end() {
        Some("too-long")
    } else if text.chars().all(allowed) {
        None
    } else {
        Some("invalid")
    };
    errors.extend(code.map(|code| FieldError::new(pointer, code)));
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_guarded_cell_is_no_formula_and_reads_back_the_same(text in "['=@+-]{0,4}.{0,8}") {
            let shown = guarded(&text);
            prop_assert!(!shown.starts_with(['=', '+', '-', '@', '\t']), "{}", shown);
            prop_assert_eq!(unguarded(&shown), text.as_str());
        }
    }

    #[test]
    fn bounds_count_characters_after_trimming() {
        let mut errors = Vec::new();
        assert_eq!(line("  ééé ", "/x", 1..=3, &mut errors), "ééé");
        assert_eq!(errors, []);
        line(" ", "/a", 1..=3, &mut errors);
        line("abcd", "/b", 1..=3, &mut errors);
        line("a\u{0}", "/c", 1..=3, &mut errors);
        line("a\nb", "/d", 1..=3, &mut errors);
        paragraphs("a\nb", "/e", 1..=3, &mut errors);
        let found: Vec<_> = errors.iter().map(|e| (e.pointer.as_str(), e.code)).collect();
        assert_eq!(found, [("/a", "too-short"), ("/b", "too-long"), ("/c", "invalid"), ("/d", "invalid")]);
    }
}
