//! Waiting for what is sold out.

use serde_json::json;
use sutler_domain::ids::VariantId;
use sutler_services::alerts;
use sutler_testkit::{TestAnswer, TestApp, TestCall, TestUser};

use crate::{adjust_stock, create_alert, delete_alert, list_alerts};

struct Shop {
    test: TestApp,
    seller: TestUser,
    thing: VariantId,
}

impl Shop {
    async fn sold_out() -> Self {
        let test = TestApp::new().await;
        let seller = test.seller("ada").await;
        let thing = test.goods(&seller, 1_999, 0).await;
        Self { test, seller, thing }
    }

    fn about(&self, method: &'static str) -> TestCall {
        let path = format!("/v1/variants/{}/alerts", self.thing);
        TestCall::new(method, &path).parameter("variant", self.thing.as_str())
    }

    async fn join(&self, call: TestCall) -> TestAnswer {
        self.test.call(create_alert::handle, call).await
    }

    async fn list(&self, user: &TestUser) -> TestAnswer {
        self.test.call(list_alerts::handle, TestCall::get("/v1/alerts").by(user)).await
    }

    async fn arrive(&self, units: i64) {
        let call = TestCall::post(
            &format!("/v1/inventory/{}/adjust", self.thing),
            &json!({"delta": units, "reason": "received"}),
        );
        let call = call.parameter("variant", self.thing.as_str()).by(&self.seller);
        assert_eq!(self.test.call(adjust_stock::handle, call).await.status, 200);
        let until = self.test.app.now().plus_seconds(1);
        alerts::hold_for_next(&self.test.app, &self.thing, until).await.unwrap();
    }
}

#[tokio::test]
async fn somebody_waits_gets_a_unit_held_and_gives_it_up() {
    let shop = Shop::sold_out().await;
    let user = shop.test.user("bob").await;
    let joined = shop.join(shop.about("POST").by(&user).key("k1")).await;
    assert_eq!((joined.status, &joined.body["state"]), (200, &json!("waiting")), "{}", joined.text);
    assert_eq!(joined.body["title"], json!("A thing"));
    assert_eq!(joined.body["variant"], json!(shop.thing));
    assert_eq!(joined.body.get("expires_at"), None);
    shop.arrive(1).await;
    // The answer that was lost is told again; another call tells how it stands.
    assert_eq!(shop.join(shop.about("POST").by(&user).key("k1")).await.text, joined.text);
    let now = shop.join(shop.about("POST").by(&user)).await;
    assert_eq!((now.status, &now.body["state"]), (200, &json!("held")));
    let end = shop.test.app.now().plus_seconds(900).rfc3339();
    assert_eq!((&now.body["expires_at"], &now.body["since"]), (&json!(end), &joined.body["since"]));
    assert_eq!(shop.list(&user).await.body, json!({"items": [now.body]}));
    let left = shop.test.call(delete_alert::handle, shop.about("DELETE").by(&user)).await;
    assert_eq!((left.status, left.text.as_str()), (204, ""));
    let left = shop.test.call(delete_alert::handle, shop.about("DELETE").by(&user)).await;
    assert_eq!(left.status, 204);
    assert_eq!(shop.list(&user).await.body, json!({"items": []}));
    assert_eq!(shop.test.stock(&shop.thing).await, (1, 0, 0));
    let refused = shop.join(shop.about("POST").by(&user)).await;
    assert_eq!((refused.status, refused.problem()), (409, "in-stock"));
    assert_eq!(refused.body["variant"], json!(shop.thing));
    shop.test.assert_clean().await;
}

#[tokio::test]
async fn only_verified_users_wait_and_everybody_sees_their_own() {
    let shop = Shop::sold_out().await;
    let (user, other) = (shop.test.user("bob").await, shop.test.user("eve").await);
    shop.test.needs_token(&user, create_alert::handle, shop.about("POST")).await;
    shop.test.needs_token(&user, delete_alert::handle, shop.about("DELETE")).await;
    shop.test.needs_token(&user, list_alerts::handle, TestCall::get("/v1/alerts")).await;
    let new = shop.test.unverified("tim").await;
    assert_eq!(shop.join(shop.about("POST").by(&new)).await.problem(), "email-not-verified");
    let guest = shop.test.guest("guest").await;
    assert_eq!(shop.join(shop.about("POST").by(&guest)).await.problem(), "email-not-verified");
    assert_eq!(shop.join(shop.about("POST").by(&shop.seller)).await.problem(), "own-goods");
    assert_eq!(shop.join(shop.about("POST").by(&user)).await.status, 200);
    assert_eq!(shop.list(&other).await.body, json!({"items": []}));
    let left = shop.test.call(delete_alert::handle, shop.about("DELETE").by(&other)).await;
    assert_eq!(left.status, 204);
    assert_eq!(shop.list(&user).await.body["items"].as_array().unwrap().len(), 1);
    let unknown = shop.about("POST").parameter("variant", "var_01J8ZQ5K3N0V7X2Y4T6B8D9FGH01").by(&user);
    assert_eq!(shop.join(unknown).await.status, 404);
}

#[tokio::test]
async fn nobody_waits_for_more_than_twenty_things() {
    let shop = Shop::sold_out().await;
    let user = shop.test.user("bob").await;
    for _ in 0..20 {
        let thing = shop.test.goods(&shop.seller, 1_999, 0).await;
        let once =
            shop.test.once(|_| sutler_domain::idempotency::Answer { status: 200, body: String::new() });
        alerts::join(&shop.test.app, user.id(), &thing, &once).await.unwrap();
    }
    let refused = shop.join(shop.about("POST").by(&user)).await;
    assert_eq!((refused.status, refused.problem()), (409, "limit-reached"));
    assert_eq!((&refused.body["limit"], &refused.body["detail"]), (&json!(20), &json!("alerts")));
}
