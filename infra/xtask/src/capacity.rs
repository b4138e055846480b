//! What one purchase asks of DynamoDB: the handlers themselves over the in-process database, which counts.

use std::{
    io::{self, Write},
    sync::Arc,
};

use serde_json::{Value, json};
use sutler_domain::account::Role;
use sutler_gateways::secrets::Slot;
use sutler_http::{ApiError, Body, Request, Response};
use sutler_runtime::{
    queue::Sender,
    worker::{self, QueueMessage},
};
use sutler_services::{
    App,
    gateways::Gateways,
    identity::{Issuer, rotate_signing_keys},
};
use sutler_store::stream::StreamRecord;
use sutler_testkit::{
    Change, FakeGateway, Meter, TestAnswer, TestApp, TestCall, TestCloud, TestUser, lambda_event,
};
use workers::{
    process_payment_events, publish_events,
    record_stock_movements::{self, Bookkeeper},
    run_payment_commands::PaymentCommands,
    send_mail::{self, Post},
};

use crate::{Findings, failure::Failure};

const PASSWORD: &str = "correct horse battery staple";
/// The events of a purchase that the bus hands to `send_mail` (see infra/messaging.yaml).
const MAILED: [&str; 4] = ["user.verification_requested", "order.placed", "order.paid", "part.shipped"];

/// Prints, as JSON, the round trips and capacity of each call and worker of a purchase: one order of two lines of one
/// seller, from sign-in to delivery, in order.
///
/// # Errors
/// When a call is refused, or the table cannot be printed.
pub fn print() -> Result<Findings, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let rows = runtime.block_on(purchase())?;
    serde_json::to_writer_pretty(io::stdout(), &rows)
        .map_err(|source| Failure::Json { what: "the table", source })?;
    io::stdout().write_all(b"\n")?;
    Ok(Vec::new())
}

/// A marketplace whose calls are counted.
struct Bench {
    test: TestApp,
    cloud: TestCloud,
    gateway: FakeGateway,
    rows: Vec<Value>,
    phase: &'static str,
}

impl Bench {
    /// Runs one call and writes down what it cost; an error status is a failure.
    async fn measure(
        &mut self,
        name: &str,
        answer: impl Future<Output = Result<Response<Body>, ApiError>>,
    ) -> Result<TestAnswer, Failure> {
        self.test.db.reset_meter();
        let answer = TestAnswer::read(answer.await);
        let meter = self.test.db.meter();
        self.note(name, &meter, Value::Null);
        if (200..300).contains(&answer.status) {
            return Ok(answer);
        }
        Err(Failure::Bench(format!("{name} was answered with {}: {}", answer.status, answer.text)))
    }

    async fn call<H>(&mut self, name: &str, handle: H, call: TestCall) -> Result<TestAnswer, Failure>
    where
        H: AsyncFn(&App, Request) -> Result<Response<Body>, ApiError>,
    {
        let app = self.test.app.clone();
        self.measure(name, async { handle(&app, call.request()).await }).await
    }

    /// Writes down what a call cost, and what else is to be known of it.
    fn note(&mut self, name: &str, meter: &Meter, more: Value) {
        let operations: Vec<String> =
            meter.operations().iter().map(|operation| format!("{operation:?}")).collect();
        let mut row = json!({
            "phase": self.phase,
            "call": name,
            "round_trips": meter.round_trips(),
            "operations": operations,
            "read": meter.read().to_string(),
            "write": meter.write().to_string(),
        });
        if let (Some(row), Value::Object(more)) = (row.as_object_mut(), more) {
            row.extend(more);
        }
        self.rows.push(row);
    }

    /// Everything that happens after an answer: streams, rules and queues, until nothing follows any more.
    async fn settle(&mut self) -> Result<(), Failure> {
        loop {
            let changes = self.test.db.drain_stream();
            if changes.is_empty() {
                return Ok(());
            }
            let stock: Vec<&Change> =
                changes.iter().filter(|change| change.sk.starts_with("STOCK#")).collect();
            if !stock.is_empty() {
                self.test.db.reset_meter();
                let queue = Sender::new(self.cloud.queue(), "back-in-stock");
                let bookkeeper = Bookkeeper { app: self.test.app.clone(), queue };
                hand_over(&bookkeeper, record_stock_movements::handle, &stock).await?;
                let meter = self.test.db.meter();
                self.note("record_stock_movements", &meter, Value::Null);
            }
            let events: Vec<&Change> =
                changes.iter().filter(|change| change.sk.starts_with("EVENT#")).collect();
            let before = self.cloud.published().len();
            hand_over(&self.cloud.bus(), publish_events::handle, &events).await?;
            let published = self.cloud.published().len().saturating_sub(before);
            self.note("publish_events", &Meter::default(), json!({"events": published}));
            for event in self.cloud.published().into_iter().skip(before) {
                let detail: Value = serde_json::from_str(&event.detail)
                    .map_err(|source| Failure::Json { what: "an event", source })?;
                if MAILED.contains(&event.detail_type.as_str()) {
                    let post = Post { app: self.test.app.clone(), mailer: Arc::new(self.cloud.mailer()) };
                    let body = json!({"detail-type": event.detail_type, "detail": detail});
                    self.work("send_mail", &post, send_mail::handle, &body).await?;
                }
            }
        }
    }

