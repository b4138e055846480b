//! What carriers do with a part: the labels that are bought for it, and what is told of its shipments.

use super::{Change, Part, Progress};
use crate::{
    ids::{LabelId, ShipmentId},
    label::{LABELS_MAX, Label, LabelState, Offer},
    money::{Money, MoneyError},
    problem::Problem,
    shares::left_of,
    shipment::{CarrierNews, Shipment},
    time::Timestamp,
};

impl Part {
    /// The label with this id.
    #[must_use]
    pub fn label(&self, id: &LabelId) -> Option<&Label> {
        self.labels.iter().find(|label| label.id == *id)
    }

    /// The label that was asked for at this rate.
    #[must_use]
    pub fn label_at(&self, rate: &str) -> Option<&Label> {
        self.labels.iter().find(|label| label.rate == rate)
    }

    /// The label with this id, to be changed.
    ///
    /// # Errors
    /// [`Problem::NotFound`] when there is none.
    pub fn label_mut(&mut self, id: &LabelId) -> Result<&mut Label, Problem> {
        self.labels.iter_mut().find(|label| label.id == *id).ok_or(Problem::NotFound)
    }

    /// What its labels cost, those included whose purchase is under way.
    ///
    /// # Errors
    /// [`MoneyError`] when the sum does not fit.
    pub fn label_costs(&self) -> Result<Money, MoneyError> {
        let counted = self.labels.iter().filter(|label| label.counts()).map(|label| label.cost);
        Money::try_sum(self.totals.total.currency(), counted)
    }

    /// From when on the provider is to be asked about one of its labels, if it is to decide about any.
    #[must_use]
    pub fn ask_about_labels_at(&self) -> Option<Timestamp> {
        self.labels.iter().filter_map(Label::ask_at).min()
    }

    /// Claims the purchase of a label: from now on it is under way, and nobody else begins it.
    ///
    /// # Errors
    /// [`Problem::OrderState`] when nothing is to be sent, [`Problem::LabelTooExpensive`] when its seller has less left
    /// in the part than labels cost, [`Problem::LimitReached`] after too many labels, [`Problem::Invalid`] when it is
    /// in another currency.
    pub fn claim_label(&mut self, place: u8, offer: &Offer, now: Timestamp) -> Result<Label, Problem> {
        self.needs_open()?;
        if offer.cost.currency() != self.totals.total.currency() {
            return Err(Problem::field("/rate", "currency-mismatch"));
        }
        let left = left_of(self)?.seller.try_sub(self.label_costs()?);
        let left = left.unwrap_or(Money::zero(offer.cost.currency()));
        if left.try_sub(offer.cost).is_err() {
            return Err(Problem::LabelTooExpensive { left });
        }
        let number = u8::try_from(self.labels.len()).unwrap_or(u8::MAX).saturating_add(1);
        let id = LabelId::of(&self.order, place, number).filter(|_| number <= LABELS_MAX);
        let label = Label {
            id: id.ok_or(Problem::LimitReached { what: "labels", max: u32::from(LABELS_MAX) })?,
            rate: offer.rate.clone(),
            carrier: offer.carrier.clone(),
            service: offer.service.clone(),
            cost: offer.cost,
            state: LabelState::Buying { since: now },
        };
        self.labels.push(label.clone());
        Ok(label)
    }

    /// The shipment that was sent with a label, whether the seller said so or only gave its number.
    #[must_use]
    pub fn sent_with(&self, label: &Label) -> Option<&Shipment> {
        let token = label.postage()?.tracking.token();
        self.shipments.iter().find(|shipment| shipment.tracking.token() == token)
    }

    /// The seller does not want a label.
    ///
    /// # Errors
    /// [`Problem::NotFound`] without that label, [`Problem::OrderState`] unless it was bought, [`Problem::InUse`] when
    /// something was sent with it.
    pub fn void_label(&mut self, id: &LabelId, now: Timestamp) -> Result<Change, Problem> {
        let label = self.label(id).ok_or(Problem::NotFound)?;
        if self.sent_with(label).is_some() {
            return Err(Problem::InUse { what: "shipment" });
        }
        self.label_mut(id)?.void(now)
    }

    /// A carrier tells something of a shipment. When it was delivered, its units have arrived. A time that a carrier gives
    /// counts as far as it can be.
    ///
    /// # Errors
    /// [`Problem::NotFound`] without that shipment.
    pub fn hear(
        &mut self,
        id: &ShipmentId,
        (news, at): (CarrierNews, Option<Timestamp>),
        now: Timestamp,
    ) -> Result<Change, Problem> {
        let shipment = self.shipments.iter_mut().find(|shipment| shipment.id == *id);
        let shipment = shipment.ok_or(Problem::NotFound)?;
        let at = at.filter(|at| (shipment.shipped_at..=now).contains(at)).unwrap_or(now);
        if shipment.hear(news, at) == Change::AlreadyApplied {
            return Ok(Change::AlreadyApplied);
        }
        if news == CarrierNews::Delivered {
            let lines = shipment.lines.clone();
            self.count(&lines, Progress::on_their_way, |p| &mut p.delivered)?;
        }
        self.state = self.settled(now);
        Ok(Change::Applied)
    }
}
