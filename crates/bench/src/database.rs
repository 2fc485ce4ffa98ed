//! The PostgreSQL server behind the servers that are measured: one that is started for the run, or a given one; and
//! databases in it, each for one server or the nodes that share it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, ensure};
use tokio_postgres::{Client, NoTls};

use crate::server::cpu_s;

/// The name by which our own connections are known to the server.
pub const APPLICATION: &str = "longhaul-bench";
/// What a server that is started has besides PostgreSQL's defaults: memory and log of a small machine of its own.
const SETTINGS: [&str; 2] = ["shared_buffers=1GB", "max_wal_size=4GB"];
/// Statements are logged here, below the data directory, in the one run that asks for it.
const LOGGING: [&str; 6] = [
    "logging_collector=on",
    "log_destination=jsonlog",
    "log_directory=log",
    "log_filename=bench.log",
    "log_rotation_size=0",
    "log_rotation_age=0",
];

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A PostgreSQL server.
pub struct Cluster {
    /// Of the database that the server came with.
    url: String,
    /// Where it is, if we started it.
    own: Option<PathBuf>,
    /// A session there, for making databases.
    session: Arc<Client>,
}

impl Cluster {
    /// Starts one in `dir`, with further settings.
    pub async fn start(dir: PathBuf, settings: &[String]) -> Result<Self> {
        let mut command = script("start", &dir);
        command.args(SETTINGS).args(LOGGING).args(settings);
        let output = command.stderr(Stdio::inherit()).output().context("tests/tools/postgres-dev.sh")?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let url = said.lines().last().unwrap_or_default().to_owned();
        ensure!(
            output.status.success() && url.starts_with("postgres://"),
            "no PostgreSQL server started; name one with --store postgres://…"
        );
        let started = Started(dir);
        let session = Arc::new(connect(&url).await?);
        let own = Some(started.keep());
        Ok(Self { url, own, session })
    }

    /// The one that the URL names.
    pub async fn given(url: &str) -> Result<Self> {
        let session = Arc::new(connect(url).await.context("the database of --store can't be used")?);
        Ok(Self { url: url.to_owned(), own: None, session })
    }

    /// An empty database.
    pub async fn create(&self) -> Result<Database> {
        self.make("").await
    }

    /// A copy of a database that nobody is connected to.
    pub async fn copy_of(&self, template: &Database) -> Result<Database> {
        template.let_go();
        self.make(&format!("TEMPLATE {} STRATEGY file_copy", template.name)).await
    }

    async fn make(&self, how: &str) -> Result<Database> {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("longhaul_bench_{}_{number}", std::process::id());
        self.session.batch_execute(&format!("CREATE DATABASE {name} {how}")).await?;
        let url = with_database(&self.url, &name);
        Ok(Database { url, name, cluster: self.session.clone(), session: std::sync::Mutex::default() })
    }

    /// A session as the superuser, and the file that logs statements; of a server that we started.
    pub async fn superuser(&self) -> Result<Option<(Client, PathBuf)>> {
        let Some(dir) = &self.own else { return Ok(None) };
        let output = script("superurl", dir).output()?;
        let url = String::from_utf8(output.stdout)?;
        Ok(Some((connect(url.trim()).await?, dir.join("data/log/bench.json"))))
    }

    /// Writes what is not on the disk yet, of a server that we started: what was stored before is not written while
    /// something is timed, and every page costs its first image in the log to whoever changes it then.
    pub async fn checkpoint(&self) -> Result<()> {
        match self.superuser().await? {
            Some((session, _)) => Ok(session.batch_execute("CHECKPOINT").await?),
            None => Ok(()),
        }
    }

    /// Processor time so far, in s, of all processes of a server that we started.
    pub fn cpu_s(&self) -> Result<Option<f64>> {
        let Some(dir) = &self.own else { return Ok(None) };
        let file = std::fs::read_to_string(dir.join("data/postmaster.pid"))?;
        let parent: u32 = file.lines().next().unwrap_or_default().trim().parse().context("postmaster.pid")?;
        let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"))?;
        // What ended meanwhile is counted with its parent.
        let living = children.split_whitespace().filter_map(|pid| cpu_s(pid.parse().ok()?).ok());
        Ok(Some(cpu_s(parent)? + living.sum::<f64>()))
    }

