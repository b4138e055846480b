//! Listings: a product and the variants that are bought.

use serde::{Deserialize, Serialize};

use crate::{
    ids::{CategoryId, ProductId, SellerId, VariantId},
    money::{Currency, Money},
    problem::FieldError,
    shards::FlashSale,
    tax::TaxClass,
    time::Timestamp,
};

/// The most variants a product has at a time. A change of the product rewrites the snapshots of all of them in
/// one transaction, beside the product, two category counters and the idempotency record: 100 writes in all.
pub const VARIANTS_MAX: usize = 96;
/// The most variants a product is created with: each takes three writes of the one transaction.
pub const VARIANTS_AT_CREATION_MAX: usize = 30;
/// The largest price, in minor units.
pub const PRICE_MINOR_MAX: u64 = 10_000_000_000;
/// The heaviest parcel, in grams.
pub const WEIGHT_G_MAX: u32 = 1_000_000;

const TITLE_CHARS: std::ops::RangeInclusive<usize> = 3..=255;
const DESCRIPTION_CHARS_MAX: usize = 10_000;
const BRAND_CHARS: std::ops::RangeInclusive<usize> = 1..=80;
const OPTION_CHARS: std::ops::RangeInclusive<usize> = 1..=40;
const SKU_CHARS: std::ops::RangeInclusive<usize> = 1..=64;
const IMAGE_CHARS_MAX: usize = 500;
const OPTIONS_MAX: usize = 3;
const OPTION_VALUES_MAX: usize = 50;

/// Whether a listing can be bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ListingState {
    /// Shown and for sale.
    Active,
    /// Gone for buyers; orders keep their own snapshot.
    Archived,
}

/// A choice the buyer makes, such as a size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductOption {
    /// What is chosen.
    pub name: String,
    /// What there is to choose from, in the order shown.
    pub values: Vec<String>,
}

/// One choice made: this variant has this value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OptionValue {
    /// Name of the option.
    pub name: String,
    /// The value of this variant.
    pub value: String,
}

/// What a variant is called: its title, with what makes it this variant.
#[must_use]
pub fn in_words(title: &str, options: &[OptionValue]) -> String {
    let chosen = options.iter().map(|option| format!(", {}: {}", option.name, option.value));
    [title.to_owned()].into_iter().chain(chosen).collect()
}

/// A listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// Its id.
    pub id: ProductId,
    /// Whose it is.
    pub seller: SellerId,
    /// The shop's name when the product was listed.
    pub seller_name: String,
    /// What it is called.
    pub title: String,
    /// Its name in addresses; it never changes.
    pub slug: String,
    /// What it is.
    pub description: String,
    /// Who makes it.
    pub brand: Option<String>,
    /// Where it is filed.
    pub category: CategoryId,
    /// What kind of goods it is for the tax office, unless it is taxed as usual.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax_class: Option<TaxClass>,
    /// What its variants cost unless they have a price of their own.
    pub price: Money,
    /// Its picture.
    pub image: Option<String>,
    /// What the buyer chooses; none when there is only one variant.
    pub options: Vec<ProductOption>,
    /// Whether it can be bought.
    pub state: ListingState,
    /// The number the next variant gets. Numbers are never used twice.
    pub next_index: u8,
    /// When it was listed.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// What is bought. It carries a snapshot of its product, so that checkout reads nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variant {
    /// Its id.
    pub id: VariantId,
    /// The product it belongs to.
    pub product: ProductId,
    /// Whose it is.
    pub seller: SellerId,
    /// The shop's name.
    pub seller_name: String,
    /// The product's title.
    pub title: String,
    /// A value for each option of the product, in the product's order.
    pub options: Vec<OptionValue>,
    /// The seller's article number, unique within the shop.
    pub sku: String,
    /// What one costs.
    pub price: Money,
    /// Whether the price is its own; otherwise it follows the product's.
    pub own_price: bool,
    /// Where the product is filed.
    pub category: CategoryId,
    /// The product's kind of goods for the tax office.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax_class: Option<TaxClass>,
    /// Its picture.
    pub image: Option<String>,
    /// Whether the picture is its own; otherwise it follows the product's.
    pub own_image: bool,
    /// Whether it can be bought.
    pub state: ListingState,
    /// Weight of one, in grams.
    pub weight_g: u32,
    /// How it is sold while it is in great demand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flash_sale: Option<FlashSale>,
}