    async fn work<'a, S, F, R>(
        &mut self,
        name: &str,
        state: &'a S,
        handle: F,
        body: &Value,
    ) -> Result<(), Failure>
    where
        F: Fn(&'a S, QueueMessage) -> R,
        R: Future<Output = worker::Handled> + Send,
    {
        self.test.db.reset_meter();
        let before = self.cloud.mails().len();
        let message = QueueMessage { message_id: "1".to_owned(), body: body.to_string() };
        handle(state, message).await.map_err(|error| Failure::Bench(format!("{name}: {error}")))?;
        let (meter, mails) = (self.test.db.meter(), self.cloud.mails().len().saturating_sub(before));
        self.note(name, &meter, json!({"mails": mails}));
        Ok(())
    }

    /// A product of two variants, in a category.
    async fn list_product(&mut self, seller: &TestUser) -> Result<TestAnswer, Failure> {
        let staff = self.test.staff("staff", Role::Admin).await;
        let category = TestCall::post("/v1/categories", &json!({"name": "Home"})).by(&staff);
        let category = self.call("create_category", catalog::create_category::handle, category).await?;
        let listing = json!({
            "title": "Mug", "description": "Thrown by hand.", "category": text(&category.body, "/id"),
            "price": {"amount": 2_400, "currency": "USD"}, "options": [{"name": "Glaze", "values": ["Oat", "Ink"]}],
            "variants": [
                {"options": [{"name": "Glaze", "value": "Oat"}], "quantity": 100},
                {"options": [{"name": "Glaze", "value": "Ink"}], "quantity": 100},
            ],
        });
        let listing = TestCall::post("/v1/products", &listing).by(seller);
        let product = self.call("create_product", catalog::create_product::handle, listing).await?;
        self.settle().await?;
        Ok(product)
    }
}

