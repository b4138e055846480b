//! Postal addresses: where goods go. Orders keep a copy of the one they were placed with.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{problem::FieldError, text};

/// A country by its ISO 3166-1 code of two letters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Country([u8; 2]);

/// A text that is not the code of a country.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected an ISO 3166-1 code of two upper-case letters")]
pub struct CountryError;

impl Country {
    /// Reads a code; only upper case is one.
    ///
    /// # Errors
    /// [`CountryError`] when no country has this code.
    pub fn parse(code: &str) -> Result<Self, CountryError> {
        let bytes = <[u8; 2]>::try_from(code.as_bytes()).map_err(|_| CountryError)?;
        if COUNTRIES.as_bytes().chunks(3).any(|known| known.starts_with(&bytes)) {
            Ok(Self(bytes))
        } else {
            Err(CountryError)
        }
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> &str {
        // Only ASCII letters get in.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Whether post there does not arrive without a state or province.
    fn needs_region(self) -> bool {
        NEEDS_REGION.as_bytes().chunks(3).any(|known| known.starts_with(&self.0))
    }

    /// How postal codes are written there: `9` is a digit, `A` a letter, `*` either, all else itself. Without
    /// a pattern any code of up to [`POSTAL_CODE_CHARS_MAX`] characters is taken.
    fn postal_patterns(self) -> &'static [&'static str] {
        match self.code() {
            "AT" | "AU" | "BE" | "BG" | "CH" | "CY" | "DK" | "ET" | "HU" | "LU" | "NO" | "NZ" | "SI"
            | "ZA" => &["9999"],
            "CN" | "IN" | "RO" | "SG" => &["999999"],
            "DE" | "EE" | "ES" | "FI" | "FR" | "HR" | "IT" | "KR" | "MX" | "MY" | "TH" | "TR" | "UA" => {
                &["99999"]
            }
            "BR" => &["99999-999", "99999999"],
            "CA" => &["A9A 9A9", "A9A9A9"],
            "CZ" | "GR" | "SE" | "SK" => &["999 99", "99999"],
            "GB" => &[
                "A9 9AA", "A99 9AA", "AA9 9AA", "AA99 9AA", "A9A 9AA", "AA9A 9AA", "A99AA", "A999AA",
                "AA99AA", "AA999AA", "A9A9AA", "AA9A9AA",
            ],
            "IE" => &["A** ****", "A******"],
            "JP" => &["999-9999", "9999999"],
            "NL" => &["9999 AA", "9999AA"],
            "PL" => &["99-999"],
            "PT" => &["9999-999"],
            "US" => &["99999", "99999-9999"],
            _ => &[],
        }
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl TryFrom<String> for Country {
    type Error = CountryError;
    fn try_from(code: String) -> Result<Self, CountryError> {
        Self::parse(&code)
    }
}

impl From<Country> for String {
    fn from(country: Country) -> Self {
        country.code().to_owned()
    }
}

/// A complete address. It is made by [`Address::parse`], so every one that exists is within its bounds.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Address {
    /// Who receives it.
    pub name: String,
    /// Street and number.
    pub line1: String,
    /// Flat, floor, building.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line2: Option<String>,
    /// Town.
    pub city: String,
    /// State, province or county.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Postal code, empty only where there are none.
    pub postal_code: String,
    /// Country.
    pub country: Country,
    /// A number the carrier may call, in international form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An address is personal data: it must not reach a log by way of an error.
        f.debug_struct("Address").field("country", &self.country).finish_non_exhaustive()
    }
}

/// An address as someone typed it.
#[derive(Clone, Default)]
pub struct AddressDraft {
    /// See [`Address::name`].
    pub name: String,
    /// See [`Address::line1`].
    pub line1: String,
    /// See [`Address::line2`].
    pub line2: Option<String>,
    /// See [`Address::city`].
    pub city: String,
    /// See [`Address::region`].
    pub region: Option<String>,
    /// See [`Address::postal_code`]; absent where there are none.
    pub postal_code: Option<String>,
    /// See [`Address::country`].
    pub country: String,
    /// See [`Address::phone`].
    pub phone: Option<String>,
}

/// The most characters of a line of an address.
pub const LINE_CHARS_MAX: usize = 100;
/// The most characters of a postal code.
pub const POSTAL_CODE_CHARS_MAX: usize = 12;

impl Address {
    /// Checks a draft. Surrounding blanks are dropped, and postal codes are written in upper case.
    ///
    /// # Errors
    /// Every field that is not acceptable, in the order of the fields.
    pub fn parse(draft: &AddressDraft) -> Result<Self, Vec<FieldError>> {
        let mut errors = Vec::new();
        let mut line = |pointer: &str, text: &str| text::line(text, pointer, 1..=LINE_CHARS_MAX, &mut errors);
        let name = line("/name", &draft.name);
        let line1 = line("/line1", &draft.line1);
        let line2 = draft.line2.as_deref().map(|text| line("/line2", text));
        let city = line("/city", &draft.city);
        let region = draft.region.as_deref().map(|text| line("/region", text));
        let country = Country::parse(&draft.country);
        if region.is_none() && country.is_ok_and(Country::needs_region) {
            errors.push(FieldError::new("/region", "missing"));
        }
        let postal_code = draft.postal_code.as_deref().unwrap_or_default().trim().to_uppercase();
        if let Ok(country) = country
            && let Err(code) = check_postal_code(&postal_code, country)
        {
            errors.push(FieldError::new("/postal_code", code));
        }
        if country.is_err() {
            errors.push(FieldError::new("/country", "invalid"));
        }
        let phone = draft.phone.as_deref().map(compact_phone);
        if phone.as_deref().is_some_and(|text| !is_phone(text)) {
            errors.push(FieldError::new("/phone", "invalid"));
        }
        match country {
            Ok(country) if errors.is_empty() => {
                Ok(Self { name, line1, line2, city, region, postal_code, country, phone })
            }
            Ok(_) | Err(CountryError) => Err(errors),
        }
    }

