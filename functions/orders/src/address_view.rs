//! How the address of an order looks.

use serde::Serialize;
use sutler_domain::address::Address;
use utoipa::ToSchema;

/// Where goods go.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OrderAddress)]
pub struct AddressView {
    /// Who receives them.
    pub name: String,
    /// Street and number.
    pub line1: String,
    /// More of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line2: Option<String>,
    /// Town.
    pub city: String,
    /// State or province.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Postal code.
    pub postal_code: String,
    /// ISO 3166 code of two letters.
    pub country: String,
}

impl From<&Address> for AddressView {
    fn from(address: &Address) -> Self {
        Self {
            name: address.name.clone(),
            line1: address.line1.clone(),
            line2: address.line2.clone(),
            city: address.city.clone(),
            region: address.region.clone(),
            postal_code: address.postal_code.clone(),
            country: address.country.code().to_owned(),
        }
    }
}
