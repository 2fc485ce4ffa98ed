//! Queries on PostgreSQL. How they become SQL is in `crate::sql`. Statements are planned with their values each time:
//! which index is right hangs on them.

use async_trait::async_trait;
use longhaul_model::query::{Answer, Budget, Field, Filter, Query, ROWS_MAX_BYTES, Resource, Rows, Weigh};
use longhaul_model::resource::Tag;
use longhaul_model::{AccountId, Job, JobState};
use tokio_postgres::Row;

use super::rows::{self, get};
use super::tx::Tx;
use super::value::{Bind, Value, column, params};
use super::{PostgresStore, Result, image_rows};
use crate::sql::plan::{
    PREFIX_SORT_MAX, count_prefix, counted_by_prefix, in_range, is_counted, merged, only_list, order,
    picking_prefix, sort_of,
};
use crate::sql::{Bound, Dialect, Sql, columns, conditions};
use crate::{Queries, StoreError};

const HERE: Dialect = Dialect::Postgres;

#[async_trait]
impl Queries for PostgresStore {
    async fn query(&self, query: &Query) -> Result<Answer> {
        self.look(query.clone(), |tx, query| Box::pin(tx.answer(query))).await
    }

    async fn counts(&self, account: Option<AccountId>) -> Result<Vec<(JobState, u64)>> {
        self.look(account, |tx, account| Box::pin(tx.counts(*account))).await
    }

    async fn tags(&self, resource_uuid: &str) -> Result<Vec<Tag>> {
        self.look(resource_uuid.to_owned(), |tx, uuid| {
            Box::pin(async move {
                let sql = format!(
                    "SELECT {} FROM tag AS j WHERE j.resource_uuid = $1 ORDER BY j.create_ms, j.uuid",
                    rows::TAG
                );
                tx.rows(&sql, &params![uuid]).await?.iter().map(rows::tag).collect()
            })
        })
        .await
    }
}

impl Tx {
    async fn counts(&self, account: Option<AccountId>) -> Result<Vec<(JobState, u64)>> {
        let mut filter = Filter { visible_to: account, ..Filter::default() };
        if self.is_retired(&filter).await? {
            return Ok(JobState::ALL.into_iter().map(|state| (state, 0)).collect());
        }
        let sql = conditions::of(HERE, Resource::Job, &mut filter);
        let text = format!(
            "SELECT state, CAST(sum(n) AS BIGINT) FROM job_count AS j WHERE {} GROUP BY state",
            sql.text
        );
        let mut found = std::collections::BTreeMap::new();
        for row in self.rows(&text, &values(&sql)).await? {
            found.insert(get::<String>(&row, 0)?, rows::count(&row, 1)?);
        }
        Ok(JobState::ALL.into_iter().map(|s| (s, found.get(s.name()).copied().unwrap_or(0))).collect())
    }

    async fn answer(&self, query: &Query) -> Result<Answer> {
        let nothing = self.is_retired(&query.filter).await?;
        let mut filter = query.filter.clone();
        let sql = conditions::of(HERE, query.resource, &mut filter);
        let total = match (query.want_total, nothing) {
            (false, _) => None,
            (true, true) => Some(0),
            (true, false) => Some(self.total(query.resource, &filter, &sql).await?),
        };
        let rows = if query.want_rows && !nothing {
            self.page(query, &filter, sql).await?
        } else {
            Rows::none_of(query.resource)
        };
        Ok(Answer { rows, total })
    }

    /// What belonged to a deleted account belongs to nobody.
    async fn is_retired(&self, filter: &Filter) -> Result<bool> {
        let Some(account) = filter.visible_to else { return Ok(false) };
        self.exists("SELECT 1 FROM retired_account WHERE uuid = $1", &params![account]).await
    }

    async fn total(&self, resource: Resource, filter: &Filter, sql: &Sql) -> Result<u64> {
        let by_prefix = if resource == Resource::Job { counted_by_prefix(filter, sql) } else { None };
        let sql = by_prefix.as_ref().unwrap_or(sql);
        let text = if resource == Resource::Job && is_counted(filter) {
            format!("SELECT CAST(coalesce(sum(n), 0) AS BIGINT) FROM job_count AS j WHERE {}", sql.text)
        } else {
            let counted = format!(
                "SELECT count(*) FROM {} WHERE {}",
                columns::from(resource, sql.needs_body),
                sql.text
            );
            if resource == Resource::Job { by_state(&counted) } else { counted }
        };
        self.first(&text, &values(sql)).await?.map_or(Ok(0), |row| rows::count(&row, 0))
    }

    async fn page(&self, query: &Query, filter: &Filter, sql: Sql) -> Result<Rows> {
        Ok(match query.resource {
            Resource::Job => Rows::Jobs(self.jobs(query, filter, sql).await?),
            Resource::Account => Rows::Accounts(self.small(query, sql, rows::ACCOUNT, rows::account).await?),
            Resource::Node => Rows::Nodes(self.small(query, sql, rows::NODE, rows::node).await?),
            Resource::Storage => Rows::Storages(self.small(query, sql, rows::STORAGE, rows::storage).await?),
            Resource::Volume => Rows::Volumes(self.small(query, sql, rows::VOLUME, rows::volume).await?),
            Resource::AccessKey => {
                Rows::AccessKeys(self.small(query, sql, rows::ACCESS_KEY, rows::access_key).await?)
            }
            Resource::SystemTag => Rows::SystemTags(self.small(query, sql, rows::TAG, rows::tag).await?),
            Resource::UserTag => Rows::UserTags(self.small(query, sql, rows::TAG, rows::tag).await?),
            Resource::BackupStorage => {
                let (columns, read) = (image_rows::BACKUP_STORAGE, image_rows::backup_storage);
                Rows::BackupStorages(self.small(query, sql, columns, read).await?)
            }
            Resource::Image => {
                Rows::Images(self.small(query, sql, image_rows::IMAGE, image_rows::image).await?)
            }
        })
    }

