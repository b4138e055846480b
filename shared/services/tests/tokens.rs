//! Nothing but a token that we signed is believed.

use sutler_services::{auth::authenticate, identity::verify_email};
use sutler_testkit::{TestApp, broken};

const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=";

#[tokio::test]
async fn no_token_near_a_good_one_is_believed() {
    let test = TestApp::new().await;
    let token = test.user("ada").await.token;
    assert!(authenticate(&test.app, &token).await.is_ok());
    for (place, original) in token.char_indices() {
        let others = ALPHABET.chars().filter(|other| *other != original);
        for other in others.skip(place % 5).step_by(5) {
            let mut near = token.clone();
            near.replace_range(place..=place, &other.to_string());
            assert!(authenticate(&test.app, &near).await.is_err(), "{near}");
        }
        let (start, end) = token.split_at(place);
        for near in [start.to_owned(), end[1..].to_owned(), format!("{start}{}", &end[1..])] {
            assert!(authenticate(&test.app, &near).await.is_err(), "{near}");
        }
    }
    for near in [
        format!("{token}."),
        format!("{token}A"),
        format!("{token}="),
        format!(" {token}"),
        token.clone() + "\0",
    ] {
        assert!(authenticate(&test.app, &near).await.is_err(), "{near}");
    }
}

#[tokio::test]
async fn no_text_upsets_the_readers_of_tokens() {
    let test = TestApp::new().await;
    let token = test.user("ada").await.token;
    let parts: Vec<&str> = token.split('.').collect();
    for value in broken(&serde_json::json!([parts, "x"]), 300) {
        let whole = value.to_string();
        let pieces = value[0].as_array().into_iter().flatten().filter_map(|part| part.as_str());
        for near in [whole.trim_matches('"').to_owned(), pieces.collect::<Vec<_>>().join(".")] {
            assert!(near == token || authenticate(&test.app, &near).await.is_err(), "{near}");
            assert!(verify_email(&test.app, &near).await.is_err());
        }
    }
}
