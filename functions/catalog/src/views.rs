//! What the catalogue takes and shows.

use serde::{Deserialize, Serialize};
use sutler_domain::{
    category::Category,
    ids::CategoryId,
    money::Money,
    patch::Patch,
    product::{OptionValue, Product, ProductOption},
    tax::TaxClass,
};
use sutler_http::views::MoneyView;
use sutler_services::catalog::{
    Offer, OfferedVariant,
    categories::{CategoryChange, CategoryDraft},
    products::{ProductChange, ProductDraft},
    variants::{VariantChange, VariantDraft},
};
use sutler_store::Versioned;
use utoipa::ToSchema;

/// A choice the buyer makes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OptionInput {
    /// What is chosen.
    #[schema(example = "size")]
    pub name: String,
    /// What there is to choose from, in the order shown; at most 50.
    #[schema(example = json!(["S", "M", "L"]))]
    pub values: Vec<String>,
}

/// One choice made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChoiceInput {
    /// Name of the option.
    #[schema(example = "size")]
    pub name: String,
    /// One of its values.
    #[schema(example = "M")]
    pub value: String,
}

/// A new product.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProductInput {
    /// 3 to 255 characters.
    #[schema(example = "Linen shirt")]
    pub title: String,
    /// At most 10,000 characters.
    #[serde(default)]
    #[schema(example = "Washed linen, made to last.")]
    pub description: String,
    /// At most 80 characters.
    pub brand: Option<String>,
    /// Where to file it.
    #[schema(value_type = String, example = "cat_01J8ZQ5K3N0V7X2Y4T6B8D9FGH")]
    pub category: CategoryId,
    /// What kind of goods it is for the tax office: 1 to 32 of `a-z`, `0-9` and `-`. Left out, it is taxed as usual.
    #[schema(value_type = Option<String>, example = "books")]
    pub tax_class: Option<TaxClass>,
    /// What its variants cost unless they say otherwise; in the marketplace's currency.
    #[schema(value_type = MoneyView)]
    pub price: Money,
    /// Address of a picture.
    #[schema(example = "https://images.example/shirt.jpg")]
    pub image: Option<String>,
    /// At most three.
    #[serde(default)]
    pub options: Vec<OptionInput>,
    /// At most 30; may be left out when there are no options.
    #[serde(default)]
    pub variants: Vec<VariantInput>,
}

/// A new variant.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VariantInput {
    /// A value for each option of the product.
    #[serde(default)]
    pub options: Vec<ChoiceInput>,
    /// Article number, unique in the shop; the variant's id when left out.
    #[schema(example = "SHIRT-M")]
    pub sku: Option<String>,
    /// Its own price; the product's when left out.
    #[schema(value_type = Option<MoneyView>)]
    pub price: Option<Money>,
    /// Address of its own picture; the product's when left out.
    pub image: Option<String>,
    /// Weight of one, in grams.
    #[serde(default)]
    #[schema(example = 250)]
    pub weight_g: u32,
    /// How many there are to begin with.
    #[serde(default)]
    #[schema(example = 10)]
    pub quantity: u32,
}

/// A change of a product. Fields left out stay.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProductPatch {
    /// New title.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub title: Patch<String>,
    /// New description.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub description: Patch<String>,
    /// New brand; null removes it.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub brand: Patch<String>,
    /// New category.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub category: Patch<CategoryId>,
    /// New kind of goods for the tax office; null taxes it as usual.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub tax_class: Patch<TaxClass>,
    /// New price; variants without a price of their own follow.
    #[serde(default)]
    #[schema(value_type = Option<MoneyView>)]
    pub price: Patch<Money>,
    /// New picture; null removes it.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub image: Patch<String>,
    /// New options; each variant must still have one of the values of each.
    #[serde(default)]
    #[schema(value_type = Option<Vec<OptionInput>>)]
    pub options: Patch<Vec<OptionInput>>,
}

/// A change of a variant. Fields left out stay.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VariantPatch {
    /// New option values.
    #[serde(default)]
    #[schema(value_type = Option<Vec<ChoiceInput>>)]
    pub options: Patch<Vec<ChoiceInput>>,
    /// New article number.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub sku: Patch<String>,
    /// Its own price; null follows the product's.
    #[serde(default)]
    #[schema(value_type = Option<MoneyView>)]
    pub price: Patch<Money>,
    /// Its own picture; null follows the product's.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub image: Patch<String>,
    /// New weight of one, in grams.
    #[serde(default)]
    #[schema(value_type = Option<u32>)]
    pub weight_g: Patch<u32>,
}

