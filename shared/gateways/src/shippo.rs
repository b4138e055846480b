//! Shippo: rates and labels of many carriers, and where their parcels are.
//!
//! It has no idempotency keys. What it does have are metadata, which carry our id of a label, and a list of purchases by
//! rate: so a purchase is made once, and looked for when nobody knows what became of it.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;
use sutler_domain::{
    address::Address,
    label::{Offer, Postage},
    money::{Currency, Money},
    shipment::{Tracking, TrackingToken},
};

use crate::{
    calls::{CallLimits, Cause, Failure, Verdict},
    carriers::{CarrierError, Carriers, Consignment, LabelOrder, Sale, Track, Voided},
    json_http::{Call, HttpFailure, JsonClient, Payload},
    secret::Secret,
    shippo_webhook::{Status, Tracked},
};

/// Where Shippo is.
pub const BASE_URL: &str = "https://api.goshippo.com";
const VERSION: &str = "2018-02-08";

/// The carrier of the test mode.
const TEST_CARRIER: &str = "shippo";
/// The longest address of a label that is kept.
const URL_CHARS_MAX: usize = 2_048;
/// The most purchases of one rate that are looked at.
const PURCHASES_MAX: u32 = 100;

/// How long and how often Shippo is asked, and how long a purchase may take, which is made once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For what may be asked again.
    pub asking: CallLimits,
    /// For a purchase.
    pub buying: Duration,
}

impl Default for Patience {
    /// Carriers take their time to answer, and the API waits for half a minute at most.
    fn default() -> Self {
        let asking = CallLimits {
            deadline: Duration::from_secs(8),
            try_timeout: Duration::from_secs(5),
            tries_max: 3,
            backoff: Duration::from_millis(200),
        };
        Self { asking, buying: Duration::from_secs(10) }
    }
}

/// Labels and tracking through Shippo.
#[derive(Debug, Clone)]
pub struct Shippo {
    asking: JsonClient,
    buying: JsonClient,
    authorization: Secret,
    /// Whether the key is one of the test mode, where parcels of the test carrier are wherever their numbers say.
    is_test: bool,
}

impl Shippo {
    /// Calls Shippo with `key`, at `base_url` where one is given.
    #[must_use]
    pub fn new(key: &Secret, base_url: Option<&str>, patience: Patience) -> Self {
        let client = |limits| JsonClient::new(base_url.unwrap_or(BASE_URL), limits, |_| None);
        let (deadline, backoff) = (patience.buying, Duration::ZERO);
        Self {
            asking: client(patience.asking),
            buying: client(CallLimits { deadline, try_timeout: deadline, tries_max: 1, backoff }),
            authorization: Secret::new(format!("ShippoToken {}", key.expose())),
            is_test: key.expose().starts_with("shippo_test_"),
        }
    }

    /// Whether Shippo can know it: carriers and their numbers are plain, and become parts of a path.
    fn follows(&self, parcel: &TrackingToken) -> bool {
        let plain = |text: &str| {
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
        };
        plain(&parcel.carrier) && plain(&parcel.number) && (self.is_test || parcel.carrier != TEST_CARRIER)
    }

