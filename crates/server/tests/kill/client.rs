//! A client of the API as small as it can be: one connection per call, JSON in and out, no SDK.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha512};

use crate::place::{PATIENCE, until};

/// The simulator's job type that can be canceled and resumed.
pub const SIMULATE: &str = "APISimulateJobMsg";
/// The migration's job type.
pub const MIGRATE: &str = "APIPrimaryStorageMigrateVolumeMsg";
const FINAL: [&str; 3] = ["Succeeded", "Failed", "Canceled"];

/// An answer: its status and its body.
pub type Answer = (u16, Value);

/// A session at one server.
#[derive(Clone, Debug, Default)]
pub struct Client {
    address: String,
    session: String,
    patience: Duration,
}

fn header(head: &str, name: &str) -> Option<String> {
    head.lines()
        .filter_map(|l| l.split_once(':'))
        .find_map(|(n, v)| n.eq_ignore_ascii_case(name).then(|| v.trim().to_owned()))
}

impl Client {
    /// Logs in as admin.
    pub fn login(address: &str, password: &str) -> Self {
        let hex: String = Sha512::digest(password).iter().map(|b| format!("{b:02x}")).collect();
        let mut client = Self { address: address.to_owned(), session: String::new(), patience: PATIENCE };
        let body = json!({"logInByAccount": {"accountName": "admin", "password": hex}});
        let answer = client.ok("PUT", "/accounts/login", &body);
        client.session = text(&answer["inventory"]["uuid"]);
        client
    }

    /// The same session at a server that listens elsewhere now.
    pub fn at(&self, other: &Self) -> Self {
        self.patient_at(&other.address, self.patience)
    }

    /// The same session at `address`, where each answer must have begun within `patience`.
    pub fn patient_at(&self, address: &str, patience: Duration) -> Self {
        Self { address: address.to_owned(), session: self.session.clone(), patience }
    }

    /// Where the server listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The session's uuid.
    pub fn session(&self) -> &str {
        &self.session
    }

    /// One call; `Err` when there was no whole answer.
    pub fn try_call(&self, method: &str, path: &str, body: Option<&Value>) -> io::Result<Answer> {
        self.try_call_with(&[], method, path, body)
    }

