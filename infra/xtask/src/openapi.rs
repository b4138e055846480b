//! The description of the API, made from the handlers of every package.

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::{
    OpenApi as _,
    openapi::{
        Info, License, OpenApi, PathItem, Paths, Server,
        security::{Http, HttpAuthScheme, SecurityScheme},
    },
};

use crate::{Findings, failure::Failure, repository::Repository};

/// Where the description is kept.
pub const FILE: &str = "docs/openapi.json";
/// The security scheme that handlers name.
const TOKEN: &str = "token";

/// The description of each package with endpoints.
fn parts() -> Vec<(&'static str, OpenApi)> {
    vec![
        ("cart", cart::ApiDoc::openapi()),
        ("catalog", catalog::ApiDoc::openapi()),
        ("identity", identity::ApiDoc::openapi()),
        ("inventory", inventory::ApiDoc::openapi()),
        ("orders", orders::ApiDoc::openapi()),
        ("payments", payments::ApiDoc::openapi()),
        ("pricing", pricing::ApiDoc::openapi()),
        ("shipping", shipping::ApiDoc::openapi()),
        ("system", system::ApiDoc::openapi()),
    ]
}

/// Writes the description.
///
/// # Errors
/// When the file cannot be written.
pub fn write(repository: &Repository) -> Result<Findings, Failure> {
    let (text, findings) = document(parts())?;
    if findings.is_empty() {
        repository.write(FILE, &text)?;
    }
    Ok(findings)
}

/// Fails when the file is not what the handlers say.
///
/// # Errors
/// When the file cannot be read.
pub fn check(repository: &Repository) -> Result<Findings, Failure> {
    let (text, mut findings) = document(parts())?;
    if findings.is_empty() && repository.read(FILE)? != text {
        findings
            .push(format!("{FILE} is not what the handlers say: run `cargo xtask openapi` and commit it"));
    }
    Ok(findings)
}

/// Merges the parts, and says what would be lost or dangling.
fn document(parts: Vec<(&'static str, OpenApi)>) -> Result<(String, Findings), Failure> {
    let json = |source| Failure::Json { what: "the API description", source };
    let mut findings = Findings::new();
    let mut schemas: BTreeMap<String, (&str, Value)> = BTreeMap::new();
    let mut operations: BTreeMap<String, String> = BTreeMap::new();
    let mut whole = head();
    for (package, mut part) in parts {
        part.paths.paths.values_mut().for_each(tidy);
        let value = serde_json::to_value(&part).map_err(json)?;
        for (name, schema) in entries(&value, "/components/schemas") {
            match schemas.get(name) {
                Some((other, seen)) if seen != schema => findings.push(format!(
                    "{other} and {package} both describe a schema `{name}`, differently: rename one of the types"
                )),
                Some(_) => {}
                None => {
                    schemas.insert(name.clone(), (package, schema.clone()));
                }
            }
        }
        for operation in operations_of(&value) {
            let place = format!("{} {} of {package}", operation.method, operation.path);
            findings.extend(unknown_schemes(&place, operation.value));
            if let Some(other) = operations.insert(operation.id.to_owned(), place.clone()) {
                findings.push(format!("{other} and {place} have the same operation_id `{}`", operation.id));
            }
        }
        whole.merge(part);
    }
    let mut text = whole.to_pretty_json().map_err(json)?;
    text.push('\n');
    Ok((text, findings))
}

/// Leaves out what only readers of the code need: the `# Errors` of a handler's documentation.
fn tidy(item: &mut PathItem) {
    let PathItem { get, put, post, delete, patch, .. } = item;
    for operation in [get, put, post, delete, patch].into_iter().flatten() {
        let text = operation.description.take();
        let shown = text.as_deref().and_then(|text| text.split("# Errors").next()).map(str::trim);
        operation.description = shown.filter(|text| !text.is_empty()).map(str::to_owned);
    }
}

fn head() -> OpenApi {
    let info = Info::builder()
        .title("Sutler")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "A marketplace backend. Money is an amount in minor units with its currency. Lists answer \
             `items` and an opaque `next_cursor`. Errors are `application/problem+json`, each with a stable `type`. \
             A mutating call with an `Idempotency-Key` answers a repetition like the first time.",
        ))
        .license(Some(License::builder().name("MIT OR Apache-2.0").identifier(Some("MIT OR Apache-2.0")).build()))
        .build();
    let token = Http::builder()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some("The access token that `login` and `refresh` answer."))
        .build();
    let mut whole = OpenApi::new(info, Paths::new());
    whole.servers = Some(vec![Server::new("/")]);
    whole.components.get_or_insert_default().add_security_scheme(TOKEN, SecurityScheme::Http(token));
    whole
}

