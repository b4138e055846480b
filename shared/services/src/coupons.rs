//! Coupons: making them, putting one into a cart, and what orders take of them.

use sutler_domain::{
    coupon::{Coupon, CouponCode, CouponRefusal, Funder, Terms, UsedCoupon},
    idempotency::{Answer, Once},
    ids::{CartId, SellerId, UserId},
    money::Money,
    order::{Order, OrderState},
    patch::Patch,
    problem::Problem,
    product::Findings,
    time::Timestamp,
};
use sutler_store::{
    Refusal, StoreError, Transaction, carts as stored,
    coupons::{self, FoundCoupon, UseGuards, coupon_key, use_key},
};

use crate::{
    App, Error,
    carts::{self, CartAccess, CartPage, price},
    catalog::{settle, shop},
};

/// A change of a coupon's terms.
#[derive(Debug, Clone)]
pub struct TermsChange {
    /// New minimum, or none.
    pub minimum: Patch<Money>,
    /// New beginning.
    pub starts_at: Patch<Timestamp>,
    /// New end.
    pub ends_at: Patch<Timestamp>,
    /// New limit of uses, or none.
    pub uses_max: Patch<u32>,
    /// New limit per user, or none.
    pub uses_per_user_max: Patch<u32>,
    /// New budget, or none.
    pub budget: Patch<Money>,
    /// Whether it can be used.
    pub active: Patch<bool>,
}

/// Who pays for the coupons that a seller makes.
///
/// # Errors
/// [`Problem::SellerRequired`] without a shop.
pub async fn funder_of(app: &App, user: &UserId) -> Result<Funder, Error> {
    Ok(Funder::Seller { seller: shop(app, user).await?.id })
}

/// Makes a coupon.
///
/// # Errors
/// [`Problem::Invalid`] naming what is not acceptable, [`Problem::Taken`] when there is one of this code.
pub async fn create(
    app: &App,
    funder: Funder,
    code: CouponCode,
    terms: Terms,
    once: &Once<Coupon>,
) -> Result<Answer, Error> {
    let mut findings = Findings::default();
    terms.check(app.settings.currency, &mut findings);
    settle(findings)?;
    let coupon = Coupon {
        code,
        funder,
        terms,
        revision: 1,
        uses: 0,
        spent: Money::zero(app.settings.currency),
        created_at: app.now(),
    };
    let mut transaction = Transaction::new();
    let code = coupons::create(&mut transaction, &coupon)?;
    match app.store.commit(transaction, once, &coupon).await {
        Err(StoreError::Refused(refusal)) if refusal.failed(code) => {
            Err(Problem::Taken { what: "code" }.into())
        }
        outcome => Ok(outcome?),
    }
}

/// One page of coupons by code, and where the next one starts.
///
/// # Errors
/// [`Error`] when the database does not answer.
pub async fn list(
    app: &App,
    funder: &Funder,
    after: Option<&CouponCode>,
    limit: u16,
) -> Result<(Vec<Coupon>, Option<CouponCode>), Error> {
    let found = app.store.coupons(funder, after, limit).await?;
    let coupons: Vec<Coupon> = found.into_iter().map(|read| read.value).collect();
    let is_full = coupons.len() >= usize::from(limit);
    let next = coupons.last().filter(|_| is_full).map(|last| last.code.clone());
    Ok((coupons, next))
}

/// Changes the terms of a coupon; uses that were taken stay. What it takes off never changes: that is another coupon.
///
/// # Errors
/// [`Problem::NotFound`] unless one of `funders` made it, [`Problem::Conflict`] unless its terms are still those of
/// `expected`, [`Problem::Invalid`] naming what is not acceptable.
pub async fn update(
    app: &App,
    funders: &[Funder],
    code: &CouponCode,
    expected: u64,
    change: TermsChange,
    once: &Once<Coupon>,
) -> Result<Answer, Error> {
    if let Some(answer) = app.store.replay(once).await? {
        return Ok(answer);
    }
    let found = app.store.coupon(code, None).await?.ok_or(Problem::NotFound)?.coupon;
    if !funders.contains(&found.funder) {
        return Err(Problem::NotFound.into());
    }
    if found.revision != expected {
        return Err(Problem::Conflict.into());
    }
    let mut findings = Findings::default();
    let mut terms = found.terms.clone();
    change.minimum.apply_to(&mut terms.minimum);
    change.uses_max.apply_to(&mut terms.uses_max);
    change.uses_per_user_max.apply_to(&mut terms.uses_per_user_max);
    change.budget.apply_to(&mut terms.budget);
    change.starts_at.replace(&mut terms.starts_at, "/starts_at", &mut findings);
    change.ends_at.replace(&mut terms.ends_at, "/ends_at", &mut findings);
    change.active.replace(&mut terms.active, "/active", &mut findings);
    terms.check(app.settings.currency, &mut findings);
    settle(findings)?;
    let mut transaction = Transaction::new();
    coupons::revise(&mut transaction, &found, &terms)?;
    let revised = Coupon { terms, revision: found.revision.saturating_add(1), ..found };
    Ok(app.store.commit(transaction, once, &revised).await?)
}

