//! The adapter of Shippo, against its stand-in.
#![cfg(feature = "shippo")]
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail them")]

use std::time::Duration;

use sutler_domain::{
    address::{Address, AddressDraft},
    ids::{LabelId, OrderId},
    label::{Offer, Parcel, Postage},
    money::Currency,
    shipment::{CarrierNews, Tracking, TrackingToken},
};
use sutler_gateways::{
    calls::CallLimits,
    carriers::{CarrierError, Carriers, Consignment, LabelOrder, Sale, Voided},
    secret::Secret,
    shippo::{Patience, Shippo},
};
use sutler_providers::{
    Answer, Providers,
    shippo::{Fault, Operation, PurchaseStatus, Status},
};

const PATIENCE: Patience = Patience {
    asking: CallLimits {
        deadline: Duration::from_secs(4),
        try_timeout: Duration::from_millis(500),
        tries_max: 2,
        backoff: Duration::from_millis(4),
    },
    buying: Duration::from_millis(500),
};
const REFERENCE: &str = "ord_01J8ZQ5K3N0V7X2Y4T6B8D9FGH/sel_01J8ZQ5K3N0V7X2Y4T6B8D9FGH";

fn shippo(providers: &Providers) -> Shippo {
    Shippo::new(&Secret::new("shippo_test_1"), Some(&providers.shippo_url()), PATIENCE)
}

fn address(line1: &str) -> Address {
    let draft = AddressDraft {
        name: "Ada Lovelace".to_owned(),
        line1: line1.to_owned(),
        city: "Springfield".to_owned(),
        region: Some("IL".to_owned()),
        postal_code: Some("62701".to_owned()),
        country: "US".to_owned(),
        phone: Some("+12175550123".to_owned()),
        ..AddressDraft::default()
    };
    Address::parse(&draft).unwrap()
}

fn consignment(line1: &str, weight_g: u32) -> Consignment {
    Consignment {
        from: address("1 Market Street"),
        to: address(line1),
        parcel: Parcel::try_new(weight_g, [300, 200, 100]).unwrap(),
        reference: REFERENCE.to_owned(),
        currency: Currency::Usd,
    }
}

async fn offer(shippo: &Shippo) -> Offer {
    shippo.offers(&consignment("12 Square", 800)).await.unwrap().remove(0)
}

fn order(offer: &Offer) -> LabelOrder {
    let order = OrderId::parse("ord_01J8ZQ5K3N0V7X2Y4T6B8D9FGH").unwrap();
    let label = LabelId::of(&order, 0, 1).unwrap();
    LabelOrder { rate: offer.rate.clone(), label, carrier: offer.carrier.clone() }
}

fn postage(sale: Sale) -> Postage {
    let sold = match sale {
        Sale::Sold(postage) => Some(postage),
        Sale::Processing | Sale::Refused { .. } => None,
    };
    sold.unwrap()
}

fn parcel(carrier: &str, number: &str) -> TrackingToken {
    Tracking::parse(carrier, number).unwrap().token()
}

#[tokio::test]
async fn a_parcel_has_offers_that_are_found_again() {
    let providers = Providers::start().await.unwrap();
    let shippo = shippo(&providers);
    let offers = shippo.offers(&consignment("12 Square", 800)).await.unwrap();
    let told: Vec<_> =
        offers.iter().map(|o| (o.carrier.as_str(), o.service.as_str(), o.cost.minor(), o.days)).collect();
    assert_eq!(told, [("USPS", "Priority Mail", 758, Some(3)), ("UPS", "Ground", 1_033, Some(3))]);
    for offer in &offers {
        assert_eq!(shippo.offer(&offer.rate).await.unwrap(), Some((offer.clone(), REFERENCE.to_owned())));
    }
    let (shipment, _) = offers[0].rate.split_once('.').unwrap();
    for unknown in ["", "x", "s.r", "../x.y", &format!("{shipment}.r")] {
        assert_eq!(shippo.offer(unknown).await.unwrap(), None, "{unknown}");
    }
    assert_eq!(shippo.offers(&consignment("12 Square", 60_000)).await.unwrap(), []);
    let (_, rate) = offers[0].rate.split_once('.').unwrap();
    providers.shippo().alter(rate, 758, "EUR").unwrap();
    let in_euro = shippo.offer(&offers[0].rate).await.unwrap().unwrap().0;
    assert_eq!(in_euro.cost.currency(), Currency::Eur, "whoever buys compares");
}

