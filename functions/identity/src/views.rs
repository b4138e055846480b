//! What these endpoints show.

use serde::Serialize;
use sutler_domain::{
    account::Role,
    address::Address,
    address_check::{Checkup, Coordinates, Suggestion},
    ids::AddressId,
};
use sutler_services::{
    addresses::Checked,
    identity::{Me, Tokens},
};
use sutler_store::{
    signing_keys::PublicKey,
    users::{AddressEntry, Seller},
};
use utoipa::ToSchema;

/// The request was taken; whether it leads to a mail is not told.
#[derive(Debug, Serialize, ToSchema)]
pub struct AcceptedView {
    /// Always `accepted`.
    #[schema(example = "accepted")]
    pub status: &'static str,
}

impl AcceptedView {
    /// The one answer there is.
    pub const ACCEPTED: Self = Self { status: "accepted" };
}

/// What a signed-in client holds.
#[derive(Serialize, ToSchema)]
pub struct TokensView {
    /// Sent with each call as `Authorization: Bearer …`.
    pub access_token: String,
    /// Always `Bearer`.
    #[schema(example = "Bearer")]
    pub token_type: &'static str,
    /// For how many seconds the access token is valid.
    #[schema(example = 600)]
    pub expires_in: i64,
    /// Exchanged once for the next pair.
    pub refresh_token: String,
}

impl From<Tokens> for TokensView {
    fn from(tokens: Tokens) -> Self {
        Self {
            access_token: tokens.access_token,
            token_type: "Bearer",
            expires_in: tokens.expires_in_s,
            refresh_token: tokens.refresh_token,
        }
    }
}

/// A JSON Web Key Set (RFC 7517).
#[derive(Debug, Serialize, ToSchema)]
pub struct JwksView {
    /// The public keys that access tokens may be signed with.
    pub keys: Vec<JwkView>,
}

/// An Ed25519 public key (RFC 8037).
#[derive(Debug, Serialize, ToSchema)]
pub struct JwkView {
    /// Always `OKP`.
    #[schema(example = "OKP")]
    pub kty: &'static str,
    /// Always `Ed25519`.
    #[schema(example = "Ed25519")]
    pub crv: &'static str,
    /// Always `EdDSA`.
    #[schema(example = "EdDSA")]
    pub alg: &'static str,
    /// Always `sig`.
    #[schema(rename = "use", example = "sig")]
    #[serde(rename = "use")]
    pub usage: &'static str,
    /// Name of the key, as in the header of a token.
    pub kid: String,
    /// The key, base64url.
    pub x: String,
}

impl From<PublicKey> for JwkView {
    fn from(key: PublicKey) -> Self {
        Self { kty: "OKP", crv: "Ed25519", alg: "EdDSA", usage: "sig", kid: key.kid, x: key.x }
    }
}

/// The caller's account.
#[derive(Debug, Serialize, ToSchema)]
pub struct MeView {
    /// Id of the user.
    #[schema(example = "usr_01J8ZQ5K3N0V7X2Y4T6B8D9FGH")]
    pub id: String,
    /// The public name.
    #[schema(example = "ada")]
    pub username: String,
    /// Where mails go.
    #[schema(example = "ada@example.com")]
    pub email: String,
    /// Whether the e-mail address is verified.
    pub verified: bool,
    /// Whether the caller buys without an account.
    pub guest: bool,
    /// Staff roles: `support`, `finance`, `admin`.
    #[schema(value_type = Vec<String>)]
    pub roles: Vec<Role>,
    /// The caller's shop, if there is one.
    pub seller: Option<MySellerView>,
    /// Since when, RFC 3339.
    pub created_at: String,
}

/// The caller's shop.
#[derive(Debug, Serialize, ToSchema)]
pub struct MySellerView {
    /// Id of the shop.
    #[schema(example = "sel_01J8ZQ5K3N0V7X2Y4T6B8D9FGH")]
    pub id: String,
    /// What it is called in addresses.
    #[schema(example = "north-star-crafts")]
    pub slug: String,
}

