//! Tax: which rate applies where, and how much it is, computed exactly and rounded half up.

use serde::{Deserialize, Serialize};

use crate::{
    address::{Address, Country},
    money::{BasisPoints, Money, MoneyError},
    product::Findings,
    text,
};

/// The most rates a marketplace keeps.
pub const RATES_MAX: usize = 200;
/// The longest name of a state or province.
const REGION_CHARS_MAX: usize = 80;

/// What kind of goods it is for the tax office, such as `books`. A listing without one is taxed as usual.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TaxClass(String);

impl TaxClass {
    /// Reads a class: 1 to 32 of `a-z`, `0-9` and `-`.
    ///
    /// # Errors
    /// A message that says so.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text::is_token(text) { Ok(Self(text.to_owned())) } else { Err(text::TOKEN) }
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for TaxClass {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<TaxClass> for String {
    fn from(class: TaxClass) -> Self {
        class.0
    }
}

/// What is known of where goods go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// The country.
    pub country: Country,
    /// The state or province.
    pub region: Option<String>,
}

impl From<&Address> for Destination {
    fn from(address: &Address) -> Self {
        Self { country: address.country, region: address.region.clone() }
    }
}

/// Whether tax is a part of the prices that buyers see, or comes on top.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prices {
    /// Prices contain it.
    Inclusive,
    /// It is added to them.
    Exclusive,
}

/// What is rounded to whole minor units. Halves always go up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rounding {
    /// The tax of each line and of each seller's shipping.
    PerLine,
    /// The tax of the whole order; it is then divided exactly by largest remainder.
    PerOrder,
}

/// How shipping is taxed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum ShippingTax {
    /// Like goods without a class that go to the same place.
    AsGoods,
    /// At one rate everywhere; zero for not at all.
    Fixed {
        /// The rate.
        rate: BasisPoints,
    },
}

/// A rate that applies to some goods in some place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaxRate {
    /// Where.
    pub country: Country,
    /// Only in this state or province.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Only for goods of this class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<TaxClass>,
    /// How much.
    pub rate: BasisPoints,
}

impl TaxRate {
    fn region(&self) -> Option<String> {
        self.region.as_deref().map(folded)
    }

    fn covers(&self, to: &Destination, class: Option<&TaxClass>) -> bool {
        self.country == to.country
            && self.class.as_ref().is_none_or(|own| Some(own) == class)
            && self.region().is_none_or(|own| to.region.as_deref().map(folded) == Some(own))
    }
}

/// Names of regions are compared without regard to case.
fn folded(region: &str) -> String {
    region.trim().to_lowercase()
}

/// How a marketplace taxes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaxRules {
    /// Whether prices contain it.
    pub prices: Prices,
    /// What is rounded.
    pub rounding: Rounding,
    /// Where no rate fits, and while it is not known where goods go.
    pub default_rate: BasisPoints,
    /// How shipping is taxed.
    pub shipping: ShippingTax,
    /// The rates. The one that names the class wins, then the one that names the region.
    pub rates: Vec<TaxRate>,
}

/// Something that is taxed: what the buyer pays for it, and at which rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taxed {
    /// What is paid, with the tax in it or without, as prices are.
    pub amount: Money,
    /// The rate.
    pub rate: BasisPoints,
}

impl TaxRules {
    /// One rate on everything, on top of prices.
    #[must_use]
    pub fn flat(rate: BasisPoints) -> Self {
        Self {
            prices: Prices::Exclusive,
            rounding: Rounding::PerOrder,
            default_rate: rate,
            shipping: ShippingTax::AsGoods,
            rates: Vec::new(),
        }
    }

    /// Whether prices contain the tax.
    #[must_use]
    pub fn is_inclusive(&self) -> bool {
        self.prices == Prices::Inclusive
    }

    /// The rate of goods of `class` that go to `to`.
    #[must_use]
    pub fn rate_of(&self, to: Option<&Destination>, class: Option<&TaxClass>) -> BasisPoints {
        let Some(to) = to else { return self.default_rate };
        let fitting = self.rates.iter().filter(|rate| rate.covers(to, class));
        let best = fitting.max_by_key(|rate| (rate.class.is_some(), rate.region.is_some()));
        best.map_or(self.default_rate, |rate| rate.rate)
    }

    /// The rate of shipping to `to`.
    #[must_use]
    pub fn shipping_rate(&self, to: Option<&Destination>) -> BasisPoints {
        match self.shipping {
            ShippingTax::AsGoods => self.rate_of(to, None),
            ShippingTax::Fixed { rate } => rate,
        }
    }