fn unknown_schemes(place: &str, operation: &Value) -> Findings {
    let required = operation.get("security").and_then(Value::as_array).into_iter().flatten();
    let names = required.filter_map(Value::as_object).flat_map(serde_json::Map::keys);
    names
        .filter(|name| *name != TOKEN)
        .map(|name| format!("{place} names the security scheme `{name}`; the only one is `{TOKEN}`"))
        .collect()
}

/// One operation of a description.
#[derive(Debug)]
pub struct Operation<'a> {
    /// `POST`.
    pub method: String,
    /// `/v1/orders`.
    pub path: &'a str,
    /// The `operationId`.
    pub id: &'a str,
    value: &'a Value,
}

/// Every operation of a description.
pub fn operations_of(document: &Value) -> impl Iterator<Item = Operation<'_>> {
    entries(document, "/paths").flat_map(|(path, item)| {
        item.as_object().into_iter().flatten().filter_map(move |(method, value)| {
            let id = value.get("operationId")?.as_str()?;
            Some(Operation { method: method.to_uppercase(), path, id, value })
        })
    })
}

fn entries<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    value.pointer(pointer).and_then(Value::as_object).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn part(value: &Value) -> OpenApi {
        let mut whole = json!({"openapi": "3.1.0", "info": {"title": "part", "version": "1"}, "paths": {}});
        whole.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
        serde_json::from_value(whole).unwrap()
    }

    fn operation(id: &str, scheme: &str) -> Value {
        json!({"post": {"operationId": id, "security": [{scheme: []}], "responses": {}}})
    }

    fn schema(kind: &str) -> Value {
        json!({"components": {"schemas": {"Line": {"type": kind}}}})
    }

    #[test]
    fn the_parts_become_one_document() {
        let one = part(&json!({"paths": {"/b": operation("b", "token")}}));
        let other = part(&json!({"paths": {"/a": operation("a", "token")}}));
        let (text, findings) = document(vec![("one", one), ("other", other)]).unwrap();
        assert_eq!(findings, Findings::new());
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["openapi"], "3.1.0");
        assert_eq!(value["servers"], json!([{"url": "/"}]));
        assert_eq!(value["components"]["securitySchemes"]["token"]["scheme"], "bearer");
        assert_eq!(operations_of(&value).map(|found| found.id).collect::<Vec<_>>(), ["a", "b"]);
        assert!(text.find("\"/a\"").unwrap() < text.find("\"/b\"").unwrap(), "paths are sorted");
    }

    #[test]
    fn a_schema_that_would_be_lost_is_named() {
        let same =
            document(vec![("one", part(&schema("string"))), ("other", part(&schema("string")))]).unwrap();
        assert_eq!(same.1, Findings::new());
        let differs =
            document(vec![("one", part(&schema("string"))), ("other", part(&schema("integer")))]).unwrap();
        assert_eq!(
            differs.1,
            ["one and other both describe a schema `Line`, differently: rename one of the types"]
        );
    }

    #[test]
    fn what_only_concerns_the_code_is_left_out() {
        let mut described = operation("b", "token");
        described["post"]["description"] = json!("For buyers.\n\n# Errors\nNone.");
        let (text, _) = document(vec![("one", part(&json!({"paths": {"/b": described}})))]).unwrap();
        assert!(text.contains("\"For buyers.\"") && !text.contains("# Errors"), "{text}");
    }

    #[test]
    fn an_operation_id_is_used_once() {
        let one = part(&json!({"paths": {"/b": operation("b", "token")}}));
        let other = part(&json!({"paths": {"/a": operation("b", "token")}}));
        let (_, findings) = document(vec![("one", one), ("other", other)]).unwrap();
        assert_eq!(findings, ["POST /b of one and POST /a of other have the same operation_id `b`"]);
    }

    #[test]
    fn an_unknown_security_scheme_is_named() {
        let (_, findings) =
            document(vec![("one", part(&json!({"paths": {"/b": operation("b", "key")}})))]).unwrap();
        assert_eq!(findings, ["POST /b of one names the security scheme `key`; the only one is `token`"]);
    }
}
