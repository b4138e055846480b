//! Signing in, staying signed in, signing out.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use sutler_domain::{
    account::{Email, Username},
    ids::{SessionId, UserId},
    password::{FREE_PER_ACCOUNT, FREE_PER_ADDRESS, Failures, Password},
    problem::Problem,
    time::Timestamp,
};
use sutler_store::{
    Key, StoreError, Transaction, Versioned, codec,
    sessions::{
        Session, account_attempts_key, address_attempts_key, count_failure, failures, forget_failures, open,
    },
    users::{PasswordHash, User, email_key, password_key, user_key, username_key},
};

use super::{
    bots,
    bots::Visitor,
    fresh_secret, hash_of, passwords,
    signing::{ACCESS_TOKEN_S, Issuer, Signer},
};
use crate::{App, Error};

/// For how long the token before the current one is answered with the same successor again.
const REPEAT_S: i64 = 10;
/// The longest a session can be continued without the password.
const SESSION_S_MAX: i64 = 30 * 24 * 3_600;
/// How often a sign-in is decided again because another try came in between.
const ROUNDS_MAX: usize = 5;

/// What someone who signs in presents.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// E-mail address or user name.
    pub name: String,
    /// The password.
    pub password: Password,
    /// Where they come from.
    pub visitor: Visitor,
}

/// What a client gets.
#[derive(Clone, PartialEq, Eq)]
pub struct Tokens {
    /// For calls.
    pub access_token: String,
    /// For the next pair; it can be used once.
    pub refresh_token: String,
    /// For how long the access token is valid.
    pub expires_in_s: i64,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens(…)")
    }
}

/// What is known about the account someone wants to sign in to.
struct Known {
    user: Option<User>,
    password: Option<PasswordHash>,
    tries: Tries,
}

/// The failures that count against a sign-in.
struct Tries {
    account: Key,
    address: Key,
    of_account: Option<Versioned<Failures>>,
    of_address: Option<Versioned<Failures>>,
}

impl Tries {
    /// Refuses whoever failed too often: for a while, or unless they are a person.
    fn admit(&self, is_person: bool, now: Timestamp) -> Result<(), Problem> {
        let wait = |read: &Option<Versioned<Failures>>, free| {
            read.as_ref().and_then(|read| read.value.locked_for_s(free, now))
        };
        let account = wait(&self.of_account, FREE_PER_ACCOUNT);
        if let Some(retry_after_s) = account.max(wait(&self.of_address, FREE_PER_ADDRESS)) {
            return Err(Problem::TooManyRequests { retry_after_s });
        }
        let mut failed = [&self.of_account, &self.of_address].into_iter().flatten();
        let only_people = failed.any(|read| read.value.only_people(now));
        bots::require(is_person || !only_people)
    }

    async fn read_again(self, app: &App) -> Result<Self, Error> {
        let items = app.store.get_many(&[self.account.clone(), self.address.clone()]).await?;
        let item = |index: usize| items.get(index).and_then(Option::as_ref);
        Ok(Self { of_account: failures(item(0))?, of_address: failures(item(1))?, ..self })
    }
}

/// Signs in. Three round trips; whether there is such an account shows neither in the answer nor in the time.
///
/// A try counts only if no other try of the same account was counted meanwhile, so many tries at once are no
/// better than one after the other.
///
/// # Errors
/// [`Problem::WrongCredentials`]; after too many failures [`Problem::TooManyRequests`], and before that
/// [`Problem::Invalid`] unless the visitor is a person.
pub async fn login(issuer: &Issuer, credentials: &Credentials) -> Result<Tokens, Error> {
    let app = &issuer.app;
    let signer = issuer.signer().await?;
    // Asked before anything is read, for nobody waits for an answer from outside between a read and its write.
    let is_person = app.door.is_person(&credentials.visitor, "login").await?;
    let Known { user, password, mut tries } = look_up(app, credentials).await?;
    tries.admit(is_person, app.now())?;
    let right = passwords::matches(&credentials.password, password.as_ref())?;
    for _ in 0..ROUNDS_MAX {
        let decided = match user.as_ref().filter(|_| right) {
            Some(user) => begin(app, &signer, user, &tries).await,
            None => fail(app, &tries).await,
        };
        match decided {
            Err(Error::Problem(Problem::Conflict)) => tries = tries.read_again(app).await?,
            decided => return decided,
        }
        tries.admit(is_person, app.now())?;
    }
    Err(Problem::TooManyRequests { retry_after_s: 1 }.into())
}

async fn look_up(app: &App, credentials: &Credentials) -> Result<Known, Error> {
    let name = if credentials.name.contains('@') {
        Email::parse(&credentials.name).ok().map(|email| email_key(&email))
    } else {
        Username::parse(&credentials.name).ok().map(|username| username_key(&username))
    };
    let owner = match &name {
        Some(key) => app.store.name_owner(key).await?,
        None => None,
    };
    let who = owner.as_ref().map_or_else(|| hash_of(&credentials.name.to_lowercase()), UserId::to_string);
    let (account, address) =
        (account_attempts_key(&who), address_attempts_key(&credentials.visitor.source_ip));
    let mut keys = vec![account.clone(), address.clone()];
    keys.extend(owner.iter().flat_map(|user| [user_key(user), password_key(user)]));
    let items = app.store.get_many(&keys).await?;
    let item = |index: usize| items.get(index).and_then(Option::as_ref);
    let user = item(2).map(codec::decode::<User>).transpose()?.map(|read| read.value);
    let password = item(3).map(codec::decode::<PasswordHash>).transpose()?.map(|read| read.value);
    let tries = Tries { of_account: failures(item(0))?, of_address: failures(item(1))?, account, address };
    Ok(Known { user, password, tries })
}