    /// Version and settings, for the table.
    pub async fn facts(&self) -> Result<Vec<(String, String)>> {
        let version: String = self.session.query_one("SHOW server_version", &[]).await?.get(0);
        let names = "shared_buffers,max_wal_size,synchronous_commit,fsync,full_page_writes,autovacuum,jit";
        let sql = "SELECT string_agg(name || '=' || current_setting(name), ', ' ORDER BY nth)
            FROM unnest(string_to_array($1, ',')) WITH ORDINALITY AS u(name, nth)";
        let settings: String = self.session.query_one(sql, &[&names]).await?.get(0);
        let whose = if self.own.is_some() { "on this machine, of the run's own" } else { "given" };
        Ok(vec![
            ("PostgreSQL".to_owned(), format!("{version}, {whose}")),
            ("its settings".to_owned(), settings),
        ])
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(dir) = &self.own {
            drop(Started(dir.clone()));
        }
    }
}

/// A server that ends when this is dropped.
struct Started(PathBuf);

impl Started {
    fn keep(self) -> PathBuf {
        let dir = self.0.clone();
        std::mem::forget(self);
        dir
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = script("clean", &self.0).status();
    }
}

fn script(what: &str, dir: &Path) -> Command {
    let mut command = Command::new("bash");
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/tools/postgres-dev.sh");
    command.arg(tools).arg(what).arg(dir).stdin(Stdio::null());
    command
}

/// A database of the run.
pub struct Database {
    /// How a server reaches it.
    pub url: String,
    /// Its name.
    pub name: String,
    cluster: Arc<Client>,
    session: std::sync::Mutex<Option<Arc<Client>>>,
}

impl Database {
    /// Our session there.
    pub async fn session(&self) -> Result<Arc<Client>> {
        let lock = || self.session.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(session) = &*lock() {
            return Ok(session.clone());
        }
        let session = Arc::new(connect(&self.url).await?);
        *lock() = Some(session.clone());
        Ok(session)
    }

    /// Ends our session.
    pub fn let_go(&self) {
        drop(self.session.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take());
    }

    /// Runs statements.
    pub async fn run(&self, sql: &str) -> Result<()> {
        self.session().await?.batch_execute(sql).await.with_context(|| sql.to_owned())
    }

    /// The number that a query answers.
    pub async fn number(&self, sql: &str) -> Result<i64> {
        Ok(self.session().await?.query_one(sql, &[]).await.with_context(|| sql.to_owned())?.get(0))
    }

    /// The texts that a query answers.
    pub async fn texts(&self, sql: &str) -> Result<Vec<String>> {
        let rows = self.session().await?.query(sql, &[]).await.with_context(|| sql.to_owned())?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// The id that the server's next writing transaction gets, its lower half. Asking takes none.
    pub async fn transactions(&self) -> Result<u32> {
        let sql = "SELECT (pg_snapshot_xmax(pg_current_snapshot())::text::bigint & 4294967295)::bigint";
        Ok(u32::try_from(self.number(sql).await?)?)
    }

    /// Bytes of the write-ahead log that the server has written so far.
    pub async fn log_bytes(&self) -> Result<i64> {
        self.number("SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint").await
    }

    /// Removes it.
    pub async fn remove(self) -> Result<()> {
        self.let_go();
        let sql = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        Ok(self.cluster.batch_execute(&sql).await?)
    }
}

/// A session of our own.
pub async fn connect(url: &str) -> Result<Client> {
    let mut config: tokio_postgres::Config = url.parse().context("the URL of the database")?;
    config.application_name(APPLICATION);
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            eprintln!("  a session of the bench broke: {error}");
        }
    });
    Ok(client)
}

/// The URL of another database of the same server.
fn with_database(url: &str, name: &str) -> String {
    let (address, query) = url.split_once('?').map_or((url, String::new()), |(a, q)| (a, format!("?{q}")));
    let authority = address.find("://").map_or(0, |at| at + 3);
    let end = address[authority..].find('/').map_or(address.len(), |at| authority + at);
    format!("{}/{name}{query}", &address[..end])
}

#[cfg(test)]
mod tests {
    use super::with_database;

    #[test]
    fn another_database_of_the_same_server_has_its_name_in_the_url() {
        let cases = [
            ("postgres://a:b@h:1/longhaul", "postgres://a:b@h:1/x"),
            ("postgres://a:b@h:1", "postgres://a:b@h:1/x"),
            ("postgres://h/one?sslmode=disable", "postgres://h/x?sslmode=disable"),
        ];
        for (url, wanted) in cases {
            assert_eq!(with_database(url, "x"), wanted);
        }
    }
}
