//! `job show --timeline`: every page is asked for, and each row is told with who did it.

use serde_json::{Value, json};

use super::{Asked, Fake, JOB, rows, run};
use crate::exit::Exit;

fn row(seq: u64) -> Value {
    json!({"seq": seq, "date": "d", "kind": "resumed", "actorType": "node", "attempt": 2, "token": 7,
        "actorUuid": "b0c1a5e2f4d84c7a9e6b3d2f1a0c9e8d", "actorName": "host-1", "detail": "why not"})
}

/// A server whose job has so many rows; `paged` is whether it knows pages.
fn server(count: u64, paged: bool) -> Fake {
    Fake::start(move |asked: &Asked, _| {
        let number = |name: &str| {
            let value = asked.path.split(['?', '&']).find_map(|p| p.strip_prefix(name)?.strip_prefix('='));
            value.and_then(|v| v.parse::<u64>().ok())
        };
        match (number("start"), number("limit")) {
            (Some(start), Some(limit)) if paged => {
                rows((start + 1..=count.min(start + limit)).map(row).collect())
            }
            _ => rows((1..=count).map(row).collect()),
        }
    })
}

#[tokio::test]
async fn a_timeline_is_read_to_its_end_page_by_page() {
    for (count, calls) in [(3, 1), (1000, 2), (2500, 3)] {
        let fake = server(count, true);
        let shown = run(&fake, &["-o", "json", "job", "show", JOB, "--timeline"]).await;
        assert_eq!(shown.exit, Exit::Ok, "{}", shown.err);
        let seqs: Vec<u64> =
            shown.json().as_array().expect("rows").iter().flat_map(|r| r["seq"].as_u64()).collect();
        assert_eq!(seqs, (1..=count).collect::<Vec<_>>());
        assert_eq!(fake.asked().len(), calls, "{count} rows");
    }
}

#[tokio::test]
async fn a_server_that_knows_no_pages_is_not_asked_for_ever() {
    let fake = server(1000, false);
    let shown = run(&fake, &["-o", "json", "job", "show", JOB, "--timeline"]).await;
    assert_eq!(shown.json().as_array().map(Vec::len), Some(1000));
    assert_eq!(fake.asked().len(), 2);
}

#[tokio::test]
async fn each_row_tells_attempt_token_and_who_did_it() {
    let fake = server(1, true);
    let shown = run(&fake, &["job", "show", JOB, "--timeline"]).await;
    let told = "1  d     resumed  2        7      node host-1  b0c1a5e2f4d84c7a9e6b3d2f1a0c9e8d  why not";
    assert!(shown.out.contains(told), "{told} in\n{}", shown.out);
}
