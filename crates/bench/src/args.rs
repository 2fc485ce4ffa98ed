//! The command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Everything that the store has parts for.
    All,
    /// Durable submissions per second, at 1, 16 and 64 connections.
    Submit,
    /// Durable submissions per second, 1,000 in a call.
    Bulk,
    /// No-op jobs per second from accepted to succeeded; on PostgreSQL also by two nodes, and the statements run bare.
    Drain,
    /// From a submission to the start of its body, at 50 jobs per second.
    Latency,
    /// Pages and counts over many stored jobs.
    Query,
    /// SQLite: one migration against qemu-img, cp and dd.
    Copy,
    /// SQLite: from a file to a Ceph pool and on to another, against rbd; LONGHAUL_BENCH_CEPH_CONF names the cluster.
    Ceph,
    /// Resident memory after one job and a minute.
    Memory,
    /// SQLite: syncs for many submissions, counted by strace.
    Syncs,
    /// PostgreSQL: from the kill of a node to the first checkpoint of each of its jobs elsewhere.
    Takeover,
    /// PostgreSQL: submit and drain beside a million finished, and a million waiting, jobs.
    Million,
    /// PostgreSQL: drain while another client holds a transaction open.
    HeldOpen,
}

impl Part {
    /// Whether a server on PostgreSQL has this part.
    fn is_of_postgres(self) -> bool {
        !matches!(self, Self::Copy | Self::Ceph | Self::Syncs)
    }

    /// Whether a server on SQLite has this part.
    fn is_of_sqlite(self) -> bool {
        !matches!(self, Self::Takeover | Self::Million | Self::HeldOpen)
    }
}

/// Measures a Longhaul server that it starts itself.
#[derive(Parser)]
#[command(name = "longhaul-bench", version)]
pub struct Args {
    /// What to measure
    #[arg(value_enum, default_value = "all")]
    pub parts: Vec<Part>,
    /// Where the server keeps its jobs: sqlite; postgres, which starts a PostgreSQL server by
    /// tests/tools/postgres-dev.sh; or postgres://USER:PASSWORD@HOST/DATABASE, whose role may make databases
    #[arg(long, default_value = "sqlite", value_name = "STORE")]
    pub store: String,
    /// A setting of the PostgreSQL server that is started, such as shared_buffers=4GB
    #[arg(long = "pg-set", value_name = "NAME=VALUE")]
    pub pg_set: Vec<String>,
    /// Rounds; the parts take turns within each
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rounds: u32,
    /// One round of a fiftieth of everything, to see that the parts work: its figures say nothing
    #[arg(long)]
    pub quick: bool,
    /// Write the table here as Markdown
    #[arg(long, value_name = "FILE.md")]
    pub out: Option<PathBuf>,
    /// Write the table into this document, between its comments `bench: NAME` and `end of bench`
    #[arg(long, value_name = "FILE.md")]
    pub into: Option<PathBuf>,
    /// The NAME of those comments [default: sqlite or postgres]
    #[arg(long, requires = "into", value_name = "NAME")]
    pub block: Option<String>,
    /// Write the table here as JSON
    #[arg(long, value_name = "FILE.json")]
    pub json: Option<PathBuf>,
    /// Keep what the file of --json holds of other parts, so that parts can be run one at a time
    #[arg(long, requires = "json")]
    pub add: bool,
    /// The server's binary [default: longhaul beside this one]
    #[arg(long, value_name = "FILE")]
    pub server: Option<PathBuf>,
    /// Where data directories, databases and disks go; a directory in it is made and removed
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Stored jobs that queries run over
    #[arg(long, default_value_t = 1_000_000)]
    pub stored: u64,
    /// A filled data directory to use again; made if it is missing
    #[arg(long, value_name = "DIR")]
    pub filled: Option<PathBuf>,
    /// A word about the machine's load, for the table
    #[arg(long, default_value = "")]
    pub remark: String,
}

impl Args {
    /// Whether the server is one on SQLite.
    pub fn is_sqlite(&self) -> bool {
        self.store == "sqlite"
    }

    /// Whether this part is asked for, and the store has it.
    pub fn wants(&self, part: Part) -> bool {
        let has = if self.is_sqlite() { part.is_of_sqlite() } else { part.is_of_postgres() };
        has && (self.parts.contains(&Part::All) || self.parts.contains(&part))
    }

    /// What is wrong with them, if something is.
    pub fn misuse(&self) -> Option<String> {
        let sqlite = self.is_sqlite();
        let known = sqlite || self.store == "postgres" || self.store.starts_with("postgres://");
        if !known {
            return Some(format!(
                "--store {}: write sqlite, postgres, or postgres://USER:PASSWORD@HOST/DATABASE",
                self.store
            ));
        }
        let missing = self.parts.iter().find(|part| **part != Part::All && !self.wants(**part))?;
        let name = missing.to_possible_value().map_or_else(String::new, |name| name.get_name().to_owned());
        let other = if sqlite { "--store postgres" } else { "--store sqlite" };
        Some(format!("the part {name} is one of {other}"))
    }

    /// How many rounds.
    pub fn rounds(&self) -> u32 {
        if self.quick { 1 } else { self.rounds }
    }
}
