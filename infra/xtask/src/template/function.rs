//! One function of the template.

use serde_json::Value;

use super::{FILE, pascal};
use crate::Findings;

/// One function of the template.
#[derive(Debug)]
pub struct Function<'a> {
    /// The name of its binary, and of everything else.
    pub name: &'a str,
    /// What calls it over HTTP.
    pub routes: Vec<Route<'a>>,
    id: &'a str,
    properties: &'a Value,
}

/// A method and a path.
#[derive(Debug)]
pub struct Route<'a> {
    /// `POST`.
    pub method: &'a str,
    /// `/v1/orders`.
    pub path: &'a str,
}

impl<'a> Function<'a> {
    /// Every function of a template.
    pub fn all(template: &'a Value) -> Vec<Self> {
        let resources = template.get("Resources").and_then(Value::as_object).into_iter().flatten();
        resources
            .filter(|(_, resource)| text(resource, "/Type") == "AWS::Serverless::Function")
            .map(|(id, resource)| {
                let properties = resource.get("Properties").unwrap_or(&Value::Null);
                // target/lambda/<name>/bootstrap.zip
                let name = text(properties, "/CodeUri").rsplit('/').nth(1).unwrap_or_default();
                Self { name, routes: routes(properties), id, properties }
            })
            .collect()
    }

    /// Where it is called something else.
    pub fn misnamed(&self) -> Findings {
        let mut findings = Findings::new();
        let Self { name, id, .. } = self;
        if *id != pascal(name) {
            findings.push(format!("{name}: its id in {FILE} is {id}, not {}", pascal(name)));
        }
        if !text(self.properties, "/FunctionName").ends_with(&format!("-{name}")) {
            findings.push(format!("{name}: its FunctionName does not end with -{name}"));
        }
        findings
    }

    /// Whether its log group is missing from the template: Lambda would make one that keeps everything for ever.
    pub fn without_log_group(&self, template: &Value) -> Option<String> {
        let group = text(self.properties, "/LoggingConfig/LogGroup");
        let kind = text(template, &format!("/Resources/{group}/Type"));
        (group.is_empty() || kind != "AWS::Logs::LogGroup").then(|| {
            format!(
                "{}: no log group; add `LoggingConfig: {{ LogGroup: !Ref <Domain>Logs }}`, a group of {FILE}",
                self.name
            )
        })
    }

    /// Where it may do everything, or anything to everything.
    pub fn too_powerful(&self) -> Findings {
        let name = self.name;
        let mut findings = Findings::new();
        for policy in self.properties.get("Policies").map(one_or_many).unwrap_or_default() {
            let Some(statements) = policy.get("Statement") else {
                findings.push(format!(
                    "{name}: its policy is not spelled out; write a Statement with its own actions"
                ));
                continue;
            };
            for statement in one_or_many(statements) {
                let values = |key| statement.get(key).map(one_or_many).unwrap_or_default();
                if !values("NotAction").is_empty() || !values("NotResource").is_empty() {
                    findings.push(format!("{name}: its policy allows all but something; list what it needs"));
                }
                let actions = values("Action").into_iter().filter_map(Value::as_str);
                findings.extend(
                    actions.filter(|action| action.contains('*')).map(|action| {
                        format!("{name}: its policy allows {action}; list the actions it needs")
                    }),
                );
                let resources = values("Resource").into_iter().filter_map(Value::as_str);
                findings.extend(
                    resources
                        .filter(|resource| is_too_wide(resource))
                        .map(|resource| format!("{name}: its policy reaches {resource}; name what it needs")),
                );
            }
        }
        findings
    }
}

/// Whether a resource is more than one thing by name. Files have no names in advance: all below a named folder of a bucket
/// are as narrow as it gets.
fn is_too_wide(resource: &str) -> bool {
    let folder = resource.strip_suffix("/*").and_then(|rest| rest.rsplit_once("}/"));
    let is_folder = folder.is_some_and(|(bucket, name)| !name.is_empty() && bucket.ends_with("FilesArn"));
    let named = if is_folder { resource.strip_suffix('*').unwrap_or(resource) } else { resource };
    named.contains('*')
}

fn routes(properties: &Value) -> Vec<Route<'_>> {
    let events = properties.get("Events").and_then(Value::as_object).into_iter().flatten();
    events
        .filter(|(_, event)| text(event, "/Type") == "HttpApi")
        .map(|(_, event)| Route {
            method: text(event, "/Properties/Method"),
            path: text(event, "/Properties/Path"),
        })
        .collect()
}

fn one_or_many(value: &Value) -> Vec<&Value> {
    value.as_array().map_or_else(|| vec![value], |items| items.iter().collect())
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
