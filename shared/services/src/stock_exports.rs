//! All of a shop's stock as a file, in the columns that an import reads.

use std::collections::HashMap;

use sutler_domain::{
    ids::{ProductId, SellerId, VariantId, ulid_text},
    product::{Product, Variant},
    stock_import::{BYTES_MAX, ROWS_MAX},
};
use sutler_gateways::files::{FileStore, NewFile};
use sutler_store::stock::Believed;

use crate::{App, Error, inventory::StockedVariant, stock_imports::of_files};

/// How long the link to the file works.
const LINK_SECONDS: i64 = 900;
/// How many products are read at a time.
const PRODUCTS_AT_ONCE: u16 = 200;
/// How often one export reads more of them.
const PAGES_MAX: u32 = 1_000;
/// How many variants' stock is read at once, in batches that are all under way.
const STOCKS_AT_ONCE: usize = 500;

/// How the table is written.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// The row of names.
    pub header: fn() -> String,
    /// One row.
    pub row: fn(&StockedVariant) -> String,
}

/// A table that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// Where it can be fetched.
    pub link: String,
    /// For how long.
    pub seconds: i64,
    /// How many rows it has, the header aside.
    pub rows: usize,
    /// After which product the next table starts, when one cannot hold them all.
    pub next: Option<ProductId>,
}

/// Writes the stock of all variants that the seller has for sale, newest product first, to a file. It is no picture of one
/// moment: orders go on while it is written.
///
/// # Errors
/// When files or database do not answer.
pub async fn write(
    app: &App,
    files: &dyn FileStore,
    seller: &SellerId,
    after: Option<ProductId>,
    layout: Layout,
) -> Result<Export, Error> {
    let mut table = Table { text: (layout.header)(), rows: 0, last: after };
    let mut next = None;
    for page in 0..=PAGES_MAX {
        if page == PAGES_MAX {
            next.clone_from(&table.last);
            break;
        }
        let products = app.store.products_of_seller(seller, table.last.as_ref(), PRODUCTS_AT_ONCE).await?;
        if products.is_empty() {
            break;
        }
        if !table.add(app, &products, layout).await? {
            next.clone_from(&table.last);
            break;
        }
    }
    let now = app.now();
    let key = format!("exports/{}.csv", ulid_text(&*app.ids, now));
    let bytes = table.text.as_bytes();
    let file =
        NewFile { key: &key, content_type: "text/csv; charset=utf-8", file_name: "inventory.csv", bytes };
    files.write(file, now).await.map_err(of_files)?;
    let link = files.download_link(&key, LINK_SECONDS, now).map_err(of_files)?;
    Ok(Export { link, seconds: LINK_SECONDS, rows: table.rows, next })
}

struct Table {
    text: String,
    rows: usize,
    /// The last product that is in it as a whole.
    last: Option<ProductId>,
}

impl Table {
    /// Adds products as long as an import would still take the file; `false` when one did not fit.
    async fn add(&mut self, app: &App, products: &[Product], layout: Layout) -> Result<bool, Error> {
        let mut found = read(app, products).await?;
        for product in products {
            let variants = found.remove(&product.id).unwrap_or_default();
            let text: String = variants.iter().map(layout.row).collect();
            let bytes = u64::try_from(self.text.len().saturating_add(text.len())).unwrap_or(u64::MAX);
            let rows = self.rows.saturating_add(variants.len());
            if rows > ROWS_MAX || bytes > BYTES_MAX {
                return Ok(false);
            }
            self.text.push_str(&text);
            self.rows = rows;
            self.last = Some(product.id.clone());
        }
        Ok(true)
    }
}

/// What products have for sale: under every number that the index knows a variant of theirs was given. One that was listed a
/// moment ago may be missing; what is found is as it is.
async fn read(app: &App, products: &[Product]) -> Result<HashMap<ProductId, Vec<StockedVariant>>, Error> {
    let ids: Vec<VariantId> = products
        .iter()
        .flat_map(|product| (0..product.next_index).filter_map(|number| VariantId::of(&product.id, number)))
        .collect();
    let mut found: HashMap<ProductId, Vec<StockedVariant>> = HashMap::new();
    for ids in ids.chunks(STOCKS_AT_ONCE) {
        let variants = app.store.variants(ids).await?.into_iter().flatten();
        let variants: Vec<_> = variants.map(|read| read.value).filter(Variant::is_active).collect();
        let spread = |variant: &Variant| variant.flash_sale.map_or(1, |sale| sale.spread);
        let believed = |variant: &Variant| (variant.id.clone(), spread(variant));
        let wanted: Vec<Believed> = variants.iter().map(believed).collect();
        let stocks = app.store.sharded_stock(&wanted).await?;
        for (variant, stock) in variants.into_iter().zip(stocks) {
            if let Some(stock) = stock.and_then(|stock| stock.total()) {
                let product = found.entry(variant.product.clone()).or_default();
                product.push(StockedVariant { variant, stock });
            }
        }
    }
    Ok(found)
}
