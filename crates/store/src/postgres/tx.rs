//! What a call works with: a connection inside its transaction, the store's moment, and what is written together
//! with the commit. A statement goes out at once and is waited for (`rows`, `first`, `execute`), or is posted: then
//! it goes out in front of the next one that is waited for, at the latest in front of the commit, without a way to
//! the database and back of its own. How transactions begin, end and are repeated is in `link`.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use deadpool_postgres::Client;
use futures::TryStreamExt;
use longhaul_model::{Job, JobState, Runtime};
use tokio_postgres::types::Type;
use tokio_postgres::{Error, Row, Statement};

use super::Result;
use super::error::{self, Meaning};
use super::heads::Heads;
use super::rows;
use super::value::{Value, column, params};
use crate::StoreError;
use crate::lease::Leases;

/// Shards of a count, of which a connection writes one. With more, writers meet less and readers add up more.
const COUNT_SHARDS: u32 = 16;

/// Asks for the store's moment.
const TIME: &str = "SELECT longhaul_now()";

/// Holds what a kind and a text name.
const HOLD: &str = "SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || $1 || $2, 0))";

/// Changes of counts by (account, job name, state).
type Counts = BTreeMap<(String, String, &'static str), i64>;

/// A statement that waits to be sent.
struct Posted {
    sql: String,
    values: Vec<Value<'static>>,
}

/// Rows of one statement, and how many it wrote.
type Reply = std::result::Result<(Vec<Row>, u64), Error>;

/// A statement; it goes out when this is polled first.
type Asked<'a> = Pin<Box<dyn Future<Output = Reply> + Send + 'a>>;

/// How a commit did not succeed.
pub(super) enum Ended {
    /// Nothing is stored.
    RolledBack(StoreError),
    /// Nobody said what became of it.
    Unknown(StoreError),
}

/// What `Tx::hold` holds, each kind by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    /// The order of jobs on one target.
    Target,
    /// What an account gets, against its removal.
    Account,
    /// The lanes of jobs, against other limits.
    Lanes,
    /// What is left of the limits.
    Rooms,
    /// A duty, for who asks for it.
    Duty,
    /// The removal of final jobs.
    Sweep,
}

impl Hold {
    const fn name(self) -> &'static str {
        match self {
            Self::Target => " target ",
            Self::Account => " account ",
            Self::Lanes => " lanes ",
            Self::Rooms => " rooms ",
            Self::Duty => " duty ",
            Self::Sweep => " sweep ",
        }
    }
}

pub(super) struct Tx {
    client: Client,
    /// Whether statements are kept prepared: not behind a pooler that gives each transaction another session.
    prepared: bool,
    pub ttl_ms: i64,
    pub runtime: Arc<dyn Runtime>,
    pub heads: Arc<Heads>,
    now_ms: AtomicI64,
    took_runs: AtomicBool,
    posted: Mutex<Vec<Posted>>,
    counts: Mutex<Counts>,
    /// What the first error of a statement meant; after one the transaction can only be rolled back.
    failed: Mutex<Option<Meaning>>,
}

impl Tx {
    pub(super) fn new(
        client: Client,
        prepared: bool,
        ttl_ms: i64,
        runtime: Arc<dyn Runtime>,
        heads: Arc<Heads>,
    ) -> Self {
        Self {
            client,
            prepared,
            ttl_ms,
            runtime,
            heads,
            now_ms: AtomicI64::new(0),
            took_runs: AtomicBool::new(false),
            posted: Mutex::default(),
            counts: Mutex::default(),
            failed: Mutex::default(),
        }
    }

    /// The store's moment, ms since 1970: of the begin of the transaction, or of the newest `locked`. In a `read`
    /// it is not known: let the statement ask `longhaul_now()`.
    pub(super) fn now_ms(&self) -> i64 {
        self.now_ms.load(Ordering::Relaxed)
    }

