//! How each seller sends things.

use sutler_domain::{
    idempotency::{Answer, Once},
    ids::{SellerId, UserId},
    problem::Problem,
    product::Findings,
    shipping::ShippingProfile,
};
use sutler_store::{
    StoreError, Transaction, Version, Versioned,
    codec::decode,
    profiles::{save_shipping, shipping_key},
    rules::rules_key,
    users::seller_key,
};

use crate::{App, Error, catalog::settle, rules};

/// How the caller's shop sends things; the marketplace's way, at [`Version::NONE`], unless the seller said so.
///
/// # Errors
/// [`Problem::SellerRequired`] without a shop.
pub async fn get(app: &App, user: &UserId) -> Result<Versioned<ShippingProfile>, Error> {
    let seller = SellerId::of_user(user);
    let keys = [seller_key(&seller), shipping_key(&seller), rules_key()];
    let items = app.store.get_many(&keys).await?;
    let item = |index: usize| items.get(index).and_then(Option::as_ref);
    item(0).ok_or(Problem::SellerRequired)?;
    if let Some(own) = item(1) {
        return Ok(decode(own)?);
    }
    let shipping = rules::read(app, item(2))?.value.shipping;
    Ok(Versioned { value: shipping, version: Version::NONE })
}

/// Says how the caller's shop sends things.
///
/// # Errors
/// [`Problem::SellerRequired`] without a shop, [`Problem::Invalid`] naming what is not acceptable,
/// [`Problem::Conflict`] unless the profile is still at `expected`.
pub async fn put(
    app: &App,
    user: &UserId,
    expected: Version,
    profile: ShippingProfile,
    once: &Once<Versioned<ShippingProfile>>,
) -> Result<Answer, Error> {
    if let Some(answer) = app.store.replay(once).await? {
        return Ok(answer);
    }
    let mut findings = Findings::default();
    profile.check("", app.settings.currency, &mut findings);
    settle(findings)?;
    let mut transaction = Transaction::new();
    let guards = save_shipping(&mut transaction, &SellerId::of_user(user), &profile, expected)?;
    let written = Versioned { value: profile, version: expected.next() };
    match app.store.commit(transaction, once, &written).await {
        Err(StoreError::Refused(refusal)) if refusal.failed(guards.shop) => {
            Err(Problem::SellerRequired.into())
        }
        outcome => Ok(outcome?),
    }
}
