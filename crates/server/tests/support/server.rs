//! The real binary as a child process: its data directory, its address, its end. A server that panicked
//! fails its test.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use super::caller::{Caller, Kind};
use super::store::Ground;
use super::uuid;

/// The admin password of every server here, in clear.
pub const PASSWORD: &str = "correct horse";

/// A directory that goes with its owner.
pub struct TempDir(pub PathBuf);

impl TempDir {
    /// A new one below the system's.
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("longhaul-{name}-{}", uuid()));
        std::fs::create_dir_all(&path).expect("a directory for the test");
        Self(path)
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A running server.
pub struct Server {
    child: Child,
    _stdout: BufReader<ChildStdout>,
    /// Where it listens.
    pub address: SocketAddr,
    /// `fast` or `zstack`.
    pub profile: &'static str,
    ground: Ground,
}

impl Server {
    /// Starts one with the simulator in reply profile `profile`, with further flags.
    pub fn start(profile: &'static str, flags: &[&str]) -> Self {
        Self::start_on(Ground::new("api", flags), profile, flags)
    }

    /// The same on a ground that may have been used before.
    fn start_on(ground: Ground, profile: &'static str, flags: &[&str]) -> Self {
        let mut command = command(&ground.dir.0);
        command.args(["--simulator", "--listen", "127.0.0.1:0"]);
        Self::spawn(ground, profile, flags, command)
    }

    /// With a data directory that is named from the directory that the server is started in.
    pub fn start_relative(profile: &'static str, flags: &[&str]) -> Self {
        let ground = Ground::new("relative", flags);
        let mut command = bare();
        command.current_dir(&ground.dir.0).args(["serve", "--data-dir", "data", "--listen", "127.0.0.1:0"]);
        Self::spawn(ground, profile, flags, command)
    }

    /// In namespaces of its own: `unshare` with `options`, where the shell does `first` before the server.
    pub fn start_apart(options: &str, first: &str, profile: &'static str, flags: &[&str]) -> Self {
        let ground = Ground::new("apart", flags);
        let inner = command(&ground.dir.0);
        let mut outer = Command::new("unshare");
        outer.args([options, "sh", "-c"]).arg(format!("{first} && exec \"$@\"")).arg("sh");
        outer.arg(inner.get_program()).args(inner.get_args());
        for (name, value) in inner.get_envs() {
            match value {
                Some(value) => outer.env(name, value),
                None => outer.env_remove(name),
            };
        }
        Self::spawn(ground, profile, flags, outer)
    }

    /// A program inside of this server's namespaces: what it prints.
    pub fn beside(&self, options: &str, program: &[&str]) -> String {
        let pid = self.pid().to_string();
        let out =
            Command::new("nsenter").args(["-t", &pid, options]).args(program).output().expect("nsenter");
        assert!(out.status.success(), "{program:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).expect("UTF-8")
    }

    fn spawn(ground: Ground, profile: &'static str, flags: &[&str], mut command: Command) -> Self {
        let path = ground.dir.0.join("stderr.log");
        let log = std::fs::File::options().create(true).append(true).open(&path).expect("the server's log");
        ground.tell(&mut command);
        let mut child = command
            .args(["--replies", profile])
            .args(flags)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the server starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("the server's stdout"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("the server's first line");
        let address = line.trim().strip_prefix("listening on http://").and_then(|a| a.parse().ok());
        let Some(address) = address else {
            let log = std::fs::read_to_string(path).unwrap_or_default();
            panic!("the server did not start: {line:?} {log}");
        };
        Self { child, _stdout: stdout, address, profile, ground }
    }

    /// One server per reply profile, or fewer where the store is what counts: `Store::profiles`.
    pub fn both(flags: &[&str]) -> Vec<Self> {
        crate::STORE.profiles().iter().map(|profile| Self::start(profile, flags)).collect()
    }

    /// The admin as curl.
    pub fn admin(&self) -> Caller {
        Caller::log_in(self.address, Kind::Plain, "admin", PASSWORD)
    }

    /// The admin as each kind of caller.
    pub fn admins(&self) -> Vec<Caller> {
        let admin = self.admin();
        Kind::ALL.map(|kind| Caller { kind, ..admin.clone() }).to_vec()
    }

    /// A new normal account, logged in, as curl.
    pub fn account(&self, name: &str) -> Caller {
        let body = serde_json::json!({"params": {"name": name, "password": super::sha512(name)}});
        self.admin().post("/accounts", &body).ok();
        Caller::log_in(self.address, Kind::Plain, name, name)
    }

    /// The data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.ground.dir.0.join("data")
    }

    /// The rows that hold a text, if its store is a PostgreSQL database.
    pub fn rows_with(&self, needle: &str) -> Vec<String> {
        self.ground.rows_with(needle)
    }

    /// What it has written to stderr so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.ground.dir.0.join("stderr.log")).unwrap_or_default()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills it at once and starts it again on the same data.
    pub fn killed_and_started_again(mut self, flags: &[&str]) -> Self {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let ground = std::mem::replace(&mut self.ground, Ground::none());
        let profile = self.profile;
        drop(self);
        Self::start_on(ground, profile, flags)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !std::thread::panicking() {
            assert!(!self.log().contains("panicked"), "the server panicked: {}", self.log());
        }
    }
}

/// `serve` with `dir/data`, unstarted.
pub fn command(dir: &Path) -> Command {
    let mut command = bare();
    command.args(["serve", "--data-dir"]).arg(dir.join("data"));
    command
}

/// The binary with a clean environment.
pub fn bare() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_longhaul"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("LONGHAUL_") {
            command.env_remove(name);
        }
    }
    command.env("LONGHAUL_ADMIN_PASSWORD", PASSWORD).env("TZ", "UTC").stdin(Stdio::null());
    command
}
