//! Between HTTP and the use cases: reading requests, rendering answers and refusals.

pub mod csv;
pub mod label_view;
pub mod problem;
pub mod quote_view;
pub mod request;
pub mod response;
pub mod units;
pub mod views;

pub use lambda_http::{Body, Request, Response};
pub use problem::ApiError;
