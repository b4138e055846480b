//! What a cart costs: prices, discount, shipping and tax, in whole minor units whose parts sum to the whole.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    coupon::{Coupon, CouponCode, CouponRefusal, Funder, UsedCoupon},
    ids::SellerId,
    money::{Currency, Money, MoneyError},
    order::{OrderLine, Totals},
    problem::Problem,
    product::Findings,
    shipping::{Choices, Offer, Parcel, ShippingProfile, choose},
    tax::{Destination, TaxClass, TaxRules, Taxed},
    time::Timestamp,
};

/// How this marketplace makes a price of a cart, as staff decide it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// Tax.
    pub tax: TaxRules,
    /// How sellers without a profile of their own send things.
    pub shipping: ShippingProfile,
}

impl Rules {
    /// Names what is not acceptable.
    pub fn check(&self, currency: Currency, findings: &mut Findings) {
        self.tax.check("/tax", findings);
        self.shipping.check("/shipping", currency, findings);
    }
}

/// A line with what its costs depend on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedLine {
    /// The line; its discount and tax are still to be found.
    pub line: OrderLine,
    /// The shop's name.
    pub seller_name: String,
    /// Weight of one, in grams.
    pub weight_g: u32,
    /// What it is for the tax office.
    pub tax_class: Option<TaxClass>,
}

/// What costs depend on besides the lines.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'a> {
    /// What everything is priced in.
    pub currency: Currency,
    /// The marketplace's rules.
    pub rules: &'a Rules,
    /// The sellers' own shipping profiles.
    pub profiles: &'a BTreeMap<SellerId, ShippingProfile>,
    /// Where to, if that is known.
    pub to: Option<&'a Destination>,
    /// How, as far as the buyer chose.
    pub choices: &'a Choices,
    /// The coupon in the cart, and how often the buyer has used it.
    pub coupon: Option<(&'a Coupon, u32)>,
    /// When.
    pub now: Timestamp,
}

/// One seller's part of a quote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotePart {
    /// Whose.
    pub seller: SellerId,
    /// The shop's name.
    pub seller_name: String,
    /// What.
    pub lines: Vec<OrderLine>,
    /// How it is sent.
    pub shipping: Offer,
    /// All ways to send it.
    pub offers: Vec<Offer>,
    /// The part's sums.
    pub totals: Totals,
}

/// A coupon in a quote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotedCoupon {
    /// Which.
    pub code: CouponCode,
    /// What it takes off, and who pays for that; or why it takes nothing off.
    pub outcome: Result<UsedCoupon, CouponRefusal>,
}

/// What a cart costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    /// One part per seller, in the order their goods came into the cart.
    pub parts: Vec<QuotePart>,
    /// The sums over all parts.
    pub totals: Totals,
    /// The coupon, if there is one in the cart.
    pub coupon: Option<QuotedCoupon>,
}

impl Quote {
    /// The coupon that takes something off.
    #[must_use]
    pub fn used_coupon(&self) -> Option<&UsedCoupon> {
        self.coupon.as_ref().and_then(|coupon| coupon.outcome.as_ref().ok())
    }

    /// Who pays for the discount.
    #[must_use]
    pub fn discount_by(&self) -> Funder {
        self.used_coupon().map(|coupon| coupon.funder.clone()).unwrap_or_default()
    }
}

