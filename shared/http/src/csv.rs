//! Tables as comma-separated values (RFC 4180) that are also safe to open in a spreadsheet.

use sutler_domain::text::guarded;

/// One row. A text that a spreadsheet would take for a formula gets an apostrophe in front, which it shows as text.
#[must_use]
pub fn row<'a>(cells: impl IntoIterator<Item = &'a str>) -> String {
    let cells: Vec<String> = cells.into_iter().map(cell).collect();
    format!("{}\r\n", cells.join(","))
}

fn cell(text: &str) -> String {
    let shown = guarded(text);
    if shown != text || text.contains(['"', ',', ';', '\r', '\n', '\t', '\'']) || text.trim() != text {
        format!("\"{}\"", shown.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_a_cell_is_quoted() {
        assert_eq!(row(["1", "plain text", ""]), "1,plain text,\r\n");
        assert_eq!(
            row(["a,b", "a;b", "say \"no\"", "two\r\nlines"]),
            "\"a,b\",\"a;b\",\"say \"\"no\"\"\",\"two\r\nlines\"\r\n"
        );
        assert_eq!(row([" padded "]), "\" padded \"\r\n");
    }

    #[test]
    fn no_cell_is_a_formula() {
        for evil in [
            "=1+1",
            "+1",
            "-1",
            "@SUM(A1)",
            "\t=1",
            "\r=1",
            "\n=1",
            "＝1",
            "=HYPERLINK(\"http://x\",\"y\")",
            "=1\",=2",
        ] {
            let shown = row([evil]);
            assert!(shown.starts_with("\"'"), "{shown}");
            let inside = shown.strip_prefix('"').and_then(|rest| rest.strip_suffix("\"\r\n")).unwrap();
            assert_eq!(inside.replace("\"\"", "").matches('"').count(), 0, "{shown}");
        }
    }
}
