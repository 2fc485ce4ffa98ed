//! Secrets in `jobData` of the jobs on images and of evacuations: each type runs once with them, or is refused with them.
//! What a job makes of them is in `jobs`.

use serde_json::{Value, json};

use crate::jobs::{body, secrets, with};
use crate::support::file_server::{FileServer, Serves};
use crate::support::server::TempDir;
use crate::support::uuid;
use crate::whole::Cast;

/// The types that have their jobs here.
pub const PLANTED: [&str; 7] = [
    "APIAddImageMsg",
    "APIBackupStorageMigrateImageMsg",
    "APICreateDataVolumeFromVolumeTemplateMsg",
    "APICreateDataVolumeTemplateFromVolumeMsg",
    "APICreateRootVolumeTemplateFromRootVolumeMsg",
    "APIEvacuatePrimaryStorageMsg",
    "APIExportImageFromBackupStorageMsg",
];

impl Cast {
    /// One of the admin's jobs with secrets beside `more`, to its success.
    fn succeeds(&mut self, job: &str, more: &Value) {
        let data = with(secrets(&mut self.canaries, job), more);
        let id = self.submit("admin", job, &data);
        self.admin.wait_for(&id, "Succeeded");
    }

    /// A job of each type: an image of a volume, volumes of it, its export and its move; an empty storage is emptied.
    pub fn jobs_on_images(&mut self) {
        let admin = self.admin.clone();
        let [from, to] = [admin.pool(&json!({})), admin.pool(&json!({}))];
        let shelves = ["shelf-a", "shelf-b"].map(TempDir::new);
        let [first, second] = [admin.add_shelf(&shelves[0].0), admin.add_shelf(&shelves[1].0)];
        let volume = admin.full_volume(&from, 4);
        let image = uuid();
        let template =
            json!({"volumeUuid": volume, "name": "i", "backupStorageUuids": [first], "resourceUuid": image});
        self.succeeds("APICreateDataVolumeTemplateFromVolumeMsg", &template);
        let root = json!({"rootVolumeUuid": volume, "name": "r", "backupStorageUuids": [first]});
        self.succeeds("APICreateRootVolumeTemplateFromRootVolumeMsg", &root);
        let made = json!({"imageUuid": image, "primaryStorageUuid": from.uuid, "name": "v"});
        self.succeeds("APICreateDataVolumeFromVolumeTemplateMsg", &made);
        let export = json!({"imageUuid": image, "backupStorageUuid": first});
        self.succeeds("APIExportImageFromBackupStorageMsg", &export);
        admin.delete(&format!("/backup-storage/{first}/exported-images/{image}")).ok();
        let moved =
            json!({"imageUuid": image, "srcBackupStorageUuid": first, "dstBackupStorageUuid": second});
        self.succeeds("APIBackupStorageMigrateImageMsg", &moved);
        let empty = json!({"primaryStorageUuid": to.uuid, "dstPrimaryStorageUuids": [from.uuid]});
        self.succeeds("APIEvacuatePrimaryStorageMsg", &empty);

        self.images_by_url(&first);

        // What is refused names neither the password of its URL nor the rest.
        let secret = self.canaries.word("a password in the URL of an image", &[]);
        let data = with(
            secrets(&mut self.canaries, "an image by its URL"),
            &json!({"name": "i", "url": format!("ftp://me:{secret}@127.0.0.1/x"), "backupStorageUuids": [first]}),
        );
        self.refused(&body("APIAddImageMsg", &uuid(), "a job", &data.to_string()));
        self.pools.extend([from, to]);
        self.shelves = shelves.into();
    }

    /// URLs with a login and a signature: of a job that uses them, of a call that does, of a job that fails.
    fn images_by_url(&mut self, shelf: &str) {
        let source = FileServer::start(Serves { bytes: vec![7; 1 << 20], ..Serves::default() });
        let mut url = |what: &str, host: &str| {
            let [password, signature] = ["password", "signature"]
                .map(|part| self.canaries.word(&format!("the {part} in the URL of {what}"), &[]));
            format!("http://me:{password}@{host}/image?v=1&X-Amz-Signature={signature}")
        };
        let host = source.address.to_string();
        let (fetched, called) =
            (url("an image that is fetched", &host), url("an image that is added by a call", &host));
        let forbidden = url("an image that must not be fetched", "127.0.0.2:9");
        let data =
            |url: &str| json!({"name": "i", "url": url, "format": "raw", "backupStorageUuids": [shelf]});
        self.succeeds("APIAddImageMsg", &data(&fetched));
        let admin = self.admin.clone();
        let body = json!({"params": data(&called)}).to_string();
        self.ground.ask("admin", &admin, "POST", "/images", &body).ok();
        assert_eq!(source.asked().len(), 2, "both were fetched");
        let failed = self.submit("admin", "APIAddImageMsg", &data(&forbidden));
        admin.wait_for(&failed, "Failed");
        self.ground
            .ask("admin", &admin, "PUT", &format!("/longjobs/{failed}/actions"), r#"{"rerunLongJob":{}}"#)
            .ok();
        admin.wait_for(&failed, "Failed");
    }
}
