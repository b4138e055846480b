//! Every function of `template.yaml` has all its parts, and every part belongs to a function.

mod function;
mod sample;
mod yaml;

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{Findings, failure::Failure, openapi, repository::Repository};
use function::{Function, Route};

const FILE: &str = "template.yaml";

/// Checks the template against the files of the repository and against the checked-in API description.
///
/// # Errors
/// When a file cannot be read.
pub fn check(repository: &Repository) -> Result<Findings, Failure> {
    let mut files = repository.list("events")?;
    for package in repository.list("functions")? {
        files.extend(repository.list(&format!("{package}/src"))?);
        files.extend(repository.list(&format!("{package}/src/bin"))?);
    }
    let document = serde_json::from_str(&repository.read(openapi::FILE)?)
        .map_err(|source| Failure::Json { what: openapi::FILE, source })?;
    let template = yaml::read(FILE, &repository.read(FILE)?)?;
    let mut findings = gaps(&template, &files, &document);
    findings.extend(wrong_samples(repository, &Function::all(&template), &files, &document)?);
    Ok(findings)
}

fn wrong_samples(
    repository: &Repository,
    functions: &[Function],
    files: &BTreeSet<String>,
    document: &Value,
) -> Result<Findings, Failure> {
    let mut findings = Findings::new();
    for function in functions {
        let file = format!("events/{}.json", function.name);
        if let ([Route { method, path }], true) = (function.routes.as_slice(), files.contains(&file)) {
            let event = serde_json::from_str(&repository.read(&file)?)
                .map_err(|source| Failure::Json { what: "a sample event", source })?;
            findings.extend(sample::wrong(function.name, &format!("{method} {path}"), &event, document));
        }
    }
    Ok(findings)
}

fn gaps(template: &Value, files: &BTreeSet<String>, document: &Value) -> Findings {
    let functions = Function::all(template);
    let mut findings = Findings::new();
    for function in &functions {
        findings.extend(function.misnamed());
        findings.extend(function.without_log_group(template));
        findings.extend(function.too_powerful());
        findings.extend(missing_files(function, files));
        findings.extend(wrong_operation(function, document));
    }
    findings.extend(orphans(&functions, files, document));
    findings
}

/// What a function lacks of binary, module and sample event.
fn missing_files(function: &Function, files: &BTreeSet<String>) -> Findings {
    let name = function.name;
    let mut findings = Findings::new();
    match binaries(files).find(|binary| binary.name == name) {
        None => findings.push(format!(
            "{name}: no binary; add functions/<package>/src/bin/{name}.rs, a main of a few lines like those beside it"
        )),
        Some(binary) => {
            let module = format!("functions/{}/src/{name}.rs", binary.package);
            if !files.contains(&module) {
                findings.push(format!("{name}: no module; add {module} with the handler, and `pub mod {name};` in lib.rs"));
            }
        }
    }
    if !files.contains(&format!("events/{name}.json")) {
        findings.push(format!("{name}: no sample event; `make generate` writes a first events/{name}.json"));
    }
    findings
}

/// Where the API description says something else about a function than its route.
fn wrong_operation(function: &Function, document: &Value) -> Option<String> {
    let name = function.name;
    let described = openapi::operations_of(document).find(|operation| operation.id == name);
    match (function.routes.as_slice(), described) {
        ([], None) => None,
        ([Route { method, path }], Some(operation))
            if *method == operation.method && *path == operation.path =>
        {
            None
        }
        ([Route { method, path }], Some(operation)) => Some(format!(
            "{name}: {FILE} routes {method} {path}, its #[utoipa::path] says {} {}; make them the same, then `cargo xtask \
             openapi`",
            operation.method, operation.path
        )),
        ([Route { method, path }], None) => Some(format!(
            "{name}: not in {}; give its handler #[utoipa::path({}, path = \"{path}\", operation_id = \"{name}\", …)], name \
             it in ApiDoc in lib.rs, then `cargo xtask openapi`",
            openapi::FILE,
            method.to_lowercase()
        )),
        ([], Some(operation)) => Some(format!(
            "{name}: described as {} {}, but {FILE} gives it no HttpApi event",
            operation.method, operation.path
        )),
        ([_, _, ..], _) => Some(format!("{name}: one function serves one route; split it")),
    }
}

/// Binaries, sample events and operations of no function.
fn orphans(functions: &[Function], files: &BTreeSet<String>, document: &Value) -> Findings {
    let known: BTreeSet<&str> = functions.iter().map(|function| function.name).collect();
    let binaries = binaries(files).filter(|binary| !known.contains(binary.name)).map(|binary| {
        format!("{}: no function; add a block `{}` to {FILE}", binary.name, pascal(binary.name))
    });
    let events = files
        .iter()
        .filter_map(|file| file.strip_prefix("events/")?.strip_suffix(".json"))
        .filter(|name| !known.contains(name))
        .map(|name| format!("{name}: events/{name}.json is the sample event of no function; remove it"));
    let operations =
        openapi::operations_of(document).filter(|operation| !known.contains(operation.id)).map(|operation| {
            format!(
                "{0}: described, but no function; add a block `{1}` to {FILE}",
                operation.id,
                pascal(operation.id)
            )
        });
    binaries.chain(events).chain(operations).collect()
}

