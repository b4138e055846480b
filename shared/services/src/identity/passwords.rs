//! Hashing passwords: argon2id with 19 MiB, 2 passes and 1 lane, in place.

use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use sutler_domain::{ids::IdGen, password::Password};
use sutler_store::users::PasswordHash;

use crate::Error;

/// How passwords are hashed now. A change of it gets another name, and old hashes keep theirs.
const ALGORITHM: &str = "argon2id-m19456-t2-p1";

/// Hashes a password with a fresh salt.
///
/// # Errors
/// [`Error::Internal`] when there is no memory for it.
pub fn hash(password: &Password, ids: &dyn IdGen) -> Result<PasswordHash, Error> {
    let salt = ids.random().to_be_bytes();
    let hash = derive(password, &salt)?;
    Ok(PasswordHash { algorithm: ALGORITHM.to_owned(), salt: hex::encode(salt), hash: hex::encode(hash) })
}

/// Whether `password` is the one that was hashed. Without a hash the same work is done for nothing, so that the
/// time it takes does not tell whether there is an account.
///
/// # Errors
/// [`Error::Internal`] when the stored hash does not read.
pub fn matches(password: &Password, stored: Option<&PasswordHash>) -> Result<bool, Error> {
    let Some(stored) = stored else {
        derive(password, &[0; 16])?;
        return Ok(false);
    };
    if stored.algorithm != ALGORITHM {
        return Err(Error::Internal(format!("unknown password algorithm {}", stored.algorithm).into()));
    }
    let salt = hex::decode(&stored.salt).map_err(|e| Error::Internal(e.into()))?;
    let expected = hex::decode(&stored.hash).map_err(|e| Error::Internal(e.into()))?;
    Ok(verify_slices_are_equal(&derive(password, &salt)?, &expected).is_ok())
}

fn derive(password: &Password, salt: &[u8]) -> Result<[u8; 32], Error> {
    let bug = |e: argon2::Error| Error::Internal(e.to_string().into());
    let params = Params::new(19_456, 2, 1, Some(32)).map_err(bug)?;
    let mut out = [0; 32];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.expose().as_bytes(), salt, &mut out)
        .map_err(bug)?;
    Ok(out)
}
