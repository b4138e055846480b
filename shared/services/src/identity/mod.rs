//! Accounts: signing up, proving an e-mail address, signing in and out, address books and shops.

pub mod accounts;
pub mod bots;
pub mod passwords;
pub mod profile;
pub mod sessions;
pub mod signing;

pub use accounts::{
    VerificationMail, grant_role, issue_verification, register, resend_verification, verify_email,
};
pub use bots::{Doorkeeper, Visitor};
pub use profile::{Me, NewAddress, add_address, addresses, create_seller, me, seller_by_slug};
pub use sessions::{Credentials, Tokens, login, logout, refresh};
pub use signing::{Issuer, Rotation, jwks, rotate_signing_keys};

use aws_lc_rs::digest::{SHA256, digest};
use sutler_domain::ids::IdGen;

/// 256 random bits, hex: a secret that goes to its owner and is stored only as its hash.
fn fresh_secret(ids: &dyn IdGen) -> String {
    format!("{:032x}{:032x}", ids.random(), ids.random())
}

/// What is stored of a secret.
fn hash_of(secret: &str) -> String {
    hex::encode(digest(&SHA256, secret.as_bytes()))
}