/// A new category.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CategoryInput {
    /// At most 80 characters.
    #[schema(example = "Shirts")]
    pub name: String,
    /// Unique below its parent; made from the name when left out.
    #[schema(example = "shirts")]
    pub slug: Option<String>,
    /// What it is part of; at the top when left out.
    #[schema(value_type = Option<String>)]
    pub parent: Option<CategoryId>,
}

/// A change of a category. Fields left out stay.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CategoryPatch {
    /// New name.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub name: Patch<String>,
    /// New slug.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub slug: Patch<String>,
    /// New parent; null moves it to the top.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub parent: Patch<CategoryId>,
}

fn options(input: Vec<OptionInput>) -> Vec<ProductOption> {
    input.into_iter().map(|OptionInput { name, values }| ProductOption { name, values }).collect()
}

fn choices(input: Vec<ChoiceInput>) -> Vec<OptionValue> {
    input.into_iter().map(|ChoiceInput { name, value }| OptionValue { name, value }).collect()
}

impl From<VariantInput> for VariantDraft {
    fn from(input: VariantInput) -> Self {
        let VariantInput { options, sku, price, image, weight_g, quantity } = input;
        Self { options: choices(options), sku, price, image, weight_g, quantity }
    }
}

impl From<ProductInput> for ProductDraft {
    fn from(input: ProductInput) -> Self {
        Self {
            title: input.title,
            description: input.description,
            brand: input.brand,
            category: input.category,
            tax_class: input.tax_class,
            price: input.price,
            image: input.image,
            options: options(input.options),
            variants: input.variants.into_iter().map(VariantDraft::from).collect(),
        }
    }
}

impl From<ProductPatch> for ProductChange {
    fn from(input: ProductPatch) -> Self {
        Self {
            title: input.title,
            description: input.description,
            brand: input.brand,
            category: input.category,
            tax_class: input.tax_class,
            price: input.price,
            image: input.image,
            options: input.options.map(options),
        }
    }
}

impl From<VariantPatch> for VariantChange {
    fn from(input: VariantPatch) -> Self {
        let VariantPatch { options, sku, price, image, weight_g } = input;
        Self { options: options.map(choices), sku, price, image, weight_g }
    }
}

impl From<CategoryInput> for CategoryDraft {
    fn from(input: CategoryInput) -> Self {
        let CategoryInput { name, slug, parent } = input;
        Self { name, slug, parent }
    }
}

impl From<CategoryPatch> for CategoryChange {
    fn from(input: CategoryPatch) -> Self {
        let CategoryPatch { name, slug, parent } = input;
        Self { name, slug, parent }
    }
}

/// A choice the buyer makes.
#[derive(Debug, Serialize, ToSchema)]
pub struct OptionView {
    /// What is chosen.
    #[schema(example = "size")]
    pub name: String,
    /// What there is to choose from.
    #[schema(example = json!(["S", "M", "L"]))]
    pub values: Vec<String>,
}

/// One choice made.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChoiceView {
    /// Name of the option.
    #[schema(example = "size")]
    pub name: String,
    /// The value of this variant.
    #[schema(example = "M")]
    pub value: String,
}

/// A shop, as far as a listing shows it.
#[derive(Debug, Serialize, ToSchema)]
pub struct SellerRefView {
    /// Seller id.
    #[schema(example = "sel_01J8ZQ5K3N0V7X2Y4T6B8D9FGH")]
    pub id: String,
    /// Name of the shop.
    pub name: String,
}

/// A variant.
#[derive(Debug, Serialize, ToSchema)]
pub struct VariantView {
    /// Variant id.
    #[schema(example = "var_01J8ZQ5K3N0V7X2Y4T6B8D9FGH00")]
    pub id: String,
    /// To be sent as `If-Match` with a change of this variant.
    pub version: u64,
    /// A value for each option.
    pub options: Vec<ChoiceView>,
    /// Article number.
    pub sku: String,
    /// What one costs.
    pub price: MoneyView,
    /// Address of a picture.
    pub image: Option<String>,
    /// Weight of one, in grams.
    pub weight_g: u32,
    /// How many are free.
    #[schema(example = 10)]
    pub available: u32,
    /// How many one buyer may have.
    pub per_buyer_limit: Option<u32>,
}