/// The source of a binary.
struct Binary<'a> {
    package: &'a str,
    name: &'a str,
}

fn binaries(files: &BTreeSet<String>) -> impl Iterator<Item = Binary<'_>> {
    files.iter().filter_map(|file| {
        let (package, name) = file.strip_prefix("functions/")?.split_once("/src/bin/")?;
        Some(Binary { package, name: name.strip_suffix(".rs")? })
    })
}

/// `place_order` as `PlaceOrder`.
fn pascal(name: &str) -> String {
    name.split('_')
        .flat_map(|word| word.chars().take(1).flat_map(char::to_uppercase).chain(word.chars().skip(1)))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TEMPLATE: &str = r#"
Resources:
  OrdersLogs: { Type: AWS::Logs::LogGroup, Properties: { RetentionInDays: !Ref Days } }
  PlaceOrder:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: !Sub "${AWS::StackName}-place_order"
      CodeUri: target/lambda/place_order/bootstrap.zip
      LoggingConfig: { LogGroup: !Ref OrdersLogs }
      Policies:
        - Version: "2012-10-17"
          Statement:
            - { Effect: Allow, Action: [dynamodb:PutItem], Resource: !GetAtt Data.Outputs.CommerceArn }
      Events:
        Http:
          Type: HttpApi
          Properties: { ApiId: !Ref Api, Method: POST, Path: /v1/orders }
"#;
    const FILES: [&str; 3] = [
        "functions/orders/src/bin/place_order.rs",
        "functions/orders/src/place_order.rs",
        "events/place_order.json",
    ];

    /// What is found when one text of the template is replaced and one file removed.
    fn found(from: &str, to: &str, without: &str) -> Findings {
        let document = json!({"paths": {"/v1/orders": {"post": {"operationId": "place_order"}}}});
        found_with(from, to, without, &document)
    }

    fn found_with(from: &str, to: &str, without: &str, document: &Value) -> Findings {
        assert!(TEMPLATE.contains(from), "{from}");
        let template = yaml::read(FILE, &TEMPLATE.replace(from, to)).unwrap();
        let files = FILES.iter().filter(|file| **file != without).map(|file| (*file).to_owned()).collect();
        gaps(&template, &files, document)
    }

    fn one(findings: &[String], start: &str) {
        assert!(matches!(findings, [only] if only.starts_with(start)), "{start}: {findings:#?}");
    }

    #[test]
    fn a_whole_function_is_found_in_order() {
        assert_eq!(found("", "", ""), Findings::new());
    }

    #[test]
    fn each_missing_file_is_named() {
        one(&found("", "", FILES[0]), "place_order: no binary");
        one(&found("", "", FILES[1]), "place_order: no module");
        one(&found("", "", FILES[2]), "place_order: no sample event");
    }

    #[test]
    fn one_name_is_used_everywhere() {
        one(
            &found("PlaceOrder:", "Place:", ""),
            "place_order: its id in template.yaml is Place, not PlaceOrder",
        );
        one(
            &found("-place_order", "-order", ""),
            "place_order: its FunctionName does not end with -place_order",
        );
    }

    #[test]
    fn the_description_agrees_with_the_route() {
        one(&found_with("", "", "", &json!({"paths": {}})), "place_order: not in docs/openapi.json");
        one(&found("Method: POST", "Method: PUT", ""), "place_order: template.yaml routes PUT /v1/orders");
        one(&found("Type: HttpApi", "Type: SQS", ""), "place_order: described as POST /v1/orders");
    }

    #[test]
    fn a_function_may_not_do_everything() {
        one(&found("[dynamodb:PutItem]", "['dynamodb:*']", ""), "place_order: its policy allows dynamodb:*");
        one(&found("[dynamodb:PutItem]", "'*'", ""), "place_order: its policy allows *");
        one(&found("!GetAtt Data.Outputs.CommerceArn", "'*'", ""), "place_order: its policy reaches *;");
    }

    #[test]
    fn a_function_may_reach_the_files_of_a_folder_and_not_all_of_them() {
        let reaching = |resource: &str| found("!GetAtt Data.Outputs.CommerceArn", resource, "");
        assert_eq!(reaching("!Sub '${Data.Outputs.FilesArn}/imports/*'"), Findings::new());
        for wide in [
            "${Data.Outputs.FilesArn}/*",
            "${Data.Outputs.FilesArn}/i*/*",
            "${Data.Outputs.CommerceArn}/index/*",
        ] {
            one(&reaching(&format!("!Sub '{wide}'")), &format!("place_order: its policy reaches {wide};"));
        }
    }

    #[test]
    fn a_function_logs_to_a_group_of_the_template() {
        one(&found("!Ref OrdersLogs", "!Ref OtherLogs", ""), "place_order: no log group");
        one(&found("LoggingConfig", "Other", ""), "place_order: no log group");
    }

    #[test]
    fn what_belongs_to_no_function_is_named() {
        let findings = found("AWS::Serverless::Function", "AWS::Lambda::Function", "");
        let starts = [
            "place_order: no function",
            "place_order: events/place_order.json",
            "place_order: described, but",
        ];
        for (finding, start) in findings.iter().zip(starts) {
            assert!(finding.starts_with(start), "{finding}");
        }
        assert_eq!(findings.len(), starts.len());
    }
}
