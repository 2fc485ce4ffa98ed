//! A command that is run again: it goes on with the job of the run before, and starts none beside it.

use serde_json::{Value, json};

use super::{Asked, Fake, JOB, Reply, job, rows, run};
use crate::exit::Exit;

const VOLUME: &str = "45a53d3d93384433add8ead7616586cf";
const STORAGE: &str = "70a0618804864b3dabe8be9824c8028c";
const ELSEWHERE: &str = "8a1b2c3d4e5f40618293a4b5c6d7e8f9";

/// A server with a job of this type in this state that does this; it is Succeeded when it is looked at by its uuid.
fn with_job(state: &'static str, job_name: &'static str, data: Value) -> Fake {
    let mut known = job(state);
    (known["jobName"], known["jobData"]) = (json!(job_name), json!(data.to_string()));
    Fake::start(move |asked: &Asked, _| {
        let path = asked.path.clone();
        match asked.method.as_str() {
            "POST" => {
                let mut new = job("Running");
                new["uuid"] = asked.body["params"]["resourceUuid"].clone();
                Reply::Json(200, json!({"inventory": new}))
            }
            "PUT" => Reply::Json(200, json!({"inventory": known})),
            _ if path.contains("/longjobs?") => rows(vec![known.clone()]),
            _ if path.contains("/longjobs/") => rows(vec![job("Succeeded")]),
            _ if path.contains("/task-progresses/") => rows(vec![]),
            _ if path.contains("-storage") => rows(vec![
                json!({"uuid": STORAGE, "name": "fast"}),
                json!({"uuid": ELSEWHERE, "name": "slow"}),
            ]),
            _ => rows(vec![json!({
                "uuid": VOLUME, "name": "db", "status": "Ready", "format": "raw", "mediaType": "DataVolumeTemplate",
                "backupStorageRefs": [{"backupStorageUuid": STORAGE, "status": "Ready"}],
            })]),
        }
    })
}

fn moves(to: &str) -> Value {
    json!({"volumeUuid": VOLUME, "dstPrimaryStorageUuid": to})
}

const MIGRATE: &str = "APIPrimaryStorageMigrateVolumeMsg";

fn sent(fake: &Fake, method: &str) -> Vec<Asked> {
    fake.asked().into_iter().filter(|asked| asked.method == method).collect()
}

#[tokio::test]
async fn a_migration_that_is_run_again_follows_the_job_there_is_and_says_so() {
    let fake = with_job("Running", MIGRATE, moves(STORAGE));
    let ran = run(&fake, &["volume", "migrate", "db", "--to", "fast"]).await;
    assert_eq!(ran.exit, Exit::Ok, "{}", ran.err);
    assert!(sent(&fake, "POST").is_empty(), "no second job");
    assert!(ran.err.contains("a job of an earlier run does this (Running); nothing new"), "{}", ran.err);
    assert!(ran.err.contains(&format!("job {JOB}\n")), "{}", ran.err);
    let looked = fake.asked().into_iter().find(|a| a.path.contains("/longjobs?")).expect("a look");
    for part in [&format!("targetResourceUuid%3D{VOLUME}"), "state%3F%3DWaiting%2CRunning%2CSuspended"] {
        assert!(looked.path.contains(part), "{part} in {}", looked.path);
    }
}

#[tokio::test]
async fn a_suspended_one_is_resumed_and_takes_the_rate_that_is_said_now() {
    let fake = with_job("Suspended", MIGRATE, moves(STORAGE));
    let ran = run(&fake, &["volume", "migrate", "db", "--to", "fast", "--rate", "5M"]).await;
    assert_eq!(ran.exit, Exit::Ok, "{}", ran.err);
    let puts = sent(&fake, "PUT");
    assert!(puts[0].body.get("resumeLongJob").is_some(), "{puts:?}");
    assert_eq!(puts[1].body["throttleLongJob"]["bytesPerSecond"], 5 << 20);
    assert!(ran.err.contains("was suspended and goes on"), "{}", ran.err);
    assert!(sent(&fake, "POST").is_empty());
}

