//! That the kit behaves as DynamoDB does where our code relies on it.

mod engine;
mod faults;
mod races;
mod stream;
mod transactions;

use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, ConditionCheck, Put, ReturnValuesOnConditionCheckFailure,
    TransactWriteItem, Update,
};

use crate::{COMMERCE, Item, TestDb};

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

#[expect(clippy::needless_pass_by_value, reason = "numbers read better without an ampersand")]
fn n(number: impl ToString) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn key(pk: &str, sk: &str) -> Item {
    Item::from([("pk".to_owned(), s(pk)), ("sk".to_owned(), s(sk))])
}

fn number(item: &Item, name: &str) -> i64 {
    item[name].as_n().unwrap().parse().unwrap()
}

async fn put(db: &TestDb, table: &str, pk: &str, sk: &str, fields: &[(&str, AttributeValue)]) {
    let mut item = key(pk, sk);
    item.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    db.client().put_item().table_name(table).set_item(Some(item)).send().await.unwrap();
}

async fn read(db: &TestDb, table: &str, pk: &str, sk: &str) -> Option<Item> {
    let request = db.client().get_item().table_name(table).set_key(Some(key(pk, sk)));
    request.consistent_read(true).send().await.unwrap().item
}

/// Takes `quantity` from `SKU#<sk>` if that much is there.
fn take(sk: &str, quantity: i64) -> TransactWriteItem {
    let update = Update::builder()
        .table_name(COMMERCE)
        .set_key(Some(key("SKU", sk)))
        .update_expression("SET available = available - :q, version = version + :one")
        .condition_expression("available >= :q")
        .expression_attribute_values(":q", n(quantity))
        .expression_attribute_values(":one", n(1))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    TransactWriteItem::builder().update(update.build().unwrap()).build()
}

/// Creates `ORDER#<sk>` if there is none.
fn create(sk: &str) -> TransactWriteItem {
    let put = Put::builder()
        .table_name(COMMERCE)
        .set_item(Some(key("ORDER", sk)))
        .condition_expression("attribute_not_exists(pk)");
    TransactWriteItem::builder().put(put.build().unwrap()).build()
}

/// Checks that `SKU#<sk>` exists.
fn exists(sk: &str) -> TransactWriteItem {
    let check = ConditionCheck::builder()
        .table_name(COMMERCE)
        .set_key(Some(key("SKU", sk)))
        .condition_expression("attribute_exists(pk)");
    TransactWriteItem::builder().condition_check(check.build().unwrap()).build()
}

type TransactFailure = aws_sdk_dynamodb::error::SdkError<
    aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError,
    aws_sdk_dynamodb::config::http::HttpResponse,
>;

async fn transact(
    db: &TestDb,
    token: Option<&str>,
    items: impl IntoIterator<Item = TransactWriteItem>,
) -> Result<(), TransactFailure> {
    let items = items.into_iter().collect();
    let request = db.client().transact_write_items().set_transact_items(Some(items));
    request.set_client_request_token(token.map(ToOwned::to_owned)).send().await.map(|_| ())
}

fn reasons(failure: &TransactFailure) -> Vec<CancellationReason> {
    use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError as Error;
    match failure.as_service_error() {
        Some(Error::TransactionCanceledException(cancelled)) => cancelled.cancellation_reasons().to_vec(),
        _ => panic!("not cancelled: {failure:?}"),
    }
}

fn codes(failure: &TransactFailure) -> Vec<String> {
    reasons(failure).into_iter().map(|reason| reason.code.unwrap()).collect()
}

/// The exception's name, whether or not the SDK models it for the operation.
fn name<E>(
    failure: &aws_sdk_dynamodb::error::SdkError<E, aws_sdk_dynamodb::config::http::HttpResponse>,
) -> String
where
    E: aws_sdk_dynamodb::error::ProvideErrorMetadata,
{
    let code = failure.as_service_error().and_then(|error| error.meta().code());
    code.unwrap_or("no service error").to_owned()
}