impl Product {
    /// Whether buyers see it.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.state == ListingState::Active
    }
}

impl Variant {
    /// Whether it can be bought.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.state == ListingState::Active
    }

    /// Takes over what it shows of its product.
    #[must_use]
    pub fn following(mut self, product: &Product) -> Self {
        self.seller_name.clone_from(&product.seller_name);
        self.title.clone_from(&product.title);
        self.category = product.category.clone();
        self.tax_class.clone_from(&product.tax_class);
        if !self.own_price {
            self.price = product.price;
        }
        if !self.own_image {
            self.image.clone_from(&product.image);
        }
        self
    }
}

/// Collects what is wrong with the fields of an input, each under its JSON pointer.
#[derive(Debug, Default)]
pub struct Findings(Vec<FieldError>);

impl Findings {
    /// Notes a finding.
    pub fn add(&mut self, pointer: impl Into<String>, code: &'static str) {
        self.0.push(FieldError::new(pointer, code));
    }

    /// Notes what was found elsewhere.
    pub fn extend(&mut self, errors: Vec<FieldError>) {
        self.0.extend(errors);
    }

    /// Everything found so far.
    #[must_use]
    pub fn into_errors(self) -> Vec<FieldError> {
        self.0
    }

    fn chars(&mut self, pointer: &str, text: &str, range: &std::ops::RangeInclusive<usize>) {
        let count = text.chars().count();
        if count > *range.end() {
            self.add(pointer, "too-long");
        } else if count < *range.start() || text.trim().chars().count() < *range.start() {
            self.add(pointer, "too-short");
        } else if text.trim() != text || text.chars().any(char::is_control) {
            self.add(pointer, "invalid");
        }
    }

    /// A product's title.
    pub fn title(&mut self, pointer: &str, title: &str) {
        self.chars(pointer, title, &TITLE_CHARS);
    }

