//! `MAIL#<mail>` / `MAIL`: who is sending, or has sent, a mail.

use serde::{Deserialize, Serialize};
use sutler_domain::time::Timestamp;

use crate::{
    codec::{Version, decode, encode, number, value},
    db::Store,
    error::StoreError,
    keys::{Key, Table},
    write::{Expression, Transaction},
};

/// How long a worker may take to send a mail before another one may try.
const LEASE_SECONDS: i64 = 60;
/// How long a sent mail is remembered.
const KEPT_SECONDS: i64 = 30 * 24 * 3_600;

#[derive(Debug, Serialize, Deserialize)]
struct Record {
    sent: bool,
    until: Timestamp,
    ttl: i64,
}

/// Whether the caller is to send a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// Send it.
    Yours,
    /// It was sent before.
    AlreadySent,
}

fn place(mail: &str) -> Key {
    Key::new(Table::Commerce, format!("MAIL#{mail}"), "MAIL")
}

impl Store {
    /// Claims a mail for a minute. A worker that died while sending leaves a claim that lapses, and the mail is
    /// then sent again: rather twice than never.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] while another worker holds the claim.
    pub async fn claim_mail(&self, mail: &str, now: Timestamp) -> Result<Claim, StoreError> {
        let key = place(mail);
        let record = Record {
            sent: false,
            until: now.plus_seconds(LEASE_SECONDS),
            ttl: now.plus_seconds(KEPT_SECONDS).seconds(),
        };
        let item = encode(&key, "mail", Version::FIRST, &record)?;
        let mut transaction = Transaction::new();
        let guard = transaction.create(key.clone(), item);
        let refusal = match self.transact(transaction).await {
            Ok(()) => return Ok(Claim::Yours),
            Err(StoreError::Refused(refusal)) => refusal,
            Err(other) => return Err(other),
        };
        let found =
            refusal.found(guard).ok_or_else(|| StoreError::Unavailable("the claim vanished".into()))?;
        if decode::<Record>(found)?.value.sent {
            return Ok(Claim::AlreadySent);
        }
        let lapsed = Expression::when("#sent = :no AND #until <= :now")
            .then("SET #until = :until")
            .with(":no", value(&false)?)
            .with(":now", number(now.millis()))
            .with(":until", number(record.until.millis()));
        match self.update(&key, &lapsed).await {
            Ok(_) => Ok(Claim::Yours),
            Err(StoreError::Refused(_)) => {
                Err(StoreError::Unavailable("another worker is sending it".into()))
            }
            Err(other) => Err(other),
        }
    }

    /// Notes that a mail is with the mail service.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn mail_sent(&self, mail: &str) -> Result<(), StoreError> {
        let done =
            Expression::when("attribute_exists(#pk)").then("SET #sent = :yes").with(":yes", value(&true)?);
        self.update(&place(mail), &done).await.map(|_| ())
    }
}
