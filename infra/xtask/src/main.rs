//! The checks and generators of this repository that are written in Rust: `cargo xtask <command>`.

mod capacity;
mod failure;
mod hot_item;
mod imports;
mod layers;
mod movements;
mod openapi;
mod repository;
mod states;
mod template;

use std::process::ExitCode;

use failure::Failure;
use repository::Repository;

const USAGE: &str = "cargo xtask <command>
  check             everything below that checks
  check-layers      packages depend on each other only in the allowed directions
  check-template    every function of template.yaml has all its parts, and the other way round
  openapi [--check] writes docs/openapi.json from the handlers, or fails when it differs
  states [--check]  writes docs/STATES.md from the state machines, or fails when it differs
  capacity          what one purchase asks of DynamoDB, as JSON
  hot-item [SEED]   what one item sells at from 1, 4, 16 and 64 shards, under DynamoDB's limits
  import-stock [ROWS]
                    how fast a file with counts of stock is carried out, on the in-process database
  verify-movements [<variant>]
                    recomputes the history of stock in the table that the environment names (see the runbook)";

/// What a command found wrong, one finding per entry.
type Findings = Vec<String>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(findings) if findings.is_empty() => ExitCode::SUCCESS,
        Ok(findings) => {
            for finding in findings {
                eprintln!("error: {finding}");
            }
            ExitCode::FAILURE
        }
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<Findings, Failure> {
    let repository = Repository::find()?;
    match words {
        ["check"] => {
            let (layers, openapi) = (layers::check(&repository)?, openapi::check(&repository)?);
            Ok([layers, openapi, states::check(&repository)?, template::check(&repository)?].concat())
        }
        ["capacity"] => capacity::print(),
        ["hot-item"] => hot_item::print(1),
        ["hot-item", seed] => hot_item::print(seed.parse().map_err(|_| Failure::Usage(USAGE))?),
        ["import-stock"] => imports::print(sutler_domain::stock_import::ROWS_MAX),
        ["import-stock", rows] => imports::print(rows.parse().map_err(|_| Failure::Usage(USAGE))?),
        ["check-layers"] => layers::check(&repository),
        ["check-template"] => template::check(&repository),
        ["verify-movements"] => movements::verify(None),
        ["verify-movements", variant] => movements::verify(Some(variant)),
        ["openapi"] => openapi::write(&repository),
        ["openapi", "--check"] => openapi::check(&repository),
        ["states"] => states::write(&repository),
        ["states", "--check"] => states::check(&repository),
        _ => Err(Failure::Usage(USAGE)),
    }
}
