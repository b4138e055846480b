//! Coupons: what a code is worth, for whom, and how often. Who made a coupon pays for it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    ids::SellerId,
    money::{BasisPoints, Currency, Money, MoneyError},
    product::{Findings, PRICE_MINOR_MAX},
    time::Timestamp,
};

/// What a buyer types. Case does not matter: it is kept in upper case.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CouponCode(String);

impl CouponCode {
    /// Reads a code: 3 to 32 letters, digits, `-` and `_`.
    ///
    /// # Errors
    /// A message that says so.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.trim().to_ascii_uppercase();
        let fine = (3..=32).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        if fine { Ok(Self(text)) } else { Err("expected 3 to 32 letters, digits, - and _") }
    }

    /// As text, in upper case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for CouponCode {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<CouponCode> for String {
    fn from(code: CouponCode) -> Self {
        code.0
    }
}

impl fmt::Display for CouponCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for CouponCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who gives a discount, and so on whose goods.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Funder {
    /// The marketplace, on all goods.
    #[default]
    Platform,
    /// A seller, on their own goods.
    Seller {
        /// Who.
        seller: SellerId,
    },
}

impl Funder {
    /// What it is called in answers.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Platform => "platform",
            Self::Seller { .. } => "seller",
        }
    }
}

/// What a coupon takes off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Worth {
    /// A share of the goods, rounded down.
    Percentage {
        /// How much.
        rate: BasisPoints,
    },
    /// So much, or all when the goods cost less.
    Amount {
        /// How much.
        amount: Money,
    },
}

/// What whoever made a coupon decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// What it takes off.
    pub worth: Worth,
    /// What the goods it is for must cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum: Option<Money>,
    /// From when on.
    pub starts_at: Timestamp,
    /// Until when; not at that instant any more.
    pub ends_at: Timestamp,
    /// How many orders may use it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uses_max: Option<u32>,
    /// How many orders of one user may use it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uses_per_user_max: Option<u32>,
    /// How much it may take off all orders together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Money>,
    /// Whether it can be used at all.
    pub active: bool,
}

/// A coupon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coupon {
    /// The code; no other coupon has it.
    pub code: CouponCode,
    /// Who made it and pays for it.
    pub funder: Funder,
    /// What was decided.
    pub terms: Terms,
    /// How often the terms were written. Uses do not change it.
    pub revision: u64,
    /// How many live orders use it.
    pub uses: u32,
    /// What it takes off them.
    pub spent: Money,
    /// When it was made.
    pub created_at: Timestamp,
}

/// The coupon of an order, as it was when the order was placed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsedCoupon {
    /// Which.
    pub code: CouponCode,
    /// Who pays for it.
    pub funder: Funder,
    /// What it took off.
    pub discount: Money,
}

/// Why a coupon takes nothing off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CouponRefusal {
    /// Its time has not come.
    #[error("the coupon is not valid yet")]
    NotStarted,
    /// Its time is over, or it was ended.
    #[error("the coupon is not valid any more")]
    Expired,
    /// All its uses, or its whole budget, are taken.
    #[error("the coupon is used up")]
    Exhausted,
    /// This user has used it as often as one may.
    #[error("the coupon was used before")]
    Used,
    /// The goods cost less than they must.
    #[error("the goods cost less than the coupon asks for")]
    BelowMinimum,
    /// It is for other goods.
    #[error("the coupon is for other goods")]
    OtherGoods,
}

impl CouponRefusal {
    /// Its stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::NotStarted => "coupon-not-started",
            Self::Expired => "coupon-expired",
            Self::Exhausted => "coupon-exhausted",
            Self::Used => "coupon-used",
            Self::BelowMinimum => "coupon-below-minimum",
            Self::OtherGoods => "coupon-other-goods",
        }
    }
}

/// What a coupon takes off each line, or why nothing.
pub type Discounts = Result<Vec<Money>, CouponRefusal>;

impl Coupon {
    /// Why an order of a user who has used it `used` times cannot use it at `now`, whatever is in it.
    #[must_use]
    pub fn refusal(&self, now: Timestamp, used: u32) -> Option<CouponRefusal> {
        let terms = &self.terms;
        if !terms.active || terms.ends_at <= now {
            Some(CouponRefusal::Expired)
        } else if now < terms.starts_at {
            Some(CouponRefusal::NotStarted)
        } else if terms.uses_max.is_some_and(|max| self.uses >= max)
            || terms.budget.is_some_and(|budget| self.spent.minor() >= budget.minor())
        {
            Some(CouponRefusal::Exhausted)
        } else if terms.uses_per_user_max.is_some_and(|max| used >= max) {
            Some(CouponRefusal::Used)
        } else {
            None
        }
    }

    /// Whether `discount` is still in the budget.
    #[must_use]
    pub fn affords(&self, discount: Money) -> bool {
        let after = self.spent.try_add(discount);
        self.terms.budget.is_none_or(|budget| after.is_ok_and(|after| after.minor() <= budget.minor()))
    }

    fn is_for(&self, seller: &SellerId) -> bool {
        match &self.funder {
            Funder::Platform => true,
            Funder::Seller { seller: own } => own == seller,
        }
    }

