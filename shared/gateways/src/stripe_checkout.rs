//! Stripe's own payment page: a session, and the payment that a buyer makes there. We know both by the session's id.

use async_trait::async_trait;
use stripe::StripeRequest;
use stripe_checkout::checkout_session::{
    CreateCheckoutSession, CreateCheckoutSessionAdaptivePricing,
    CreateCheckoutSessionAllowedPaymentMethodTypes, CreateCheckoutSessionLineItems,
    CreateCheckoutSessionLineItemsPriceData, CreateCheckoutSessionPaymentIntentData, ExpireCheckoutSession,
    ProductData, RetrieveCheckoutSession,
};
use stripe_shared::{CheckoutSession, CheckoutSessionMode, CheckoutSessionStatus};
use stripe_types::Expandable;
use sutler_domain::money::Currency;

use crate::{
    calls::Failure,
    payment::{
        GatewayError, PaymentGateway, PaymentStatus, ProviderPayment, ProviderRefund, RefundPayment,
        StartPayment, StartedPayment,
    },
    stripe::{
        StripeFailure, StripeGateway, checked_id, currency, idempotent, metadata, payment_of, signed,
        unsigned,
    },
    stripe_webhook::CHECKOUT,
};

/// What a retrieved session is to bring along.
const INTENT: &str = "payment_intent";

/// Payments on Stripe's pages.
#[derive(Debug, Clone)]
pub struct StripeCheckoutGateway {
    stripe: StripeGateway,
}

impl StripeCheckoutGateway {
    /// Calls Stripe as `stripe` does.
    #[must_use]
    pub fn new(stripe: StripeGateway) -> Self {
        Self { stripe }
    }

    async fn retrieve(&self, payment: &str) -> Result<CheckoutSession, GatewayError> {
        let request = RetrieveCheckoutSession::new(checked_id(payment, "cs_")?).expand([INTENT.to_owned()]);
        let send = || request.customize().send(self.stripe.client());
        Ok(self.stripe.call(payment, send).await.map_err(Failure::of_a_question)?)
    }

    /// The id of the payment that was made on the page, by which Stripe refunds.
    async fn intent_id(&self, payment: &str) -> Result<String, GatewayError> {
        match self.retrieve(payment).await?.payment_intent {
            Some(Expandable::Object(intent)) => Ok(intent.id.to_string()),
            Some(Expandable::Id(id)) => Ok(id.to_string()),
            None => Err(StripeFailure::Invalid("nobody paid on this page".to_owned()).rejected()),
        }
    }
}

#[async_trait]
impl PaymentGateway for StripeCheckoutGateway {
    fn gateway(&self) -> &'static str {
        CHECKOUT
    }

    fn takes(&self, currency: Currency) -> bool {
        self.stripe.takes(currency)
    }

    fn is_asked_on_return(&self) -> bool {
        false
    }

    // The page has the end that Stripe gives it, a day: one of our own would depend on the clock, and a repeated call
    // has to say the same as the first one. The end of the order closes it.
    async fn start(&self, attempt: &StartPayment) -> Result<StartedPayment, GatewayError> {
        let key = attempt.key();
        let strategy = idempotent(&key)?;
        let request = new_session(attempt)?;
        let send = || request.customize().request_strategy(strategy.clone()).send(self.stripe.client());
        let session = self.stripe.call(&key, send).await?;
        Ok(StartedPayment {
            provider_id: session.id.to_string(),
            status: PaymentStatus::AwaitingBuyer,
            client_secret: None,
            redirect_url: Some(session.url.ok_or_else(|| unreadable("a page without an address"))?),
        })
    }

    async fn look_up(&self, payment: &str) -> Result<ProviderPayment, GatewayError> {
        payment_on(&self.retrieve(payment).await?)
    }

    async fn cancel(&self, payment: &str, key: &str) -> Result<ProviderPayment, GatewayError> {
        let strategy = idempotent(key)?;
        let request = ExpireCheckoutSession::new(checked_id(payment, "cs_")?);
        let send = || request.customize().request_strategy(strategy.clone()).send(self.stripe.client());
        let refusal = match self.stripe.call(key, send).await {
            Ok(_) => None,
            // It was paid or closed before; which of them is the answer.
            Err(failure) if matches!(failure.cause, StripeFailure::Refused { status: 400, .. }) => {
                Some(failure)
            }
            Err(failure) => return Err(failure.into()),
        };
        let session = self.retrieve(payment).await?;
        match refusal {
            Some(failure) if session.status == Some(CheckoutSessionStatus::Open) => Err(failure.into()),
            Some(_) | None => payment_on(&session),
        }
    }

    async fn refund(&self, refund: &RefundPayment) -> Result<ProviderRefund, GatewayError> {
        let payment = self.intent_id(&refund.payment).await?;
        self.stripe.refund(&RefundPayment { payment, ..refund.clone() }).await
    }

    async fn look_up_refund(
        &self,
        refund: &RefundPayment,
        provider_id: &str,
    ) -> Result<ProviderRefund, GatewayError> {
        self.stripe.look_up_refund(refund, provider_id).await
    }
}

