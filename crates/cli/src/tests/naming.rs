//! How a resource is named on a command line, and names beside uuids where resources are shown.

use serde_json::{Value, json};

use super::{Asked, Fake, JOB, Reply, job, rows, run};
use crate::exit::Exit;

const VOLUME: &str = "45a53d3d93384433add8ead7616586cf";
const OTHER: &str = "45a53d3d00004433add8ead7616586cf";
const STORAGE: &str = "70a0618804864b3dabe8be9824c8028c";

/// Whether a query has this condition, in a path as it is sent.
fn has(asked: &Asked, condition: &str) -> bool {
    let sent: String = condition
        .chars()
        .map(|c| match c {
            '=' => "%3D".to_owned(),
            '~' => "%7E".to_owned(),
            '%' => "%25".to_owned(),
            '?' => "%3F".to_owned(),
            other => other.to_string(),
        })
        .collect();
    asked.path.contains(&format!("q={sent}"))
}

/// A server whose resources of every kind are these, found by `uuid~=` alone.
fn by_prefix(found: Vec<Value>) -> Fake {
    Fake::start(move |asked, _| match asked.method.as_str() {
        "GET" if has(asked, "name=45a53d3d") || has(asked, "name=45A53D3D-9338") => rows(vec![]),
        "GET" if asked.path.contains("/task-progresses/") || asked.path.contains("/timeline") => rows(vec![]),
        "GET" if asked.path.contains("/trash") => rows(vec![]),
        "GET" => rows(found.clone()),
        _ => Reply::Json(200, json!({"inventory": found[0]})),
    })
}

#[tokio::test]
async fn the_first_digits_of_a_uuid_do_for_every_kind_of_resource() {
    let mut row = job("Running");
    (row["uuid"], row["name"], row["type"]) = (json!(VOLUME), json!("db"), json!("x"));
    for (words, last) in [
        (["volume", "show", "45a53d3d"].as_slice(), "/volumes"),
        (&["image", "show", "45a53d3d"], "/images"),
        (&["storage", "show", "45a53d3d"], "/primary-storage/bandwidths"),
        (&["job", "show", "45a53d3d"], ""),
        (&["job", "cancel", "45a53d3d"], &format!("/longjobs/{VOLUME}")),
        (&["image", "storage", "delete", "45a53d3d"], &format!("/backup-storage/{VOLUME}")),
        (&["account", "delete", "45A53D3D-9338"], &format!("/accounts/{VOLUME}")),
    ] {
        let fake = by_prefix(vec![row.clone()]);
        let ran = run(&fake, words).await;
        assert_eq!(ran.exit, Exit::Ok, "{words:?}: {}", ran.err);
        let asked = fake.asked();
        assert!(
            asked.iter().any(|a| has(a, "uuid~=45a53d3d%") || has(a, "uuid~=45a53d3d9338%")),
            "{words:?}: {asked:?}"
        );
        let end = asked.last().map(|a| a.path.clone()).unwrap_or_default();
        assert!(end.contains(last), "{words:?}: {end}");
    }
}

#[tokio::test]
async fn digits_that_fit_several_are_refused_with_the_candidates_and_too_few_fit_nothing() {
    let row = |uuid: &str, name: &str| json!({"uuid": uuid, "name": name, "status": "Ready"});
    let fake = by_prefix(vec![row(VOLUME, "db"), row(OTHER, "web")]);
    let ran = run(&fake, &["volume", "delete", "45a53d3d"]).await;
    assert_eq!(ran.exit, Exit::Usage, "{}", ran.err);
    for part in [VOLUME, OTHER, "db", "web"] {
        assert!(ran.err.contains(part), "{part} in {}", ran.err);
    }
    assert!(fake.asked().iter().all(|a| a.method == "GET"), "nothing was deleted");
    let ran = run(&fake, &["volume", "delete", "45a53d3d9"]).await;
    assert_eq!(fake.asked().last().map(|a| a.method.clone()), Some("DELETE".to_owned()), "{}", ran.err);
    let asked = fake.asked().len();
    assert_eq!(run(&fake, &["volume", "delete", "45a53d3"]).await.exit, Exit::NotFound);
    assert!(fake.asked()[asked..].iter().all(|a| !a.path.contains("uuid%7E")), "7 digits are a name alone");
}

#[tokio::test]
async fn a_job_is_found_by_its_name_and_two_of_one_name_are_told_with_their_states() {
    let fake = Fake::start(|asked, _| match asked.method.as_str() {
        "GET" => rows(vec![job("Running")]),
        _ => Reply::Json(200, json!({})),
    });
    assert_eq!(run(&fake, &["job", "clean", "nightly"]).await.exit, Exit::Ok);
    let put = fake.asked().pop().expect("a call");
    assert!(put.is("PUT", &format!("/zstack/v1/longjobs/{JOB}/actions")), "{put:?}");
    let two = Fake::start(|_, _| {
        let mut second = job("Failed");
        second["uuid"] = json!(VOLUME);
        rows(vec![job("Running"), second])
    });
    let ran = run(&two, &["job", "watch", "nightly"]).await;
    assert_eq!(ran.exit, Exit::Usage);
    for part in [JOB, VOLUME, "Running", "Failed"] {
        assert!(ran.err.contains(part), "{part} in {}", ran.err);
    }
}

