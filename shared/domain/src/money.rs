//! Money is a whole number of minor units with its currency. There are no operators and no floats here, and
//! every split gives parts that sum to the whole.

use serde::{Deserialize, Deserializer, Serialize, de::Error};

/// The currencies a marketplace can trade in, with the number of decimals ISO 4217 gives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Currency {
    /// Bahraini dinar, three decimals.
    Bhd,
    /// Swiss franc.
    Chf,
    /// Ethiopian birr.
    Etb,
    /// Euro.
    Eur,
    /// Pound sterling.
    Gbp,
    /// Japanese yen, no decimals.
    Jpy,
    /// US dollar.
    Usd,
}

impl Currency {
    const ALL: [Self; 7] = [Self::Bhd, Self::Chf, Self::Etb, Self::Eur, Self::Gbp, Self::Jpy, Self::Usd];

    /// The three-letter code, upper case.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Bhd => "BHD",
            Self::Chf => "CHF",
            Self::Etb => "ETB",
            Self::Eur => "EUR",
            Self::Gbp => "GBP",
            Self::Jpy => "JPY",
            Self::Usd => "USD",
        }
    }

    /// Reads a code in either case, as providers write them.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|currency| currency.code().eq_ignore_ascii_case(code))
    }

    /// How many digits stand after the decimal point when an amount is shown to people.
    #[must_use]
    pub fn decimals(self) -> u8 {
        match self {
            Self::Jpy => 0,
            Self::Chf | Self::Etb | Self::Eur | Self::Gbp | Self::Usd => 2,
            Self::Bhd => 3,
        }
    }
}

/// A non-negative amount. Direction (charge, refund) is the caller's verb, never a sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Money {
    #[serde(rename = "amount", deserialize_with = "within_bounds")]
    minor: u64,
    currency: Currency,
}

/// An amount that was read is bounded like one that was made.
fn within_bounds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let minor = u64::deserialize(deserializer)?;
    if minor > Money::MINOR_MAX { Err(D::Error::custom(MoneyError::OutOfRange)) } else { Ok(minor) }
}

/// Why an amount could not be computed. None of these is recoverable by retrying.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// The operands are in different currencies.
    #[error("cannot mix {left:?} and {right:?}")]
    CurrencyMismatch {
        /// Currency of the receiver.
        left: Currency,
        /// Currency of the argument.
        right: Currency,
    },
    /// The result is below zero or above the largest amount.
    #[error("amount out of range")]
    OutOfRange,
}

/// A rate in basis points, at most 100 %.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct BasisPoints(u16);

impl BasisPoints {
    const WHOLE: u16 = 10_000;

    /// Returns `None` above 100 %.
    #[must_use]
    pub fn new(value: u16) -> Option<Self> {
        (value <= Self::WHOLE).then_some(Self(value))
    }
}

impl TryFrom<u16> for BasisPoints {
    type Error = &'static str;
    fn try_from(value: u16) -> Result<Self, Self::Error> {
        Self::new(value).ok_or("a rate is at most 10000 basis points")
    }
}

impl From<BasisPoints> for u16 {
    fn from(rate: BasisPoints) -> Self {
        rate.0
    }
}

impl Money {
    /// The largest amount, in minor units: every sum of bounded orders stays exact as a JSON number.
    pub const MINOR_MAX: u64 = 9_007_199_254_740_991;

    /// Wraps an amount that is already in minor units.
    ///
    /// # Errors
    /// [`MoneyError::OutOfRange`] above [`Self::MINOR_MAX`].
    pub fn try_new(minor: u64, currency: Currency) -> Result<Self, MoneyError> {
        if minor > Self::MINOR_MAX { Err(MoneyError::OutOfRange) } else { Ok(Self { minor, currency }) }
    }

    /// Nothing, in `currency`.
    #[must_use]
    pub fn zero(currency: Currency) -> Self {
        Self { minor: 0, currency }
    }

    /// The amount in minor units, for storage and for the payment provider.
    #[must_use]
    pub fn minor(self) -> u64 {
        self.minor
    }

    /// Its currency.
    #[must_use]
    pub fn currency(self) -> Currency {
        self.currency
    }

