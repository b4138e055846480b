//! Acts on what payment providers told us. The signature was verified before the message was queued.
//!
//! Stripe's events say what happened to a payment with a card. Of all others only that something did, and the provider is
//! asked.

use sutler_domain::{
    ids::OrderId,
    money::{Currency, Money},
};
use sutler_gateways::{
    stripe_checkout,
    stripe_webhook::{StripeEvent, parse_event},
};
use sutler_runtime::{Handled, worker::QueueMessage};
use sutler_services::{
    Error,
    gateways::{Settle, settle},
    payments::{News, Report, finalise},
};

use crate::run_payment_commands::PaymentCommands;

/// Finalises the payment that a message is about; events about other things are passed over.
///
/// # Errors
/// When database or provider do not answer or the event cannot be ours; the queue then keeps it.
pub async fn handle(state: &PaymentCommands, message: QueueMessage) -> Handled {
    if let Ok(asked) = serde_json::from_str::<Settle>(&message.body) {
        return ask(state, &asked).await;
    }
    let event = parse_event(message.body.as_bytes()).map_err(|e| Error::Internal(e.into()))?;
    match read(event)? {
        Read::Nothing => Ok(()),
        Read::Question(asked) => ask(state, &asked).await,
        Read::News(report) => {
            let change = finalise(&state.app, &report).await?;
            tracing::info!(
                order.id = %report.order, payment.attempt = report.attempt, event.id = report.message,
                payment.change = ?change, "Took note of a payment event of {}", report.order
            );
            Ok(())
        }
    }
}

async fn ask(state: &PaymentCommands, asked: &Settle) -> Handled {
    let change = settle(&state.app, &state.gateways, asked).await?;
    tracing::info!(
        order.id = %asked.order, payment.attempt = asked.attempt, event.id = asked.message,
        payment.change = ?change, "Asked {} about a payment of {}", asked.gateway, asked.order
    );
    Ok(())
}

/// What an event of Stripe is to us.
enum Read {
    Nothing,
    Question(Settle),
    News(Report),
}

/// Reads an event into what it says of one of our payments.
fn read(event: StripeEvent) -> Result<Read, Error> {
    let object = event.object;
    let ours =
        object.metadata.order_id.as_deref().map(OrderId::parse).zip(object.metadata.attempt).zip(object.id);
    let Some(((Ok(order), attempt), provider_id)) = ours else {
        tracing::info!(event.id = event.id, event.kind = event.kind, "Passed over an event that is not ours");
        return Ok(Read::Nothing);
    };
    if let Some(gateway) = object.metadata.gateway {
        // Refunds and charges change nothing that we would ask about.
        let telling =
            event.kind.starts_with("checkout.session.") || event.kind.starts_with("payment_intent.");
        let ours = gateway == stripe_checkout::GATEWAY && telling;
        let question = Settle { gateway, order, attempt, message: Some(event.id) };
        return Ok(if ours { Read::Question(question) } else { Read::Nothing });
    }
    let news = match event.kind.as_str() {
        "payment_intent.succeeded" => {
            let currency = object.currency.as_deref().and_then(Currency::parse);
            let (Some(currency), Some(minor)) = (currency, object.amount_received) else {
                return Err(Error::Internal("a success without a readable amount".into()));
            };
            News::Succeeded(Money::try_new(minor, currency)?)
        }
        "payment_intent.payment_failed" => {
            News::Failed { code: object.last_error_code.unwrap_or_else(|| "unknown".to_owned()) }
        }
        "payment_intent.canceled" => News::Cancelled,
        _ => return Ok(Read::Nothing),
    };
    Ok(Read::News(Report { gateway: "stripe", message: Some(event.id), order, attempt, provider_id, news }))
}