#[tokio::test]
async fn a_label_is_sold_with_our_id_on_it() {
    let providers = Providers::start().await.unwrap();
    let shippo = shippo(&providers);
    let order = order(&offer(&shippo).await);
    let sold = postage(shippo.buy(&order).await.unwrap());
    assert_eq!((sold.tracking.carrier(), sold.tracking.number().len()), ("USPS", 22));
    assert!(sold.url.contains("/labels/"), "{}", sold.url);
    let purchases = providers.shippo().snapshot().purchases;
    assert_eq!((purchases.len(), purchases[0].metadata.as_str()), (1, order.label.as_str()));
    assert_eq!(shippo.find(&order).await.unwrap(), [Sale::Sold(sold)]);
    let other = LabelOrder { label: LabelId::of(&order.label.order(), 0, 2).unwrap(), ..order };
    assert_eq!(shippo.find(&other).await.unwrap(), [], "what others bought at this rate is theirs");
}

#[tokio::test]
async fn a_purchase_is_made_once_whatever_its_answer() {
    let providers = Providers::start().await.unwrap();
    let shippo = shippo(&providers);
    for (fault, takes_effect) in [
        (Fault::new(Answer::Drop), false),
        (Fault::new(Answer::Status(500)), false),
        (Fault::new(Answer::Garbage(200)), false),
        (Fault::new(Answer::Drop).after_effect(), true),
        (Fault::new(Answer::Status(502)).after_effect(), true),
        (Fault::new(Answer::Garbage(201)).after_effect(), true),
        (Fault::slow(1_000).after_effect(), true),
    ] {
        providers.shippo().reset();
        let order = order(&offer(&shippo).await);
        providers.shippo().inject(fault.on(Operation::Buy));
        let lost = shippo.buy(&order).await;
        assert!(matches!(lost, Err(CarrierError::OutcomeUnknown(_))), "{fault:?}: {lost:?}");
        let snapshot = providers.shippo().snapshot();
        assert_eq!(providers.shippo().calls()[&Operation::Buy], 1, "{fault:?}");
        assert_eq!(snapshot.purchases.len(), usize::from(takes_effect), "{fault:?}");
        assert_eq!(shippo.find(&order).await.unwrap().len(), usize::from(takes_effect), "{fault:?}");
    }
    let order = order(&offer(&shippo).await);
    providers.shippo().inject(Fault::new(Answer::Status(429)).on(Operation::Buy));
    let busy = shippo.buy(&order).await;
    assert!(matches!(busy, Err(CarrierError::Unavailable(_))), "it took no effect: {busy:?}");
}

#[tokio::test]
async fn what_is_not_sold_says_why_in_a_word() {
    let providers = Providers::start().await.unwrap();
    let shippo = shippo(&providers);
    let first = order(&offer(&shippo).await);
    providers.shippo().refuse_next("address_invalid");
    let refused = Sale::Refused { code: "address_invalid".to_owned() };
    assert_eq!(shippo.buy(&first).await.unwrap(), refused);
    assert_eq!(shippo.find(&first).await.unwrap(), [refused]);
    let gone = LabelOrder { rate: "s1.r1".to_owned(), ..first };
    let error = shippo.buy(&gone).await.unwrap_err();
    assert!(matches!(&error, CarrierError::Refused { code } if code == "not-accepted"), "{error:?}");
}

#[tokio::test]
async fn questions_are_asked_again_and_then_nobody_is_there() {
    let providers = Providers::start().await.unwrap();
    let shippo = shippo(&providers);
    let order = order(&offer(&shippo).await);
    for answer in [Answer::Status(500), Answer::Status(429), Answer::Drop, Answer::Garbage(200)] {
        providers.shippo().inject(Fault::new(answer).on(Operation::List));
        assert_eq!(shippo.find(&order).await.unwrap(), [], "{answer:?}");
        providers.shippo().inject(Fault::new(answer).on(Operation::List).times(2));
        let failed = shippo.find(&order).await;
        assert!(matches!(failed, Err(CarrierError::Unavailable(_))), "{answer:?}: {failed:?}");
    }
    providers.shippo().inject(Fault::slow(2_000).on(Operation::Track).times(2));
    let late = shippo.track(&parcel("usps", "1")).await;
    assert!(matches!(late, Err(CarrierError::Unavailable(_))), "{late:?}");
}

#[tokio::test]
async fn a_key_that_is_refused_is_for_people_to_mend_and_does_not_show() {
    let providers = Providers::start().await.unwrap();
    let shippo = Shippo::new(&Secret::new("s3cret"), Some(&providers.shippo_url()), PATIENCE);
    let failed = shippo.offers(&consignment("12 Square", 800)).await.unwrap_err();
    assert!(matches!(failed, CarrierError::Rejected(_)), "{failed:?}");
    assert!(!format!("{failed:?} {shippo:?}").contains("s3cret"));
}

