#![expect(clippy::arithmetic_side_effects, reason = "a test may stop")]

use std::sync::atomic::Ordering;

use serde_json::Value;
use sutler_services::identity::rotate_signing_keys;
use sutler_testkit::TestCall;

use super::{House, PASSWORD, access_token, refresh_token};
use crate::get_jwks;

const DAY_S: u64 = 24 * 3_600;

async fn published(house: &House) -> Vec<String> {
    let answer = house.test.call(get_jwks::handle, TestCall::get("/.well-known/jwks.json")).await;
    let keys = answer.body["keys"].as_array().unwrap().clone();
    keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).filter(|kid| kid != "test").collect()
}

#[tokio::test]
async fn the_public_keys_are_published_and_nothing_else() {
    let house = House::open().await;
    let answer = house.test.call(get_jwks::handle, TestCall::get("/.well-known/jwks.json")).await;
    insta::assert_json_snapshot!("get_jwks", answer.body, {".keys[].x" => "[key]"});
    assert_eq!(answer.headers["cache-control"], "public, max-age=300");
    let secret: Value = serde_json::from_str(&house.slot.text.lock().unwrap().clone().unwrap()).unwrap();
    assert!(!answer.text.contains(secret["current"]["pkcs8"].as_str().unwrap()));
}

#[tokio::test]
async fn without_a_key_nobody_signs_in_and_a_retry_is_asked_for() {
    let house = House::without_keys().await;
    house.account("ada").await;
    let answer = house.login("ada", PASSWORD).await;
    assert_eq!((answer.status, answer.problem()), (503, "try-again"));
    house.rotate().await;
    assert_eq!(house.login("ada", PASSWORD).await.status, 200);
}

#[tokio::test]
async fn rotation_logs_nobody_out() {
    let house = House::open().await;
    house.account("ada").await;
    let first = house.rotate().await;
    assert!(!first.rotated);
    house.advance(30 * DAY_S);
    let before = house.login("ada", PASSWORD).await;
    let second = house.rotate().await;
    assert!(second.rotated);
    assert_eq!(published(&house).await, [first.current.clone(), second.current.clone()]);

    // Tokens of the old key stay good, the new one is not used until every function can know it.
    assert_eq!(house.me(&access_token(&before)).await.status, 200);
    let refreshed = house.refresh(&refresh_token(&before)).await;
    assert!(kid(&access_token(&refreshed)) == first.current);
    house.advance(60);
    let after = house.refresh(&refresh_token(&refreshed)).await;
    assert_eq!(kid(&access_token(&after)), second.current);
    for answer in [&before, &refreshed, &after] {
        assert_eq!(house.me(&access_token(answer)).await.status, 200);
    }
    assert_eq!(house.rotate().await.withdrawn, 0);
    house.advance(DAY_S);
    assert!(house.rotate().await.withdrawn > 0);
    assert_eq!(published(&house).await, [second.current]);
}

/// The key a token says it is signed with.
fn kid(token: &str) -> String {
    let header = token.split('.').next().unwrap();
    let bytes = base64(header);
    let header: Value = serde_json::from_slice(&bytes).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

fn base64(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let digit = |b: u8| u32::try_from(ALPHABET.iter().position(|a| *a == b).unwrap()).unwrap();
    let mut bytes = Vec::new();
    for chunk in text.as_bytes().chunks(4) {
        let bits = chunk.iter().fold(0, |bits, b| bits << 6 | digit(*b)) << (6 * (4 - chunk.len()));
        bytes.extend(bits.to_be_bytes().iter().skip(1).take(chunk.len() - 1));
    }
    bytes
}

#[tokio::test]
async fn two_first_runs_at_once_end_with_keys_that_work() {
    let house = House::without_keys().await;
    let (one, two) = tokio::join!(house.rotate(), house.rotate());
    assert!(one.rotated && two.rotated);
    assert_eq!(published(&house).await.len(), 2);
    house.account("ada").await;
    let answer = house.login("ada", PASSWORD).await;
    assert_eq!(house.me(&access_token(&answer)).await.status, 200);
    house.advance(2 * DAY_S);
    house.rotate().await;
    let answer = house.login("ada", PASSWORD).await;
    assert_eq!(house.me(&access_token(&answer)).await.status, 200);
}

#[tokio::test]
async fn a_run_that_died_half_way_is_made_good_by_the_next() {
    let house = House::without_keys().await;
    house.slot.outages.store(1, Ordering::SeqCst);
    assert!(rotate_signing_keys(house.app(), &*house.slot).await.is_err());
    assert!(house.rotate().await.rotated);
    house.account("ada").await;
    let old = house.login("ada", PASSWORD).await;

    house.advance(30 * DAY_S);
    house.slot.outages.store(1, Ordering::SeqCst);
    assert!(rotate_signing_keys(house.app(), &*house.slot).await.is_err());
    house.advance(DAY_S);
    let answer = house.login("ada", PASSWORD).await;
    assert_eq!(house.me(&access_token(&answer)).await.status, 200);
    // The key of the unfinished run is older than a day, but nothing was signed with it in place of the old one.
    let made_good = house.rotate().await;
    assert!(made_good.rotated);
    assert_eq!(made_good.withdrawn, 0);
    assert_eq!(house.me(&access_token(&answer)).await.status, 200);
    assert_eq!(house.me(&access_token(&old)).await.status, 401);
}
