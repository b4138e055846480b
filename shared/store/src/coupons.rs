//! `COUPON#<code>` / `COUPON`: a coupon with how far it is used, and `COUPON#<code>` / `USER#<user>`: how often a user
//! has used it. Both change in the transaction that places, ends or takes up an order.

use serde::{Deserialize, Serialize};
use sutler_domain::{
    coupon::{Coupon, CouponCode, Funder, Terms, UsedCoupon},
    ids::UserId,
    money::Money,
    time::Timestamp,
};

use crate::{
    codec::{Version, Versioned, decode, encode, number, text, value},
    db::{Query, Range, Store},
    error::{Guard, Item, StoreError},
    keys::{Key, Table},
    write::{Expression, Transaction},
};

/// How often a user has used a coupon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CouponUse {
    /// Which coupon.
    pub code: CouponCode,
    /// Who.
    pub user: UserId,
    /// For how many live orders.
    pub uses: u32,
}

/// A coupon as one user finds it.
#[derive(Debug, Clone)]
pub struct FoundCoupon {
    /// The coupon.
    pub coupon: Coupon,
    /// How often this user has used it.
    pub used: u32,
}

/// The writes that take a use, to ask afterwards which of them failed.
#[derive(Debug, Clone, Copy)]
pub struct UseGuards {
    /// Fails when the coupon is over, used up or changed.
    pub coupon: Guard,
    /// Fails when the user has used it as often as one may.
    pub user: Guard,
}

fn partition(code: &CouponCode) -> String {
    format!("COUPON#{code}")
}

/// Where a coupon is.
#[must_use]
pub fn coupon_key(code: &CouponCode) -> Key {
    Key::new(Table::Commerce, partition(code), "COUPON")
}

/// Where it is counted how often `user` used a coupon.
#[must_use]
pub fn use_key(code: &CouponCode, user: &UserId) -> Key {
    Key::new(Table::Commerce, partition(code), format!("USER#{user}"))
}

/// The partition of `by_seller` that lists the coupons of whoever made them.
fn list(funder: &Funder) -> String {
    match funder {
        Funder::Platform => "COUPONS#platform".to_owned(),
        Funder::Seller { seller } => format!("COUPONS#{seller}"),
    }
}

/// Creates a coupon; the guard fails when its code is taken.
///
/// # Errors
/// [`StoreError::Rejected`] when it cannot be represented, which is a bug.
pub fn create(transaction: &mut Transaction, coupon: &Coupon) -> Result<Guard, StoreError> {
    let key = coupon_key(&coupon.code);
    let mut item = encode(&key, "coupon", Version::FIRST, coupon)?;
    item.insert("gsi2pk".to_owned(), text(list(&coupon.funder)));
    item.insert("gsi2sk".to_owned(), text(coupon.code.as_str()));
    Ok(transaction.create(key, item))
}

/// Changes the terms of a coupon whose terms are still as they were read. Its uses go on meanwhile.
///
/// # Errors
/// [`StoreError::Rejected`] when it cannot be represented, which is a bug.
pub fn revise(transaction: &mut Transaction, read: &Coupon, terms: &Terms) -> Result<Guard, StoreError> {
    let change = Expression::when("#revision = :expected")
        .then("SET #terms = :terms, #revision = #revision + :one, #version = #version + :one")
        .with(":expected", number(read.revision))
        .with(":terms", value(terms)?)
        .with(":one", number(1));
    Ok(transaction.update(coupon_key(&read.code), change))
}