    async fn call<T: DeserializeOwned + Send>(
        &self,
        client: &JsonClient,
        (method, path): (&'static str, &str),
        body: Option<&str>,
        key: &str,
    ) -> Result<T, Failure<HttpFailure>> {
        let headers = [("authorization", self.authorization.expose()), ("shippo-api-version", VERSION)];
        client.call(Call { method, path, headers: &headers, body: body.map(Payload::Json), key }).await
    }

    /// A call that changes nothing that costs, so that it may be made again.
    async fn ask<T: DeserializeOwned + Send>(
        &self,
        call: (&'static str, &str),
        body: Option<&str>,
        key: &str,
    ) -> Result<T, CarrierError> {
        let answered = self.call(&self.asking, call, body, key).await;
        answered.map_err(|failure| error(failure.of_a_question()))
    }

    /// What a purchase says of being taken back; nothing while it was not asked for.
    async fn taken_back(&self, provider_id: &str) -> Result<Option<Voided>, CarrierError> {
        let path = format!("/transactions/{provider_id}");
        let purchase: Purchase = self.ask(("GET", &path), None, provider_id).await?;
        Ok(match purchase.status.as_str() {
            "REFUNDED" => Some(Voided::Done),
            "REFUNDPENDING" => Some(Voided::Pending),
            "SUCCESS" => None,
            _ => Some(Voided::Refused),
        })
    }

    /// [`Shippo::ask`], where there may be nothing.
    async fn look<T: DeserializeOwned + Send>(
        &self,
        path: &str,
        key: &str,
    ) -> Result<Option<T>, CarrierError> {
        match self.call(&self.asking, ("GET", path), None, key).await {
            Ok(found) => Ok(Some(found)),
            Err(Failure { cause, .. }) if matches!(cause.status(), Some(400 | 404 | 422)) => Ok(None),
            Err(failure) => Err(error(failure.of_a_question())),
        }
    }
}

fn error(Failure { cause, ambiguous }: Failure<HttpFailure>) -> CarrierError {
    match (cause.verdict(), cause.status()) {
        _ if ambiguous => CarrierError::OutcomeUnknown(cause.into()),
        (Verdict::Unknown | Verdict::Busy, _) => CarrierError::Unavailable(cause.into()),
        // Its reasons quote addresses, so they are not read.
        (Verdict::Final, Some(400 | 404 | 422)) => CarrierError::Refused { code: "not-accepted".to_owned() },
        (Verdict::Final, _) => CarrierError::Rejected(cause.into()),
    }
}

fn unreadable(what: &str) -> CarrierError {
    CarrierError::Rejected(HttpFailure::Unreadable(what.to_owned()).into())
}

/// An id of Shippo's, which becomes part of a path.
fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Our name of a rate: that of its shipment as well, where everything about it is found in one call.
fn rate_of(name: &str) -> Option<(&str, &str)> {
    name.split_once('.').filter(|(shipment, rate)| is_id(shipment) && is_id(rate))
}

/// A word of a carrier's for why, if it is one.
fn word(text: Option<&str>) -> String {
    let is_word = |text: &&str| {
        (1..=64).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_. ".contains(&b))
    };
    text.filter(is_word).unwrap_or("refused").to_owned()
}

#[derive(Deserialize)]
struct Shipment {
    object_id: String,
    #[serde(default)]
    metadata: Option<String>,
    #[serde(default)]
    rates: Vec<Rate>,
}

#[derive(Deserialize)]
struct Rate {
    object_id: String,
    amount: String,
    currency: String,
    provider: String,
    #[serde(default)]
    servicelevel: Option<ServiceLevel>,
    #[serde(default)]
    estimated_days: Option<u32>,
}

#[derive(Deserialize)]
struct ServiceLevel {
    name: Option<String>,
}

#[derive(Deserialize)]
struct Listed {
    results: Vec<Purchase>,
}

#[derive(Deserialize)]
struct Purchase {
    object_id: String,
    status: String,
    #[serde(default)]
    metadata: Option<String>,
    #[serde(default)]
    tracking_number: Option<String>,
    #[serde(default)]
    label_url: Option<String>,
    #[serde(default)]
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    code: Option<String>,
}

#[derive(Deserialize)]
struct Refund {
    status: String,
}

impl Shipment {
    /// A rate of it; nothing when it does not read, or is in no currency that we trade in.
    fn offer(&self, rate: &Rate) -> Option<Offer> {
        let currency = Currency::parse(&rate.currency)?;
        let service = rate.servicelevel.as_ref().and_then(|level| level.name.as_deref()).unwrap_or_default();
        // The words of a carrier are shown, so they are bounded like those of people.
        let tracking = Tracking::parse(&rate.provider, "1").ok()?;
        Some(Offer {
            rate: Some(format!("{}.{}", self.object_id, rate.object_id))
                .filter(|name| rate_of(name).is_some())?,
            carrier: tracking.carrier().to_owned(),
            service: service.chars().filter(|c| !c.is_control()).take(80).collect(),
            cost: Money::parse_decimal(&rate.amount, currency).ok()?,
            days: rate.estimated_days,
        })
    }
}

impl Purchase {
    fn read(self, order: &LabelOrder) -> Result<Sale, CarrierError> {
        match self.status.as_str() {
            "SUCCESS" => {}
            "ERROR" => {
                let code = self.messages.iter().find_map(|message| message.code.as_deref());
                return Ok(Sale::Refused { code: word(code) });
            }
            // It was sold, and somebody gave it back at Shippo.
            "REFUNDED" | "REFUNDPENDING" => return Ok(Sale::Refused { code: "refunded".to_owned() }),
            // `QUEUED`, `WAITING`, and whatever a word of the future may mean.
            _ => return Ok(Sale::Processing),
        }
        let url =
            self.label_url.filter(|url| url.len() <= URL_CHARS_MAX && !url.chars().any(char::is_control));
        let url = url.ok_or_else(|| unreadable("no label"))?;
        // What cannot be followed has no number of the carrier's.
        let number = self.tracking_number.filter(|number| !number.trim().is_empty());
        let number = number.unwrap_or_else(|| order.label.to_string());
        let tracking = Tracking::parse(&order.carrier, &number).map_err(|_| unreadable("no number"))?;
        Ok(Sale::Sold(Postage { provider_id: self.object_id, tracking, url }))
    }
}

fn address(address: &Address) -> serde_json::Value {
    json!({
        "name": address.name, "street1": address.line1, "street2": address.line2, "city": address.city,
        "state": address.region, "zip": address.postal_code, "country": address.country.code(),
        "phone": address.phone,
    })
}

#[async_trait]
impl Carriers for Shippo {
    fn provider(&self) -> &'static str {
        "shippo"
    }

    async fn offers(&self, consignment: &Consignment) -> Result<Vec<Offer>, CarrierError> {
        let [length, width, height] = consignment.parcel.sides_mm().map(|side| side.to_string());
        let body = json!({
            "address_from": address(&consignment.from),
            "address_to": address(&consignment.to),
            "parcels": [{
                "length": length, "width": width, "height": height, "distance_unit": "mm",
                "weight": consignment.parcel.weight_g().to_string(), "mass_unit": "g",
            }],
            "metadata": consignment.reference,
            "async": false,
        });
        let shipment: Shipment =
            self.ask(("POST", "/shipments"), Some(&body.to_string()), &consignment.reference).await?;
        let offers = shipment.rates.iter().filter_map(|rate| shipment.offer(rate));
        Ok(offers.filter(|offer| offer.cost.currency() == consignment.currency).collect())
    }

    async fn offer(&self, rate: &str) -> Result<Option<(Offer, String)>, CarrierError> {
        let Some((shipment, rate)) = rate_of(rate) else { return Ok(None) };
        let found: Option<Shipment> = self.look(&format!("/shipments/{shipment}"), shipment).await?;
        let Some(found) = found else { return Ok(None) };
        if found.object_id != shipment {
            return Err(unreadable("another shipment"));
        }
        let offer = found.rates.iter().find(|one| one.object_id == rate).and_then(|rate| found.offer(rate));
        Ok(offer.zip(found.metadata))
    }

    async fn buy(&self, order: &LabelOrder) -> Result<Sale, CarrierError> {
        let (_, rate) = rate_of(&order.rate).ok_or_else(|| unreadable("not a rate of Shippo's"))?;
        let body = json!({
            "rate": rate, "label_file_type": "PDF_4x6", "metadata": order.label.as_str(), "async": false,
        });
        let call = ("POST", "/transactions");
        let made =
            self.call::<Purchase>(&self.buying, call, Some(&body.to_string()), order.label.as_str()).await;
        match made.map_err(error)?.read(order) {
            // It was made, and only what was answered is odd.
            Err(CarrierError::Rejected(source)) => Err(CarrierError::OutcomeUnknown(source)),
            read => read,
        }
    }

    async fn find(&self, order: &LabelOrder) -> Result<Vec<Sale>, CarrierError> {
        let (_, rate) = rate_of(&order.rate).ok_or_else(|| unreadable("not a rate of Shippo's"))?;
        let path = format!("/transactions?rate={rate}&results={PURCHASES_MAX}");
        let listed: Listed = self.ask(("GET", &path), None, order.label.as_str()).await?;
        let mut ours: Vec<Purchase> = listed.results;
        // What others bought at this rate is theirs.
        ours.retain(|purchase| purchase.metadata.as_deref() == Some(order.label.as_str()));
        // Always the same first, whoever looks.
        ours.sort_by(|one, other| one.object_id.cmp(&other.object_id));
        ours.into_iter().map(|purchase| purchase.read(order)).collect()
    }

    async fn void(&self, provider_id: &str) -> Result<Voided, CarrierError> {
        if !is_id(provider_id) {
            return Err(unreadable("not an id of Shippo's"));
        }
        if let Some(known) = self.taken_back(provider_id).await? {
            return Ok(known);
        }
        let body = json!({"transaction": provider_id, "async": false}).to_string();
        let refund: Refund = match self.ask(("POST", "/refunds"), Some(&body), provider_id).await {
            // It refuses what it was asked before: perhaps by a try of ours whose answer got lost.
            Err(CarrierError::Refused { .. }) => {
                return Ok(self.taken_back(provider_id).await?.unwrap_or(Voided::Refused));
            }
            answered => answered?,
        };
        Ok(match refund.status.as_str() {
            "SUCCESS" => Voided::Done,
            "ERROR" => Voided::Refused,
            _ => Voided::Pending,
        })
    }

    async fn register(&self, parcel: &TrackingToken) -> Result<Option<Track>, CarrierError> {
        if !self.follows(parcel) {
            return Ok(None);
        }
        let body = json!({"carrier": parcel.carrier, "tracking_number": parcel.number}).to_string();
        match self.ask::<Tracked>(("POST", "/tracks"), Some(&body), &parcel.carrier).await {
            Ok(tracked) => Ok(track_of(&tracked, parcel)),
            // It knows no such carrier.
            Err(CarrierError::Refused { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn track(&self, parcel: &TrackingToken) -> Result<Option<Track>, CarrierError> {
        if !self.follows(parcel) {
            return Ok(None);
        }
        let path = format!("/tracks/{}/{}", parcel.carrier, parcel.number);
        let found: Option<Tracked> = self.look(&path, &parcel.carrier).await?;
        Ok(found.and_then(|tracked| track_of(&tracked, parcel)))
    }
}

/// How a parcel stands; nothing when Shippo tells of another one than was meant.
fn track_of(tracked: &Tracked, parcel: &TrackingToken) -> Option<Track> {
    let (carrier, number) = (tracked.carrier.as_deref()?, tracked.tracking_number.as_deref()?);
    let named = Tracking::parse(carrier, number).ok()?.token();
    let track = tracked.tracking_status.as_ref().map_or(Track { news: None, at: None }, Status::read);
    (named == *parcel).then_some(track)
}

#[cfg(test)]
mod tests {
    use sutler_domain::ids::{LabelId, OrderId};

    use super::*;

    fn order() -> LabelOrder {
        let order = OrderId::parse("ord_01J8ZQ5K3N0V7X2Y4T6B8D9FGH").unwrap();
        let (rate, carrier) = ("s1.r1".to_owned(), "USPS".to_owned());
        LabelOrder { rate, label: LabelId::of(&order, 0, 1).unwrap(), carrier }
    }

    fn sale(purchase: serde_json::Value) -> Result<Sale, CarrierError> {
        serde_json::from_value::<Purchase>(purchase).unwrap().read(&order())
    }

    #[test]
    fn a_rate_brings_no_path_of_its_own() {
        assert_eq!(rate_of("s1.r1"), Some(("s1", "r1")));
        let long = format!("{}.r", "s".repeat(65));
        for hostile in ["", ".", "s1", "s1.", ".r1", "../x.r1", "s1.r1/x", "s1.r1?x", "é.r1", "s.r.t", &long]
        {
            assert_eq!(rate_of(hostile), None, "{hostile}");
        }
        let with = |key: &str| Shippo::new(&Secret::new(key), None, Patience::default());
        let parcel = |carrier: &str, number: &str| TrackingToken {
            carrier: carrier.to_owned(),
            number: number.to_owned(),
        };
        for (carrier, number) in [("usps", "../x"), ("usps", "1?x=1"), ("", "1"), ("usps", "é")] {
            assert!(!with("shippo_test_1").follows(&parcel(carrier, number)), "{carrier} {number}");
        }
    }

    #[test]
    fn what_is_told_of_another_parcel_is_not_told_of_this_one() {
        let parcel = TrackingToken { carrier: "usps".to_owned(), number: "92".to_owned() };
        let told = |carrier: &str, number: &str| {
            let status = json!({"status": "DELIVERED"});
            let tracked = json!({"carrier": carrier, "tracking_number": number, "tracking_status": status});
            track_of(&serde_json::from_value(tracked).unwrap(), &parcel)
        };
        assert!(told("usps", "92").is_some_and(|track| track.news.is_some()));
        for (carrier, number) in [("ups", "92"), ("usps", "93"), ("", "92")] {
            assert_eq!(told(carrier, number), None, "{carrier} {number}");
        }
    }

    #[test]
    fn a_parcel_of_the_test_carrier_is_none_where_money_is_real() {
        let parcel = TrackingToken { carrier: "shippo".to_owned(), number: "SHIPPO_DELIVERED".to_owned() };
        for (key, follows) in [("shippo_test_1", true), ("shippo_live_1", false)] {
            assert_eq!(Shippo::new(&Secret::new(key), None, Patience::default()).follows(&parcel), follows);
        }
    }

    #[test]
    fn only_a_success_with_a_label_is_a_sale() {
        let sold = json!({"object_id": "t1", "status": "SUCCESS", "tracking_number": "92", "label_url": "https://x/1"});
        let Ok(Sale::Sold(postage)) = sale(sold) else { panic!("not sold") };
        assert_eq!((postage.provider_id.as_str(), postage.tracking.number()), ("t1", "92"));
        let untracked = json!({"object_id": "t1", "status": "SUCCESS", "label_url": "https://x/1"});
        let Ok(Sale::Sold(postage)) = sale(untracked) else { panic!("not sold") };
        assert_eq!(postage.tracking.number(), order().label.as_str());
        assert!(sale(json!({"object_id": "t1", "status": "SUCCESS"})).is_err());
        for status in ["QUEUED", "WAITING", "SOMETHING_NEW"] {
            assert_eq!(
                sale(json!({"object_id": "t1", "status": status})).unwrap(),
                Sale::Processing,
                "{status}"
            );
        }
        let refused = json!({"object_id": "t1", "status": "ERROR", "messages": [
            {"source": "USPS", "code": "address_invalid", "text": "1 Market Street is not known"}]});
        assert_eq!(sale(refused).unwrap(), Sale::Refused { code: "address_invalid".to_owned() });
    }

    #[test]
    fn a_reason_is_a_word_or_it_is_not_repeated() {
        assert_eq!(word(Some("carrier_timeout")), "carrier_timeout");
        for odd in [None, Some(""), Some("1 Market Street, Springfield"), Some("\n")] {
            assert_eq!(word(odd), "refused");
        }
    }

    #[test]
    fn an_amount_is_read_to_the_cent_or_the_rate_is_not_offered() {
        let shipment = Shipment { object_id: "s1".to_owned(), metadata: None, rates: Vec::new() };
        let rate = |amount: &str, currency: &str| -> Rate {
            let rate = json!({"object_id": "r1", "amount": amount, "currency": currency, "provider": "USPS"});
            serde_json::from_value(rate).unwrap()
        };
        let cost = |amount, currency| shipment.offer(&rate(amount, currency)).map(|offer| offer.cost.minor());
        assert_eq!(cost("7.5", "USD"), Some(750));
        assert_eq!(cost("750", "JPY"), Some(750));
        for (amount, currency) in [("7.505", "USD"), ("-1", "USD"), ("1e2", "USD"), ("", "USD"), ("1", "XXX")]
        {
            assert_eq!(cost(amount, currency), None, "{amount} {currency}");
        }
    }
}
