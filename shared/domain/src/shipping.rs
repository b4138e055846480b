//! What sending goods costs: each seller's zones, the ways to send something there, and their prices.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    address::Country,
    ids::SellerId,
    money::{Currency, Money, MoneyError},
    problem::FieldError,
    product::{Findings, PRICE_MINOR_MAX},
    text,
};

/// The most zones of a profile.
pub const ZONES_MAX: usize = 10;
/// The most ways to send something to a zone.
pub const OPTIONS_MAX: usize = 5;
/// The most bands of weight.
pub const BANDS_MAX: usize = 10;
/// The longest a delivery may be announced to take.
const DAYS_MAX: u16 = 365;
const NAME_CHARS: std::ops::RangeInclusive<usize> = 1..=60;

/// What a way to send something is called by programs, such as `express`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OptionId(String);

impl OptionId {
    /// Reads an id: 1 to 32 of `a-z`, `0-9` and `-`.
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

impl TryFrom<String> for OptionId {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<OptionId> for String {
    fn from(id: OptionId) -> Self {
        id.0
    }
}

/// What the buyer chose of each seller. A seller that is not in it sends the cheapest way.
pub type Choices = BTreeMap<SellerId, OptionId>;

/// The price of parcels up to a weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Band {
    /// The heaviest parcel of this price, in grams.
    pub up_to_g: u32,
    /// What it costs.
    pub amount: Money,
}

/// How a price is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum PriceRule {
    /// Always the same.
    Flat {
        /// What it costs.
        amount: Money,
    },
    /// By the weight of everything together. What is heavier than the last band cannot be sent this way.
    Weight {
        /// From light to heavy.
        bands: Vec<Band>,
    },
    /// By the number of pieces.
    Items {
        /// For the parcel.
        base: Money,
        /// For each piece.
        per_item: Money,
    },
}

/// A way to send something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShippingOption {
    /// What programs call it; unique in its zone.
    pub id: OptionId,
    /// What people call it.
    pub name: String,
    /// After how many days it arrives at the earliest.
    pub days_min: u16,
    /// After how many days it arrives at the latest.
    pub days_max: u16,
    /// What it costs.
    pub price: PriceRule,
    /// It costs nothing for goods of this value or more, after any discount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free_from: Option<Money>,
}

/// Where to, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Zone {
    /// Which countries; none for all that are in no other zone.
    #[serde(default)]
    pub countries: Vec<Country>,
    /// How.
    pub options: Vec<ShippingOption>,
}

/// Where a seller sends goods, how, and at which prices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShippingProfile {
    /// The zones. What is in none of them cannot be reached.
    pub zones: Vec<Zone>,
}

/// What is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parcel {
    /// What the goods cost after any discount.
    pub goods: Money,
    /// What they weigh.
    pub weight_g: u64,
    /// How many pieces they are.
    pub pieces: u32,
}

/// How something is sent, as it is kept with an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// What programs call it.
    pub id: OptionId,
    /// What people call it.
    pub name: String,
    /// After how many days it arrives at the earliest.
    pub days_min: u16,
    /// After how many days it arrives at the latest.
    pub days_max: u16,
}

/// A way to send a parcel with its price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// How.
    pub delivery: Delivery,
    /// What it costs.
    pub price: Money,
}

impl PriceRule {
    /// The price of a parcel; `None` when it cannot be sent this way.
    fn price(&self, parcel: &Parcel) -> Result<Option<Money>, MoneyError> {
        match self {
            Self::Flat { amount } => Ok(Some(*amount)),
            Self::Weight { bands } => {
                let band = bands.iter().find(|band| parcel.weight_g <= u64::from(band.up_to_g));
                Ok(band.map(|band| band.amount))
            }
            Self::Items { base, per_item } => base.try_add(per_item.try_mul(parcel.pieces)?).map(Some),
        }
    }

