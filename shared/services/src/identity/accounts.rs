//! Signing up and proving an e-mail address.

use sutler_domain::{
    account::{Email, Role},
    event::EventKind,
    ids::UserId,
    password::Registration,
    problem::Problem,
};
use sutler_store::{
    StoreError, Transaction, events, users,
    users::{User, Verification, email_key},
};

use super::{bots, bots::Visitor, fresh_secret, hash_of, passwords};
use crate::{App, Error};

/// How long the link in a verification mail works.
const VERIFICATION_S: i64 = 24 * 3_600;
/// How soon another verification mail can be asked for.
const RESEND_PAUSE_S: i64 = 60;

/// Opens an account and asks for a verification mail. An address that has an account is treated as if it had
/// none, and nothing is written.
///
/// # Errors
/// [`Problem::Taken`] when the user name is taken, [`Problem::Invalid`] unless the visitor is a person.
pub async fn register(app: &App, visitor: &Visitor, new: &Registration) -> Result<(), Error> {
    bots::require(app.door.is_person(visitor, "register").await?)?;
    let now = app.now();
    let user = User {
        id: UserId::generate(&*app.ids, now),
        email: new.email.clone(),
        username: new.username.clone(),
        verified: false,
        roles: Vec::new(),
        addresses: 0,
        default_address: None,
        verification_requested_at: now,
        created_at: now,
    };
    let password = passwords::hash(&new.password, &*app.ids)?;
    let mut transaction = Transaction::new();
    let guards = users::register(&mut transaction, &user, &password)?;
    ask_for_mail(app, &mut transaction, &user.id)?;
    match app.store.transact(transaction).await {
        Ok(()) => {
            tracing::info!(user.id = %user.id, "Registered user {}", user.id);
            Ok(())
        }
        // The name first: it is public, so an answer about it says nothing about the address.
        Err(StoreError::Refused(refusal)) if refusal.failed(guards.username) => {
            Err(Problem::Taken { what: "username" }.into())
        }
        Err(StoreError::Refused(refusal)) if refusal.failed(guards.email) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Asks for another verification mail, at most once a minute. Nothing tells whether there is such an account.
///
/// # Errors
/// [`Error::Store`] when the database does not answer.
pub async fn resend_verification(app: &App, email: &Email) -> Result<(), Error> {
    let Some(user) = app.store.name_owner(&email_key(email)).await? else { return Ok(()) };
    let now = app.now();
    let mut transaction = Transaction::new();
    users::request_verification(&mut transaction, &user, now, now.plus_seconds(-RESEND_PAUSE_S))?;
    ask_for_mail(app, &mut transaction, &user)?;
    match app.store.transact(transaction).await {
        // Verified already, or asked for a moment ago.
        Ok(()) | Err(StoreError::Refused(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn ask_for_mail(app: &App, transaction: &mut Transaction, user: &UserId) -> Result<(), Error> {
    let event = EventKind::VerificationRequested { user: user.clone() };
    Ok(events::append_for_user(transaction, user, event, app.now(), &*app.ids)?)
}

/// What a verification mail says.
#[derive(Clone)]
pub struct VerificationMail {
    /// Where it goes.
    pub email: String,
    /// Whom it greets.
    pub username: String,
    /// What proves that it arrived. It is known nowhere else.
    pub token: String,
}

impl std::fmt::Debug for VerificationMail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("VerificationMail(…)")
    }
}

/// Makes the token of a verification mail that is about to be sent; an older one stops working. `None` when
/// the address is verified already.
///
/// # Errors
/// [`Problem::Conflict`] when another mail is being made; asking again is right.
pub async fn issue_verification(app: &App, user: &UserId) -> Result<Option<VerificationMail>, Error> {
    let Some(found) = app.store.user(user).await?.map(|read| read.value) else { return Ok(None) };
    if found.verified {
        return Ok(None);
    }
    let secret = fresh_secret(&*app.ids);
    let expires_at = app.now().plus_seconds(VERIFICATION_S);
    let pending = Verification { token_hash: hash_of(&secret), expires_at, ttl: expires_at.seconds() };
    app.store.put_verification(user, &pending).await?;
    let token = format!("{}.{secret}", user.ulid());
    Ok(Some(VerificationMail {
        email: found.email.as_str().to_owned(),
        username: found.username.as_str().to_owned(),
        token,
    }))
}

/// Proves an e-mail address by the token that was mailed to it.
///
/// # Errors
/// [`Problem::TokenInvalid`] unless it is the newest token of its account, not used and not expired.
pub async fn verify_email(app: &App, token: &str) -> Result<(), Error> {
    let (ulid, secret) = token.split_once('.').ok_or(Problem::TokenInvalid)?;
    let user = UserId::parse(&format!("{}_{ulid}", UserId::PREFIX)).map_err(|_| Problem::TokenInvalid)?;
    let mut transaction = Transaction::new();
    users::verify(&mut transaction, &user, &hash_of(secret), app.now())?;
    match app.store.transact(transaction).await {
        Ok(()) => {
            tracing::info!(user.id = %user, "Verified the e-mail address of {user}");
            Ok(())
        }
        Err(StoreError::Refused(_)) => Err(Problem::TokenInvalid.into()),
        Err(error) => Err(error.into()),
    }
}

/// Makes a user a member of staff. There is no endpoint for it.
///
/// # Errors
/// [`Problem::NotFound`] when there is no such user, [`Problem::Conflict`] when the account is just changing.
pub async fn grant_role(app: &App, user: &UserId, role: Role) -> Result<(), Error> {
    let read = app.store.user(user).await?.ok_or(Problem::NotFound)?;
    if read.value.roles.contains(&role) {
        return Ok(());
    }
    let mut roles = read.value.roles.clone();
    roles.push(role);
    Ok(app.store.set_roles(&read, &roles).await?)
}
