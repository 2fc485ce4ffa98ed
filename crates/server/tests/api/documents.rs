//! The pages that say what is proven: their rows name tests that exist.

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
