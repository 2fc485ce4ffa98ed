//! Queries on SQLite. How they become SQL is in `crate::sql`; the choice of index is in `plan`.

mod plan;

use std::time::Duration;

use async_trait::async_trait;
use longhaul_model::query::{Answer, Budget, Filter, Query, ROWS_MAX_BYTES, Resource, Rows, Weigh};
use longhaul_model::resource::Tag;
use longhaul_model::{AccountId, JobState};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};

use super::readers::or_too_slow;
use super::{Result, SqliteStore, image_rows, rows};
use crate::sql::plan::{counted_by_prefix, is_counted, order};
use crate::sql::{Bound, Dialect, Sql, columns, conditions};
use crate::{Queries, StoreError};

impl rusqlite::ToSql for Bound {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Self::Int(number) => ToSqlOutput::Borrowed(ValueRef::Integer(*number)),
            // Lists are bound as JSON here.
            Self::Texts(_) | Self::Ints(_) => ToSqlOutput::Borrowed(ValueRef::Null),
        })
    }
}

/// Why a query has no answer.
enum Stop {
    Sql(rusqlite::Error),
    TooLarge,
}

impl From<rusqlite::Error> for Stop {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

/// Rows that may not be more than one answer holds.
struct Taken<T> {
    rows: Vec<T>,
    budget: Budget,
}

impl<T: Weigh> Taken<T> {
    fn new() -> Self {
        Self { rows: Vec::new(), budget: Budget::of(ROWS_MAX_BYTES) }
    }

    fn take(&mut self, row: T) -> std::result::Result<(), Stop> {
        if !self.budget.take(&row) {
            return Err(Stop::TooLarge);
        }
        self.rows.push(row);
        Ok(())
    }
}

#[async_trait]
impl Queries for SqliteStore {
    async fn query(&self, query: &Query) -> Result<Answer> {
        let (query, limit) = (query.clone(), self.options.query_limit);
        self.read(move |connection| {
            // One transaction: rows and total are of the same moment.
            or_too_slow(connection.execute_batch("BEGIN"), limit)?;
            let answer = answer(connection, &query);
            let _ = connection.execute_batch("ROLLBACK");
            match answer {
                Ok(answer) => Ok(answer),
                Err(Stop::Sql(error)) => or_too_slow(Err(error), limit),
                Err(Stop::TooLarge) => Err(StoreError::TooLarge { limit_bytes: ROWS_MAX_BYTES }),
            }
        })
        .await
    }

    async fn counts(&self, account: Option<AccountId>) -> Result<Vec<(JobState, u64)>> {
        let limit = self.options.query_limit;
        self.read(move |connection| or_too_slow(counts(connection, account), limit)).await
    }

