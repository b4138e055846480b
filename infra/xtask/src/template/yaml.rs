//! Reads CloudFormation's YAML.

use saphyr::{LoadableYamlNode, Yaml};
use serde_json::Value;

use crate::failure::Failure;

/// Reads a template. The short forms become their plain values, `!Ref X` is `X`; only text, lists and maps are kept.
///
/// # Errors
/// [`Failure::Yaml`] when it is not YAML.
pub fn read(file: &'static str, text: &str) -> Result<Value, Failure> {
    let documents =
        Yaml::load_from_str(text).map_err(|error| Failure::Yaml { file, reason: error.to_string() })?;
    Ok(documents.first().map_or(Value::Null, plain))
}

fn plain(node: &Yaml<'_>) -> Value {
    if let Yaml::Tagged(_, inner) = node {
        return plain(inner);
    }
    if let Some(items) = node.as_sequence() {
        return items.iter().map(plain).collect();
    }
    if let Some(entries) = node.as_mapping() {
        return entries
            .iter()
            .filter_map(|(key, value)| Some((key.as_str()?.to_owned(), plain(value))))
            .collect();
    }
    node.as_str().map_or(Value::Null, Value::from)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn short_forms_become_plain_values() {
        let text = "a: !Ref X\nb: !Sub \"${Y}-z\"\nc: !If [Has, {d: !GetAtt E.Arn}, !Ref AWS::NoValue]\n";
        let expected = json!({"a": "X", "b": "${Y}-z", "c": ["Has", {"d": "E.Arn"}, "AWS::NoValue"]});
        assert_eq!(read("template.yaml", text).unwrap(), expected);
    }

    #[test]
    fn what_is_not_yaml_is_refused() {
        assert!(read("template.yaml", "a: [").is_err());
    }
}
