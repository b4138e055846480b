//! A payment provider inside the process: it keeps state, honours keys, and fails when told to.

#![expect(clippy::missing_panics_doc, reason = "a test kit reports its own failures by failing the test")]

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
};

use async_trait::async_trait;
use sutler_domain::money::Currency;
use sutler_gateways::{
    payment::{
        GatewayError, PaymentGateway, PaymentStatus, ProviderPayment, ProviderRefund, RefundPayment,
        RefundStatus, StartPayment, StartedPayment,
    },
    secret::Secret,
};

/// What goes wrong with the next call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GatewayFault {
    /// The provider never saw the call.
    LostRequest,
    /// The call took effect, and its answer was lost.
    LostAnswer,
    /// The provider says no.
    Declined,
    /// The provider does not understand the call, which is a bug.
    Rejected,
}

/// A payment provider called `stripe`.
#[derive(Debug, Clone, Default)]
pub struct FakeGateway {
    inner: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    payments: BTreeMap<String, ProviderPayment>,
    by_key: BTreeMap<String, String>,
    refunds: BTreeMap<String, Given>,
    refunds_end: Option<RefundStatus>,
    faults: VecDeque<GatewayFault>,
}

/// Money that went back, or not.
#[derive(Debug, Clone, Copy)]
struct Given {
    amount_minor: u64,
    status: RefundStatus,
}

impl Given {
    fn is_gone(self) -> bool {
        matches!(self.status, RefundStatus::Pending | RefundStatus::Succeeded)
    }
}

impl FakeGateway {
    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.lock().expect("no test panicked while it held the provider")
    }

    /// Makes the next call fail.
    pub fn fail(&self, fault: GatewayFault) {
        self.state().faults.push_back(fault);
    }

    /// The buyer pays; answers the payment as it is afterwards.
    #[must_use]
    pub fn pay(&self, id: &str) -> ProviderPayment {
        let mut state = self.state();
        let payment = state.payments.get_mut(id).expect("a payment");
        if payment.status == PaymentStatus::AwaitingBuyer {
            payment.status = PaymentStatus::Succeeded;
            payment.amount_received_minor = payment.amount_minor;
        }
        payment.clone()
    }

    /// How many payments were opened.
    #[must_use]
    pub fn payments(&self) -> usize {
        self.state().payments.len()
    }

    /// How a payment stands.
    #[must_use]
    pub fn status(&self, id: &str) -> PaymentStatus {
        self.state().payments.get(id).expect("a payment").status
    }

    /// What was given back in all, in minor units.
    #[must_use]
    pub fn refunded_minor(&self) -> u64 {
        self.state().refunds.values().filter(|given| given.is_gone()).map(|given| given.amount_minor).sum()
    }

    /// New refunds stand like this, instead of having succeeded at once.
    pub fn let_refunds_be(&self, status: RefundStatus) {
        self.state().refunds_end = Some(status);
    }

    /// The bank decides about every refund that is under way.
    pub fn decide_refunds(&self, status: RefundStatus) {
        for given in self.state().refunds.values_mut().filter(|given| given.status == RefundStatus::Pending) {
            given.status = status;
        }
    }

    /// The keys of all refunds that were made.
    #[must_use]
    pub fn refund_keys(&self) -> Vec<String> {
        self.state().refunds.keys().cloned().collect()
    }

    fn call<T>(&self, effect: impl FnOnce(&mut State) -> Result<T, GatewayError>) -> Result<T, GatewayError> {
        let mut state = self.state();
        match state.faults.pop_front() {
            None => effect(&mut state),
            Some(GatewayFault::Declined) => Err(GatewayError::Declined { code: "card_declined".to_owned() }),
            Some(GatewayFault::Rejected) => Err(GatewayError::Rejected("told to fail".into())),
            Some(GatewayFault::LostRequest) => Err(GatewayError::Unavailable("told to fail".into())),
            Some(GatewayFault::LostAnswer) => {
                drop(effect(&mut state));
                Err(GatewayError::OutcomeUnknown("told to fail".into()))
            }
        }
    }
}

fn unknown() -> GatewayError {
    GatewayError::Rejected("no such payment".into())
}

#[async_trait]
impl PaymentGateway for FakeGateway {
    fn gateway(&self) -> &'static str {
        "stripe"
    }

    fn takes(&self, _: Currency) -> bool {
        true
    }

    async fn start(&self, attempt: &StartPayment) -> Result<StartedPayment, GatewayError> {
        self.call(|state| {
            let fresh = format!("pi_{}", state.payments.len());
            let id = state.by_key.entry(attempt.key()).or_insert(fresh).clone();
            let payment = state.payments.entry(id.clone()).or_insert_with(|| ProviderPayment {
                provider_id: id.clone(),
                status: PaymentStatus::AwaitingBuyer,
                amount_minor: attempt.amount_minor,
                amount_received_minor: 0,
                currency: attempt.currency.clone(),
                order_id: Some(attempt.order_id.clone()),
                attempt: Some(attempt.attempt),
                last_error_code: None,
            });
            Ok(StartedPayment {
                client_secret: Some(Secret::new(format!("{id}_secret"))),
                provider_id: id,
                status: payment.status,
                redirect_url: None,
            })
        })
    }

    async fn look_up(&self, payment: &str) -> Result<ProviderPayment, GatewayError> {
        self.call(|state| state.payments.get(payment).cloned().ok_or_else(unknown))
    }

    async fn cancel(&self, payment: &str, _: &str) -> Result<ProviderPayment, GatewayError> {
        self.call(|state| {
            let payment = state.payments.get_mut(payment).ok_or_else(unknown)?;
            if payment.status != PaymentStatus::Succeeded {
                payment.status = PaymentStatus::Cancelled;
            }
            Ok(payment.clone())
        })
    }

    async fn refund(&self, refund: &RefundPayment) -> Result<ProviderRefund, GatewayError> {
        self.call(|state| {
            let status = state.refunds_end.unwrap_or(RefundStatus::Succeeded);
            let taken: u64 = state.payments.values().map(|payment| payment.amount_received_minor).sum();
            let gone = state.refunds.values().filter(|given| given.is_gone());
            let gone: u64 = gone.map(|given| given.amount_minor).sum();
            let known = state.refunds.contains_key(&refund.key());
            if !known && taken.saturating_sub(gone) < refund.amount_minor {
                return Err(GatewayError::Rejected("more than was taken".into()));
            }
            let given = Given { amount_minor: refund.amount_minor, status };
            state.refunds.entry(refund.key()).or_insert(given);
            shown(state, refund)
        })
    }

    async fn look_up_refund(&self, refund: &RefundPayment, _: &str) -> Result<ProviderRefund, GatewayError> {
        self.call(|state| shown(state, refund))
    }
}

fn shown(state: &State, refund: &RefundPayment) -> Result<ProviderRefund, GatewayError> {
    let payment = state.payments.get(&refund.payment).ok_or_else(unknown)?;
    let given = state.refunds.get(&refund.key()).ok_or_else(unknown)?;
    Ok(ProviderRefund {
        provider_id: format!("re_{}", refund.key()),
        status: given.status,
        amount_minor: given.amount_minor,
        currency: payment.currency.clone(),
    })
}