    /// The tax of each of these, in their order.
    ///
    /// Rounded per order, amounts whose exact taxes have one denominator are added up exactly and rounded once: all
    /// of them when tax comes on top, those of each rate when prices contain it.
    ///
    /// # Errors
    /// [`MoneyError::OutOfRange`] when a sum does not fit.
    pub fn amounts(&self, items: &[Taxed]) -> Result<Vec<Money>, MoneyError> {
        let exact: Vec<Fraction> = items.iter().map(|item| self.exact(*item)).collect();
        let mut shares = vec![0_u128; items.len()];
        match self.rounding {
            Rounding::PerLine => {
                for (share, fraction) in shares.iter_mut().zip(&exact) {
                    *share = half_up(fraction.numerator, fraction.denominator)?;
                }
            }
            Rounding::PerOrder => {
                let mut denominators: Vec<u128> = exact.iter().map(|fraction| fraction.denominator).collect();
                denominators.sort_unstable();
                denominators.dedup();
                for denominator in denominators {
                    divide(&exact, denominator, &mut shares)?;
                }
            }
        }
        let money = |(share, item): (u128, &Taxed)| {
            let minor = u64::try_from(share).map_err(|_| MoneyError::OutOfRange)?;
            Money::try_new(minor, item.amount.currency())
        };
        shares.into_iter().zip(items).map(money).collect()
    }

    /// The tax of an amount as a fraction of minor units.
    fn exact(&self, item: Taxed) -> Fraction {
        let rate = u128::from(u16::from(item.rate));
        let numerator = u128::from(item.amount.minor()).saturating_mul(rate);
        let denominator = match self.prices {
            Prices::Exclusive => WHOLE,
            Prices::Inclusive => WHOLE.saturating_add(rate),
        };
        Fraction { numerator, denominator }
    }

    /// Names what is not acceptable.
    pub fn check(&self, pointer: &str, findings: &mut Findings) {
        if self.rates.len() > RATES_MAX {
            findings.add(format!("{pointer}/rates"), "too-many");
            return;
        }
        for (at, rate) in self.rates.iter().enumerate() {
            let here = format!("{pointer}/rates/{at}");
            if let Some(region) = &rate.region
                && (region.trim().is_empty() || region.chars().count() > REGION_CHARS_MAX)
            {
                findings.add(format!("{here}/region"), "invalid");
            }
            let same = |other: &TaxRate| {
                (other.country, other.region(), &other.class) == (rate.country, rate.region(), &rate.class)
            };
            if self.rates.iter().take(at).any(same) {
                findings.add(here, "duplicate");
            }
        }
    }
}

/// 100 %, in basis points.
const WHOLE: u128 = 10_000;

/// An exact amount of minor units.
#[derive(Debug, Clone, Copy)]
struct Fraction {
    numerator: u128,
    denominator: u128,
}

/// A fraction rounded to a whole number, halves up.
fn half_up(numerator: u128, denominator: u128) -> Result<u128, MoneyError> {
    let twice = numerator.checked_mul(2).and_then(|n| n.checked_add(denominator));
    twice.zip(denominator.checked_mul(2)).and_then(|(n, d)| n.checked_div(d)).ok_or(MoneyError::OutOfRange)
}