    /// Of jobs first the rows' numbers, mostly from an index alone, then the rows.
    async fn jobs(&self, query: &Query, filter: &Filter, sql: Sql) -> Result<Vec<Job>> {
        let sql = self.job_ids(query, filter, sql).await?;
        let found = self.rows(&by_state(&sql.text), &values(&sql)).await?;
        let ids = found.iter().map(|row| get::<i64>(row, 0)).collect::<Result<Vec<_>>>()?;
        let columns = if query.without_bodies { rows::JOB_WITHOUT_BODIES } else { rows::JOB };
        let text = format!(
            "SELECT {columns} FROM unnest($1::BIGINT[]) WITH ORDINALITY AS u(id, nth)
             JOIN job AS j ON j.id = u.id JOIN job_body AS b ON b.job = j.id ORDER BY u.nth"
        );
        let mut jobs = Taken::new();
        // A part at a time, so that what is too much for an answer is not all fetched to see that.
        for part in ids.chunks(ROWS_AT_ONCE) {
            for row in self.rows(&text, &params![column(part.iter().copied())]).await? {
                match rows::job(&row) {
                    Ok(job) => jobs.take(job)?,
                    // One that cannot be read holds up no other. It is ended, and told of, when it is to be claimed.
                    Err(error) => {
                        tracing::error!(%error, "a job cannot be read and is left out of an answer");
                    }
                }
            }
        }
        Ok(jobs.rows)
    }

    /// The statement that finds the row numbers of a page of jobs.
    async fn job_ids(&self, query: &Query, filter: &Filter, sql: Sql) -> Result<Sql> {
        let sort = sort_of(query);
        if sort.field == Field::CreateDate {
            if let Some(at) = only_list(filter) {
                return Ok(merged(HERE, query, filter, at, sort.descending));
            }
            if let Some(prefix) = picking_prefix(filter) {
                let count = count_prefix(HERE, filter, prefix, "job AS j");
                let found = self.first(&count.text, &values(&count)).await?;
                let found: i64 = found.map_or(Ok(0), |row| get(&row, 0))?;
                if found <= PREFIX_SORT_MAX {
                    return Ok(ranged(query, sql, prefix));
                }
            }
        }
        let body = sql.needs_body || columns::is_in_body(Resource::Job, sort.field);
        let mut sql = sql;
        let page = sql.bind_page(query.page);
        let (from, order) = (columns::from(Resource::Job, body), order(HERE, query));
        sql.text = format!("SELECT j.id FROM {from} WHERE {} ORDER BY {order} {page}", sql.text);
        Ok(sql)
    }

    /// Of everything else there are few: sorted as they are.
    async fn small<T: Weigh>(
        &self,
        query: &Query,
        mut sql: Sql,
        columns: &str,
        read: fn(&Row) -> Result<T>,
    ) -> Result<Vec<T>> {
        let order = order(HERE, query);
        let page = sql.bind_page(query.page);
        let from = columns::from(query.resource, false);
        let text = format!("SELECT {columns} FROM {from} WHERE {} ORDER BY {order} {page}", sql.text);
        let mut found = Taken::new();
        for row in self.rows(&text, &values(&sql)).await? {
            found.take(read(&row)?)?;
        }
        Ok(found.rows)
    }
}

/// A statement about jobs that says something of their states, with the table of states in it: of those that say where
/// a job stands in an index, its columns are the same. No text in a statement comes from a user.
fn by_state(text: &str) -> String {
    if !text.contains("j.state") {
        return text.to_owned();
    }
    let mut text = text.to_owned();
    for (of_job, of_state) in [
        ("j.state", "s.state"),
        ("j.create_ms", "s.create_ms"),
        ("j.uuid", "s.uuid"),
        ("j.account", "s.account"),
        ("j.id", "s.job"),
    ] {
        text = text.replace(of_job, of_state);
    }
    let names_job = text.contains("j.");
    let from = if names_job { "job_state AS s JOIN job AS j ON j.id = s.job" } else { "job_state AS s" };
    text.replace("job AS j", from)
}

/// Jobs read at once.
const ROWS_AT_ONCE: usize = 500;

/// A short range of the name's index, sorted. OFFSET 0 keeps the planner from going along the dates instead.
fn ranged(query: &Query, mut sql: Sql, prefix: &str) -> Sql {
    let range = in_range(&mut sql, prefix);
    let page = sql.bind_page(query.page);
    let from = columns::from(Resource::Job, sql.needs_body);
    let direction = if sort_of(query).descending { "DESC" } else { "ASC" };
    sql.text = format!(
        "SELECT s.id FROM (SELECT j.id AS id, j.create_ms, j.uuid FROM {from} WHERE {} AND {range} OFFSET 0) AS s
         ORDER BY s.create_ms {direction}, s.uuid {direction} {page}",
        sql.text
    );
    sql
}

fn values(sql: &Sql) -> Vec<Value<'_>> {
    let value = |bound: &'_ Bound| match bound {
        Bound::Text(text) => text.clone().bind(),
        Bound::Int(number) => (*number).bind(),
        Bound::Texts(texts) => column(texts.iter().cloned()),
        Bound::Ints(numbers) => column(numbers.iter().copied()),
    };
    sql.values.iter().map(value).collect()
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

    fn take(&mut self, row: T) -> Result<()> {
        if !self.budget.take(&row) {
            return Err(StoreError::TooLarge { limit_bytes: ROWS_MAX_BYTES });
        }
        self.rows.push(row);
        Ok(())
    }
}
