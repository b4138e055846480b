//! The adapter of Stripe against the stand-in, over HTTP.
#![cfg(feature = "stripe")]
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail them")]

use std::time::Duration;

use sutler_gateways::{
    payment::{
        GatewayError, PaymentGateway, PaymentStatus, ProviderRefund, RefundPayment, RefundStatus,
        StartPayment, StartedPayment,
    },
    secret::Secret,
    stripe::{CallLimits, StripeGateway},
};
use sutler_providers::{
    Providers,
    stripe::{Answer, Challenge, Fault, IntentStatus, Operation, RefundStatus as BankSays},
};

/// Short, so that a test of time-outs does not wait long.
const LIMITS: CallLimits = CallLimits {
    deadline: Duration::from_secs(4),
    try_timeout: Duration::from_millis(300),
    tries_max: 4,
    backoff: Duration::from_millis(4),
};
/// Longer than one try may take.
const TOO_SLOW_MS: u64 = 500;

struct Shop {
    providers: Providers,
    gateway: StripeGateway,
}

impl Shop {
    async fn open() -> Self {
        Self::with(LIMITS).await
    }

    async fn with(limits: CallLimits) -> Self {
        let providers = Providers::start().await.unwrap();
        let gateway = gateway(&providers.stripe_url(), "sk_test_1", limits);
        Self { providers, gateway }
    }

    async fn start(&self) -> Result<StartedPayment, GatewayError> {
        self.gateway.start(&attempt()).await
    }

    async fn paid(&self) -> String {
        let id = self.start().await.unwrap().provider_id;
        self.providers.stripe().confirm(&id, "pm_card_visa").unwrap();
        id
    }

    async fn refund(
        &self,
        payment: &str,
        number: u32,
        amount_minor: u64,
    ) -> Result<ProviderRefund, GatewayError> {
        let (payment, order_id, currency) = (payment.to_owned(), attempt().order_id, attempt().currency);
        let refund = RefundPayment { payment, order_id, attempt: 1, number, amount_minor, currency };
        self.gateway.refund(&refund).await
    }

    fn inject(&self, fault: Fault) {
        self.providers.stripe().inject(fault);
    }

    fn intents(&self) -> usize {
        self.providers.stripe().snapshot().intents.len()
    }

    fn calls(&self, operation: Operation) -> u64 {
        self.providers.stripe().calls().get(&operation).copied().unwrap_or_default()
    }
}

fn gateway(url: &str, key: &str, limits: CallLimits) -> StripeGateway {
    StripeGateway::try_new(&Secret::new(key), Some(url), limits).unwrap()
}

fn attempt() -> StartPayment {
    StartPayment {
        order_id: "ord_01J8ZQ5K3N0V7X2Y4T6B8D9FGH".to_owned(),
        attempt: 1,
        amount_minor: 2599,
        currency: "USD".to_owned(),
        description: "Two mugs & a kettle".to_owned(),
        return_url: String::new(),
        email: Secret::new("bob@example.com"),
    }
}

#[tokio::test]
async fn a_started_payment_carries_our_ids_and_a_secret_for_the_buyer() {
    let shop = Shop::open().await;
    let started = shop.start().await.unwrap();
    assert_eq!(started.status, PaymentStatus::AwaitingBuyer);
    let intent = &shop.providers.stripe().snapshot().intents[0];
    assert_eq!(started.client_secret.as_ref().map(Secret::expose), Some(intent.client_secret.as_str()));
    assert!(!format!("{started:?}").contains(&intent.client_secret));
    assert_eq!((intent.amount, intent.currency.as_str()), (2599, "usd"));
    assert_eq!(intent.metadata["order_id"], attempt().order_id);
    assert_eq!(intent.metadata["attempt"], "1");
    assert_eq!(intent.description.as_deref(), Some("Two mugs & a kettle"));
    assert_eq!(shop.gateway.gateway(), "stripe");
}

