//! What is known of an address beyond its shape: whether goods will arrive there, and where on earth it is.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::{
    address::{Address, AddressDraft},
    problem::FieldError,
    time::Timestamp,
};

/// What to do about an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Use it.
    Accept,
    /// Show what is suggested, and use what the buyer decides for.
    Confirm,
    /// Ask the buyer to correct it.
    Fix,
}

impl Verdict {
    /// Its name, as stored and as shown.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Confirm => "confirm",
            Self::Fix => "fix",
        }
    }
}

/// Whose verdict it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckedBy {
    /// Our own rules, which are always asked first.
    BuiltIn,
    /// Google Address Validation.
    Google,
    /// Amazon Location.
    Amazon,
}

impl CheckedBy {
    /// Its name, as stored and as shown.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::BuiltIn => "built-in",
            Self::Google => "google",
            Self::Amazon => "amazon",
        }
    }
}

/// A field that a check may have something to say about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// Street and number.
    Line1,
    /// Flat, floor, building.
    Line2,
    /// Town.
    City,
    /// State, province or county.
    Region,
    /// Postal code.
    PostalCode,
    /// Country.
    Country,
}

impl Field {
    /// All of them, in the order of an address.
    pub const ALL: [Self; 6] =
        [Self::Line1, Self::Line2, Self::City, Self::Region, Self::PostalCode, Self::Country];

    /// Where it is in a request.
    #[must_use]
    pub fn pointer(self) -> &'static str {
        match self {
            Self::Line1 => "/line1",
            Self::Line2 => "/line2",
            Self::City => "/city",
            Self::Region => "/region",
            Self::PostalCode => "/postal_code",
            Self::Country => "/country",
        }
    }

    fn of(self, address: &Address) -> Option<&str> {
        match self {
            Self::Line1 => Some(&address.line1),
            Self::Line2 => address.line2.as_deref(),
            Self::City => Some(&address.city),
            Self::Region => address.region.as_deref(),
            Self::PostalCode => Some(address.postal_code.as_str()).filter(|code| !code.is_empty()),
            Self::Country => Some(address.country.code()),
        }
    }
}

/// What a provider misses or does not believe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Doubt {
    /// The field should say something, or more.
    Missing,
    /// Nothing is known to be there.
    Unconfirmed,
}

impl Doubt {
    fn code(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Unconfirmed => "unconfirmed",
        }
    }
}

/// What a check says about one field.
#[derive(Clone, PartialEq, Eq)]
pub struct Suggestion {
    /// Where the field is in the request.
    pub pointer: String,
    /// What is to be said about it: `changed`, `missing`, `unconfirmed`, or a code of the built-in check.
    pub code: &'static str,
    /// What it should say, when that is known.
    pub value: Option<String>,
}

impl fmt::Debug for Suggestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The value is personal data.
        f.debug_struct("Suggestion")
            .field("pointer", &self.pointer)
            .field("code", &self.code)
            .finish_non_exhaustive()
    }
}

impl From<FieldError> for Suggestion {
    fn from(error: FieldError) -> Self {
        Self { pointer: error.pointer, code: error.code, value: None }
    }
}

/// A place on earth, in millionths of a degree, which is a tenth of a metre.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coordinates {
    latitude_udeg: i32,
    longitude_udeg: i32,
}

impl fmt::Debug for Coordinates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Where somebody lives is as personal as the address.
        f.write_str("Coordinates(…)")
    }
}

/// Millionths of a degree in one.
const UDEG: i32 = 1_000_000;

impl Coordinates {
    /// Reads decimal degrees; digits beyond the sixth are cut off.
    #[must_use]
    pub fn parse(latitude: &str, longitude: &str) -> Option<Self> {
        Some(Self { latitude_udeg: udeg(latitude, 90)?, longitude_udeg: udeg(longitude, 180)? })
    }

