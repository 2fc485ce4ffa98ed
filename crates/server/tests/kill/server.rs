//! The server as a process: started, killed, stopped, started again on the same data.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use crate::client::Client;
use crate::place::{PATIENCE, Place, shown, until};
use crate::process;

const PASSWORD: &str = "a password of the tests";

/// How a server is to be started, again and again.
#[derive(Debug, Clone)]
pub struct Plan {
    data_dir: String,
    log: PathBuf,
    journal: String,
    settings: Vec<String>,
    environment: Vec<(String, String)>,
    before: Vec<String>,
}

impl Plan {
    /// With its data below `place`.
    pub fn new(place: &Place) -> Self {
        Self {
            data_dir: shown(&place.path("data")),
            log: place.path("server.log"),
            journal: shown(&place.path("journal")),
            settings: Vec::new(),
            environment: Vec::new(),
            before: Vec::new(),
        }
    }

    /// With a setting.
    pub fn set(mut self, pair: &str) -> Self {
        self.settings.extend(["--set".to_owned(), pair.to_owned()]);
        self
    }

    /// With a variable of the environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With its data elsewhere.
    pub fn data_dir(mut self, dir: &str) -> Self {
        dir.clone_into(&mut self.data_dir);
        self
    }

    /// Inside of another mount namespace.
    pub fn inside(mut self, mounts: &Mounts) -> Self {
        self.before = mounts.enter();
        self
    }

    /// With so many open files at most.
    pub fn files_max(mut self, files: usize) -> Self {
        self.before = vec!["prlimit".to_owned(), format!("--nofile={files}:{files}")];
        self
    }

    /// The simulator's journal.
    pub fn journal(&self) -> String {
        fs::read_to_string(&self.journal).unwrap_or_default()
    }

    /// What the servers wrote to their log so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn spawn(&self) -> Child {
        let program = env!("CARGO_BIN_EXE_longhaul").to_owned();
        let words: Vec<String> = self.before.iter().cloned().chain([program]).collect();
        Command::new(&words[0])
            .args(&words[1..])
            .args(["serve", "--simulator", "--listen", "127.0.0.1:0", "--data-dir", &self.data_dir])
            .args(["--simulator-journal", &self.journal])
            .args(&self.settings)
            .env("LONGHAUL_ADMIN_PASSWORD", PASSWORD)
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::options().create(true).append(true).open(&self.log).unwrap())
            .spawn()
            .unwrap()
    }

    /// Starts a server and logs in.
    pub fn start(&self) -> Server {
        let mut server = self
            .try_start(&Client::default())
            .unwrap_or_else(|| panic!("no server; its log:\n{}", self.log()));
        server.client = Client::login(server.client.address(), PASSWORD);
        server
    }

    /// Starts a server for a session of before; `None` when it ends instead of listening.
    pub fn try_start(&self, session: &Client) -> Option<Server> {
        let mut child = self.spawn();
        let mut line = String::new();
        let _ = BufReader::new(child.stdout.take().unwrap()).read_line(&mut line);
        let Some(address) = line.trim().strip_prefix("listening on http://") else {
            let _ = child.kill();
            let _ = child.wait();
            return None;
        };
        Some(Server { client: session.patient_at(address, PATIENCE), child, ended: None })
    }

    /// A further session of the same account.
    pub fn log_in(&self, server: &Server) -> Client {
        Client::login(server.client.address(), PASSWORD)
    }

    /// Starts a server that cannot start; its exit status.
    pub fn start_in_vain(&self) -> ExitStatus {
        let mut child = self.spawn();
        let ended = until("the server ends", PATIENCE, || child.try_wait().unwrap());
        drop(child);
        ended
    }
}

/// A running server; killed when dropped.
#[derive(Debug)]
pub struct Server {
    /// A session there.
    pub client: Client,
    child: Child,
    ended: Option<ExitStatus>,
}

impl Server {
    /// Its pid.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills it with SIGKILL, and waits until it is gone.
    pub fn kill(&mut self) {
        self.end();
    }

    /// Tells it to stop in order; its exit status.
    pub fn terminate(&mut self, patience: Duration) -> ExitStatus {
        process::signal(self.pid(), Signal::TERM);
        self.stopped(patience)
    }

    /// Waits until it has ended, without telling it to; its exit status.
    pub fn stopped(&mut self, patience: Duration) -> ExitStatus {
        let ended = until("the server has stopped", patience, || self.child.try_wait().unwrap());
        self.ended = Some(ended);
        ended
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.ended = self.ended.or(self.child.try_wait().unwrap());
        self.ended.is_some()
    }

    /// Its copying children.
    pub fn copiers(&self) -> Vec<u32> {
        process::copiers(self.pid())
    }

    fn end(&mut self) {
        if self.ended.is_none() {
            let _ = self.child.kill();
            self.ended = self.child.wait().ok();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// A mount namespace of its own, alive until dropped. Its mounts go with it.
#[derive(Debug)]
pub struct Mounts(Child);

impl Mounts {
    /// Makes one and runs `script` in it, as root.
    pub fn new(script: &str) -> Self {
        let held = format!("set -e; {script}; echo ready; read end || true");
        let mut child = Command::new("unshare")
            .args(["-m", "--propagation", "private", "sh", "-c", &held])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "ready", "mounting needs root");
        Self(child)
    }

    fn enter(&self) -> Vec<String> {
        ["nsenter", "-t", &self.0.id().to_string(), "-m", "--"].map(str::to_owned).to_vec()
    }

    /// Runs a command of the shell inside.
    pub fn sh(&self, script: &str) -> String {
        let pid = self.0.id().to_string();
        crate::place::said("nsenter", &["-t", &pid, "-m", "--", "sh", "-c", script])
    }
}

impl Drop for Mounts {
    fn drop(&mut self) {
        if let Some(stdin) = &mut self.0.stdin {
            let _ = stdin.write_all(b"\n");
        }
        let _ = self.0.wait();
    }
}