/// A page for one sum: what it is made of is for the order to tell.
fn new_session(attempt: &StartPayment) -> Result<CreateCheckoutSession, GatewayError> {
    let mut about = metadata(&attempt.order_id, attempt.attempt);
    about.insert("gateway".to_owned(), CHECKOUT.to_owned());
    let mut price = CreateCheckoutSessionLineItemsPriceData::new(currency(&attempt.currency)?);
    price.unit_amount = Some(signed(attempt.amount_minor)?);
    price.product_data = Some(ProductData::new(attempt.description.as_str()));
    let mut line = CreateCheckoutSessionLineItems::new();
    line.price_data = Some(price);
    line.quantity = Some(1);
    let mut intent = CreateCheckoutSessionPaymentIntentData::new();
    intent.description = Some(attempt.description.clone());
    intent.metadata = Some(about.clone());
    // In another currency than the order's nothing would compare.
    let mut pricing = CreateCheckoutSessionAdaptivePricing::new();
    pricing.enabled = Some(false);
    Ok(CreateCheckoutSession::new()
        .mode(CheckoutSessionMode::Payment)
        .adaptive_pricing(pricing)
        // Cards only: they are decided at once, while other methods may take days and the order's stock cannot wait.
        .allowed_payment_method_types([CreateCheckoutSessionAllowedPaymentMethodTypes::Card])
        .customer_email(attempt.email.expose())
        .line_items([line])
        .metadata(about)
        .payment_intent_data(intent)
        .success_url(attempt.return_url.as_str())
        .cancel_url(attempt.return_url.as_str()))
}

fn unreadable(what: &str) -> GatewayError {
    StripeFailure::Unreadable(what.to_owned()).rejected()
}

/// How the payment of a session stands. Money that was taken counts for more than the end of the page.
fn payment_on(session: &CheckoutSession) -> Result<ProviderPayment, GatewayError> {
    let intent = match &session.payment_intent {
        Some(Expandable::Object(intent)) => Some(payment_of(intent)?),
        Some(Expandable::Id(_)) => return Err(unreadable("a session without its payment")),
        None => None,
    };
    let about = |name: &str| session.metadata.as_ref().and_then(|metadata| metadata.get(name));
    let money = intent.as_ref().filter(|intent| intent.status == PaymentStatus::Succeeded);
    let status = match (&session.status, money, &intent) {
        (_, Some(_), _) => PaymentStatus::Succeeded,
        (Some(CheckoutSessionStatus::Expired), None, _) => PaymentStatus::Cancelled,
        // A page that is done has taken the money, or is about to.
        (Some(CheckoutSessionStatus::Complete), None, _) => PaymentStatus::Processing,
        (_, None, Some(intent)) if is_under_way(intent.status) => intent.status,
        // Whatever else became of the try: while the page is open, there may be another.
        (_, None, _) => PaymentStatus::AwaitingBuyer,
    };
    Ok(ProviderPayment {
        provider_id: session.id.to_string(),
        status,
        amount_minor: unsigned(session.amount_total.unwrap_or_default())?,
        amount_received_minor: money.map_or(0, |money| money.amount_received_minor),
        currency: match (money, &session.currency) {
            (Some(money), _) => money.currency.clone(),
            (None, currency) => {
                currency.as_ref().map(ToString::to_string).unwrap_or_default().to_ascii_uppercase()
            }
        },
        order_id: about("order_id").cloned(),
        attempt: about("attempt").and_then(|attempt| attempt.parse().ok()),
        last_error_code: intent.and_then(|intent| intent.last_error_code),
    })
}

fn is_under_way(status: PaymentStatus) -> bool {
    match status {
        PaymentStatus::RequiresAction | PaymentStatus::Processing => true,
        PaymentStatus::AwaitingBuyer
        | PaymentStatus::Approved
        | PaymentStatus::Succeeded
        | PaymentStatus::Cancelled => false,
    }
}
