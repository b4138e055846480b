//! Reading requests: every value is parsed into its type here or refused.

use lambda_http::{Body, Request, RequestExt, http::header, request::RequestContext};
use serde::de::{DeserializeOwned, IgnoredAny};
use sha2::{Digest, Sha256};
use sutler_domain::{
    idempotency::{Answer, Once, OnceKey},
    problem::Problem,
};
use sutler_services::{
    App, Error,
    auth::{Claims, Role, authenticate},
};
use sutler_store::Version;

use crate::ApiError;

/// The largest body any call takes.
pub const BODY_BYTES_MAX: usize = 64 * 1_024;

/// The header that makes a repeated call answer the same.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// The caller, if an access token came with the request.
///
/// # Errors
/// 401 when there is a token and it is not valid.
pub async fn caller(app: &App, request: &Request) -> Result<Option<Claims>, ApiError> {
    let Some(header) = request.headers().get(header::AUTHORIZATION) else { return Ok(None) };
    let token = header.to_str().ok().and_then(|text| text.strip_prefix("Bearer "));
    let claims = authenticate(app, token.ok_or(Problem::Unauthenticated)?).await?;
    Ok(Some(claims))
}

/// The signed-in caller.
///
/// # Errors
/// 401 without a valid access token.
pub async fn user(app: &App, request: &Request) -> Result<Claims, ApiError> {
    Ok(caller(app, request).await?.ok_or(Problem::Unauthenticated)?)
}

/// The signed-in caller, whose e-mail address is verified.
///
/// # Errors
/// 401 without a valid access token, 403 before the address is verified.
pub async fn verified_user(app: &App, request: &Request) -> Result<Claims, ApiError> {
    let claims = user(app, request).await?;
    if claims.verified { Ok(claims) } else { Err(Problem::EmailNotVerified.into()) }
}

/// The signed-in caller who may buy: a user whose e-mail address is verified or, where guests may buy, a guest.
///
/// # Errors
/// 401 without a valid access token, 403 before the address is verified.
pub async fn buyer(app: &App, request: &Request) -> Result<Claims, ApiError> {
    let claims = user(app, request).await?;
    if claims.verified || (claims.guest && app.settings.guest_checkout) {
        Ok(claims)
    } else {
        Err(Problem::EmailNotVerified.into())
    }
}

/// A member of staff with `role`; administrators have every role.
///
/// # Errors
/// 401 without a valid access token, 403 without the role.
pub async fn staff(app: &App, request: &Request, role: Role) -> Result<Claims, ApiError> {
    let claims = user(app, request).await?;
    if claims.has(role) { Ok(claims) } else { Err(Problem::Forbidden.into()) }
}

/// The network address the call comes from, as the API saw it.
#[must_use]
pub fn source_ip(request: &Request) -> &str {
    match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => context.http.source_ip.as_deref().unwrap_or("unknown"),
        _ => "unknown",
    }
}

/// A path parameter. One that does not parse names nothing that exists.
///
/// # Errors
/// 404.
pub fn path<T, E>(request: &Request, name: &str, parse: fn(&str) -> Result<T, E>) -> Result<T, ApiError> {
    let parameters = request.path_parameters_ref();
    let found = parameters.and_then(|all| all.first(name)).and_then(|text| parse(text).ok());
    Ok(found.ok_or(Problem::NotFound)?)
}

/// A query parameter, if there is one.
///
/// # Errors
/// 422 when it does not parse.
pub fn query<T, E>(
    request: &Request,
    name: &str,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<Option<T>, ApiError> {
    let parameters = request.query_string_parameters_ref();
    let Some(text) = parameters.and_then(|all| all.first(name)) else { return Ok(None) };
    parse(text).map(Some).map_err(|_| Problem::field(name, "invalid").into())
}

/// How much of a list to answer, from where on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// 1 to 100.
    pub limit: u16,
    /// What the last page ended with.
    pub cursor: Option<String>,
}

/// `limit` (default 20, at most 100) and `cursor`.
///
/// # Errors
/// 422 when `limit` is not a number from 1 to 100 or the cursor is longer than any we gave.
pub fn page(request: &Request) -> Result<Page, ApiError> {
    let limit = query(request, "limit", |text| {
        text.parse::<u16>().ok().filter(|limit| (1..=100).contains(limit)).ok_or(())
    })?;
    let cursor = query(request, "cursor", |text| {
        if text.len() <= 512 && text.is_ascii() { Ok(text.to_owned()) } else { Err(()) }
    })?;
    Ok(Page { limit: limit.unwrap_or(20), cursor })
}

/// The raw bytes of the body.
///
/// # Errors
/// 413 above [`BODY_BYTES_MAX`].
pub fn raw(request: &Request) -> Result<&[u8], ApiError> {
    raw_up_to(request, BODY_BYTES_MAX)
}

/// The largest message a webhook takes: what fits into a message of a queue.
pub const WEBHOOK_BYTES_MAX: usize = 240 * 1_024;

