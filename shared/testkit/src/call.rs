//! Requests as API Gateway sends them, and answers as clients read them.
#![expect(clippy::missing_panics_doc, reason = "a test kit reports its own failures by failing the test")]

use std::collections::BTreeMap;

use lambda_http::{Body, Request, Response};
use serde_json::{Map, Value, json};
use sutler_http::ApiError;

use crate::TestUser;

/// A request under construction.
#[derive(Debug, Clone)]
pub struct TestCall {
    method: &'static str,
    path: String,
    parameters: Map<String, Value>,
    query: Map<String, Value>,
    headers: Map<String, Value>,
    source_ip: String,
    body: Option<String>,
}

impl TestCall {
    /// A call of `method` on `path`, such as `/v1/users/me`.
    #[must_use]
    pub fn new(method: &'static str, path: &str) -> Self {
        Self {
            method,
            path: path.to_owned(),
            parameters: Map::new(),
            query: Map::new(),
            headers: Map::from_iter([("content-type".to_owned(), json!("application/json"))]),
            source_ip: "203.0.113.7".to_owned(),
            body: None,
        }
    }

    /// A `GET`.
    #[must_use]
    pub fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    /// A `POST` of JSON.
    #[must_use]
    pub fn post(path: &str, body: &Value) -> Self {
        Self::new("POST", path).json(body)
    }

    /// Sets a JSON body.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.text(&body.to_string())
    }

    /// Sets a body as it is.
    #[must_use]
    pub fn text(mut self, body: &str) -> Self {
        self.body = Some(body.to_owned());
        self
    }

    /// Signs the call in as `user`.
    #[must_use]
    pub fn by(self, user: &TestUser) -> Self {
        self.token(&user.token)
    }

    /// Sends an access token.
    #[must_use]
    pub fn token(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// Sends an `Idempotency-Key`.
    #[must_use]
    pub fn key(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    /// Sends a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_owned(), json!(value));
        self
    }

    /// Sets a parameter of the route, such as `order`, as the API found it in the path.
    #[must_use]
    pub fn parameter(mut self, name: &str, value: &str) -> Self {
        self.parameters.insert(name.to_owned(), json!(value));
        self
    }

    /// Sets a query parameter.
    #[must_use]
    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.query.insert(name.to_owned(), json!(value));
        self
    }

    /// Comes from another address.
    #[must_use]
    pub fn from(mut self, source_ip: &str) -> Self {
        source_ip.clone_into(&mut self.source_ip);
        self
    }

    /// The request a function receives.
    #[must_use]
    pub fn request(self) -> Request {
        let route = format!("{} {}", self.method, self.path);
        let query: Vec<String> = self
            .query
            .iter()
            .map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or("")))
            .collect();
        let event = json!({
            "version": "2.0",
            "routeKey": route,
            "rawPath": self.path,
            "rawQueryString": query.join("&"),
            "headers": self.headers,
            "queryStringParameters": self.query,
            "pathParameters": self.parameters,
            "requestContext": {
                "accountId": "000000000000",
                "apiId": "test",
                "domainName": "api.example.com",
                "domainPrefix": "api",
                "http": {
                    "method": self.method,
                    "path": self.path,
                    "protocol": "HTTP/1.1",
                    "sourceIp": self.source_ip,
                    "userAgent": "test",
                },
                "requestId": "request-1",
                "routeKey": route,
                "stage": "$default",
                "time": "01/Jan/2027:00:00:00 +0000",
                "timeEpoch": 1_798_761_600_000_i64,
            },
            "body": self.body,
            "isBase64Encoded": false,
        });
        lambda_http::request::from_str(&event.to_string()).expect("an event")
    }
}

/// An answer as a client reads it.
#[derive(Debug, Clone, PartialEq)]
pub struct TestAnswer {
    /// HTTP status.
    pub status: u16,
    /// Headers, by lower-case name.
    pub headers: BTreeMap<String, String>,
    /// The body as it was sent.
    pub text: String,
    /// The body as JSON; null when it is empty or something else.
    pub body: Value,
}

impl TestAnswer {
    /// Reads what a handler returned.
    #[must_use]
    pub fn read(result: Result<Response<Body>, ApiError>) -> Self {
        let response = result.unwrap_or_else(ApiError::into_response);
        let header = |(name, value): (&lambda_http::http::HeaderName, &lambda_http::http::HeaderValue)| {
            (name.as_str().to_owned(), value.to_str().unwrap_or_default().to_owned())
        };
        let headers = response.headers().iter().map(header).collect();
        let text = String::from_utf8_lossy(response.body()).into_owned();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Self { status: response.status().as_u16(), headers, text, body }
    }

    /// The last part of the problem's type, such as `not-found`; empty when this is no problem document.
    #[must_use]
    pub fn problem(&self) -> &str {
        self.body
            .pointer("/type")
            .and_then(Value::as_str)
            .and_then(|uri| uri.rsplit(':').next())
            .unwrap_or_default()
    }

    /// The fields an `invalid` answer names, as `pointer: code`.
    #[must_use]
    pub fn invalid_fields(&self) -> Vec<String> {
        let text =
            |error: &Value, at| error.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned();
        let errors = self.body.pointer("/errors").and_then(Value::as_array).cloned().unwrap_or_default();
        errors.iter().map(|e| format!("{}: {}", text(e, "/pointer"), text(e, "/code"))).collect()
    }
}
