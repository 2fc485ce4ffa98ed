//! Secrets in `jobData`: of every job type, under every kind of name, at every depth, through every call on a job.
//! Names decide what in `jobData` is a secret; what a job says afterwards holds no secret wherever it stands.

use serde_json::{Value, json};

use crate::needle::Canaries;
use crate::support::{Caller, uuid};
use crate::whole::Cast;

/// Where the plain text of a job of ann's belongs: with her, with admin, at the polls of her calls, in the store.
pub const ANNS_JOB_DATA: [&str; 9] = [
    "cli",
    "ann: * #*/jobData",
    "admin: * #*/jobData",
    "ann: * #/result",
    "admin: * #/result",
    "?* -> poll #/inventory/jobData",
    "table job_body.job_data",
    "dump job_body",
    "file data/longhaul.db*",
];

/// Names that design section 4 means, as clients write them.
const NAMES: [&str; 16] = [
    "password",
    "secret",
    "token",
    "key",
    "PassWord",
    "SECRET",
    "rootPassword",
    "ssh_password",
    "clientSecret",
    "X-Auth-Token",
    "apiKey",
    "API_KEY",
    "sshKey",
    "access-key",
    "privateKey",
    "passphrase",
];

/// `jobData` with a canary in every kind of place for a secret; none of them belongs anywhere.
pub fn secrets(canaries: &mut Canaries, of: &str) -> Value {
    let mut text = |at: &str| Value::String(canaries.text(&format!("{of}: {at}"), &[]));
    let mut data = json!({});
    for name in NAMES {
        data[name] = text(name);
    }
    data["nested"] = json!({"a": {"password": text("nested"), "list": [{"token": text("in a list")}, [{"key": text("in a list of lists")}]]}});
    data["keys"] = json!([text("a list of secrets"), {"x": text("an object in a list of secrets")}]);
    data["secretStore"] = json!({"inner": text("an object that is a secret")});
    let inner = json!({"user": "me", "cephx": {"KEY": text("JSON in a text")}}).to_string();
    data["config"] = json!(inner);
    data["configs"] =
        json!([json!([json!({"password": text("JSON in JSON in a text")}).to_string()]).to_string()]);
    data["pinToken"] = json!(canaries.number(&format!("{of}: a number"), &[]));
    data
}

/// `data` with what `more` has.
pub fn with(mut data: Value, more: &Value) -> Value {
    for (key, value) in more.as_object().into_iter().flatten() {
        data[key] = value.clone();
    }
    data
}

/// The body of a submission.
pub fn body(job: &str, id: &str, name: &str, data: &str) -> Value {
    json!({"params": {"jobName": job, "name": name, "jobData": data, "resourceUuid": id}})
}

const FLEXIBLE: &str = "APISimulateJobMsg";
const ORDERED: &str = "APISimulateOrderedJobMsg";

impl Cast {
    /// Submits as `caller`; the job's uuid.
    pub fn submit(&mut self, who: &str, job: &str, data: &Value) -> String {
        let id = uuid();
        let body = body(job, &id, "a job", &data.to_string());
        self.ground.ask(who, &self.caller(who), "POST", "/longjobs", &body.to_string()).ok();
        self.jobs.push(id.clone());
        id
    }

    /// As ann, a submission that is refused.
    pub fn refused(&mut self, body: &Value) {
        let ann = self.ann.clone();
        let told = self.ground.ask("ann", &ann, "POST", "/longjobs", &body.to_string());
        assert!(told.last.status >= 400, "{}", told.last.text());
    }

    fn act(&self, id: &str, action: &str, body: Value) {
        let mut call = json!({});
        call[action] = body;
        let path = format!("/longjobs/{id}/actions");
        self.ground.ask("ann", &self.ann, "PUT", &path, &call.to_string()).ok();
    }

