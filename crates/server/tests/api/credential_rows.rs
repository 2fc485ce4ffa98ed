//! The rows of the credential matrix: every operation, how it is called, and what a stranger gets.

use serde_json::{Value, json};

use crate::credentials::Stake;
use crate::support::jobs::{data, submission};

/// What a valid session of a normal account that owns nothing of it gets.
#[derive(Clone, Copy)]
pub enum Foreign {
    /// This code.
    Denied(&'static str),
    /// 200 and an empty list.
    Nothing,
    /// 200, with nothing of anybody else in it.
    Allowed,
    /// The same as everybody: no session is needed.
    Open,
}
use Foreign::{Allowed, Denied, Nothing, Open};

/// One operation.
pub struct Row {
    /// `method path`, and the action's key where several share a path.
    pub id: &'static str,
    /// The path with real uuids in it.
    pub path: String,
    /// The body, null for none.
    pub body: Value,
    /// Whether it may be answered with 202.
    pub asynchronous: bool,
    /// Whether it needs no session, and what it answers then.
    pub open: bool,
    /// Its status where it needs none.
    pub open_status: u16,
    /// What a stranger gets.
    pub foreign: Foreign,
}

pub fn sync(id: &'static str, path: String, foreign: Foreign) -> Row {
    Row { id, path, body: Value::Null, asynchronous: false, open: false, open_status: 0, foreign }
}

pub fn asynchronous(id: &'static str, path: String, body: Value, foreign: Foreign) -> Row {
    Row { body, asynchronous: true, ..sync(id, path, foreign) }
}

fn open(id: &'static str, path: String, body: Value, open_status: u16) -> Row {
    Row { body, open: true, open_status, ..sync(id, path, Open) }
}

/// All of them.
pub fn rows(stake: &Stake) -> Vec<Row> {
    let families = [
        jobs(stake),
        identity(stake),
        keys(stake),
        nodes(stake),
        storages(stake),
        volumes(stake),
        crate::credential_images::rows(stake),
        tags(stake),
        configs(),
    ];
    families.into_iter().flatten().collect()
}

fn jobs(stake: &Stake) -> Vec<Row> {
    let one = format!("/longjobs/{}", stake.job);
    let actions = format!("{one}/actions");
    let action = |id, key: &str| {
        let mut body = json!({});
        body[key] = json!({"name": "taken over"});
        asynchronous(id, actions.clone(), body, Denied("ID.1002"))
    };
    let bulk = |id, key: &str| {
        let mut body = json!({});
        body[key] = json!({"q": [format!("uuid={}", stake.job)]});
        asynchronous(id, "/longjobs/bulk".to_owned(), body, Allowed) // finds nothing of anybody else
    };
    vec![
        asynchronous(
            "post /longjobs",
            "/longjobs".to_owned(),
            submission(&stake.job, &data("Running")),
            Denied("LONG_JOB.1100"),
        ),
        sync("get /longjobs", "/longjobs".to_owned(), Nothing),
        sync("get /longjobs/{uuid}", one.clone(), Nothing),
        asynchronous("delete /longjobs/{uuid}", one.clone(), Value::Null, Denied("ID.1002")),
        action("put /longjobs/{uuid}/actions updateLongJob", "updateLongJob"),
        action("put /longjobs/{uuid}/actions cancelLongJob", "cancelLongJob"),
        action("put /longjobs/{uuid}/actions rerunLongJob", "rerunLongJob"),
        action("put /longjobs/{uuid}/actions resumeLongJob", "resumeLongJob"),
        action("put /longjobs/{uuid}/actions cleanLongJob", "cleanLongJob"),
        action("put /longjobs/{uuid}/actions suspendLongJob", "suspendLongJob"),
        action("put /longjobs/{uuid}/actions throttleLongJob", "throttleLongJob"),
        asynchronous(
            "post /longjobs/bulk",
            "/longjobs/bulk".to_owned(),
            json!({"params": {"jobs": [{"jobName": "NoSuchJob", "jobData": "{}"}]}}),
            Allowed, // a uuid of somebody else's is refused by itself: see `bulk`
        ),
        bulk("put /longjobs/bulk cancelLongJobs", "cancelLongJobs"),
        bulk("put /longjobs/bulk rerunLongJobs", "rerunLongJobs"),
        bulk("put /longjobs/bulk resumeLongJobs", "resumeLongJobs"),
        bulk("put /longjobs/bulk suspendLongJobs", "suspendLongJobs"),
        bulk("put /longjobs/bulk deleteLongJobs", "deleteLongJobs"),
        sync("get /task-progresses/{apiId}", format!("/task-progresses/{}?all=true", stake.api_id), Nothing),
        sync("get /longjobs/{uuid}/timeline", format!("{one}/timeline"), Denied("ID.1002")),
        sync("get /longjobs/{uuid}/explain", format!("{one}/explain"), Denied("ID.1002")),
        sync("get /job-types", "/job-types".to_owned(), Allowed),
        open("get /api-jobs/{uuid}", format!("/api-jobs/{}", stake.job), Value::Null, 404),
    ]
}

fn identity(stake: &Stake) -> Vec<Row> {
    let session = format!("/accounts/sessions/{}", stake.session);
    let account = format!("/accounts/{}", stake.account);
    let password = crate::support::sha512(crate::support::server::PASSWORD);
    let log_in = json!({"logInByAccount": {"accountName": "admin", "password": password}});
    vec![
        open("put /accounts/login", "/accounts/login".to_owned(), log_in, 200),
        open(
            "put /accounts/users/login",
            "/accounts/users/login".to_owned(),
            json!({"logInByUser": {"accountName": "admin", "userName": "admin", "password": password}}),
            200,
        ),
        open(
            "put /login",
            "/login".to_owned(),
            json!({"logIn": {"username": "admin", "password": password, "loginType": "account"}}),
            200,
        ),
        open("get /login/procedures", "/login/procedures".to_owned(), Value::Null, 200),
        open("get /accounts/sessions/{sessionUuid}/valid", format!("{session}/valid"), Value::Null, 200),
        asynchronous(
            "put /accounts/sessions/{sessionUuid}/renew",
            format!("{session}/renew"),
            json!({"renewSession": {"duration": 60}}),
            Denied("ID.1002"),
        ),
        // An unknown one, or the rows after this one would have nothing to refuse.
        open(
            "delete /accounts/sessions/{sessionUuid}",
            format!("/accounts/sessions/{}", stake.account),
            Value::Null,
            200,
        ),
        asynchronous(
            "post /accounts",
            "/accounts".to_owned(),
            json!({"params": {"name": "mine", "password": "x", "type": "SystemAdmin"}}),
            Denied("ID.1002"),
        ),
        sync("get /accounts", "/accounts".to_owned(), Allowed),
        sync("get /accounts/{uuid}", account.clone(), Nothing),
        asynchronous(
            "put /accounts/{uuid}",
            account.clone(),
            json!({"updateAccount": {"name": "mine", "password": "y"}}),
            Denied("SYS.1006"),
        ),
        asynchronous("delete /accounts/{uuid}", account, Value::Null, Denied("SYS.1007")),
    ]
}

fn keys(stake: &Stake) -> Vec<Row> {
    let one = format!("/accesskeys/{}", stake.key);
    let denied = Denied("ID.1002");
    vec![
        asynchronous(
            "post /accesskeys",
            "/accesskeys".to_owned(),
            json!({"params": {"accountUuid": stake.account, "userUuid": stake.account}}),
            denied,
        ),
        sync("get /accesskeys", "/accesskeys".to_owned(), Nothing),
        sync("get /accesskeys/{uuid}", one.clone(), Nothing),
        asynchronous(
            "put /accesskeys/{uuid}/actions",
            format!("{one}/actions"),
            json!({"changeAccessKeyState": {"stateEvent": "disable"}}),
            denied,
        ),
        asynchronous("delete /accesskeys/{uuid}", one, Value::Null, denied),
    ]
}

fn nodes(stake: &Stake) -> Vec<Row> {
    let actions = "/management-nodes/actions".to_owned();
    vec![
        sync("get /management-nodes", "/management-nodes".to_owned(), Allowed),
        sync("get /management-nodes/{uuid}", format!("/management-nodes/{}", stake.node), Allowed),
        asynchronous(
            "put /management-nodes/{uuid}/actions drainManagementNode",
            format!("/management-nodes/{}/actions", stake.node),
            json!({"drainManagementNode": {}}),
            Denied("ID.1002"),
        ),
        asynchronous(
            "put /management-nodes/{uuid}/actions undrainManagementNode",
            format!("/management-nodes/{}/actions", stake.node),
            json!({"undrainManagementNode": {}}),
            Denied("ID.1002"),
        ),
        open("put /management-nodes/actions getVersion", actions.clone(), json!({"getVersion": {}}), 200),
        open(
            "put /management-nodes/actions getCurrentTime",
            actions.clone(),
            json!({"getCurrentTime": {}}),
            200,
        ),
        open(
            "put /management-nodes/actions getSupportAPIs",
            actions.clone(),
            json!({"getSupportAPIs": {}}),
            200,
        ),
        open(
            "put /management-nodes/actions getManagementNodeArch",
            actions,
            json!({"getManagementNodeArch": {}}),
            200,
        ),
        open(
            "put /management/actions",
            "/management/actions".to_owned(),
            json!({"getManagementNodeOS": {}}),
            200,
        ),
        sync("get /zql", "/zql?zql=query%20longjob".to_owned(), Allowed),
        sync(
            "get /management-nodes/platform-timezone",
            "/management-nodes/platform-timezone".to_owned(),
            Allowed,
        ),
        sync("get /zones", "/zones".to_owned(), Allowed),
        sync("get /zones/{uuid}", format!("/zones/{}", stake.node), Nothing),
    ]
}

fn storages(stake: &Stake) -> Vec<Row> {
    let one = format!("/primary-storage/{}", stake.storage);
    let admin_only = Denied("ID.1002");
    vec![
        asynchronous(
            "post /primary-storage/local-storage",
            "/primary-storage/local-storage".to_owned(),
            json!({"params": {"name": "mine", "url": "/tmp", "zoneUuid": stake.node}}),
            admin_only,
        ),
        asynchronous(
            "post /primary-storage/smp",
            "/primary-storage/smp".to_owned(),
            json!({"params": {"name": "mine", "url": "/tmp", "zoneUuid": stake.node}}),
            admin_only,
        ),
        asynchronous(
            "post /primary-storage/ceph",
            "/primary-storage/ceph".to_owned(),
            json!({"params": {"name": "mine", "conf": "/x", "dataVolumePoolName": "p", "zoneUuid": stake.node}}),
            admin_only,
        ),
        asynchronous(
            "post /primary-storage/nfs",
            "/primary-storage/nfs".to_owned(),
            json!({"params": {"name": "mine", "url": "h:/x", "zoneUuid": stake.node}}),
            admin_only,
        ),
        asynchronous(
            "put /primary-storage/{uuid}/actions reconnectPrimaryStorage",
            format!("{one}/actions"),
            json!({"reconnectPrimaryStorage": {}}),
            admin_only,
        ),
        asynchronous(
            "put /primary-storage/{primaryStorageUuid}/actions",
            format!("{one}/actions"),
            json!({"syncPrimaryStorageCapacity": {}}),
            admin_only,
        ),
        sync("get /primary-storage", "/primary-storage".to_owned(), Allowed),
        sync("get /primary-storage/{uuid}", one.clone(), Allowed),
        asynchronous(
            "put /primary-storage/{uuid}/actions updatePrimaryStorage",
            format!("{one}/actions"),
            json!({"updatePrimaryStorage": {"name": "mine"}}),
            admin_only,
        ),
        asynchronous(
            "put /primary-storage/{uuid}/actions changePrimaryStorageState",
            format!("{one}/actions"),
            json!({"changePrimaryStorageState": {"stateEvent": "disable"}}),
            admin_only,
        ),
        asynchronous("delete /primary-storage/{uuid}", one.clone(), Value::Null, admin_only),
        sync(
            "get /primary-storage/trash",
            format!("/primary-storage/trash?uuid={}", stake.storage),
            admin_only,
        ),
        asynchronous(
            "put /primary-storage/{uuid}/trash/actions",
            format!("{one}/trash/actions"),
            json!({"cleanUpTrashOnPrimaryStorage": {}}),
            admin_only,
        ),
        sync("get /primary-storage/capacities", "/primary-storage/capacities?all=true".to_owned(), Allowed),
        sync("get /primary-storage/bandwidths", "/primary-storage/bandwidths".to_owned(), Allowed),
        sync("get /primary-storage/{uuid}/scan", format!("{one}/scan"), admin_only),
        asynchronous(
            "put /primary-storage/{uuid}/actions evacuatePrimaryStorage",
            format!("{one}/actions"),
            json!({"evacuatePrimaryStorage": {"dstPrimaryStorageUuids": [stake.storage]}}),
            admin_only,
        ),
        sync(
            "get /primary-storage/{uuid}/evacuation-plan",
            format!("{one}/evacuation-plan?dstPrimaryStorageUuids={}", stake.storage),
            admin_only,
        ),
        sync(
            "get /longjobs/{uuid}/evacuation",
            format!("/longjobs/{}/evacuation", stake.job),
            Denied("ID.1002"),
        ),
    ]
}

fn volumes(stake: &Stake) -> Vec<Row> {
    let one = format!("/volumes/{}", stake.volume);
    let denied = Denied("ID.1002");
    let action = |id, key: &str| {
        let mut body = json!({});
        body[key] = json!({"name": "mine"});
        asynchronous(id, format!("{one}/actions"), body, denied)
    };
    let place = |extra: &str| {
        let mut params = json!({"name": "mine", "primaryStorageUuid": stake.storage});
        params[extra] = json!("/etc/passwd");
        json!({ "params": params })
    };
    vec![
        // What a normal account may do, asked for wrongly.
        asynchronous(
            "post /volumes/data",
            "/volumes/data".to_owned(),
            json!({"params": {"name": "mine", "diskSize": -1}}),
            Denied("SYS.1007"),
        ),
        sync("get /volumes", "/volumes".to_owned(), Nothing),
        sync("get /volumes/{uuid}", one.clone(), Nothing),
        action("put /volumes/{uuid}/actions updateVolume", "updateVolume"),
        action("put /volumes/{uuid}/actions recoverDataVolume", "recoverDataVolume"),
        action("put /volumes/{uuid}/actions expungeDataVolume", "expungeDataVolume"),
        action("put /volumes/{uuid}/actions forgetVolume", "forgetVolume"),
        asynchronous("delete /volumes/{uuid}", one.clone(), Value::Null, denied),
        asynchronous("post /volumes/adopt", "/volumes/adopt".to_owned(), place("installPath"), denied),
        asynchronous("post /volumes/import", "/volumes/import".to_owned(), place("path"), denied),
        asynchronous(
            "put /primary-storage/volumes/{volumeUuid}/actions",
            format!("/primary-storage/volumes/{}/actions", stake.volume),
            json!({"primaryStorageMigrateVolume": {"dstPrimaryStorageUuid": stake.storage}}),
            denied,
        ),
    ]
}

fn tags(stake: &Stake) -> Vec<Row> {
    let denied = Denied("ID.1002");
    let put =
        |tag: &str| json!({"params": {"resourceType": "LongJobVO", "resourceUuid": stake.job, "tag": tag}});
    let one = |kind: &str| format!("/{kind}-tags/{}", stake.tag);
    vec![
        asynchronous("post /system-tags", "/system-tags".to_owned(), put("uploadImage::y"), denied),
        asynchronous(
            "post /system-tags/{resourceUuid}/tags",
            format!("/system-tags/{}/tags", stake.job),
            json!({"params": {"resourceType": "LongJobVO", "tags": ["uploadImage::y"]}}),
            denied,
        ),
        sync("get /system-tags", "/system-tags".to_owned(), Nothing),
        sync("get /system-tags/{uuid}", one("system"), Nothing),
        asynchronous(
            "put /system-tags/{uuid}/actions",
            format!("{}/actions", one("system")),
            json!({"updateSystemTag": {"tag": "uploadImage::y"}}),
            denied,
        ),
        asynchronous("post /user-tags", "/user-tags".to_owned(), put("y"), denied),
        sync("get /user-tags", "/user-tags".to_owned(), Nothing),
        sync("get /user-tags/{uuid}", one("user"), Nothing),
        asynchronous("delete /tags/{uuid}", format!("/tags/{}", stake.tag), Value::Null, denied),
    ]
}

fn configs() -> Vec<Row> {
    let one = "/global-configurations/identity/session.timeout";
    vec![
        sync("get /global-configurations", "/global-configurations".to_owned(), Allowed),
        sync("get /global-configurations/{category}/{name}", one.to_owned(), Allowed),
        asynchronous(
            "put /global-configurations/{category}/{name}/actions",
            format!("{one}/actions"),
            json!({"updateGlobalConfig": {"value": "1"}}),
            Denied("ID.1002"),
        ),
        asynchronous(
            "put /global-configurations/actions",
            "/global-configurations/actions".to_owned(),
            json!({"resetGlobalConfig": {}}),
            Denied("ID.1002"),
        ),
    ]
}
