//! Typed identifiers: a prefix, an underscore and a ULID, so that ids sort by the time they were made.

use std::fmt;

use serde::{Deserialize, Serialize};
use ulid::Ulid;

use crate::time::Timestamp;

/// A text that is not an identifier of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected an identifier that starts with `{prefix}_`")]
pub struct IdError {
    prefix: &'static str,
}

/// Where random bits come from.
pub trait IdGen: Send + Sync {
    /// 128 random bits, unpredictable in production.
    fn random(&self) -> u128;
}

/// A fresh ULID text for `now`.
#[must_use]
pub fn ulid_text(ids: &dyn IdGen, now: Timestamp) -> String {
    let ms = u64::try_from(now.millis()).unwrap_or(0);
    Ulid::from_parts(ms, ids.random()).to_string()
}

fn check(text: &str, prefix: &'static str, tail: usize) -> Result<(), IdError> {
    let body = text.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('_')).ok_or(IdError { prefix })?;
    let (ulid, rest) = body.split_at_checked(ULID_LEN).ok_or(IdError { prefix })?;
    // Only the one canonical spelling is an id: decoding also accepts lower case and look-alikes.
    let canonical = Ulid::from_string(ulid).is_ok_and(|parsed| parsed.to_string() == ulid);
    let tail_ok = rest.len() == tail && rest.bytes().all(|b| b.is_ascii_digit());
    if canonical && tail_ok { Ok(()) } else { Err(IdError { prefix }) }
}

const ULID_LEN: usize = 26;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $tail:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// What every id of this kind starts with, without the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// Reads an id.
            ///
            /// # Errors
            /// [`IdError`] unless `text` is the prefix and a canonical ULID.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                check(text, $prefix, $tail)?;
                Ok(Self(text.to_owned()))
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                check(&text, $prefix, $tail)?;
                Ok(Self(text))
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    };
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        id!($(#[$doc])* $name, $prefix, 0);
        impl $name {
            /// Makes a fresh id.
            #[must_use]
            pub fn generate(ids: &dyn IdGen, now: Timestamp) -> Self {
                Self(format!(concat!($prefix, "_{}"), ulid_text(ids, now)))
            }

            /// When it was made.
            #[must_use]
            pub fn made_at(&self) -> Timestamp {
                let ms = Ulid::from_string(self.ulid()).map_or(0, |ulid| ulid.timestamp_ms());
                Timestamp::from_millis(i64::try_from(ms).unwrap_or(i64::MAX))
            }

            /// The ULID part.
            #[must_use]
            pub fn ulid(&self) -> &str {
                self.0.get(Self::PREFIX.len().saturating_add(1)..).unwrap_or_default()
            }
        }
    };
}

id!(
    /// A person with an account.
    UserId, "usr"
);
id!(
    /// A shop.
    SellerId, "sel"
);
id!(
    /// An entry of a user's address book.
    AddressId, "adr"
);
id!(
    /// A sign-in: all refresh tokens that descend from one login.
    SessionId, "ses"
);
id!(
    /// A listing.
    ProductId, "prd"
);
id!(
    /// A node of the category tree.
    CategoryId, "cat"
);
id!(
    /// A cart.
    CartId, "crt"
);
id!(
    /// An order.
    OrderId, "ord"
);
id!(
    /// A ledger transaction.
    LedgerTxId, "ltx"
);
id!(
    /// A file with counts of stock.
    ImportId, "imp"
);
id!(
    /// A place in line for a variant that is sold out; ids sort by when somebody joined.
    AlertId, "alr"
);
id!(
    /// What is sold: one variant of a product. It carries its product's ULID and a number of two digits, so
    /// that the product (and with it every key) follows from the id alone.
    VariantId, "var", 2
);

id!(
    /// Something that a seller handed to a carrier: the order's ULID, the number of the part in the order and that
    /// of the shipment in the part, two digits each.
    ShipmentId, "shp", 4
);
id!(
    /// Goods that a buyer sends back. It is made like a [`ShipmentId`], so that the order follows from it.
    ReturnId, "ret", 4
);
id!(
    /// A label that a seller buys. It is made like a [`ShipmentId`], so that the order follows from it.
    LabelId, "lbl", 4
);

impl ShipmentId {
    /// Shipment `number` of part `part` of an order; `None` above 99.
    #[must_use]
    pub fn of(order: &OrderId, part: u8, number: u8) -> Option<Self> {
        (part < 100 && number < 100).then(|| Self(format!("shp_{}{part:02}{number:02}", order.ulid())))
    }

    /// The order it belongs to.
    #[must_use]
    pub fn order(&self) -> OrderId {
        OrderId(format!("ord_{}", self.0.get(4..4 + ULID_LEN).unwrap_or_default()))
    }
}

impl LabelId {
    /// Label `number` of part `part` of an order; `None` above 99.
    #[must_use]
    pub fn of(order: &OrderId, part: u8, number: u8) -> Option<Self> {
        (part < 100 && number < 100).then(|| Self(format!("lbl_{}{part:02}{number:02}", order.ulid())))
    }