async fn begin(app: &App, signer: &Signer, user: &User, tries: &Tries) -> Result<Tokens, Error> {
    let now = app.now();
    let secret = fresh_secret(&*app.ids);
    let session = Session {
        id: SessionId::generate(&*app.ids, now),
        user: user.id.clone(),
        token_hash: hash_of(&secret),
        previous_hash: None,
        rotated_at: now,
        expires_at: now.plus_seconds(app.settings.refresh_expiry_s),
        created_at: now,
        revoked: false,
        ttl: now.plus_seconds(SESSION_S_MAX).seconds(),
    };
    let mut transaction = Transaction::new();
    open(&mut transaction, &session)?;
    let read = tries.of_account.as_ref().map(|read| read.version);
    forget_failures(&mut transaction, tries.account.clone(), read);
    app.store.transact(transaction).await?;
    tracing::info!(user.id = %user.id, "Signed in {}", user.id);
    tokens(signer, user, &session, &secret)
}

async fn fail(app: &App, tries: &Tries) -> Result<Tokens, Error> {
    let now = app.now();
    let mut transaction = Transaction::new();
    for (key, read) in [(&tries.account, &tries.of_account), (&tries.address, &tries.of_address)] {
        let more = Failures::one_more(read.as_ref().map(|read| read.value), now);
        count_failure(&mut transaction, key.clone(), read.as_ref().map(|read| read.version), more)?;
    }
    app.store.transact(transaction).await?;
    Err(Problem::WrongCredentials.into())
}

fn tokens(signer: &Signer, user: &User, session: &Session, secret: &str) -> Result<Tokens, Error> {
    Ok(Tokens {
        access_token: signer.access_token(user, session.rotated_at)?,
        refresh_token: format!("{}.{secret}", session.id),
        expires_in_s: ACCESS_TOKEN_S,
    })
}

/// What a presented refresh token is to its session.
enum Standing {
    Current,
    /// The one before, presented again within [`REPEAT_S`]: its client lost the answer, or asked twice.
    Repeated {
        successor: String,
    },
    /// It was used long ago, or never issued: someone else has it.
    Reused,
}

/// Exchanges a refresh token for the next pair. A token that was used before ends the session, unless it
/// is the one before the current and comes back at once: then the same pair is answered again.
///
/// # Errors
/// [`Problem::Unauthenticated`] unless the token can be used.
pub async fn refresh(issuer: &Issuer, token: &str) -> Result<Tokens, Error> {
    let app = &issuer.app;
    let (id, secret) = read_token(token).ok_or(Problem::Unauthenticated)?;
    let signer = issuer.signer().await?;
    for _ in 0..ROUNDS_MAX {
        let read = app.store.session(&id).await?.ok_or(Problem::Unauthenticated)?;
        let session = &read.value;
        if session.revoked || session.expires_at <= app.now() {
            return Err(Problem::Unauthenticated.into());
        }
        let user = app.store.user(&session.user).await?.ok_or(Problem::Unauthenticated)?.value;
        match standing(app.now(), session, &signer, secret) {
            Standing::Current => match advance(app, &read, &signer, secret).await {
                Ok((next, successor)) => return tokens(&signer, &user, &next, &successor),
                // Another call with the same token was first; it is the one before now.
                Err(StoreError::Refused(_)) => {}
                Err(error) => return Err(error.into()),
            },
            Standing::Repeated { successor } => return tokens(&signer, &user, session, &successor),
            Standing::Reused => {
                app.store.revoke_session(&id).await?;
                tracing::warn!(user.id = %session.user, "A refresh token came back: ended its session");
                return Err(Problem::Unauthenticated.into());
            }
        }
    }
    Err(Problem::Conflict.into())
}

fn standing(now: Timestamp, session: &Session, signer: &Signer, secret: &str) -> Standing {
    let hash = hash_of(secret);
    if same(&hash, &session.token_hash) {
        return Standing::Current;
    }
    let recent = now < session.rotated_at.plus_seconds(REPEAT_S);
    let before = session.previous_hash.as_ref().is_some_and(|previous| same(&hash, previous));
    let successor = signer.next_refresh_secret(secret);
    if before && recent && same(&hash_of(&successor), &session.token_hash) {
        Standing::Repeated { successor }
    } else {
        Standing::Reused
    }
}

async fn advance(
    app: &App,
    read: &Versioned<Session>,
    signer: &Signer,
    secret: &str,
) -> Result<(Session, String), StoreError> {
    let now = app.now();
    let successor = signer.next_refresh_secret(secret);
    let last = read.value.created_at.plus_seconds(SESSION_S_MAX);
    let next = Session {
        token_hash: hash_of(&successor),
        previous_hash: Some(read.value.token_hash.clone()),
        rotated_at: now,
        expires_at: now.plus_seconds(app.settings.refresh_expiry_s).min(last),
        ..read.value.clone()
    };
    app.store.rotate_session(read, &next).await?;
    Ok((next, successor))
}

/// Signs out: no token of the session can be used any more. A token that is not known is no error.
///
/// # Errors
/// [`Error::Store`] when the database does not answer.
pub async fn logout(app: &App, token: &str) -> Result<(), Error> {
    let Some((id, _)) = read_token(token) else { return Ok(()) };
    Ok(app.store.revoke_session(&id).await?)
}

fn read_token(token: &str) -> Option<(SessionId, &str)> {
    let (id, secret) = token.split_once('.')?;
    Some((SessionId::parse(id).ok()?, secret))
}

fn same(a: &str, b: &str) -> bool {
    verify_slices_are_equal(a.as_bytes(), b.as_bytes()).is_ok()
}