#[tokio::test]
async fn a_migration_to_elsewhere_or_of_another_type_of_job_is_started() {
    for fake in [with_job("Running", MIGRATE, moves(ELSEWHERE)), with_job("Running", "X", moves(STORAGE))] {
        let ran = run(&fake, &["volume", "migrate", "db", "--to", "fast"]).await;
        assert_eq!((ran.exit, sent(&fake, "POST").len()), (Exit::Ok, 1), "{}", ran.err);
    }
    let fake = with_job("Running", MIGRATE, moves(ELSEWHERE));
    let ran = run(&fake, &["volume", "migrate", "db", "--to", "fast"]).await;
    assert!(
        ran.err.contains(&format!("the job {JOB} (")) && ran.err.contains("waits for its end"),
        "{}",
        ran.err
    );
}

#[tokio::test]
async fn an_evacuation_to_elsewhere_or_with_another_width_is_told_and_not_followed_as_if_it_were_ours() {
    let data = json!({"primaryStorageUuid": STORAGE, "dstPrimaryStorageUuids": [ELSEWHERE], "parallel": 2});
    let fake = with_job("Running", "APIEvacuatePrimaryStorageMsg", data);
    for words in [
        vec!["storage", "evacuate", "fast", "--to", "fast"],
        vec!["storage", "evacuate", "fast", "--to", "slow", "--parallel", "3"],
    ] {
        let ran = run(&fake, &words).await;
        assert_eq!((ran.exit, sent(&fake, "POST").len()), (Exit::Usage, 0), "{words:?}: {}", ran.err);
        assert!(ran.err.contains(&format!("longhaul job cancel {JOB}")), "{}", ran.err);
    }
    let same = ["storage", "evacuate", "fast", "--to", "slow", "--parallel", "2", "--detach"];
    let ran = run(&fake, &same).await;
    assert_eq!((ran.exit, sent(&fake, "POST").len()), (Exit::Ok, 0), "{}", ran.err);
}

#[tokio::test]
async fn a_migration_to_there_in_another_format_is_told_and_not_followed_as_if_it_were_ours() {
    let fake = with_job("Running", MIGRATE, moves(STORAGE));
    let ran = run(&fake, &["volume", "migrate", "db", "--to", "fast", "--format", "qcow2"]).await;
    assert_eq!((ran.exit, sent(&fake, "POST").len()), (Exit::Usage, 0), "{}", ran.err);
    assert!(ran.err.contains(&format!("longhaul job cancel {JOB}")), "{}", ran.err);
    let ran = run(&fake, &["volume", "migrate", "db", "--to", "fast", "--format", "raw"]).await;
    assert_eq!(ran.exit, Exit::Ok, "raw is what it is: {}", ran.err);
}

#[tokio::test]
async fn what_is_made_of_an_image_or_a_volume_is_made_once() {
    let of_volume = json!({"name": "db", "volumeUuid": VOLUME, "backupStorageUuids": [STORAGE]});
    let of_image = json!({"imageUuid": VOLUME, "name": "copy", "primaryStorageUuid": STORAGE});
    let moved =
        json!({"imageUuid": VOLUME, "srcBackupStorageUuid": STORAGE, "dstBackupStorageUuid": ELSEWHERE});
    let added = json!({
        "name": "a", "url": "http://h/a", "backupStorageUuids": [STORAGE], "mediaType": "RootVolumeTemplate",
    });
    for (job_name, data, words) in [
        (
            "APICreateDataVolumeTemplateFromVolumeMsg",
            of_volume,
            vec!["image", "from-volume", "db", "--to", "fast"],
        ),
        (
            "APICreateDataVolumeFromVolumeTemplateMsg",
            of_image,
            vec!["volume", "create", "--name", "copy", "--image", "db", "--storage", "fast"],
        ),
        ("APIBackupStorageMigrateImageMsg", moved, vec!["image", "migrate", "db", "--to", "slow"]),
        (
            "APIImportVolumeMsg",
            json!({"primaryStorageUuid": STORAGE, "path": "/a", "name": "image disk"}),
            vec!["volume", "import", "--path", "/a", "--storage", "fast", "--name", "image disk"],
        ),
        ("APIAddImageMsg", added, vec!["image", "add", "a", "http://h/a", "--to", "fast"]),
    ] {
        let fake = with_job("Running", job_name, data.clone());
        let ran = run(&fake, &words).await;
        assert_eq!((ran.exit, sent(&fake, "POST").len()), (Exit::Ok, 0), "{words:?}: {}", ran.err);
        // Of another one nothing is said: a job of its own is submitted.
        let mut other = data.clone();
        other["name"] = json!("other");
        let fake = with_job("Running", job_name, other);
        let ran = run(&fake, &words).await;
        assert_eq!(ran.exit, Exit::Ok, "{words:?}: {}", ran.err);
        let posts = sent(&fake, "POST");
        assert_eq!(posts.len(), 1, "{words:?}");
        let params = &posts[0].body["params"];
        assert_eq!(params["jobName"], job_name);
        let own: Value = params["jobData"].as_str().and_then(|d| serde_json::from_str(d).ok()).expect("JSON");
        assert_eq!(own, data, "{words:?}");
        assert!(params["name"].as_str().is_some_and(|name| name.contains("image")), "{params}");
    }
}

