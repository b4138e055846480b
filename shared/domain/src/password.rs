//! Which passwords are taken, and how long someone who guesses has to wait.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    account::{Email, Username},
    problem::FieldError,
    time::Timestamp,
};

/// The fewest characters of a password.
pub const PASSWORD_CHARS_MIN: usize = 10;
/// The most characters of a password.
pub const PASSWORD_CHARS_MAX: usize = 128;

/// A password in the clear, on its way to being hashed.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// A password someone wants to use from now on.
    ///
    /// # Errors
    /// A code that says what is wrong with it.
    pub fn choose(text: &str, username: &Username, email: &Email) -> Result<Self, &'static str> {
        let count = text.chars().count();
        if count < PASSWORD_CHARS_MIN {
            return Err("too-short");
        }
        if count > PASSWORD_CHARS_MAX {
            return Err("too-long");
        }
        let lower = text.to_lowercase();
        // A name of one or two letters is in too many good passwords.
        let names = [username.as_str(), email.local_part(), email.as_str()];
        if names.iter().any(|name| name.len() >= 3 && lower.contains(name)) {
            return Err("contains-name");
        }
        if is_common(&lower) { Err("common") } else { Ok(Self(text.to_owned())) }
    }

    /// A password someone claims to be theirs.
    ///
    /// # Errors
    /// A code when it is empty or longer than any password.
    pub fn claimed(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() {
            Err("too-short")
        } else if text.chars().count() > PASSWORD_CHARS_MAX {
            Err("too-long")
        } else {
            Ok(Self(text.to_owned()))
        }
    }

    /// The text, to be hashed.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// What someone who signs up says, within bounds.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Registration {
    /// Their e-mail address.
    pub email: Email,
    /// The name they want.
    pub username: Username,
    /// The password they want.
    pub password: Password,
}

impl Registration {
    /// Checks all fields.
    ///
    /// # Errors
    /// Every field that is not acceptable.
    pub fn parse(email: &str, username: &str, password: &str) -> Result<Self, Vec<FieldError>> {
        let mut errors = Vec::new();
        let email = Email::parse(email).map_err(|code| errors.push(FieldError::new("/email", code)));
        let username =
            Username::parse(username).map_err(|code| errors.push(FieldError::new("/username", code)));
        let (Ok(email), Ok(username)) = (email, username) else { return Err(errors) };
        match Password::choose(password, &username, &email) {
            Ok(password) => Ok(Self { email, username, password }),
            Err(code) => Err(vec![FieldError::new("/password", code)]),
        }
    }
}

/// Passwords that are among the first anyone tries: the known ones, keyboard walks and repetitions, and
/// single words with something before or after them.
fn is_common(lower: &str) -> bool {
    let core = lower.trim_matches(|c: char| !c.is_alphabetic());
    let plain: String = core.chars().map(unleet).collect();
    let known = |word: &str| WORDS.lines().any(|line| line.split(' ').any(|known| known == word));
    known(lower) || known(core) || known(&plain) || is_repetition(lower) || is_walk(lower)
}

/// Undoes the usual letter swaps.
fn unleet(c: char) -> char {
    match c {
        '0' => 'o',
        '1' | '!' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        other => other,
    }
}

/// A short piece over and over: `aaaaaaaaaa`, `abc123abc123`, `passwordpassword`.
fn is_repetition(text: &str) -> bool {
    let chars: Vec<char> = text.chars().collect();
    let half = chars.len().div_euclid(2);
    (1..=half).any(|size| chars.iter().zip(chars.iter().skip(size)).all(|(a, b)| a == b))
}

/// Neighbours on the keyboard or in the alphabet, forwards or backwards, all the way.
fn is_walk(text: &str) -> bool {
    let backwards: String = text.chars().rev().collect();
    WALKS.iter().any(|walk| walk.contains(text) || walk.contains(&backwards))
}

const WALKS: [&str; 6] = [
    "01234567890123456789",
    "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz",
    "qwertyuiopasdfghjklzxcvbnm",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/",
    "1q2w3e4r5t6y7u8i9o0p",
    "qazwsxedcrfvtgbyhnujmikolp",
];

/// Common passwords, and words that are common with digits or signs around them; lower case, without swaps.
const WORDS: &str = include_str!("common_passwords.txt");

/// How failed sign-ins of one account or from one address add up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failures {
    /// How many there were.
    pub count: u32,
    /// When the last one was.
    pub last_at: Timestamp,
}

/// Failures that cost an account nothing.
pub const FREE_PER_ACCOUNT: u32 = 5;
/// Failures that cost an address nothing. Many people can share one.
pub const FREE_PER_ADDRESS: u32 = 20;
/// After this many failures of an account, or from an address, only people may try.
pub const FREE_FOR_PROGRAMS: u32 = 3;
/// After this long without a failure the count starts again.
pub const FORGET_AFTER_S: i64 = 24 * 3_600;
/// The longest wait.
const LOCK_S_MAX: u32 = 15 * 60;

