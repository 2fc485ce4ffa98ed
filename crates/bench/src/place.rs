//! Where a run takes place: its directory, the server's binary, the PostgreSQL server if there is one, and the homes
//! of the servers that are measured.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, ensure};
use rusqlite::{Connection, OpenFlags};

use crate::database::{Cluster, Database};

/// A quick run has this part of everything.
const QUICK: u64 = 50;

/// Where a run takes place.
pub struct Place {
    /// The server's binary.
    pub binary: PathBuf,
    /// What is made goes here.
    pub dir: PathBuf,
    /// The PostgreSQL server, unless servers keep their jobs in SQLite.
    pub cluster: Option<Cluster>,
    /// Whether this is to see that the parts work.
    pub quick: bool,
}

static NUMBER: AtomicU32 = AtomicU32::new(0);

impl Place {
    /// A fresh path in the directory.
    pub fn fresh(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}-{}", NUMBER.fetch_add(1, Ordering::Relaxed)))
    }

    /// So many, or the part of a quick run, which is at least 1.
    pub fn scaled(&self, many: u64) -> u64 {
        if self.quick { (many / QUICK).max(1) } else { many }
    }

    /// The PostgreSQL server.
    pub fn cluster(&self) -> Result<&Cluster> {
        self.cluster.as_ref().context("no PostgreSQL server")
    }

    /// A home without any job.
    pub async fn home(&self, name: &str) -> Result<Home> {
        let database = match &self.cluster {
            Some(cluster) => Some(cluster.create().await?),
            None => None,
        };
        Ok(Home { data: self.fresh(name), database })
    }

    /// A home with a copy of that database, which nobody uses meanwhile.
    pub async fn home_on_copy(&self, name: &str, template: &Database) -> Result<Home> {
        let database = self.cluster()?.copy_of(template).await?;
        Ok(Home { data: self.fresh(name), database: Some(database) })
    }

    /// The key of secrets of all servers that share a database.
    pub fn key(&self) -> Result<PathBuf> {
        let path = self.dir.join("cluster.key");
        if !path.exists() {
            use std::os::unix::fs::OpenOptionsExt;
            File::options()
                .create(true)
                .write(true)
                .truncate(true)
                .mode(0o600)
                .open(&path)?
                .write_all_at(&[7; 32], 0)?;
        }
        Ok(path)
    }
}

/// Where a server keeps its jobs: its data directory, with SQLite's file in it unless there is a database.
pub struct Home {
    /// The data directory; the server makes it.
    pub data: PathBuf,
    /// Its database.
    pub database: Option<Database>,
}

impl Home {
    /// The database's URL.
    pub fn url(&self) -> Option<&str> {
        self.database.as_ref().map(|database| database.url.as_str())
    }

    /// The database.
    pub fn database(&self) -> Result<&Database> {
        self.database.as_ref().context("no database")
    }

    /// Transactions that wrote, counted from somewhere: of SQLite since the log was opened, as it counts them for its readers
    /// (`iChange` of the wal-index header; with `synchronous=FULL` each is one sync of the log); of PostgreSQL their ids.
    pub async fn commits(&self) -> Result<u32> {
        if let Some(database) = &self.database {
            return database.transactions().await;
        }
        let mut bytes = [0u8; 4];
        File::open(self.data.join("longhaul.db-shm"))?.read_exact_at(&mut bytes, 8)?;
        Ok(u32::from_ne_bytes(bytes))
    }

    /// What `commits` tells before a server starts, which opens SQLite's log anew.
    pub async fn commits_before_start(&self) -> Result<u32> {
        if self.database.is_some() { self.commits().await } else { Ok(0) }
    }

    /// Rows of all timelines.
    pub async fn timeline_rows(&self) -> Result<u64> {
        let sql = "SELECT count(*) FROM timeline";
        let rows = match &self.database {
            Some(database) => database.number(sql).await?,
            None => {
                let file = self.data.join("longhaul.db");
                let store = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
                store.query_row(sql, [], |row| row.get(0))?
            }
        };
        Ok(u64::try_from(rows)?)
    }

    /// Removes it, its server being stopped.
    pub async fn remove(self) -> Result<()> {
        // Where no server was started there is none.
        if self.data.exists() {
            std::fs::remove_dir_all(&self.data).with_context(|| self.data.display().to_string())?;
        }
        match self.database {
            Some(database) => database.remove().await,
            None => Ok(()),
        }
    }
}

/// A directory that goes with its owner.
pub struct TempDir(PathBuf);

impl TempDir {
    /// A new one in `parent`.
    pub fn new(parent: &Path) -> Result<Self> {
        let path = parent.join(format!("longhaul-bench-{}", std::process::id()));
        ensure!(!path.exists(), "{} is there already; remove it", path.display());
        std::fs::create_dir_all(&path).with_context(|| path.display().to_string())?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
