//! Rendering answers.

use lambda_http::{
    Body, Response,
    http::{HeaderValue, StatusCode, header},
};
use serde::Serialize;
use sutler_domain::idempotency::Answer;
use sutler_store::Version;

fn of(status: StatusCode, body: String) -> Response<Body> {
    let mut response = Response::new(if body.is_empty() { Body::Empty } else { Body::Text(body) });
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn text<T: Serialize>(view: &T) -> String {
    // Views are plain data with string keys; serialising one cannot fail.
    serde_json::to_string(view).unwrap_or_default()
}

/// 200 with a view.
#[must_use]
pub fn ok<T: Serialize>(view: &T) -> Response<Body> {
    of(StatusCode::OK, text(view))
}

/// 200 with a view and the version it shows, as an `ETag` for `If-Match`.
#[must_use]
pub fn versioned<T: Serialize>(view: &T, version: Version) -> Response<Body> {
    let mut response = ok(view);
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", version.0)) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// 200 with a text that changes only with a deployment.
#[must_use]
pub fn cached(content_type: &'static str, text: &'static str) -> Response<Body> {
    let mut response = of(StatusCode::OK, text.to_owned());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    response
}

/// 200 with a table, and in `x-next-cursor` where its next page starts.
#[must_use]
pub fn csv(file_name: &'static str, table: String, next_cursor: Option<&str>) -> Response<Body> {
    let mut response = of(StatusCode::OK, table);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(name) = HeaderValue::from_str(&format!("attachment; filename=\"{file_name}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
    if let Some(cursor) = next_cursor.and_then(|cursor| HeaderValue::from_str(cursor).ok()) {
        headers.insert("x-next-cursor", cursor);
    }
    response
}

/// 201 with a view.
#[must_use]
pub fn created<T: Serialize>(view: &T) -> Response<Body> {
    of(StatusCode::CREATED, text(view))
}

/// 202 with a view.
#[must_use]
pub fn accepted<T: Serialize>(view: &T) -> Response<Body> {
    of(StatusCode::ACCEPTED, text(view))
}

/// 204.
#[must_use]
pub fn no_content() -> Response<Body> {
    of(StatusCode::NO_CONTENT, String::new())
}

/// 303 to another place, to be fetched from there.
#[must_use]
pub fn see_other(place: &str) -> Response<Body> {
    let mut response = of(StatusCode::SEE_OTHER, String::new());
    if let Ok(place) = HeaderValue::from_str(place) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    response
}

/// The finished answer of a call, whether it ran now or before.
#[must_use]
pub fn answer(answer: Answer) -> Response<Body> {
    of(StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK), answer.body)
}

/// An answer to be remembered: 201 with a view.
#[must_use]
pub fn created_answer<T: Serialize>(view: &T) -> Answer {
    Answer { status: StatusCode::CREATED.as_u16(), body: text(view) }
}

/// An answer to be remembered: 200 with a view.
#[must_use]
pub fn ok_answer<T: Serialize>(view: &T) -> Answer {
    Answer { status: StatusCode::OK.as_u16(), body: text(view) }
}

/// An answer to be remembered: 204.
#[must_use]
pub fn no_content_answer<T>(_: &T) -> Answer {
    Answer { status: StatusCode::NO_CONTENT.as_u16(), body: String::new() }
}