#[tokio::test]
async fn a_name_stands_beside_the_uuid_of_what_a_resource_is_on() {
    let fake = Fake::start(|asked, _| {
        if asked.path.contains("/primary-storage/trash") {
            return rows(vec![json!({"trashId": 1, "resourceUuid": VOLUME, "size": 5, "installPath": "/a"})]);
        }
        if asked.path.contains("-storage") {
            return rows(vec![json!({"uuid": STORAGE, "name": "fast"})]);
        }
        let on = json!([{"backupStorageUuid": STORAGE, "installPath": "/b", "status": "Ready"}]);
        rows(vec![json!({
            "uuid": VOLUME, "name": "db", "status": "Ready", "primaryStorageUuid": STORAGE, "backupStorageRefs": on,
        })])
    });
    let beside = format!("fast ({STORAGE})");
    assert!(run(&fake, &["volume", "show", "db"]).await.out.contains(&beside));
    assert!(run(&fake, &["image", "show", "db"]).await.out.contains(&beside));
    let listed = run(&fake, &["image", "list"]).await.out;
    assert!(listed.lines().nth(1).is_some_and(|line| line.ends_with("fast")), "{listed}");
    let trash = run(&fake, &["storage", "trash", "list", "fast"]).await.out;
    assert!(trash.contains(&format!("db    {VOLUME}")), "{trash}");
    let before = fake.asked().len();
    run(&fake, &["-o", "json", "volume", "show", "db"]).await;
    assert_eq!(fake.asked().len(), before + 1, "programs get the API's object alone");
}

#[tokio::test]
async fn what_is_not_deleted_is_not_said_to_be_missing_where_a_deleted_one_is_wanted() {
    for group in ["volume", "image"] {
        for verb in ["recover", "expunge"] {
            let fake = by_prefix(vec![json!({"uuid": VOLUME, "name": "db", "status": "Ready"})]);
            let ran = run(&fake, &[group, verb, "db"]).await;
            assert_eq!(ran.exit, Exit::Failed, "{}", ran.err);
            for part in [&format!("{group} `db` is Ready"), &format!("longhaul {group} delete {VOLUME}")] {
                assert!(ran.err.contains(part), "{part} in {}", ran.err);
            }
            assert!(fake.asked().iter().all(|a| a.method == "GET"), "nothing was done");
            assert_eq!(run(&fake, &[group, verb, "none"]).await.exit, Exit::NotFound);
        }
    }
}

#[tokio::test]
async fn a_name_that_is_the_beginning_of_another_uuid_is_refused_with_both() {
    let named = |uuid: &str, name: &str| {
        let mut row = job("Running");
        (row["uuid"], row["name"]) = (json!(uuid), json!(name));
        row
    };
    // Both kinds of question are answered with both rows: what fits is the client's to tell.
    for (kind, words) in [
        ("job", ["job", "cancel", "45A53D3D9338"].as_slice()),
        ("volume", &["volume", "expunge", "45a53d3d9338"]),
        ("account", &["account", "delete", "45a53d3d9338"]),
    ] {
        let both = vec![named(JOB, "45a53d3d9338"), named(VOLUME, "nightly")];
        let fake = Fake::start(move |asked, _| match asked.method.as_str() {
            "GET" => rows(both.clone()),
            _ => Reply::Json(200, json!({"inventory": both[0]})),
        });
        let ran = run(&fake, words).await;
        assert_eq!(ran.exit, Exit::Usage, "{kind}: {}", ran.err);
        for part in [JOB, VOLUME, &format!("fits 2 of the kind {kind}")] {
            assert!(ran.err.contains(part), "{part} in {}", ran.err);
        }
        assert!(fake.asked().iter().all(|a| a.method == "GET"), "{kind}: nothing was done");
    }
    // The same thing twice is one thing, and a whole uuid is never a name.
    for (word, found) in [("45a53d3d", named(VOLUME, "45a53d3d")), (VOLUME, named(JOB, VOLUME))] {
        let fake = Fake::start(move |asked, _| match asked.method.as_str() {
            "GET" => rows(vec![found.clone()]),
            _ => Reply::Json(200, json!({"inventory": found})),
        });
        let ran = run(&fake, &["job", "cancel", word]).await;
        assert_eq!(ran.exit, Exit::Ok, "{word}: {}", ran.err);
        let put = fake.asked().into_iter().find(|a| a.method == "PUT").expect("a call");
        assert!(put.is("PUT", &format!("/zstack/v1/longjobs/{VOLUME}/actions")), "{word}: {put:?}");
    }
}

#[tokio::test]
async fn more_than_are_counted_are_not_told_as_an_exact_number() {
    let fitting = |all: usize| {
        Fake::start(move |asked, _| {
            let limit =
                asked.path.split("limit=").nth(1).and_then(|rest| rest.split('&').next()?.parse().ok());
            let row = |n: usize| json!({"uuid": format!("45a53d3d{n:024x}"), "name": "nightly", "state": "Running"});
            let by_name = asked.path.contains("q=name") && !has(asked, "name=nightly");
            rows((0..if by_name { 0 } else { all.min(limit.unwrap_or(1000)) }).map(row).collect())
        })
    };
    for text in ["nightly", "45a53d3d"] {
        let told = run(&fitting(1000), &["job", "cancel", text]).await.err;
        assert!(
            told.contains("fits more than 100 of the kind job") && told.contains("\n  and many more"),
            "{told}"
        );
        let told = run(&fitting(100), &["job", "cancel", text]).await.err;
        assert!(told.contains("fits 100 of the kind job") && told.contains("\n  and 90 more"), "{told}");
    }
}
