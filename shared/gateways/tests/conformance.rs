//! What every gateway owes, whoever is behind it: the same cases, each against the stand-in of its provider.
//!
//! A gateway is added by its adapter, a stand-in, a [`Till`] and a line at the end.
#![cfg(all(feature = "stripe", feature = "chapa", feature = "paypal"))]
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may fail them")]

use std::{sync::Arc, time::Duration};

use sutler_domain::{
    money::Currency,
    time::{Clock, Timestamp},
};
use sutler_gateways::{
    calls::CallLimits,
    chapa::ChapaGateway,
    payment::{
        GatewayError, PaymentGateway, PaymentStatus, ProviderRefund, RefundPayment, RefundStatus,
        StartPayment, StartedPayment,
    },
    paypal::PayPalGateway,
    secret::Secret,
    stripe::StripeGateway,
    stripe_checkout::StripeCheckoutGateway,
};
use sutler_providers::{Answer, Fault, Providers, chapa, paypal, stripe};

/// Short, so that a test of time-outs does not wait long.
const LIMITS: CallLimits = CallLimits {
    deadline: Duration::from_secs(8),
    try_timeout: Duration::from_millis(400),
    tries_max: 4,
    backoff: Duration::from_millis(4),
};
/// Longer than one try may take.
const TOO_SLOW_MS: u64 = 600;
const TOTAL: u64 = 2_599;

/// A call that a test breaks.
#[derive(Debug, Clone, Copy)]
enum On {
    Start,
    Settle,
    Cancel,
    Refund,
}

/// A provider: our adapter, and what buyers and tests may do behind it.
trait Till {
    /// Whether starting a payment again answers the same payment. If not, it is [`GatewayError::Unrepeatable`].
    const REPEATS_START: bool;

    fn open(providers: Providers, key_is_good: bool) -> Self;
    fn gateway(&self) -> &dyn PaymentGateway;
    /// The buyer does all they have to; whether it helped is seen later.
    fn pay(&self, id: &str);
    /// The buyer tries, and the bank says no.
    fn try_in_vain(&self, id: &str);
    fn alter(&self, id: &str, amount_minor: u64);
    fn inject(&self, on: On, fault: Fault<()>);
    /// How many payments there are.
    fn payments(&self) -> usize;
    fn taken_minor(&self) -> u64;
    fn refunded_minor(&self) -> u64;
}

/// The same fault of one provider's call.
fn on<O>(fault: Fault<()>, operation: O) -> Fault<O> {
    let Fault { times, operation: _, when, answer, delay_ms, kept } = fault;
    Fault { times, operation: Some(operation), when, answer, delay_ms, kept }
}

struct StandingClock;

impl Clock for StandingClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_798_761_600_000)
    }
}

struct StripeTill(Providers, StripeGateway);

impl Till for StripeTill {
    const REPEATS_START: bool = true;

    fn open(providers: Providers, key_is_good: bool) -> Self {
        let key = Secret::new(if key_is_good { "sk_test_1" } else { "sk_bad_1" });
        let gateway = StripeGateway::try_new(&key, Some(&providers.stripe_url()), LIMITS).unwrap();
        Self(providers, gateway)
    }

    fn gateway(&self) -> &dyn PaymentGateway {
        &self.1
    }

    fn pay(&self, id: &str) {
        drop(self.0.stripe().confirm(id, "pm_card_visa"));
    }

    fn try_in_vain(&self, id: &str) {
        drop(self.0.stripe().confirm(id, "pm_card_chargeDeclined"));
    }

    fn alter(&self, id: &str, amount_minor: u64) {
        let changes = stripe::IntentChanges { amount: Some(amount_minor), ..Default::default() };
        self.0.stripe().alter_intent(id, changes).unwrap();
    }

    fn inject(&self, call: On, fault: Fault<()>) {
        let operation = match call {
            On::Start => stripe::Operation::CreateIntent,
            On::Settle => stripe::Operation::RetrieveIntent,
            On::Cancel => stripe::Operation::CancelIntent,
            On::Refund => stripe::Operation::CreateRefund,
        };
        self.0.stripe().inject(on(fault, operation));
    }

