//! One seller's part of an order: how much of each line went where, and what that makes of the part.
//!
//! The state of a part that is paid for follows from its counts and its shipments, so it cannot contradict them:
//! every command changes the counts within their bounds, and [`Part::settled`] says where that leads.

use serde::{Deserialize, Serialize};

use super::{Change, OrderLine, PartState, Progress, Totals, Units};
use crate::{
    coupon::Funder,
    ids::{LabelId, OrderId, SellerId, ShipmentId},
    label::Label,
    money::{BasisPoints, Money},
    problem::Problem,
    returns::WINDOW_SECONDS,
    shares::Shares,
    shipment::{Shipment, ShipmentState, Tracking},
    shipping::Delivery,
    time::Timestamp,
};

/// In how many shipments a part can be sent.
pub const SHIPMENTS_MAX: u8 = 50;

/// One seller's part of an order. Its id is the seller's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The order.
    pub order: OrderId,
    /// Whose.
    pub seller: SellerId,
    /// The shop's name.
    pub seller_name: String,
    /// What.
    pub lines: Vec<OrderLine>,
    /// The part's sums.
    pub totals: Totals,
    /// Who pays for the discount.
    #[serde(default)]
    pub discount_by: Funder,
    /// How it is sent, as the buyer chose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
    /// The platform's share of the goods, frozen when the order was placed.
    pub commission: BasisPoints,
    /// Where it is.
    pub state: PartState,
    /// What was handed to carriers, oldest first.
    #[serde(default)]
    pub shipments: Vec<Shipment>,
    /// The labels its seller asked for, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Label>,
    /// How many returns of it were asked for.
    #[serde(default)]
    pub returns: u8,
    /// What of its money went back, or is to.
    pub refunded: Shares,
}

impl Part {
    /// A part of an order that is being placed.
    #[must_use]
    pub fn new(
        order: OrderId,
        (seller, seller_name): (SellerId, String),
        lines: Vec<OrderLine>,
        totals: Totals,
        commission: BasisPoints,
    ) -> Self {
        Self {
            order,
            seller,
            seller_name,
            lines,
            totals,
            discount_by: Funder::default(),
            delivery: None,
            commission,
            state: PartState::AwaitingPayment,
            shipments: Vec::new(),
            labels: Vec::new(),
            returns: 0,
            refunded: Shares::zero(totals.total.currency()),
        }
    }

    /// Its line of this name.
    #[must_use]
    pub fn line(&self, units: &Units) -> Option<&OrderLine> {
        self.lines.iter().find(|line| line.variant == units.variant)
    }

    /// Everything that is neither cancelled nor shipped.
    #[must_use]
    pub fn open_units(&self) -> Vec<Units> {
        let open = |line: &OrderLine| Units {
            variant: line.variant.clone(),
            quantity: line.progress.open(line.quantity),
        };
        self.lines.iter().map(open).filter(|units| units.quantity > 0).collect()
    }

    /// What is left to give back of its money.
    ///
    /// # Errors
    /// [`Problem::Invalid`] when an amount does not fit, which is a bug.
    pub fn refundable(&self) -> Result<Money, Problem> {
        Ok(crate::shares::left_of(self)?.total()?)
    }

    /// The order was paid, in time or late.
    ///
    /// # Errors
    /// [`Problem::OrderState`] when it was already shipped or is to be.
    pub fn release_to_seller(&mut self) -> Result<(), Problem> {
        match &self.state {
            PartState::AwaitingPayment | PartState::Cancelled { .. } => {
                for line in &mut self.lines {
                    line.progress = Progress::default();
                }
                self.state = PartState::AwaitingShipment;
                Ok(())
            }
            PartState::AwaitingShipment
            | PartState::PartlyShipped
            | PartState::InTransit
            | PartState::OutForDelivery
            | PartState::Delivered { .. }
            | PartState::ReturnRequested
            | PartState::Returned { .. } => Err(self.state.refuse()),
        }
    }

    /// The order ended before any of this part was shipped.
    ///
    /// # Errors
    /// [`Problem::OrderState`] once some of it is shipped.
    pub fn cancel(&mut self, now: Timestamp) -> Result<(), Problem> {
        match &self.state {
            PartState::AwaitingPayment | PartState::AwaitingShipment => {
                for line in &mut self.lines {
                    line.progress.cancelled = line.quantity;
                }
                self.state = PartState::Cancelled { at: now };
                Ok(())
            }
            PartState::Cancelled { .. } => Ok(()),
            PartState::PartlyShipped
            | PartState::InTransit
            | PartState::OutForDelivery
            | PartState::Delivered { .. }
            | PartState::ReturnRequested
            | PartState::Returned { .. } => Err(self.state.refuse()),
        }
    }

