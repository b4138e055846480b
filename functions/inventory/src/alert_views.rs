//! What is shown of waiting for something.

use serde::Serialize;
use sutler_domain::{alert::Alert, idempotency::Answer, time::Timestamp};
use sutler_http::response;
use utoipa::ToSchema;

/// A place in line for a variant, or a unit of it that is held for the caller.
#[derive(Debug, Serialize, ToSchema)]
pub struct AlertView {
    /// Variant id.
    pub variant: String,
    /// Product id.
    pub product: String,
    /// What it is called.
    pub title: String,
    /// `waiting`, or `held`: then one unit can be ordered by the caller alone.
    #[schema(example = "held")]
    pub state: &'static str,
    /// Since when the caller waits.
    pub since: String,
    /// Until when the unit is held.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
}

impl From<&Alert> for AlertView {
    fn from(alert: &Alert) -> Self {
        Self {
            variant: alert.variant.to_string(),
            product: alert.variant.product().to_string(),
            title: alert.title.clone(),
            state: alert.state.name(),
            since: alert.id.made_at().rfc3339(),
            expires_at: alert.expires_at().map(Timestamp::rfc3339),
        }
    }
}

/// Everything the caller waits for.
#[derive(Debug, Serialize, ToSchema)]
pub struct AlertsView {
    /// At most 20.
    pub items: Vec<AlertView>,
}

pub(crate) fn joined(alert: &Alert) -> Answer {
    response::ok_answer(&AlertView::from(alert))
}