/// Puts a coupon into a cart. What it takes off depends on the goods, and a quote says it.
///
/// # Errors
/// [`Problem::NotFound`] unless the cart is the caller's, [`Problem::Invalid`] for a code that nobody made,
/// [`Problem::Coupon`] when it cannot be used now.
pub async fn put_in_cart(
    app: &App,
    id: &CartId,
    access: &CartAccess,
    code: &CouponCode,
    once: &Once<CartPage>,
) -> Result<Answer, Error> {
    if let Some(answer) = app.store.replay(once).await? {
        return Ok(answer);
    }
    let mut keys = vec![stored::cart_key(id), coupon_key(code)];
    keys.extend(access.user.as_ref().map(|user| use_key(code, user)));
    keys.extend(access.alerts_key());
    let items = app.store.get_many(&keys).await?;
    let item = |index: usize| items.get(index).and_then(Option::as_ref);
    let mut cart = carts::read(app, id, access, item(0))?;
    let found = coupons::read(item(1), item(2))?.ok_or_else(|| Problem::field("/code", "unknown"))?;
    if let Some(refusal) = found.coupon.refusal(app.now(), found.used) {
        return Err(Problem::Coupon(refusal).into());
    }
    cart.value.coupon = Some(found.coupon.code);
    cart.value.updated_at = app.now();
    let lines = price(app, &cart.value.lines, access.alerts(item(3))?.as_ref()).await?;
    let mut transaction = Transaction::new();
    stored::save(&mut transaction, &cart.value, cart.version)?;
    Ok(app.store.commit(transaction, once, &CartPage::changed(cart.value, lines)).await?)
}

/// Takes the coupon out of a cart; none in it is no error.
///
/// # Errors
/// [`Problem::NotFound`] unless the cart is the caller's.
pub async fn remove_from_cart(
    app: &App,
    id: &CartId,
    access: &CartAccess,
    once: &Once<CartPage>,
) -> Result<Answer, Error> {
    if let Some(answer) = app.store.replay(once).await? {
        return Ok(answer);
    }
    let mut keys = vec![stored::cart_key(id)];
    keys.extend(access.alerts_key());
    let items = app.store.get_many(&keys).await?;
    let item = |index: usize| items.get(index).and_then(Option::as_ref);
    let mut cart = carts::read(app, id, access, item(0))?;
    let lines = price(app, &cart.value.lines, access.alerts(item(1))?.as_ref()).await?;
    let mut transaction = Transaction::new();
    if cart.value.coupon.take().is_some() {
        cart.value.updated_at = app.now();
        stored::save(&mut transaction, &cart.value, cart.version)?;
    }
    Ok(app.store.commit(transaction, once, &CartPage::changed(cart.value, lines)).await?)
}

/// What an order takes of its coupon, to be asked when the transaction was refused.
#[derive(Debug)]
pub(crate) struct Taking {
    guards: UseGuards,
    discount: Money,
    now: Timestamp,
}

/// Takes a use in the transaction of an order.
pub(crate) fn take(
    transaction: &mut Transaction,
    found: &FoundCoupon,
    user: &UserId,
    discount: Money,
    now: Timestamp,
) -> Taking {
    Taking { guards: coupons::take(transaction, found, user, discount, now), discount, now }
}

impl Taking {
    /// What became of the coupon meanwhile, when that is why the transaction was refused. `None` when it was not the
    /// coupon, or when its terms changed and the order has to be decided anew.
    pub(crate) fn refused(&self, refusal: &Refusal) -> Result<Option<CouponRefusal>, StoreError> {
        if let Some(coupon) = refusal.found(self.guards.coupon) {
            let Some(found) = coupons::read(Some(coupon), None)? else { return Ok(None) };
            let over = found.coupon.refusal(self.now, 0);
            let spent = (!found.coupon.affords(self.discount)).then_some(CouponRefusal::Exhausted);
            return Ok(over.or(spent));
        }
        Ok(refusal.failed(self.guards.user).then_some(CouponRefusal::Used))
    }
}

/// Gives back what an order that ends had taken of its coupon.
pub(crate) fn give_back(transaction: &mut Transaction, order: &Order) {
    if let Some(used) = &order.coupon {
        coupons::give_back(transaction, used, order.placed_by());
    }
}

/// What a cancelled order has to take of its coupon again, should its money come.
#[derive(Debug)]
pub(crate) enum Again {
    /// Nothing: it had no coupon, or has never given it back.
    Nothing,
    /// This discount of this coupon.
    Take(Box<FoundCoupon>, Money),
    /// It cannot be had any more.
    Impossible,
}

/// Looks at the coupon of a cancelled order, and at nothing for any other.
pub(crate) async fn again(app: &App, order: &Order) -> Result<Again, Error> {
    let used: &UsedCoupon = match (&order.state, &order.coupon) {
        (OrderState::Cancelled { .. }, Some(used)) => used,
        (
            OrderState::AwaitingPayment { .. }
            | OrderState::Paid { .. }
            | OrderState::Completed { .. }
            | OrderState::Cancelled { .. }
            | OrderState::Refunded { .. },
            _,
        ) => return Ok(Again::Nothing),
    };
    let Some(found) = app.store.coupon(&used.code, Some(order.placed_by())).await? else {
        return Ok(Again::Impossible);
    };
    let refused = found.coupon.refusal(app.now(), found.used).is_some();
    if refused || !found.coupon.affords(used.discount) {
        return Ok(Again::Impossible);
    }
    Ok(Again::Take(Box::new(found), used.discount))
}

/// Whether the caller pays for a coupon as a seller, and of which shop.
#[must_use]
pub fn own(user: &UserId) -> Funder {
    Funder::Seller { seller: SellerId::of_user(user) }
}