    /// A product's description; line breaks are welcome in it.
    pub fn description(&mut self, pointer: &str, text: &str) {
        if text.chars().count() > DESCRIPTION_CHARS_MAX {
            self.add(pointer, "too-long");
        } else if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t' && c != '\r') {
            self.add(pointer, "invalid");
        }
    }

    /// A brand.
    pub fn brand(&mut self, pointer: &str, brand: &str) {
        self.chars(pointer, brand, &BRAND_CHARS);
    }

    /// A price in the marketplace's currency.
    pub fn price(&mut self, pointer: &str, price: Money, currency: Currency) {
        if price.currency() != currency {
            self.add(format!("{pointer}/currency"), "currency-mismatch");
        }
        if price.is_zero() || price.minor() > PRICE_MINOR_MAX {
            self.add(format!("{pointer}/amount"), "out-of-range");
        }
    }

    /// An article number: visible ASCII, so that two of them never look alike.
    pub fn sku(&mut self, pointer: &str, sku: &str) {
        if !SKU_CHARS.contains(&sku.len()) {
            self.add(pointer, if sku.is_empty() { "too-short" } else { "too-long" });
        } else if !sku.bytes().all(|b| b.is_ascii_graphic() && b != b'#') {
            self.add(pointer, "invalid");
        }
    }

    /// The address of a picture.
    pub fn image(&mut self, pointer: &str, url: &str) {
        if url.len() > IMAGE_CHARS_MAX {
            self.add(pointer, "too-long");
        } else if !(url.starts_with("https://") || url.starts_with("http://"))
            || !url.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'<' | b'>' | b'\\'))
        {
            self.add(pointer, "invalid");
        }
    }

    /// A weight.
    pub fn weight(&mut self, pointer: &str, weight_g: u32) {
        if weight_g > WEIGHT_G_MAX {
            self.add(pointer, "out-of-range");
        }
    }

    /// What a product lets the buyer choose.
    pub fn options(&mut self, pointer: &str, options: &[ProductOption]) {
        if options.len() > OPTIONS_MAX {
            self.add(pointer, "too-many");
            return;
        }
        for (at, option) in options.iter().enumerate() {
            let here = format!("{pointer}/{at}");
            self.chars(&format!("{here}/name"), &option.name, &OPTION_CHARS);
            if options.iter().take(at).any(|earlier| earlier.name == option.name) {
                self.add(format!("{here}/name"), "duplicate");
            }
            if option.values.is_empty() || option.values.len() > OPTION_VALUES_MAX {
                let code = if option.values.is_empty() { "missing" } else { "too-many" };
                self.add(format!("{here}/values"), code);
                continue;
            }
            for (nth, value) in option.values.iter().enumerate() {
                self.chars(&format!("{here}/values/{nth}"), value, &OPTION_CHARS);
                if option.values.iter().take(nth).any(|earlier| earlier == value) {
                    self.add(format!("{here}/values/{nth}"), "duplicate");
                }
            }
        }
    }

    /// Puts chosen values into the product's order. Each option has exactly one of its values.
    pub fn chosen(
        &mut self,
        pointer: &str,
        options: &[ProductOption],
        chosen: &[OptionValue],
    ) -> Vec<OptionValue> {
        if chosen.len() != options.len() {
            self.add(pointer, "incomplete");
            return Vec::new();
        }
        let mut ordered = Vec::with_capacity(options.len());
        for option in options {
            match chosen.iter().find(|choice| choice.name == option.name) {
                None => self.add(pointer, "incomplete"),
                Some(choice) if option.values.contains(&choice.value) => ordered.push(choice.clone()),
                Some(_) => self.add(pointer, "unknown-value"),
            }
        }
        ordered
    }
}