impl From<Me> for MeView {
    fn from(me: Me) -> Self {
        let seller = |seller: Seller| MySellerView {
            id: seller.id.to_string(),
            slug: seller.slug.as_str().to_owned(),
        };
        Self {
            id: me.user.id.to_string(),
            username: me.user.username.as_str().to_owned(),
            email: me.user.email.as_str().to_owned(),
            verified: me.user.verified,
            guest: me.user.guest.is_some(),
            roles: me.user.roles,
            seller: me.seller.map(seller),
            created_at: me.user.created_at.rfc3339(),
        }
    }
}

/// An entry of the caller's address book.
#[derive(Debug, Serialize, ToSchema)]
pub struct AddressView {
    /// Id of the address.
    #[schema(example = "adr_01J8ZQ5K3N0V7X2Y4T6B8D9FGH")]
    pub id: String,
    /// Who receives it.
    pub name: String,
    /// Street and number.
    pub line1: String,
    /// Flat, floor, building.
    pub line2: Option<String>,
    /// Town.
    pub city: String,
    /// State, province or county.
    pub region: Option<String>,
    /// Postal code, empty where there are none.
    pub postal_code: String,
    /// ISO 3166-1 code of two letters.
    #[schema(example = "US")]
    pub country: String,
    /// Phone number in international form.
    pub phone: Option<String>,
    /// What was found out about it when it was added; absent in entries from before addresses were checked.
    pub check: Option<AddressCheckView>,
    /// Since when, RFC 3339.
    pub created_at: String,
}

/// A place on earth.
#[derive(Debug, Serialize, ToSchema)]
pub struct CoordinatesView {
    /// Decimal degrees.
    #[schema(example = "39.799017")]
    pub latitude: String,
    /// Decimal degrees.
    #[schema(example = "-89.643957")]
    pub longitude: String,
}

impl From<Coordinates> for CoordinatesView {
    fn from(at: Coordinates) -> Self {
        Self { latitude: at.latitude(), longitude: at.longitude() }
    }
}

/// What was found out about an address.
#[derive(Debug, Serialize, ToSchema)]
pub struct AddressCheckView {
    /// `accept`, `confirm` or `fix`.
    #[schema(example = "accept")]
    pub verdict: &'static str,
    /// `built-in`, `google` or `amazon`.
    #[schema(example = "google")]
    pub checked_by: &'static str,
    /// Whether its owner said that it is right all the same.
    pub confirmed: bool,
    /// Where it is, when that is known.
    pub coordinates: Option<CoordinatesView>,
}

impl From<Checkup> for AddressCheckView {
    fn from(check: Checkup) -> Self {
        Self {
            verdict: check.verdict.name(),
            checked_by: check.checked_by.name(),
            confirmed: check.confirmed,
            coordinates: check.coordinates.map(CoordinatesView::from),
        }
    }
}

/// A checked address.
#[derive(Debug, Serialize, ToSchema)]
pub struct CheckedAddressView {
    /// `accept`: use it. `confirm`: show the suggestions and let the buyer decide. `fix`: ask for a correction.
    #[schema(example = "confirm")]
    pub verdict: &'static str,
    /// Whose verdict it is: `google` or `amazon`; `built-in` when they were not asked, or did not answer.
    #[schema(example = "google")]
    pub checked_by: &'static str,
    /// The address as it should be written; absent when it is none.
    pub address: Option<NormalisedAddressView>,
    /// What there is to say about single fields.
    pub suggestions: Vec<SuggestionView>,
    /// Where it is, when that is known.
    pub coordinates: Option<CoordinatesView>,
}

