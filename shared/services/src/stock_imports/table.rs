//! Reading a file with counts of stock. The file as a whole is good or not; each of its rows by itself is good or not.

use std::collections::{HashMap, hash_map::Entry};

use csv::{ReaderBuilder, StringRecord, Trim};
use sutler_domain::{
    stock::QUANTITY_MAX,
    stock_import::{FileProblem, ROWS_MAX, RowProblem},
    text::unguarded,
};

use crate::inventory::reason_problem;

/// The longest article number there is.
const SKU_CHARS_MAX: usize = 64;
/// What spreadsheets write before text that is UTF-8.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// What a row says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// How many there are in the warehouse.
    pub on_hand: u32,
    /// Why, if it says so.
    pub reason: Option<String>,
}

/// A row of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// In which line it begins.
    pub line: u32,
    /// The article number, as far as one can be that long.
    pub sku: String,
    /// What it says, if it reads.
    pub counted: Result<Counted, RowProblem>,
}

/// Where the columns are.
struct Columns {
    sku: usize,
    quantity: usize,
    reason: Option<usize>,
}

/// Reads all rows of a file.
///
/// # Errors
/// [`FileProblem`] when it is no such file. Nothing of it is carried out then.
pub fn read(bytes: &[u8]) -> Result<Vec<Row>, FileProblem> {
    let text = std::str::from_utf8(bytes).map_err(|_| FileProblem::NotUtf8)?;
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    // Whatever the rows are, a cell that is never closed would swallow all that come after it.
    if text.bytes().filter(|byte| *byte == b'"').count().checked_rem(2) != Some(0) {
        return Err(FileProblem::QuoteOpen);
    }
    let header = text.lines().next().unwrap_or_default();
    // Spreadsheets use it where the comma separates decimals.
    let delimiter = if header.contains(';') && !header.contains(',') { b';' } else { b',' };
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .trim(Trim::All)
        .from_reader(text.as_bytes());
    let mut record = StringRecord::new();
    let mut next = |record: &mut StringRecord| reader.read_record(record).map_err(|_| FileProblem::NotUtf8);
    next(&mut record)?;
    let columns = columns(&record)?;
    let (mut rows, mut first_lines, mut last_line) = (Vec::new(), HashMap::new(), 0_u32);
    while next(&mut record)? {
        if record.iter().all(str::is_empty) {
            continue;
        }
        if rows.len() == ROWS_MAX {
            return Err(FileProblem::TooManyRows);
        }
        last_line = line_of(&record, text).max(last_line.saturating_add(1));
        let mut row = row(&record, &columns, last_line);
        match first_lines.entry(row.sku.clone()) {
            Entry::Vacant(entry) => {
                entry.insert(row.line);
            }
            Entry::Occupied(entry) if row.counted != Err(RowProblem::SkuMissing) => {
                row.counted = Err(RowProblem::SkuTwice { first: *entry.get() });
            }
            Entry::Occupied(_) => {}
        }
        rows.push(row);
    }
    Ok(rows)
}

fn columns(header: &StringRecord) -> Result<Columns, FileProblem> {
    let find = |wanted: &str| {
        let mut found = header.iter().enumerate().filter(|(_, name)| name.eq_ignore_ascii_case(wanted));
        let first = found.next().map(|(place, _)| place);
        if found.next().is_some() { Err(FileProblem::ColumnTwice) } else { Ok(first) }
    };
    let sku = find("sku")?.ok_or(FileProblem::ColumnMissing)?;
    let quantity = find("quantity")?.ok_or(FileProblem::ColumnMissing)?;
    Ok(Columns { sku, quantity, reason: find("reason")? })
}

/// The line in which a record begins. Its position is before the ends of lines that the reader passes over.
fn line_of(record: &StringRecord, text: &str) -> u32 {
    let Some(position) = record.position() else { return 0 };
    let from = usize::try_from(position.byte()).unwrap_or(usize::MAX);
    let ends = text.bytes().skip(from).take_while(|byte| matches!(byte, b'\r' | b'\n'));
    let passed = u64::try_from(ends.filter(|byte| *byte == b'\n').count()).unwrap_or(u64::MAX);
    u32::try_from(position.line().saturating_add(passed)).unwrap_or(u32::MAX)
}