#[tokio::test]
async fn a_paid_payment_is_looked_up_with_what_was_taken() {
    let shop = Shop::open().await;
    let id = shop.paid().await;
    let payment = shop.gateway.look_up(&id).await.unwrap();
    assert_eq!(payment.status, PaymentStatus::Succeeded);
    assert_eq!((payment.amount_minor, payment.amount_received_minor), (2599, 2599));
    assert_eq!(payment.currency, "USD");
    assert_eq!((payment.order_id, payment.attempt), (Some(attempt().order_id), Some(1)));
    assert_eq!(payment.last_error_code, None);
}

#[tokio::test]
async fn a_declined_card_leaves_the_payment_open_with_its_reason() {
    let shop = Shop::open().await;
    let id = shop.start().await.unwrap().provider_id;
    assert!(shop.providers.stripe().confirm(&id, "pm_card_chargeDeclined").is_err());
    let payment = shop.gateway.look_up(&id).await.unwrap();
    assert_eq!(payment.status, PaymentStatus::AwaitingBuyer);
    assert_eq!(payment.last_error_code.as_deref(), Some("card_declined"));
}

#[tokio::test]
async fn a_challenged_payment_requires_action_until_it_is_answered() {
    let shop = Shop::open().await;
    let id = shop.start().await.unwrap().provider_id;
    shop.providers.stripe().confirm(&id, "pm_card_authenticationRequired").unwrap();
    assert_eq!(shop.gateway.look_up(&id).await.unwrap().status, PaymentStatus::RequiresAction);
    shop.providers.stripe().authenticate(&id, Challenge::Passed).unwrap();
    assert_eq!(shop.gateway.look_up(&id).await.unwrap().status, PaymentStatus::Succeeded);
}

#[tokio::test]
async fn one_attempt_is_one_payment_however_often_it_is_started() {
    let shop = Shop::open().await;
    let (first, second) = tokio::join!(shop.start(), shop.start());
    assert_eq!(first.unwrap(), second.unwrap());
    assert_eq!(shop.intents(), 1);
    let changed = StartPayment { amount_minor: 1000, ..attempt() };
    assert!(matches!(shop.gateway.start(&changed).await, Err(GatewayError::Rejected(_))));
    let next = StartPayment { attempt: 2, ..attempt() };
    shop.gateway.start(&next).await.unwrap();
    assert_eq!(shop.intents(), 2);
}

#[tokio::test]
async fn passing_failures_before_and_after_the_effect_make_no_second_payment() {
    let shop = Shop::open().await;
    for fault in [
        Fault::new(Answer::Status(500)).times(2),
        Fault::new(Answer::Status(503)).after_effect(),
        Fault::new(Answer::Status(409)),
        Fault::new(Answer::Status(424)),
        Fault::new(Answer::Status(429)),
        Fault::new(Answer::Garbage(502)),
        Fault::new(Answer::Garbage(200)).after_effect(),
        Fault::new(Answer::Drop),
        Fault::new(Answer::Drop).after_effect(),
        Fault::slow(TOO_SLOW_MS).after_effect(),
    ] {
        shop.providers.stripe().reset();
        shop.inject(fault);
        let started = shop.start().await.unwrap_or_else(|error| panic!("{fault:?}: {error:?}"));
        let snapshot = shop.providers.stripe().snapshot();
        assert_eq!(snapshot.intents.len(), 1, "{fault:?}");
        assert_eq!(started.provider_id, snapshot.intents[0].id, "{fault:?}");
        assert_eq!(shop.calls(Operation::CreateIntent), u64::from(fault.times) + 1, "{fault:?}");
    }
}

#[tokio::test]
async fn a_call_that_takes_effect_late_is_found_by_its_key() {
    let shop = Shop::with(CallLimits { backoff: Duration::from_millis(200), ..LIMITS }).await;
    shop.inject(Fault::slow(TOO_SLOW_MS));
    shop.start().await.unwrap();
    assert_eq!(shop.intents(), 1);
}