/// Adds up lines, grouped by seller.
///
/// # Errors
/// [`Problem::NotShippable`] naming a seller who does not send there, [`Problem::Invalid`] when currencies differ or
/// a sum does not fit.
pub fn quote(mut wanted: Vec<WantedLine>, around: &Circumstances) -> Result<Quote, Problem> {
    let coupon = discount(&mut wanted, around)?;
    let mut groups: Vec<Vec<WantedLine>> = Vec::new();
    for line in wanted {
        match groups.iter_mut().find(|group| group.iter().any(|other| other.line.seller == line.line.seller))
        {
            Some(group) => group.push(line),
            None => groups.push(vec![line]),
        }
    }
    let mut sent = Vec::with_capacity(groups.len());
    for group in &groups {
        let Some(first) = group.first() else { continue };
        let offers = offers(group, &first.line.seller, around)?;
        let chosen = choose(&offers, around.choices.get(&first.line.seller)).cloned();
        let shipping = chosen.ok_or_else(|| Problem::NotShippable {
            seller: first.line.seller.clone(),
            seller_name: first.seller_name.clone(),
            country: around.to.map(|to| to.country),
        })?;
        sent.push((shipping, offers));
    }
    let mut taxes = taxes(&groups, &sent, around)?.into_iter();
    let zero = Money::zero(around.currency);
    let included = around.rules.tax.is_inclusive();
    let mut totals = Totals::try_new(zero, zero, zero, zero, included)?;
    let mut parts = Vec::with_capacity(groups.len());
    for (group, (shipping, offers)) in groups.into_iter().zip(sent) {
        let part = part(group, (shipping, offers), &mut taxes, &around.rules.tax)?;
        totals = totals.try_add(part.totals)?;
        parts.push(part);
    }
    Ok(Quote { parts, totals, coupon })
}

/// Finds what the coupon takes off each line.
fn discount(wanted: &mut [WantedLine], around: &Circumstances) -> Result<Option<QuotedCoupon>, MoneyError> {
    let Some((coupon, used)) = around.coupon else { return Ok(None) };
    let lines: Vec<_> = wanted.iter().map(|wanted| (&wanted.line.seller, wanted.line.total)).collect();
    let outcome = match coupon.discounts(&lines, around.now, used)? {
        Err(refusal) => Err(refusal),
        Ok(discounts) => {
            for (wanted, discount) in wanted.iter_mut().zip(&discounts) {
                wanted.line.discount = *discount;
            }
            let discount = Money::try_sum(around.currency, discounts)?;
            Ok(UsedCoupon { code: coupon.code.clone(), funder: coupon.funder.clone(), discount })
        }
    };
    Ok(Some(QuotedCoupon { code: coupon.code.clone(), outcome }))
}

fn offers(group: &[WantedLine], seller: &SellerId, around: &Circumstances) -> Result<Vec<Offer>, MoneyError> {
    let mut parcel = Parcel { goods: Money::zero(around.currency), weight_g: 0, pieces: 0 };
    for WantedLine { line, weight_g, .. } in group {
        parcel.goods = parcel.goods.try_add(line.total.try_sub(line.discount)?)?;
        let weight_g = u64::from(*weight_g).saturating_mul(u64::from(line.quantity));
        parcel.weight_g = parcel.weight_g.saturating_add(weight_g);
        parcel.pieces = parcel.pieces.saturating_add(line.quantity);
    }
    let profile = around.profiles.get(seller).unwrap_or(&around.rules.shipping);
    profile.offers(&parcel, around.to.map(|to| to.country))
}

/// The tax of every line and then of the shipping, group by group.
fn taxes(
    groups: &[Vec<WantedLine>],
    sent: &[(Offer, Vec<Offer>)],
    around: &Circumstances,
) -> Result<Vec<Money>, MoneyError> {
    let rules = &around.rules.tax;
    let mut taxed = Vec::new();
    for (group, (shipping, _)) in groups.iter().zip(sent) {
        for WantedLine { line, tax_class, .. } in group {
            let rate = rules.rate_of(around.to, tax_class.as_ref());
            taxed.push(Taxed { amount: line.total.try_sub(line.discount)?, rate });
        }
        taxed.push(Taxed { amount: shipping.price, rate: rules.shipping_rate(around.to) });
    }
    rules.amounts(&taxed)
}

