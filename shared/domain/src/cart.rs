//! Carts: what somebody means to buy. They hold no stock and no prices.

use serde::{Deserialize, Serialize};

use crate::{
    coupon::CouponCode,
    ids::{CartId, OrderId, SellerId, UserId, VariantId},
    problem::Problem,
    time::Timestamp,
};

/// The most lines a cart takes.
pub const LINES_MAX: usize = 50;
/// The most of one variant a cart takes.
pub const QUANTITY_MAX: u32 = 99;
/// The most sellers an order can have, so that paying it fits into one transaction.
pub const SELLERS_MAX: usize = 15;

/// How many of one variant: 1 to [`QUANTITY_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Quantity(u32);

impl Quantity {
    /// Reads a quantity.
    ///
    /// # Errors
    /// [`Problem::Invalid`] outside 1 to [`QUANTITY_MAX`].
    pub fn try_new(value: u32) -> Result<Self, Problem> {
        let inside = (1..=QUANTITY_MAX).contains(&value);
        if inside { Ok(Self(value)) } else { Err(Problem::field("/quantity", "out-of-range")) }
    }

    /// As a number.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for Quantity {
    type Error = &'static str;
    fn try_from(value: u32) -> Result<Self, Self::Error> {
        Self::try_new(value).map_err(|_| "a quantity is 1 to 99")
    }
}

impl From<Quantity> for u32 {
    fn from(quantity: Quantity) -> Self {
        quantity.0
    }
}

/// Whose cart it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Owner {
    /// A signed-in user.
    User {
        /// Who.
        user: UserId,
    },
    /// Whoever has the token.
    Guest {
        /// Hex SHA-256 of the token.
        token_hash: String,
    },
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CartLine {
    /// What.
    pub variant: VariantId,
    /// How many.
    pub quantity: Quantity,
    /// Whose it is, so that checkout knows before it reads the variant; older lines do not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seller: Option<SellerId>,
}

/// A cart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cart {
    /// Its id.
    pub id: CartId,
    /// Whose.
    pub owner: Owner,
    /// What is in it; a variant is in it at most once.
    pub lines: Vec<CartLine>,
    /// The coupon the buyer means to use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coupon: Option<CouponCode>,
    /// The order that was last made from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_order: Option<OrderId>,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Cart {
    /// An empty cart.
    #[must_use]
    pub fn new(id: CartId, owner: Owner, now: Timestamp) -> Self {
        Self { id, owner, lines: Vec::new(), coupon: None, last_order: None, updated_at: now }
    }

    /// Sets how many of `variant` are in it.
    ///
    /// # Errors
    /// [`Problem::Invalid`] when it is full.
    pub fn put(&mut self, variant: &VariantId, quantity: Quantity, now: Timestamp) -> Result<(), Problem> {
        self.updated_at = now;
        if let Some(line) = self.lines.iter_mut().find(|line| line.variant == *variant) {
            line.quantity = quantity;
            return Ok(());
        }
        if self.lines.len() >= LINES_MAX {
            return Err(Problem::field("/lines", "too-many"));
        }
        self.lines.push(CartLine { variant: variant.clone(), quantity, seller: None });
        Ok(())
    }

    /// Takes `variant` out; whether it was in.
    pub fn remove(&mut self, variant: &VariantId, now: Timestamp) -> bool {
        let before = self.lines.len();
        self.lines.retain(|line| line.variant != *variant);
        self.updated_at = now;
        self.lines.len() < before
    }

    /// Notes whose a variant is.
    pub fn note_seller(&mut self, variant: &VariantId, seller: &SellerId) {
        for line in self.lines.iter_mut().filter(|line| line.variant == *variant) {
            line.seller = Some(seller.clone());
        }
    }

    /// Adds the lines of a guest's cart: the larger quantity of both wins, and what does not fit stays out. The
    /// guest's coupon is kept unless there is one.
    pub fn merge(&mut self, guest: &Self, now: Timestamp) {
        if self.coupon.is_none() {
            self.coupon.clone_from(&guest.coupon);
        }
        for line in &guest.lines {
            let own =
                self.lines.iter().find(|own| own.variant == line.variant).map_or(0, |own| own.quantity.get());
            if line.quantity.get() > own {
                // Refused only when the cart is full; the rest of the guest's cart is then left out.
                drop(self.put(&line.variant, line.quantity, now));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_quantity_is_a_whole_number_from_1_to_99(number: i64, text in "-?[0-9]{1,3}(\\.[0-9])?(e[0-9])?|.{0,12}") {
            for text in [number.to_string(), text] {
                let read = serde_json::from_str::<Quantity>(&text).ok().map(Quantity::get);
                let expected = text.trim().parse::<u32>().ok().filter(|n| (1..=QUANTITY_MAX).contains(n));
                // What JSON does not take for a number, such as `+1` and `01`, is none.
                let is_json = serde_json::from_str::<u32>(&text).is_ok();
                prop_assert_eq!(read, expected.filter(|_| is_json));
            }
        }
    }
}