    /// One call with further headers; `Err` when there was no whole answer.
    pub fn try_call_with(
        &self,
        headers: &[(&str, &str)],
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> io::Result<Answer> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(self.patience))?;
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut request = format!(
            "{method} /zstack/v1{path} HTTP/1.1\r\nHost: longhaul\r\nConnection: close\r\nContent-Length: {}\r\n",
            body.len()
        );
        if !self.session.is_empty() {
            request.push_str(&format!("Authorization: OAuth {}\r\n", self.session));
        }
        if !body.is_empty() {
            request.push_str("Content-Type: application/json\r\n");
        }
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        stream.write_all(format!("{request}\r\n{body}").as_bytes())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let answer = String::from_utf8(answer).map_err(io::Error::other)?;
        let cut = || io::Error::new(io::ErrorKind::UnexpectedEof, "no whole answer");
        let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(cut)?;
        let length = header(head, "content-length").and_then(|l| l.parse::<usize>().ok()).ok_or_else(cut)?;
        if body.len() < length {
            return Err(cut());
        }
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).ok_or_else(cut)?;
        Ok((status, serde_json::from_str(body).unwrap_or(Value::Null)))
    }

    /// One call that is answered.
    pub fn call(&self, method: &str, path: &str, body: &Value) -> Answer {
        let body = (!body.is_null()).then_some(body);
        self.try_call(method, path, body).unwrap_or_else(|e| panic!("{method} {path}: {e}"))
    }

    /// One call that succeeds; one that is accepted is polled to its end.
    pub fn ok(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, mut answer) = self.call(method, path, body);
        assert!(status == 200 || status == 202, "{method} {path}: {status} {answer}");
        if status == 202 {
            let location = text(&answer["location"]);
            let poll = location.split_once("/v1").expect("a location below /v1").1.to_owned();
            answer = until("the call ends", PATIENCE, || {
                let (status, answer) = self.call("GET", &poll, &Value::Null);
                assert!(status == 200 || status == 202, "{path}: {status} {answer}");
                (status == 200).then_some(answer)
            });
        }
        answer
    }

    /// The only resource that a query of one uuid answers.
    pub fn one(&self, path: &str) -> Value {
        let answer = self.ok("GET", path, &Value::Null);
        assert_eq!(answer["inventories"].as_array().map(Vec::len), Some(1), "{path}: {answer}");
        answer["inventories"][0].clone()
    }

    /// All that a query answers.
    pub fn many(&self, path: &str) -> Vec<Value> {
        self.ok("GET", path, &Value::Null)["inventories"].as_array().cloned().expect("inventories")
    }

    /// Submits a job; the answer as it is.
    pub fn try_submit(
        &self,
        job_name: &str,
        data: &Value,
        uuid: Option<&str>,
        tags: &[&str],
    ) -> io::Result<Answer> {
        let mut body = json!({
            "params": {"name": "kill", "jobName": job_name, "jobData": data.to_string()},
            "systemTags": tags,
        });
        if let Some(uuid) = uuid {
            body["params"]["resourceUuid"] = json!(uuid);
        }
        self.try_call("POST", "/longjobs", Some(&body))
    }

    /// Submits a job that is accepted; its uuid.
    pub fn submit(&self, job_name: &str, data: &Value, tags: &[&str]) -> String {
        let (status, answer) = self.try_submit(job_name, data, None, tags).expect("an answer");
        assert_eq!(status, 200, "{answer}");
        text(&answer["inventory"]["uuid"])
    }

    /// The job as it is now.
    pub fn job(&self, uuid: &str) -> Value {
        self.one(&format!("/longjobs/{uuid}"))
    }

    /// The state as it is now.
    pub fn state(&self, uuid: &str) -> String {
        text(&self.job(uuid)["state"])
    }

    /// Waits until the job is final; the job.
    pub fn final_job(&self, uuid: &str, patience: Duration) -> Value {
        until("the job is final", patience, || {
            let job = self.job(uuid);
            FINAL.contains(&job["state"].as_str().unwrap_or_default()).then_some(job)
        })
    }

    /// What the job left in its history, in order.
    pub fn timeline(&self, uuid: &str) -> Vec<Value> {
        self.many(&format!("/longjobs/{uuid}/timeline"))
    }

    /// Stage, bytes done and bytes in all, as people see them.
    pub fn progress(&self, job: &Value) -> (String, u64, u64) {
        let rows = self.many(&format!("/task-progresses/{}", text(&job["apiId"])));
        let opaque = rows.first().map(|r| r["opaque"].clone()).unwrap_or_default();
        let number = |key: &str| opaque[key].as_u64().unwrap_or(0);
        (opaque["stage"].as_str().unwrap_or_default().to_owned(), number("bytesDone"), number("bytesTotal"))
    }

    /// Asks for the job's cancel.
    pub fn cancel(&self, uuid: &str) -> Value {
        self.ok("PUT", &format!("/longjobs/{uuid}/actions"), &json!({"cancelLongJob": {}}))
    }

    /// Adds a directory as a storage; its uuid.
    pub fn add_storage(&self, name: &str, url: &str) -> String {
        let zone = text(&self.many("/zones")[0]["uuid"]);
        let body = json!({"params": {"name": name, "url": url, "zoneUuid": zone}});
        text(&self.ok("POST", "/primary-storage/local-storage", &body)["inventory"]["uuid"])
    }

    /// Adopts a file as a volume; its uuid.
    pub fn adopt(&self, storage: &str, path: &str) -> String {
        let body = json!({"params": {"primaryStorageUuid": storage, "installPath": path, "name": "disk"}});
        text(&self.ok("POST", "/volumes/adopt", &body)["inventory"]["uuid"])
    }

    /// The volume's record.
    pub fn volume(&self, uuid: &str) -> Value {
        self.one(&format!("/volumes/{uuid}"))
    }

    /// What a scan of the storage finds that no record knows, or that is not as its record says.
    pub fn scan(&self, storage: &str) -> Vec<Value> {
        self.many(&format!("/primary-storage/{storage}/scan"))
    }

    /// The storage's trash.
    pub fn trash(&self, storage: &str) -> Vec<Value> {
        self.many(&format!("/primary-storage/trash?uuid={storage}"))
    }

    /// Enables, disables or maintains a storage.
    pub fn set_storage(&self, storage: &str, event: &str) {
        let body = json!({"changePrimaryStorageState": {"stateEvent": event}});
        self.ok("PUT", &format!("/primary-storage/{storage}/actions"), &body);
    }
}

/// The text of a value that is one.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

/// `jobResult`, read.
pub fn result(job: &Value) -> Value {
    serde_json::from_str(&text(&job["jobResult"])).expect("jobResult is JSON")
}
