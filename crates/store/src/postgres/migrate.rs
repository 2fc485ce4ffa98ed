//! The schema's history: numbered files, applied in order, all that are due in one transaction under one lock, so
//! that of nodes that start together one does it. A merged file is never edited; its checksum is compared.

use sha2::{Digest, Sha256};

use super::link::{Link, Mode};
use super::open::{OpenError, Opened, unusable};
use super::rows::get;
use super::tx::Tx;
use super::value::params;
use crate::StoreError;

/// One file of the schema's history.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// The file's name below `migrations/postgres`.
    pub file: &'static str,
    /// Its statements.
    pub sql: &'static str,
    /// The oldest schema whose release can work beside what this file makes: during a rolling upgrade, and after a
    /// step back.
    pub oldest: i64,
}

/// All of them, the first has number 1.
pub const MIGRATIONS: [Migration; 7] = [
    Migration {
        file: "0001_start.sql",
        sql: include_str!("../../migrations/postgres/0001_start.sql"),
        oldest: 1,
    },
    // A release of before would claim what waits for room, or for another host.
    Migration {
        file: "0002_queue.sql",
        sql: include_str!("../../migrations/postgres/0002_queue.sql"),
        oldest: 2,
    },
    // And one of before this would work on a host that is drained, and cut the records of others.
    Migration {
        file: "0003_nodes.sql",
        sql: include_str!("../../migrations/postgres/0003_nodes.sql"),
        oldest: 3,
    },
    // What it adds is kept by the database itself, whoever writes.
    Migration {
        file: "0004_job_state.sql",
        sql: include_str!("../../migrations/postgres/0004_job_state.sql"),
        oldest: 3,
    },
    // Where versions of rows lie is the database's business.
    Migration {
        file: "0005_versions.sql",
        sql: include_str!("../../migrations/postgres/0005_versions.sql"),
        oldest: 3,
    },
    // In which order it keeps what it keeps, too.
    Migration {
        file: "0006_one_way.sql",
        sql: include_str!("../../migrations/postgres/0006_one_way.sql"),
        oldest: 3,
    },
    // How much it looks at to know what is common, as well.
    Migration {
        file: "0007_statistics.sql",
        sql: include_str!("../../migrations/postgres/0007_statistics.sql"),
        oldest: 3,
    },
];

/// The newest schema this release knows.
pub(super) const NEWEST: i64 = MIGRATIONS.len() as i64;

const HISTORY: &str = "CREATE TABLE IF NOT EXISTS schema_migration (
    number BIGINT PRIMARY KEY,
    file   TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    oldest BIGINT NOT NULL, -- the oldest schema whose release can work with what this file made
    at     TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
)";

/// Brings the schema up to date.
pub(super) async fn migrate(link: &Link) -> Result<(), OpenError> {
    let may_begin = link.options.may_begin;
    let done =
        link.call(Mode::Migrate, may_begin, |tx, may_begin| Box::pin(bring_up_to_date(tx, *may_begin))).await;
    done.map_err(unusable)?
}

async fn bring_up_to_date(tx: &Tx, may_begin: bool) -> Opened<()> {
    tx.rows("SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || 'longhaul schema', 0))", &[])
        .await?;
    let row = tx
        .first(
            "SELECT current_schema(),
                EXISTS (SELECT 1 FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'schema_migration'),
                EXISTS (SELECT 1 FROM pg_tables WHERE schemaname = current_schema() AND tablename IN ('job', 'node', 'meta'))",
            &[],
        )
        .await?
        .ok_or(StoreError::NotFound)?;
    let (schema, is_ours, is_used): (Option<String>, bool, bool) =
        (get(&row, 0)?, get(&row, 1)?, get(&row, 2)?);
    let Some(schema) = schema else {
        let why = "no schema of the search_path exists; make one, or leave search_path as it is".to_owned();
        return Ok(Err(OpenError::Unfit { why }));
    };
    if is_used && !is_ours {
        return Ok(Err(OpenError::Foreign { schema }));
    }
    if !is_ours && !may_begin {
        return Ok(Err(OpenError::Empty));
    }
    let mut done = 0;
    if is_ours {
        let history =
            tx.rows("SELECT number, sha256, oldest FROM schema_migration ORDER BY number", &[]).await?;
        if history.is_empty() && is_used {
            return Ok(Err(OpenError::Hollow));
        }
        for row in history {
            let (number, sha256, oldest): (i64, String, i64) = (get(&row, 0)?, get(&row, 1)?, get(&row, 2)?);
            let known = usize::try_from(number - 1).ok().and_then(|at| MIGRATIONS.get(at));
            match known {
                Some(known) if checksum(known) != sha256 => {
                    return Ok(Err(OpenError::Edited { file: known.file.to_owned() }));
                }
                Some(_) => done = number,
                None if oldest <= NEWEST => {} // a newer release made it, and we can work beside that
                None => return Ok(Err(OpenError::Newer { found: number, known: NEWEST })),
            }
        }
    } else {
        tx.batch(HISTORY).await?;
    }
    for (number, migration) in (1..).zip(&MIGRATIONS).filter(|(number, _)| *number > done) {
        tx.batch(migration.sql).await?;
        tx.execute(
            "INSERT INTO schema_migration (number, file, sha256, oldest) VALUES ($1, $2, $3, $4)",
            &params![number, migration.file, checksum(migration), migration.oldest],
        )
        .await?;
        tracing::info!(file = migration.file, "the store's schema was brought up to date");
    }
    Ok(Ok(()))
}

fn checksum(migration: &Migration) -> String {
    Sha256::digest(migration.sql.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
