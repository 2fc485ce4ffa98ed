//! Where the servers of a test binary keep their data, as its root says in `STORE`: each in its data directory, or each
//! in a schema of its own on the PostgreSQL server of the tests, made and dropped by `psql`. The servers themselves are
//! in `server`.

use std::path::PathBuf;
use std::process::Command;

use super::server::TempDir;
use super::uuid;

/// Names the PostgreSQL server, by its URL.
const SERVER: &str = "LONGHAUL_TEST_POSTGRES";
/// With `both`, tests on PostgreSQL take both reply profiles too.
const PROFILES: &str = "LONGHAUL_API_POSTGRES_PROFILES";

/// What the servers of a test binary keep their data in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    /// Their data directory.
    Embedded,
    /// A PostgreSQL database.
    Postgres,
}

impl Store {
    /// The reply profiles that a test takes which is to hold in both. The store knows nothing of them, and each costs a
    /// server; so on PostgreSQL it is one of the two, by the test's name.
    pub fn profiles(self) -> &'static [&'static str] {
        static BOTH: [&str; 2] = ["fast", "zstack"];
        if self == Self::Embedded || std::env::var(PROFILES).is_ok_and(|text| text == "both") {
            return &BOTH;
        }
        let length = std::thread::current().name().map_or(0, str::len);
        &BOTH[length % 2..][..1]
    }

    /// A timeout of the server's that a test waits for, s: that of an embedded store, or twice as long where a call of a
    /// busy machine waits for a database too.
    pub fn seconds(self, embedded: i64) -> i64 {
        if self == Self::Embedded { embedded } else { 2 * embedded }
    }
}

/// What a server has on this machine and keeps over its end: a directory, and a schema if it is on PostgreSQL.
pub struct Ground {
    /// Its data directory and log.
    pub dir: TempDir,
    schema: Option<Schema>,
}

impl Ground {
    /// A new one. A demo is on PostgreSQL nowhere: it refuses any store but its own.
    pub fn new(name: &str, flags: &[&str]) -> Self {
        let on_postgres = crate::STORE == Store::Postgres && !flags.contains(&"--demo");
        Self { dir: TempDir::new(name), schema: on_postgres.then(Schema::new) }
    }

    /// With nothing in it, for a server that is gone.
    pub fn none() -> Self {
        Self { dir: TempDir(PathBuf::new()), schema: None }
    }

    /// Tells the server where its store is. Not on the command line: the URL has a password.
    pub fn tell(&self, command: &mut Command) {
        if let Some(schema) = &self.schema {
            command.env("LONGHAUL_STORE", &schema.url);
        }
    }

    /// The rows in PostgreSQL that hold a text, as `pg_dump` writes them.
    pub fn rows_with(&self, needle: &str) -> Vec<String> {
        let Some(schema) = &self.schema else { return Vec::new() };
        let dump = said("pg_dump", &["--data-only", "--inserts", "--schema", &schema.name, &schema.server]);
        assert!(dump.contains("INSERT INTO"), "a store without a row: {dump}");
        dump.lines().filter(|line| line.contains(needle)).map(str::to_owned).collect()
    }
}

/// A schema that goes with its owner, unless the test failed.
struct Schema {
    server: String,
    name: String,
    url: String,
}

impl Schema {
    fn new() -> Self {
        let server = std::env::var(SERVER).unwrap_or_else(|_| {
            panic!(
                "{SERVER} is not set: start a server and name it,\n  export {SERVER}=\"$(tests/tools/postgres-dev.sh \
                 start DIR)\""
            )
        });
        let name = format!("api_{}", uuid());
        let separator = if server.contains('?') { '&' } else { '?' };
        let url = format!("{server}{separator}options=-csearch_path%3D{name}");
        said("psql", &["-XqAtc", &format!("CREATE SCHEMA {name}"), &server]);
        Self { server, name, url }
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let sql = format!("SET client_min_messages = error; DROP SCHEMA {} CASCADE", self.name);
            said("psql", &["-XqAtc", &sql, &self.server]);
        }
    }
}

fn said(program: &str, args: &[&str]) -> String {
    let out = Command::new(program).args(args).output().unwrap_or_else(|e| panic!("{program}: {e}"));
    assert!(out.status.success(), "{program}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).expect("UTF-8")
}
