//! The pages that say what is proven: their rows name tests that exist. And what counts the tests: that it notices one
//! that is missing.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

#[test]
fn every_row_of_the_coverage_page_names_a_test_that_exists() {
    let page = std::fs::read_to_string(root().join("docs/coverage.md")).expect("the page");
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| element"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    assert!(rows.len() >= 240, "{} rows", rows.len());
    let mut elements = BTreeSet::new();
    for row in &rows {
        let [element, says, file, test] = row[..] else { panic!("four columns: {row:?}") };
        assert!(!element.is_empty() && !says.is_empty(), "{row:?}");
        assert!(elements.insert((element, file, test)), "twice: {row:?}");
        let text = std::fs::read_to_string(root().join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
        assert!(text.contains(&format!("fn {test}()")), "{file} has no test {test}");
    }
    for state in ["Waiting", "Suspended", "Running", "Succeeded", "Canceling", "Canceled", "Failed"] {
        assert!(
            elements.iter().any(|(element, _, _)| element.contains(&format!("state `{state}`"))),
            "{state}"
        );
    }
}

#[test]
fn the_page_of_contract_rows_keeps_its_promises() {
    let out = Command::new(root().join("scripts/check-contract-rows.sh")).output().expect("the script runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

#[test]
fn every_line_of_the_differences_is_numbered_once_without_a_gap() {
    let page = std::fs::read_to_string(root().join("docs/differences.md")).expect("the page");
    let numbers: Vec<usize> =
        page.lines().filter_map(|line| line.strip_prefix("| D")?.split(' ').next()?.parse().ok()).collect();
    assert_eq!(numbers, (1..=numbers.len()).collect::<Vec<_>>());
}

#[test]
fn every_test_that_the_page_of_reliability_names_exists() {
    let check = |page: &std::path::Path| {
        let out = Command::new(root().join("scripts/check-reliability.py")).arg(page).output();
        let out = out.expect("the script runs");
        (out.status.success(), String::from_utf8_lossy(&out.stderr).into_owned())
    };
    let page = root().join("docs/reliability.md");
    assert_eq!(check(&page), (true, String::new()));
    let text = std::fs::read_to_string(&page).expect("the page");
    let dir = crate::support::server::TempDir::new("page");
    let broken = dir.0.join("page.md");
    // The name of no setting is put together here, or this file would be where it is read.
    for (from, to, told) in [
        (
            "`every_seed_keeps_every_promise`",
            "`every_seed_keeps_no_promise`",
            "no test every_seed_keeps_no_promise",
        ),
        ("`tests/docs/run.sh`", "`tests/docs/ran.sh`", "no tests/docs/ran.sh"),
        (
            "`LONGHAUL_SIM_SEEDS`",
            concat!("`LONGHAUL_SIM", "_SAPLINGS`"),
            concat!("nothing reads LONGHAUL_SIM", "_SAPLINGS"),
        ),
        ("`gate tables`", "`gate chairs`", "no gate chairs"),
        ("| claim |", "| claims |", "0 claims"),
    ] {
        assert!(text.contains(from), "{from}");
        std::fs::write(&broken, text.replacen(from, to, 1)).expect("written");
        let (passed, said) = check(&broken);
        assert!(!passed && said.contains(told), "{from}: {said}");
    }
}

/// What `scripts/suites.py report` says of these counts: whether it passes, and why not.
fn reported(dir: &std::path::Path, counts: &serde_json::Map<String, serde_json::Value>) -> (bool, String) {
    let file = dir.join("suites.json");
    std::fs::write(&file, serde_json::to_string(counts).expect("JSON")).expect("written");
    let out = Command::new("python3").arg(root().join("scripts/suites.py")).arg("report").arg(&file).output();
    let out = out.expect("the script runs");
    (out.status.success(), String::from_utf8_lossy(&out.stderr).into_owned())
}

#[test]
fn a_run_in_which_a_suite_of_postgresql_did_not_run_fails() {
    let dir = crate::support::server::TempDir::new("counts");
    let floor = std::fs::read_to_string(root().join("scripts/test-floor.txt")).expect("the floor");
    let rows = floor.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit_once(' '));
    let count = |text: &str| text.parse::<u64>().expect("a count");
    let mut counts: serde_json::Map<_, _> =
        rows.map(|(suite, least)| (suite.to_owned(), serde_json::json!([count(least), 0, 0]))).collect();
    // Both suites have a floor of their own, which may be older than the other's: a run has all cases on both.
    let conformance = ["longhaul-store::memory", "longhaul-store::postgres"]
        .map(|suite| count(&counts[suite][0].to_string()));
    for suite in ["longhaul-store::memory", "longhaul-store::postgres"] {
        counts.insert(suite.to_owned(), serde_json::json!([conformance[0].max(conformance[1]), 0, 0]));
    }
    counts.insert("simulation on PostgreSQL (seeds)".to_owned(), serde_json::json!([1, 0, 0]));
    assert_eq!(reported(&dir.0, &counts), (true, String::new()));
    for suite in [
        "longhaul-store::postgres",
        "longhaul-server::api_postgres",
        "longhaul-sim::postgres",
        "simulation on PostgreSQL (seeds)",
    ] {
        let mut fewer = counts.clone();
        assert!(fewer.remove(suite).is_some(), "{suite}");
        let (passed, said) = reported(&dir.0, &fewer);
        assert!(!passed && said.contains(&format!("{suite}: nothing run")), "{suite}: {said}");
    }
    let one_less = count(&counts["longhaul-store::memory"][0].to_string()) - 1;
    counts.insert("longhaul-store::postgres".to_owned(), serde_json::json!([one_less, 0, 0]));
    let (passed, said) = reported(&dir.0, &counts);
    assert!(!passed && said.contains("the whole conformance suite"), "{said}");
}
