//! Which shards the units of an order come from. An order is refused only when two looks at all shards agree that
//! there are too few.

use std::collections::HashMap;

use sutler_domain::{
    alert::HeldUnit,
    cart::CartLine,
    ids::{OrderId, UserId, VariantId},
    order::{OrderLine, Part},
    problem::{Problem, Shortage},
    product::Variant,
    shards::{FlashSale, Origin, Piece, Shift, choose, home},
    stock::{Stock, StockOp},
};
use sutler_store::{
    Guard, Transaction, Versioned,
    error::Refusal,
    flash_sales::{allowance_key, bought, count, uncount},
    stock::{self, Believed, ShardedStock},
};

use crate::{App, Error, flash_sales::shift};

/// The most writes that stock and limits of one order take, so that every later transaction about it fits as well: the
/// largest cancels some units of all fifteen parts, each of which is written with an event.
const WRITES_MAX: usize = 60;
/// How often other shards are tried because somebody else took the units that were just seen.
const TRIES_MAX: u32 = 24;

/// How many writes it takes to move all units of a line and to count them for their buyer.
fn writes(origin: &Origin) -> usize {
    origin.pieces.len().max(1).saturating_add(usize::from(origin.limit.is_some()))
}

/// Looks at stock, again and again, and knows what two looks agreed on.
#[derive(Debug, Default)]
pub(crate) struct Lookout {
    last: HashMap<VariantId, ShardedStock>,
}

impl Lookout {
    /// Takes what a refused write found in the only shard of a variant for the first look.
    pub(crate) fn found(&mut self, stock: Versioned<Stock>) {
        let variant = stock.value.variant.clone();
        self.last.insert(variant, ShardedStock { flash: None, shards: vec![stock] });
    }

    /// Looks at variants, and tells of each whether it is as it was at the look before.
    ///
    /// # Errors
    /// [`Problem::NotFound`] when one has no stock.
    pub(crate) async fn look(
        &mut self,
        app: &App,
        wanted: &[Believed],
    ) -> Result<Vec<(ShardedStock, bool)>, Error> {
        let mut looks = Vec::with_capacity(wanted.len());
        for found in app.store.sharded_stock(wanted).await? {
            let found = found.ok_or(Problem::NotFound)?;
            let variant = found.shards.first().map(|shard| shard.value.variant.clone());
            let before = variant.and_then(|variant| self.last.insert(variant, found.clone()));
            let is_settled = before.is_some_and(|before| before.agrees_with(&found));
            looks.push((found, is_settled));
        }
        Ok(looks)
    }
}

/// One line of an order and where its units are to come from.
#[derive(Debug, Clone)]
struct Hold {
    variant: VariantId,
    quantity: u32,
    sale: FlashSale,
    origin: Origin,
    /// One of the units, if it is held for the buyer already.
    given: Option<HeldUnit>,
}

impl Hold {
    /// The shard at which to look first.
    fn home(&self, order: &OrderId) -> u8 {
        self.given.as_ref().map_or_else(|| home(order, self.sale.shards), |unit| unit.shard)
    }

    /// How many units have to be found.
    fn missing(&self) -> u32 {
        self.quantity.saturating_sub(u32::from(self.given.is_some()))
    }

    fn is_of_given(&self, shard: u8) -> bool {
        self.given.as_ref().is_some_and(|unit| unit.shard == shard)
    }

    /// Takes the missing units from these shards, after the one that is held already.
    fn take_from(&mut self, missing: Vec<Piece>) {
        let (beside, mut pieces): (Vec<Piece>, Vec<Piece>) = missing
            .into_iter()
            .filter(|piece| piece.quantity > 0)
            .partition(|piece| self.is_of_given(piece.shard));
        if let Some(HeldUnit { shard, .. }) = self.given {
            let quantity = beside.first().map_or(1, |piece| piece.quantity.saturating_add(1));
            pieces.insert(0, Piece { shard, quantity });
        }
        let alert = self.given.as_ref().map(|unit| unit.alert.clone());
        self.origin = Origin { alert, ..Origin::new(pieces, self.origin.limit) };
    }

    /// From where units have to be moved.
    fn to_move(&self) -> Vec<Piece> {
        let mut pieces = self.origin.units(self.quantity);
        for piece in pieces.iter_mut().filter(|piece| self.is_of_given(piece.shard)) {
            piece.quantity = piece.quantity.saturating_sub(1);
        }
        pieces.retain(|piece| piece.quantity > 0);
        pieces
    }
}

/// What a write of the reservation is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum About {
    Stock,
    Limit,
}

/// The writes of a reservation, to ask afterwards which of them were refused.
pub(crate) struct Guards(Vec<(Guard, usize, About)>);

impl Guards {
    /// Whether any of them was refused.
    pub(crate) fn failed(&self, refusal: &Refusal) -> bool {
        self.0.iter().any(|(guard, ..)| refusal.failed(*guard))
    }
}

/// The units that an order is to hold.
#[derive(Debug)]
pub(crate) struct Reservation {
    buyer: UserId,
    order: OrderId,
    holds: Vec<Hold>,
    lookout: Lookout,
    tries: u32,
}