    fn payments(&self) -> usize {
        self.0.stripe().snapshot().intents.len()
    }

    fn taken_minor(&self) -> u64 {
        self.0.stripe().snapshot().charges.iter().map(|charge| charge.amount).sum()
    }

    fn refunded_minor(&self) -> u64 {
        self.0.stripe().snapshot().refunds.iter().map(|refund| refund.amount).sum()
    }
}

struct CheckoutTill(StripeTill, StripeCheckoutGateway);

impl Till for CheckoutTill {
    const REPEATS_START: bool = true;

    fn open(providers: Providers, key_is_good: bool) -> Self {
        let till = StripeTill::open(providers, key_is_good);
        let gateway = StripeCheckoutGateway::new(till.1.clone());
        Self(till, gateway)
    }

    fn gateway(&self) -> &dyn PaymentGateway {
        &self.1
    }

    fn pay(&self, id: &str) {
        drop(self.0.0.stripe().pay_session(id, "pm_card_visa"));
    }

    fn try_in_vain(&self, id: &str) {
        drop(self.0.0.stripe().pay_session(id, "pm_card_chargeDeclined"));
    }

    fn alter(&self, id: &str, amount_minor: u64) {
        self.0.0.stripe().alter_session(id, amount_minor).unwrap();
    }

    fn inject(&self, call: On, fault: Fault<()>) {
        let operation = match call {
            On::Start => stripe::Operation::CreateSession,
            On::Settle => stripe::Operation::RetrieveSession,
            On::Cancel => stripe::Operation::ExpireSession,
            On::Refund => stripe::Operation::CreateRefund,
        };
        self.0.0.stripe().inject(on(fault, operation));
    }

    fn payments(&self) -> usize {
        self.0.0.stripe().snapshot().sessions.len()
    }

    fn taken_minor(&self) -> u64 {
        self.0.taken_minor()
    }

    fn refunded_minor(&self) -> u64 {
        self.0.refunded_minor()
    }
}

struct ChapaTill(Providers, ChapaGateway);

impl Till for ChapaTill {
    const REPEATS_START: bool = false;

    fn open(providers: Providers, key_is_good: bool) -> Self {
        let key = Secret::new(if key_is_good { "CHASECK_TEST-1" } else { "CHASECK-1" });
        let gateway = ChapaGateway::new(&key, Some(&providers.chapa_url()), LIMITS);
        Self(providers, gateway)
    }

    fn gateway(&self) -> &dyn PaymentGateway {
        &self.1
    }

    fn pay(&self, id: &str) {
        drop(self.0.chapa().pay(id));
    }

    fn try_in_vain(&self, id: &str) {
        drop(self.0.chapa().decline(id));
    }

    fn alter(&self, id: &str, amount_minor: u64) {
        self.0.chapa().alter(id, amount_minor).unwrap();
    }

    fn inject(&self, call: On, fault: Fault<()>) {
        let operation = match call {
            On::Start => chapa::Operation::Initialize,
            On::Settle => chapa::Operation::Verify,
            On::Cancel => chapa::Operation::Cancel,
            On::Refund => chapa::Operation::Refund,
        };
        self.0.chapa().inject(on(fault, operation));
    }

    fn payments(&self) -> usize {
        self.0.chapa().snapshot().transactions.len()
    }

    fn taken_minor(&self) -> u64 {
        let all = self.0.chapa().snapshot().transactions;
        all.iter().filter(|one| one.status == chapa::Status::Success).map(|one| one.amount_minor).sum()
    }

    fn refunded_minor(&self) -> u64 {
        self.0.chapa().snapshot().refunds.iter().map(|refund| refund.amount_minor).sum()
    }
}

struct PayPalTill(Providers, PayPalGateway);

impl Till for PayPalTill {
    const REPEATS_START: bool = true;

