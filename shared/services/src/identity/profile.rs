//! What a user keeps: the account, the address book, a shop.

use sutler_domain::{
    account::{ShopDraft, ShopSlug, ShopState},
    address::Address,
    address_check::Verdict,
    idempotency::{Answer, Once},
    ids::{AddressId, SellerId, UserId},
    problem::Problem,
};
use sutler_store::{
    StoreError, Transaction, codec, users,
    users::{ADDRESSES_MAX, AddressEntry, Seller, User, seller_key, shop_key, user_key},
};

use crate::{App, Error, addresses};

/// A user as they see themselves.
#[derive(Debug, Clone)]
pub struct Me {
    /// The account.
    pub user: User,
    /// The shop, if they have one.
    pub seller: Option<Seller>,
}

/// The caller's account.
///
/// # Errors
/// [`Problem::Unauthenticated`] when the account is gone.
pub async fn me(app: &App, user: &UserId) -> Result<Me, Error> {
    let keys = [user_key(user), seller_key(&SellerId::of_user(user))];
    let items = app.store.get_many(&keys).await?;
    let item = |index: usize| items.get(index).and_then(Option::as_ref);
    let user = item(0).map(codec::decode::<User>).transpose()?.ok_or(Problem::Unauthenticated)?.value;
    let seller = item(1).map(codec::decode::<Seller>).transpose()?.map(|read| read.value);
    Ok(Me { user, seller })
}

/// An address as it was added.
#[derive(Debug, Clone)]
pub struct NewAddress {
    /// The entry.
    pub entry: AddressEntry,
    /// Whether the caller asked for it to be the default.
    pub preferred: bool,
}

/// What somebody wants of an address they add.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wishes {
    /// It is to be the default.
    pub preferred: bool,
    /// It is right, whatever a provider says.
    pub confirmed: bool,
}

/// Adds an address to the caller's book, as it was typed. The first becomes the default, and so does one that is
/// preferred. A provider may say that goods would not arrive; the caller knows better by confirming it.
///
/// # Errors
/// [`Problem::Invalid`] naming what a provider wants to be corrected and nobody confirmed, [`Problem::LimitReached`]
/// when the book is full.
pub async fn add_address(
    app: &App,
    user: &UserId,
    address: Address,
    Wishes { preferred, confirmed }: Wishes,
    once: &Once<NewAddress>,
) -> Result<Answer, Error> {
    // A repetition asks nobody again. Without it nothing depends on what was read: the conditions decide.
    if app.surveyor.asks()
        && let Some(answer) = app.store.replay(once).await?
    {
        return Ok(answer);
    }
    let checked = addresses::check(app, address.clone(), true).await;
    if checked.verdict == Verdict::Fix && !confirmed {
        return Err(checked.refusal().into());
    }
    let now = app.now();
    let check = Some(checked.checkup(confirmed, now));
    let entry = AddressEntry { id: AddressId::generate(&*app.ids, now), address, check, created_at: now };
    let mut transaction = Transaction::new();
    let room = users::add_address(&mut transaction, user, &entry, preferred)?;
    match app.store.commit(transaction, once, &NewAddress { entry, preferred }).await {
        Err(StoreError::Refused(refusal)) if refusal.failed(room) => {
            let found = refusal.found(room).map(codec::decode::<User>).transpose()?;
            Err(match found {
                None => Problem::Unauthenticated,
                Some(user) if !user.value.verified => Problem::EmailNotVerified,
                Some(_) => Problem::LimitReached { what: "addresses", max: ADDRESSES_MAX },
            }
            .into())
        }
        outcome => Ok(outcome?),
    }
}

/// The caller's addresses, oldest first, and which of them is the default.
///
/// # Errors
/// [`Problem::Unauthenticated`] when the account is gone.
pub async fn addresses(app: &App, user: &UserId) -> Result<(Vec<AddressEntry>, Option<AddressId>), Error> {
    let (account, entries) = tokio::try_join!(app.store.user(user), app.store.addresses(user))?;
    let account = account.ok_or(Problem::Unauthenticated)?.value;
    Ok((entries, account.default_address))
}

/// Opens the caller's shop.
///
/// # Errors
/// [`Problem::EmailNotVerified`], [`Problem::AlreadySeller`] or [`Problem::Taken`], in this order.
pub async fn create_seller(
    app: &App,
    user: &UserId,
    shop: &ShopDraft,
    once: &Once<Seller>,
) -> Result<Answer, Error> {
    let seller = Seller {
        id: SellerId::of_user(user),
        user: user.clone(),
        name: shop.name.clone(),
        slug: shop.slug.clone(),
        return_policy: shop.return_policy.clone(),
        state: ShopState::Open,
        created_at: app.now(),
    };
    let mut transaction = Transaction::new();
    let guards = users::open_shop(&mut transaction, &seller)?;
    match app.store.commit(transaction, once, &seller).await {
        Err(StoreError::Refused(refusal)) => Err(if refusal.failed(guards.owner) {
            Problem::EmailNotVerified
        } else if refusal.failed(guards.seller) {
            Problem::AlreadySeller
        } else if refusal.failed(guards.slug) {
            Problem::Taken { what: "slug" }
        } else {
            Problem::Conflict
        }
        .into()),
        outcome => Ok(outcome?),
    }
}

/// The shop called `slug`.
///
/// # Errors
/// [`Problem::NotFound`] when there is none.
pub async fn seller_by_slug(app: &App, slug: &ShopSlug) -> Result<Seller, Error> {
    let owner = app.store.name_owner(&shop_key(slug)).await?.ok_or(Problem::NotFound)?;
    let seller = app.store.seller(&SellerId::of_user(&owner)).await?;
    Ok(seller.ok_or(Problem::NotFound)?.value)
}
