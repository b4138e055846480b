//! Acts on what payment providers told us. The signature was verified before the message was queued.
//!
//! Stripe's events say what happened. Of the others only that something did, and the provider is asked.
//!
//! What is paid on Stripe's own page is told by the events of that page: those of the payment under it do not name the page,
//! which is what we know.

use sutler_domain::{
    ids::OrderId,
    money::{Currency, Money},
};
use sutler_gateways::stripe_webhook::{CHECKOUT, StripeEvent, StripeObject, parse_event};
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
        let change = settle(&state.app, &state.gateways, &asked).await?;
        tracing::info!(
            order.id = %asked.order, payment.attempt = asked.attempt, event.id = asked.message,
            payment.change = ?change, "Asked {} about a payment of {}", asked.gateway, asked.order
        );
        return Ok(());
    }
    let event = parse_event(message.body.as_bytes()).map_err(|e| Error::Internal(e.into()))?;
    let Some(report) = report(event)? else { return Ok(()) };
    let change = finalise(&state.app, &report).await?;
    tracing::info!(
        order.id = %report.order, payment.attempt = report.attempt, event.id = report.message,
        payment.change = ?change, "Took note of a payment event of {}", report.order
    );
    Ok(())
}

/// Reads an event into what it says of one of our payments.
fn report(event: StripeEvent) -> Result<Option<Report>, Error> {
    let object = event.object;
    let about = &object.metadata;
    let ours = about.order_id.as_deref().map(OrderId::parse).zip(about.attempt).zip(object.id.clone());
    let Some(((Ok(order), attempt), provider_id)) = ours else {
        tracing::info!(event.id = event.id, event.kind = event.kind, "Passed over an event that is not ours");
        return Ok(None);
    };
    let (gateway, news) = match about.gateway.as_deref() {
        None => ("stripe", news_of_card(&event.kind, &object)?),
        Some(CHECKOUT) => (CHECKOUT, news_of_page(&event.kind, &object)?),
        Some(_) => return Ok(None),
    };
    Ok(news.map(|news| Report { gateway, message: Some(event.id), order, attempt, provider_id, news }))
}

fn news_of_card(kind: &str, intent: &StripeObject) -> Result<Option<News>, Error> {
    Ok(match kind {
        "payment_intent.succeeded" => Some(money(intent, intent.amount_received)?),
        "payment_intent.payment_failed" => {
            let code = intent.last_error_code.clone();
            Some(News::Failed { code: code.unwrap_or_else(|| "unknown".to_owned()) })
        }
        "payment_intent.canceled" => Some(News::Cancelled),
        _ => None,
    })
}

fn news_of_page(kind: &str, session: &StripeObject) -> Result<Option<News>, Error> {
    Ok(match kind {
        "checkout.session.completed" if session.payment_status.as_deref() == Some("paid") => {
            Some(money(session, session.amount_total)?)
        }
        "checkout.session.expired" => Some(News::Cancelled),
        _ => None,
    })
}

fn money(object: &StripeObject, minor: Option<u64>) -> Result<News, Error> {
    let currency = object.currency.as_deref().and_then(Currency::parse);
    let (Some(currency), Some(minor)) = (currency, minor) else {
        return Err(Error::Internal("a success without a readable amount".into()));
    };
    Ok(News::Succeeded(Money::try_new(minor, currency)?))
}