    fn open(providers: Providers, key_is_good: bool) -> Self {
        let credentials = Secret::new(if key_is_good { "client_test_1:secret" } else { "other:secret" });
        let url = providers.paypal_url();
        let gateway = PayPalGateway::new(&credentials, Some(&url), LIMITS, Arc::new(StandingClock));
        Self(providers, gateway)
    }

    fn gateway(&self) -> &dyn PaymentGateway {
        &self.1
    }

    fn pay(&self, id: &str) {
        drop(self.0.paypal().approve(id));
    }

    fn try_in_vain(&self, id: &str) {
        drop((self.0.paypal().decline_next(id), self.0.paypal().approve(id)));
    }

    fn alter(&self, id: &str, amount_minor: u64) {
        self.0.paypal().alter(id, amount_minor).unwrap();
    }

    fn inject(&self, call: On, fault: Fault<()>) {
        let operation = match call {
            On::Start => paypal::Operation::CreateOrder,
            On::Settle => paypal::Operation::CaptureOrder,
            On::Cancel => paypal::Operation::GetOrder,
            On::Refund => paypal::Operation::RefundCapture,
        };
        self.0.paypal().inject(on(fault, operation));
    }

    fn payments(&self) -> usize {
        self.0.paypal().snapshot().orders.len()
    }

    fn taken_minor(&self) -> u64 {
        let orders = self.0.paypal().snapshot().orders;
        orders.iter().filter_map(|order| order.capture.as_ref()).map(|capture| capture.amount_minor).sum()
    }

    fn refunded_minor(&self) -> u64 {
        let orders = self.0.paypal().snapshot().orders;
        let captures = orders.iter().filter_map(|order| order.capture.as_ref());
        captures.flat_map(|capture| &capture.refunds).map(|refund| refund.amount_minor).sum()
    }
}

async fn till<T: Till>() -> T {
    T::open(Providers::start().await.unwrap(), true)
}

fn attempt(number: u32) -> StartPayment {
    StartPayment {
        order_id: "ord_01J8ZQ5K3N0V7X2Y4T6B8D9FGH".to_owned(),
        attempt: number,
        amount_minor: TOTAL,
        currency: "USD".to_owned(),
        description: "Order ord_01J8ZQ5K3N0V7X2Y4T6B8D9FGH".to_owned(),
        return_url: "https://api.example.com/v1/payments/x/return?order=ord_1&attempt=1".to_owned(),
        email: Secret::new("bob@example.com"),
    }
}

async fn start<T: Till>(till: &T) -> Result<StartedPayment, GatewayError> {
    till.gateway().start(&attempt(1)).await
}

async fn settle<T: Till>(
    till: &T,
    id: &str,
) -> Result<sutler_gateways::payment::ProviderPayment, GatewayError> {
    till.gateway().settle(id, "ord_01J8ZQ5K3N0V7X2Y4T6B8D9FGH/1/settle").await
}

/// A payment whose money was taken.
async fn paid<T: Till>(till: &T) -> String {
    let id = start(till).await.unwrap().provider_id;
    till.pay(&id);
    assert_eq!(settle(till, &id).await.unwrap().status, PaymentStatus::Succeeded);
    id
}

fn refund_request(id: &str, number: u32, amount: u64) -> RefundPayment {
    RefundPayment {
        payment: id.to_owned(),
        order_id: attempt(1).order_id,
        attempt: 1,
        number,
        amount_minor: amount,
        currency: "USD".to_owned(),
    }
}

async fn refund<T: Till>(
    till: &T,
    id: &str,
    number: u32,
    amount: u64,
) -> Result<ProviderRefund, GatewayError> {
    till.gateway().refund(&refund_request(id, number, amount)).await
}

