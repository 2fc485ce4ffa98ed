//! Every operation that reads, as the server's own document lists them, asked by everybody; and the same over the
//! legacy entry and ZQL.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{Caller, http};
use crate::whole::Cast;

/// The classes that read.
const MESSAGES: [&str; 41] = [
    "longhaul.APIExplainLongJobMsg",
    "longhaul.APIGetJobTypesMsg",
    "longhaul.APIGetLongJobTimelineMsg",
    "longhaul.APIScanPrimaryStorageMsg",
    "org.zstack.accessKey.APIQueryAccessKeyMsg",
    "org.zstack.core.config.APIGetGlobalConfigOptionsMsg",
    "org.zstack.core.config.APIQueryGlobalConfigMsg",
    "org.zstack.header.core.progress.APIGetTaskProgressMsg",
    "org.zstack.header.identity.APIQueryAccountMsg",
    "org.zstack.header.identity.APIValidateSessionMsg",
    "org.zstack.header.identity.login.APIGetLoginProceduresMsg",
    "org.zstack.header.longjob.APIQueryLongJobMsg",
    "org.zstack.header.managementnode.APIGetCurrentTimeMsg",
    "org.zstack.header.managementnode.APIGetManagementNodeArchMsg",
    "org.zstack.header.managementnode.APIGetManagementNodeOSMsg",
    "org.zstack.header.managementnode.APIGetPlatformTimeZoneMsg",
    "org.zstack.header.managementnode.APIGetSupportAPIsMsg",
    "org.zstack.header.managementnode.APIGetVersionMsg",
    "org.zstack.header.managementnode.APIQueryManagementNodeMsg",
    "org.zstack.header.storage.primary.APIGetPrimaryStorageCapacityMsg",
    "org.zstack.header.storage.primary.APIGetTrashOnPrimaryStorageMsg",
    "org.zstack.header.storage.primary.APIQueryPrimaryStorageMsg",
    "org.zstack.header.tag.APIQuerySystemTagMsg",
    "org.zstack.header.tag.APIQueryUserTagMsg",
    "org.zstack.header.volume.APIQueryVolumeMsg",
    "org.zstack.header.zone.APIQueryZoneMsg",
    "org.zstack.query.APIZQLQueryMsg",
    "longhaul.APIGetApiJobMsg",
    "longhaul.APIGetEvacuationPlanMsg",
    "longhaul.APIGetEvacuationReportMsg",
    "longhaul.APIGetPrimaryStorageBandwidthMsg",
    "org.zstack.header.image.APIGetCandidateBackupStorageForCreatingImageMsg",
    "org.zstack.header.image.APIGetUploadImageJobDetailsMsg",
    "org.zstack.header.image.APIQueryImageMsg",
    "org.zstack.header.storage.backup.APIGetBackupStorageCapacityMsg",
    "org.zstack.header.storage.backup.APIGetTrashOnBackupStorageMsg",
    "org.zstack.header.storage.backup.APIQueryBackupStorageMsg",
    "org.zstack.storage.backup.imagestore.APIQueryImageStoreBackupStorageMsg",
    "org.zstack.storage.ceph.backup.APIQueryCephBackupStorageMsg",
    "org.zstack.storage.ceph.primary.APIQueryCephPrimaryStorageMsg",
    "org.zstack.storage.migration.backup.APIGetBackupStorageCandidatesForImageMigrationMsg",
];

impl Cast {
    /// All of it, by everybody.
    pub fn walk(&self) {
        let reads = self.reads();
        for (who, caller) in [
            ("admin", &self.admin),
            ("ann", &self.ann),
            ("bob", &self.bob),
            ("nobody", &crate::ground::nobody(self.world.address)),
        ] {
            for (method, path, body) in &reads {
                self.ground.ask(who, caller, method, path, body);
            }
            self.ground.poll_again(who, caller);
            self.messages(who, caller);
        }
    }

    fn reads(&self) -> Vec<(&'static str, String, String)> {
        let document = http::send(self.world.address, "GET", "/openapi.json", &[], b"").json();
        let mut reads = Vec::new();
        for (path, methods) in document["paths"].as_object().expect("paths") {
            if methods.get("get").is_some() {
                reads.extend(self.filled(path).into_iter().map(|path| ("GET", path, String::new())));
            }
            for action in methods["put"]["x-actions"].as_array().into_iter().flatten() {
                let key = action["key"].as_str().expect("a key");
                if key.starts_with("get") {
                    reads.push(("PUT", path.clone(), json!({ key: {} }).to_string()));
                }
            }
        }
        assert!(reads.len() > 100, "{} reads", reads.len());
        reads.push(("PUT", "/management/actions".to_owned(), "{\"getManagementNodeOS\":{}}".to_owned()));
        reads
    }