#[tokio::test]
async fn an_evacuation_is_named_by_its_storages_and_goes_on_when_it_was_suspended() {
    let fake =
        with_job("Suspended", "APIEvacuatePrimaryStorageMsg", json!({"dstPrimaryStorageUuids": [ELSEWHERE]}));
    let words = ["storage", "evacuate", "fast", "--to", "slow", "--detach"];
    let ran = run(&fake, &words).await;
    assert_eq!((ran.exit, sent(&fake, "POST").len()), (Exit::Ok, 0), "{}", ran.err);
    assert!(sent(&fake, "PUT")[0].body.get("resumeLongJob").is_some());
    let fake = Fake::start(|asked, _| match asked.method.as_str() {
        "POST" => Reply::Json(200, json!({"inventory": job("Running")})),
        _ if asked.path.contains("/longjobs") => rows(vec![]),
        _ => rows(vec![json!({"uuid": STORAGE, "name": "fast"}), json!({"uuid": ELSEWHERE, "name": "slow"})]),
    });
    assert_eq!(run(&fake, &words).await.exit, Exit::Ok);
    let params = sent(&fake, "POST").remove(0).body["params"].clone();
    assert_eq!(params["name"], "evacuate fast to slow");
    let data: Value = params["jobData"].as_str().and_then(|d| serde_json::from_str(d).ok()).expect("JSON");
    assert_eq!(data, json!({"primaryStorageUuid": STORAGE, "dstPrimaryStorageUuids": [ELSEWHERE]}));
}

#[tokio::test]
async fn a_move_that_waits_for_another_is_told_so_only_once_it_is_taken() {
    let words = ["volume", "migrate", "db", "--to", "fast", "--no-wait"];
    let fake = with_job("Running", MIGRATE, moves(ELSEWHERE));
    let ran = run(&fake, &words).await;
    assert_eq!((ran.exit, sent(&fake, "POST").len()), (Exit::Ok, 1), "{}", ran.err);
    assert!(ran.err.contains("this one waits for its end"), "{}", ran.err);
    let mut other = job("Running");
    (other["jobName"], other["jobData"]) = (json!(MIGRATE), json!(moves(ELSEWHERE).to_string()));
    let fake = Fake::start(move |asked: &Asked, _| match asked.method.as_str() {
        "POST" => super::failed(400, "SYS.1007", "it is on primary storage fast already"),
        _ if asked.path.contains("/longjobs") => rows(vec![other.clone()]),
        _ if asked.path.contains("-storage") => rows(vec![json!({"uuid": STORAGE, "name": "fast"})]),
        _ => rows(vec![json!({"uuid": VOLUME, "name": "db", "status": "Ready", "format": "raw"})]),
    });
    let ran = run(&fake, &words).await;
    assert_eq!((ran.exit, sent(&fake, "POST").len()), (Exit::Failed, 1), "{}", ran.err);
    assert!(ran.err.contains("already") && !ran.err.contains("waits for its end"), "{}", ran.err);
}
