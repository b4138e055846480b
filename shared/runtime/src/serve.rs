//! The loop of an HTTP function.

use std::{convert::Infallible, future::Future};

use lambda_http::{Body, Error, Request, RequestExt, Response, http::HeaderValue, run, service_fn};
use sutler_http::ApiError;
use tracing::Instrument;

/// Runs one endpoint over `state`: every failure becomes a problem document, never a failed invocation.
///
/// Each request is one span that carries the API's request id; the answer shows it as `x-request-id`.
///
/// # Errors
/// Only when the Lambda runtime itself cannot be reached.
pub async fn serve<'a, S, F, R>(state: &'a S, endpoint: F) -> Result<(), Error>
where
    F: Fn(&'a S, Request) -> R,
    R: Future<Output = Result<Response<Body>, ApiError>> + Send,
{
    run(service_fn(|request: Request| {
        let id = request_id(&request);
        let span = tracing::info_span!(
            "request", request.id = %id, http.method = %request.method(), http.route = route(&request)
        );
        let answer = span.in_scope(|| endpoint(state, request));
        async move {
            let mut response = answer.await.unwrap_or_else(ApiError::into_response);
            if let Ok(value) = HeaderValue::from_str(&id) {
                response.headers_mut().insert("x-request-id", value);
            }
            tracing::info!(
                http.status = response.status().as_u16(),
                "Answered {}",
                response.status().as_u16()
            );
            Ok::<_, Infallible>(response)
        }
        .instrument(span)
    }))
    .await
}

fn request_id(request: &Request) -> String {
    match request.request_context_ref() {
        Some(lambda_http::request::RequestContext::ApiGatewayV2(context)) => {
            context.request_id.clone().unwrap_or_default()
        }
        _ => String::new(),
    }
}

fn route(request: &Request) -> String {
    match request.request_context_ref() {
        Some(lambda_http::request::RequestContext::ApiGatewayV2(context)) => {
            context.route_key.clone().unwrap_or_default()
        }
        _ => String::new(),
    }
}
