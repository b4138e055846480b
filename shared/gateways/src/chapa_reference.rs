//! What payments are called at Chapa.

/// What a payment is called at Chapa: `<order>-<attempt>`.
#[must_use]
pub fn tx_ref(order_id: &str, attempt: u32) -> String {
    format!("{order_id}-{attempt}")
}

/// The order and the attempt of a payment of ours.
#[must_use]
pub fn parse_tx_ref(text: &str) -> Option<(&str, u32)> {
    let (order, attempt) = text.rsplit_once('-')?;
    let number: u32 = attempt.parse().ok()?;
    (tx_ref(order, number) == text).then_some((order, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_names_one_attempt_of_one_order() {
        let order = "ord_01J8ZQ5K3N0V7X2Y4T6B8D9FGH";
        assert_eq!(tx_ref(order, 2), format!("{order}-2"));
        assert_eq!(parse_tx_ref(&tx_ref(order, 2)), Some((order, 2)));
        for other in ["", "-", "x", "ord_1-", "ord_1-x", "ord_1-01", "ord_1-+1", "ord_1-4294967296"] {
            assert_eq!(parse_tx_ref(other), None, "{other}");
        }
    }
}