#[tokio::test]
async fn what_may_have_happened_is_an_unknown_outcome() {
    let shop = Shop::open().await;
    for fault in [
        Fault::new(Answer::Status(500)),
        Fault::new(Answer::Drop).after_effect(),
        Fault::new(Answer::Garbage(504)).after_effect(),
        Fault::slow(TOO_SLOW_MS).after_effect(),
    ] {
        shop.providers.stripe().reset();
        shop.inject(fault.times(LIMITS.tries_max));
        let outcome = shop.start().await;
        assert!(matches!(outcome, Err(GatewayError::OutcomeUnknown(_))), "{fault:?}: {outcome:?}");
        assert_eq!(shop.calls(Operation::CreateIntent), u64::from(LIMITS.tries_max));
        // Asked again with the same key, it is known.
        shop.start().await.unwrap();
        assert_eq!(shop.intents(), 1, "{fault:?}");
    }
}

#[tokio::test]
async fn an_error_that_stripe_keeps_under_the_key_stays_an_unknown_outcome() {
    let shop = Shop::open().await;
    shop.inject(Fault::new(Answer::Status(500)).after_effect().kept());
    assert!(matches!(shop.start().await, Err(GatewayError::OutcomeUnknown(_))));
    assert!(matches!(shop.start().await, Err(GatewayError::OutcomeUnknown(_))));
    assert_eq!(shop.intents(), 1);
}

#[tokio::test]
async fn the_deadline_ends_a_call_whatever_tries_are_left() {
    let shop = Shop::with(CallLimits { deadline: Duration::from_millis(350), ..LIMITS }).await;
    shop.inject(Fault::slow(TOO_SLOW_MS).times(9));
    assert!(matches!(shop.start().await, Err(GatewayError::OutcomeUnknown(_))));
    assert!(shop.calls(Operation::CreateIntent) < u64::from(LIMITS.tries_max));
}

#[tokio::test]
async fn what_did_not_happen_is_unavailable() {
    let shop = Shop::open().await;
    shop.inject(Fault::new(Answer::Status(429)).times(LIMITS.tries_max));
    assert!(matches!(shop.start().await, Err(GatewayError::Unavailable(_))));
    let id = shop.start().await.unwrap().provider_id;
    shop.inject(Fault::new(Answer::Drop).times(LIMITS.tries_max));
    assert!(matches!(shop.gateway.look_up(&id).await, Err(GatewayError::Unavailable(_))));
}

#[tokio::test]
async fn what_will_never_work_is_rejected_at_once() {
    let shop = Shop::open().await;
    for wrong in [
        StartPayment { amount_minor: 0, ..attempt() },
        StartPayment { amount_minor: 1, attempt: 2, ..attempt() },
        StartPayment { amount_minor: u64::MAX, ..attempt() },
        StartPayment { currency: "XYZ".to_owned(), ..attempt() },
        StartPayment { order_id: "o".repeat(300), ..attempt() },
    ] {
        let outcome = shop.gateway.start(&wrong).await;
        assert!(matches!(outcome, Err(GatewayError::Rejected(_))), "{wrong:?}: {outcome:?}");
    }
    for id in ["pi_none", "", "ch_1", "pi_1/../../refunds", "pi_1?expand=x"] {
        let outcome = shop.gateway.look_up(id).await;
        assert!(matches!(outcome, Err(GatewayError::Rejected(_))), "{id}: {outcome:?}");
    }
    assert_eq!(shop.calls(Operation::RetrieveIntent), 1);
    let stranger = gateway(&shop.providers.stripe_url(), "sk_live_1", LIMITS);
    assert!(matches!(stranger.start(&attempt()).await, Err(GatewayError::Rejected(_))));
    assert_eq!(shop.intents(), 0);
}

#[tokio::test]
async fn a_decline_in_answer_to_a_call_is_told_apart() {
    let shop = Shop::open().await;
    shop.inject(Fault::new(Answer::Status(402)));
    assert!(matches!(shop.start().await, Err(GatewayError::Declined { .. })));
}