    fn amounts(&self) -> Vec<(String, Money)> {
        match self {
            Self::Flat { amount } => vec![("/amount".to_owned(), *amount)],
            Self::Weight { bands } => {
                let amount = |(at, band): (usize, &Band)| (format!("/bands/{at}/amount"), band.amount);
                bands.iter().enumerate().map(amount).collect()
            }
            Self::Items { base, per_item } => {
                vec![("/base".to_owned(), *base), ("/per_item".to_owned(), *per_item)]
            }
        }
    }
}

impl ShippingOption {
    fn offer(&self, parcel: &Parcel) -> Result<Option<Offer>, MoneyError> {
        let Some(mut price) = self.price.price(parcel)? else { return Ok(None) };
        if let Some(from) = self.free_from
            && parcel.goods.try_sub(from).is_ok()
        {
            price = Money::zero(price.currency());
        }
        let delivery = Delivery {
            id: self.id.clone(),
            name: self.name.clone(),
            days_min: self.days_min,
            days_max: self.days_max,
        };
        Ok(Some(Offer { delivery, price }))
    }

    fn check(&self, here: &str, currency: Currency, findings: &mut Findings) {
        let mut errors: Vec<FieldError> = Vec::new();
        text::line(&self.name, &format!("{here}/name"), NAME_CHARS, &mut errors);
        findings.extend(errors);
        if self.days_min > self.days_max || self.days_max > DAYS_MAX {
            findings.add(format!("{here}/days_max"), "out-of-range");
        }
        let mut amounts = self.price.amounts();
        for (pointer, _) in &mut amounts {
            *pointer = format!("/price{pointer}");
        }
        amounts.extend(self.free_from.map(|from| ("/free_from".to_owned(), from)));
        for (pointer, amount) in amounts {
            if amount.currency() != currency {
                findings.add(format!("{here}{pointer}/currency"), "currency-mismatch");
            }
            if amount.minor() > PRICE_MINOR_MAX {
                findings.add(format!("{here}{pointer}/amount"), "out-of-range");
            }
        }
        if let PriceRule::Weight { bands } = &self.price {
            let rising = bands.iter().zip(bands.iter().skip(1)).all(|(one, next)| one.up_to_g < next.up_to_g);
            if bands.is_empty() || bands.len() > BANDS_MAX || !rising {
                findings.add(format!("{here}/price/bands"), "invalid");
            }
        }
    }
}

impl ShippingProfile {
    /// One price to everywhere.
    #[must_use]
    pub fn everywhere(amount: Money) -> Self {
        let standard = ShippingOption {
            id: OptionId("standard".to_owned()),
            name: "Standard".to_owned(),
            days_min: 2,
            days_max: 7,
            price: PriceRule::Flat { amount },
            free_from: None,
        };
        Self { zones: vec![Zone { countries: Vec::new(), options: vec![standard] }] }
    }

    /// The zone of a country. While it is not known where goods go, the rest of the world stands for it, or else
    /// the first zone.
    fn zone(&self, to: Option<Country>) -> Option<&Zone> {
        let named = to.and_then(|to| self.zones.iter().find(|zone| zone.countries.contains(&to)));
        let rest = || self.zones.iter().find(|zone| zone.countries.is_empty());
        let first = || self.zones.first().filter(|_| to.is_none());
        named.or_else(rest).or_else(first)
    }

    /// The ways to send a parcel to `to`, in the seller's order; none when it cannot be sent there.
    ///
    /// # Errors
    /// [`MoneyError`] when a price does not fit.
    pub fn offers(&self, parcel: &Parcel, to: Option<Country>) -> Result<Vec<Offer>, MoneyError> {
        let options = self.zone(to).map_or(&[][..], |zone| zone.options.as_slice());
        options.iter().filter_map(|option| option.offer(parcel).transpose()).collect()
    }

