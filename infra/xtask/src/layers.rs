//! Packages depend on each other in one direction only.
//!
//! ```text
//! functions → runtime → http → services → { store, gateways } → domain
//! ```
//!
//! Each may use everything to its right. The test kit and the providers' stand-ins are for tests and tools.

use std::{env, process::Command};

use serde_json::Value;

use crate::{Findings, failure::Failure, repository::Repository};

/// A package of ours, by where it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layer {
    Domain,
    Store,
    Gateways,
    Services,
    Http,
    Runtime,
    Function,
    Testkit,
    Providers,
    Simulation,
    Xtask,
}

impl Layer {
    /// The layer of a directory below the root.
    fn of(directory: &str) -> Option<Self> {
        Some(match directory {
            "shared/domain" => Self::Domain,
            "shared/store" => Self::Store,
            "shared/gateways" => Self::Gateways,
            "shared/services" => Self::Services,
            "shared/http" => Self::Http,
            "shared/runtime" => Self::Runtime,
            "shared/testkit" => Self::Testkit,
            "infra/providers" => Self::Providers,
            "infra/simulate" => Self::Simulation,
            "infra/xtask" => Self::Xtask,
            other if other.starts_with("functions/") => Self::Function,
            _ => return None,
        })
    }

    /// What the code of this layer may use.
    fn may_use(self) -> &'static [Self] {
        use Layer::{Domain, Function, Gateways, Http, Providers, Runtime, Services, Store, Testkit};
        match self {
            Self::Domain | Self::Providers => &[],
            Self::Store | Self::Gateways => &[Domain],
            Self::Services => &[Domain, Store, Gateways],
            Self::Http => &[Domain, Store, Gateways, Services],
            Self::Runtime | Self::Testkit => &[Domain, Store, Gateways, Services, Http],
            Self::Function => &[Domain, Store, Gateways, Services, Http, Runtime],
            Self::Simulation | Self::Xtask => {
                &[Domain, Store, Gateways, Services, Http, Runtime, Function, Providers, Testkit]
            }
        }
    }

    /// Whether a dependency on `other` is allowed; `only_in_tests` for a dev-dependency.
    fn allows(self, other: Self, only_in_tests: bool) -> bool {
        self.may_use().contains(&other) || (only_in_tests && matches!(other, Self::Testkit | Self::Providers))
    }
}

/// Checks every dependency between two packages of the workspace.
///
/// # Errors
/// When `cargo metadata` does not answer.
pub fn check(repository: &Repository) -> Result<Findings, Failure> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(repository.root())
        .output()
        .map_err(|error| Failure::Cargo(error.to_string()))?;
    if !output.status.success() {
        return Err(Failure::Cargo(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    let metadata = serde_json::from_slice(&output.stdout)
        .map_err(|source| Failure::Json { what: "cargo metadata", source })?;
    Ok(wrong_arrows(&metadata))
}

fn wrong_arrows(metadata: &Value) -> Findings {
    let root = text(metadata, "workspace_root");
    let mut findings = Vec::new();
    for package in list(metadata, "packages") {
        let name = text(package, "name");
        let place = below(root, text(package, "manifest_path").trim_end_matches("/Cargo.toml"));
        let Some(layer) = Layer::of(place) else {
            findings.push(format!("{name}: {place} has no layer; give it one in infra/xtask/src/layers.rs"));
            continue;
        };
        for dependency in list(package, "dependencies") {
            // Only the packages of the workspace are given by a path.
            let Some(path) = dependency.get("path").and_then(Value::as_str) else { continue };
            // One without a layer is reported as a package.
            let Some(other) = Layer::of(below(root, path)) else { continue };
            let only_in_tests = text(dependency, "kind") == "dev";
            if !layer.allows(other, only_in_tests) {
                let kind = if only_in_tests { "dev-dependency" } else { "dependency" };
                findings.push(format!(
                    "{name} → {}: a {layer:?} package may not have a {other:?} package as a {kind}; it may use {:?}",
                    text(dependency, "name"),
                    layer.may_use(),
                ));
            }
        }
    }
    findings
}

fn below<'a>(root: &str, path: &'a str) -> &'a str {
    path.strip_prefix(root).unwrap_or(path).trim_start_matches('/')
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn arrows(from: &str, to: &str, kind: Option<&str>) -> Findings {
        wrong_arrows(&json!({
            "workspace_root": "/w",
            "packages": [{
                "name": from.replace('/', "-"),
                "manifest_path": format!("/w/{from}/Cargo.toml"),
                "dependencies": [
                    {"name": "serde", "kind": null},
                    {"name": to.replace('/', "-"), "kind": kind, "path": format!("/w/{to}")},
                ],
            }],
        }))
    }

    #[test]
    fn arrows_point_towards_the_domain() {
        let order = [
            "shared/domain",
            "shared/store",
            "shared/services",
            "shared/http",
            "shared/runtime",
            "functions/a",
        ];
        for (at, from) in order.iter().enumerate() {
            for (target, to) in order.iter().enumerate() {
                assert_eq!(arrows(from, to, None).is_empty(), target < at, "{from} → {to}");
            }
        }
    }

    #[test]
    fn store_and_gateways_know_nothing_of_each_other() {
        assert_eq!(arrows("shared/store", "shared/gateways", None).len(), 1);
        assert_eq!(arrows("shared/gateways", "shared/store", None).len(), 1);
    }

    #[test]
    fn functions_never_use_each_other_even_in_tests() {
        for kind in [None, Some("dev"), Some("build")] {
            let found = arrows("functions/orders", "functions/cart", kind);
            assert!(found[0].starts_with("functions-orders → functions-cart: "), "{found:?}");
        }
    }

    #[test]
    fn the_test_kit_and_the_stand_ins_are_for_tests() {
        for to in ["shared/testkit", "infra/providers"] {
            assert_eq!(arrows("shared/services", to, None).len(), 1, "{to}");
            assert_eq!(arrows("shared/services", to, Some("dev")).len(), 0, "{to}");
            assert_eq!(arrows("infra/xtask", to, None).len(), 0, "{to}");
            assert_eq!(arrows("infra/simulate", to, None).len(), 0, "{to}");
        }
    }

    #[test]
    fn a_new_package_needs_a_layer() {
        assert!(arrows("shared/search", "shared/domain", None)[0].contains("has no layer"));
    }
}