/// The raw bytes of the body, at most `bytes_max`.
///
/// # Errors
/// 413 above that.
pub fn raw_up_to(request: &Request, bytes_max: usize) -> Result<&[u8], ApiError> {
    let bytes: &[u8] = match request.body() {
        Body::Text(text) => text.as_bytes(),
        Body::Binary(bytes) => bytes,
        Body::Empty | _ => &[],
    };
    if bytes.len() > bytes_max { Err(Problem::TooLarge.into()) } else { Ok(bytes) }
}

/// The JSON body.
///
/// # Errors
/// 400 when it is not JSON, 422 when it is not of the expected shape, naming the field.
pub fn json<T: DeserializeOwned>(request: &Request) -> Result<T, ApiError> {
    let body = raw(request)?;
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value: T =
        serde_path_to_error::deserialize(&mut reader).map_err(|error| shape_error(&error, body))?;
    reader.end().map_err(|_| Problem::Malformed("the body goes on after its JSON value".to_owned()))?;
    // serde also reads the fields of an object from an array, by their place.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(Problem::field("", "wrong-type").into());
    }
    Ok(value)
}

/// Like [`json`], for calls whose body may be left out.
///
/// # Errors
/// As [`json`].
pub fn json_or_default<T: DeserializeOwned + Default>(request: &Request) -> Result<T, ApiError> {
    if raw(request)?.is_empty() { Ok(T::default()) } else { json(request) }
}

fn shape_error(error: &serde_path_to_error::Error<serde_json::Error>, body: &[u8]) -> Problem {
    let inner = error.inner();
    // A number where one of several names belongs is called a syntax error as well, in a body that is JSON.
    let is_unreadable = !inner.is_data() && serde_json::from_slice::<IgnoredAny>(body).is_err();
    if is_unreadable {
        return Problem::Malformed(format!(
            "the body is not JSON (line {}, column {})",
            inner.line(),
            inner.column()
        ));
    }
    let mut pointer = String::new();
    for segment in error.path() {
        match segment {
            serde_path_to_error::Segment::Seq { index } => pointer.extend(["/", &index.to_string()]),
            serde_path_to_error::Segment::Map { key } => pointer.extend(["/", key]),
            serde_path_to_error::Segment::Enum { .. } | serde_path_to_error::Segment::Unknown => {}
        }
    }
    // serde tells these cases apart only by the text of its message.
    let message = inner.to_string();
    let code = if message.starts_with("unknown field") {
        "unknown-field"
    } else if message.starts_with("missing field") {
        if let Some(field) = message.split('`').nth(1) {
            pointer.push('/');
            pointer.push_str(field);
        }
        "missing"
    } else if message.starts_with("invalid type") || !inner.is_data() {
        "wrong-type"
    } else {
        "invalid"
    };
    Problem::field(pointer, code)
}

/// Binds the caller's `Idempotency-Key` to this operation and body.
///
/// # Errors
/// 422 when the key is not 1 to 64 visible ASCII characters.
pub fn once<T>(
    app: &App,
    request: &Request,
    caller: &str,
    operation: &'static str,
    render: fn(&T) -> Answer,
) -> Result<Once<T>, ApiError> {
    let key = match request.headers().get(IDEMPOTENCY_KEY) {
        None => None,
        Some(value) => {
            let text = value.to_str().ok().filter(|text| {
                (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic() && b != b'#')
            });
            let text = text.ok_or_else(|| Problem::field(IDEMPOTENCY_KEY, "invalid"))?;
            let mut hash = Sha256::new();
            hash.update(request.uri().path().as_bytes());
            hash.update([0]);
            hash.update(raw(request)?);
            Some(OnceKey {
                caller: caller.to_owned(),
                operation,
                key: text.to_owned(),
                body_hash: hex::encode(hash.finalize()),
            })
        }
    };
    Ok(Once { key, render, at: app.now() })
}

/// The version a change is based on, from `If-Match`.
///
/// # Errors
/// 422 when the header is missing or is not an `ETag` of ours.
pub fn if_match(request: &Request) -> Result<Version, ApiError> {
    let header = request.headers().get(header::IF_MATCH).and_then(|value| value.to_str().ok());
    let version = header.and_then(|text| text.trim_matches('"').parse().ok()).map(Version);
    version.ok_or_else(|| {
        Problem::field("if-match", if header.is_none() { "missing" } else { "invalid" }).into()
    })
}

/// Whether the caller would rather have `text/csv` than JSON: the first of the two that `Accept` names.
#[must_use]
pub fn wants_csv(request: &Request) -> bool {
    let accepted =
        request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut kinds = accepted.split(',').map(|range| range.split(';').next().unwrap_or_default().trim());
    let is_ours = |kind: &&str| {
        ["text/csv", "application/json", "application/*", "*/*"]
            .iter()
            .any(|known| kind.eq_ignore_ascii_case(known))
    };
    kinds.find(is_ours).is_some_and(|kind| kind.eq_ignore_ascii_case("text/csv"))
}

/// The secret of a guest cart, from `Cart-Token`.
#[must_use]
pub fn cart_token(request: &Request) -> Option<&str> {
    request.headers().get("cart-token").and_then(|value| value.to_str().ok())
}

/// A failure of ours that no caller can mend.
#[must_use]
pub fn internal(error: impl std::error::Error + Send + Sync + 'static) -> ApiError {
    Error::Internal(Box::new(error)).into()
}