    /// Names what is not acceptable.
    pub fn check(&self, pointer: &str, currency: Currency, findings: &mut Findings) {
        let pointer = format!("{pointer}/zones");
        if self.zones.is_empty() || self.zones.len() > ZONES_MAX {
            findings.add(pointer, if self.zones.is_empty() { "missing" } else { "too-many" });
            return;
        }
        let mut seen: Vec<Option<Country>> = Vec::new();
        for (at, zone) in self.zones.iter().enumerate() {
            let here = format!("{pointer}/{at}");
            let mut places: Vec<_> = zone.countries.iter().copied().map(Some).collect();
            if places.is_empty() {
                places.push(None);
            }
            for place in places {
                if seen.contains(&place) {
                    findings.add(format!("{here}/countries"), "duplicate");
                    break;
                }
                seen.push(place);
            }
            if zone.options.is_empty() || zone.options.len() > OPTIONS_MAX {
                let code = if zone.options.is_empty() { "missing" } else { "too-many" };
                findings.add(format!("{here}/options"), code);
                continue;
            }
            for (nth, option) in zone.options.iter().enumerate() {
                let here = format!("{here}/options/{nth}");
                if zone.options.iter().take(nth).any(|earlier| earlier.id == option.id) {
                    findings.add(format!("{here}/id"), "duplicate");
                }
                option.check(&here, currency, findings);
            }
        }
    }
}

