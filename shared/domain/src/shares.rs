//! Who has which share in the money of a part, and which of it goes back with some units or with an amount.
//!
//! Everything is taken cumulatively: the shares of the first so many units, or of the first so much money, less
//! those of what went before. So whatever the steps, all of them together are the whole, to the last cent, and no
//! share ever becomes negative on the way.

use serde::{Deserialize, Serialize};

use crate::{
    money::{Currency, Money, MoneyError},
    order::{Order, OrderLine, Part},
};

/// What an amount that a buyer paid consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shares {
    /// The seller's.
    pub seller: Money,
    /// The platform's commission.
    pub fee: Money,
    /// Tax.
    pub tax: Money,
}

impl Shares {
    /// Nothing.
    #[must_use]
    pub fn zero(currency: Currency) -> Self {
        let zero = Money::zero(currency);
        Self { seller: zero, fee: zero, tax: zero }
    }

    /// What the buyer paid.
    ///
    /// # Errors
    /// [`MoneyError`] when the sum does not fit.
    pub fn total(&self) -> Result<Money, MoneyError> {
        self.seller.try_add(self.fee)?.try_add(self.tax)
    }

    /// Both together.
    ///
    /// # Errors
    /// [`MoneyError`] when currencies differ or a sum does not fit.
    pub fn try_add(&self, other: &Self) -> Result<Self, MoneyError> {
        Ok(Self {
            seller: self.seller.try_add(other.seller)?,
            fee: self.fee.try_add(other.fee)?,
            tax: self.tax.try_add(other.tax)?,
        })
    }

    /// What is left without `other`.
    ///
    /// # Errors
    /// [`MoneyError`] when currencies differ or a share of `other` is larger.
    pub fn try_sub(&self, other: &Self) -> Result<Self, MoneyError> {
        Ok(Self {
            seller: self.seller.try_sub(other.seller)?,
            fee: self.fee.try_sub(other.fee)?,
            tax: self.tax.try_sub(other.tax)?,
        })
    }

    /// Of each share the smaller one.
    fn at_most(&self, other: &Self) -> Self {
        let smaller = |a: Money, b: Money| if a.minor() <= b.minor() { a } else { b };
        Self {
            seller: smaller(self.seller, other.seller),
            fee: smaller(self.fee, other.fee),
            tax: smaller(self.tax, other.tax),
        }
    }

    /// The shares in the first `amount` of it, in proportion; the whole amount gives the whole shares.
    ///
    /// # Errors
    /// [`MoneyError::OutOfRange`] when there is not that much.
    pub fn first(&self, amount: Money) -> Result<Self, MoneyError> {
        let total = self.total()?;
        total.try_sub(amount)?;
        if amount == total {
            return Ok(*self);
        }
        // What is not the seller's is cut off first and then divided, so that neither step takes more than there is.
        let cut = self.fee.try_add(self.tax)?;
        let off = cut.scaled(amount.minor(), total.minor())?;
        let fee = if cut.is_zero() { cut } else { self.fee.scaled(off.minor(), cut.minor())? };
        Ok(Self { seller: amount.try_sub(off)?, fee, tax: off.try_sub(fee)? })
    }

    /// The shares of `count` units of a line of `quantity`, after `before` of them: the price of all is divided over
    /// the units by largest remainder.
    ///
    /// # Errors
    /// [`MoneyError::OutOfRange`] when there are not that many.
    pub fn of_units(&self, quantity: u32, before: u32, count: u32) -> Result<Self, MoneyError> {
        let until = before.checked_add(count).filter(|until| *until <= quantity);
        let until = until.ok_or(MoneyError::OutOfRange)?;
        let units = vec![1_u64; usize::try_from(quantity).map_err(|_| MoneyError::OutOfRange)?];
        let total = self.total()?;
        let prices = total.allocate(&units)?;
        let up_to = |units: u32| {
            let some = prices.iter().take(usize::try_from(units).unwrap_or(usize::MAX)).copied();
            self.first(Money::try_sum(total.currency(), some)?)
        };
        up_to(until)?.try_sub(&up_to(before)?)
    }
}

/// The shares in all that was paid for a part. The fee is rounded down, so that the odd cent is the seller's.
///
/// # Errors
/// [`MoneyError`] when an amount does not fit.
pub fn of_part(part: &Part) -> Result<Shares, MoneyError> {
    let (fee, rest) = part.totals.goods.split(part.commission)?;
    Ok(Shares { seller: rest.try_add(part.totals.shipping)?, fee, tax: part.totals.tax })
}

/// The shares in what was paid for one line of a part: its goods with their part of the commission and of the tax,
/// both divided by largest remainder. What the lines leave of the part was paid for shipping.
///
/// # Errors
/// [`MoneyError`] when an amount does not fit.
pub fn paid_for(part: &Part, line: &OrderLine) -> Result<Shares, MoneyError> {
    let whole = of_part(part)?;
    let goods: Vec<u64> = part.lines.iter().map(|line| line.total.minor()).collect();
    let taxed: Vec<u64> = goods.iter().copied().chain([part.totals.shipping.minor()]).collect();
    let at = part.lines.iter().position(|other| other.variant == line.variant);
    let own = |shares: Vec<Money>| at.and_then(|at| shares.get(at)).copied().ok_or(MoneyError::OutOfRange);
    let (fee, tax) = (own(whole.fee.allocate(&goods)?)?, own(whole.tax.allocate(&taxed)?)?);
    Ok(Shares { seller: line.total.try_sub(fee)?, fee, tax })
}

/// What of a part's money did not go back yet.
///
/// # Errors
/// [`MoneyError`] when an amount does not fit.
pub fn left_of(part: &Part) -> Result<Shares, MoneyError> {
    of_part(part)?.try_sub(&part.refunded)
}

/// What of `left` goes back for units that had the shares `wanted`: those, as far as they are left, and never more
/// than there is.
///
/// # Errors
/// [`MoneyError`] when an amount does not fit.
pub fn available(left: &Shares, wanted: &Shares) -> Result<Shares, MoneyError> {
    let (total, asked) = (left.total()?, wanted.total()?);
    if asked.minor() >= total.minor() {
        return Ok(*left);
    }
    let own = wanted.at_most(left);
    let rest = left.try_sub(&own)?;
    own.try_add(&rest.first(asked.try_sub(own.total()?)?)?)
}

/// What all parts of an order together have given back.
///
/// # Errors
/// [`MoneyError`] when the sum does not fit.
pub fn given_back<'a>(order: &Order, parts: impl IntoIterator<Item = &'a Part>) -> Result<Money, MoneyError> {
    parts
        .into_iter()
        .try_fold(Money::zero(order.totals.total.currency()), |sum, part| sum.try_add(part.refunded.total()?))
}