impl Failures {
    /// The count after one more failure.
    #[must_use]
    pub fn one_more(before: Option<Self>, now: Timestamp) -> Self {
        let before = before.filter(|failures| now < failures.last_at.plus_seconds(FORGET_AFTER_S));
        Self { count: before.map_or(0, |failures| failures.count).saturating_add(1), last_at: now }
    }

    /// Whether so many failed that only people may go on.
    #[must_use]
    pub fn only_people(self, now: Timestamp) -> bool {
        self.count >= FREE_FOR_PROGRAMS && now < self.last_at.plus_seconds(FORGET_AFTER_S)
    }

    /// For how many more seconds nothing may be tried: a minute after the first failure beyond the `free` ones,
    /// twice as long with each, at most 15 minutes.
    #[must_use]
    pub fn locked_for_s(self, free: u32, now: Timestamp) -> Option<u32> {
        let beyond = self.count.checked_sub(free).filter(|beyond| *beyond > 0)?;
        let wait_s = 60_u32.saturating_mul(2_u32.saturating_pow(beyond.saturating_sub(1))).min(LOCK_S_MAX);
        let until_ms = self.last_at.plus_seconds(i64::from(wait_s)).millis();
        let millis_to_go = until_ms.saturating_sub(now.millis());
        let left_s = millis_to_go.saturating_add(999).div_euclid(1_000);
        u32::try_from(left_s).ok().filter(|seconds| *seconds > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(text: &str) -> Result<Password, &'static str> {
        let email = Email::parse("lovelace@example.org").unwrap();
        Password::choose(text, &Username::parse("ada.byron").unwrap(), &email)
    }

    #[test]
    fn common_passwords_are_refused() {
        for bad in [
            "password123",
            "P@ssw0rd2024!",
            "qwertyuiop",
            "1234567890",
            "0987654321",
            "aaaaaaaaaa",
            "abcabcabcabc",
            "iloveyou!!",
            "Welcome2026!",
            "1qaz2wsx3edc",
            "letmein12345",
            "123dragon123",
            "abcdefghij",
        ] {
            assert_eq!(choose(bad), Err("common"), "{bad}");
        }
    }

    #[test]
    fn a_password_has_10_to_128_characters_and_not_the_name() {
        assert_eq!(choose("short"), Err("too-short"));
        assert_eq!(choose("ééééééééé"), Err("too-short"));
        assert_eq!(choose(&"xy7".repeat(43)), Err("too-long"));
        assert_eq!(choose("my Ada.Byron pass"), Err("contains-name"));
        assert_eq!(choose("LoveLace and tea"), Err("contains-name"));
        for good in ["correct horse battery staple", "Tq8-vvKe2p", "дом у реки 7"] {
            assert!(choose(good).is_ok(), "{good}");
        }
        assert_eq!(format!("{:?}", choose("Tq8-vvKe2p").unwrap()), "Password(…)");
    }

    #[test]
    fn every_bad_field_of_a_registration_is_named() {
        let errors = Registration::parse("nobody", "A", "x").unwrap_err();
        let found: Vec<_> = errors.iter().map(|e| (e.pointer.as_str(), e.code)).collect();
        assert_eq!(found, [("/email", "invalid"), ("/username", "too-short")]);
        let errors = Registration::parse("ada@example.org", "ada", "x").unwrap_err();
        assert_eq!(errors, [FieldError::new("/password", "too-short")]);
    }

    #[test]
    fn lock_outs_grow_to_a_quarter_of_an_hour() {
        let now = Timestamp::from_millis(1_000_000);
        let wait = |count| Failures { count, last_at: now }.locked_for_s(5, now);
        let waits: Vec<_> = [1, 5, 6, 7, 8, 9, 10, 11, u32::MAX].map(wait).to_vec();
        let minutes = |m: u32| Some(m * 60);
        let grown = [minutes(1), minutes(2), minutes(4), minutes(8), minutes(15), minutes(15), minutes(15)];
        assert_eq!(waits, [vec![None, None], grown.to_vec()].concat());
        let sixth = Failures { count: 6, last_at: now };
        assert_eq!(sixth.locked_for_s(5, now.plus_seconds(59)), Some(1));
        assert_eq!(sixth.locked_for_s(5, now.plus_seconds(60)), None);
    }

    #[test]
    fn old_failures_are_forgotten() {
        let now = Timestamp::from_millis(1_000_000);
        let many = Failures { count: 9, last_at: now };
        assert_eq!(Failures::one_more(Some(many), now.plus_seconds(60)).count, 10);
        assert_eq!(Failures::one_more(Some(many), now.plus_seconds(FORGET_AFTER_S)).count, 1);
        assert_eq!(Failures::one_more(None, now).count, 1);
    }
}
