//! The payment gateways of this marketplace: which there are, changing from one to another, and asking them how an
//! attempt stands. What they answer ends in [`payments::finalise`], like everything else that tells of money.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use sutler_domain::{
    ids::{OrderId, UserId},
    order::{Change, OrderState},
    payment::{Payment, PaymentState},
    problem::Problem,
};
use sutler_gateways::payment::{
    GatewayError, PaymentGateway, PaymentStatus, ProviderPayment, StartedPayment,
};
use sutler_store::orders::OrderAggregate;

use crate::{
    App, Error,
    payments::{self, News, Report, Started, gateway_error, news_of, start_request},
};

/// The configured payment gateways.
#[derive(Clone, Default)]
pub struct Gateways {
    all: Vec<Arc<dyn PaymentGateway>>,
}

impl fmt::Debug for Gateways {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all.iter().map(|gateway| gateway.gateway())).finish()
    }
}

impl Gateways {
    /// These, and `gateway`.
    #[must_use]
    pub fn with(mut self, gateway: impl PaymentGateway + 'static) -> Self {
        self.all.push(Arc::new(gateway));
        self
    }

    fn find(&self, name: &str) -> Option<&dyn PaymentGateway> {
        self.all.iter().find(|gateway| gateway.gateway() == name).map(AsRef::as_ref)
    }

    /// The gateway of this name, for a buyer to choose.
    ///
    /// # Errors
    /// [`Problem::GatewayNotOffered`] when it is not configured, or does not take the marketplace's currency.
    pub fn offered(&self, app: &App, name: &str) -> Result<&dyn PaymentGateway, Problem> {
        let gateway = self.find(name).filter(|gateway| gateway.takes(app.settings.currency));
        gateway.ok_or(Problem::GatewayNotOffered)
    }

    /// The gateway that a payment was opened with.
    ///
    /// # Errors
    /// [`Error::Internal`] when it is not configured (any more), which is for people to solve.
    pub fn of(&self, name: &str) -> Result<&dyn PaymentGateway, Error> {
        self.find(name).ok_or_else(|| Error::Internal(format!("the gateway {name} is not configured").into()))
    }
}

/// Opens the order's payment at the gateway the buyer chose. An attempt that is open at another is ended first; if
/// the buyer has paid that one, the order is paid.
///
/// # Errors
/// Those of [`payments::start`], and [`Problem::GatewayNotOffered`].
pub async fn start(
    app: &App,
    gateways: &Gateways,
    name: &str,
    id: &OrderId,
    buyer: &UserId,
) -> Result<Started, Error> {
    let gateway = gateways.offered(app, name)?;
    match payments::start(app, gateway, id, buyer).await {
        Err(Error::Problem(Problem::PaymentInProgress)) => {}
        answered => return answered,
    }
    let aggregate = app.store.order(id).await?.ok_or(Problem::NotFound)?;
    let order = &aggregate.order.value;
    if order.buyer != *buyer {
        return Err(Problem::NotFound.into());
    }
    if let (Some(open), Some(attempt)) = (&order.open_attempt, order.open_attempt_number()) {
        let ended = payments::end_attempt_at(app, gateways.of(&open.gateway)?, &aggregate, attempt).await?;
        tracing::info!(order.id = %id, payment.attempt = attempt, payment.change = ?ended, "Ended attempt {attempt} of {id}");
    }
    payments::start(app, gateway, id, buyer).await
}

/// How long the first call that opens a payment may take to record it.
const RECORDED_AFTER_S: i64 = 30;

/// How to go on with an attempt whose gateway does not tell twice how it is paid: as recorded; or, when that got lost,
/// with nothing, after it was ended.
pub(crate) async fn resume(
    app: &App,
    gateway: &dyn PaymentGateway,
    id: &OrderId,
    attempt: u32,
) -> Result<Option<Started>, Error> {
    let aggregate = app.store.order(id).await?.ok_or(Problem::NotFound)?;
    let recorded = aggregate.payment(attempt).map(|payment| &payment.value);
    if let Some((payment, url)) =
        recorded.and_then(|payment| payment.redirect_url.as_ref().map(|url| (payment, url)))
    {
        let started = StartedPayment {
            provider_id: payment.provider_id.clone(),
            status: PaymentStatus::AwaitingBuyer,
            client_secret: None,
            redirect_url: Some(url.clone()),
        };
        return Ok(Some(Started { attempt, amount: payment.amount, payment: started }));
    }
    let open = aggregate.order.value.open_attempt.as_ref();
    if open.is_some_and(|open| app.now() < open.since.plus_seconds(RECORDED_AFTER_S)) {
        // Another run of this call may be about to record it.
        return Err(Problem::ProviderUnavailable.into());
    }
    let ended = payments::end_attempt_at(app, gateway, &aggregate, attempt).await?;
    tracing::warn!(
        order.id = %id, payment.attempt = attempt, payment.change = ?ended,
        "Ended attempt {attempt} of {id}, for nobody knew how to pay it"
    );
    Ok(None)
}

