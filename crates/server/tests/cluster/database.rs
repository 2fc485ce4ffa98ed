//! The databases of the tests: one for each, made and dropped by `psql`; or a whole server of a test's own, which it may
//! kill.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::place::{PATIENCE, run, said, shown, until};

/// Names the server where each test makes a database of its own.
const SERVER: &str = "LONGHAUL_TEST_POSTGRES";

/// A database of one test, dropped with it.
#[derive(Debug)]
pub struct Database {
    /// Its URL, with the password.
    pub url: String,
    server: String,
    name: String,
    /// Another look at one that somebody else drops.
    borrowed: bool,
}

impl Database {
    /// A new one of that name on the server of the tests.
    pub fn new(test: &str) -> Self {
        let server = std::env::var(SERVER).unwrap_or_else(|_| {
            panic!(
                "{SERVER} is not set: start a server and name it,\n  export {SERVER}=\"$(tests/tools/postgres-dev.sh \
                 start DIR)\""
            )
        });
        Self::on(server, test)
    }

    fn on(server: String, test: &str) -> Self {
        let name = format!("nodes_{test}");
        let url = of(&server, &name);
        let database = Self { url, server, name, borrowed: false };
        database.drop_it();
        said("psql", &[&database.server, "-qc", &format!("CREATE DATABASE {}", database.name)]);
        database
    }

    /// The same one, reached by another URL.
    pub fn by(&self, url: &str) -> Self {
        Self { url: url.to_owned(), server: self.server.clone(), name: self.name.clone(), borrowed: true }
    }

    /// The rows of a query, one a line, their columns separated by `|`.
    pub fn rows(&self, sql: &str) -> Vec<String> {
        said("psql", &[&self.url, "-qAtc", sql]).lines().map(str::to_owned).collect()
    }

    /// Changes what the statements say, again where they were chosen to end a deadlock, as a node does it at its start.
    pub fn insists(&self, sql: &str) {
        until("it is no victim of a deadlock", PATIENCE, || {
            let out = run("psql", &[&self.url, "-v", "ON_ERROR_STOP=1", "-qAtc", sql]);
            let why = String::from_utf8_lossy(&out.stderr);
            assert!(out.status.success() || why.contains("deadlock detected"), "psql {sql}: {why}");
            out.status.success().then_some(())
        });
    }

    /// The one number that a query answers.
    pub fn number(&self, sql: &str) -> u64 {
        let rows = self.rows(sql);
        rows.first().and_then(|row| row.parse().ok()).unwrap_or_else(|| panic!("{sql}: {rows:?}"))
    }

    fn drop_it(&self) {
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let _ = Command::new("psql").args([&self.server, "-qc", &sql]).output();
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if !self.borrowed && !std::thread::panicking() {
            self.drop_it();
        }
    }
}

/// The URL of another database of the same server.
fn of(server: &str, name: &str) -> String {
    let (place, query) = server.split_once('?').map_or((server, None), |(place, query)| (place, Some(query)));
    let (place, _) = place.rsplit_once('/').expect("a URL with a database");
    format!("{place}/{name}{}", query.map(|query| format!("?{query}")).unwrap_or_default())
}

/// A server of one test's own.
#[derive(Debug)]
pub struct DatabaseServer {
    dir: PathBuf,
    /// A database on it; its server goes first.
    pub database: Database,
}

impl DatabaseServer {
    /// A new one, in a short directory that its own user can reach.
    pub fn new(test: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("longhaul-{test}-{}", std::process::id()));
        let told = tool("start", &dir);
        let url = told.lines().last().expect("its URL").to_owned();
        Self { database: Database::on(url, test), dir }
    }

    /// Kills it with all its processes.
    pub fn kill(&self) {
        tool("kill", &self.dir);
    }

    /// Stops it in order.
    pub fn stop(&self) {
        tool("stop", &self.dir);
    }

    /// All its processes stand still.
    pub fn pause(&self) {
        tool("pause", &self.dir);
    }

    /// They go on.
    pub fn wake(&self) {
        tool("wake", &self.dir);
    }

    /// Starts it again, under the same URL.
    pub fn start(&self) {
        tool("start", &self.dir);
    }
}

/// A server and the standby that has all that it acknowledged.
#[derive(Debug)]
pub struct Pair {
    /// The one that writes.
    pub primary: DatabaseServer,
    standby: PathBuf,
    /// Both, as a node is told of them.
    pub url: String,
    /// The standby alone.
    pub other: String,
}

impl Pair {
    /// A new one.
    pub fn new(test: &str) -> Self {
        let primary = DatabaseServer::new(test);
        let standby = primary.dir.with_extension("standby");
        let told = said(&shown(&script()), &["standby", &shown(&standby), &shown(&primary.dir)]);
        let (name, first) = (&primary.database.name, &primary.database.url);
        let other = of(told.lines().last().expect("its URL"), name);
        let address = |url: &str| url.rsplit_once('@').unwrap().1.split_once('/').unwrap().0.to_owned();
        let both = format!("@{},{}/", address(first), address(&other));
        let url = first.replace(&format!("@{}/", address(first)), &both);
        let url = format!("{url}?target_session_attrs=read-write&connect_timeout=2");
        Self { primary, standby, url, other }
    }

    /// The primary is gone for good, and the standby takes over.
    pub fn fail_over(&self) {
        self.primary.kill();
        tool("promote", &self.standby);
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        let _ = Command::new(script()).args(["clean", &shown(&self.standby)]).output();
    }
}

impl Drop for DatabaseServer {
    fn drop(&mut self) {
        let _ = Command::new(script()).args(["clean", &shown(&self.dir)]).output();
    }
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/tools/postgres-dev.sh")
}

fn tool(what: &str, dir: &Path) -> String {
    said(&shown(&script()), &[what, &shown(dir)])
}