/// Rounds the sum of the fractions over `denominator` once, and divides it by largest remainder.
fn divide(exact: &[Fraction], denominator: u128, shares: &mut [u128]) -> Result<(), MoneyError> {
    let own = exact.iter().filter(|fraction| fraction.denominator == denominator);
    let sum = own.fold(0_u128, |sum, fraction| sum.saturating_add(fraction.numerator));
    let mut odd = half_up(sum, denominator)?;
    let mut remainders = Vec::new();
    for (index, fraction) in exact.iter().enumerate().filter(|(_, f)| f.denominator == denominator) {
        let floor = fraction.numerator.checked_div(denominator).ok_or(MoneyError::OutOfRange)?;
        let remainder = fraction.numerator.checked_rem(denominator).ok_or(MoneyError::OutOfRange)?;
        odd = odd.checked_sub(floor).ok_or(MoneyError::OutOfRange)?;
        remainders.push((index, floor, remainder));
    }
    remainders.sort_by(|a, b| b.2.cmp(&a.2).then(a.0.cmp(&b.0)));
    for (index, floor, _) in remainders {
        let extra = odd.min(1);
        odd = odd.saturating_sub(extra);
        if let Some(share) = shares.get_mut(index) {
            *share = floor.saturating_add(extra);
        }
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test may stop")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::money::Currency;

    fn bps(rate: u16) -> BasisPoints {
        BasisPoints::new(rate).unwrap()
    }

    fn taxed(minor: u64, rate: u16) -> Taxed {
        Taxed { amount: Money::try_new(minor, Currency::Bhd).unwrap(), rate: bps(rate) }
    }

    fn rules(prices: Prices, rounding: Rounding) -> TaxRules {
        TaxRules { prices, rounding, ..TaxRules::flat(bps(0)) }
    }

    fn minors(rules: &TaxRules, items: &[Taxed]) -> Vec<u64> {
        rules.amounts(items).unwrap().into_iter().map(Money::minor).collect()
    }

    fn rate(country: &str, region: Option<&str>, class: Option<&str>, rate: u16) -> TaxRate {
        TaxRate {
            country: Country::parse(country).unwrap(),
            region: region.map(str::to_owned),
            class: class.map(|class| TaxClass::parse(class).unwrap()),
            rate: bps(rate),
        }
    }

    #[test]
    fn the_rate_that_names_class_and_region_wins() {
        let rates = vec![
            rate("US", None, None, 100),
            rate("US", Some("CA"), None, 725),
            rate("US", None, Some("food"), 0),
            rate("US", Some("ca"), Some("cars"), 900),
            rate("DE", None, None, 1_900),
        ];
        let rules = TaxRules { rates, ..TaxRules::flat(bps(2_000)) };
        for (country, region, class, expected) in [
            ("US", None, None, 100),
            ("US", Some("NY"), None, 100),
            ("US", Some("CA"), None, 725),
            ("US", Some(" ca "), None, 725),
            ("US", Some("CA"), Some("food"), 0),
            ("US", Some("CA"), Some("cars"), 900),
            ("US", Some("NY"), Some("cars"), 100),
            ("US", Some("CA"), Some("toys"), 725),
            ("DE", Some("CA"), Some("food"), 1_900),
            ("FR", None, None, 2_000),
        ] {
            let country = Country::parse(country).unwrap();
            let to = Destination { country, region: region.map(str::to_owned) };
            let class = class.map(|class| TaxClass::parse(class).unwrap());
            assert_eq!(u16::from(rules.rate_of(Some(&to), class.as_ref())), expected, "{to:?} {class:?}");
        }
        assert_eq!(u16::from(rules.rate_of(None, None)), 2_000);
        let fixed = TaxRules { shipping: ShippingTax::Fixed { rate: bps(0) }, ..rules };
        assert_eq!(u16::from(fixed.shipping_rate(None)), 0);
    }

    #[test]
    fn halves_go_up_per_line_or_once_per_order() {
        // 5 % of 10 is a half.
        let items = [taxed(10, 500), taxed(10, 500), taxed(10, 500)];
        assert_eq!(minors(&rules(Prices::Exclusive, Rounding::PerLine), &items), [1, 1, 1]);
        assert_eq!(minors(&rules(Prices::Exclusive, Rounding::PerOrder), &items), [1, 1, 0]);
    }

    #[test]
    fn tax_is_taken_out_of_prices_that_contain_it() {
        let rules = rules(Prices::Inclusive, Rounding::PerLine);
        assert_eq!(
            minors(&rules, &[taxed(11_900, 1_900), taxed(100, 2_000), taxed(1, 10_000)]),
            [1_900, 17, 1]
        );
    }

    #[test]
    fn a_rate_is_named_once_and_there_are_not_too_many() {
        let found = |rates: Vec<TaxRate>| {
            let mut findings = Findings::default();
            TaxRules { rates, ..TaxRules::flat(bps(0)) }.check("/tax", &mut findings);
            findings
                .into_errors()
                .into_iter()
                .map(|e| format!("{}: {}", e.pointer, e.code))
                .collect::<Vec<_>>()
        };
        let twice = vec![rate("US", Some("CA"), None, 1), rate("US", Some("ca "), None, 2)];
        assert_eq!(found(twice), ["/tax/rates/1: duplicate"]);
        assert_eq!(found(vec![rate("US", Some(" "), None, 1)]), ["/tax/rates/0/region: invalid"]);
        assert_eq!(found(vec![rate("US", None, None, 1); RATES_MAX + 1]), ["/tax/rates: too-many"]);
    }

    proptest! {
        #[test]
        fn the_taxes_of_an_order_sum_to_the_exact_tax_rounded_once(
            amounts in prop::collection::vec((0..1_u64 << 40, 0_u16..=10_000), 0..65),
        ) {
            let items: Vec<Taxed> = amounts.iter().map(|(minor, rate)| taxed(*minor, *rate)).collect();
            let found = minors(&rules(Prices::Exclusive, Rounding::PerOrder), &items);
            let exact: u128 = amounts.iter().map(|(minor, rate)| u128::from(*minor) * u128::from(*rate)).sum();
            let sum: u128 = found.iter().map(|minor| u128::from(*minor)).sum();
            prop_assert_eq!(sum, (exact + 5_000) / 10_000);
        }

        #[test]
        fn no_tax_is_a_whole_unit_away_from_its_exact_share_or_more_than_what_contains_it(
            amounts in prop::collection::vec((0..1_u64 << 40, 0_u16..=10_000), 1..65),
            inclusive: bool,
            per_order: bool,
        ) {
            let rules = rules(
                if inclusive { Prices::Inclusive } else { Prices::Exclusive },
                if per_order { Rounding::PerOrder } else { Rounding::PerLine },
            );
            let items: Vec<Taxed> = amounts.iter().map(|(minor, rate)| taxed(*minor, *rate)).collect();
            for (found, item) in minors(&rules, &items).into_iter().zip(&items) {
                let Fraction { numerator, denominator } = rules.exact(*item);
                let distance = (u128::from(found) * denominator).abs_diff(numerator);
                prop_assert!(distance < denominator, "{found} of {item:?}");
                prop_assert!(!inclusive || found <= item.amount.minor());
            }
        }

        #[test]
        fn nothing_upsets_the_reader_of_classes(text in "[a-zA-Z0-9-]{0,40}|.{0,40}") {
            if let Ok(class) = TaxClass::parse(&text) {
                prop_assert_eq!(class.as_str(), text.as_str());
            }
        }
    }
}