    /// Checks an address that was stored, maybe before there were all of today's rules.
    ///
    /// # Errors
    /// As [`Address::parse`].
    pub fn check(&self) -> Result<(), Vec<FieldError>> {
        Self::parse(&AddressDraft::from(self)).map(drop)
    }
}

impl From<&Address> for AddressDraft {
    fn from(address: &Address) -> Self {
        let Address { name, line1, line2, city, region, postal_code, country, phone } = address.clone();
        let postal_code = Some(postal_code).filter(|code| !code.is_empty());
        Self { name, line1, line2, city, region, postal_code, country: country.into(), phone }
    }
}

fn check_postal_code(code: &str, country: Country) -> Result<(), &'static str> {
    if code.is_empty() {
        let none_there = NO_POSTAL_CODES.as_bytes().chunks(3).any(|known| known.starts_with(&country.0));
        return if none_there { Ok(()) } else { Err("missing") };
    }
    let patterns = country.postal_patterns();
    let written = code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b' ');
    let known = patterns.is_empty() || patterns.iter().any(|pattern| matches(code, pattern));
    if written && known && code.len() <= POSTAL_CODE_CHARS_MAX { Ok(()) } else { Err("invalid") }
}

fn matches(code: &str, pattern: &str) -> bool {
    let fits = |(c, p): (u8, u8)| match p {
        b'9' => c.is_ascii_digit(),
        b'A' => c.is_ascii_uppercase(),
        b'*' => c.is_ascii_digit() || c.is_ascii_uppercase(),
        _ => c == p,
    };
    code.len() == pattern.len() && code.bytes().zip(pattern.bytes()).all(fits)
}

/// Drops what people put between digits.
fn compact_phone(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, ' ' | '-' | '(' | ')' | '.')).collect()
}

/// E.164: a plus and 7 to 15 digits, the first not zero.
fn is_phone(text: &str) -> bool {
    text.strip_prefix('+').is_some_and(|digits| {
        (7..=15).contains(&digits.len())
            && !digits.starts_with('0')
            && digits.bytes().all(|b| b.is_ascii_digit())
    })
}

/// Every code assigned in ISO 3166-1.
const COUNTRIES: &str = "\
AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ \
CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO \
FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE \
JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO \
MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW \
PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM \
TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW";

/// Countries whose post works without postal codes.
const NO_POSTAL_CODES: &str = "\
AE AG AN AO AW BF BI BJ BO BS BW BZ CD CF CG CI CK CM DJ DM ER FJ GA GD GH GM GQ GY HK JM KI KM KN KP LC ML MO \
MR MS MW NR NU PA QA RW SB SC SL SR ST SY TD TG TK TL TO TV UG VU YE ZW";

/// Countries whose post sorts by state or province.
const NEEDS_REGION: &str = "AU BR CA CN IN JP MX US";

#[cfg(test)]
mod tests {
    use super::*;

