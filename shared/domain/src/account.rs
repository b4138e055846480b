//! Accounts and shops: names, e-mail addresses, roles.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{problem::FieldError, text};

/// What a member of staff may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Helps users.
    Support,
    /// Moves money.
    Finance,
    /// Everything.
    Admin,
}

/// An e-mail address in lower case. Two spellings of one address are one account.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Email(String);

impl Email {
    /// Reads an address of the everyday form: no quoting, no comments, ASCII only.
    ///
    /// # Errors
    /// A code that says what is wrong.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        if text.len() > 254 {
            return Err("too-long");
        }
        let (local, domain) = text.rsplit_once('@').ok_or("invalid")?;
        let local_ok = (1..=64).contains(&local.len())
            && local.split('.').all(|part| !part.is_empty() && part.bytes().all(is_atom));
        let label_ok = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let domain_ok = domain.contains('.') && domain.split('.').all(label_ok);
        if local_ok && domain_ok { Ok(Self(text.to_ascii_lowercase())) } else { Err("invalid") }
    }

    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the `@`.
    #[must_use]
    pub fn local_part(&self) -> &str {
        self.0.split('@').next().unwrap_or_default()
    }
}

fn is_atom(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b)
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Personal data: it must not reach a log by way of an error.
        f.write_str("Email(…)")
    }
}

/// The public name of a user: 3 to 30 of `a-z`, `0-9`, `.`, `_` and `-`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Username(String);

impl Username {
    /// Reads a name.
    ///
    /// # Errors
    /// A code that says what is wrong.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let known = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-');
        named(text, 3..=30, known).map(Self)
    }

    /// What those are called who have no account. Nobody owns this name.
    #[must_use]
    pub fn guest() -> Self {
        Self("guest".to_owned())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a shop is called in addresses: 3 to 40 of `a-z`, `0-9` and single `-` between them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ShopSlug(String);

impl ShopSlug {
    /// Reads a slug.
    ///
    /// # Errors
    /// A code that says what is wrong.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let known = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let slug = named(text, 3..=40, known)?;
        if slug.split('-').any(str::is_empty) { Err("invalid") } else { Ok(Self(slug)) }
    }

    /// The slug.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn named(
    text: &str,
    chars: std::ops::RangeInclusive<usize>,
    known: impl Fn(u8) -> bool,
) -> Result<String, &'static str> {
    if text.len() < *chars.start() {
        Err("too-short")
    } else if text.len() > *chars.end() {
        Err("too-long")
    } else if text.bytes().all(known) {
        Ok(text.to_owned())
    } else {
        Err("invalid")
    }
}

/// Whether a shop trades.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ShopState {
    /// It trades.
    Open,
}

/// What someone who opens a shop says about it, within bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShopDraft {
    /// The shop's name, 2 to 80 characters.
    pub name: String,
    /// The shop's slug.
    pub slug: ShopSlug,
    /// What the shop promises about returns, at most 5,000 characters.
    pub return_policy: String,
}

impl ShopDraft {
    /// Checks all fields.
    ///
    /// # Errors
    /// Every field that is not acceptable.
    pub fn parse(name: &str, slug: &str, return_policy: &str) -> Result<Self, Vec<FieldError>> {
        let mut errors = Vec::new();
        let name = text::line(name, "/name", 2..=80, &mut errors);
        let slug = ShopSlug::parse(slug).map_err(|code| errors.push(FieldError::new("/slug", code)));
        let return_policy = text::paragraphs(return_policy, "/return_policy", 0..=5_000, &mut errors);
        match slug {
            Ok(slug) if errors.is_empty() => Ok(Self { name, slug, return_policy }),
            Ok(_) | Err(()) => Err(errors),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_email_address_is_lower_case_and_of_the_everyday_form() {
        assert_eq!(Email::parse(" Ada.L+shop@Example.ORG ").unwrap().as_str(), "ada.l+shop@example.org");
        let long = format!("{}@example.org", "a".repeat(65));
        for bad in [
            "",
            "@",
            "a@",
            "@example.org",
            "a@example",
            "a b@example.org",
            "a@-x.org",
            "a@x..org",
            ".a@x.org",
            "a\r\nBcc: b@x.org",
            "é@example.org",
            "a@exämple.org",
            "\"a b\"@x.org",
            &long,
        ] {
            assert_eq!(Email::parse(bad), Err("invalid"), "{bad}");
        }
        assert_eq!(Email::parse(&format!("a@{}.org", "x.".repeat(130))), Err("too-long"));
    }

    #[test]
    fn an_email_address_does_not_show_itself() {
        assert_eq!(format!("{:?}", Email::parse("ada@example.org").unwrap()), "Email(…)");
    }

    #[test]
    fn usernames_and_slugs_have_their_own_alphabet() {
        for good in ["ada", "a.d-a_1", &"a".repeat(30)] {
            assert!(Username::parse(good).is_ok(), "{good}");
        }
        for (bad, code) in [("ab", "too-short"), ("Ada", "invalid"), ("a@b", "invalid"), ("a#b", "invalid")] {
            assert_eq!(Username::parse(bad), Err(code), "{bad}");
        }
        assert_eq!(Username::parse(&"a".repeat(31)), Err("too-long"));
        for good in ["abc", "north-sea-books", "7up"] {
            assert!(ShopSlug::parse(good).is_ok(), "{good}");
        }
        for bad in ["-abc", "abc-", "a--b", "Abc", "a_b", "a/b"] {
            assert_eq!(ShopSlug::parse(bad), Err("invalid"), "{bad}");
        }
    }

    #[test]
    fn every_bad_field_of_a_shop_is_named() {
        let errors = ShopDraft::parse("x", "No", &"p".repeat(5_001)).unwrap_err();
        let found: Vec<_> = errors.iter().map(|e| (e.pointer.as_str(), e.code)).collect();
        assert_eq!(found, [("/name", "too-short"), ("/slug", "too-short"), ("/return_policy", "too-long")]);
    }
}