    /// What it takes off each of these lines (whose, and what they cost), by largest remainder and never more than
    /// the line, for a user who has used it `used` times.
    ///
    /// # Errors
    /// [`MoneyError`] when currencies differ or a sum does not fit.
    pub fn discounts(
        &self,
        lines: &[(&SellerId, Money)],
        now: Timestamp,
        used: u32,
    ) -> Result<Discounts, MoneyError> {
        if let Some(refusal) = self.refusal(now, used) {
            return Ok(Err(refusal));
        }
        let currency = self.spent.currency();
        let own = |(seller, total): &(&SellerId, Money)| {
            if self.is_for(seller) { *total } else { Money::zero(currency) }
        };
        let eligible: Vec<Money> = lines.iter().map(own).collect();
        let goods = Money::try_sum(currency, eligible.iter().copied())?;
        if goods.is_zero() {
            return Ok(Err(CouponRefusal::OtherGoods));
        }
        if self.terms.minimum.is_some_and(|minimum| goods.minor() < minimum.minor()) {
            return Ok(Err(CouponRefusal::BelowMinimum));
        }
        let discount = match self.terms.worth {
            Worth::Percentage { rate } => goods.split(rate)?.0,
            Worth::Amount { amount } if amount.minor() < goods.minor() => amount,
            Worth::Amount { .. } => goods,
        };
        if discount.is_zero() {
            // So little that the share rounds down to nothing.
            return Ok(Err(CouponRefusal::BelowMinimum));
        }
        if !self.affords(discount) {
            return Ok(Err(CouponRefusal::Exhausted));
        }
        let weights: Vec<u64> = eligible.iter().map(|total| total.minor()).collect();
        discount.allocate(&weights).map(Ok)
    }
}

impl Terms {
    /// Names what is not acceptable.
    pub fn check(&self, currency: Currency, findings: &mut Findings) {
        let mut amounts = vec![("/minimum", self.minimum), ("/budget", self.budget)];
        match self.worth {
            Worth::Percentage { rate } if u16::from(rate) == 0 => findings.add("/worth/rate", "out-of-range"),
            Worth::Percentage { .. } => {}
            Worth::Amount { amount } => amounts.push(("/worth/amount", Some(amount))),
        }
        for (pointer, amount) in amounts {
            let Some(amount) = amount else { continue };
            if amount.currency() != currency {
                findings.add(format!("{pointer}/currency"), "currency-mismatch");
            }
            if amount.is_zero() || amount.minor() > PRICE_MINOR_MAX {
                findings.add(format!("{pointer}/amount"), "out-of-range");
            }
        }
        for (pointer, max) in [("/uses_max", self.uses_max), ("/uses_per_user_max", self.uses_per_user_max)] {
            if max == Some(0) {
                findings.add(pointer, "out-of-range");
            }
        }
        if self.ends_at <= self.starts_at {
            findings.add("/ends_at", "out-of-range");
        }
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test may stop")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    fn usd(minor: u64) -> Money {
        Money::try_new(minor, Currency::Usd).unwrap()
    }

    fn seller(n: usize) -> SellerId {
        SellerId::parse(&format!("sel_01J8ZQ5K3N0V7X2Y4T6B8D9F{n:02}")).unwrap()
    }

    fn coupon(worth: Worth) -> Coupon {
        Coupon {
            code: CouponCode::parse("spring").unwrap(),
            funder: Funder::Platform,
            terms: Terms {
                worth,
                minimum: None,
                starts_at: NOW,
                ends_at: NOW.plus_seconds(60),
                uses_max: None,
                uses_per_user_max: None,
                budget: None,
                active: true,
            },
            revision: 1,
            uses: 0,
            spent: usd(0),
            created_at: NOW,
        }
    }

    fn tenth() -> Coupon {
        coupon(Worth::Percentage { rate: BasisPoints::new(1_000).unwrap() })
    }