/// What may happen on the way to a provider and back.
fn troubles() -> [Fault<()>; 6] {
    [
        Fault::new(Answer::Drop),
        Fault::new(Answer::Drop).after_effect(),
        Fault::new(Answer::Status(503)).after_effect(),
        Fault::new(Answer::Garbage(502)).times(2),
        Fault::new(Answer::Status(429)),
        Fault::slow(TOO_SLOW_MS).after_effect(),
    ]
}

async fn money_that_came_is_told_with_amount_order_and_attempt<T: Till>() {
    let till: T = till().await;
    let started = start(&till).await.unwrap();
    assert_eq!(started.status, PaymentStatus::AwaitingBuyer);
    assert!(started.client_secret.is_some() || started.redirect_url.is_some(), "a buyer has to be told how");
    till.pay(&started.provider_id);
    let payment = settle(&till, &started.provider_id).await.unwrap();
    assert_eq!(payment.status, PaymentStatus::Succeeded);
    assert_eq!((payment.amount_minor, payment.amount_received_minor), (TOTAL, TOTAL));
    assert_eq!((payment.currency.as_str(), payment.provider_id), ("USD", started.provider_id.clone()));
    assert_eq!((payment.order_id, payment.attempt), (Some(attempt(1).order_id), Some(1)));
    let again = till.gateway().look_up(&started.provider_id).await.unwrap();
    assert_eq!((again.status, again.amount_received_minor), (PaymentStatus::Succeeded, TOTAL));
    assert_eq!(till.taken_minor(), TOTAL);
}

async fn a_payment_the_bank_refuses_stays_open_and_can_be_paid_after_all<T: Till>() {
    let till: T = till().await;
    let id = start(&till).await.unwrap().provider_id;
    till.try_in_vain(&id);
    let payment = settle(&till, &id).await.unwrap();
    assert_eq!(payment.status, PaymentStatus::AwaitingBuyer);
    assert!(payment.last_error_code.is_some());
    assert_eq!((payment.amount_received_minor, till.taken_minor()), (0, 0));
    till.pay(&id);
    assert_eq!(settle(&till, &id).await.unwrap().status, PaymentStatus::Succeeded);
    assert_eq!(till.taken_minor(), TOTAL);
}

async fn a_payment_that_nobody_pays_waits<T: Till>() {
    let till: T = till().await;
    let id = start(&till).await.unwrap().provider_id;
    for _ in 0..2 {
        assert_eq!(till.gateway().look_up(&id).await.unwrap().status, PaymentStatus::AwaitingBuyer);
        assert_eq!(settle(&till, &id).await.unwrap().status, PaymentStatus::AwaitingBuyer);
    }
    assert_eq!(till.taken_minor(), 0);
}

async fn one_attempt_is_one_payment_however_often_it_is_started<T: Till>() {
    let till: T = till().await;
    let first = start(&till).await.unwrap();
    match start(&till).await {
        Ok(again) => {
            assert!(T::REPEATS_START);
            assert_eq!((again.provider_id, again.redirect_url), (first.provider_id, first.redirect_url));
        }
        Err(GatewayError::Unrepeatable { provider_id }) => {
            assert!(!T::REPEATS_START);
            assert_eq!(provider_id, first.provider_id);
        }
        Err(other) => panic!("{other:?}"),
    }
    assert_eq!(till.payments(), 1);
    till.gateway().start(&attempt(2)).await.unwrap();
    assert_eq!(till.payments(), 2);
}

async fn a_start_that_gets_lost_makes_no_second_payment<T: Till>() {
    for trouble in troubles() {
        let till: T = till().await;
        till.inject(On::Start, trouble);
        match start(&till).await {
            Ok(started) => assert!(!started.provider_id.is_empty(), "{trouble:?}"),
            Err(GatewayError::Unrepeatable { .. }) => assert!(!T::REPEATS_START, "{trouble:?}"),
            Err(other) => panic!("{trouble:?}: {other:?}"),
        }
        assert_eq!(till.payments(), 1, "{trouble:?}");
    }
}