async fn hand_over<'a, S, F, R>(state: &'a S, handle: F, changes: &[&Change]) -> Result<(), Failure>
where
    F: Fn(&'a S, Vec<StreamRecord>) -> R,
    R: Future<Output = worker::Handled> + Send,
{
    let batch = serde_json::from_value(lambda_event(changes.iter().copied()))
        .map_err(|source| Failure::Json { what: "a batch of the stream", source })?;
    worker::stream_batch(state, &handle, batch).await.map_err(|error| Failure::Bench(error.to_string()))
}

/// The whole story.
async fn purchase() -> Result<Vec<Value>, Failure> {
    let test = TestApp::new().await;
    let cloud = TestCloud::default();
    let mut bench =
        Bench { test, cloud, gateway: FakeGateway::default(), rows: Vec::new(), phase: "preparation" };
    let slot = Arc::new(Slot::new(bench.cloud.secrets(600), "signing-keys"));
    bench.cloud.set_secret("signing-keys", "");
    rotate_signing_keys(&bench.test.app, slot.as_ref())
        .await
        .map_err(|error| Failure::Bench(error.to_string()))?;
    let issuer = Issuer::new(bench.test.app.clone(), slot);
    let seller = bench.test.seller("ada").await;
    let product = bench.list_product(&seller).await?;

    bench.phase = "sign-up";
    let account = json!({"email": "bob@example.com", "username": "bob", "password": PASSWORD});
    bench.call("register", identity::register::handle, TestCall::post("/v1/auth/register", &account)).await?;
    bench.settle().await?;
    let mails = bench.cloud.mails();
    let mail = mails.last().map(|mail| mail.text.clone()).unwrap_or_default();
    let token: String = mail
        .split("token=")
        .nth(1)
        .and_then(|rest| rest.split_whitespace().next())
        .unwrap_or_default()
        .to_owned();
    let verify = TestCall::post("/v1/auth/verify-email", &json!({"token": token}));
    bench.call("verify_email", identity::verify_email::handle, verify).await?;
    bench.settle().await?;

    bench.phase = "sign-in";
    let login = TestCall::post("/v1/auth/login", &json!({"login": "bob", "password": PASSWORD}));
    let signed_in = bench.measure("login", identity::login::handle(&issuer, login.request())).await?;
    let token = text(&signed_in.body, "/access_token");
    let by = |method, path: &str| TestCall::new(method, path).token(&token);
    bench.call("get_me", identity::get_me::handle, by("GET", "/v1/users/me")).await?;
    let address = json!({
        "name": "Bob Example", "line1": "1 Market Street", "city": "Springfield", "region": "IL",
        "postal_code": "62701", "country": "US",
    });
    let address = by("POST", "/v1/users/me/addresses").json(&address);
    let address = bench.call("add_address", identity::add_address::handle, address).await?;

    bench.phase = "browsing";
    let list = by("GET", "/v1/products").query("limit", "20");
    bench.call("list_products", catalog::list_products::handle, list).await?;
    let product_id = text(&product.body, "/id");
    let get = by("GET", "/v1/products/x").parameter("product", &product_id);
    bench.call("get_product", catalog::get_product::handle, get).await?;

    bench.phase = "cart to paid";
    let cart = bench.call("create_cart", cart::create_cart::handle, by("POST", "/v1/carts")).await?;
    let cart = text(&cart.body, "/id");
    for line in ["/variants/0/id", "/variants/1/id"] {
        let put = by("PUT", "/v1/carts/x/lines/y")
            .parameter("cart", &cart)
            .parameter("variant", &text(&product.body, line))
            .json(&json!({"quantity": 1}));
        bench.call("put_cart_line", cart::put_cart_line::handle, put).await?;
    }
    let address = text(&address.body, "/id");
    let quote = by("POST", "/v1/carts/x/quote").parameter("cart", &cart).json(&json!({"address": address}));
    let quote = bench.call("quote_cart", cart::quote_cart::handle, quote).await?;
    let body = json!({"cart": cart, "address": address, "quote": text(&quote.body, "/hash")});
    let place = by("POST", "/v1/orders").key("one").json(&body);
    let order = bench.call("place_order", orders::place_order::handle, place).await?;
    let order = text(&order.body, "/id");
    let start =
        by("POST", "/v1/orders/x/payments").parameter("order", &order).json(&json!({"gateway": "stripe"}));
    let payments = payments::start_payment::Payments {
        app: bench.test.app.clone(),
        gateways: Gateways::default().with(bench.gateway.clone()),
    };
    let started =
        bench.measure("start_payment", payments::start_payment::handle(&payments, start.request())).await?;
    let events = PaymentCommands { app: bench.test.app.clone(), gateways: Gateways::default() };
    let amount = started.body.pointer("/amount/amount").unwrap_or(&Value::Null);
    let event = stripe_event(&order, &text(&started.body, "/provider_id"), amount);
    bench.work("process_payment_events", &events, process_payment_events::handle, &event).await?;
    bench.settle().await?;
    let get = by("GET", "/v1/orders/x").parameter("order", &order);
    bench.call("get_order", orders::get_order::handle, get).await?;

    bench.phase = "shipped and delivered";
    let part = seller.seller();
    let on_part = |call: TestCall| call.parameter("order", &order).parameter("part", part.as_str());
    let ship = on_part(TestCall::post(
        "/v1/orders/x/parts/y/shipments",
        &json!({"carrier": "dhl", "tracking_number": "00340434161094042557"}),
    ));
    bench.call("ship_part", shipping::ship_part::handle, ship.by(&seller)).await?;
    bench.settle().await?;
    let confirm = on_part(by("POST", "/v1/orders/x/parts/y/confirm-delivery"));
    bench.call("confirm_delivery", shipping::confirm_delivery::handle, confirm).await?;
    bench.settle().await?;
    Ok(bench.rows)
}

/// What Stripe says of a payment that went well.
fn stripe_event(order: &str, payment: &str, amount: &Value) -> Value {
    json!({
        "id": "evt_1", "object": "event", "api_version": "2025-03-31.basil", "created": 1_798_761_600,
        "livemode": false, "pending_webhooks": 1, "type": "payment_intent.succeeded",
        "request": {"id": "req_1", "idempotency_key": null},
        "data": {"object": {
            "id": payment, "object": "payment_intent", "amount": amount, "amount_received": amount,
            "currency": "usd", "status": "succeeded", "customer": null,
            "metadata": {"order_id": order, "attempt": "1"}, "last_payment_error": null,
        }},
    })
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}
