//! A field of a partial change: left out, cleared, or given.

use serde::{Deserialize, Deserializer};

use crate::product::Findings;

/// What a PATCH says about one field. Fields carry `#[serde(default)]`, so that leaving one out is [`Patch::Absent`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Patch<T> {
    /// Not mentioned: stays as it is.
    #[default]
    Absent,
    /// `null`: cleared.
    Null,
    /// The new value.
    Value(T),
}

impl<T> Patch<T> {
    /// Turns a given value into another type.
    #[must_use]
    pub fn map<U>(self, convert: impl FnOnce(T) -> U) -> Patch<U> {
        match self {
            Self::Absent => Patch::Absent,
            Self::Null => Patch::Null,
            Self::Value(value) => Patch::Value(convert(value)),
        }
    }

    /// Changes a field that may be empty.
    pub fn apply_to(self, field: &mut Option<T>) {
        match self {
            Self::Absent => {}
            Self::Null => *field = None,
            Self::Value(value) => *field = Some(value),
        }
    }

    /// Changes a field that cannot be empty; `null` is noted under `pointer`.
    pub fn replace(self, field: &mut T, pointer: &str, findings: &mut Findings) {
        match self {
            Self::Absent => {}
            Self::Null => findings.add(pointer, "required"),
            Self::Value(value) => *field = value,
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Patch<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::<T>::deserialize(deserializer).map(|value| value.map_or(Self::Null, Self::Value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Body {
        #[serde(default)]
        brand: Patch<String>,
    }

    fn brand(json: &str) -> Patch<String> {
        serde_json::from_str::<Body>(json).unwrap().brand
    }

    #[test]
    fn absent_null_and_value_are_three_things() {
        assert_eq!(brand("{}"), Patch::Absent);
        assert_eq!(brand(r#"{"brand":null}"#), Patch::Null);
        assert_eq!(brand(r#"{"brand":"Oak"}"#), Patch::Value("Oak".to_owned()));
    }

    #[test]
    fn a_required_field_cannot_be_cleared() {
        let mut findings = Findings::default();
        let mut title = "Chair".to_owned();
        Patch::Null.replace(&mut title, "/title", &mut findings);
        assert_eq!(title, "Chair");
        assert_eq!(findings.into_errors().len(), 1);
    }
}
