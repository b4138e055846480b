//! Users, their addresses and shops, in Identity: `USER#<usr>` / `USER`, `PASSWORD`, `VERIFY`,
//! `ADDRESS#<adr>`; `SELLER#<sel>` / `SELLER`; and one item per unique name: `EMAIL#<address>` / `EMAIL`,
//! `USERNAME#<name>` / `USERNAME`, `SHOP#<slug>` / `SHOP`. `GUEST#<address>` / `<usr>` lists the guests who gave an
//! address without proving it.

use serde::{Deserialize, Serialize};
use sutler_domain::{
    account::{Email, Role, ShopSlug, ShopState, Username},
    address::Address,
    address_check::Checkup,
    ids::{AddressId, SellerId, UserId},
    time::Timestamp,
};

use crate::{
    codec::{Version, Versioned, decode, encode, number, text, value},
    db::{Query, Range, Store},
    error::{Guard, StoreError},
    keys::{Key, Table},
    write::{Expression, Transaction},
};

/// The most addresses a user keeps.
pub const ADDRESSES_MAX: u32 = 20;

/// What becomes of someone who buys without an account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guest {
    /// The account that proved the address and took over what they bought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed_by: Option<UserId>,
}

/// Someone with an account, or a guest, who has neither password nor unique names. The password's hash is another item, which only a sign-in reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Their id.
    pub id: UserId,
    /// Where mails go.
    pub email: Email,
    /// Their public name.
    pub username: Username,
    /// Whether the address has been proven to be theirs.
    pub verified: bool,
    /// Set for guests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guest: Option<Guest>,
    /// Staff roles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<Role>,
    /// How many addresses they keep, never more than [`ADDRESSES_MAX`].
    pub addresses: u32,
    /// The address that is offered first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_address: Option<AddressId>,
    /// When a verification mail was last asked for.
    pub verification_requested_at: Timestamp,
    /// Since when.
    pub created_at: Timestamp,
}

impl User {
    /// Whether they buy as a guest, whom no account has claimed yet.
    #[must_use]
    pub fn is_guest(&self) -> bool {
        self.guest.as_ref().is_some_and(|guest| guest.claimed_by.is_none())
    }

    /// Whether an account has taken over what they bought as a guest.
    #[must_use]
    pub fn is_claimed(&self) -> bool {
        self.guest.as_ref().is_some_and(|guest| guest.claimed_by.is_some())
    }
}

/// An entry of an address book.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressEntry {
    /// Its id.
    pub id: AddressId,
    /// What it says.
    pub address: Address,
    /// What was found out about it when it was added; nothing in entries from before addresses were checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<Checkup>,
    /// Since when.
    pub created_at: Timestamp,
}

/// A shop. Everything in it but `user` is public.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seller {
    /// Its id.
    pub id: SellerId,
    /// Its owner.
    pub user: UserId,
    /// Its name.
    pub name: String,
    /// What it is called in addresses.
    pub slug: ShopSlug,
    /// What it promises about returns.
    pub return_policy: String,
    /// Whether it trades.
    pub state: ShopState,
    /// Since when.
    pub created_at: Timestamp,
}

/// A password, hashed with a salt of its own.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordHash {
    /// How it was hashed.
    pub algorithm: String,
    /// 16 bytes, hex.
    pub salt: String,
    /// 32 bytes, hex.
    pub hash: String,
}

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// A verification mail that has not been answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// Hash of the token in the mail.
    pub token_hash: String,
    /// Until when it can be used.
    pub expires_at: Timestamp,
    /// When the item may be cleaned up.
    pub ttl: i64,
}

/// Reserves a unique name for a user or a shop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameOwner {
    /// The user it belongs to.
    pub user: UserId,
}

/// The partition of everything that belongs to `user`.
fn partition(user: &UserId) -> String {
    format!("USER#{user}")
}

/// Where `user` is.
#[must_use]
pub fn user_key(user: &UserId) -> Key {
    Key::new(Table::Identity, partition(user), "USER")
}

/// Where the hash of the password of `user` is.
#[must_use]
pub fn password_key(user: &UserId) -> Key {
    Key::new(Table::Identity, partition(user), "PASSWORD")
}

/// Where the pending verification of the e-mail address of `user` is.
#[must_use]
pub fn verification_key(user: &UserId) -> Key {
    Key::new(Table::Identity, partition(user), "VERIFY")
}

/// Where one address of `user` is. Another user's address is never found there.
#[must_use]
pub fn address_key(user: &UserId, address: &AddressId) -> Key {
    Key::new(Table::Identity, partition(user), format!("ADDRESS#{address}"))
}

/// Where `seller` is.
#[must_use]
pub fn seller_key(seller: &SellerId) -> Key {
    Key::new(Table::Identity, format!("SELLER#{seller}"), "SELLER")
}

/// Where the one account of `email` is named.
#[must_use]
pub fn email_key(email: &Email) -> Key {
    Key::new(Table::Identity, format!("EMAIL#{}", email.as_str()), "EMAIL")
}