    /// The order it belongs to.
    #[must_use]
    pub fn order(&self) -> OrderId {
        OrderId(format!("ord_{}", self.0.get(4..4 + ULID_LEN).unwrap_or_default()))
    }
}

impl ReturnId {
    /// Return `number` of part `part` of an order; `None` above 99.
    #[must_use]
    pub fn of(order: &OrderId, part: u8, number: u8) -> Option<Self> {
        (part < 100 && number < 100).then(|| Self(format!("ret_{}{part:02}{number:02}", order.ulid())))
    }

    /// The order it belongs to.
    #[must_use]
    pub fn order(&self) -> OrderId {
        OrderId(format!("ord_{}", self.0.get(4..4 + ULID_LEN).unwrap_or_default()))
    }
}

impl VariantId {
    /// The variant number `index` of `product`; `None` above 99.
    #[must_use]
    pub fn of(product: &ProductId, index: u8) -> Option<Self> {
        (index < 100).then(|| Self(format!("var_{}{index:02}", product.ulid())))
    }

    /// The product it belongs to.
    #[must_use]
    pub fn product(&self) -> ProductId {
        ProductId(format!("prd_{}", self.0.get(4..4 + ULID_LEN).unwrap_or_default()))
    }
}

impl CartId {
    /// The one cart of a signed-in user.
    #[must_use]
    pub fn of_user(user: &UserId) -> Self {
        Self(format!("crt_{}", user.ulid()))
    }
}

impl SellerId {
    /// The one shop a user can have.
    #[must_use]
    pub fn of_user(user: &UserId) -> Self {
        Self(format!("sel_{}", user.ulid()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ULID: &str = "01J8ZQ5K3N0V7X2Y4T6B8D9FGH";

    #[test]
    fn an_id_is_its_prefix_and_a_canonical_ulid() {
        assert!(OrderId::parse(&format!("ord_{ULID}")).is_ok());
        let lower = ULID.to_lowercase();
        for bad in
            ["", "ord_", "ord", &format!("prd_{ULID}"), &format!("ord_{ULID}0"), &format!("ord_{lower}")]
        {
            assert!(OrderId::parse(bad).is_err(), "{bad}");
        }
        assert!(OrderId::parse("ord_é1J8ZQ5K3N0V7X2Y4T6B8D9FGH").is_err());
    }

    proptest! {
        #[test]
        fn what_is_read_as_an_id_is_written_the_same(text in "(ord|var|crt)_[0-9A-Za-z]{24,30}|.{0,60}") {
            if let Ok(id) = OrderId::parse(&text) {
                prop_assert_eq!(id.as_str(), text.as_str());
            }
            if let Ok(id) = VariantId::parse(&text) {
                prop_assert!(ProductId::parse(id.product().as_str()).is_ok());
            }
            let json = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(serde_json::from_str::<OrderId>(&json).ok(), OrderId::parse(&text).ok());
        }

        #[test]
        fn every_id_that_is_made_can_be_read(ms: i64, random: u128) {
            struct Fixed(u128);
            impl IdGen for Fixed {
                fn random(&self) -> u128 {
                    self.0
                }
            }
            let id = OrderId::generate(&Fixed(random), Timestamp::from_millis(ms));
            prop_assert_eq!(OrderId::parse(id.as_str()), Ok(id));
        }
    }

    #[test]
    fn a_return_names_its_order() {
        let order = OrderId::parse(&format!("ord_{ULID}")).unwrap();
        let id = ReturnId::of(&order, 3, 12).unwrap();
        assert_eq!(id.as_str(), format!("ret_{ULID}0312"));
        assert_eq!((id.order(), ReturnId::parse(id.as_str())), (order.clone(), Ok(id)));
        assert_eq!((ReturnId::of(&order, 100, 1), ShipmentId::of(&order, 1, 100)), (None, None));
    }

    #[test]
    fn a_shipment_and_a_label_name_their_order() {
        let order = OrderId::parse(&format!("ord_{ULID}")).unwrap();
        assert_eq!(ShipmentId::of(&order, 14, 50).unwrap().order(), order);
        let label = LabelId::of(&order, 14, 60).unwrap();
        assert_eq!((label.as_str(), label.order()), (&*format!("lbl_{ULID}1460"), order.clone()));
        assert_eq!(LabelId::of(&order, 1, 100), None);
    }

    #[test]
    fn a_variant_names_its_product() {
        let product = ProductId::parse(&format!("prd_{ULID}")).unwrap();
        let variant = VariantId::of(&product, 7).unwrap();
        assert_eq!(variant.as_str(), format!("var_{ULID}07"));
        assert_eq!(variant.product(), product);
        assert_eq!(VariantId::parse(variant.as_str()), Ok(variant));
        assert_eq!(VariantId::of(&product, 100), None);
    }
}