fn part(
    group: Vec<WantedLine>,
    (shipping, offers): (Offer, Vec<Offer>),
    taxes: &mut impl Iterator<Item = Money>,
    rules: &TaxRules,
) -> Result<QuotePart, MoneyError> {
    let zero = Money::zero(shipping.price.currency());
    let (mut goods, mut discount, mut tax) = (zero, zero, zero);
    let mut name = None;
    let mut lines = Vec::with_capacity(group.len());
    for WantedLine { mut line, seller_name, .. } in group {
        line.tax = taxes.next().ok_or(MoneyError::OutOfRange)?;
        goods = goods.try_add(line.total)?;
        discount = discount.try_add(line.discount)?;
        tax = tax.try_add(line.tax)?;
        name.get_or_insert((line.seller.clone(), seller_name));
        lines.push(line);
    }
    tax = tax.try_add(taxes.next().ok_or(MoneyError::OutOfRange)?)?;
    let totals = Totals::try_new(goods, discount, shipping.price, tax, rules.is_inclusive())?;
    let (seller, seller_name) = name.ok_or(MoneyError::OutOfRange)?;
    Ok(QuotePart { seller, seller_name, lines, shipping, offers, totals })
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test may stop")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        address::Country,
        coupon::{Terms, Worth},
        ids::{LedgerTxId, OrderId, ProductId, UserId, VariantId},
        ledger::{Account, LedgerTx, Purpose, Side, capture, refund},
        money::BasisPoints,
        order::Part,
        refund::{self, PartRefund},
        shares::{Shares, of_part, paid_for},
        shipping::{OptionId, Zone},
        tax::{Prices, Rounding, ShippingTax, TaxRate},
    };

    const NOW: Timestamp = Timestamp::from_millis(0);
    const ULID: &str = "01J8ZQ5K3N0V7X2Y4T6B8D9FGH";

    fn seller(n: usize) -> SellerId {
        SellerId::parse(&format!("sel_01J8ZQ5K3N0V7X2Y4T6B8D9F{n:02}")).unwrap()
    }

    fn bps(rate: u16) -> BasisPoints {
        BasisPoints::new(rate).unwrap()
    }

    fn line(currency: Currency, n: usize, minor: u64, quantity: u32, class: Option<&str>) -> WantedLine {
        let unit_price = Money::try_new(minor, currency).unwrap();
        let zero = Money::zero(currency);
        let line = OrderLine {
            variant: VariantId::parse(&format!("var_{ULID}00")).unwrap(),
            seller: seller(n),
            title: String::new(),
            options: Vec::new(),
            sku: String::new(),
            unit_price,
            quantity,
            total: unit_price.try_mul(quantity).unwrap(),
            discount: zero,
            tax: zero,
            origin: crate::shards::Origin::default(),
            progress: crate::order::Progress::default(),
        };
        let tax_class = class.map(|class| TaxClass::parse(class).unwrap());
        WantedLine { line, seller_name: format!("Shop {n}"), weight_g: 100, tax_class }
    }

    fn coupon(currency: Currency, funder: Funder, worth: Worth) -> Coupon {
        Coupon {
            code: CouponCode::parse("SPRING").unwrap(),
            funder,
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
            spent: Money::zero(currency),
            created_at: NOW,
        }
    }

    fn rules(currency: Currency, shipping: u64, prices: Prices, rounding: Rounding) -> Rules {
        let books = TaxRate {
            country: Country::parse("DE").unwrap(),
            region: None,
            class: Some(TaxClass::parse("books").unwrap()),
            rate: bps(700),
        };
        let tax = TaxRules {
            prices,
            rounding,
            default_rate: bps(1_900),
            shipping: ShippingTax::AsGoods,
            rates: vec![books],
        };
        Rules { tax, shipping: ShippingProfile::everywhere(Money::try_new(shipping, currency).unwrap()) }
    }

    fn parts_of(quote: &Quote, commission: u16) -> Vec<Part> {
        let part = |part: &QuotePart| {
            let order = OrderId::parse(&format!("ord_{ULID}")).unwrap();
            let seller = (part.seller.clone(), part.seller_name.clone());
            let mut lines = part.lines.clone();
            let product = ProductId::parse(&format!("prd_{ULID}")).unwrap();
            for (number, line) in (0..).zip(&mut lines) {
                line.variant = VariantId::of(&product, number).unwrap();
            }
            let bare = Part::new(order, seller, lines, part.totals, bps(commission));
            let delivery = Some(part.shipping.delivery.clone());
            Part { discount_by: quote.discount_by(), delivery, ..bare }
        };
        quote.parts.iter().map(part).collect()
    }

    fn credited(legs: &[crate::ledger::Leg], account: &Account) -> u64 {
        legs.iter().filter(|leg| leg.account == *account).map(|leg| leg.amount.minor()).sum()
    }

    /// 100.00 and 30.00 of one seller, of which a book, and 50.00 of another, sent for 5.00 each, with 10 % off.
    fn example(prices: Prices, funder: Funder) -> (Quote, Vec<crate::ledger::Leg>) {
        let currency = Currency::Eur;
        let rules = rules(currency, 500, prices, Rounding::PerOrder);
        let tenth = coupon(currency, funder, Worth::Percentage { rate: bps(1_000) });
        let to = Destination { country: Country::parse("DE").unwrap(), region: None };
        let around = Circumstances {
            currency,
            rules: &rules,
            profiles: &BTreeMap::new(),
            to: Some(&to),
            choices: &Choices::new(),
            coupon: Some((&tenth, 0)),
            now: NOW,
        };
        let lines = vec![
            line(currency, 1, 10_000, 1, None),
            line(currency, 2, 5_000, 1, None),
            line(currency, 1, 3_000, 1, Some("books")),
        ];
        let quote = quote(lines, &around).unwrap();
        let legs = capture("stripe", quote.totals.total, &parts_of(&quote, 1_000)).unwrap();
        (quote, legs)
    }

    fn sums(totals: &Totals) -> [u64; 5] {
        [totals.goods, totals.discount, totals.shipping, totals.tax, totals.total].map(Money::minor)
    }

    #[test]
    fn tax_on_top_is_added_and_tax_in_prices_is_not() {
        let (on_top, _) = example(Prices::Exclusive, Funder::Platform);
        // 19 % of 90 + 45 + 5 + 5, and 7 % of 27.
        assert_eq!(sums(&on_top.totals), [18_000, 1_800, 1_000, 2_944, 20_144]);
        assert_eq!(sums(&on_top.parts[0].totals), [13_000, 1_300, 500, 1_994, 14_194]);
        let (included, _) = example(Prices::Inclusive, Funder::Platform);
        assert_eq!(sums(&included.totals), [18_000, 1_800, 1_000, 2_492, 17_200]);
        assert!(included.totals.tax_included);
    }

    #[test]
    fn a_coupon_of_the_marketplace_is_paid_by_it_and_lowers_no_share() {
        let (_, legs) = example(Prices::Exclusive, Funder::Platform);
        assert_eq!(credited(&legs, &Account::Promotions), 1_800);
        assert_eq!(credited(&legs, &Account::PlatformFees), 1_800);
        assert_eq!(credited(&legs, &Account::SellerPending { seller: seller(1) }), 13_000 - 1_300 + 500);
        assert_eq!(credited(&legs, &Account::Tax), 2_944);
    }

    #[test]
    fn a_coupon_of_a_seller_lowers_their_share_and_the_commission_on_it() {
        let (quote, legs) = example(Prices::Exclusive, Funder::Seller { seller: seller(1) });
        assert_eq!(quote.totals.discount.minor(), 1_300);
        assert_eq!(credited(&legs, &Account::Promotions), 0);
        assert_eq!(credited(&legs, &Account::PlatformFees), 1_170 + 500);
        assert_eq!(credited(&legs, &Account::SellerPending { seller: seller(1) }), 11_700 - 1_170 + 500);
        assert_eq!(credited(&legs, &Account::SellerPending { seller: seller(2) }), 5_000 - 500 + 500);
    }

    #[test]
    fn tax_in_prices_is_no_sellers_share_and_pays_no_commission() {
        let (quote, legs) = example(Prices::Inclusive, Funder::Seller { seller: seller(1) });
        let part = &quote.parts[1];
        // 50.00 and 5.00 contain 7.98 and 0.80.
        let goods = 5_000 - part.lines[0].tax.minor();
        let shipping = 500 - (part.totals.tax.minor() - part.lines[0].tax.minor());
        assert_eq!(
            credited(&legs, &Account::SellerPending { seller: seller(2) }),
            goods - goods / 10 + shipping
        );
        assert_eq!(credited(&legs, &Account::Tax), quote.totals.tax.minor());
    }

    #[test]
    fn a_seller_who_does_not_send_there_is_named() {
        let currency = Currency::Eur;
        let rules = rules(currency, 500, Prices::Exclusive, Rounding::PerLine);
        let mut only_home = rules.shipping.clone();
        only_home.zones[0] = Zone {
            countries: vec![Country::parse("DE").unwrap()],
            options: only_home.zones[0].options.clone(),
        };
        let profiles = BTreeMap::from([(seller(2), only_home)]);
        let quoted = |to: &str| {
            let to = Destination { country: Country::parse(to).unwrap(), region: None };
            let around = Circumstances {
                currency,
                rules: &rules,
                profiles: &profiles,
                to: Some(&to),
                choices: &Choices::from([(seller(1), OptionId::parse("gone").unwrap())]),
                coupon: None,
                now: NOW,
            };
            quote(vec![line(currency, 1, 100, 1, None), line(currency, 2, 100, 1, None)], &around)
        };
        assert_eq!(quoted("DE").unwrap().parts[0].shipping.delivery.id.as_str(), "standard");
        let refused = quoted("FR").unwrap_err();
        let country = Some(Country::parse("FR").unwrap());
        assert_eq!(
            refused,
            Problem::NotShippable { seller: seller(2), seller_name: "Shop 2".to_owned(), country }
        );
    }

    #[derive(Debug, Clone)]
    struct Case {
        currency: Currency,
        lines: Vec<(usize, u64, u32, bool)>,
        shipping: u64,
        prices: Prices,
        rounding: Rounding,
        coupon: Option<(Option<usize>, Result<u16, u64>)>,
        commission: u16,
    }

    fn case() -> impl Strategy<Value = Case> {
        let currency = prop::sample::select(vec![Currency::Jpy, Currency::Usd, Currency::Bhd]);
        let lines = prop::collection::vec((0..15_usize, 1..1_u64 << 33, 1..=99_u32, any::<bool>()), 1..50);
        let worth = prop_oneof![(1..=10_000_u16).prop_map(Ok), (1..1_u64 << 40).prop_map(Err)];
        let coupon = prop::option::of((prop::option::of(0..15_usize), worth));
        let flags = (any::<bool>(), any::<bool>());
        (currency, lines, 0..1_u64 << 20, flags, coupon, 0..=10_000_u16).prop_map(
            |(currency, lines, shipping, (inclusive, per_line), coupon, commission)| Case {
                currency,
                lines,
                shipping,
                prices: if inclusive { Prices::Inclusive } else { Prices::Exclusive },
                rounding: if per_line { Rounding::PerLine } else { Rounding::PerOrder },
                coupon,
                commission,
            },
        )
    }

    fn quoted(case: &Case) -> Quote {
        let rules = rules(case.currency, case.shipping, case.prices, case.rounding);
        let coupon = case.coupon.as_ref().map(|(own, worth)| {
            let funder = own.map_or(Funder::Platform, |n| Funder::Seller { seller: seller(n) });
            let worth = match worth {
                Ok(rate) => Worth::Percentage { rate: bps(*rate) },
                Err(minor) => Worth::Amount { amount: Money::try_new(*minor, case.currency).unwrap() },
            };
            coupon(case.currency, funder, worth)
        });
        let to = Destination { country: Country::parse("DE").unwrap(), region: None };
        let lines = case.lines.iter().map(|(n, minor, quantity, book)| {
            line(case.currency, *n, *minor, *quantity, book.then_some("books"))
        });
        let around = Circumstances {
            currency: case.currency,
            rules: &rules,
            profiles: &BTreeMap::new(),
            to: Some(&to),
            choices: &Choices::new(),
            coupon: coupon.as_ref().map(|coupon| (coupon, 0)),
            now: NOW,
        };
        quote(lines.collect(), &around).unwrap()
    }

    proptest! {
        #[test]
        fn the_parts_of_a_quote_sum_to_the_whole_and_nothing_is_negative(case in case()) {
            let quote = quoted(&case);
            let mut whole = [0; 5];
            for part in &quote.parts {
                let lines = |of: fn(&OrderLine) -> Money| part.lines.iter().map(|l| of(l).minor()).sum::<u64>();
                let [goods, discount, shipping, tax, total] = sums(&part.totals);
                prop_assert_eq!(goods, lines(|l| l.total));
                prop_assert_eq!(discount, lines(|l| l.discount));
                prop_assert!(tax >= lines(|l| l.tax));
                let on_top = if part.totals.tax_included { 0 } else { tax };
                prop_assert_eq!(total + discount, goods + shipping + on_top);
                prop_assert!(!part.totals.tax_included || tax <= total);
                for line in &part.lines {
                    prop_assert!(line.discount.minor() <= line.total.minor());
                }
                for (sum, own) in whole.iter_mut().zip(sums(&part.totals)) {
                    *sum += own;
                }
            }
            prop_assert_eq!(whole, sums(&quote.totals));
            prop_assert_eq!(quote.used_coupon().map_or(0, |c| c.discount.minor()), whole[1]);
            prop_assert_eq!(quote.parts.iter().map(|part| part.lines.len()).sum::<usize>(), case.lines.len());
        }

        #[test]
        fn the_shares_of_a_quote_balance_when_it_is_paid_and_when_it_goes_back(case in case()) {
            let quote = quoted(&case);
            let parts = parts_of(&quote, case.commission);
            let back = |part: &Part| PartRefund { seller: part.seller.clone(), shares: of_part(part).unwrap() };
            let back: Vec<PartRefund> = parts.iter().map(back).collect();
            let buyer = UserId::parse(&format!("usr_{ULID}")).unwrap();
            for legs in [
                capture("stripe", quote.totals.total, &parts).unwrap(),
                refund(&back, quote.totals.total, refund::Destination::Card, &buyer),
            ] {
                let id = LedgerTxId::parse(&format!("ltx_{ULID}")).unwrap();
                let order = OrderId::parse(&format!("ord_{ULID}")).unwrap();
                let promoted = credited(&legs, &Account::Promotions);
                prop_assert!(promoted == 0 || quote.discount_by() == Funder::Platform);
                prop_assert!(legs.iter().any(|leg| leg.side == Side::Debit));
                prop_assert!(LedgerTx::try_new(id, order, Purpose::Capture, NOW, legs).is_ok());
            }
        }

        #[test]
        fn what_was_paid_for_lines_and_units_of_a_quote_sums_to_what_was_paid(case in case()) {
            let quote = quoted(&case);
            for part in parts_of(&quote, case.commission) {
                let mut left = of_part(&part).unwrap();
                for line in &part.lines {
                    let whole = paid_for(&part, line).unwrap();
                    let mut price = line.total.try_sub(line.discount).unwrap();
                    if !part.totals.tax_included {
                        price = price.try_add(line.tax).unwrap();
                    }
                    prop_assert_eq!(whole.total(), Ok(price));
                    let units = (0..line.quantity).map(|unit| whole.of_units(line.quantity, unit, 1).unwrap());
                    let sum = units.fold(Shares::zero(case.currency), |sum, unit| sum.try_add(&unit).unwrap());
                    prop_assert_eq!(sum, whole);
                    left = left.try_sub(&whole).unwrap();
                }
                let lines_tax: u64 = part.lines.iter().map(|line| line.tax.minor()).sum();
                prop_assert_eq!((left.fee.minor(), left.promoted.minor()), (0, 0));
                prop_assert_eq!(left.tax.minor(), part.totals.tax.minor() - lines_tax);
            }
        }

        #[test]
        fn what_a_quote_froze_is_read_as_it_was_written(case in case()) {
            for part in parts_of(&quoted(&case), case.commission) {
                let text = serde_json::to_string(&part).unwrap();
                prop_assert_eq!(serde_json::from_str::<Part>(&text).unwrap(), part);
            }
        }
    }

    #[test]
    fn sums_of_orders_from_before_coupons_are_read() {
        let old = r#"{"goods":{"amount":5,"currency":"USD"},"shipping":{"amount":1,"currency":"USD"},
            "tax":{"amount":2,"currency":"USD"},"total":{"amount":8,"currency":"USD"}}"#;
        let totals: Totals = serde_json::from_str(old).unwrap();
        assert_eq!((sums(&totals), totals.tax_included), ([5, 0, 1, 2, 8], false));
    }
}