    fn draft() -> AddressDraft {
        AddressDraft {
            name: " Ada Lovelace ".to_owned(),
            line1: "12 St James's Square".to_owned(),
            line2: None,
            city: "London".to_owned(),
            region: None,
            postal_code: Some("sw1y 4jh".to_owned()),
            country: "GB".to_owned(),
            phone: Some("+44 (20) 7946-0000".to_owned()),
        }
    }

    fn codes(draft: &AddressDraft) -> Vec<(String, &'static str)> {
        Address::parse(draft).unwrap_err().into_iter().map(|e| (e.pointer, e.code)).collect()
    }

    #[test]
    fn a_good_draft_is_normalised() {
        let address = Address::parse(&draft()).unwrap();
        assert_eq!(address.name, "Ada Lovelace");
        assert_eq!(address.postal_code, "SW1Y 4JH");
        assert_eq!(address.phone.as_deref(), Some("+442079460000"));
        assert_eq!(format!("{address:?}"), "Address { country: GB, .. }");
    }

    #[test]
    fn every_bad_field_is_named() {
        let bad = AddressDraft {
            name: " ".to_owned(),
            line1: "x".repeat(LINE_CHARS_MAX + 1),
            line2: Some("a\nb".to_owned()),
            city: "\u{202e}nodnoL".to_owned(),
            phone: Some("12345678".to_owned()),
            postal_code: Some("1234".to_owned()),
            country: "US".to_owned(),
            ..draft()
        };
        let named = [
            ("/name", "too-short"),
            ("/line1", "too-long"),
            ("/line2", "invalid"),
            ("/city", "invalid"),
            ("/region", "missing"),
            ("/postal_code", "invalid"),
            ("/phone", "invalid"),
        ];
        assert_eq!(codes(&bad), named.map(|(pointer, code)| (pointer.to_owned(), code)));
    }

    #[test]
    fn a_country_is_a_known_upper_case_code() {
        for good in ["GB", "ZW", "AD", "ET"] {
            assert_eq!(Country::parse(good).map(String::from).as_deref(), Ok(good));
        }
        for bad in ["", "gb", "XX", "GBR", "B ", " A", "é"] {
            assert!(Country::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn postal_codes_follow_their_country() {
        let check = |country: &str, code: &str| check_postal_code(code, Country::parse(country).unwrap());
        for (country, code) in [
            ("US", "94105"),
            ("US", "94105-1234"),
            ("GB", "M1 1AE"),
            ("CA", "K1A 0B1"),
            ("NL", "1012 AB"),
            ("IE", "D02 AF30"),
            ("DE", "10115"),
            ("HK", ""),
            ("VN", "700000"),
            ("ET", "1000"),
        ] {
            assert_eq!(check(country, code), Ok(()), "{country} {code}");
        }
        for (country, code) in [("US", "9410"), ("DE", "1011A"), ("VN", "7000000000000"), ("VN", "<b>")] {
            assert_eq!(check(country, code), Err("invalid"), "{country} {code}");
        }
        assert_eq!(check("US", ""), Err("missing"));
    }

    #[test]
    fn a_state_is_asked_for_where_post_needs_one() {
        let without = |country: &str, postal_code: &str| {
            let (country, postal_code) = (country.to_owned(), Some(postal_code.to_owned()));
            AddressDraft { country, postal_code, region: None, ..draft() }
        };
        for (country, code) in [("US", "94105"), ("CA", "K1A 0B1"), ("AU", "2000"), ("JP", "100-0001")] {
            assert_eq!(codes(&without(country, code)), [("/region".to_owned(), "missing")], "{country}");
        }
        for (country, code) in [("DE", "10115"), ("ET", "1000"), ("FR", "75001"), ("SG", "018956")] {
            assert!(Address::parse(&without(country, code)).is_ok(), "{country}");
        }
    }

    #[test]
    fn an_address_survives_storage_and_is_checked_by_the_rules_of_today() {
        let address = Address::parse(&draft()).unwrap();
        let text = serde_json::to_string(&address).unwrap();
        let stored = serde_json::from_str::<Address>(&text).unwrap();
        assert_eq!(stored, address);
        assert_eq!(stored.check(), Ok(()));
        let of_old = Address { country: Country::parse("US").unwrap(), ..stored };
        let named = of_old.check().unwrap_err().into_iter().map(|error| error.pointer);
        assert_eq!(named.collect::<Vec<_>>(), ["/region", "/postal_code"]);
    }
}