    /// The latitude in decimal degrees, six digits.
    #[must_use]
    pub fn latitude(self) -> String {
        degrees(self.latitude_udeg)
    }

    /// The longitude in decimal degrees, six digits.
    #[must_use]
    pub fn longitude(self) -> String {
        degrees(self.longitude_udeg)
    }
}

fn udeg(text: &str, degrees_max: i32) -> Option<i32> {
    let (is_negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction: String = fraction.chars().chain("000000".chars()).take(6).collect();
    let size = whole.parse::<i32>().ok()?.checked_mul(UDEG)?.checked_add(fraction.parse().ok()?)?;
    let is_on_earth = size <= degrees_max.checked_mul(UDEG)?;
    is_on_earth.then_some(if is_negative { size.checked_neg()? } else { size })
}

fn degrees(udeg: i32) -> String {
    let (sign, size, per_degree) =
        (if udeg < 0 { "-" } else { "" }, udeg.unsigned_abs(), UDEG.unsigned_abs());
    format!("{sign}{}.{:06}", size.div_euclid(per_degree), size.rem_euclid(per_degree))
}

/// What a provider says about an address that our own rules accept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opinion {
    /// What to do about it.
    pub verdict: Verdict,
    /// How the provider would write it, as far as that is an address by our own rules; else as it was typed.
    pub address: Address,
    /// What is different, missing or not believed, in the order of the fields.
    pub suggestions: Vec<Suggestion>,
    /// Where it is.
    pub coordinates: Option<Coordinates>,
}

impl Opinion {
    /// Holds what a provider `found` against what was `typed`.
    #[must_use]
    pub fn new(
        verdict: Verdict,
        typed: &Address,
        found: &AddressDraft,
        doubts: &BTreeMap<Field, Doubt>,
        coordinates: Option<Coordinates>,
    ) -> Self {
        let address = Address::parse(found).unwrap_or_else(|_| typed.clone());
        let suggest = |field: Field| {
            let value = field.of(&address);
            let is_changed = value != field.of(typed);
            let code = doubts.get(&field).map(|doubt| doubt.code()).or(is_changed.then_some("changed"))?;
            let value = value.filter(|_| is_changed).map(str::to_owned);
            Some(Suggestion { pointer: field.pointer().to_owned(), code, value })
        };
        let suggestions = Field::ALL.into_iter().filter_map(suggest).collect();
        Self { verdict, address, suggestions, coordinates }
    }
}

/// The verdict that is kept with an entry of an address book.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkup {
    /// What was to be done about it.
    pub verdict: Verdict,
    /// Whose verdict it was.
    pub checked_by: CheckedBy,
    /// Whether the buyer said that it is right all the same.
    pub confirmed: bool,
    /// Where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coordinates: Option<Coordinates>,
    /// When.
    pub at: Timestamp,
}