/// Where the one account called `username` is named.
#[must_use]
pub fn username_key(username: &Username) -> Key {
    Key::new(Table::Identity, format!("USERNAME#{}", username.as_str()), "USERNAME")
}

/// Where the one shop called `slug` is named.
#[must_use]
pub fn shop_key(slug: &ShopSlug) -> Key {
    Key::new(Table::Identity, format!("SHOP#{}", slug.as_str()), "SHOP")
}

fn guests_partition(email: &Email) -> String {
    format!("GUEST#{}", email.as_str())
}

/// Lets a guest in, to be found by the address they gave.
///
/// # Errors
/// [`StoreError::Rejected`] when they cannot be represented, which is a bug.
pub fn let_in(transaction: &mut Transaction, guest: &User) -> Result<(), StoreError> {
    create(transaction, user_key(&guest.id), "user", guest)?;
    let place = Key::new(Table::Identity, guests_partition(&guest.email), guest.id.as_str());
    create(transaction, place, "guest", &NameOwner { user: guest.id.clone() })?;
    Ok(())
}

/// Lets all fail unless `user` is a guest whom no account has claimed yet.
pub fn check_guest(transaction: &mut Transaction, user: &UserId) -> Guard {
    let unclaimed = "attribute_exists(#guest) AND attribute_not_exists(#guest.#claimed_by)";
    transaction.check(user_key(user), Expression::when(unclaimed))
}

/// The writes of a registration whose conditions a caller is told about.
#[derive(Debug, Clone, Copy)]
pub struct RegistrationGuards {
    /// Fails when the e-mail address has an account.
    pub email: Guard,
    /// Fails when the name is taken.
    pub username: Guard,
}

/// Creates an account under its two unique names.
///
/// # Errors
/// [`StoreError::Rejected`] when it cannot be represented, which is a bug.
pub fn register(
    transaction: &mut Transaction,
    user: &User,
    password: &PasswordHash,
) -> Result<RegistrationGuards, StoreError> {
    let owner = NameOwner { user: user.id.clone() };
    create(transaction, user_key(&user.id), "user", user)?;
    create(transaction, password_key(&user.id), "password", password)?;
    Ok(RegistrationGuards {
        email: create(transaction, email_key(&user.email), "email", &owner)?,
        username: create(transaction, username_key(&user.username), "username", &owner)?,
    })
}

/// Notes that a verification mail is asked for, unless one was asked for after `not_since`, or none is needed.
///
/// # Errors
/// [`StoreError::Rejected`] when it cannot be represented, which is a bug.
pub fn request_verification(
    transaction: &mut Transaction,
    user: &UserId,
    now: Timestamp,
    not_since: Timestamp,
) -> Result<Guard, StoreError> {
    let due = Expression::when("#verified = :no AND #verification_requested_at <= :not_since")
        .then("SET #verification_requested_at = :now, #version = #version + :one")
        .with(":no", value(&false)?)
        .with(":not_since", value(&not_since)?)
        .with(":now", value(&now)?)
        .with(":one", number(1));
    Ok(transaction.update(user_key(user), due))
}

/// Proves the e-mail address of `user` by a token that is used up.
///
/// # Errors
/// [`StoreError::Rejected`] when it cannot be represented, which is a bug.
pub fn verify(
    transaction: &mut Transaction,
    user: &UserId,
    token_hash: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let right = Expression::when("#token_hash = :hash AND #expires_at > :now")
        .with(":hash", text(token_hash))
        .with(":now", value(&now)?);
    transaction.delete(verification_key(user), right);
    let unverified = Expression::when("#verified = :no")
        .then("SET #verified = :yes, #version = #version + :one")
        .with(":no", value(&false)?)
        .with(":yes", value(&true)?)
        .with(":one", number(1));
    transaction.update(user_key(user), unverified);
    Ok(())
}

/// Adds an address to the book of `user`. The first one, or one that is `preferred`, becomes the default.
/// The guard fails when the book is full.
///
/// # Errors
/// [`StoreError::Rejected`] when it cannot be represented, which is a bug.
pub fn add_address(
    transaction: &mut Transaction,
    user: &UserId,
    entry: &AddressEntry,
    preferred: bool,
) -> Result<Guard, StoreError> {
    create(transaction, address_key(user, &entry.id), "address", entry)?;
    let default = if preferred { ":id" } else { "if_not_exists(#default_address, :id)" };
    let room = Expression::when("(#verified = :yes OR attribute_exists(#guest)) AND #addresses < :max")
        .then(format!(
            "SET #addresses = #addresses + :one, #default_address = {default}, #version = #version + :one"
        ))
        .with(":yes", value(&true)?)
        .with(":max", number(ADDRESSES_MAX))
        .with(":id", text(entry.id.as_str()))
        .with(":one", number(1));
    Ok(transaction.update(user_key(user), room))
}

/// The writes of a new shop whose conditions a caller is told about.
#[derive(Debug, Clone, Copy)]
pub struct ShopGuards {
    /// Fails when the owner has a shop.
    pub seller: Guard,
    /// Fails when the slug is taken.
    pub slug: Guard,
    /// Fails when the owner's e-mail address is not verified.
    pub owner: Guard,
}