/// How the variants of a cart are sold, as far as they are in great demand.
pub(crate) fn sales(wanted: &[(CartLine, Variant)]) -> HashMap<VariantId, FlashSale> {
    let sale = |variant: &Variant| variant.flash_sale.map(|sale| (variant.id.clone(), sale));
    wanted.iter().filter_map(|(_, variant)| sale(variant)).collect()
}

impl Reservation {
    /// Every line from the shard that the order's id leads to, or from the one in which a unit is held for the buyer.
    ///
    /// # Errors
    /// [`Problem::BuyerLimit`] when a line alone is more than one buyer may have, [`Problem::Invalid`] when there
    /// are too many lines with such a limit.
    pub(crate) fn new(
        order: &OrderId,
        buyer: &UserId,
        parts: &[Part],
        sales: &HashMap<VariantId, FlashSale>,
        given: &HashMap<VariantId, HeldUnit>,
    ) -> Result<Self, Problem> {
        let mut holds = Vec::new();
        for line in parts.iter().flat_map(|part| &part.lines) {
            let sale = sales.get(&line.variant).copied().unwrap_or(FlashSale::NONE);
            let limit = sale.limit();
            if let Some(limit) = limit.filter(|limit| line.quantity > limit.max) {
                let variant = line.variant.clone();
                return Err(Problem::BuyerLimit { variant, limit: limit.max, bought: 0 });
            }
            let (variant, quantity) = (line.variant.clone(), line.quantity);
            let (given, origin) = (given.get(&variant).cloned(), Origin::new(Vec::new(), limit));
            let mut hold = Hold { variant, quantity, sale, origin, given };
            hold.take_from(vec![Piece { shard: hold.home(order), quantity: hold.missing() }]);
            holds.push(hold);
        }
        let (buyer, order) = (buyer.clone(), order.clone());
        let reservation = Self { buyer, order, holds, lookout: Lookout::default(), tries: 0 };
        if reservation.writes() > WRITES_MAX {
            return Err(Problem::field("/lines", "too-many-limited"));
        }
        Ok(reservation)
    }

    fn writes(&self) -> usize {
        self.holds.iter().map(|hold| writes(&hold.origin)).sum()
    }

    /// Lets the lines remember where their units come from.
    pub(crate) fn note(&self, parts: &mut [Part]) {
        let lines = parts.iter_mut().flat_map(|part| &mut part.lines);
        for (line, hold) in lines.zip(&self.holds) {
            line.origin = hold.origin.clone();
        }
    }

    /// Moves the units from available to reserved, and counts them where a buyer may have only so many.
    pub(crate) fn hold(&self, transaction: &mut Transaction) -> Guards {
        let mut guards = Vec::new();
        for (at, hold) in self.holds.iter().enumerate() {
            let Hold { variant, quantity, origin, .. } = hold;
            let (pieces, order) = (hold.to_move(), self.order.as_str());
            let held = stock::move_pieces(transaction, StockOp::Reserve, variant, &pieces, order);
            guards.extend(held.into_iter().map(|guard| (guard, at, About::Stock)));
            if let Some(limit) = origin.limit {
                let (key, change) = count(variant, &self.buyer, limit, *quantity);
                guards.push((transaction.update(key, change), at, About::Limit));
            }
        }
        Guards(guards)
    }

    /// Looks for the units elsewhere after the transaction was refused; when this succeeds, another try is due.
    ///
    /// # Errors
    /// [`Problem::BuyerLimit`], [`Problem::InsufficientStock`] naming every short line with what there really is,
    /// [`Problem::Conflict`] when something else was refused or others are always faster.
    pub(crate) async fn look_elsewhere(
        &mut self,
        app: &App,
        refusal: &Refusal,
        guards: &Guards,
    ) -> Result<(), Error> {
        let mut short = Vec::new();
        for (guard, at, about) in guards.0.iter().filter(|(guard, ..)| refusal.failed(*guard)) {
            let Some(hold) = self.holds.get(*at) else { continue };
            match (about, &hold.origin.limit) {
                (About::Limit, Some(limit)) => {
                    let (variant, limit) = (hold.variant.clone(), limit.max);
                    let bought = bought(refusal.found(*guard))?;
                    return Err(Problem::BuyerLimit { variant, limit, bought }.into());
                }
                (About::Stock | About::Limit, _) => {
                    let found = stock::read(refusal.found(*guard))?;
                    if let Some(found) = found.filter(|_| hold.sale.spread == 1) {
                        self.lookout.found(found);
                    }
                    if !short.contains(at) {
                        short.push(*at);
                    }
                }
            }
        }
        if short.is_empty() {
            return Err(Problem::Conflict.into());
        }
        loop {
            self.tries = self.tries.saturating_add(1);
            if self.tries > TRIES_MAX {
                return Err(Problem::Conflict.into());
            }
            if self.choose_again(app, &short).await? {
                return self.fit(app).await;
            }
        }
    }

