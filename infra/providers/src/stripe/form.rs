//! Form-encoded parameters, as every Stripe SDK sends them.

use std::collections::BTreeMap;

use super::error::Refusal;

/// The parameters of one call by their flat names (`metadata[order_id]`). Two forms are equal when
/// they say the same, in whatever order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Form(BTreeMap<String, String>);

impl Form {
    pub(crate) fn parse(encoded: &[u8]) -> Self {
        Self(form_urlencoded::parse(encoded).into_owned().collect())
    }

    /// The value, unless it is absent or empty.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    pub(crate) fn required(&self, name: &'static str) -> Result<&str, Refusal> {
        self.text(name).ok_or_else(|| {
            Refusal::parameter(name, "parameter_missing", format!("Missing required param: {name}."))
        })
    }

    /// A positive whole number.
    pub(crate) fn amount(&self, name: &'static str) -> Result<Option<u64>, Refusal> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match text.parse() {
            Ok(0) => Err(Refusal::parameter(
                name,
                "parameter_invalid_integer",
                "This value must be greater than or equal to 1.",
            )),
            Ok(amount) => Ok(Some(amount)),
            Err(_) => {
                Err(Refusal::parameter(name, "parameter_invalid_integer", format!("Invalid integer: {text}")))
            }
        }
    }

    pub(crate) fn is_true(&self, name: &str) -> bool {
        self.text(name) == Some("true")
    }

    pub(crate) fn of(name: &str, value: &str) -> Self {
        Self(BTreeMap::from([(name.to_owned(), value.to_owned())]))
    }

    pub(crate) fn metadata(&self) -> BTreeMap<String, String> {
        self.map("metadata")
    }

    /// The values under `name[…]`.
    pub(crate) fn map(&self, name: &str) -> BTreeMap<String, String> {
        self.under(name).map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    /// The values of `name[]`, or of `name[0]` and so on.
    pub(crate) fn list(&self, name: &str) -> Vec<&str> {
        self.under(name).map(|(_, value)| value).collect()
    }

    fn under(&self, prefix: &str) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(move |(name, value)| {
            let key = name.strip_prefix(prefix)?.strip_prefix('[')?.strip_suffix(']')?;
            Some((key, value.as_str()))
        })
    }
}