/// Takes a use of a coupon and its discount out of the budget, on the terms that were read.
#[must_use]
pub fn take(
    transaction: &mut Transaction,
    found: &FoundCoupon,
    user: &UserId,
    discount: Money,
    now: Timestamp,
) -> UseGuards {
    let Coupon { code, terms, revision, .. } = &found.coupon;
    let mut condition = "#revision = :revision AND #terms.#active = :yes \
                         AND #terms.#starts_at <= :now AND #terms.#ends_at > :now"
        .to_owned();
    if terms.uses_max.is_some() {
        condition.push_str(" AND #uses < :uses_max");
    }
    if terms.budget.is_some() {
        condition.push_str(" AND #spent.#amount <= :room");
    }
    let mut taken = Expression::when(condition)
        .then(
            "SET #uses = #uses + :one, #spent.#amount = #spent.#amount + :discount, \
             #version = #version + :one",
        )
        .with(":revision", number(*revision))
        .with(":yes", aws_sdk_dynamodb::types::AttributeValue::Bool(true))
        .with(":now", number(now.millis()))
        .with(":discount", number(discount.minor()))
        .with(":one", number(1));
    if let Some(max) = terms.uses_max {
        taken = taken.with(":uses_max", number(max));
    }
    if let Some(budget) = terms.budget {
        // Below zero when the discount is more than the whole budget: nothing meets that.
        let room = i128::from(budget.minor()).saturating_sub(i128::from(discount.minor()));
        taken = taken.with(":room", number(room));
    }
    UseGuards {
        coupon: transaction.update(coupon_key(code), taken),
        user: transaction.update(use_key(code, user), count_use(code, user, terms.uses_per_user_max)),
    }
}

/// One use more of a user, whose first creates the count.
fn count_use(code: &CouponCode, user: &UserId, max: Option<u32>) -> Expression {
    let bound = max.unwrap_or(u32::MAX);
    Expression::when("attribute_not_exists(#pk) OR #uses < :max")
        .then(
            "SET #uses = if_not_exists(#uses, :zero) + :one, #version = if_not_exists(#version, :zero) + :one, \
             #type = :type, #schema = :schema, #code = :code, #user = :user",
        )
        .with(":max", number(bound))
        .with(":zero", number(0))
        .with(":one", number(1))
        .with(":type", text("coupon_use"))
        .with(":schema", number(1))
        .with(":code", text(code.as_str()))
        .with(":user", text(user.as_str()))
}

/// Gives back what an order that ended had taken.
pub fn give_back(transaction: &mut Transaction, taken: &UsedCoupon, user: &UserId) {
    let coupon = Expression::when("#uses >= :one AND #spent.#amount >= :discount")
        .then(
            "SET #uses = #uses - :one, #spent.#amount = #spent.#amount - :discount, \
             #version = #version + :one",
        )
        .with(":discount", number(taken.discount.minor()))
        .with(":one", number(1));
    transaction.update(coupon_key(&taken.code), coupon);
    let count = Expression::when("#uses >= :one")
        .then("SET #uses = #uses - :one, #version = #version + :one")
        .with(":one", number(1));
    transaction.update(use_key(&taken.code, user), count);
}

/// The coupon in items that were read from [`coupon_key`] and [`use_key`], if there is one.
///
/// # Errors
/// [`StoreError::Corrupt`] when an item does not read.
pub fn read(coupon: Option<&Item>, used: Option<&Item>) -> Result<Option<FoundCoupon>, StoreError> {
    let Some(coupon) = coupon else { return Ok(None) };
    let coupon = decode::<Coupon>(coupon)?.value;
    let used = used.map(decode::<CouponUse>).transpose()?.map_or(0, |read| read.value.uses);
    Ok(Some(FoundCoupon { coupon, used }))
}

impl Store {
    /// A coupon as `user` finds it, or somebody who has never used it.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn coupon(
        &self,
        code: &CouponCode,
        user: Option<&UserId>,
    ) -> Result<Option<FoundCoupon>, StoreError> {
        let mut keys = vec![coupon_key(code)];
        keys.extend(user.map(|user| use_key(code, user)));
        let items = self.get_many(&keys).await?;
        read(items.first().and_then(Option::as_ref), items.get(1).and_then(Option::as_ref))
    }

    /// Coupons of whoever made them, by code, after the code `after`. The index may lag behind the coupons.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer or an item does not read.
    pub async fn coupons(
        &self,
        funder: &Funder,
        after: Option<&CouponCode>,
        limit: u16,
    ) -> Result<Vec<Versioned<Coupon>>, StoreError> {
        let query = Query {
            table: Table::Commerce,
            index: Some(("by_seller", "gsi2pk", "gsi2sk")),
            pk: list(funder),
            range: after.map_or(Range::All, |code| Range::After(code.as_str().to_owned())),
            descending: false,
            limit: i32::from(limit),
            consistent: false,
        };
        self.query(&query).await?.iter().map(decode).collect()
    }
}
