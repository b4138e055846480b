//! Labels of which nobody knows what became: looked for, and only then bought again.

use sutler_domain::{
    idempotency::{Answer, Once},
    ids::LabelId,
    label::{Label, LabelState},
    problem::Problem,
};
use sutler_gateways::carriers::{CarrierError, Carriers, Sale};
use sutler_store::{Transaction, orders};

use super::{Outcome, attempt, carrier_error, conclude, order_of, part_with, purchase, take_back};
use crate::{App, Error};

/// What the provider knows of a purchase.
pub(super) enum Seen {
    /// Nothing: it was never made, or did not arrive.
    Nothing,
    /// It is at it.
    Processing,
    /// This.
    Outcome(Outcome),
}

/// Looks for the purchase of a label. Should it have been made twice, the second is given back at once.
pub(super) async fn look(carriers: &dyn Carriers, label: &Label) -> Result<Seen, CarrierError> {
    let (mut kept, mut refused, mut processing) = (None, None, false);
    for sale in carriers.find(&order_of(label)).await? {
        match sale {
            Sale::Sold(postage) if kept.is_none() => kept = Some(Outcome::Bought(postage)),
            Sale::Sold(surplus) => {
                let provider_id = &surplus.provider_id;
                tracing::error!(alarm = "label_bought_twice", label.id = %label.id, "{} was bought twice", label.id);
                let given_back = carriers.void(provider_id).await;
                tracing::warn!(label.id = %label.id, label.given_back = ?given_back, "Gave {provider_id} back");
            }
            Sale::Processing => processing = true,
            Sale::Refused { code } => refused = Some(Outcome::Failed(code)),
        }
    }
    Ok(match (kept, refused) {
        (Some(kept), _) => Seen::Outcome(kept),
        // One that is under way may still be sold.
        _ if processing => Seen::Processing,
        (None, Some(refused)) => Seen::Outcome(refused),
        (None, None) => Seen::Nothing,
    })
}

/// Brings a label on as far as it goes, and answers how it stands. Only when the provider knows nothing of a purchase that
/// was begun long ago, it is made again, by whoever claims that first.
///
/// # Errors
/// [`Error`] when provider or database do not answer.
pub async fn pursue(
    app: &App,
    carriers: &dyn Carriers,
    id: &LabelId,
    once: &Once<Label>,
) -> Result<Answer, Error> {
    let mut aggregate = app.store.order(&id.order()).await?.ok_or(Problem::NotFound)?;
    let label = part_with(&mut aggregate, id)?.value.label_mut(id)?.clone();
    if label.ask_at().is_none_or(|at| app.now() < at) {
        // Decided, or another run may be at it.
        return Ok((once.render)(&label));
    }
    match &label.state {
        LabelState::Bought { .. } | LabelState::Failed { .. } | LabelState::Voided { .. } => {
            Ok((once.render)(&label))
        }
        LabelState::Voiding { .. } => {
            let (label, is_ours) = ask_again(app, id).await?;
            if !is_ours {
                return Ok((once.render)(&label));
            }
            take_back(app, carriers, &label, once).await
        }
        LabelState::Buying { .. } => {
            let outcome = match look(carriers, &label).await.map_err(carrier_error)? {
                Seen::Outcome(outcome) => Some(outcome),
                Seen::Processing => None,
                Seen::Nothing => {
                    let (label, is_ours) = ask_again(app, id).await?;
                    if !is_ours {
                        return Ok((once.render)(&label));
                    }
                    tracing::warn!(label.id = %id, "The provider knows nothing of {id}: buying it again");
                    purchase(carriers, &label).await
                }
            };
            conclude(app, carriers, &label, outcome, once).await
        }
    }
}

/// Claims another call about a label, and answers whether it is ours to make: of several that want to, one gets it.
async fn ask_again(app: &App, id: &LabelId) -> Result<(Label, bool), Error> {
    attempt(app, &id.order(), |mut aggregate| {
        let mut transaction = Transaction::new();
        let part = part_with(&mut aggregate, id)?;
        let label = part.value.label_mut(id)?;
        let is_ours = label.ask_again(app.now()).is_ok();
        let label = label.clone();
        if is_ours {
            orders::save_part(&mut transaction, part)?;
        }
        Ok((transaction, (label, is_ours)))
    })
    .await
}

/// Brings on every label that waits for its provider, and answers how many there were. One failure does not keep the
/// others from it.
///
/// # Errors
/// The first failure, after all the others were tried.
pub async fn resolve_all(app: &App) -> Result<u32, Error> {
    /// How many parts of a shard one run looks at; the next run goes on.
    const PER_SHARD_MAX: u16 = 100;
    let Some(carriers) = app.forwarder.carriers() else { return Ok(0) };
    let render = |_: &Label| Answer { status: 200, body: String::new() };
    let (mut asked, mut failure) = (0_u32, None);
    for shard in 0..orders::DUE_SHARDS {
        for (order, seller) in app.store.undecided_labels(shard, app.now(), PER_SHARD_MAX).await? {
            let Some(aggregate) = app.store.order(&order).await? else { continue };
            let part = aggregate.parts.iter().find(|part| part.value.seller == seller);
            let labels = part.into_iter().flat_map(|part| &part.value.labels);
            for label in labels.filter(|label| label.ask_at().is_some_and(|at| at <= app.now())) {
                let once = Once { key: None, render, at: app.now() };
                asked = asked.saturating_add(1);
                if let Err(error) = pursue(app, carriers, &label.id, &once).await {
                    tracing::error!(label.id = %label.id, error.chain = %error, "{} could not be resolved", label.id);
                    failure.get_or_insert(error);
                }
            }
        }
    }
    failure.map_or(Ok(asked), Err)
}
