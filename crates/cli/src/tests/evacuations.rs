//! What is told of an evacuation to people.

use serde_json::json;

use super::{Fake, JOB, Reply, rows, run};
use crate::exit::Exit;

#[tokio::test]
async fn what_earlier_runs_moved_is_counted_and_a_volume_of_which_nothing_is_said_has_no_line() {
    let report = json!({
        "jobUuid": JOB, "state": "Canceled", "complete": false, "moved": 9, "blocked": 1, "failed": 0, "pending": 1,
        "notTaken": 0, "bytesMoved": 9, "volumes": [
            {"name": "disk-7", "result": "blocked", "detail": "it is in use"},
            {"name": "disk-8", "result": "pending", "detail": ""},
        ], "earlier": [{"name": "disk-1", "result": "moved"}, {"name": "disk-2", "result": "moved"}],
    });
    let fake = Fake::start(move |asked, _| match asked.path.ends_with("/evacuation") {
        true => Reply::Json(200, report.clone()),
        false => rows(vec![]),
    });
    let ran = run(&fake, &["storage", "evacuation", JOB]).await;
    assert_eq!(ran.exit, Exit::Ok, "{}", ran.err);
    assert_eq!(ran.err, "blocked disk-7: it is in use\n");
    let last = ran.out.lines().last();
    assert_eq!(last, Some("9 moved (9 B), 2 moved by earlier runs, 1 blocked, 0 failed"));
}