/// The offer that was chosen, or else the cheapest, of which the first.
#[must_use]
pub fn choose<'a>(offers: &'a [Offer], chosen: Option<&OptionId>) -> Option<&'a Offer> {
    let wanted = chosen.and_then(|id| offers.iter().find(|offer| offer.delivery.id == *id));
    wanted.or_else(|| offers.iter().min_by_key(|offer| offer.price.minor()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn usd(minor: u64) -> Money {
        Money::try_new(minor, Currency::Usd).unwrap()
    }

    fn option(id: &str, price: PriceRule, free_from: Option<u64>) -> ShippingOption {
        ShippingOption {
            id: OptionId::parse(id).unwrap(),
            name: id.to_owned(),
            days_min: 1,
            days_max: 3,
            price,
            free_from: free_from.map(usd),
        }
    }

    fn zone(countries: &[&str], options: Vec<ShippingOption>) -> Zone {
        Zone { countries: countries.iter().map(|code| Country::parse(code).unwrap()).collect(), options }
    }

    fn profile() -> ShippingProfile {
        let bands = vec![Band { up_to_g: 500, amount: usd(300) }, Band { up_to_g: 2_000, amount: usd(700) }];
        let home = vec![
            option("letter", PriceRule::Weight { bands }, Some(10_000)),
            option("parcel", PriceRule::Items { base: usd(400), per_item: usd(50) }, None),
        ];
        let abroad = vec![option("air", PriceRule::Flat { amount: usd(2_500) }, None)];
        ShippingProfile { zones: vec![zone(&["DE", "AT"], home), zone(&[], abroad)] }
    }

    fn offered(profile: &ShippingProfile, to: Option<&str>, goods: u64, weight_g: u64) -> Vec<(String, u64)> {
        let parcel = Parcel { goods: usd(goods), weight_g, pieces: 3 };
        let to = to.map(|code| Country::parse(code).unwrap());
        let offers = profile.offers(&parcel, to).unwrap();
        offers.into_iter().map(|offer| (offer.delivery.id.as_str().to_owned(), offer.price.minor())).collect()
    }

    fn named(list: &[(&str, u64)]) -> Vec<(String, u64)> {
        list.iter().map(|(id, price)| ((*id).to_owned(), *price)).collect()
    }

    #[test]
    fn a_zone_decides_how_something_is_sent_and_its_rule_what_it_costs() {
        let profile = profile();
        assert_eq!(offered(&profile, Some("DE"), 100, 500), named(&[("letter", 300), ("parcel", 550)]));
        assert_eq!(offered(&profile, Some("AT"), 100, 501), named(&[("letter", 700), ("parcel", 550)]));
        assert_eq!(offered(&profile, Some("DE"), 100, 2_001), named(&[("parcel", 550)]));
        assert_eq!(offered(&profile, Some("DE"), 9_999, 1), named(&[("letter", 300), ("parcel", 550)]));
        assert_eq!(offered(&profile, Some("DE"), 10_000, 1), named(&[("letter", 0), ("parcel", 550)]));
        assert_eq!(offered(&profile, Some("JP"), 100, 1), named(&[("air", 2_500)]));
        assert_eq!(offered(&profile, None, 100, 1), named(&[("air", 2_500)]));
    }

    #[test]
    fn what_is_in_no_zone_cannot_be_reached() {
        let mut profile = profile();
        profile.zones.pop();
        assert_eq!(offered(&profile, Some("JP"), 100, 1), []);
        assert_eq!(offered(&profile, None, 100, 1).len(), 2);
    }

    #[test]
    fn the_cheapest_is_taken_unless_another_is_chosen() {
        let parcel = Parcel { goods: usd(1), weight_g: 1, pieces: 1 };
        let offers = profile().offers(&parcel, Some(Country::parse("DE").unwrap())).unwrap();
        let id = |chosen: Option<&str>| {
            let chosen = chosen.map(|id| OptionId::parse(id).unwrap());
            choose(&offers, chosen.as_ref()).unwrap().delivery.id.as_str().to_owned()
        };
        assert_eq!([id(None), id(Some("parcel")), id(Some("gone"))], ["letter", "parcel", "letter"]);
        assert_eq!(choose(&[], None), None);
    }

    #[test]
    fn a_profile_names_what_is_wrong_with_it() {
        let found = |profile: &ShippingProfile| {
            let mut findings = Findings::default();
            profile.check("", Currency::Usd, &mut findings);
            findings
                .into_errors()
                .into_iter()
                .map(|e| format!("{}: {}", e.pointer, e.code))
                .collect::<Vec<_>>()
        };
        assert_eq!(found(&profile()), Vec::<String>::new());
        assert_eq!(found(&ShippingProfile::everywhere(usd(500))), Vec::<String>::new());
        assert_eq!(found(&ShippingProfile { zones: Vec::new() }), ["/zones: missing"]);
        let mut bad = profile();
        bad.zones.push(zone(&["DE"], Vec::new()));
        bad.zones.push(zone(&[], vec![option("a", PriceRule::Weight { bands: Vec::new() }, None); 2]));
        let home = &mut bad.zones[0].options;
        home[0].days_min = 9;
        home[1].name = String::new();
        home[1].price = PriceRule::Flat { amount: Money::zero(Currency::Eur) };
        assert_eq!(
            found(&bad),
            [
                "/zones/0/options/0/days_max: out-of-range",
                "/zones/0/options/1/name: too-short",
                "/zones/0/options/1/price/amount/currency: currency-mismatch",
                "/zones/2/countries: duplicate",
                "/zones/2/options: missing",
                "/zones/3/countries: duplicate",
                "/zones/3/options/0/price/bands: invalid",
                "/zones/3/options/1/id: duplicate",
                "/zones/3/options/1/price/bands: invalid",
            ]
        );
    }

    proptest! {
        #[test]
        fn a_heavier_parcel_is_never_cheaper_by_rising_bands(
            mut prices in prop::collection::vec(0..1_u64 << 30, 1..10), light: u16, heavy: u16,
        ) {
            prices.sort_unstable();
            let band = |(at, price): (usize, &u64)| {
                Band { up_to_g: u32::try_from(at).unwrap().saturating_mul(5_000), amount: usd(*price) }
            };
            let rule = PriceRule::Weight { bands: prices.iter().enumerate().map(band).collect() };
            let price = |weight: u16| {
                let parcel = Parcel { goods: usd(1), weight_g: u64::from(weight), pieces: 1 };
                rule.price(&parcel).unwrap().map_or(u64::MAX, Money::minor)
            };
            prop_assert!(price(light.min(heavy)) <= price(light.max(heavy)));
        }
    }
}
