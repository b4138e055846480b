//! How big the packaged functions are.

use std::{
    fs,
    io::{self, Write},
};

use crate::{Findings, failure::Failure, repository::Repository};

const PACKAGES: &str = "target/lambda";

/// Prints the size of each packaged function, the biggest first.
///
/// # Errors
/// When a package cannot be read or the table cannot be printed.
pub fn print(repository: &Repository) -> Result<Findings, Failure> {
    let mut sizes = Vec::new();
    for directory in repository.list(PACKAGES)? {
        let path = repository.root().join(&directory).join("bootstrap");
        if path.is_file() {
            let size = fs::metadata(&path).map_err(|source| Failure::File { path, source })?.len();
            sizes.push((directory.trim_start_matches(PACKAGES).trim_start_matches('/').to_owned(), size));
        }
    }
    if sizes.is_empty() {
        return Ok(vec![format!("nothing in {PACKAGES}; build first: cargo lambda build --release --arm64")]);
    }
    io::stdout().write_all(table(&mut sizes).as_bytes())?;
    Ok(Vec::new())
}

fn table(sizes: &mut [(String, u64)]) -> String {
    sizes.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    let total: u64 = sizes.iter().map(|(_, size)| size).sum();
    let rows = sizes.iter().map(|(name, size)| format!("{name:<28} {:>9}\n", size / 1024));
    let head = format!("{:<28} {:>9}\n", "function", "KiB");
    let foot = format!("{:<28} {:>9}\n", format!("{} functions", sizes.len()), total / 1024);
    std::iter::once(head).chain(rows).chain(std::iter::once(foot)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_biggest_comes_first_and_the_total_last() {
        let text = table(&mut [("a".into(), 1024), ("b".into(), 5 * 1024), ("c".into(), 1024)]);
        let words: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(
            words,
            [
                vec!["function", "KiB"],
                vec!["b", "5"],
                vec!["a", "1"],
                vec!["c", "1"],
                vec!["3", "functions", "7"]
            ]
        );
    }
}
