use proptest::{prelude::*, test_runner::TestRunner};

use super::*;
use crate::{Fault, Moment, RandomFaults};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_two_writers_wins() {
    for _ in 0..20 {
        let db = TestDb::new();
        put(&db, COMMERCE, "SKU", "a", &[("version", n(1))]).await;
        let writers = [7, 8].map(|owner| {
            let db = db.clone();
            tokio::spawn(async move {
                let update = db.client().update_item().table_name(COMMERCE).set_key(Some(key("SKU", "a")));
                let update = update
                    .update_expression("SET version = :next, holder = :owner")
                    .condition_expression("version = :seen")
                    .expression_attribute_values(":seen", n(1))
                    .expression_attribute_values(":next", n(2))
                    .expression_attribute_values(":owner", n(owner));
                update.send().await.is_ok().then_some(owner)
            })
        });
        let mut winners = Vec::new();
        for writer in writers {
            winners.extend(writer.await.unwrap());
        }
        let item = read(&db, COMMERCE, "SKU", "a").await.unwrap();
        assert_eq!(winners, [number(&item, "holder")]);
    }
}

/// One buyer: retries under one token whatever may have been lost, and reads a refused condition as an answer.
async fn buy(db: TestDb, buyer: usize, quantity: i64) -> bool {
    let token = format!("buyer-{buyer}");
    loop {
        match transact(&db, Some(&token), [take("a", quantity), create(&token)]).await {
            Ok(()) => return true,
            Err(failure) if name(&failure) == "TransactionCanceledException" => {
                if codes(&failure).iter().all(|code| code == "None" || code == "ConditionalCheckFailed") {
                    return false;
                }
            }
            Err(_) => {}
        }
    }
}

/// Sells `stock` to `quantities` under `faults`; answers the outcome per buyer after checking that nothing was
/// sold twice, lost or left without its order and its stream record.
async fn sell(stock: i64, quantities: &[i64], faults: RandomFaults) -> Vec<bool> {
    let db = TestDb::new();
    put(&db, COMMERCE, "SKU", "a", &[("available", n(stock)), ("version", n(0))]).await;
    db.random_faults(faults);
    let buyers: Vec<_> = quantities
        .iter()
        .enumerate()
        .map(|(buyer, quantity)| tokio::spawn(buy(db.clone(), buyer, *quantity)))
        .collect();
    let mut sold = Vec::new();
    for buyer in buyers {
        sold.push(buyer.await.unwrap());
    }
    db.calm();
    let item = read(&db, COMMERCE, "SKU", "a").await.unwrap();
    let taken: i64 =
        quantities.iter().zip(&sold).filter(|(_, sold)| **sold).map(|(quantity, _)| quantity).sum();
    assert_eq!(stock.checked_sub(taken), Some(number(&item, "available")));
    let orders = sold.iter().filter(|sold| **sold).count();
    assert_eq!(number(&item, "version"), i64::try_from(orders).unwrap());
    let changes = db.drain_stream();
    assert_eq!(changes.iter().filter(|change| change.pk == "ORDER").count(), orders);
    let levels = changes.iter().filter(|change| change.event_name == "MODIFY");
    assert!(levels.map(|change| number(change.new.as_ref().unwrap(), "available")).all(|level| level >= 0));
    sold
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn three_hundred_buyers_of_25_units() {
    let sold = sell(25, &[1; 300], RandomFaults::rough(1)).await;
    assert_eq!(sold.iter().filter(|sold| **sold).count(), 25);
}

#[test]
fn no_seed_oversells_and_every_seed_replays() {
    let histories = (any::<u64>(), 0_i64..12, prop::collection::vec(1_i64..5, 1..8), 0_u16..300);
    let result =
        TestRunner::new(ProptestConfig::with_cases(48)).run(&histories, |(seed, stock, wanted, lost)| {
            let faults = RandomFaults::rough(seed).rate(lost, Moment::After, Fault::Dropped);
            let play = || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(sell(stock, &wanted, faults.clone()))
            };
            prop_assert_eq!(play(), play());
            Ok(())
        });
    result.unwrap();
}
