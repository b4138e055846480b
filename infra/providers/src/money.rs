//! Amounts as decimal numbers.

/// Writes an amount of minor units with its decimals.
pub(crate) fn decimal(minor: u64, decimals: usize) -> String {
    let digits = format!("{minor:0width$}", width = decimals.saturating_add(1));
    let (whole, fraction) = digits.split_at(digits.len().saturating_sub(decimals));
    if decimals == 0 { whole.to_owned() } else { format!("{whole}.{fraction}") }
}

/// Reads what has at most that many decimals.
pub(crate) fn parse(text: &str, decimals: usize) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let dangling = text.ends_with('.');
    if whole.is_empty() || dangling || fraction.len() > decimals || !digits(whole) || !digits(fraction) {
        return None;
    }
    format!("{whole}{fraction:0<decimals$}").parse().ok()
}
