//! TLS to a database that answers nothing else, with a certificate of an authority of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use futures::executor::block_on;
use longhaul_store::conformance::HandClock;
use longhaul_store::{PostgresOptions, PostgresStore, Queries};

/// A server of this test's own; gone with it.
struct Server {
    dir: PathBuf,
    url: String,
}

impl Server {
    /// In a short directory that its own user can reach.
    fn new() -> Self {
        let dir = std::env::temp_dir().join(format!("longhaul-tls-{}", std::process::id()));
        let told = tool("start", &dir);
        Self { url: told.lines().last().expect("its URL").to_owned(), dir }
    }

    fn authority(&self) -> String {
        self.dir.join("ca.crt").display().to_string()
    }

    /// Opens a store there and asks it something; what went wrong, in words.
    fn opened(&self, query: &str) -> Result<(), String> {
        let url = format!("{}?{query}", self.url);
        let store = PostgresStore::open(&url, HandClock::new(), PostgresOptions::default());
        let store = store.map_err(|error| told(&error))?;
        block_on(store.counts(None)).map(drop).map_err(|error| error.to_string())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        tool("clean", &self.dir);
    }
}

fn told(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words.push_str(&format!(": {error}"));
        cause = error.source();
    }
    words
}

fn tool(what: &str, dir: &Path) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/tools/postgres-dev.sh");
    let run = Command::new(script).arg(what).arg(dir).env("PG_DEV_TLS", "only").output().expect("it runs");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    String::from_utf8(run.stdout).expect("text")
}

#[test]
fn a_store_speaks_tls_and_knows_its_database_by_its_certificate() {
    let server = Server::new();
    let refused = server.opened("sslmode=disable").expect_err("the server takes none without TLS");
    assert!(refused.contains("encryption"), "{refused}");
    assert_eq!(server.opened("sslmode=prefer"), Ok(()));
    assert_eq!(server.opened("sslmode=require"), Ok(()), "encrypted, to whomever");
    let authority = server.authority();
    assert_eq!(server.opened(&format!("sslmode=verify-ca&sslrootcert={authority}")), Ok(()));
    assert_eq!(server.opened(&format!("sslmode=verify-full&sslrootcert={authority}")), Ok(()));
    // Of the authorities that the system trusts, none knows it.
    for query in ["sslmode=verify-ca", "sslmode=verify-full"] {
        let refused = server.opened(query).expect_err("nobody known signed it");
        assert!(refused.contains("certificate"), "{refused}");
    }
    let other = Server { dir: server.dir.with_extension("other"), url: server.url.clone() };
    tool("start", &other.dir);
    let refused = server.opened(&format!("sslmode=verify-full&sslrootcert={}", other.authority()));
    assert!(refused.expect_err("another signed it").contains("certificate"));
    let refused = server.opened("sslmode=verify-full&sslrootcert=/nowhere/ca.crt").expect_err("no such file");
    assert!(refused.contains("/nowhere/ca.crt"), "{refused}");
}