    /// Whether the amount is nothing.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.minor == 0
    }

    /// Adds two amounts of one currency.
    ///
    /// # Errors
    /// [`MoneyError`] when the currencies differ or the sum does not fit.
    pub fn try_add(self, other: Self) -> Result<Self, MoneyError> {
        self.combine(other, u64::checked_add)
    }

    /// Subtracts `other`; never goes below zero.
    ///
    /// # Errors
    /// [`MoneyError`] when the currencies differ or `other` is larger.
    pub fn try_sub(self, other: Self) -> Result<Self, MoneyError> {
        self.combine(other, u64::checked_sub)
    }

    /// `quantity` times this amount.
    ///
    /// # Errors
    /// [`MoneyError::OutOfRange`] when the product does not fit.
    pub fn try_mul(self, quantity: u32) -> Result<Self, MoneyError> {
        let minor = self.minor.checked_mul(u64::from(quantity)).ok_or(MoneyError::OutOfRange)?;
        Self::try_new(minor, self.currency)
    }

    /// The sum of `amounts`, zero of `currency` when there are none.
    ///
    /// # Errors
    /// [`MoneyError`] when a currency differs or the sum does not fit.
    pub fn try_sum(currency: Currency, amounts: impl IntoIterator<Item = Self>) -> Result<Self, MoneyError> {
        amounts.into_iter().try_fold(Self::zero(currency), Self::try_add)
    }

    /// Splits into `(share, rest)`, the share rounded down: the odd unit stays with the rest.
    ///
    /// # Errors
    /// [`MoneyError::OutOfRange`] never occurs for a rate of at most 100 %; it keeps the maths total.
    pub fn split(self, rate: BasisPoints) -> Result<(Self, Self), MoneyError> {
        let share = self.scaled(u64::from(rate.0), u64::from(BasisPoints::WHOLE))?;
        Ok((share, self.try_sub(share)?))
    }

    /// Divides the amount over `weights` by largest remainder: the parts sum to the whole, and each is within
    /// one unit of its exact share. Equal remainders go to the earlier part. All weights zero means the first
    /// part takes everything; no weights, no parts.
    ///
    /// # Errors
    /// [`MoneyError::OutOfRange`] when the weights do not fit.
    pub fn allocate(self, weights: &[u64]) -> Result<Vec<Self>, MoneyError> {
        let total: u128 = weights.iter().map(|w| u128::from(*w)).sum();
        if total == 0 {
            let mut parts = vec![Self::zero(self.currency); weights.len()];
            if let Some(first) = parts.first_mut() {
                *first = self;
            }
            return Ok(parts);
        }
        let whole = u128::from(self.minor);
        let mut floors = Vec::with_capacity(weights.len());
        for (index, weight) in weights.iter().enumerate() {
            let scaled = whole.checked_mul(u128::from(*weight)).ok_or(MoneyError::OutOfRange)?;
            let floor = scaled.checked_div(total).ok_or(MoneyError::OutOfRange)?;
            let remainder = scaled.checked_rem(total).ok_or(MoneyError::OutOfRange)?;
            floors.push((index, u64::try_from(floor).map_err(|_| MoneyError::OutOfRange)?, remainder));
        }
        let given = floors.iter().try_fold(0_u64, |sum, (_, floor, _)| sum.checked_add(*floor));
        let mut odd = given.and_then(|sum| self.minor.checked_sub(sum)).ok_or(MoneyError::OutOfRange)?;
        floors.sort_by(|a, b| b.2.cmp(&a.2).then(a.0.cmp(&b.0)));
        for (_, floor, _) in &mut floors {
            if odd == 0 {
                break;
            }
            *floor = floor.checked_add(1).ok_or(MoneyError::OutOfRange)?;
            odd = odd.saturating_sub(1);
        }
        floors.sort_by_key(|(index, _, _)| *index);
        floors.into_iter().map(|(_, minor, _)| Self::try_new(minor, self.currency)).collect()
    }

    /// `self × part ÷ whole`, rounded down.
    ///
    /// # Errors
    /// [`MoneyError::OutOfRange`] when `whole` is zero or the result does not fit.
    pub fn scaled(self, part: u64, whole: u64) -> Result<Self, MoneyError> {
        let minor = u128::from(self.minor)
            .checked_mul(u128::from(part))
            .and_then(|n| n.checked_div(u128::from(whole)))
            .and_then(|n| u64::try_from(n).ok())
            .ok_or(MoneyError::OutOfRange)?;
        Self::try_new(minor, self.currency)
    }

    /// The amount as people write it, such as `19.99 USD`.
    #[must_use]
    pub fn display(self) -> String {
        format!("{} {}", self.decimal(), self.currency.code())
    }

    /// The amount with as many decimals as its currency has, as providers write it: `19.99`, or `1999` for yen.
    #[must_use]
    pub fn decimal(self) -> String {
        let decimals = usize::from(self.currency.decimals());
        if decimals == 0 {
            return self.minor.to_string();
        }
        let digits = format!("{:0width$}", self.minor, width = decimals.saturating_add(1));
        let (whole, cents) = digits.split_at(digits.len().saturating_sub(decimals));
        format!("{whole}.{cents}")
    }

    /// Reads an amount that a provider wrote: digits, and at most one point with digits after it. Decimals that the
    /// currency does not have must be zero; nothing is rounded.
    ///
    /// # Errors
    /// [`MoneyError::OutOfRange`] when it is not such a number, or too large or too exact.
    pub fn parse_decimal(text: &str, currency: Currency) -> Result<Self, MoneyError> {
        /// Longer than any amount there is.
        const LENGTH_MAX: usize = 40;
        let (whole, fraction) = match text.split_once('.') {
            Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
            Some(_) => return Err(MoneyError::OutOfRange),
            None => (text, ""),
        };
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || text.len() > LENGTH_MAX || !digits(whole) || !digits(fraction) {
            return Err(MoneyError::OutOfRange);
        }
        let decimals = usize::from(currency.decimals());
        let (kept, dropped) = fraction.split_at_checked(decimals).unwrap_or((fraction, ""));
        if dropped.bytes().any(|byte| byte != b'0') {
            return Err(MoneyError::OutOfRange);
        }
        let minor = format!("{whole}{kept:0<decimals$}").parse().map_err(|_| MoneyError::OutOfRange)?;
        Self::try_new(minor, currency)
    }

    fn combine(self, other: Self, op: fn(u64, u64) -> Option<u64>) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::CurrencyMismatch { left: self.currency, right: other.currency });
        }
        Self::try_new(op(self.minor, other.minor).ok_or(MoneyError::OutOfRange)?, self.currency)
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test may stop")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn usd(minor: u64) -> Money {
        Money::try_new(minor, Currency::Usd).unwrap()
    }

    proptest! {
        #[test]
        fn a_split_conserves_every_cent(minor in 0..=Money::MINOR_MAX, bps in 0_u16..=10_000) {
            let (share, rest) = usd(minor).split(BasisPoints::new(bps).unwrap()).unwrap();
            prop_assert_eq!(share.try_add(rest), Ok(usd(minor)));
        }

        #[test]
        fn an_allocation_conserves_every_cent_and_is_fair(
            minor in 0..=Money::MINOR_MAX,
            weights in prop::collection::vec(0..=Money::MINOR_MAX, 1..50),
        ) {
            let parts = usd(minor).allocate(&weights).unwrap();
            prop_assert_eq!(parts.len(), weights.len());
            prop_assert_eq!(Money::try_sum(Currency::Usd, parts.iter().copied()), Ok(usd(minor)));
            let total: u128 = weights.iter().map(|w| u128::from(*w)).sum();
            for (part, weight) in parts.iter().zip(&weights) {
                if let Some(floor) = u128::from(minor).saturating_mul(u128::from(*weight)).checked_div(total) {
                    prop_assert!(u128::from(part.minor()) >= floor && u128::from(part.minor()) <= floor + 1);
                }
            }
        }

        #[test]
        fn what_is_written_for_a_provider_reads_back_to_the_minor_unit(minor in 0..=Money::MINOR_MAX) {
            for currency in Currency::ALL {
                let money = Money::try_new(minor, currency).unwrap();
                prop_assert_eq!(Money::parse_decimal(&money.decimal(), currency), Ok(money));
            }
        }

        #[test]
        fn money_that_is_read_is_within_its_bounds(minor: u64, currency in "[A-Z]{3}|USD|JPY|usd|.{0,4}") {
            let text = serde_json::json!({"amount": minor, "currency": currency}).to_string();
            let known = Currency::parse(&currency).filter(|known| known.code() == currency);
            let expected = known.and_then(|known| Money::try_new(minor, known).ok());
            prop_assert_eq!(serde_json::from_str::<Money>(&text).ok(), expected);
        }

        #[test]
        fn nothing_upsets_the_readers_of_money(text in ".{0,60}") {
            drop((serde_json::from_str::<Money>(&text), Currency::parse(&text)));
            drop(serde_json::from_str::<Money>(&format!("{{\"amount\":{text},\"currency\":\"USD\"}}")));
        }

        #[test]
        fn adding_then_subtracting_gives_the_amount_back(a in 0..1_u64 << 52, b in 0..1_u64 << 52) {
            prop_assert_eq!(usd(a).try_add(usd(b)).unwrap().try_sub(usd(b)), Ok(usd(a)));
        }
    }

    #[test]
    fn currencies_never_mix() {
        let yen = Money::zero(Currency::Jpy);
        assert!(matches!(usd(1).try_add(yen), Err(MoneyError::CurrencyMismatch { .. })));
        assert!(matches!(usd(1).try_sub(yen), Err(MoneyError::CurrencyMismatch { .. })));
    }

    #[test]
    fn amounts_never_leave_their_range() {
        assert_eq!(usd(1).try_sub(usd(2)), Err(MoneyError::OutOfRange));
        assert_eq!(usd(Money::MINOR_MAX).try_add(usd(1)), Err(MoneyError::OutOfRange));
        assert_eq!(usd(Money::MINOR_MAX).try_mul(2), Err(MoneyError::OutOfRange));
    }

    #[test]
    fn zero_and_three_decimal_currencies_are_written_right() {
        let show = |minor, currency| Money::try_new(minor, currency).unwrap().display();
        assert_eq!(show(1_999, Currency::Usd), "19.99 USD");
        assert_eq!(show(5, Currency::Usd), "0.05 USD");
        assert_eq!(show(1_999, Currency::Jpy), "1999 JPY");
        assert_eq!(show(1_999, Currency::Bhd), "1.999 BHD");
    }

    #[test]
    fn an_amount_of_a_provider_is_read_exactly_or_not_at_all() {
        let read = |text, currency| Money::parse_decimal(text, currency).ok().map(Money::minor);
        for (text, currency, minor) in [
            ("100", Currency::Etb, 10_000),
            ("100.5", Currency::Etb, 10_050),
            ("100.05", Currency::Usd, 10_005),
            ("100.0500", Currency::Usd, 10_005),
            ("0.01", Currency::Usd, 1),
            ("007", Currency::Jpy, 7),
            ("7.00", Currency::Jpy, 7),
            ("1.2", Currency::Bhd, 1_200),
            ("90071992547409.91", Currency::Usd, Money::MINOR_MAX),
        ] {
            assert_eq!(read(text, currency), Some(minor), "{text}");
        }
        for bad in [
            "",
            ".",
            "1.",
            ".5",
            "-1",
            "+1",
            " 1",
            "1 ",
            "1e2",
            "1,000.00",
            "1.001",
            "1..0",
            "0x1",
            "NaN",
            "١",
            "90071992547409.92",
            "99999999999999999999",
            "1.0000000000000000000000000000000000000000",
        ] {
            assert_eq!(read(bad, Currency::Usd), None, "{bad}");
        }
        assert_eq!(read("1.5", Currency::Jpy), None);
    }

    #[test]
    fn an_unknown_money_field_is_refused() {
        assert!(serde_json::from_str::<Money>(r#"{"amount":1,"currency":"USD"}"#).is_ok());
        for bad in [
            r#"{"amount":-1,"currency":"USD"}"#,
            r#"{"amount":1.5,"currency":"USD"}"#,
            r#"{"amount":9007199254740992,"currency":"USD"}"#,
            r#"{"amount":1,"currency":"USD","x":1}"#,
        ] {
            assert!(serde_json::from_str::<Money>(bad).is_err(), "{bad}");
        }
    }
}