    /// Chooses shards for the lines at `short`; `false` when stock was seen on the move and has to be looked at again.
    async fn choose_again(&mut self, app: &App, short: &[usize]) -> Result<bool, Error> {
        let believed = |at: &usize| self.holds.get(*at).map(|hold| (hold.variant.clone(), hold.sale.spread));
        let wanted: Vec<Believed> = short.iter().filter_map(believed).collect();
        let looks = self.lookout.look(app, &wanted).await?;
        let (mut shortages, mut all_found) = (Vec::new(), true);
        for (at, (found, is_settled)) in short.iter().zip(looks) {
            let Some(hold) = self.holds.get_mut(*at) else { continue };
            hold.sale = found.sale();
            match choose(&found.available(), hold.home(&self.order), hold.missing()) {
                Some(pieces) => hold.take_from(pieces),
                None if is_settled => shortages.push(Shortage {
                    variant: hold.variant.clone(),
                    requested: hold.quantity,
                    available: found
                        .total()
                        .map_or(0, |total| total.value.available)
                        .saturating_add(u32::from(hold.given.is_some())),
                }),
                None => all_found = false,
            }
        }
        if shortages.is_empty() { Ok(all_found) } else { Err(Problem::InsufficientStock(shortages).into()) }
    }

    /// When the units lie in more shards than one transaction can touch, brings those of the most scattered lines
    /// together first.
    async fn fit(&mut self, app: &App) -> Result<(), Error> {
        while self.writes() > WRITES_MAX {
            let scattered = self.holds.iter_mut().max_by_key(|hold| hold.origin.pieces.len());
            let Some(hold) = scattered else { return Ok(()) };
            let Some((first, others @ [_, ..])) = hold.origin.pieces.split_first() else { return Ok(()) };
            let flash = app.store.shards_of(&hold.variant).await?.and_then(|found| found.flash);
            let version = flash.ok_or(Problem::Conflict)?.version;
            for piece in others {
                let step = Shift { from: piece.shard, to: first.shard, quantity: piece.quantity };
                // Somebody else may have been faster; the order's own conditions decide.
                shift(app, &hold.variant, step, version).await?;
            }
            hold.take_from(vec![Piece { shard: first.shard, quantity: hold.missing() }]);
        }
        Ok(())
    }
}

/// Where those units of a line lie that were counted as cancelled or shipped last: units go shard by shard, so no two
/// steps move the same.
pub(crate) fn gone_last(line: &OrderLine, quantity: u32) -> Vec<Piece> {
    let gone = line.quantity.saturating_sub(line.progress.open(line.quantity));
    line.origin.units_after(line.quantity, gone.saturating_sub(quantity), quantity)
}

/// Gives up units of a line that will not be shipped and were counted as cancelled: to the shards where they came
/// from, and for their buyer to have again.
pub(crate) fn give_up(
    transaction: &mut Transaction,
    op: StockOp,
    buyer: &UserId,
    (line, quantity): (&OrderLine, u32),
    order: &OrderId,
) {
    stock::move_pieces(transaction, op, &line.variant, &gone_last(line, quantity), order.as_str());
    if let Some(limit) = line.origin.limit {
        let (key, change) = uncount(&line.variant, buyer, limit, quantity);
        transaction.update(key, change);
    }
}

/// Takes the units of a line again that was given up.
pub(crate) fn take_again(transaction: &mut Transaction, buyer: &UserId, line: &OrderLine, order: &OrderId) {
    stock::move_line(transaction, StockOp::Take, line, order.as_str());
    if let Some(limit) = line.origin.limit {
        let (key, change) = count(&line.variant, buyer, limit, line.quantity);
        transaction.update(key, change);
    }
}

/// Where the units of an order that was given up can be had now; nothing when some of them cannot.
pub(crate) async fn find_again(
    app: &App,
    order: &OrderId,
    buyer: &UserId,
    lines: &[&OrderLine],
) -> Result<Option<Vec<Origin>>, Error> {
    for line in lines {
        if let Some(limit) = line.origin.limit {
            let item = app.store.get(&allowance_key(&line.variant, buyer, limit.round)).await?;
            if bought(item.as_ref())?.saturating_add(line.quantity) > limit.max {
                return Ok(None);
            }
        }
    }
    let wanted: Vec<Believed> = lines.iter().map(|line| (line.variant.clone(), 1)).collect();
    let mut lookout = Lookout::default();
    'looks: for _ in 0..TRIES_MAX {
        let mut origins = Vec::with_capacity(lines.len());
        for (line, (found, is_settled)) in lines.iter().zip(lookout.look(app, &wanted).await?) {
            let shard = home(order, found.sale().shards);
            match choose(&found.available(), shard, line.quantity) {
                Some(pieces) => origins.push(Origin::new(pieces, line.origin.limit)),
                None if is_settled => return Ok(None),
                None => continue 'looks,
            }
        }
        return Ok((origins.iter().map(writes).sum::<usize>() <= WRITES_MAX).then_some(origins));
    }
    Err(Problem::Conflict.into())
}
