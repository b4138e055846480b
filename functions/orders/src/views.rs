//! How orders look to those who are in them.

use serde::Serialize;
use serde_json::{Value, json};
use sutler_domain::{
    event::Event,
    money::Money,
    order::{Order, OrderLine, OrderState, Part, Progress},
    payment::Payment,
};
use sutler_http::{
    label_view::LabelView,
    quote_view::{DeliveryView, TotalsView, UsedCouponView},
    units::ShipmentView,
    views::MoneyView,
};
use sutler_services::orders::OrderPage;
use sutler_store::orders::OrderAggregate;
use utoipa::ToSchema;

use crate::{
    address_view::AddressView,
    refund_views::{RefundView, ReturnView},
};

/// An order. A seller sees their own part only, and no payments.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrderView {
    /// Its id.
    #[schema(example = "ord_01J8ZQ5K3N0V7X2Y4T6B8D9FGH")]
    pub id: String,
    /// Where it is: `awaiting_payment`, `paid`, `completed`, `cancelled`, `partially_refunded` or `refunded`.
    pub state: &'static str,
    /// Until when it has to be paid, while it waits for payment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// When it was placed.
    pub placed_at: String,
    /// What the caller's view of it sums up to.
    pub totals: TotalsView,
    /// The coupon that was used; sellers do not see it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coupon: Option<UsedCouponView>,
    /// One part per seller.
    pub parts: Vec<PartView>,
    /// Where the goods go. A seller sees it once the order is paid and while there is something to send.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<AddressView>,
    /// The attempts to pay it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payments: Option<Vec<PaymentView>>,
    /// What of its money went back, or is to; absent while there is nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refunded: Option<MoneyView>,
    /// The refunds of its payments.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refunds: Vec<RefundView>,
    /// What of its goods goes back, or came back.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub returns: Vec<ReturnView>,
}

/// One seller's part of an order.
#[derive(Debug, Serialize, ToSchema)]
pub struct PartView {
    /// Its id, which is the seller's.
    #[schema(example = "sel_01J8ZQ5K3N0V7X2Y4T6B8D9FGH")]
    pub id: String,
    /// The shop's name.
    pub seller_name: String,
    /// Where it is: `awaiting_payment`, `awaiting_shipment`, `partly_shipped`, `in_transit`, `out_for_delivery`,
    /// `delivered`, `return_requested`, `returned` or `cancelled`.
    pub state: &'static str,
    /// How it is sent, as the buyer chose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery: Option<DeliveryView>,
    /// Who pays for the discount: `platform` or `seller`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discount_by: Option<&'static str>,
    /// What was handed to carriers, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shipments: Vec<ShipmentView>,
    /// The labels that were bought for it; only its seller sees them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<LabelView>,
    /// What is in it.
    pub lines: Vec<OrderLineView>,
    /// Its sums.
    pub totals: TotalsView,
    /// What of it went back to the buyer, or is to; absent while there is nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refunded: Option<MoneyView>,
}

/// An amount that is shown once there is any.
fn some_money(amount: Money) -> Option<MoneyView> {
    (!amount.is_zero()).then(|| amount.into())
}

impl From<&Part> for PartView {
    fn from(part: &Part) -> Self {
        Self {
            id: part.seller.to_string(),
            seller_name: part.seller_name.clone(),
            state: part.state.name(),
            delivery: part.delivery.as_ref().map(DeliveryView::from),
            discount_by: (!part.totals.discount.is_zero()).then(|| part.discount_by.name()),
            shipments: part.shipments.iter().map(ShipmentView::from).collect(),
            labels: Vec::new(),
            lines: part.lines.iter().map(OrderLineView::from).collect(),
            totals: (&part.totals).into(),
            refunded: part.refunded.total().ok().and_then(some_money),
        }
    }
}

/// What was bought, as it was when the order was placed.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrderLineView {
    /// What.
    pub variant: String,
    /// The product's title.
    pub title: String,
    /// Such as colour and size.
    pub options: Vec<OptionView>,
    /// Price of one.
    pub unit_price: MoneyView,
    /// How many.
    pub quantity: u32,
    /// Price of all, before any discount.
    pub total: MoneyView,
    /// What a coupon took off.
    pub discount: MoneyView,
    /// The tax on what is left, in the price or on top of it.
    pub tax: MoneyView,
    /// What became of the units; absent while nothing did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<ProgressView>,
}

/// How many units of a line went where; those neither cancelled nor shipped are still to be sent.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProgressView {
    /// Will not be sent.
    pub cancelled: u32,
    /// Were handed to a carrier.
    pub shipped: u32,
    /// Of those, arrived.
    pub delivered: u32,
    /// Of those, are to go back.
    pub returning: u32,
    /// Of those, came back.
    pub returned: u32,
}

impl From<Progress> for ProgressView {
    fn from(progress: Progress) -> Self {
        let Progress { cancelled, shipped, delivered, returning, returned } = progress;
        Self { cancelled, shipped, delivered, returning, returned }
    }
}

/// One option of a variant.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OrderLineOption)]
pub struct OptionView {
    /// Such as `Colour`.
    pub name: String,
    /// Such as `Blue`.
    pub value: String,
}

impl From<&OrderLine> for OrderLineView {
    fn from(line: &OrderLine) -> Self {
        let option = |option: &sutler_domain::product::OptionValue| OptionView {
            name: option.name.clone(),
            value: option.value.clone(),
        };
        Self {
            variant: line.variant.to_string(),
            title: line.title.clone(),
            options: line.options.iter().map(option).collect(),
            unit_price: line.unit_price.into(),
            quantity: line.quantity,
            total: line.total.into(),
            discount: line.discount.into(),
            tax: line.tax.into(),
            progress: (!line.progress.is_untouched()).then(|| line.progress.into()),
        }
    }
}