    /// Some open units will not be shipped.
    ///
    /// # Errors
    /// [`Problem::OrderState`] when nothing is open, [`Problem::TooManyUnits`] when less is, [`Problem::Invalid`]
    /// naming a line that is not there.
    pub fn cancel_units(&mut self, wanted: &[Units], now: Timestamp) -> Result<(), Problem> {
        self.needs_open()?;
        self.count(wanted, Progress::open, |progress| &mut progress.cancelled)?;
        self.state = self.settled(now);
        Ok(())
    }

    /// The seller hands some units, or all that are open, to a carrier. Answers how many of what left now: none
    /// when this was said before.
    ///
    /// # Errors
    /// As [`Self::cancel_units`]; [`Problem::Taken`] when other units left under this number,
    /// [`Problem::LimitReached`] after too many shipments.
    pub fn ship(
        &mut self,
        place: u8,
        (tracking, label): (&Tracking, Option<&LabelId>),
        wanted: Option<&[Units]>,
        now: Timestamp,
    ) -> Result<Option<&Shipment>, Problem> {
        let open = self.open_units();
        let token = tracking.token();
        if let Some(known) = self.shipments.iter().find(|shipment| shipment.tracking.token() == token) {
            let is_known = wanted.map_or(open.is_empty(), |wanted| known.lines == wanted);
            let is_known = is_known && known.label.as_ref() == label;
            return if is_known { Ok(None) } else { Err(Problem::Taken { what: "tracking_number" }) };
        }
        self.needs_open()?;
        let lines = wanted.map_or(open, <[Units]>::to_vec);
        let number = u8::try_from(self.shipments.len()).unwrap_or(u8::MAX).saturating_add(1);
        let id = ShipmentId::of(&self.order, place, number).filter(|_| number <= SHIPMENTS_MAX);
        let limit = Problem::LimitReached { what: "shipments", max: u32::from(SHIPMENTS_MAX) };
        let id = id.ok_or(limit)?;
        self.count(&lines, Progress::open, |progress| &mut progress.shipped)?;
        self.shipments.push(Shipment {
            id,
            tracking: tracking.clone(),
            label: label.cloned(),
            lines,
            shipped_at: now,
            passed: Vec::new(),
            state: ShipmentState::InTransit,
        });
        self.state = self.settled(now);
        Ok(self.shipments.last())
    }

    /// The buyer says that one shipment, or everything that is on its way, arrived. Answers which did now.
    ///
    /// # Errors
    /// [`Problem::OrderState`] when nothing was shipped, [`Problem::NotFound`] without that shipment.
    pub fn deliver(&mut self, only: Option<&ShipmentId>, now: Timestamp) -> Result<Vec<ShipmentId>, Problem> {
        if self.shipments.is_empty() {
            return Err(self.state.refuse());
        }
        let named = |shipment: &&mut Shipment| only.is_none_or(|only| shipment.id == *only);
        let (mut found, mut arrived) = (false, Vec::new());
        for shipment in self.shipments.iter_mut().filter(named) {
            found = true;
            if shipment.deliver(now) == Change::Applied {
                arrived.push((shipment.id.clone(), shipment.lines.clone()));
            }
        }
        if !found {
            return Err(Problem::NotFound);
        }
        for (_, lines) in &arrived {
            self.count(lines, Progress::on_their_way, |p| &mut p.delivered)?;
        }
        if !arrived.is_empty() {
            self.state = self.settled(now);
        }
        Ok(arrived.into_iter().map(|(id, _)| id).collect())
    }

    /// The buyer wants to send units back that were delivered lately.
    ///
    /// # Errors
    /// [`Problem::OrderState`] when nothing was delivered, [`Problem::TooManyUnits`] when less was, or too long ago.
    pub fn request_return(&mut self, wanted: &[Units], now: Timestamp) -> Result<(), Problem> {
        if self.lines.iter().all(|line| line.progress.delivered == 0) {
            return Err(self.state.refuse());
        }
        let since = now.plus_seconds(WINDOW_SECONDS.saturating_neg());
        let late = |shipment: &&Shipment| shipment.delivered_at().is_some_and(|at| at <= since);
        let late: Vec<&Units> =
            self.shipments.iter().filter(late).flat_map(|shipment| &shipment.lines).collect();
        for (at, units) in wanted.iter().enumerate() {
            let line = self.line(units).ok_or_else(|| unknown(at))?;
            let own = late.iter().filter(|other| other.variant == units.variant).map(|other| other.quantity);
            let Progress { delivered, returning, returned, .. } = line.progress;
            let lately = own.fold(delivered, u32::saturating_sub);
            let possible = lately.min(delivered.saturating_sub(returning).saturating_sub(returned));
            needs(units, possible)?;
        }
        self.count(wanted, |p, _| p.delivered.saturating_sub(p.returned), |p| &mut p.returning)?;
        self.returns = self.returns.saturating_add(1);
        self.state = self.settled(now);
        Ok(())
    }