    /// Jobs of the simulator through all calls, and what is refused.
    pub fn simulated_jobs(&mut self) {
        let note = self.canaries.text("a note in jobData, no secret", &ANNS_JOB_DATA);
        let data = secrets(&mut self.canaries, "a job that is rerun and updated");
        let id = self.submit("ann", FLEXIBLE, &with(data.clone(), &json!({"note": note, "durationMs": 0})));
        let ann = self.ann.clone();
        ann.wait_for(&id, "Succeeded");
        let again = body(
            FLEXIBLE,
            &id,
            "a job",
            &with(data.clone(), &json!({"note": note, "durationMs": 0})).to_string(),
        );
        self.ground.ask("ann", &ann, "POST", "/longjobs", &again.to_string()).ok();
        let other = body(FLEXIBLE, &id, "a job", &with(data, &json!({"durationMs": 1})).to_string());
        self.refused(&other);
        self.act(&id, "updateLongJob", json!({"name": "another name"}));
        self.act(&id, "rerunLongJob", json!({}));
        ann.wait_for(&id, "Succeeded");

        let data = secrets(&mut self.canaries, "a job that is interrupted and resumed");
        let id = self.submit("ann", ORDERED, &with(data, &json!({"durationMs": 0, "outcome": "interrupt"})));
        ann.wait_for(&id, "Suspended");
        self.act(&id, "resumeLongJob", json!({}));
        ann.wait_for(&id, "Succeeded");

        let data = secrets(&mut self.canaries, "a job that is canceled and cleaned");
        let slow = json!({"durationMs": 3_600_000, "onCancel": "slow", "cancelDelayMs": 3_600_000});
        let id = self.submit("ann", FLEXIBLE, &with(data, &slow));
        ann.wait_for(&id, "Running");
        self.act(&id, "cancelLongJob", json!({}));
        self.act(&id, "cleanLongJob", json!({}));
        ann.wait_for(&id, "Canceled");

        let data = secrets(&mut self.canaries, "a job that is deleted");
        let id = self.submit("ann", "APISimulateRigidJobMsg", &with(data, &json!({"durationMs": 0})));
        ann.wait_for(&id, "Succeeded");
        self.ground.ask("ann", &ann, "DELETE", &format!("/longjobs/{id}"), "").ok();

        let data = secrets(&mut self.canaries, "a job that no kill ends");
        self.submit("ann", FLEXIBLE, &with(data, &json!({"durationMs": 3_600_000})));
        self.what_jobs_say();
        self.what_is_refused();
    }

    /// What is a secret by one name stands in what the job says too.
    fn what_jobs_say(&mut self) {
        let ann = self.ann.clone();
        let secret = self.canaries.text("a secret that the error repeats", &ANNS_JOB_DATA[..]);
        let data = json!({"durationMs": 0, "outcome": "fail", "password": secret, "errorDetails": format!("no entry with {secret}")});
        let id = self.submit("ann", FLEXIBLE, &data);
        ann.wait_for(&id, "Failed");
        let said = ann.job(&id).expect("the job")["jobResult"].to_string();
        assert!(said.contains("no entry with ******"), "{said}");

        let secret =
            self.canaries.text("a secret that the interruption's result repeats", &ANNS_JOB_DATA[..]);
        let own = self.canaries.text("a secret by its name in the result", &[]);
        let data = json!({"durationMs": 0, "token": secret, "result": {"said": [format!("with {secret}")], "password": own, "plain": 1}});
        let id = self.submit("ann", FLEXIBLE, &data);
        ann.wait_for(&id, "Succeeded");
        let said = ann.job(&id).expect("the job")["jobResult"].to_string();
        assert!(said.contains("with ******") && said.contains("plain"), "{said}");

        let shown = self.canaries.text(
            "a result without any secret",
            &[
                "ann: * #*/jobData",
                "ann: * #*/jobResult",
                "admin: * #*/jobResult",
                "admin: * #*/jobData",
                "ann: * #/result",
                "admin: * #/result",
                "?* -> poll #/inventory/job*",
                "cli",
                "table job_body.job_result",
                "table job_body.job_data",
                "dump job_body",
                "file data/longhaul.db*",
            ],
        );
        let id = self.submit("ann", FLEXIBLE, &json!({"durationMs": 0, "result": {"plain": shown}}));
        ann.wait_for(&id, "Succeeded");
    }

