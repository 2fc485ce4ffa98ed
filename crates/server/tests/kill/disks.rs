//! Two storages and a volume on the first, at a running server; and what must be true of them when a migration
//! has ended, one way or the other.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::client::{Client, MIGRATE, result, text};
use crate::place::{Place, assert_clean, disk, files, guest_sha256, sha256, shown};
use crate::process;
use crate::server::{Plan, Server};

/// The tag that limits a copy.
pub fn throttle(bytes_per_s: u64) -> String {
    format!("longhaul::throttle::{bytes_per_s}")
}

/// Two storages and a volume.
#[derive(Debug)]
pub struct Rig {
    /// The server.
    pub server: Server,
    /// How it is started.
    pub plan: Plan,
    /// Directory of the storage that holds the volume at first.
    pub from: String,
    /// Directory of the other.
    pub to: String,
    /// Uuid of the first storage.
    pub from_uuid: String,
    /// Uuid of the other.
    pub to_uuid: String,
    /// Uuid of the volume.
    pub volume: String,
    /// Its file at first.
    pub source: PathBuf,
    format: &'static str,
    /// SHA-256 of the guest's bytes and of the file.
    sums: (String, String),
    _place: Place,
}

impl Rig {
    /// A dense disk of `bytes`, in `format`, at a server as `plan` changes it.
    pub fn new(
        test: &str,
        format: &'static str,
        bytes: u64,
        plan: impl FnOnce(&Place, Plan) -> Plan,
    ) -> Self {
        let place = Place::new(test);
        let plan = plan(&place, Plan::new(&place));
        let (from, to) = (place.dir("from"), place.dir("to"));
        let source = Path::new(&from).join("disk");
        disk(&source, format, bytes, 42);
        let sums = (guest_sha256(&source, format), sha256(&source));
        let server = plan.start();
        let client = &server.client;
        let (from_uuid, to_uuid) = (client.add_storage("from", &from), client.add_storage("to", &to));
        let volume = client.adopt(&from_uuid, &shown(&source));
        assert_eq!(client.volume(&volume)["format"], format);
        Self { server, plan, from, to, from_uuid, to_uuid, volume, source, format, sums, _place: place }
    }

    /// A session at the server.
    pub fn client(&self) -> &Client {
        &self.server.client
    }

    /// `jobData` of the migration.
    pub fn data(&self) -> Value {
        json!({"volumeUuid": self.volume, "dstPrimaryStorageUuid": self.to_uuid})
    }

    /// Submits the migration; its uuid.
    pub fn migrate(&self, bytes_per_s: u64) -> String {
        self.client().submit(MIGRATE, &self.data(), &[&throttle(bytes_per_s)])
    }

    /// Submits a migration that is refused; the error.
    pub fn refused(&self) -> Value {
        let (status, answer) = self.client().try_submit(MIGRATE, &self.data(), None, &[]).unwrap();
        assert!(status >= 400, "{status} {answer}");
        answer["error"].clone()
    }

    /// Starts the server again, after it was killed.
    pub fn restart(&mut self) {
        self.server = self.plan.start();
    }

    /// Kills the server and its children, and starts it again.
    pub fn kill_and_restart(&mut self) {
        let copiers = self.server.copiers();
        self.server.kill();
        for pid in copiers {
            process::wait_gone(pid);
        }
        self.restart();
    }

    /// The volume is on the other storage, bit for bit; its source is trash; there is nothing else.
    pub fn assert_moved(&self, job: &Value) {
        assert_eq!(job["state"], "Succeeded", "{job}\n{}", self.plan.log());
        let volume = self.client().volume(&self.volume);
        assert_eq!(volume["primaryStorageUuid"], *self.to_uuid);
        assert_eq!(volume["status"], "Ready");
        let target = PathBuf::from(text(&volume["installPath"]));
        let told = result(job);
        assert_eq!(told["success"], true);
        assert_eq!(told["migration"]["newInstallPath"], *shown(&target));
        assert_eq!(told["migration"]["oldInstallPath"], *shown(&self.source));
        let artifact = target.strip_prefix(&self.to).expect("below the storage");
        assert_eq!(files(&self.to), [self.volume.clone(), shown(artifact)], "the copy and nothing else");
        assert_eq!(files(&self.from), ["disk"]);
        assert_clean(&target, self.format);
        assert_eq!(guest_sha256(&target, self.format), self.sums.0, "the guest's bytes are the same");
        assert_eq!(sha256(&self.source), self.sums.1, "the source is untouched");
        let trash = self.client().trash(&self.from_uuid);
        assert_eq!(trash.len(), 1, "{trash:?}");
        assert_eq!(trash[0]["installPath"], *shown(&self.source));
        self.assert_nothing_stray();
        let ended = self.client().timeline(&text(&job["uuid"]));
        let ended = ended.iter().filter(|r| r["kind"] == "succeeded").count();
        assert_eq!(ended, 1, "it succeeded once");
    }

    /// The volume is where it was, and nobody can tell that there was a migration.
    pub fn assert_not_moved(&self) {
        let volume = self.client().volume(&self.volume);
        assert_eq!(volume["primaryStorageUuid"], *self.from_uuid);
        assert_eq!(volume["installPath"], *shown(&self.source));
        assert_eq!(volume["status"], "Ready");
        assert_eq!(files(&self.to), Vec::<String>::new(), "nothing is left");
        assert_eq!(files(&self.from), ["disk"]);
        assert_eq!(sha256(&self.source), self.sums.1, "the source is untouched");
        assert_eq!(self.client().trash(&self.from_uuid), Vec::<Value>::new());
        self.assert_nothing_stray();
    }

    /// No copier was started for a submission that was refused.
    pub fn assert_not_held_by_us(&self) {
        assert_eq!(self.server.copiers(), Vec::<u32>::new());
        assert_eq!(files(&self.to), Vec::<String>::new());
    }

    fn assert_nothing_stray(&self) {
        assert_eq!(self.client().scan(&self.from_uuid), Vec::<Value>::new());
        assert_eq!(self.client().scan(&self.to_uuid), Vec::<Value>::new());
        assert_eq!(self.client().trash(&self.to_uuid), Vec::<Value>::new());
        assert_eq!(self.server.copiers(), Vec::<u32>::new(), "no process is left");
        for dir in [&self.from, &self.to] {
            let holders = holders(Path::new(dir), self.server.pid());
            assert_eq!(holders, Vec::<u32>::new(), "nobody holds a file below {dir}");
        }
    }
}

/// Processes other than the server that have a file below `dir` open.
pub fn holders(dir: &Path, server: u32) -> Vec<u32> {
    let pids = fs::read_dir("/proc").unwrap().flatten().filter_map(|e| e.file_name().to_str()?.parse().ok());
    pids.filter(|pid: &u32| {
        let fds = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        *pid != server && fds.into_iter().any(|fd| fs::read_link(fd.path()).is_ok_and(|p| p.starts_with(dir)))
    })
    .collect()
}
