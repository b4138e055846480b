//! Users, their addresses and shops, in Identity: `USER#<usr>` / `USER`, `PASSWORD`, `VERIFY`,
//! `ADDRESS#<adr>`; `SELLER#<sel>` / `SELLER`; and one item per unique name: `EMAIL#<address>` / `EMAIL`,
//! `USERNAME#<name>` / `USERNAME`, `SHOP#<slug>` / `SHOP`.

use serde::{Deserialize, Serialize};
use sutler_domain::{
    account::{Email, Role, ShopSlug, ShopState, Username},
    address::Address,
    ids::{AddressId, SellerId, UserId},
    time::Timestamp,
};

use crate::{
    codec::{Versioned, decode},
    db::{Query, Range, Store},
    error::StoreError,
    keys::{Key, Table},
};

/// The most addresses a user keeps.
pub const ADDRESSES_MAX: u32 = 20;

/// Someone with an account. The password's hash is another item, which only a sign-in reads.
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

/// An entry of an address book.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressEntry {
    /// Its id.
    pub id: AddressId,
    /// What it says.
    pub address: Address,
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

impl Store {
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