impl Checkup {
    /// Whether goods may be sent there: what the buyer confirmed is right, whatever a provider says.
    #[must_use]
    pub fn allows_sending(&self) -> bool {
        match self.verdict {
            Verdict::Accept | Verdict::Confirm => true,
            Verdict::Fix => self.confirmed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft() -> AddressDraft {
        AddressDraft {
            name: "Ada Lovelace".to_owned(),
            line1: "1 market street".to_owned(),
            line2: Some("Flat 2".to_owned()),
            city: "Springfield".to_owned(),
            region: Some("IL".to_owned()),
            postal_code: Some("62701".to_owned()),
            country: "US".to_owned(),
            phone: None,
        }
    }

    fn told(opinion: &Opinion) -> Vec<(&str, &str, Option<&str>)> {
        opinion.suggestions.iter().map(|s| (s.pointer.as_str(), s.code, s.value.as_deref())).collect()
    }

    #[test]
    fn what_differs_is_suggested_field_by_field() {
        let typed = Address::parse(&draft()).unwrap();
        let found = AddressDraft {
            line1: "1 Market St Apt 2".to_owned(),
            line2: None,
            postal_code: Some("62701-1234".to_owned()),
            ..draft()
        };
        let doubts = BTreeMap::from([(Field::PostalCode, Doubt::Missing), (Field::City, Doubt::Unconfirmed)]);
        let opinion = Opinion::new(Verdict::Confirm, &typed, &found, &doubts, None);
        let expected = [
            ("/line1", "changed", Some("1 Market St Apt 2")),
            ("/line2", "changed", None),
            ("/city", "unconfirmed", None),
            ("/postal_code", "missing", Some("62701-1234")),
        ];
        assert_eq!(told(&opinion), expected);
        assert_eq!(opinion.address.postal_code, "62701-1234");
        assert!(!format!("{opinion:?}").contains("Market"), "{opinion:?}");
    }

    #[test]
    fn what_is_no_address_by_our_own_rules_is_not_suggested() {
        let typed = Address::parse(&draft()).unwrap();
        for found in [
            AddressDraft { line1: "\u{202e}teertS".to_owned(), ..draft() },
            AddressDraft { city: "x".repeat(1_000), ..draft() },
            AddressDraft { postal_code: Some("'; DROP".to_owned()), ..draft() },
            AddressDraft::default(),
        ] {
            let opinion = Opinion::new(Verdict::Accept, &typed, &found, &BTreeMap::new(), None);
            assert_eq!((opinion.address, opinion.suggestions), (typed.clone(), vec![]));
        }
    }

    #[test]
    fn coordinates_are_exact_and_on_earth() {
        let shown = |latitude: &str, longitude: &str| {
            Coordinates::parse(latitude, longitude).map(|at| (at.latitude(), at.longitude()))
        };
        let both = |latitude: &str, longitude: &str| Some((latitude.to_owned(), longitude.to_owned()));
        assert_eq!(shown("39.7990179", "-89.6439571"), both("39.799017", "-89.643957"));
        assert_eq!(shown("-0.000001", "0"), both("-0.000001", "0.000000"));
        assert_eq!(shown("90", "-180.0"), both("90.000000", "-180.000000"));
        for bad in ["", "-", ".", ".5", "90.000001", "1e1", "NaN", "+1", "1.2.3", "99999999999", "١"] {
            assert_eq!(shown(bad, "0"), None, "{bad}");
        }
        assert_eq!(shown("0", "180.000001"), None);
        let at = Coordinates::parse("1.5", "-2").unwrap();
        let stored = serde_json::to_string(&at).unwrap();
        assert_eq!(stored, r#"{"latitude_udeg":1500000,"longitude_udeg":-2000000}"#);
        assert_eq!(serde_json::from_str::<Coordinates>(&stored).unwrap(), at);
        assert_eq!(format!("{at:?}"), "Coordinates(…)");
    }

    #[test]
    fn only_an_unconfirmed_fix_keeps_goods_from_being_sent() {
        let at = Timestamp::from_millis(0);
        for (verdict, confirmed, allowed) in [
            (Verdict::Accept, false, true),
            (Verdict::Confirm, false, true),
            (Verdict::Confirm, true, true),
            (Verdict::Fix, false, false),
            (Verdict::Fix, true, true),
        ] {
            let checkup =
                Checkup { verdict, checked_by: CheckedBy::Google, confirmed, coordinates: None, at };
            assert_eq!(checkup.allows_sending(), allowed, "{checkup:?}");
        }
    }

    #[test]
    fn a_name_is_the_stored_one() {
        let stored = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        for verdict in [Verdict::Accept, Verdict::Confirm, Verdict::Fix] {
            assert_eq!(stored(&serde_json::to_value(verdict).unwrap()), verdict.name());
        }
        for by in [CheckedBy::BuiltIn, CheckedBy::Google, CheckedBy::Amazon] {
            assert_eq!(stored(&serde_json::to_value(by).unwrap()), by.name());
        }
    }
}