#[tokio::test]
async fn no_failure_shows_an_address() {
    let providers = Providers::start().await.unwrap();
    let shippo = shippo(&providers);
    let refused = shippo.offers(&consignment("1 Nowhere Lane", 800)).await.unwrap_err();
    assert!(matches!(refused, CarrierError::Refused { .. }), "{refused:?}");
    for status in [200, 400, 403, 502] {
        providers.shippo().inject(Fault::new(Answer::Garbage(status)).on(Operation::Quote).times(2));
        let failed = shippo.offers(&consignment("12 Square", 800)).await.unwrap_err();
        let shown = format!("{failed} {failed:?} {refused:?}");
        assert!(!["Square", "Nowhere", "Ada", "62701"].iter().any(|word| shown.contains(word)), "{shown}");
        providers.shippo().reset();
    }
}

#[tokio::test]
async fn a_label_is_given_back_once_and_then_asked_about() {
    let providers = Providers::start().await.unwrap();
    let shippo = shippo(&providers);
    let sold = postage(shippo.buy(&order(&offer(&shippo).await)).await.unwrap());
    for _ in 0..2 {
        assert_eq!(shippo.void(&sold.provider_id).await.unwrap(), Voided::Pending);
    }
    assert_eq!(providers.shippo().calls()[&Operation::Refund], 1);
    providers.shippo().decide_refunds(true);
    assert_eq!(shippo.void(&sold.provider_id).await.unwrap(), Voided::Done);
    let kept = postage(shippo.buy(&order(&offer(&shippo).await)).await.unwrap());
    assert_eq!(shippo.void(&kept.provider_id).await.unwrap(), Voided::Pending);
    providers.shippo().decide_refunds(false);
    assert_eq!(shippo.void(&kept.provider_id).await.unwrap(), Voided::Refused);
    let statuses: Vec<_> = providers.shippo().snapshot().purchases.iter().map(|p| p.status).collect();
    assert_eq!(statuses, [PurchaseStatus::Refunded, PurchaseStatus::RefundRejected]);
    assert!(shippo.void("../x").await.is_err());
}

#[tokio::test]
async fn a_label_that_is_given_back_stays_so_when_the_answer_gets_lost() {
    for lost in [Answer::Drop, Answer::Status(502), Answer::Garbage(201)] {
        let providers = Providers::start().await.unwrap();
        let shippo = shippo(&providers);
        let sold = postage(shippo.buy(&order(&offer(&shippo).await)).await.unwrap());
        providers.shippo().inject(Fault::new(lost).on(Operation::Refund).after_effect());
        // Either it is known at once, or it is asked about again.
        if let Ok(given_back) = shippo.void(&sold.provider_id).await {
            assert_eq!(given_back, Voided::Pending);
        }
        assert_eq!(shippo.void(&sold.provider_id).await.unwrap(), Voided::Pending);
    }
}

#[tokio::test]
async fn a_parcel_is_followed_under_its_carriers_name() {
    let providers = Providers::start().await.unwrap();
    let shippo = shippo(&providers);
    for (number, news) in [
        ("SHIPPO_UNKNOWN", None),
        ("SHIPPO_PRE_TRANSIT", None),
        ("SHIPPO_TRANSIT", None),
        ("SHIPPO_DELIVERED", Some(CarrierNews::Delivered)),
        ("SHIPPO_RETURNED", Some(CarrierNews::Returned)),
        ("SHIPPO_FAILURE", Some(CarrierNews::Failed)),
    ] {
        let track = shippo.track(&parcel("Shippo", number)).await.unwrap().unwrap();
        assert_eq!(track.news, news, "{number}");
    }
    let own = parcel("DHL Express", "jd 0146");
    assert_eq!(shippo.track(&own).await.unwrap(), None);
    assert_eq!(shippo.register(&own).await.unwrap().unwrap().news, None);
    let at = "2027-01-02T03:04:05Z";
    providers.shippo().tell("dhl_express", "JD0146", Status::OutForDelivery, Some(at)).unwrap();
    let track = shippo.track(&own).await.unwrap().unwrap();
    assert_eq!(track.news, Some(CarrierNews::OutForDelivery));
    assert_eq!(track.at, sutler_domain::time::Timestamp::parse(at));
    assert_eq!(shippo.register(&own).await.unwrap(), Some(track), "said again, it is the same");
    // Carriers that nobody knows, and numbers that are none.
    for (carrier, number) in [("Uncle Bob", "1"), ("usps", "1/../2"), ("usps", "é"), ("#", "1")] {
        assert_eq!(shippo.register(&parcel(carrier, number)).await.unwrap(), None, "{carrier} {number}");
        assert_eq!(shippo.track(&parcel(carrier, number)).await.unwrap(), None, "{carrier} {number}");
    }
}
