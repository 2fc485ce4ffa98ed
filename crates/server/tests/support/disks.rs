//! Storages and volumes for tests over HTTP: directories of this machine, files of bytes that are no zeros.

use serde_json::{Value, json};

use super::caller::{Answer, Caller};
use super::server::TempDir;
use super::uuid;

/// The job type that moves a volume.
pub const MIGRATE: &str = "APIPrimaryStorageMigrateVolumeMsg";

/// A storage with its directory.
pub struct Pool {
    /// Its uuid.
    pub uuid: String,
    /// Goes with it.
    pub dir: TempDir,
}

impl Caller {
    /// A new storage; `body` is merged into the call's top level.
    pub fn pool(&self, body: &Value) -> Pool {
        let dir = TempDir::new("pool");
        let zone = self.get("/zones").ok()["inventories"][0]["uuid"].clone();
        let mut call = json!({"params": {"name": "pool", "url": dir.0, "zoneUuid": zone}});
        merge(&mut call, body);
        let made = self.post("/primary-storage/local-storage", &call).inventory();
        Pool { uuid: text(&made["uuid"]), dir }
    }

    /// Makes a directory a backup storage.
    pub fn add_shelf(&self, directory: &std::path::Path) -> String {
        let params = json!({"name": "shelf", "url": directory, "hostname": "localhost", "username": "u", "password": "p"});
        let made = self.post("/backup-storage/image-store", &json!({"params": params})).inventory();
        made["uuid"].as_str().expect("a uuid").to_owned()
    }

    /// An empty data volume of this caller; `body` is merged into the call's top level.
    pub fn volume(&self, pool: &Pool, body: &Value) -> String {
        let mut call =
            json!({"params": {"name": "disk", "diskSize": 1 << 20, "primaryStorageUuid": pool.uuid}});
        merge(&mut call, body);
        text(&self.post("/volumes/data", &call).inventory()["uuid"])
    }

    /// A raw volume of so many MiB without a zero in them. Admins only.
    pub fn full_volume(&self, pool: &Pool, mib: usize) -> String {
        let path = pool.dir.0.join(format!("{}.raw", uuid()));
        let bytes: Vec<u8> = (0..mib << 20).map(|n| (n % 255) as u8 + 1).collect();
        std::fs::write(&path, bytes).expect("a file for the test");
        let body = json!({"params": {"name": "full", "primaryStorageUuid": pool.uuid, "installPath": path}});
        text(&self.post("/volumes/adopt", &body).inventory()["uuid"])
    }

    /// Submits a migration; answers the job's uuid.
    pub fn migration(&self, volume: &str, to: &Pool) -> String {
        let data = json!({"volumeUuid": volume, "dstPrimaryStorageUuid": to.uuid});
        let body = json!({"params": {
            "jobName": MIGRATE, "jobData": data.to_string(), "targetResourceUuid": volume,
        }});
        text(&self.post("/longjobs", &body).inventory()["uuid"])
    }

    /// Puts a tag on a resource: `system` or `user`.
    pub fn tag(&self, kind: &str, resource_type: &str, resource: &str, tag: &str) -> Answer {
        let body = json!({"params": {"resourceType": resource_type, "resourceUuid": resource, "tag": tag}});
        self.post(&format!("/{kind}-tags"), &body)
    }
}

fn merge(call: &mut Value, body: &Value) {
    for (key, value) in body.as_object().into_iter().flatten() {
        call[key] = value.clone();
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a text: {value}")).to_owned()
}
