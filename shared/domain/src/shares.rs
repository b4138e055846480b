//! Who has which share in the money of a part, and which of it goes back with some units or with an amount.
//!
//! Everything is taken cumulatively: the shares of the first so many units, or of the first so much money, less
//! those of what went before. So whatever the steps, all of them together are the whole, to the last cent, and no
//! share ever becomes negative on the way.

use serde::{Deserialize, Serialize};

use crate::{
    coupon::Funder,
    money::{Currency, Money, MoneyError},
    order::{Order, OrderLine, Part, Totals},
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
    /// What the platform put in, because a discount of its own kept the buyer from paying it.
    pub promoted: Money,
}

impl Shares {
    /// Nothing.
    #[must_use]
    pub fn zero(currency: Currency) -> Self {
        let zero = Money::zero(currency);
        Self { seller: zero, fee: zero, tax: zero, promoted: zero }
    }

    /// What the buyer paid.
    ///
    /// # Errors
    /// [`MoneyError`] when the sum does not fit.
    pub fn total(&self) -> Result<Money, MoneyError> {
        self.shared()?.try_sub(self.promoted)
    }

    /// What there is to share: what the buyer paid, and what the platform put in.
    fn shared(&self) -> Result<Money, MoneyError> {
        self.seller.try_add(self.fee)?.try_add(self.tax)
    }

    /// Whether there is nothing in it.
    ///
    /// # Errors
    /// [`MoneyError`] when the sum does not fit.
    pub fn is_nothing(&self) -> Result<bool, MoneyError> {
        Ok(self.shared()?.is_zero())
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
            promoted: self.promoted.try_add(other.promoted)?,
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
            promoted: self.promoted.try_sub(other.promoted)?,
        })
    }

    /// Who has what in `paid` and `promoted` of it, in proportion; all of it gives the whole shares.
    fn portion(&self, paid: Money, promoted: Money) -> Result<Self, MoneyError> {
        let (portion, whole) = (paid.try_add(promoted)?, self.shared()?);
        // What is not the seller's is cut off first and then divided, so that neither step takes more than there is.
        let cut = self.fee.try_add(self.tax)?;
        let off = if whole.is_zero() { whole } else { cut.scaled(portion.minor(), whole.minor())? };
        let fee = if cut.is_zero() { cut } else { self.fee.scaled(off.minor(), cut.minor())? };
        Ok(Self { seller: portion.try_sub(off)?, fee, tax: off.try_sub(fee)?, promoted })
    }

    /// The shares in the first `amount` of it, in proportion; the whole amount gives the whole shares.
    ///
    /// # Errors
    /// [`MoneyError::OutOfRange`] when there is not that much.
    pub fn first(&self, amount: Money) -> Result<Self, MoneyError> {
        let total = self.total()?;
        if total.try_sub(amount)?.is_zero() {
            return Ok(*self);
        }
        self.portion(amount, self.promoted.scaled(amount.minor(), total.minor())?)
    }

    /// The shares of `count` units of a line of `quantity`, after `before` of them: what was paid for all, and what the
    /// platform put in, are divided over the units by largest remainder.
    ///
    /// # Errors
    /// [`MoneyError::OutOfRange`] when there are not that many.
    pub fn of_units(&self, quantity: u32, before: u32, count: u32) -> Result<Self, MoneyError> {
        let until = before.checked_add(count).filter(|until| *until <= quantity);
        let until = until.ok_or(MoneyError::OutOfRange)?;
        let units = vec![1_u64; usize::try_from(quantity).map_err(|_| MoneyError::OutOfRange)?];
        let (paid, promoted) = (self.total()?.allocate(&units)?, self.promoted.allocate(&units)?);
        let up_to = |units: u32| {
            let units = usize::try_from(units).unwrap_or(usize::MAX);
            let sum = |of: &[Money]| Money::try_sum(self.fee.currency(), of.iter().take(units).copied());
            self.portion(sum(&paid)?, sum(&promoted)?)
        };
        up_to(until)?.try_sub(&up_to(before)?)
    }
}

/// The shares in all that was paid for a part, its fee rounded down, so that the odd cent is the seller's. A discount
/// of the seller's own lowers what there is to share; for one of the platform's, the platform puts in what the buyer
/// does not pay. Tax that prices contain is nobody else's share.
///
/// # Errors
/// [`MoneyError`] when an amount does not fit.
pub fn of_part(part: &Part) -> Result<Shares, MoneyError> {
    let Totals { goods, discount, shipping, tax, .. } = part.totals;
    let goods_tax = Money::try_sum(goods.currency(), part.lines.iter().map(|line| line.tax))?;
    let (net_goods, promoted) = earned(part, goods, discount, goods_tax)?;
    let (fee, rest) = net_goods.split(part.commission)?;
    let net_shipping = net(part, shipping, tax.try_sub(goods_tax)?)?;
    Ok(Shares { seller: rest.try_add(net_shipping)?, fee, tax, promoted })
}

/// The shares in what was paid for one line of a part: its goods, without its discount unless the platform paid for
/// that, with their part of the commission by largest remainder, and with their own tax. What the lines leave of the
/// part was paid for shipping.
///
/// # Errors
/// [`MoneyError`] when an amount does not fit.
pub fn paid_for(part: &Part, line: &OrderLine) -> Result<Shares, MoneyError> {
    let earned = |line: &OrderLine| earned(part, line.total, line.discount, line.tax);
    let nets = part.lines.iter().map(|line| Ok(earned(line)?.0.minor()));
    let fees = of_part(part)?.fee.allocate(&nets.collect::<Result<Vec<u64>, MoneyError>>()?)?;
    let at = part.lines.iter().position(|other| other.variant == line.variant);
    let fee = at.and_then(|at| fees.get(at)).copied().ok_or(MoneyError::OutOfRange)?;
    let (net_goods, promoted) = earned(line)?;
    Ok(Shares { seller: net_goods.try_sub(fee)?, fee, tax: line.tax, promoted })
}

/// What is to be shared of goods besides their tax, and what the platform puts in for it.
fn earned(part: &Part, goods: Money, discount: Money, tax: Money) -> Result<(Money, Money), MoneyError> {
    match part.discount_by {
        Funder::Seller { .. } => {
            Ok((net(part, goods.try_sub(discount)?, tax)?, Money::zero(goods.currency())))
        }
        Funder::Platform => Ok((net(part, goods, tax)?, discount)),
    }
}

/// A price without the tax that it contains.
fn net(part: &Part, price: Money, tax: Money) -> Result<Money, MoneyError> {
    if part.totals.tax_included { price.try_sub(tax) } else { Ok(price) }
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
    let smaller = |a: Money, b: Money| if a.minor() <= b.minor() { a } else { b };
    let paid = smaller(wanted.total()?, left.total()?);
    let promoted = smaller(wanted.promoted, left.promoted);
    let own = Shares {
        seller: smaller(wanted.seller, left.seller),
        fee: smaller(wanted.fee, left.fee),
        tax: smaller(wanted.tax, left.tax),
        promoted: Money::zero(promoted.currency()),
    };
    let Ok(more) = paid.try_add(promoted)?.try_sub(own.shared()?) else {
        return own.portion(paid, promoted);
    };
    let rest = left.try_sub(&own)?.portion(more, Money::zero(more.currency()))?;
    Ok(Shares { promoted, ..own.try_add(&rest)? })
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