fn row(record: &StringRecord, columns: &Columns, line: u32) -> Row {
    let cell = |column: usize| unguarded(record.get(column).unwrap_or_default());
    let written = cell(columns.sku);
    let sku: String = written.chars().filter(|c| !c.is_control()).take(SKU_CHARS_MAX).collect();
    let reason = columns.reason.map(cell).filter(|reason| !reason.is_empty());
    let counted = if written.is_empty() {
        Err(RowProblem::SkuMissing)
    } else if sku != written || !written.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
        // No article number is spelled like that.
        Err(RowProblem::SkuUnknown)
    } else if reason.is_some_and(|reason| reason_problem(reason).is_some()) {
        Err(RowProblem::ReasonInvalid)
    } else {
        quantity(cell(columns.quantity)).map(|on_hand| Counted { on_hand, reason: reason.map(str::to_owned) })
    };
    Row { line, sku, counted }
}

fn quantity(text: &str) -> Result<u32, RowProblem> {
    if text.is_empty() {
        return Err(RowProblem::QuantityMissing);
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(RowProblem::QuantityInvalid);
    }
    let count = text.parse::<u32>().ok().filter(|count| *count <= QUANTITY_MAX);
    count.ok_or(RowProblem::QuantityOutOfRange)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counted(on_hand: u32, reason: Option<&str>) -> Counted {
        Counted { on_hand, reason: reason.map(str::to_owned) }
    }

    fn found(text: &str) -> Vec<(u32, String, Result<Counted, RowProblem>)> {
        read(text.as_bytes()).unwrap().into_iter().map(|row| (row.line, row.sku, row.counted)).collect()
    }

    #[test]
    fn columns_are_found_by_name_and_others_are_ignored() {
        let expected =
            vec![(2, "A-1".to_owned(), Ok(counted(5, None))), (3, "B".to_owned(), Ok(counted(0, None)))];
        for text in [
            "sku,quantity\nA-1,5\nB,0\n",
            "quantity,sku\r\n5,A-1\r\n0,B\r\n",
            "\u{feff}SKU , Quantity,title\r\nA-1 , 5,\"Lamp, brass\"\r\n\"B\",\"0\"",
            "sku;quantity;reason\nA-1;5;\nB;0;\n",
            "sku,quantity,reason\nA-1,5\nB,000\n,,\n\n",
        ] {
            assert_eq!(found(text), expected, "{text}");
        }
        let reasons = found("reason,quantity,sku\n\"stock, taken\",3,A\n");
        assert_eq!(reasons, [(2, "A".to_owned(), Ok(counted(3, Some("stock, taken"))))]);
        assert_eq!(found("sku,quantity"), []);
    }

    #[test]
    fn a_bad_file_is_refused_as_a_whole() {
        let too_many = format!("sku,quantity\n{}", "A,1\n".repeat(ROWS_MAX.saturating_add(1)));
        for (bytes, problem) in [
            (&b""[..], FileProblem::ColumnMissing),
            (b"sku\nA\n", FileProblem::ColumnMissing),
            (b"A-1,5\n", FileProblem::ColumnMissing),
            (b"sku,quantity,SKU\nA,1,B\n", FileProblem::ColumnTwice),
            (b"sku,quantity\nM\xfcller,1\n", FileProblem::NotUtf8),
            (b"\xff\xfes\0k\0u\0", FileProblem::NotUtf8),
            (b"sku,quantity,note\nA,1,\"open\nB,2,\nC,3,\n", FileProblem::QuoteOpen),
            (too_many.as_bytes(), FileProblem::TooManyRows),
        ] {
            assert_eq!(
                read(bytes),
                Err(problem),
                "{}",
                String::from_utf8_lossy(&bytes[..bytes.len().min(40)])
            );
        }
        let most = format!("sku,quantity\n{}", "A,1\n".repeat(ROWS_MAX));
        assert_eq!(read(most.as_bytes()).unwrap().len(), ROWS_MAX);
    }

    #[test]
    fn a_bad_row_says_what_is_wrong_with_it() {
        for (row, problem) in [
            (",1,", RowProblem::SkuMissing),
            ("A B,1,", RowProblem::SkuUnknown),
            ("Ä,1,", RowProblem::SkuUnknown),
            ("A#1,1,", RowProblem::SkuUnknown),
            ("A\u{7},1,", RowProblem::SkuUnknown),
            (&format!("{},1,", "x".repeat(65)), RowProblem::SkuUnknown),
            ("A,,", RowProblem::QuantityMissing),
            ("A", RowProblem::QuantityMissing),
            ("A,1.5,", RowProblem::QuantityInvalid),
            ("A,1e3,", RowProblem::QuantityInvalid),
            ("A,+1,", RowProblem::QuantityInvalid),
            ("A,-,", RowProblem::QuantityInvalid),
            ("A,\"1,000\",", RowProblem::QuantityInvalid),
            ("A,٣,", RowProblem::QuantityInvalid),
            ("A,=1+1,", RowProblem::QuantityInvalid),
            ("A,-1,", RowProblem::QuantityOutOfRange),
            ("A,1000000001,", RowProblem::QuantityOutOfRange),
            ("A,99999999999999999999,", RowProblem::QuantityOutOfRange),
            (&format!("A,1,{}", "x".repeat(201)), RowProblem::ReasonInvalid),
            ("A,1,\"two\nlines\"", RowProblem::ReasonInvalid),
        ] {
            let read = found(&format!("sku,quantity,reason\n{row}\nB,2,\n"));
            assert_eq!(read[0].2, Err(problem), "{row}");
            assert_eq!(read[1].2, Ok(counted(2, None)), "the others are read: {row}");
            assert!(read[0].1.len() <= SKU_CHARS_MAX, "{row}");
        }
    }

    #[test]
    fn an_article_number_counts_once_and_lines_are_those_of_the_file() {
        let rows = found("sku,quantity,note\nA,1,\"two\r\nlines\"\n\nA,2,\na,3,\nA,x,\n,1,\n,1,\n");
        let lines: Vec<u32> = rows.iter().map(|(line, ..)| *line).collect();
        assert_eq!(lines, [2, 5, 6, 7, 8, 9]);
        let twice = Err(RowProblem::SkuTwice { first: 2 });
        assert_eq!((&rows[1].2, &rows[3].2), (&twice, &twice));
        assert_eq!(rows[2].2, Ok(counted(3, None)));
        assert_eq!((&rows[4].2, &rows[5].2), (&Err(RowProblem::SkuMissing), &Err(RowProblem::SkuMissing)));
    }

    #[test]
    fn what_a_spreadsheet_was_kept_from_running_reads_as_it_was() {
        let rows = found("sku,quantity\n'=A1,1\n'-5,2\n\"'@x\",3\n'plain,4\n");
        let skus: Vec<&str> = rows.iter().map(|(_, sku, _)| sku.as_str()).collect();
        assert_eq!(skus, ["=A1", "-5", "@x", "'plain"]);
    }

    proptest! {
        #[test]
        fn no_file_upsets_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let table = [b"sku,quantity,reason\n".as_slice(), &bytes].concat();
            for bytes in [&bytes, &table] {
                for row in read(bytes).unwrap_or_default() {
                    prop_assert!(row.sku.len() <= 4 * SKU_CHARS_MAX);
                }
            }
        }

        #[test]
        fn lines_go_up(text in "(a|b|\"|,|\n|\r|\r\n|1|;){0,120}") {
            let rows = read(format!("sku,quantity\n{text}").as_bytes()).unwrap_or_default();
            prop_assert!(rows.windows(2).all(|pair| pair[0].line < pair[1].line), "{:?}", rows);
        }
    }
}
