//! Opening a payment: one claim, one call of the provider, one record.

use sutler_domain::{
    ids::{OrderId, UserId},
    money::Money,
    order::{Order, OrderState},
    payment::{ATTEMPTS_MAX, Payment, PaymentState},
    problem::Problem,
};
use sutler_gateways::{
    payment::{GatewayError, PaymentGateway, StartPayment, StartedPayment},
    secret::Secret,
};
use sutler_store::{StoreError, Transaction, codec::decode, orders};

use super::gateway_error;
use crate::{App, Error, gateways::resume};

/// A payment that the buyer can now carry out.
#[derive(Debug, Clone)]
pub struct Started {
    /// The attempt's number.
    pub attempt: u32,
    /// What it is for.
    pub amount: Money,
    /// What the provider answered; the client secret is for the buyer alone.
    pub payment: StartedPayment,
}

/// Opens the order's payment, or answers the one that is open: one claim, one call of the provider under a key
/// of ours, one record. Repeating it after a crash at any point leads to the same payment.
///
/// # Errors
/// [`Problem::NotFound`] unless the order is the caller's, [`Problem::OrderState`] unless it waits for payment,
/// [`Problem::PaymentInProgress`] when another provider has an attempt open.
pub async fn start(
    app: &App,
    gateway: &dyn PaymentGateway,
    id: &OrderId,
    buyer: &UserId,
) -> Result<Started, Error> {
    for _ in 0..STARTS_MAX {
        let order = claim(app, gateway.gateway(), id, buyer).await?;
        let request = start_request(app, gateway, &order, order.attempts);
        match gateway.start(&request).await {
            Ok(payment) => return record_start(app, gateway.gateway(), &order, payment).await,
            Err(GatewayError::Unrepeatable { .. }) => {
                if let Some(started) = resume(app, gateway, id, order.attempts).await? {
                    return Ok(started);
                }
            }
            Err(error) => return Err(gateway_error(error)),
        }
    }
    Err(Problem::ProviderUnavailable.into())
}

/// How many attempts one call opens at most.
const STARTS_MAX: usize = 2;

async fn record_start(
    app: &App,
    gateway: &str,
    order: &Order,
    payment: StartedPayment,
) -> Result<Started, Error> {
    let record = Payment {
        order: order.id.clone(),
        attempt: order.attempts,
        gateway: gateway.to_owned(),
        provider_id: payment.provider_id.clone(),
        amount: order.totals.total,
        state: PaymentState::RequiresAction,
        refunds: 0,
        redirect_url: payment.redirect_url.clone(),
        last_failure: None,
        started_at: app.now(),
    };
    let mut transaction = Transaction::new();
    orders::create_payment(&mut transaction, &record)?;
    match app.store.transact(transaction).await {
        // Refused: an earlier run of this call, or the webhook, has recorded it.
        Ok(()) | Err(StoreError::Refused(_)) => {}
        Err(other) => return Err(other.into()),
    }
    tracing::info!(order.id = %order.id, payment.attempt = order.attempts, "Started payment of {}", order.id);
    Ok(Started { attempt: order.attempts, amount: order.totals.total, payment })
}

pub(crate) fn start_request(
    app: &App,
    gateway: &dyn PaymentGateway,
    order: &Order,
    attempt: u32,
) -> StartPayment {
    let (api, shop, id) = (&app.settings.api_url, &app.settings.frontend_url, &order.id);
    let return_url = if gateway.is_asked_on_return() {
        format!("{api}/v1/payments/{}/return?order={id}&attempt={attempt}", gateway.gateway())
    } else {
        format!("{shop}/orders/{id}")
    };
    StartPayment {
        order_id: id.to_string(),
        attempt,
        amount_minor: order.totals.total.minor(),
        currency: order.totals.total.currency().code().to_owned(),
        description: format!("Order {id}"),
        return_url,
        email: Secret::new(order.email.clone()),
    }
}

/// Claims the next attempt, or finds the one that is already claimed.
async fn claim(app: &App, gateway: &str, id: &OrderId, buyer: &UserId) -> Result<Order, Error> {
    let now = app.now();
    let (key, change) = orders::claim_attempt(id, buyer, gateway, now)?;
    let item = match app.store.update(&key, &change).await {
        Ok(item) => return Ok(decode::<Order>(&item)?.value),
        Err(StoreError::Refused(refusal)) => refusal.first().cloned().ok_or(Problem::NotFound)?,
        Err(other) => return Err(other.into()),
    };
    let order = decode::<Order>(&item)?.value;
    if order.buyer != *buyer {
        return Err(Problem::NotFound.into());
    }
    let OrderState::AwaitingPayment { expires_at } = &order.state else {
        return Err(Problem::OrderState { state: order.state.name() }.into());
    };
    if *expires_at <= now {
        return Err(Problem::OrderState { state: "expired" }.into());
    }
    match &order.open_attempt {
        Some(open) if open.gateway == gateway => Ok(order),
        Some(_) => Err(Problem::PaymentInProgress.into()),
        None if order.attempts >= ATTEMPTS_MAX => {
            Err(Problem::LimitReached { what: "payment attempts", max: ATTEMPTS_MAX }.into())
        }
        None => Err(Problem::Conflict.into()),
    }
}