async fn settling_takes_the_money_once_whatever_gets_lost<T: Till>() {
    for trouble in troubles() {
        let till: T = till().await;
        let id = start(&till).await.unwrap().provider_id;
        till.pay(&id);
        till.inject(On::Settle, trouble);
        for _ in 0..2 {
            let payment = settle(&till, &id).await.unwrap_or_else(|error| panic!("{trouble:?}: {error:?}"));
            assert_eq!(payment.status, PaymentStatus::Succeeded, "{trouble:?}");
        }
        assert_eq!(till.taken_minor(), TOTAL, "{trouble:?}");
    }
}

async fn a_settlement_nobody_answers_is_no_refusal<T: Till>() {
    let till: T = till().await;
    let id = start(&till).await.unwrap().provider_id;
    till.pay(&id);
    till.inject(On::Settle, Fault::new(Answer::Status(500)).times(4));
    let outage = settle(&till, &id).await.unwrap_err();
    assert!(matches!(outage, GatewayError::OutcomeUnknown(_) | GatewayError::Unavailable(_)), "{outage:?}");
    assert_eq!(settle(&till, &id).await.unwrap().status, PaymentStatus::Succeeded);
    assert_eq!(till.taken_minor(), TOTAL);
}

async fn a_cancelled_payment_takes_nothing<T: Till>() {
    for trouble in troubles() {
        let till: T = till().await;
        let id = start(&till).await.unwrap().provider_id;
        till.inject(On::Cancel, trouble);
        for _ in 0..2 {
            let answer = till.gateway().cancel(&id, "cancel").await;
            let payment = answer.unwrap_or_else(|error| panic!("{trouble:?}: {error:?}"));
            assert_eq!(payment.status, PaymentStatus::Cancelled, "{trouble:?}");
        }
        till.pay(&id);
        assert_eq!(till.taken_minor(), 0, "{trouble:?}");
    }
}

async fn money_that_came_first_is_told_to_who_cancels<T: Till>() {
    let till: T = till().await;
    let id = paid(&till).await;
    let payment = till.gateway().cancel(&id, "cancel").await.unwrap();
    assert_eq!((payment.status, payment.amount_received_minor), (PaymentStatus::Succeeded, TOTAL));
}

async fn another_amount_than_asked_is_told<T: Till>() {
    let till: T = till().await;
    let id = start(&till).await.unwrap().provider_id;
    till.alter(&id, 100);
    till.pay(&id);
    let payment = settle(&till, &id).await.unwrap();
    assert_eq!((payment.status, payment.amount_received_minor), (PaymentStatus::Succeeded, 100));
}

async fn a_refund_that_is_repeated_is_one_refund<T: Till>() {
    for trouble in troubles() {
        let till: T = till().await;
        let id = paid(&till).await;
        till.inject(On::Refund, trouble);
        for _ in 0..2 {
            let answer = refund(&till, &id, 1, TOTAL).await;
            let made = answer.unwrap_or_else(|error| panic!("{trouble:?}: {error:?}"));
            assert!(matches!(made.status, RefundStatus::Succeeded | RefundStatus::Pending), "{made:?}");
            assert_eq!((made.amount_minor, made.currency.as_str()), (TOTAL, "USD"));
        }
        assert_eq!(till.refunded_minor(), TOTAL, "{trouble:?}");
    }
}

async fn parts_go_back_until_nothing_is_left<T: Till>() {
    let till: T = till().await;
    let id = paid(&till).await;
    refund(&till, &id, 1, 1_000).await.unwrap();
    refund(&till, &id, 2, 1_000).await.unwrap();
    assert_eq!(till.refunded_minor(), 2_000);
    assert!(matches!(refund(&till, &id, 3, 600).await, Err(GatewayError::Rejected(_))), "more than is left");
    refund(&till, &id, 4, 599).await.unwrap();
    assert!(matches!(refund(&till, &id, 5, 1).await, Err(GatewayError::Rejected(_))), "nothing is left");
    assert_eq!(till.refunded_minor(), TOTAL);
}