/// A product.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProductView {
    /// Product id.
    #[schema(example = "prd_01J8ZQ5K3N0V7X2Y4T6B8D9FGH")]
    pub id: String,
    /// To be sent as `If-Match` with a change of this product.
    pub version: u64,
    /// Its name in addresses.
    #[schema(example = "linen-shirt-6b8d9fgh")]
    pub slug: String,
    /// What it is called.
    pub title: String,
    /// What it is.
    pub description: String,
    /// Who makes it.
    pub brand: Option<String>,
    /// Category id.
    pub category: String,
    /// What kind of goods it is for the tax office.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tax_class: Option<String>,
    /// Whose it is.
    pub seller: SellerRefView,
    /// What its variants cost unless they say otherwise.
    pub price: MoneyView,
    /// Address of a picture.
    pub image: Option<String>,
    /// What the buyer chooses.
    pub options: Vec<OptionView>,
    /// What can be bought.
    pub variants: Vec<VariantView>,
    /// When it was listed.
    #[schema(example = "2027-01-01T12:00:00.000Z")]
    pub created_at: String,
    /// When it was last changed.
    pub updated_at: String,
}

/// A product in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct CardView {
    /// Product id.
    pub id: String,
    /// Its name in addresses.
    pub slug: String,
    /// What it is called.
    pub title: String,
    /// Who makes it.
    pub brand: Option<String>,
    /// Category id.
    pub category: String,
    /// Whose it is.
    pub seller: SellerRefView,
    /// What its variants cost unless they say otherwise.
    pub price: MoneyView,
    /// Address of a picture.
    pub image: Option<String>,
    /// When it was listed.
    pub created_at: String,
}

/// A category.
#[derive(Debug, Serialize, ToSchema)]
pub struct CategoryView {
    /// Category id.
    #[schema(example = "cat_01J8ZQ5K3N0V7X2Y4T6B8D9FGH")]
    pub id: String,
    /// To be sent as `If-Match` with a change of this category.
    pub version: u64,
    /// What it is called.
    pub name: String,
    /// Its name in addresses, unique below its parent.
    pub slug: String,
    /// What it is part of.
    pub parent: Option<String>,
}

impl From<&OfferedVariant> for VariantView {
    fn from(offered: &OfferedVariant) -> Self {
        let variant = &offered.variant.value;
        let choice =
            |choice: &OptionValue| ChoiceView { name: choice.name.clone(), value: choice.value.clone() };
        Self {
            id: variant.id.to_string(),
            version: offered.variant.version.0,
            options: variant.options.iter().map(choice).collect(),
            sku: variant.sku.clone(),
            price: variant.price.into(),
            image: variant.image.clone(),
            weight_g: variant.weight_g,
            available: offered.available,
            per_buyer_limit: variant.flash_sale.and_then(|sale| sale.per_buyer_limit),
        }
    }
}

fn seller(product: &Product) -> SellerRefView {
    SellerRefView { id: product.seller.to_string(), name: product.seller_name.clone() }
}

impl From<&Offer> for ProductView {
    fn from(offer: &Offer) -> Self {
        let product = &offer.product.value;
        let option =
            |option: &ProductOption| OptionView { name: option.name.clone(), values: option.values.clone() };
        Self {
            id: product.id.to_string(),
            version: offer.product.version.0,
            slug: product.slug.clone(),
            title: product.title.clone(),
            description: product.description.clone(),
            brand: product.brand.clone(),
            category: product.category.to_string(),
            tax_class: product.tax_class.as_ref().map(|class| class.as_str().to_owned()),
            seller: seller(product),
            price: product.price.into(),
            image: product.image.clone(),
            options: product.options.iter().map(option).collect(),
            variants: offer.variants.iter().map(VariantView::from).collect(),
            created_at: product.created_at.rfc3339(),
            updated_at: product.updated_at.rfc3339(),
        }
    }
}

impl From<&Product> for CardView {
    fn from(product: &Product) -> Self {
        Self {
            id: product.id.to_string(),
            slug: product.slug.clone(),
            title: product.title.clone(),
            brand: product.brand.clone(),
            category: product.category.to_string(),
            seller: seller(product),
            price: product.price.into(),
            image: product.image.clone(),
            created_at: product.created_at.rfc3339(),
        }
    }
}

impl From<&Versioned<Category>> for CategoryView {
    fn from(found: &Versioned<Category>) -> Self {
        let category = &found.value;
        Self {
            id: category.id.to_string(),
            version: found.version.0,
            name: category.name.clone(),
            slug: category.slug.clone(),
            parent: category.parent.as_ref().map(ToString::to_string),
        }
    }
}
