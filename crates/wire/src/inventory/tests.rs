//! Keys, types and envelopes of answers.

use jiff::tz::TimeZone;
use longhaul_model::resource::{Storage, StorageKind, StorageState, Trash, Volume};
use longhaul_model::{
    ADMIN, ApiId, Fault, HostId, Job, JobId, JobState, NodeId, Progress, StorageId, VolumeId,
};
use serde_json::{Value, json};

use super::*;
use crate::profile::Profile;
use crate::time::TimeFormat;

fn zstack() -> TimeFormat {
    TimeFormat::new(Profile::Zstack, TimeZone::UTC)
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

fn job(state: JobState) -> Job {
    Job {
        id: JobId::from_bits(1),
        account: ADMIN,
        name: "n".to_owned(),
        description: None,
        api_id: ApiId::chosen("5c1ad6e1a7f74ffe8b9fd3d4d0d4e6a1").unwrap_or_else(|| panic!("32 characters")),
        job_name: "APIAddImageMsg".to_owned(),
        job_data: "{}".to_owned(),
        job_result: None,
        state,
        suspend: None,
        retry_at_ms: None,
        target: None,
        node: None,
        create_ms: 1_510_698_057_000,
        last_op_ms: 1_510_698_057_999,
        started_ms: None,
        execute_s: None,
        version: 1,
        attempt: 0,
        token: 0,
        terms: longhaul_model::Terms::default(),
        retried: 0,
    }
}

#[test]
fn a_job_has_its_keys_and_no_nulls_in_each_state() {
    for state in JobState::ALL {
        let got = parsed(&to_json(&LongJobInventory::of(&job(state), &zstack())));
        let want = json!({
            "uuid": "00000000000000000000000000000001", "name": "n", "apiId": "5c1ad6e1a7f74ffe8b9fd3d4d0d4e6a1",
            "jobName": "APIAddImageMsg", "jobData": "{}", "state": state.name(),
            "createDate": "Nov 14, 2017 10:20:57 PM", "lastOpDate": "Nov 14, 2017 10:20:57 PM",
        });
        assert_eq!(got, want);
    }
    let full = Job {
        description: Some("d".to_owned()),
        job_result: Some("{}".to_owned()),
        target: Some("t".to_owned()),
        node: Some(NodeId::from_bits(2)),
        execute_s: Some(1),
        ..job(JobState::Succeeded)
    };
    let got = parsed(&to_json(&LongJobInventory::of(&full, &zstack())));
    let keys: Vec<&str> = got.as_object().into_iter().flatten().map(|(k, _)| k.as_str()).collect();
    assert_eq!(
        keys,
        [
            "uuid",
            "name",
            "description",
            "apiId",
            "jobName",
            "jobData",
            "jobResult",
            "state",
            "targetResourceUuid",
            "managementNodeUuid",
            "createDate",
            "lastOpDate",
            "executeTime"
        ]
    );
    assert_eq!(got["executeTime"], json!(1));
}

#[test]
fn a_query_carries_schema_total_and_selected_keys() {
    let rows = [LongJobInventory::of(&job(JobState::Running), &zstack())];
    let all = parsed(&query(Some(&rows), Some(7), None));
    assert_eq!(all["total"], json!(7));
    assert_eq!(all["schema"], json!({"inventories[0]": "org.zstack.header.longjob.LongJobInventory"}));
    let some = parsed(&query(Some(&rows), None, Some(&["state".to_owned(), "uuid".to_owned()])));
    assert_eq!(
        some["inventories"],
        json!([{"uuid": "00000000000000000000000000000001", "state": "Running"}])
    );
    assert_eq!(query::<LongJobInventory>(Some(&[]), None, None), r#"{"inventories":[],"schema":{}}"#);
    assert_eq!(query::<LongJobInventory>(None, Some(3), None), r#"{"total":3,"schema":{}}"#);
}

#[test]
fn other_answers_carry_schema_only_when_asked() {
    let one_job = LongJobInventory::of(&job(JobState::Running), &zstack());
    assert_eq!(parsed(&one(&one_job, false)).as_object().map(|o| o.len()), Some(1));
    let schema = parsed(&one(&one_job, true))["schema"].clone();
    assert_eq!(schema, json!({"inventory": "org.zstack.header.longjob.LongJobInventory"}));
    assert_eq!(many::<TimelineInventory>(&[], false), r#"{"inventories":[]}"#);
    assert_eq!(empty(), "{}");
}

#[test]
fn progress_is_a_percentage_as_text_with_numbers_beside_it() {
    let progress =
        Progress { percent: 35, bytes_done: 5, bytes_total: 10, ..Progress::none(1_510_698_057_123) };
    let id = job(JobState::Running).api_id;
    let got = parsed(&to_json(&TaskProgressInventory::of(&id, "APIAddImageMsg", &progress, false)));
    let want = json!({
        "taskUuid": "5c1ad6e1a7f74ffe8b9fd3d4d0d4e6a1", "taskName": "APIAddImageMsg", "type": "Progress",
        "content": "35", "arguments": "[]", "time": 1_510_698_057_123_i64,
        "opaque": {"stage": "", "bytesDone": 5, "bytesTotal": 10, "rateBytesPerSecond": 0, "stalled": false},
    });
    assert_eq!(got, want);
    let nested = TaskProgressInventory {
        sub_tasks: Some(vec![TaskProgressInventory::of(&id, "x", &progress, true)]),
        ..TaskProgressInventory::of(&id, "x", &progress, true)
    };
    let schema = parsed(&many(&[nested], true))["schema"].clone();
    let class = "org.zstack.header.core.progress.TaskProgressInventory";
    assert_eq!(schema, json!({"inventories[0]": class, "inventories[0].subTasks[0]": class}));
}

#[test]
fn storages_and_volumes_have_their_keys() {
    let storage = Storage {
        id: StorageId::from_bits(3),
        name: "s".to_owned(),
        description: None,
        kind: StorageKind::Local,
        url: "/data".to_owned(),
        mount: None,
        pool: None,
        host: Some(HostId::from_bits(4)),
        elsewhere: None,
        state: StorageState::Enabled,
        status: "Connected".to_owned(),
        total_bytes: 10,
        available_bytes: 4,
        create_ms: 0,
        last_op_ms: 0,
    };
    let got = parsed(&to_json(&PrimaryStorageInventory::of(&storage, &zstack())));
    assert_eq!(
        (&got["type"], &got["mountPath"], &got["zoneUuid"]),
        (&json!("LocalStorage"), &json!("/data"), &json!(ZONE))
    );
    assert_eq!((&got["availablePhysicalCapacity"], &got["attachedClusterUuids"]), (&json!(4), &json!([])));
    assert!(longhaul_model::id::is_choosable_uuid(ZONE));
    let volume = Volume {
        id: VolumeId::from_bits(5),
        account: ADMIN,
        name: "v".to_owned(),
        description: None,
        storage: None,
        install_path: None,
        kind: "Data".to_owned(),
        format: None,
        size: 1,
        actual_size: None,
        state: "Enabled".to_owned(),
        status: "NotInstantiated".to_owned(),
        deleted_ms: None,
        create_ms: 0,
        last_op_ms: 0,
    };
    let got = parsed(&to_json(&VolumeInventory::of(&volume, &zstack())));
    let keys: Vec<&str> = got.as_object().into_iter().flatten().map(|(k, _)| k.as_str()).collect();
    assert_eq!(
        keys,
        ["uuid", "name", "type", "size", "state", "status", "isShareable", "createDate", "lastOpDate"]
    );
}

#[test]
fn a_cleaning_sums_up_what_went_and_tells_what_stayed() {
    let trash = |id: u64| Trash {
        id,
        storage: StorageId::from_bits(3),
        resource_uuid: format!("r{id}"),
        resource_type: "VolumeVO".to_owned(),
        install_path: "/p".to_owned(),
        size: 10,
        kind: "MigrateVolume".to_owned(),
        create_ms: 0,
    };
    let answer = CleanUpTrashAnswer::of([
        (1, Some(trash(1)), None),
        (2, Some(trash(2)), Some(Fault::failed("in use"))),
        (3, None, None),
    ]);
    assert_eq!((answer.result.size, &answer.result.resource_uuids[..]), (10, &["r1".to_owned()][..]));
    assert_eq!(answer.result.details, ["in use"]);
    assert_eq!(answer.results.iter().map(|r| r.success).collect::<Vec<_>>(), [true, false, true]);
}

#[test]
fn the_clock_has_zstacks_key_names() {
    let got = to_json(&GetCurrentTimeAnswer::of(1_510_698_057_123));
    assert_eq!(
        got,
        r#"{"currentTime":{"MillionSeconds":1510698057123,"Seconds":1510698057},"success":true}"#
    );
    assert_eq!(to_json(&GetVersionAnswer::of("5.2.1")), r#"{"version":"5.2.1","success":true}"#);
}
