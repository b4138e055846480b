//! How this marketplace makes prices: what staff decided, or else the parameters of the deployment.

use sutler_domain::{
    idempotency::{Answer, Once},
    money::Money,
    product::Findings,
    quote::Rules,
    shipping::ShippingProfile,
    tax::TaxRules,
};
use sutler_store::{
    Item, Transaction, Version, Versioned,
    codec::decode,
    rules::{rules_key, save},
};

use crate::{App, Error, catalog::settle};

/// The rules in the item that was read from [`rules_key`]; at [`Version::NONE`] when staff never wrote any.
///
/// # Errors
/// [`Error`] when the item does not read.
pub fn read(app: &App, item: Option<&Item>) -> Result<Versioned<Rules>, Error> {
    if let Some(item) = item {
        return Ok(decode(item)?);
    }
    let flat = Money::try_new(app.settings.shipping_flat_minor, app.settings.currency)?;
    let rules = Rules { tax: TaxRules::flat(app.settings.tax), shipping: ShippingProfile::everywhere(flat) };
    Ok(Versioned { value: rules, version: Version::NONE })
}

/// The rules of today.
///
/// # Errors
/// [`Error`] when the database does not answer.
pub async fn get(app: &App) -> Result<Versioned<Rules>, Error> {
    read(app, app.store.get(&rules_key()).await?.as_ref())
}

/// Replaces the rules. Orders that are placed keep theirs; a quote of before is answered with a new one.
///
/// # Errors
/// [`sutler_domain::problem::Problem::Invalid`] naming what is not acceptable,
/// [`sutler_domain::problem::Problem::Conflict`] unless they are still at `expected`.
pub async fn put(
    app: &App,
    expected: Version,
    rules: Rules,
    once: &Once<Versioned<Rules>>,
) -> Result<Answer, Error> {
    if let Some(answer) = app.store.replay(once).await? {
        return Ok(answer);
    }
    let mut findings = Findings::default();
    rules.check(app.settings.currency, &mut findings);
    settle(findings)?;
    let mut transaction = Transaction::new();
    save(&mut transaction, &rules, expected)?;
    let written = Versioned { value: rules, version: expected.next() };
    Ok(app.store.commit(transaction, once, &written).await?)
}