    async fn tags(&self, resource_uuid: &str) -> Result<Vec<Tag>> {
        let uuid = resource_uuid.to_owned();
        let limit: Duration = self.options.query_limit;
        self.read(move |connection| or_too_slow(tags(connection, &uuid), limit)).await
    }
}

fn counts(connection: &Connection, account: Option<AccountId>) -> rusqlite::Result<Vec<(JobState, u64)>> {
    let mut filter = Filter { visible_to: account, ..Filter::default() };
    if is_retired(connection, &filter)? {
        return Ok(JobState::ALL.into_iter().map(|state| (state, 0)).collect());
    }
    let sql = conditions::of(Dialect::Sqlite, Resource::Job, &mut filter);
    let text = format!("SELECT state, sum(n) FROM job_count AS j WHERE {} GROUP BY state", sql.text);
    let mut found = std::collections::BTreeMap::new();
    let mut statement = connection.prepare_cached(&text)?;
    let mut rows = statement.query(params_from_iter(sql.values))?;
    while let Some(row) = rows.next()? {
        found.insert(row.get::<_, String>(0)?, rows::count(row, 1)?);
    }
    Ok(JobState::ALL.into_iter().map(|s| (s, found.get(s.name()).copied().unwrap_or(0))).collect())
}

fn tags(connection: &Connection, uuid: &str) -> rusqlite::Result<Vec<Tag>> {
    let text =
        format!("SELECT {} FROM tag AS j WHERE j.resource_uuid = ?1 ORDER BY j.create_ms, j.uuid", rows::TAG);
    let mut statement = connection.prepare_cached(&text)?;
    let found = statement.query_map([uuid], rows::tag)?;
    found.collect()
}

fn answer(connection: &Connection, query: &Query) -> std::result::Result<Answer, Stop> {
    let nothing = is_retired(connection, &query.filter)?;
    let mut filter = query.filter.clone();
    let sql = conditions::of(Dialect::Sqlite, query.resource, &mut filter);
    let total = match (query.want_total, nothing) {
        (false, _) => None,
        (true, true) => Some(0),
        (true, false) => Some(total(connection, query.resource, &filter, &sql)?),
    };
    let rows = if query.want_rows && !nothing {
        page(connection, query, &filter, sql)?
    } else {
        Rows::none_of(query.resource)
    };
    Ok(Answer { rows, total })
}

/// What belonged to a deleted account belongs to nobody.
fn is_retired(connection: &Connection, filter: &Filter) -> rusqlite::Result<bool> {
    let Some(account) = filter.visible_to else { return Ok(false) };
    connection.prepare_cached("SELECT 1 FROM retired_account WHERE uuid = ?1")?.exists([account.to_string()])
}

fn total(connection: &Connection, resource: Resource, filter: &Filter, sql: &Sql) -> rusqlite::Result<u64> {
    let by_prefix = if resource == Resource::Job { counted_by_prefix(filter, sql) } else { None };
    let sql = by_prefix.as_ref().unwrap_or(sql);
    let text = if resource == Resource::Job && is_counted(filter) {
        format!("SELECT coalesce(sum(n), 0) FROM job_count AS j WHERE {}", sql.text)
    } else {
        format!("SELECT count(*) FROM {} WHERE {}", columns::from(resource, sql.needs_body), sql.text)
    };
    let values = params_from_iter(&sql.values);
    connection.prepare_cached(&text)?.query_row(values, |row| rows::count(row, 0))
}

fn page(
    connection: &Connection,
    query: &Query,
    filter: &Filter,
    sql: Sql,
) -> std::result::Result<Rows, Stop> {
    match query.resource {
        Resource::Job => jobs(connection, query, filter, sql).map(Rows::Jobs),
        Resource::Account => small(connection, query, sql, rows::ACCOUNT, rows::account).map(Rows::Accounts),
        Resource::Node => small(connection, query, sql, rows::NODE, rows::node).map(Rows::Nodes),
        Resource::Storage => small(connection, query, sql, rows::STORAGE, rows::storage).map(Rows::Storages),
        Resource::Volume => small(connection, query, sql, rows::VOLUME, rows::volume).map(Rows::Volumes),
        Resource::AccessKey => {
            small(connection, query, sql, rows::ACCESS_KEY, rows::access_key).map(Rows::AccessKeys)
        }
        Resource::SystemTag => small(connection, query, sql, rows::TAG, rows::tag).map(Rows::SystemTags),
        Resource::UserTag => small(connection, query, sql, rows::TAG, rows::tag).map(Rows::UserTags),
        Resource::BackupStorage => {
            small(connection, query, sql, image_rows::BACKUP_STORAGE, image_rows::backup_storage)
                .map(Rows::BackupStorages)
        }
        Resource::Image => {
            small(connection, query, sql, image_rows::IMAGE, image_rows::image).map(Rows::Images)
        }
    }
}

/// Of jobs first the rows' numbers, mostly from an index alone, then the rows.
fn jobs(
    connection: &Connection,
    query: &Query,
    filter: &Filter,
    sql: Sql,
) -> std::result::Result<Vec<longhaul_model::Job>, Stop> {
    let sql = plan::job_ids(connection, query, filter, sql)?;
    let mut statement = connection.prepare_cached(&sql.text)?;
    let ids = statement
        .query_map(params_from_iter(sql.values), |row| row.get::<_, i64>(0))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let columns = if query.without_bodies { rows::JOB_WITHOUT_BODIES } else { rows::JOB };
    let text = format!("SELECT {columns} FROM job AS j JOIN job_body AS b ON b.job = j.id WHERE j.id = ?1");
    let mut statement = connection.prepare_cached(&text)?;
    let mut jobs = Taken::new();
    for id in ids {
        match statement.query_row([id], rows::job).optional() {
            Ok(Some(job)) => jobs.take(job)?,
            Ok(None) => {}
            // One that cannot be read holds up no other. It is ended, and told of, when it is to be claimed.
            Err(error) if error.sqlite_error().is_none() => {
                tracing::error!(row = id, %error, "a job cannot be read and is left out of an answer");
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(jobs.rows)
}

/// Of everything else there are few: sorted as they are.
fn small<T: Weigh>(
    connection: &Connection,
    query: &Query,
    mut sql: Sql,
    columns: &str,
    read: fn(&Row<'_>) -> rusqlite::Result<T>,
) -> std::result::Result<Vec<T>, Stop> {
    let order = order(Dialect::Sqlite, query);
    let page = sql.bind_page(query.page);
    let text = format!(
        "SELECT {columns} FROM {} WHERE {} ORDER BY {order} {page}",
        columns::from(query.resource, false),
        sql.text,
    );
    let mut statement = connection.prepare_cached(&text)?;
    let mut found = Taken::new();
    for row in statement.query_map(params_from_iter(sql.values), read)? {
        found.take(row?)?;
    }
    Ok(found.rows)
}