    /// Begins with `sql` and learns the time, in one way to the database and back.
    pub(super) async fn begin(&self, sql: &str, wants_time: bool) -> Result<()> {
        let begun = self.client.batch_execute(sql);
        if !wants_time {
            return begun.await.map_err(|error| self.fail(&error));
        }
        let (begun, time) = futures::join!(begun, self.tell_time());
        begun.map_err(|error| self.fail(&error))?;
        time
    }

    async fn tell_time(&self) -> Result<()> {
        self.see_time(self.first(TIME, &[]).await?.as_ref())
    }

    fn see_time(&self, row: Option<&Row>) -> Result<()> {
        if let Some(row) = row {
            self.now_ms.store(rows::get(row, 0)?, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Runs a statement; answers its rows.
    pub(super) async fn rows(&self, sql: &str, values: &[Value<'_>]) -> Result<Vec<Row>> {
        Ok(self.run(sql, values).await?.0)
    }

    /// The first row, if there is one.
    pub(super) async fn first(&self, sql: &str, values: &[Value<'_>]) -> Result<Option<Row>> {
        Ok(self.rows(sql, values).await?.into_iter().next())
    }

    /// As `first` for a statement that waits for a lock: the store's moment is told anew behind it.
    pub(super) async fn locked(&self, sql: &str, values: &[Value<'_>]) -> Result<Option<Row>> {
        Ok(self.all_locked(sql, values).await?.into_iter().next())
    }

    /// The same, all of its rows.
    pub(super) async fn all_locked(&self, sql: &str, values: &[Value<'_>]) -> Result<Vec<Row>> {
        let mut replies = self.send(Some((sql, values)), Some((TIME, &[]))).await?;
        self.see_time(replies.pop().map(|(rows, _)| rows).unwrap_or_default().first())?;
        Ok(replies.pop().map(|(rows, _)| rows).unwrap_or_default())
    }

    /// Whether there is a row.
    pub(super) async fn exists(&self, sql: &str, values: &[Value<'_>]) -> Result<bool> {
        Ok(!self.rows(sql, values).await?.is_empty())
    }

    /// Runs a statement; answers how many rows it wrote.
    pub(super) async fn execute(&self, sql: &str, values: &[Value<'_>]) -> Result<u64> {
        Ok(self.run(sql, values).await?.1)
    }

    /// Runs statements without values: those of a migration.
    pub(super) async fn batch(&self, sql: &str) -> Result<()> {
        self.client.batch_execute(sql).await.map_err(|error| self.fail(&error))
    }

    /// Sends a statement with the next one that is waited for. Its error is that one's.
    pub(super) fn post(&self, sql: impl Into<String>, values: &[Value<'_>]) {
        let values = values.iter().map(Value::to_static).collect();
        lock(&self.posted).push(Posted { sql: sql.into(), values });
    }

    /// Notes that there is one more (or less) job like this in `state`.
    pub(super) fn count(&self, job: &Job, state: JobState, change: i64) {
        self.count_as(&job.account.to_string(), &job.job_name, state, change);
    }

    /// The same of a job that is known by its columns.
    pub(super) fn count_as(&self, account: &str, job_name: &str, state: JobState, change: i64) {
        let key = (account.to_owned(), job_name.to_owned(), state.name());
        *lock(&self.counts).entry(key).or_default() += change;
    }

    /// What the store knows about leases, in one look.
    pub(super) async fn leases(&self) -> Result<Leases> {
        let row = self
            .first(
                "SELECT longhaul_now(), (SELECT max(heartbeat_ms) FROM node),
                    (SELECT value::BIGINT FROM meta WHERE key = 'grace_until_ms')",
                &[],
            )
            .await?
            .ok_or(StoreError::NotFound)?;
        let grace: Option<i64> = rows::get(&row, 2)?;
        Ok(Leases {
            now_ms: rows::get(&row, 0)?,
            ttl_ms: self.ttl_ms,
            newest_ms: rows::get(&row, 1)?,
            grace_until_ms: grace.unwrap_or(i64::MIN),
        })
    }

    /// Holds what `of` names, of that `kind`, against everybody else who does, to the end of the transaction:
    /// where the order of commits must be the order of what is drawn, or where no row is there to be locked.
    pub(super) async fn hold(&self, kind: Hold, of: &str) -> Result<()> {
        self.rows(HOLD, &params![kind.name(), of]).await?;
        Ok(())
    }

    /// As `hold`, posted: what is waited for next sees what was committed before.
    pub(super) fn post_hold(&self, kind: Hold, of: &str) {
        self.post(HOLD, &params![kind.name(), of]);
    }

    /// Shares what `of` names, of that `kind`, with everybody else who does, to the end of the transaction, against who
    /// holds it. It is posted: what is waited for next sees what was committed before.
    pub(super) fn share(&self, kind: Hold, of: &str) {
        self.post(
            "SELECT pg_advisory_xact_lock_shared(hashtextextended(current_schema() || $1 || $2, 0))",
            &params![kind.name(), of],
        );
    }

    /// Sends what is posted, with the counts, and the commit, all at once.
    pub(super) async fn commit(&self) -> std::result::Result<(), Ended> {
        let counts = std::mem::take(&mut *lock(&self.counts));
        let counts: Vec<_> = counts.into_iter().filter(|(_, change)| *change != 0).collect();
        if !counts.is_empty() {
            // In the order of their keys: two that meet on a shard never wait for each other.
            self.post(
                "INSERT INTO job_count (account, job_name, state, n, shard)
                 SELECT a, j, s, n, pg_backend_pid() % $5 FROM unnest($1::TEXT[], $2::TEXT[], $3::TEXT[], $4::BIGINT[]) AS c(a, j, s, n)
                 ON CONFLICT (account, job_name, state, shard) DO UPDATE SET n = job_count.n + excluded.n",
                &params![
                    column(counts.iter().map(|(key, _)| key.0.as_str())),
                    column(counts.iter().map(|(key, _)| key.1.as_str())),
                    column(counts.iter().map(|(key, _)| key.2)),
                    column(counts.iter().map(|(_, change)| *change)),
                    COUNT_SHARDS,
                ],
            );
        }
        if lock(&self.failed).is_some() {
            return Err(Ended::RolledBack(StoreError::Corrupt(
                "a failed statement was passed over".to_owned(),
            )));
        }
        let posted = std::mem::take(&mut *lock(&self.posted));
        let all = || posted.iter().map(|p| (p.sql.as_str(), p.values.as_slice()));
        let statements = self.prepare(all()).await.map_err(Ended::RolledBack)?;
        let asked = all().zip(statements);
        let mut asked: Vec<Asked<'_>> =
            asked.map(|((sql, values), kept)| Box::pin(self.ask(sql, values, kept)) as Asked<'_>).collect();
        asked.push(Box::pin(async {
            self.client.batch_execute("COMMIT").await?;
            Ok((Vec::new(), 0))
        }));
        // A commit behind a failed statement rolls back and says so in its tag alone, so all are looked at.
        for reply in in_order(asked).await {
            if let Err(error) = reply {
                let said = self.fail(&error);
                return Err(match error.code() {
                    Some(_) if error::meaning(&error) != Meaning::Away => Ended::RolledBack(said),
                    _ => Ended::Unknown(error::unknown(&error::told(&error))),
                });
            }
        }
        Ok(())
    }

    /// Rolls back; `false` if the connection can't be used any more.
    pub(super) async fn roll_back(&self) -> bool {
        self.client.batch_execute("ROLLBACK").await.is_ok()
    }

    /// What the first failed statement meant.
    pub(super) fn failure(&self) -> Option<Meaning> {
        *lock(&self.failed)
    }

    /// Runs are given to somebody by this transaction.
    pub(super) fn take_runs(&self) {
        self.took_runs.store(true, Ordering::Relaxed);
    }

    /// Whether that was said.
    pub(super) fn took_runs(&self) -> bool {
        self.took_runs.load(Ordering::Relaxed)
    }

    /// The connection, for its next user or to be closed.
    pub(super) fn into_client(self) -> Client {
        self.client
    }

    fn fail(&self, error: &Error) -> StoreError {
        lock(&self.failed).get_or_insert(error::meaning(error));
        error::from_postgres(error)
    }

    async fn run(&self, sql: &str, values: &[Value<'_>]) -> Result<(Vec<Row>, u64)> {
        Ok(self.send(Some((sql, values)), None).await?.pop().unwrap_or_default())
    }

    /// Sends what is posted and then these, all at once; answers what these answered.
    async fn send(
        &self,
        first: Option<(&str, &[Value<'_>])>,
        second: Option<(&str, &[Value<'_>])>,
    ) -> Result<Vec<(Vec<Row>, u64)>> {
        let posted = std::mem::take(&mut *lock(&self.posted));
        let all = || {
            let posted = posted.iter().map(|p| (p.sql.as_str(), p.values.as_slice()));
            posted.chain(first).chain(second)
        };
        let statements = self.prepare(all()).await?;
        let asked = all().zip(statements);
        let asked = asked.map(|((sql, values), kept)| Box::pin(self.ask(sql, values, kept)) as Asked<'_>);
        let mut answers = Vec::new();
        for reply in in_order(asked.collect()).await {
            answers.push(reply.map_err(|error| self.fail(&error))?);
        }
        Ok(answers.split_off(posted.len()))
    }

    /// The statements, prepared. All of them before any is sent, so that they are sent in their order.
    async fn prepare<'a>(
        &self,
        all: impl Iterator<Item = (&'a str, &'a [Value<'a>])>,
    ) -> Result<Vec<Option<Statement>>> {
        let mut statements = Vec::new();
        for (sql, values) in all {
            statements.push(self.prepare_one(sql, values).await?);
        }
        Ok(statements)
    }

    async fn prepare_one(&self, sql: &str, values: &[Value<'_>]) -> Result<Option<Statement>> {
        if !self.prepared {
            return Ok(None);
        }
        let types: Vec<Type> = values.iter().map(Value::type_of).collect();
        let statement = self.client.prepare_typed_cached(sql, &types).await;
        statement.map(Some).map_err(|error| self.fail(&error))
    }

    async fn ask(&self, sql: &str, values: &[Value<'_>], statement: Option<Statement>) -> Reply {
        let stream = match statement {
            Some(statement) => self.client.query_raw(&statement, values).await?,
            None => {
                let typed = values.iter().map(|value| (value, value.type_of()));
                self.client.query_typed_raw(sql, typed).await?
            }
        };
        let mut stream = std::pin::pin!(stream);
        let mut rows = Vec::new();
        while let Some(row) = stream.try_next().await? {
            rows.push(row);
        }
        let written = stream.rows_affected().unwrap_or(0);
        Ok((rows, written))
    }
}

/// All replies. Every statement is sent, in their order, before the first is waited for.
async fn in_order(mut asked: Vec<Asked<'_>>) -> Vec<Reply> {
    let mut early: Vec<Option<Reply>> = Vec::with_capacity(asked.len());
    std::future::poll_fn(|cx| {
        for one in &mut asked {
            early.push(match one.as_mut().poll(cx) {
                Poll::Ready(reply) => Some(reply),
                Poll::Pending => None,
            });
        }
        Poll::Ready(())
    })
    .await;
    let mut replies = Vec::with_capacity(asked.len());
    for (one, early) in asked.into_iter().zip(early) {
        replies.push(match early {
            Some(reply) => reply,
            None => one.await,
        });
    }
    replies
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