async fn a_refund_that_is_asked_about_is_the_one_that_was_made<T: Till>() {
    let till: T = till().await;
    let id = paid(&till).await;
    let made = [refund(&till, &id, 1, 1_000).await.unwrap(), refund(&till, &id, 2, 500).await.unwrap()];
    for (number, made) in (1..).zip(&made) {
        let request = refund_request(&id, number, made.amount_minor);
        let found = till.gateway().look_up_refund(&request, &made.provider_id).await.unwrap();
        assert_eq!((found.amount_minor, found.currency.as_str()), (made.amount_minor, "USD"));
        assert!(matches!(found.status, RefundStatus::Succeeded | RefundStatus::Pending), "{found:?}");
    }
    assert_eq!(till.refunded_minor(), 1_500);
}

async fn what_was_never_paid_is_not_refunded<T: Till>() {
    let till: T = till().await;
    let id = start(&till).await.unwrap().provider_id;
    assert!(matches!(refund(&till, &id, 1, TOTAL).await, Err(GatewayError::Rejected(_))));
    assert_eq!(till.refunded_minor(), 0);
}

async fn a_wrong_key_is_our_fault_and_is_not_shown<T: Till>() {
    let till = T::open(Providers::start().await.unwrap(), false);
    let refused = start(&till).await.unwrap_err();
    assert!(matches!(refused, GatewayError::Rejected(_)), "{refused:?}");
    let shown = format!("{refused:?} {refused}");
    for secret in ["sk_bad", "CHASECK", "other", "b3RoZXI"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert_eq!(till.payments(), 0);
}

async fn ids_that_are_not_the_providers_lead_nowhere<T: Till>() {
    let till: T = till().await;
    for hostile in ["", "../../v1/refunds", "a/b", "a?b=c", "a b", "\u{e9}", "pi_1/cancel"] {
        assert!(till.gateway().look_up(hostile).await.is_err(), "{hostile:?}");
        assert!(till.gateway().cancel(hostile, "cancel").await.is_err(), "{hostile:?}");
        assert!(settle(&till, hostile).await.is_err(), "{hostile:?}");
        assert!(refund(&till, hostile, 1, 1).await.is_err(), "{hostile:?}");
    }
}

async fn every_gateway_says_which_currencies_it_takes<T: Till>() {
    let till: T = till().await;
    assert!(till.gateway().takes(Currency::Usd));
    assert!(!till.gateway().gateway().is_empty());
}

/// All cases, for each gateway.
macro_rules! conformance {
    ($($name:ident: $till:ty),+ $(,)?) => {$(
        mod $name {
            conformance!(@cases $till;
                money_that_came_is_told_with_amount_order_and_attempt,
                a_payment_the_bank_refuses_stays_open_and_can_be_paid_after_all,
                a_payment_that_nobody_pays_waits,
                one_attempt_is_one_payment_however_often_it_is_started,
                a_start_that_gets_lost_makes_no_second_payment,
                settling_takes_the_money_once_whatever_gets_lost,
                a_settlement_nobody_answers_is_no_refusal,
                a_cancelled_payment_takes_nothing,
                money_that_came_first_is_told_to_who_cancels,
                another_amount_than_asked_is_told,
                a_refund_that_is_repeated_is_one_refund,
                a_refund_that_is_asked_about_is_the_one_that_was_made,
                parts_go_back_until_nothing_is_left,
                what_was_never_paid_is_not_refunded,
                a_wrong_key_is_our_fault_and_is_not_shown,
                ids_that_are_not_the_providers_lead_nowhere,
                every_gateway_says_which_currencies_it_takes,
            );
        }
    )+};
    (@cases $till:ty; $($case:ident),+ $(,)?) => {$(
        #[tokio::test]
        async fn $case() {
            super::$case::<$till>().await;
        }
    )+};
}

conformance! {
    by_stripe: super::StripeTill,
    by_stripe_checkout: super::CheckoutTill,
    by_chapa: super::ChapaTill,
    by_paypal: super::PayPalTill,
}