/// "See how this attempt stands, and take the money if the buyer has agreed." Verified webhooks and returning buyers
/// put it on the queue; it names ids, and nothing in it is believed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settle {
    /// Which provider.
    pub gateway: String,
    /// Which order.
    pub order: OrderId,
    /// Which attempt.
    pub attempt: u32,
    /// The provider's id of the message; `None` when a buyer came back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Brings an attempt as far as it goes without the buyer, and finalises what became of it. Money is only taken while
/// the order waits for this very attempt; afterwards its provider is asked, and no more.
///
/// # Errors
/// [`Error`] when provider or database do not answer; the message is then repeated.
pub async fn settle(app: &App, gateways: &Gateways, asked: &Settle) -> Result<Change, Error> {
    let Some(aggregate) = app.store.order(&asked.order).await? else {
        tracing::info!(order.id = %asked.order, "Passed over an order that is not ours");
        return Ok(Change::AlreadyApplied);
    };
    let recorded = aggregate.payment(asked.attempt).map(|payment| payment.value.gateway.as_str());
    if recorded != Some(asked.gateway.as_str()) {
        tracing::info!(order.id = %asked.order, payment.attempt = asked.attempt, "Passed over an attempt that is not ours");
        return Ok(Change::AlreadyApplied);
    }
    let gateway = gateways.of(&asked.gateway)?;
    settle_attempt(app, gateway, &aggregate, asked.attempt, Some(asked)).await
}

/// [`settle`], for an attempt that is known to be the gateway's. Nobody may have asked for it; then a refusal of the
/// bank is not noted, for the provider will tell of it.
pub(crate) async fn settle_attempt(
    app: &App,
    gateway: &dyn PaymentGateway,
    aggregate: &OrderAggregate,
    attempt: u32,
    asked: Option<&Settle>,
) -> Result<Change, Error> {
    // Whoever is to pay learns how only after it was recorded.
    let Some(payment) = aggregate.payment(attempt).map(|payment| &payment.value) else {
        return Ok(Change::AlreadyApplied);
    };
    if payment.state.balance().is_some() {
        return Ok(Change::AlreadyApplied);
    }
    let order = &aggregate.order.value;
    let waits = matches!(order.state, OrderState::AwaitingPayment { .. })
        && order.open_attempt_number() == Some(attempt)
        && payment.state == PaymentState::RequiresAction;
    let provider_id = payment.provider_id.clone();
    let found = if waits {
        let key = format!("{}/{attempt}/settle", order.id);
        gateway.settle(&provider_id, &key).await
    } else {
        gateway.look_up(&provider_id).await
    };
    let found = found.map_err(gateway_error)?;
    let news = match news_of_ours(&found, payment)? {
        None => return Ok(Change::AlreadyApplied),
        Some(News::Failed { .. }) if asked.is_none() => return Ok(Change::AlreadyApplied),
        Some(news) => news,
    };
    let message = asked.and_then(|asked| asked.message.clone());
    let (gateway, order) = (gateway.gateway(), order.id.clone());
    payments::finalise(app, &Report { gateway, message, order, attempt, provider_id, news }).await
}

/// What a provider says of a payment, which must be the one we mean. A refusal of the bank is news until it is noted.
fn news_of_ours(found: &ProviderPayment, payment: &Payment) -> Result<Option<News>, Error> {
    let other_order = found.order_id.as_deref().is_some_and(|found| found != payment.order.as_str());
    if other_order || found.attempt.is_some_and(|found| found != payment.attempt) {
        return Err(Error::Internal("the provider's payment belongs to another attempt".into()));
    }
    let news = news_of(found)?;
    let refusal = found.last_error_code.as_ref().filter(|code| payment.last_failure.as_ref() != Some(code));
    Ok(news.or_else(|| refusal.map(|code| News::Failed { code: code.clone() })))
}

/// The provider's id of an attempt that was claimed and never recorded. Its key leads to the same payment.
pub(crate) async fn opened_id(
    app: &App,
    gateway: &dyn PaymentGateway,
    aggregate: &OrderAggregate,
    attempt: u32,
) -> Result<String, Error> {
    let request = start_request(app, gateway, &aggregate.order.value, attempt);
    match gateway.start(&request).await {
        Ok(StartedPayment { provider_id, .. }) | Err(GatewayError::Unrepeatable { provider_id }) => {
            Ok(provider_id)
        }
        Err(error) => Err(gateway_error(error)),
    }
}
