//! Whether the history of stock in a deployed stack is what it was: every chain walked, every hash recomputed.

use std::{
    io::{self, Write},
    sync::Arc,
};

use sutler_domain::ids::VariantId;
use sutler_http::problem::chain;
use sutler_runtime::{
    Config, aws,
    system::{SystemClock, SystemRandom},
};
use sutler_services::{
    App,
    chains::{Audit, ChainId, Reads, verify_all, verify_variant},
};
use sutler_store::Store;

use crate::{Findings, failure::Failure};

/// How many pages one check reads, of 1 MB when it looks for histories and of 1,000 movements when it walks them.
const READS_MAX: u32 = 1_000_000;

/// Walks the histories of one variant, or all there are, in the table `TABLE_COMMERCE` of the AWS account or endpoint
/// that the environment names. Says what there is, and finds what does not hold.
///
/// # Errors
/// When the environment names no table, or the database does not answer.
pub fn verify(variant: Option<&str>) -> Result<Findings, Failure> {
    let variant = variant.map(VariantId::parse).transpose();
    let variant = variant.map_err(|_| Failure::Movements("that is not the id of a variant".to_owned()))?;
    let config = Config::from_env();
    let app = app(&config).map_err(|error| Failure::Movements(error.to_string()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let audit = runtime.block_on(audit(&app, variant.as_ref()))?;
    io::stdout().write_all(report(&audit).as_bytes())?;
    Ok(findings(&audit))
}

async fn audit(app: &App, variant: Option<&VariantId>) -> Result<Audit, Failure> {
    let reads = Reads::at_most(READS_MAX);
    let audit = match variant {
        Some(variant) => verify_variant(app, variant, reads).await,
        None => verify_all(app, reads).await,
    };
    audit.map_err(|error| Failure::Movements(chain(&error)))
}

fn app(config: &Config) -> Result<App, sutler_runtime::ConfigError> {
    config.text("TABLE_COMMERCE")?;
    let ids = Arc::new(SystemRandom::default());
    let store = Store::new(aws::dynamodb(config)?, config.tables()?, ids.clone());
    Ok(App::new(store, Arc::new(SystemClock), ids, config.settings()?))
}

/// What there is, and what is only late.
fn report(audit: &Audit) -> String {
    let mut text = format!("histories: {}, movements that hold: {}\n", audit.chains, audit.movements);
    for (chain, versions) in &audit.behind {
        text.push_str(&format!(
            "{}: versions of the stock that are not recorded yet: {versions}\n",
            place(chain)
        ));
    }
    text
}

/// What does not hold.
fn findings(audit: &Audit) -> Findings {
    let broken = audit.broken.iter();
    let mut findings: Findings = broken
        .map(|(chain, number, error)| format!("{}: movement {number}: {error}", place(chain)))
        .collect();
    if !audit.complete {
        findings.push("there is more than was read; name a variant".to_owned());
    }
    findings
}

fn place(chain: &ChainId) -> String {
    format!("{} in shard {}", chain.variant, chain.shard)
}

#[cfg(test)]
mod tests {
    use sutler_domain::movement::ChainError;
    use sutler_store::{Expression, Key, Table, codec::text};
    use sutler_testkit::TestApp;

    use super::*;

    fn history(shard: u8) -> ChainId {
        ChainId { variant: VariantId::parse("var_01J8ZQ5K3N0V7X2Y4T6B8D9FGH00").unwrap(), shard }
    }

    #[test]
    fn what_is_late_is_told_and_only_what_is_wrong_is_found() {
        let late = Audit {
            chains: 2,
            movements: 9,
            behind: vec![(history(1), 3)],
            complete: true,
            ..Audit::default()
        };
        let told = "histories: 2, movements that hold: 9\n\
            var_01J8ZQ5K3N0V7X2Y4T6B8D9FGH00 in shard 1: versions of the stock that are not recorded yet: 3\n";
        assert_eq!((report(&late).as_str(), findings(&late)), (told, Findings::new()));
    }

    #[test]
    fn the_first_broken_link_is_named() {
        let broken =
            Audit { broken: vec![(history(0), 4, ChainError::Hash)], complete: true, ..Audit::default() };
        let named = "var_01J8ZQ5K3N0V7X2Y4T6B8D9FGH00 in shard 0: movement 4: the hash does not match";
        assert_eq!(findings(&broken), [named]);
        let unread = Audit { complete: false, ..Audit::default() };
        assert_eq!(findings(&unread).len(), 1);
    }

    #[tokio::test]
    async fn what_the_stream_recorded_holds_until_somebody_writes_it() {
        let test = TestApp::new().await;
        let thing = test.goods(&test.seller("ada").await, 1_999, 10).await;
        let late = audit(&test.app, None).await.unwrap();
        let behind = format!(
            "histories: 1, movements that hold: 0\n{thing} in shard 0: versions of the stock that are not recorded yet: 1\n"
        );
        assert_eq!((report(&late), findings(&late)), (behind, Findings::new()));
        let stocks = test.db.drain_stream().into_iter().filter(|change| change.sk.starts_with("STOCK#"));
        let records = stocks.map(|change| serde_json::from_value(change.record).unwrap()).collect();
        workers::record_stock_movements::record(&test.app, records).await.unwrap();
        for variant in [None, Some(&thing)] {
            let found = audit(&test.app, variant).await.unwrap();
            assert_eq!(
                (report(&found).as_str(), findings(&found)),
                ("histories: 1, movements that hold: 1\n", Findings::new())
            );
        }
        let link = Key::new(Table::Commerce, format!("MOVES#{thing}"), "MOVE#000000000001");
        let forge =
            Expression::when("attribute_exists(#pk)").then("SET #reference = :r").with(":r", text("me"));
        test.app.store.update(&link, &forge).await.unwrap();
        let found = audit(&test.app, None).await.unwrap();
        assert_eq!(findings(&found), [format!("{thing} in shard 0: movement 1: the hash does not match")]);
    }

    #[test]
    fn what_is_no_variant_is_refused_before_anything_is_read() {
        assert!(matches!(verify(Some("all of them")), Err(Failure::Movements(_))));
    }
}