#[tokio::test]
async fn a_cancelled_payment_cannot_be_paid() {
    let shop = Shop::open().await;
    let id = shop.start().await.unwrap().provider_id;
    shop.inject(Fault::new(Answer::Drop).after_effect());
    for key in ["cancel", "cancel", "another"] {
        assert_eq!(shop.gateway.cancel(&id, key).await.unwrap().status, PaymentStatus::Cancelled);
    }
    assert!(shop.providers.stripe().confirm(&id, "pm_card_visa").is_err());
    assert_eq!(shop.providers.stripe().snapshot().intents[0].status, IntentStatus::Canceled);
}

#[tokio::test]
async fn cancelling_a_paid_payment_answers_that_it_is_paid() {
    let shop = Shop::open().await;
    let id = shop.paid().await;
    let payment = shop.gateway.cancel(&id, "cancel").await.unwrap();
    assert_eq!((payment.status, payment.amount_received_minor), (PaymentStatus::Succeeded, 2599));
    // Also when the first answer was lost and so could not be trusted.
    shop.inject(Fault::new(Answer::Drop).after_effect().on(Operation::CancelIntent));
    assert_eq!(shop.gateway.cancel(&id, "again").await.unwrap().status, PaymentStatus::Succeeded);
}

#[tokio::test]
async fn a_lost_answer_makes_no_second_refund() {
    let shop = Shop::open().await;
    let id = shop.paid().await;
    for fault in [Fault::new(Answer::Drop), Fault::slow(TOO_SLOW_MS), Fault::new(Answer::Status(500))] {
        shop.inject(fault.after_effect().on(Operation::CreateRefund));
    }
    let refund = shop.refund(&id, 1, 1000).await.unwrap();
    assert_eq!((refund.status, refund.amount_minor), (RefundStatus::Succeeded, 1000));
    assert_eq!(refund.currency, "USD");
    assert_eq!(shop.refund(&id, 1, 1000).await.unwrap(), refund);
    let snapshot = shop.providers.stripe().snapshot();
    assert_eq!((snapshot.refunds.len(), snapshot.charges[0].amount_refunded), (1, 1000));
    assert_eq!(snapshot.refunds[0].metadata["order_id"], attempt().order_id);
}

#[tokio::test]
async fn more_than_was_paid_is_never_refunded() {
    let shop = Shop::open().await;
    let id = shop.paid().await;
    shop.refund(&id, 1, 2000).await.unwrap();
    assert!(matches!(shop.refund(&id, 2, 600).await, Err(GatewayError::Rejected(_))));
    shop.refund(&id, 3, 599).await.unwrap();
    assert!(matches!(shop.refund(&id, 4, 1).await, Err(GatewayError::Rejected(_))));
    assert_eq!(shop.providers.stripe().snapshot().charges[0].amount_refunded, 2599);
}

#[tokio::test]
async fn a_refund_on_its_way_is_pending() {
    let shop = Shop::open().await;
    let id = shop.paid().await;
    shop.providers.stripe().keep_refunds_pending(true);
    let refund = shop.refund(&id, 1, 2599).await.unwrap();
    assert_eq!(refund.status, RefundStatus::Pending);
    shop.providers.stripe().settle(&refund.provider_id, BankSays::Failed).unwrap();
    assert_eq!(shop.refund(&id, 2, 2599).await.unwrap().amount_minor, 2599);
}

#[tokio::test]
async fn no_failure_shows_a_client_secret() {
    let shop = Shop::open().await;
    let id = shop.paid().await;
    let secret = shop.providers.stripe().snapshot().intents[0].client_secret.clone();
    // Stripe's own error carries the whole intent.
    shop.inject(Fault::new(Answer::Status(429)).times(LIMITS.tries_max).on(Operation::RetrieveIntent));
    let failure = shop.gateway.cancel(&id, "cancel").await.unwrap_err();
    assert!(!format!("{failure:?} {failure}").contains(&secret));
    let key = StripeGateway::try_new(&Secret::new("sk_test_\n"), None, LIMITS).unwrap_err();
    assert!(!format!("{key:?} {key}").contains("sk_test"));
    assert!(!format!("{:?}", shop.gateway).contains("sk_test"));
}