    fn taken(coupon: &Coupon, lines: &[(usize, u64)], used: u32) -> Result<Vec<u64>, &'static str> {
        let sellers: Vec<SellerId> = lines.iter().map(|(n, _)| seller(*n)).collect();
        let lines: Vec<_> =
            sellers.iter().zip(lines).map(|(seller, (_, minor))| (seller, usd(*minor))).collect();
        let found = coupon.discounts(&lines, NOW, used).unwrap();
        found.map(|all| all.into_iter().map(Money::minor).collect()).map_err(CouponRefusal::code)
    }

    #[test]
    fn a_code_is_one_code_in_either_case() {
        assert_eq!(CouponCode::parse(" spring-24 ").unwrap().as_str(), "SPRING-24");
        for bad in ["", "ab", "a b c", "é23", "a#b", &"x".repeat(33)] {
            assert!(CouponCode::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_coupon_takes_off_what_it_says_and_says_why_not() {
        let lines = [(1, 1_000), (2, 505), (1, 0)];
        assert_eq!(taken(&tenth(), &lines, 0), Ok(vec![100, 50, 0]));
        let fixed = coupon(Worth::Amount { amount: usd(2_000) });
        assert_eq!(taken(&fixed, &lines, 0), Ok(vec![1_000, 505, 0]));
        let own = Coupon { funder: Funder::Seller { seller: seller(2) }, ..tenth() };
        assert_eq!(taken(&own, &lines, 0), Ok(vec![0, 50, 0]));
        assert_eq!(taken(&own, &[(1, 1_000)], 0), Err("coupon-other-goods"));
        let with = |change: fn(&mut Coupon)| {
            let mut coupon = tenth();
            change(&mut coupon);
            taken(&coupon, &lines, 1)
        };
        assert_eq!(with(|c| c.terms.minimum = Some(usd(1_505))), Ok(vec![100, 50, 0]));
        assert_eq!(with(|c| c.terms.minimum = Some(usd(1_506))), Err("coupon-below-minimum"));
        assert_eq!(with(|c| c.terms.starts_at = NOW.plus_seconds(1)), Err("coupon-not-started"));
        assert_eq!(with(|c| c.terms.ends_at = NOW), Err("coupon-expired"));
        assert_eq!(with(|c| c.terms.active = false), Err("coupon-expired"));
        assert_eq!(with(|c| c.terms.uses_max = Some(1)), Ok(vec![100, 50, 0]));
        assert_eq!(with(|c| (c.terms.uses_max, c.uses) = (Some(1), 1)), Err("coupon-exhausted"));
        assert_eq!(with(|c| c.terms.uses_per_user_max = Some(1)), Err("coupon-used"));
        assert_eq!(with(|c| c.terms.uses_per_user_max = Some(2)), Ok(vec![100, 50, 0]));
        assert_eq!(with(|c| c.terms.budget = Some(usd(150))), Ok(vec![100, 50, 0]));
        assert_eq!(with(|c| (c.terms.budget, c.spent) = (Some(usd(150)), usd(1))), Err("coupon-exhausted"));
    }

    #[test]
    fn terms_name_what_is_wrong_with_them() {
        let found = |change: fn(&mut Terms)| {
            let mut terms = tenth().terms;
            change(&mut terms);
            let mut findings = Findings::default();
            terms.check(Currency::Usd, &mut findings);
            findings
                .into_errors()
                .into_iter()
                .map(|e| format!("{}: {}", e.pointer, e.code))
                .collect::<Vec<_>>()
        };
        assert_eq!(found(|_| {}), Vec::<String>::new());
        assert_eq!(found(|t| t.ends_at = t.starts_at), ["/ends_at: out-of-range"]);
        assert_eq!(found(|t| t.uses_max = Some(0)), ["/uses_max: out-of-range"]);
        assert_eq!(found(|t| t.uses_per_user_max = Some(0)), ["/uses_per_user_max: out-of-range"]);
        assert_eq!(found(|t| t.budget = Some(usd(0))), ["/budget/amount: out-of-range"]);
        assert_eq!(
            found(|t| t.minimum = Some(Money::try_new(1, Currency::Eur).unwrap())),
            ["/minimum/currency: currency-mismatch"]
        );
        assert_eq!(
            found(|t| t.worth = Worth::Percentage { rate: BasisPoints::new(0).unwrap() }),
            ["/worth/rate: out-of-range"]
        );
    }

    proptest! {
        #[test]
        fn discounts_sum_to_what_is_promised_and_never_exceed_their_line(
            lines in prop::collection::vec((0..15_usize, 0..1_u64 << 40), 1..50),
            rate in 1_u16..=10_000,
            amount in 1..1_u64 << 42,
            percentage: bool,
            own in prop::option::of(0..15_usize),
        ) {
            let worth = if percentage {
                Worth::Percentage { rate: BasisPoints::new(rate).unwrap() }
            } else {
                Worth::Amount { amount: usd(amount) }
            };
            let funder = own.map_or(Funder::Platform, |n| Funder::Seller { seller: seller(n) });
            let eligible: u64 =
                lines.iter().filter(|(n, _)| own.is_none_or(|own| own == *n)).map(|(_, minor)| minor).sum();
            let promised = if percentage { eligible * u64::from(rate) / 10_000 } else { amount.min(eligible) };
            match taken(&Coupon { funder, ..coupon(worth) }, &lines, 0) {
                Ok(found) => {
                    prop_assert_eq!(found.iter().sum::<u64>(), promised);
                    for (found, (n, minor)) in found.iter().zip(&lines) {
                        prop_assert!(found <= minor);
                        prop_assert!(*found == 0 || own.is_none_or(|own| own == *n));
                    }
                }
                Err("coupon-other-goods") => prop_assert_eq!(eligible, 0),
                Err(refusal) => prop_assert_eq!((refusal, promised), ("coupon-below-minimum", 0)),
            }
        }

        #[test]
        fn nothing_upsets_the_reader_of_codes(text in "[a-zA-Z0-9_-]{0,40}|.{0,40}") {
            if let Ok(code) = CouponCode::parse(&text) {
                prop_assert_eq!(CouponCode::parse(code.as_str()), Ok(code));
            }
        }
    }
}