    /// A return ended: what was to come back stays where it is, or has come back.
    ///
    /// # Errors
    /// [`Problem::TooManyUnits`] when that many were not to come back, which is a bug.
    pub fn end_return(&mut self, lines: &[Units], came_back: bool, now: Timestamp) -> Result<(), Problem> {
        for (at, units) in lines.iter().enumerate() {
            let found = self.lines.iter_mut().find(|line| line.variant == units.variant);
            let progress = &mut found.ok_or_else(|| unknown(at))?.progress;
            needs(units, progress.returning)?;
            progress.returning = progress.returning.saturating_sub(units.quantity);
            if came_back {
                progress.returned = progress.returned.saturating_add(units.quantity);
            }
        }
        self.state = self.settled(now);
        Ok(())
    }

    /// Whether something is still to be sent.
    ///
    /// # Errors
    /// [`Problem::OrderState`] when nothing is.
    pub fn needs_open(&self) -> Result<(), Problem> {
        match &self.state {
            PartState::AwaitingShipment | PartState::PartlyShipped => Ok(()),
            PartState::AwaitingPayment
            | PartState::InTransit
            | PartState::OutForDelivery
            | PartState::Delivered { .. }
            | PartState::ReturnRequested
            | PartState::Returned { .. }
            | PartState::Cancelled { .. } => Err(self.state.refuse()),
        }
    }

    /// Adds units to one of the counts, if no line has more than is possible.
    pub(super) fn count(
        &mut self,
        wanted: &[Units],
        possible: impl Fn(&Progress, u32) -> u32,
        place: fn(&mut Progress) -> &mut u32,
    ) -> Result<(), Problem> {
        for (at, units) in wanted.iter().enumerate() {
            let line = self.line(units).ok_or_else(|| unknown(at))?;
            needs(units, possible(&line.progress, line.quantity))?;
        }
        for units in wanted {
            for line in self.lines.iter_mut().filter(|line| line.variant == units.variant) {
                let count = place(&mut line.progress);
                *count = count.saturating_add(units.quantity);
            }
        }
        Ok(())
    }

    /// Where its counts and shipments put a part that is paid for.
    #[must_use]
    pub fn settled(&self, now: Timestamp) -> PartState {
        let sum =
            |count: fn(&OrderLine) -> u32| self.lines.iter().map(count).fold(0_u32, u32::saturating_add);
        let shipped = sum(|line| line.progress.shipped);
        if sum(|line| line.progress.open(line.quantity)) > 0 {
            return if shipped == 0 { PartState::AwaitingShipment } else { PartState::PartlyShipped };
        }
        if shipped == 0 {
            return PartState::Cancelled { at: now };
        }
        let has = |state: fn(&ShipmentState) -> bool| self.shipments.iter().any(|one| state(&one.state));
        // What the carrier could not deliver has not arrived.
        let travels = |state: &ShipmentState| match state {
            ShipmentState::InTransit | ShipmentState::Failed { .. } | ShipmentState::Returned { .. } => true,
            ShipmentState::OutForDelivery { .. } | ShipmentState::Delivered { .. } => false,
        };
        if has(travels) {
            return PartState::InTransit;
        }
        if has(|state| matches!(state, ShipmentState::OutForDelivery { .. })) {
            return PartState::OutForDelivery;
        }
        if sum(|line| line.progress.returned) == shipped {
            return PartState::Returned { at: now };
        }
        if sum(|line| line.progress.returning) > 0 {
            return PartState::ReturnRequested;
        }
        PartState::Delivered {
            at: self.shipments.iter().filter_map(Shipment::delivered_at).max().unwrap_or(now),
        }
    }
}

fn unknown(at: usize) -> Problem {
    Problem::field(format!("/lines/{at}/variant"), "unknown")
}

fn needs(units: &Units, possible: u32) -> Result<(), Problem> {
    if units.quantity <= possible {
        return Ok(());
    }
    let (variant, requested) = (units.variant.clone(), units.quantity);
    Err(Problem::TooManyUnits { variant, requested, possible })
}