    /// The path with each id that it can have.
    fn filled(&self, path: &str) -> Vec<String> {
        let path = path.trim_start_matches("/zstack/v1").trim_start_matches("/v1");
        let ids = |list: &str| self.ids(list);
        let (before, ids, after) = match path {
            "/zql" => return ZQL.iter().map(|zql| format!("/zql?zql={}", zql.replace(' ', "%20"))).collect(),
            "/primary-storage/trash" => ("/primary-storage/trash?uuid=", ids("/primary-storage"), ""),
            "/backup-storage/trash" => ("/backup-storage/trash?uuid=", ids("/backup-storage"), ""),
            "/backup-storage/{srcBackupStorageUuid}/migration-candidates" => {
                ("/backup-storage/", ids("/backup-storage"), "/migration-candidates")
            }
            "/images/upload-job/details/{imageId}" => return vec!["/images/upload-job/details/x".to_owned()],
            "/primary-storage/capacities" | "/backup-storage/capacities" => {
                return vec![format!("{path}?all=true")];
            }
            "/global-configurations/{category}/{name}" => {
                return vec!["/global-configurations/identity/session.timeout".to_owned()];
            }
            "/accounts/sessions/{sessionUuid}/valid" => {
                ("/accounts/sessions/", self.sessions.clone(), "/valid")
            }
            "/task-progresses/{apiId}" => {
                let jobs = self.admin.get("/longjobs").ok();
                let ids = jobs["inventories"].as_array().into_iter().flatten();
                (
                    "/task-progresses/",
                    ids.map(|j| j["apiId"].as_str().expect("an id").to_owned()).collect(),
                    "?all=true",
                )
            }
            "/api-jobs/{uuid}" => ("/api-jobs/", self.jobs.clone(), ""),
            "/longjobs/{uuid}" | "/longjobs/{uuid}/timeline" | "/longjobs/{uuid}/explain" => {
                ("/longjobs/", self.jobs.clone(), &path["/longjobs/{uuid}".len()..])
            }
            _ => match path.split_once("/{uuid}") {
                Some((list, after)) => {
                    return ids(list).iter().map(|id| format!("{list}/{id}{after}")).collect();
                }
                None => {
                    assert!(!path.contains('{'), "{path} reads, and is not walked");
                    return vec![
                        path.to_owned(),
                        format!("{path}?replyWithCount=true&sort=-uuid"),
                        format!("{path}?count=true"),
                    ];
                }
            },
        };
        ids.iter().map(|id| format!("{before}{id}{after}")).collect()
    }

    fn ids(&self, list: &str) -> Vec<String> {
        let rows = self.admin.get(list).ok();
        let rows = rows["inventories"].as_array().into_iter().flatten();
        rows.filter_map(|row| row["uuid"].as_str().map(str::to_owned)).collect()
    }

    fn messages(&self, who: &str, caller: &Caller) {
        let own = self.admin.put("/management-nodes/actions", &json!({"getSupportAPIs": {}})).ok();
        let apis = own["supportApis"].as_array().expect("names").iter().filter_map(Value::as_str);
        let reading = |name: &&str| {
            ["APIQuery", "APIGet", "APIZQL", "APIScan", "APIValidate"].iter().any(|p| name.starts_with(p))
        };
        let known: BTreeSet<&str> = MESSAGES.iter().filter_map(|class| class.rsplit('.').next()).collect();
        let missing: Vec<&str> = apis.filter(reading).filter(|name| !known.contains(name)).collect();
        assert!(missing.is_empty(), "{missing:?} read, and are not walked");
        for class in MESSAGES {
            let mut fields = json!({
                "conditions": [], "uuid": self.jobs[0], "sessionUuid": caller.session, "all": true, "zql": ZQL[0],
                "category": "identity", "name": "session.timeout",
            });
            if !caller.session.is_empty() {
                fields["session"] = json!({"uuid": caller.session});
            }
            if class.ends_with("TimelineMsg")
                || class.ends_with("ApiJobMsg")
                || class.ends_with("ProgressMsg")
            {
                for job in &self.jobs {
                    fields["uuid"] = json!(job);
                    fields["apiId"] = json!(job);
                    self.message_lenient(who, class, &fields);
                }
            } else {
                self.message_lenient(who, class, &fields);
            }
        }
    }

    /// A message may be refused with a text of its own.
    fn message_lenient(&self, who: &str, class: &str, fields: &Value) {
        let nobody = crate::ground::nobody(self.world.address);
        self.ground.ask(who, &nobody, "POST", "/zstack/api", &json!({ class: fields }).to_string());
    }
}

/// Every resource that ZQL knows.
const ZQL: [&str; 11] = [
    "query image",
    "query backupstorage",
    "query longjob",
    "query account",
    "query accesskey",
    "query systemtag",
    "query usertag",
    "query volume",
    "query primarystorage",
    "query globalconfig",
    "query managementnode",
];
