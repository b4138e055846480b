//! Coupons in a history: who uses and changes them, and what every change of one must obey.

use std::{collections::BTreeMap, sync::Arc};

use sutler_domain::{
    coupon::{Coupon, CouponCode, Funder, Terms, Worth},
    idempotency::Answer,
    ids::{SellerId, UserId},
    money::{BasisPoints, Currency, Money},
    patch::Patch,
};
use sutler_services::{
    carts::{CartAccess, CartPage},
    coupons::{self, TermsChange},
};
use sutler_store::{Transaction, coupons as stored, coupons::CouponUse};

use crate::{
    lock,
    world::{Failure, World},
};

/// Coupons as the streams told of them so far.
#[derive(Debug, Default)]
pub struct Ledger {
    coupons: BTreeMap<CouponCode, Coupon>,
    uses: BTreeMap<(CouponCode, UserId), u32>,
}

fn ok<T>(_: &T) -> Answer {
    Answer { status: 200, body: String::new() }
}

/// One coupon of the marketplace and one of a seller, both with little to give.
///
/// # Errors
/// When they cannot be represented.
pub fn print(
    world: &World,
    transaction: &mut Transaction,
    seller: &SellerId,
) -> Result<Vec<(CouponCode, Funder)>, Failure> {
    let now = world.app.now();
    let mut made = Vec::new();
    for (code, funder) in [("ALL", Funder::Platform), ("OWN", Funder::Seller { seller: seller.clone() })] {
        let rate = BasisPoints::new(u16::try_from(world.chance.between(100, 9_000))?).ok_or("a rate")?;
        let some = |max: u64| world.chance.happens(600).then(|| world.chance.between(1, max));
        let small = |n: Option<u64>| n.and_then(|n| u32::try_from(n).ok());
        let terms = Terms {
            worth: Worth::Percentage { rate },
            minimum: None,
            starts_at: now,
            ends_at: now.plus_seconds(i64::try_from(world.chance.between(300, 7_200))?),
            uses_max: small(some(3)),
            uses_per_user_max: small(some(2)),
            budget: some(4_000).map(|minor| Money::try_new(minor, Currency::Usd)).transpose()?,
            active: true,
        };
        let code = CouponCode::parse(code)?;
        let coupon = Coupon {
            code: code.clone(),
            funder: funder.clone(),
            terms,
            revision: 1,
            uses: 0,
            spent: Money::zero(Currency::Usd),
            created_at: now,
        };
        stored::create(transaction, &coupon)?;
        made.push((code, funder));
    }
    Ok(made)
}

/// A buyer puts a coupon into their cart.
pub async fn put(world: &World, at: usize) {
    let (Some(buyer), Some((code, _))) = (world.buyers.get(at), world.chance.pick(&world.coupons)) else {
        return;
    };
    let access = CartAccess { user: Some(buyer.user.clone()), token_hash: None };
    let key = world.chance.happens(500).then(|| format!("k{}", world.number()));
    let once =
        world.once::<CartPage>(buyer.user.as_str(), "put_cart_coupon", key.as_deref(), code.as_str(), ok);
    let put = coupons::put_in_cart(&world.app, &buyer.cart, &access, code, &once).await;
    world.ended(&format!("buyer{at} puts the coupon {code} into the cart"), &put);
}

/// Whoever made a coupon changes its terms, as they last saw them or a little before.
pub async fn revise(world: Arc<World>) {
    let Some((code, funder)) = world.chance.pick(&world.coupons) else { return };
    let seen = lock(&world.books).coupons.coupons.get(code).map_or(1, |coupon| coupon.revision);
    let mut change = TermsChange {
        minimum: Patch::Absent,
        starts_at: Patch::Absent,
        ends_at: Patch::Absent,
        uses_max: Patch::Absent,
        uses_per_user_max: Patch::Absent,
        budget: Patch::Absent,
        active: Patch::Value(world.chance.happens(800)),
    };
    let max = world.chance.up_to(4).max(1);
    if world.chance.happens(500) {
        change.uses_max = if world.chance.happens(300) { Patch::Null } else { Patch::Value(max) };
    } else {
        change.uses_per_user_max = if world.chance.happens(300) { Patch::Null } else { Patch::Value(max) };
    }
    let once = world.once::<Coupon>("staff", "update_coupon", None, "", ok);
    let changed = coupons::update(&world.app, std::slice::from_ref(funder), code, seen, change, &once).await;
    world.ended(&format!("the terms of the coupon {code} change"), &changed);
}

impl Ledger {
    /// Enters a coupon; a use is taken only within its terms.
    pub fn enter(&mut self, coupon: Coupon, wrong: &mut Vec<String>) {
        let before = self.coupons.get(&coupon.code);
        if let Some(before) = before {
            let (terms, code) = (&coupon.terms, &coupon.code);
            if coupon.revision != before.revision && coupon.uses != before.uses {
                wrong.push(format!("the coupon {code} was used and changed at once"));
            }
            if coupon.uses > before.uses {
                let spent = terms.budget.is_some_and(|budget| coupon.spent.minor() > budget.minor());
                if spent || terms.uses_max.is_some_and(|max| coupon.uses > max) {
                    wrong.push(format!("the coupon {code} is used past its limit"));
                }
                if !terms.active {
                    wrong.push(format!("the coupon {code} is used though it was ended"));
                }
            }
        }
        self.coupons.insert(coupon.code.clone(), coupon);
    }

    /// Enters how often a user has used a coupon.
    pub fn enter_use(&mut self, used: CouponUse, wrong: &mut Vec<String>) {
        let place = (used.code, used.user);
        let before = self.uses.get(&place).copied().unwrap_or(0);
        let max = self.coupons.get(&place.0).and_then(|coupon| coupon.terms.uses_per_user_max);
        if used.uses > before && max.is_some_and(|max| used.uses > max) {
            wrong.push(format!("{} used the coupon {} past the limit per user", place.1, place.0));
        }
        self.uses.insert(place, used.uses);
    }
}