/// Opens a shop.
///
/// # Errors
/// [`StoreError::Rejected`] when it cannot be represented, which is a bug.
pub fn open_shop(transaction: &mut Transaction, seller: &Seller) -> Result<ShopGuards, StoreError> {
    let owner = NameOwner { user: seller.user.clone() };
    let verified = Expression::when("#verified = :yes").with(":yes", value(&true)?);
    Ok(ShopGuards {
        seller: create(transaction, seller_key(&seller.id), "seller", seller)?,
        slug: create(transaction, shop_key(&seller.slug), "shop", &owner)?,
        owner: transaction.check(user_key(&seller.user), verified),
    })
}

fn create<T: Serialize>(
    transaction: &mut Transaction,
    key: Key,
    kind: &'static str,
    record: &T,
) -> Result<Guard, StoreError> {
    let item = encode(&key, kind, Version::FIRST, record)?;
    Ok(transaction.create(key, item))
}

impl Store {
    /// Notes that `account` has taken over what a guest bought; they buy nothing more. Answers false for one who is no
    /// guest, or another's.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn claim_guest(&self, guest: &UserId, account: &UserId) -> Result<bool, StoreError> {
        let free = "attribute_exists(#guest) AND \
                    (attribute_not_exists(#guest.#claimed_by) OR #guest.#claimed_by = :account)";
        let change = Expression::when(free)
            .then("SET #guest.#claimed_by = :account, #version = #version + :one")
            .with(":account", text(account.as_str()))
            .with(":one", number(1));
        match self.update(&user_key(guest), &change).await {
            Ok(_) => Ok(true),
            Err(StoreError::Refused(_)) => Ok(false),
            Err(other) => Err(other),
        }
    }

    /// Guests who gave an address, after the guest `after`.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn guests(
        &self,
        email: &Email,
        after: Option<&UserId>,
        limit: u16,
    ) -> Result<Vec<UserId>, StoreError> {
        let query = Query {
            table: Table::Identity,
            index: None,
            pk: guests_partition(email),
            range: after.map_or(Range::All, |guest| Range::After(guest.to_string())),
            descending: false,
            limit: i32::from(limit),
            consistent: true,
        };
        let items = self.query(&query).await?;
        items.iter().map(|item| decode::<NameOwner>(item).map(|read| read.value.user)).collect()
    }

    /// Gives `user` a role as well, if the account is as it was read.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when the account changed meanwhile.
    pub async fn set_roles(&self, read: &Versioned<User>, roles: &[Role]) -> Result<(), StoreError> {
        let change = Expression::at_version(read.version)
            .then("SET #roles = :roles, #version = #version + :one")
            .with(":roles", value(&roles)?)
            .with(":one", number(1));
        self.update(&user_key(&read.value.id), &change).await.map(drop)
    }

    /// Puts a new verification in the place of the pending one.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when another call was first.
    pub async fn put_verification(&self, user: &UserId, new: &Verification) -> Result<(), StoreError> {
        let key = verification_key(user);
        let read = self.get(&key).await?.as_ref().map(decode::<Verification>).transpose()?;
        let mut transaction = Transaction::new();
        match read.map(|pending| pending.version) {
            None => create(&mut transaction, key, "verification", new)?,
            Some(version) => {
                let item = encode(&key, "verification", version.next(), new)?;
                transaction.replace(key, item, version)
            }
        };
        self.transact(transaction).await
    }

    /// A user.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn user(&self, user: &UserId) -> Result<Option<Versioned<User>>, StoreError> {
        self.get(&user_key(user)).await?.as_ref().map(decode).transpose()
    }

    /// A shop.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn seller(&self, seller: &SellerId) -> Result<Option<Versioned<Seller>>, StoreError> {
        self.get(&seller_key(seller)).await?.as_ref().map(decode).transpose()
    }

    /// One address of a user.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn address(
        &self,
        user: &UserId,
        address: &AddressId,
    ) -> Result<Option<AddressEntry>, StoreError> {
        let item = self.get(&address_key(user, address)).await?;
        Ok(item.as_ref().map(decode::<AddressEntry>).transpose()?.map(|read| read.value))
    }

    /// All addresses of a user, oldest first.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn addresses(&self, user: &UserId) -> Result<Vec<AddressEntry>, StoreError> {
        let query = Query {
            table: Table::Identity,
            index: None,
            pk: partition(user),
            range: Range::Prefix("ADDRESS#".to_owned()),
            descending: false,
            limit: i32::try_from(ADDRESSES_MAX).unwrap_or(i32::MAX),
            consistent: true,
        };
        let items = self.query(&query).await?;
        items.iter().map(|item| decode::<AddressEntry>(item).map(|read| read.value)).collect()
    }

    /// The user that a unique name (see [`email_key`], [`username_key`], [`shop_key`]) belongs to.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn name_owner(&self, name: &Key) -> Result<Option<UserId>, StoreError> {
        let item = self.get(name).await?;
        Ok(item.as_ref().map(decode::<NameOwner>).transpose()?.map(|read| read.value.user))
    }
}