/// An address as it should be written.
#[derive(Debug, Serialize, ToSchema)]
pub struct NormalisedAddressView {
    /// Who receives it.
    pub name: String,
    /// Street and number.
    pub line1: String,
    /// Flat, floor, building.
    pub line2: Option<String>,
    /// Town.
    pub city: String,
    /// State, province or county.
    pub region: Option<String>,
    /// Postal code, empty where there are none.
    pub postal_code: String,
    /// ISO 3166-1 code of two letters.
    #[schema(example = "US")]
    pub country: String,
    /// Phone number in international form.
    pub phone: Option<String>,
}

/// What there is to say about a field of an address.
#[derive(Debug, Serialize, ToSchema)]
pub struct SuggestionView {
    /// JSON pointer into the request.
    #[schema(example = "/postal_code")]
    pub pointer: String,
    /// `changed`, `missing` or `unconfirmed`; or what the built-in check calls wrong, as in a refusal.
    #[schema(example = "changed")]
    pub code: &'static str,
    /// What the field should say, when that is known.
    #[schema(example = "62701-1234")]
    pub value: Option<String>,
}

impl From<Address> for NormalisedAddressView {
    fn from(address: Address) -> Self {
        Self {
            name: address.name,
            line1: address.line1,
            line2: address.line2,
            city: address.city,
            region: address.region,
            postal_code: address.postal_code,
            country: address.country.code().to_owned(),
            phone: address.phone,
        }
    }
}

impl From<Checked> for CheckedAddressView {
    fn from(checked: Checked) -> Self {
        let suggestion = |Suggestion { pointer, code, value }| SuggestionView { pointer, code, value };
        Self {
            verdict: checked.verdict.name(),
            checked_by: checked.checked_by.name(),
            address: checked.address.map(NormalisedAddressView::from),
            suggestions: checked.suggestions.into_iter().map(suggestion).collect(),
            coordinates: checked.coordinates.map(CoordinatesView::from),
        }
    }
}

impl From<&AddressEntry> for AddressView {
    fn from(entry: &AddressEntry) -> Self {
        let address = entry.address.clone();
        Self {
            id: entry.id.to_string(),
            name: address.name,
            line1: address.line1,
            line2: address.line2,
            city: address.city,
            region: address.region,
            postal_code: address.postal_code,
            country: address.country.code().to_owned(),
            phone: address.phone,
            check: entry.check.map(AddressCheckView::from),
            created_at: entry.created_at.rfc3339(),
        }
    }
}

/// The caller's address book. It is small, so it comes whole.
#[derive(Debug, Serialize, ToSchema)]
pub struct AddressBookView {
    /// The addresses, oldest first.
    pub items: Vec<AddressView>,
    /// Always absent.
    pub next_cursor: Option<String>,
    /// Id of the address that is offered first.
    pub default_address: Option<String>,
}

impl AddressBookView {
    /// Shows a book.
    #[must_use]
    pub fn new(entries: &[AddressEntry], default: Option<&AddressId>) -> Self {
        Self {
            items: entries.iter().map(AddressView::from).collect(),
            next_cursor: None,
            default_address: default.map(AddressId::to_string),
        }
    }
}

/// A shop's public page.
#[derive(Debug, Serialize, ToSchema)]
pub struct SellerView {
    /// Id of the shop.
    #[schema(example = "sel_01J8ZQ5K3N0V7X2Y4T6B8D9FGH")]
    pub id: String,
    /// The shop's name.
    #[schema(example = "North Star Crafts")]
    pub name: String,
    /// What it is called in addresses.
    #[schema(example = "north-star-crafts")]
    pub slug: String,
    /// What it promises about returns.
    pub return_policy: String,
    /// Since when, RFC 3339.
    pub since: String,
}

impl From<&Seller> for SellerView {
    fn from(seller: &Seller) -> Self {
        Self {
            id: seller.id.to_string(),
            name: seller.name.clone(),
            slug: seller.slug.as_str().to_owned(),
            return_policy: seller.return_policy.clone(),
            since: seller.created_at.rfc3339(),
        }
    }
}