/// A text as part of an address: lower-case ASCII letters and digits, joined by single hyphens.
#[must_use]
pub fn slugify(text: &str, chars_max: usize) -> String {
    let mut slug = String::new();
    for c in text.chars() {
        if slug.len() >= chars_max {
            break;
        }
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.trim_end_matches('-').to_owned()
}

/// The address of a new product: its title, and the end of its id, which no other product shares for long.
#[must_use]
pub fn product_slug(title: &str, id: &ProductId) -> String {
    let ulid = id.ulid();
    let tail = ulid.get(ulid.len().saturating_sub(8)..).unwrap_or(ulid).to_ascii_lowercase();
    let head = slugify(title, 60);
    if head.is_empty() { tail } else { format!("{head}-{tail}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(check: impl FnOnce(&mut Findings)) -> Vec<(String, &'static str)> {
        let mut findings = Findings::default();
        check(&mut findings);
        findings.into_errors().into_iter().map(|e| (e.pointer, e.code)).collect()
    }

    fn option(name: &str, values: &[&str]) -> ProductOption {
        ProductOption { name: name.to_owned(), values: values.iter().map(|&v| v.to_owned()).collect() }
    }

    fn choice(name: &str, value: &str) -> OptionValue {
        OptionValue { name: name.to_owned(), value: value.to_owned() }
    }

    #[test]
    fn a_title_has_3_to_255_characters() {
        for good in ["abc", "Ein schöner Tisch", &"x".repeat(255)] {
            assert!(codes(|f| f.title("/title", good)).is_empty(), "{good}");
        }
        for (bad, code) in
            [("", "too-short"), ("  a  ", "too-short"), ("a\u{7}bc", "invalid"), (" abc", "invalid")]
        {
            assert_eq!(codes(|f| f.title("/title", bad)), [("/title".to_owned(), code)]);
        }
        assert_eq!(codes(|f| f.title("/title", &"x".repeat(256))), [("/title".to_owned(), "too-long")]);
    }

    #[test]
    fn a_price_is_positive_bounded_and_in_the_marketplace_currency() {
        let price = |minor, currency| Money::try_new(minor, currency).unwrap();
        assert!(codes(|f| f.price("/price", price(1, Currency::Usd), Currency::Usd)).is_empty());
        assert!(
            codes(|f| f.price("/price", price(PRICE_MINOR_MAX, Currency::Usd), Currency::Usd)).is_empty()
        );
        for bad in [0, PRICE_MINOR_MAX + 1] {
            let found = codes(|f| f.price("/price", price(bad, Currency::Usd), Currency::Usd));
            assert_eq!(found, [("/price/amount".to_owned(), "out-of-range")]);
        }
        let found = codes(|f| f.price("/price", price(5, Currency::Eur), Currency::Usd));
        assert_eq!(found, [("/price/currency".to_owned(), "currency-mismatch")]);
    }

    #[test]
    fn options_are_few_and_distinct() {
        let size = option("size", &["S", "M"]);
        assert!(codes(|f| f.options("/options", std::slice::from_ref(&size))).is_empty());
        let twice = [size.clone(), option("size", &["L", "L"])];
        let found = codes(|f| f.options("/options", &twice));
        let expected = [("/options/1/name", "duplicate"), ("/options/1/values/1", "duplicate")];
        assert_eq!(found, expected.map(|(p, c)| (p.to_owned(), c)));
        let many = vec![size; 4];
        assert_eq!(codes(|f| f.options("/options", &many)), [("/options".to_owned(), "too-many")]);
        let empty = [option("size", &[])];
        assert_eq!(codes(|f| f.options("/o", &empty)), [("/o/0/values".to_owned(), "missing")]);
        let values: Vec<String> = (0..51).map(|n| n.to_string()).collect();
        let long = [ProductOption { name: "size".to_owned(), values }];
        assert_eq!(codes(|f| f.options("/o", &long)), [("/o/0/values".to_owned(), "too-many")]);
    }

    #[test]
    fn a_variant_has_one_known_value_for_each_option_in_the_products_order() {
        let options = [option("size", &["S", "M"]), option("colour", &["red"])];
        let mut findings = Findings::default();
        let chosen = [choice("colour", "red"), choice("size", "M")];
        let ordered = findings.chosen("/options", &options, &chosen);
        assert_eq!(ordered, [choice("size", "M"), choice("colour", "red")]);
        assert!(findings.into_errors().is_empty());
        for (bad, code) in [
            (vec![choice("size", "M")], "incomplete"),
            (vec![choice("size", "M"), choice("size", "S")], "incomplete"),
            (vec![choice("size", "XXL"), choice("colour", "red")], "unknown-value"),
        ] {
            let found = codes(|f| drop(f.chosen("/options", &options, &bad)));
            assert_eq!(found, [("/options".to_owned(), code)]);
        }
    }

    #[test]
    fn a_slug_is_readable_and_ends_with_the_id() {
        let id = ProductId::parse("prd_01J8ZQ5K3N0V7X2Y4T6B8D9FGH").unwrap();
        assert_eq!(product_slug("Blue  Chair, “L”", &id), "blue-chair-l-6b8d9fgh");
        assert_eq!(product_slug("椅子", &id), "6b8d9fgh");
        assert_eq!(slugify(&"ab ".repeat(50), 10), "ab-ab-ab-a");
    }

    #[test]
    fn an_image_is_a_web_address() {
        assert!(codes(|f| f.image("/image", "https://img.example/a.png")).is_empty());
        for bad in ["", "javascript:alert(1)", "https://a b", "https://a\"b", "ftp://x"] {
            assert_eq!(codes(|f| f.image("/image", bad)), [("/image".to_owned(), "invalid")], "{bad}");
        }
    }
}
