//! Parcels on their way.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Refusal, Shippo, State};

/// Where a parcel is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// Nobody knows.
    Unknown,
    /// There is a label.
    PreTransit,
    /// The carrier has it.
    Transit,
    /// The carrier is on the way to the door; Shippo calls that a substatus of being in transit.
    OutForDelivery,
    /// It arrived.
    Delivered,
    /// It was brought back.
    Returned,
    /// It cannot be delivered.
    Failure,
}

/// What is known of a parcel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Track {
    /// Who carries it.
    pub carrier: String,
    /// The carrier's number.
    pub number: String,
    /// Where it is.
    pub status: Status,
    /// When the carrier said so, if it did.
    pub at: Option<String>,
}

impl Track {
    pub(crate) fn json(&self) -> Value {
        let (status, substatus) = match self.status {
            Status::OutForDelivery => (
                json!("TRANSIT"),
                json!({"code": "out_for_delivery", "text": "On its way.", "action_required": false}),
            ),
            Status::Unknown
            | Status::PreTransit
            | Status::Transit
            | Status::Delivered
            | Status::Returned
            | Status::Failure => (json!(self.status), Value::Null),
        };
        let place = json!({"city": "Springfield", "state": "IL", "zip": "62701", "country": "US"});
        let now = json!({
            "object_id": format!("{}{}", self.number, status), "status": status, "substatus": substatus,
            "status_details": "Seen in Springfield.", "status_date": self.at, "location": place,
        });
        json!({
            "carrier": self.carrier, "tracking_number": self.number, "tracking_status": now, "tracking_history": [now],
            "address_to": place, "messages": [], "eta": null, "transaction": null, "test": true,
        })
    }
}

/// The numbers of Shippo's test carrier say themselves how they stand.
fn of_test(number: &str) -> Option<Status> {
    Some(match number {
        "SHIPPO_UNKNOWN" => Status::Unknown,
        "SHIPPO_PRE_TRANSIT" => Status::PreTransit,
        "SHIPPO_TRANSIT" => Status::Transit,
        "SHIPPO_DELIVERED" => Status::Delivered,
        "SHIPPO_RETURNED" => Status::Returned,
        "SHIPPO_FAILURE" => Status::Failure,
        _ => return None,
    })
}

/// The carriers it knows.
const CARRIERS: [&str; 5] = ["shippo", "usps", "ups", "dhl_express", "fedex"];

impl Shippo {
    pub(crate) fn follow(state: &mut State, carrier: &str, number: &str, status: Status) -> Track {
        let place = (carrier.to_owned(), number.to_owned());
        let fresh = Track { carrier: carrier.to_owned(), number: number.to_owned(), status, at: None };
        state.tracks.entry(place).or_insert(fresh).clone()
    }

    pub(crate) fn track(state: &State, carrier: &str, number: &str) -> Result<Value, Refusal> {
        let test = of_test(number).filter(|_| carrier == "shippo").map(|status| {
            Track { carrier: carrier.to_owned(), number: number.to_owned(), status, at: None }.json()
        });
        let known = || state.tracks.get(&(carrier.to_owned(), number.to_owned())).map(Track::json);
        test.or_else(known).ok_or_else(|| Refusal::new(404, "Not found."))
    }

    pub(crate) fn register(state: &mut State, body: &Value) -> Result<Value, Refusal> {
        let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (carrier, number) = (text("carrier"), text("tracking_number"));
        if !CARRIERS.contains(&carrier.as_str()) || number.is_empty() {
            return Err(Refusal::new(400, "There is no such carrier."));
        }
        let status = of_test(&number).filter(|_| carrier == "shippo").unwrap_or(Status::Unknown);
        Ok(Self::follow(state, &carrier, &number, status).json())
    }

    /// The carrier tells where a parcel is, and the webhook hears of it if somebody follows it.
    ///
    /// # Errors
    /// When nobody follows it.
    pub fn tell(
        &self,
        carrier: &str,
        number: &str,
        status: Status,
        at: Option<&str>,
    ) -> Result<Value, Refusal> {
        let mut state = self.state();
        let track = state.tracks.get_mut(&(carrier.to_owned(), number.to_owned()));
        let track = track.ok_or_else(|| Refusal::new(404, "nobody follows it"))?;
        track.status = status;
        track.at = at.map(str::to_owned);
        let track = track.clone();
        drop(state);
        self.emit(&track);
        Ok(track.json())
    }
}
