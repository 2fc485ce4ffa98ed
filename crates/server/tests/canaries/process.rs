//! The server as a process whose every word is kept, at the most verbose level; it is killed and started again on
//! the same data.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::support::server::{TempDir, bare};
use crate::support::until;

/// Where everything of one server lies.
pub struct World {
    dir: TempDir,
    profile: &'static str,
    password: Option<String>,
    child: Option<Child>,
    /// Where it listens now.
    pub address: SocketAddr,
}

impl World {
    /// Starts a server whose admin has this password, or one that the server makes up.
    pub fn start(profile: &'static str, password: Option<&str>) -> Self {
        let dir = TempDir::new("canaries");
        fs::create_dir(dir.0.join("tmp")).expect("a directory");
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut world = Self { dir, profile, password: password.map(str::to_owned), child: None, address };
        world.run();
        world
    }

    fn run(&mut self) {
        let open = |name: &str| {
            File::options().create(true).append(true).open(self.dir.0.join(name)).expect("a file")
        };
        let before = self.read("stdout").len();
        let mut command = bare();
        command
            .args([
                "serve",
                "--simulator",
                "--listen",
                "127.0.0.1:0",
                "--replies",
                self.profile,
                "--data-dir",
            ])
            .arg(self.data_dir())
            .arg("--simulator-journal")
            .arg(self.dir.0.join("journal"))
            .args(["--set", "egress.images=127.0.0.1:*"])
            .args(["--set", "egress.webhooks=127.0.0.0/8:*", "--set", "copy.bytesPerSecond=1048576"])
            .env_remove("LONGHAUL_ADMIN_PASSWORD")
            .envs(self.password.iter().map(|password| ("LONGHAUL_ADMIN_PASSWORD", password)))
            .env("LONGHAUL_LOG", "trace")
            .env("TMPDIR", self.dir.0.join("tmp"))
            .stdout(open("stdout"))
            .stderr(open("stderr"));
        self.child = Some(command.spawn().expect("the server starts"));
        self.address = until("the server listens", || {
            let said = self.read("stdout");
            let said = String::from_utf8_lossy(&said[before..]).into_owned();
            said.lines().find_map(|line| line.strip_prefix("listening on http://")?.parse().ok())
        });
    }

    /// `kill -9`, then a start on what is left.
    pub fn restart(&mut self) {
        self.kill();
        self.run();
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// A copying process of it: command line and environment.
    pub fn copying_process(&self) -> (Vec<u8>, Vec<u8>) {
        let parent = self.pid();
        until("a copying process runs", || {
            let children = fs::read_dir(format!("/proc/{parent}/task")).ok()?.flatten().find_map(|task| {
                let children = fs::read_to_string(task.path().join("children")).ok()?;
                children.split_whitespace().next().map(str::to_owned)
            })?;
            let of = |what: &str| {
                fs::read(format!("/proc/{children}/{what}")).ok().filter(|read| !read.is_empty())
            };
            // Until it has become the program that it is to be, it has its parent's.
            Some((of("cmdline").filter(|line| line.ends_with(b"attempt-io\0"))?, of("environ")?))
        })
    }

    /// What a command of the client says, on both its streams, with the session in its environment.
    pub fn cli(&self, session: &str, stdin: &str, arguments: &[&str]) -> Vec<u8> {
        use std::io::Write;
        let mut command = Command::new(bare().get_program());
        command.env_clear().env("XDG_CONFIG_HOME", self.dir.0.join("client")).env("RUST_LOG", "trace");
        command.env("LONGHAUL_LOG", "trace").env("LONGHAUL_URL", format!("http://{}", self.address));
        if !session.is_empty() {
            command.env("LONGHAUL_TOKEN", session);
        }
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the client starts");
        let mut input = child.stdin.take().expect("its input");
        let _ = input.write_all(stdin.as_bytes()); // it may not want it
        drop(input);
        let out = child.wait_with_output().expect("it ends");
        [out.stdout, out.stderr].concat()
    }

    /// The data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.dir.0.join("data")
    }

    /// A file beside it: `stdout`, `stderr`, `journal`.
    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.dir.0.join(name)).unwrap_or_default()
    }

    /// The directory for what is temporary.
    pub fn tmp(&self) -> PathBuf {
        self.dir.0.join("tmp")
    }

    /// A copy of the data directory, for others to open.
    pub fn copy_of_data(&self) -> PathBuf {
        let to = self.dir.0.join("copy");
        fs::create_dir(&to).expect("a directory");
        for entry in fs::read_dir(self.data_dir()).expect("the data directory").flatten() {
            if Path::is_file(&entry.path()) {
                fs::copy(entry.path(), to.join(entry.file_name())).expect("a copy");
            }
        }
        to
    }

    /// Another program takes the store's lock for writing while `what` is done, so that no commit can be made.
    pub fn while_the_store_is_locked<T>(&self, what: impl FnOnce() -> T) -> T {
        use std::io::{BufRead, BufReader};
        let hold = "import sqlite3, sys\ns = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)\n\
                    s.execute('BEGIN IMMEDIATE')\nprint('held', flush=True)\nsys.stdin.read()";
        let mut command = Command::new("python3");
        command.args(["-c", hold]).arg(self.store()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut holder = command.spawn().expect("python3");
        let mut line = String::new();
        let said = holder.stdout.take().expect("its output");
        BufReader::new(said).read_line(&mut line).expect("a line");
        assert_eq!(line.trim(), "held");
        let done = what();
        drop(holder.stdin.take());
        assert!(holder.wait().expect("it ends").success());
        done
    }

    /// The store's main file.
    pub fn store(&self) -> PathBuf {
        let stores = fs::read_dir(self.data_dir()).expect("the data directory").flatten();
        let mut stores = stores.map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "db"));
        stores.next().expect("a store")
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.kill();
    }
}
