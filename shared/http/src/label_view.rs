//! How a label looks to the seller who bought it. Nobody else sees one: it names what it cost and where the buyer lives.

use serde::Serialize;
use sutler_domain::label::{Label, LabelState};
use utoipa::ToSchema;

use crate::views::MoneyView;

/// A label for a parcel.
#[derive(Debug, Serialize, ToSchema)]
pub struct LabelView {
    /// Its id.
    #[schema(example = "lbl_01J8ZQ5K3N0V7X2Y4T6B8D9FGH0001")]
    pub id: String,
    /// Where it is: `buying` or `voiding` while nobody knows how that ended, `bought`, `failed` or `voided`.
    pub state: &'static str,
    /// The rate it was bought for.
    pub rate: String,
    /// Who carries it.
    pub carrier: String,
    /// How.
    pub service: String,
    /// What it costs.
    pub cost: MoneyView,
    /// The carrier's number, once it was bought.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracking_number: Option<String>,
    /// Where it is to be printed from, while it can be used. The address may end working after a while.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Why it was not bought: the carrier's word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

impl From<&Label> for LabelView {
    fn from(label: &Label) -> Self {
        let (url, failure) = match &label.state {
            LabelState::Bought { postage, .. } => (Some(postage.url.clone()), None),
            LabelState::Failed { code, .. } => (None, Some(code.clone())),
            LabelState::Buying { .. } | LabelState::Voiding { .. } | LabelState::Voided { .. } => {
                (None, None)
            }
        };
        Self {
            id: label.id.to_string(),
            state: label.state.name(),
            rate: label.rate.clone(),
            carrier: label.carrier.clone(),
            service: label.service.clone(),
            cost: label.cost.into(),
            tracking_number: label.postage().map(|postage| postage.tracking.number().to_owned()),
            url,
            failure,
        }
    }
}