/// One attempt to pay.
#[derive(Debug, Serialize, ToSchema)]
pub struct PaymentView {
    /// 1 for the first.
    pub attempt: u32,
    /// Which provider.
    pub gateway: String,
    /// Where it is: `requires_action`, `cancelled`, `succeeded`, `refund_pending`, `partially_refunded` or `refunded`.
    pub state: &'static str,
    /// What it is for.
    pub amount: MoneyView,
    /// The provider's code for the last refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<String>,
}

impl From<&Payment> for PaymentView {
    fn from(payment: &Payment) -> Self {
        Self {
            attempt: payment.attempt,
            gateway: payment.gateway.clone(),
            state: payment.state.name(),
            amount: payment.amount.into(),
            last_failure: payment.last_failure.clone(),
        }
    }
}

impl OrderView {
    fn new(order: &Order, parts: Vec<PartView>, payments: Option<Vec<PaymentView>>) -> Self {
        let expires_at = match &order.state {
            OrderState::AwaitingPayment { expires_at } => Some(expires_at.rfc3339()),
            OrderState::Paid { .. }
            | OrderState::Completed { .. }
            | OrderState::Cancelled { .. }
            | OrderState::Refunded { .. } => None,
        };
        Self {
            id: order.id.to_string(),
            state: order.state_name(),
            expires_at,
            placed_at: order.placed_at.rfc3339(),
            totals: (&order.totals).into(),
            coupon: order.coupon.as_ref().map(UsedCouponView::from),
            parts,
            address: Some((&order.address).into()),
            payments,
            refunded: some_money(order.refunded),
            refunds: Vec::new(),
            returns: Vec::new(),
        }
    }

    /// As the buyer sees a new order.
    #[must_use]
    pub fn placed(order: &Order, parts: &[Part]) -> Self {
        Self::new(order, parts.iter().map(PartView::from).collect(), Some(Vec::new()))
    }
}

impl From<&OrderAggregate> for OrderView {
    fn from(aggregate: &OrderAggregate) -> Self {
        let parts = aggregate.parts.iter().map(|part| PartView::from(&part.value)).collect();
        let payments = aggregate.payments.iter().map(|payment| PaymentView::from(&payment.value)).collect();
        Self {
            refunds: aggregate.refunds.iter().map(|refund| RefundView::from(&refund.value)).collect(),
            returns: aggregate.returns.iter().map(|sent_back| ReturnView::from(&sent_back.value)).collect(),
            ..Self::new(&aggregate.order.value, parts, Some(payments))
        }
    }
}

impl From<&OrderPage> for OrderView {
    fn from(page: &OrderPage) -> Self {
        match page {
            OrderPage::Buyer(aggregate) => aggregate.as_ref().into(),
            OrderPage::Seller { order, part, returns } => {
                let labels = part.labels.iter().map(LabelView::from).collect();
                let own = PartView { labels, ..PartView::from(part.as_ref()) };
                let view = Self::new(order, vec![own], None);
                let address = view.address.filter(|_| part.state.shows_address());
                Self {
                    // What of the other parts went back is not this seller's business.
                    state: order.state.name(),
                    totals: (&part.totals).into(),
                    coupon: None,
                    address,
                    refunded: part.refunded.total().ok().and_then(some_money),
                    returns: returns.iter().map(ReturnView::from).collect(),
                    ..view
                }
            }
        }
    }
}

/// An order in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrderCard {
    /// Its id.
    pub id: String,
    /// Where it is; for a seller, where their part is.
    pub state: &'static str,
    /// When it was placed.
    pub placed_at: String,
    /// What the caller's view of it sums up to.
    pub total: MoneyView,
    /// What is in a seller's part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lines: Option<Vec<OrderLineView>>,
}

impl From<&Order> for OrderCard {
    fn from(order: &Order) -> Self {
        Self {
            id: order.id.to_string(),
            state: order.state_name(),
            placed_at: order.placed_at.rfc3339(),
            total: order.totals.total.into(),
            lines: None,
        }
    }
}

impl From<&Part> for OrderCard {
    fn from(part: &Part) -> Self {
        Self {
            id: part.order.to_string(),
            state: part.state.name(),
            placed_at: part.order.made_at().rfc3339(),
            total: part.totals.total.into(),
            lines: Some(part.lines.iter().map(OrderLineView::from).collect()),
        }
    }
}

/// One entry of an order's history.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventView {
    /// Its id.
    pub id: String,
    /// 1 for the first.
    pub seq: u64,
    /// When.
    pub at: String,
    /// What: `type`, and for the buyer and staff `data`, exactly as it was hashed (times in milliseconds).
    #[schema(value_type = Object)]
    pub event: Value,
    /// Hash over this entry and `prev_hash`; not for sellers, who do not see everything that is hashed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
    /// Hash of the entry before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prev_hash: Option<String>,
}

impl EventView {
    /// All of it.
    #[must_use]
    pub fn whole(event: Event) -> Self {
        Self {
            event: json!(event.event),
            hash: Some(event.hash),
            prev_hash: Some(event.prev_hash),
            id: event.event_id,
            seq: event.seq,
            at: event.at.rfc3339(),
        }
    }

    /// That it happened. What the whole order cost is not its sellers' business.
    #[must_use]
    pub fn of_part(event: Event) -> Self {
        let whole = Self::whole(event);
        let kind = json!({"type": whole.event.get("type")});
        Self { event: kind, hash: None, prev_hash: None, ..whole }
    }
}
