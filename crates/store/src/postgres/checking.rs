//! Looking whether a store is sound: every rule of `crate::house::relations`, all of one moment, while servers work.
//! The database's own files are its own matter: `pg_amcheck`, and checksums of its pages.

use std::pin::pin;

use futures::TryStreamExt;
use tokio_postgres::types::ToSql;

use super::alone::Alone;
use super::error::told;
use super::migrate::NEWEST;
use super::open::OpenError;
use crate::house::Report;
use crate::house::check::Told;
use crate::house::relations::{RELATIONS, Relation, either};
use crate::house::tables::{COUNTS, TABLES};

/// One moment, read without a limit of time.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY;
    SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0";

/// Whether there is a store, and how many tables there are at all.
const WHAT_IS_THERE: &str = "SELECT to_regclass('schema_migration') IS NOT NULL, count(*) FROM pg_tables
    WHERE schemaname = ANY (current_schemas(false))";

/// Of the one table that PostgreSQL has and SQLite has not.
const STATES: Relation = Relation {
    holds: "the states of jobs are found where queries look for them",
    broken: "SELECT coalesce(j.uuid, s.uuid) || ' stands otherwise in job_state' FROM job AS j
        FULL JOIN job_state AS s ON s.job = j.id
        WHERE (j.id, j.uuid, j.account, j.create_ms, j.state)
            IS DISTINCT FROM (s.job, s.uuid, s.account, s.create_ms, s.state)",
    remedy: either(
        "make them anew, in one transaction: DELETE FROM job_state; INSERT INTO job_state SELECT id, uuid, account, \
         create_ms, state FROM job; and report this",
    ),
};

/// Checks the store at `url`. `step` is told each rule before it is looked at.
///
/// # Errors
/// It cannot be reached, is no store, or is of a newer release.
pub async fn check(url: &str, mut step: impl FnMut(&str)) -> Result<Report, OpenError> {
    let alone = Alone::connect(url).await?;
    let failed = |error: tokio_postgres::Error| OpenError::Unusable { why: told(&error) };
    alone.client.batch_execute(BEGIN).await.map_err(failed)?;
    let row = alone.client.query_one(WHAT_IS_THERE, &[]).await.map_err(failed)?;
    let (is_ours, anothers): (bool, i64) = (row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?);
    if !is_ours {
        let why = match anothers {
            0 => "nothing was ever stored in this database".to_owned(),
            tables => format!("it holds no store, but {tables} tables of something else"),
        };
        return Err(OpenError::Unusable { why });
    }
    let sql = "SELECT coalesce(max(number), 0), coalesce(max(oldest), 0) FROM schema_migration";
    let row = alone.client.query_one(sql, &[]).await.map_err(failed)?;
    let (found, oldest): (i64, i64) = (row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?);
    if found == 0 {
        return Err(OpenError::Hollow);
    }
    if oldest > NEWEST {
        return Err(OpenError::Newer { found, known: NEWEST });
    }
    let schema = i32::try_from(found).unwrap_or(i32::MAX);
    let mut report = Report { schema, rows: Vec::new(), rules: 0, findings: Vec::new() };
    // Of an earlier release some tables are not there yet.
    if found < NEWEST {
        return Ok(report);
    }
    for table in TABLES.iter().chain([&COUNTS]) {
        let row = alone.client.query_one(&format!("SELECT count(*) FROM {}", table.name), &[]).await;
        let rows: i64 = row.map_err(failed)?.try_get(0).map_err(failed)?;
        report.rows.push((table.name, u64::try_from(rows).unwrap_or(0)));
    }
    for relation in RELATIONS.iter().chain([&STATES]) {
        step(relation.holds);
        report.rules += 1;
        let nothing: [&(dyn ToSql + Sync); 0] = [];
        let mut rows = pin!(alone.client.query_raw(relation.broken, nothing).await.map_err(failed)?);
        let mut broken = Told::default();
        while let Some(row) = rows.try_next().await.map_err(failed)? {
            broken.one(row.try_get(0).map_err(failed)?);
        }
        report.findings.extend(broken.finding(relation, relation.remedy.postgres));
    }
    Ok(report)
}