    fn what_is_refused(&mut self) {
        let of = |canaries: &mut Canaries, what: &str, more: &Value| {
            let data = secrets(canaries, what);
            body(FLEXIBLE, &uuid(), "a job", &with(data, more).to_string())
        };
        let negative = of(&mut self.canaries, "a job of negative length", &json!({"durationMs": -1}));
        let dry = json!({"systemTags": ["validationOnly"]});
        let dry_negative =
            with(of(&mut self.canaries, "a dry run that fails", &json!({"durationMs": -1})), &dry);
        let planned = with(of(&mut self.canaries, "a dry run", &json!({"durationMs": 1})), &dry);
        let unknown = secrets(&mut self.canaries, "an unknown job type").to_string();
        let quoted = self.canaries.text("a secret that a check's error quotes", &[]);
        let quoted = json!({"password": quoted, "outcome": quoted}).to_string();
        self.refused(&negative);
        self.refused(&dry_negative);
        self.refused(&body("APINoSuchMsg", &uuid(), "a job", &unknown));
        self.refused(&body(FLEXIBLE, &uuid(), "a job", &quoted));
        let ann = self.ann.clone();
        self.ground.ask("ann", &ann, "POST", "/longjobs", &planned.to_string()).ok();
        let mut broken = |what: &str| self.canaries.word(&format!("broken jobData: {what}"), &[]);
        let texts = [
            format!("{{\"password\":\"{}", broken("cut")),
            format!("{{\"password\":\"{}\\q\"}}", broken("escape")),
            format!("\"{}\"", broken("a text")),
            format!("[\"{}\"]", broken("a list")),
            format!("{{password: {}, }}", broken("loose")),
            broken("a word"),
        ];
        for text in texts {
            self.refused(&body(FLEXIBLE, &uuid(), "a job", &text));
        }
        let object = json!({"password": self.canaries.word("jobData that is an object", &[])});
        let mut body = body(FLEXIBLE, &uuid(), "a job", "");
        body["params"]["jobData"] = object;
        self.refused(&body);
        let loose = format!("{{durationMs: 0, password: {}}}", self.canaries.word("loose jobData", &[]));
        let id = uuid();
        let taken = json!({"params": {"jobName": FLEXIBLE, "jobData": loose, "resourceUuid": id}});
        self.ground.ask("ann", &ann, "POST", "/longjobs", &taken.to_string()).ok();
        self.jobs.push(id);
    }

    /// The job types that copy, with a look at the copying process.
    pub fn copying_jobs(&mut self, admin: &Caller) {
        let (from, to) = (admin.pool(&json!({})), admin.pool(&json!({})));
        let volume = admin.full_volume(&from, 3);
        let data = secrets(&mut self.canaries, "a migration");
        let data = with(data, &json!({"volumeUuid": volume, "dstPrimaryStorageUuid": to.uuid}));
        let id = uuid();
        let mut call = body("APIPrimaryStorageMigrateVolumeMsg", &id, "a move", &data.to_string());
        call["params"]["targetResourceUuid"] = json!(volume);
        self.ground.ask("admin", admin, "POST", "/longjobs", &call.to_string()).ok();
        self.jobs.push(id.clone());
        let (line, environ) = self.world.copying_process();
        self.ground.keep("child cmdline", &line);
        self.ground.keep("child environ", &environ);
        let tmp = self.world.tmp().display().to_string();
        self.canaries.known("the directory for what is temporary", &tmp, &["child environ"]);

        let data = secrets(&mut self.canaries, "an import");
        let gone =
            json!({"primaryStorageUuid": to.uuid, "path": from.dir.0.join("none"), "name": "imported"});
        let refused =
            body("APIImportVolumeMsg", &uuid(), "an import", &with(data.clone(), &gone).to_string());
        let told = self.ground.ask("admin", admin, "POST", "/longjobs", &refused.to_string());
        assert!(told.last.status >= 400, "{}", told.last.text());
        let file = from.dir.0.join("there.raw");
        std::fs::write(&file, vec![7u8; 1 << 20]).expect("a file");
        let there = json!({"primaryStorageUuid": to.uuid, "path": file, "name": "imported"});
        let import = self.submit("admin", "APIImportVolumeMsg", &with(data, &there));
        self.world_restarts();
        let admin = self.admin.clone();
        admin.wait_for(&id, "Succeeded");
        admin.wait_for(&import, "Succeeded");
        self.pools = vec![from, to];
    }

    /// Every type that there is has its jobs here.
    pub fn every_job_type_was_planted(&self) {
        let types = self.admin.get("/job-types").ok();
        let names = types["inventories"].as_array().expect("types").iter();
        let mut names: Vec<&str> = names.map(|t| t["jobName"].as_str().expect("a name")).collect();
        names.sort_unstable();
        let mut planted = vec![
            "APIImportVolumeMsg",
            "APIPrimaryStorageMigrateVolumeMsg",
            FLEXIBLE,
            ORDERED,
            "APISimulateRigidJobMsg",
        ];
        planted.extend(crate::images::PLANTED);
        planted.sort_unstable();
        assert_eq!(names, planted, "a new job type needs its canaries here");
    }
}
