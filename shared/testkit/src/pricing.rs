//! Coupons, shipping profiles and rules, made by the use cases themselves.

#![expect(clippy::missing_panics_doc, reason = "a test kit reports its own failures by failing the test")]

use sutler_domain::{
    coupon::{Coupon, CouponCode, Funder, Terms, Worth},
    idempotency::Answer,
    ids::CartId,
    money::{BasisPoints, Currency, Money},
    quote::Rules,
    shipping::ShippingProfile,
};
use sutler_services::{Error, carts::CartAccess, coupons, profiles, rules};
use sutler_store::Version;

use crate::{TestApp, TestUser, nothing};

impl TestApp {
    /// A share of the goods, for a day from now on, without limits.
    #[must_use]
    pub fn percent_off(&self, percent: u16) -> Terms {
        let rate = BasisPoints::new(percent.saturating_mul(100)).expect("a rate");
        self.terms(Worth::Percentage { rate })
    }

    /// So many US cents, for a day from now on, without limits.
    #[must_use]
    pub fn cents_off(&self, minor: u64) -> Terms {
        self.terms(Worth::Amount { amount: Money::try_new(minor, Currency::Usd).expect("an amount") })
    }

    fn terms(&self, worth: Worth) -> Terms {
        Terms {
            worth,
            minimum: None,
            starts_at: self.app.now(),
            ends_at: self.app.now().plus_seconds(86_400),
            uses_max: None,
            uses_per_user_max: None,
            budget: None,
            active: true,
        }
    }

    /// A coupon that `funder` made.
    pub async fn new_coupon(&self, code: &str, funder: Funder, terms: Terms) -> CouponCode {
        let code = CouponCode::parse(code).expect("a code");
        coupons::create(&self.app, funder, code.clone(), terms, &self.once(nothing)).await.expect("a coupon");
        code
    }

    /// A coupon as it is now.
    pub async fn coupon(&self, code: &CouponCode) -> Coupon {
        self.app.store.coupon(code, None).await.expect("an answer").expect("a coupon").coupon
    }

    /// Puts a coupon into the user's cart.
    ///
    /// # Errors
    /// As [`coupons::put_in_cart`].
    pub async fn put_coupon(&self, user: &TestUser, code: &CouponCode) -> Result<Answer, Error> {
        let access = CartAccess { user: Some(user.id().clone()), token_hash: None };
        let cart = CartId::of_user(user.id());
        coupons::put_in_cart(&self.app, &cart, &access, code, &self.once(nothing)).await
    }

    /// Says how a seller sends things, for the first time.
    pub async fn ships(&self, seller: &TestUser, profile: ShippingProfile) {
        let once = self.once(nothing);
        profiles::put(&self.app, seller.id(), Version::NONE, profile, &once).await.expect("a profile");
    }

    /// Changes how this marketplace makes prices.
    pub async fn rule(&self, change: impl FnOnce(&mut Rules)) {
        let mut read = rules::get(&self.app).await.expect("rules");
        change(&mut read.value);
        rules::put(&self.app, read.version, read.value, &self.once(nothing)).await.expect("new rules");
    }
}
