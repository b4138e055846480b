//! Sample events say what the functions read.

use serde_json::{Map, Value};

use crate::Findings;

/// Where the sample event of an endpoint is not what its route and its description ask for.
pub fn wrong(name: &str, route: &str, event: &Value, document: &Value) -> Findings {
    let mut findings = Findings::new();
    let file = format!("events/{name}.json");
    let found = event.get("routeKey").and_then(Value::as_str).unwrap_or_default();
    if found != route {
        findings.push(format!("{file}: its routeKey is {found:?}, the function serves {route:?}"));
    }
    let Some(schema) = body_schema(route, document) else { return findings };
    let text = event.get("body").and_then(Value::as_str).unwrap_or_default();
    let Ok(Value::Object(body)) = serde_json::from_str(text) else {
        findings.push(format!("{file}: its body is no JSON object, but the function reads one"));
        return findings;
    };
    let properties = schema.get("properties").and_then(Value::as_object);
    let known = |field: &String| properties.is_some_and(|properties| properties.contains_key(field));
    findings.extend(
        body.keys()
            .filter(|field| !known(field))
            .map(|field| format!("{file}: the function knows no {field:?}")),
    );
    findings.extend(
        required(schema)
            .filter(|field| !body.contains_key(*field))
            .map(|field| format!("{file}: its body lacks {field:?}")),
    );
    findings
}

/// The fields of the JSON object a route reads; `None` when it reads something else or nothing.
fn body_schema<'a>(route: &str, document: &'a Value) -> Option<&'a Map<String, Value>> {
    let (method, path) = route.split_once(' ')?;
    let operation = document.get("paths")?.get(path)?.get(method.to_lowercase())?;
    let schema = operation.pointer("/requestBody/content/application~1json/schema/$ref")?.as_str()?;
    let schema = document.pointer(schema.strip_prefix('#')?)?.as_object()?;
    schema.contains_key("properties").then_some(schema)
}

fn required(schema: &Map<String, Value>) -> impl Iterator<Item = &str> {
    schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn findings(route: &str, body: &Value) -> Findings {
        let document = json!({
            "paths": {"/v1/notes": {"post": {"requestBody": {"content": {"application/json": {
                "schema": {"$ref": "#/components/schemas/NewNote"},
            }}}}}},
            "components": {"schemas": {"NewNote": {
                "required": ["text"], "properties": {"text": {"type": "string"}, "color": {"type": "string"}},
            }}},
        });
        let event = json!({"routeKey": route, "body": body.to_string()});
        wrong("add_note", "POST /v1/notes", &event, &document)
    }

    #[test]
    fn a_sample_says_what_the_function_reads() {
        assert_eq!(findings("POST /v1/notes", &json!({"text": "x"})), Findings::new());
        assert_eq!(findings("POST /v1/notes", &json!({"text": "x", "color": "red"})), Findings::new());
        assert!(findings("POST /v1/note", &json!({"text": "x"}))[0].contains("routeKey"));
        assert!(findings("POST /v1/notes", &json!({}))[0].contains("lacks \"text\""));
        assert!(findings("POST /v1/notes", &json!({"text": "x", "n": 1}))[0].contains("knows no \"n\""));
        assert!(findings("POST /v1/notes", &json!("text"))[0].contains("no JSON object"));
    }
}
