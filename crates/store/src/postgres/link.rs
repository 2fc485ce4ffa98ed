//! How calls reach the database: pools of connections, begin and end of each transaction, what is repeated and what
//! a caller is told. A transaction that lost against another one, or whose connection broke before its commit was
//! sent, is begun anew, a bounded number of times. Once the commit was sent nothing is repeated: only the caller
//! knows whether it may be.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{
    Client, Manager, ManagerConfig, Object, Pool, PoolError, QueueMode, RecyclingMethod,
};
use longhaul_model::{BoxFuture, Runtime};
use tokio::sync::Semaphore;

use super::Result;
use super::address::Address;
use super::error::{self, Meaning};
use super::heads::Heads;
use super::io::{pause, within};
use super::open::OpenError;
use super::options::{PostgresOptions, TRIES_MAX};
use super::tls::Tls;
use super::tx::{Ended, Tx};
use crate::StoreError;

/// First wait before a transaction is begun anew; doubled each time, with chance.
const AGAIN_AFTER: Duration = Duration::from_millis(2);
/// How long a statement waits for the lock of another transaction before its own is begun anew.
const LOCK_LIMIT: Duration = Duration::from_secs(4);
/// Time limit of bringing a schema up to date.
const MIGRATE_LIMIT: Duration = Duration::from_secs(1800);
/// A database that went without a word is given up after this long without an acknowledgement.
const SILENCE_LIMIT: Duration = Duration::from_secs(10);

/// Plans of statements that write are kept, or one over arrays would be planned anew each time it is run, which takes longer
/// than most of them do. Those that read are kept where the database finds that no dearer.
const KEPT: &str = "-c plan_cache_mode=force_generic_plan";
/// Statements whose plans are kept find their rows by keys. A plan that was made while a table was small would read all of it,
/// or hash it, when it has become large, until the database has counted its rows anew. Queries are planned each time.
const BY_SIZE: [&str; 3] = ["enable_seqscan", "enable_hashjoin", "enable_mergejoin"];
/// Where a way that is off is the only one left, it is priced so high that the database would compile the statement first:
/// a third of a second of a processor for one that then takes microseconds.
const NOT_COMPILED: &str = "jit=off";

/// What a call needs of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// A transaction that writes.
    Write,
    /// The same on the connection of heartbeats.
    Beat,
    /// One statement, or several that may see different moments.
    Read,
    /// A transaction that changes the schema; it knows no time.
    Migrate,
    /// All statements see one moment; ended as `TooSlow` at the limit of queries.
    Query,
}

pub(super) struct Link {
    pub runtime: Arc<dyn Runtime>,
    pub options: PostgresOptions,
    /// How a connection is made, but for what those that read or write add to it.
    pub config: tokio_postgres::Config,
    pub tls: Tls,
    pooled: bool,
    writes: Pool,
    reads: Pool,
    beats: Pool,
    slots: Semaphore,
    heads: Arc<Heads>,
}

/// One try of a call.
enum Try<T> {
    Done(Result<T>),
    Again(StoreError),
}

impl Link {
    pub(super) fn new(
        address: &Address,
        runtime: Arc<dyn Runtime>,
        options: PostgresOptions,
    ) -> std::result::Result<Self, OpenError> {
        let mut config = address.config.clone();
        config.connect_timeout(options.connect_limit);
        config.tcp_user_timeout(SILENCE_LIMIT);
        config.keepalives_idle(SILENCE_LIMIT);
        if !address.pooled {
            let ours: Vec<String> =
                limits(&options).iter().map(|(name, ms)| format!("-c {name}={ms}")).collect();
            let theirs = config.get_options().unwrap_or_default();
            config.options(format!("{} {theirs}", ours.join(" ")).trim());
        }
        let tls = Tls::new(address)?;
        let (mut of_reads, mut of_writes) = (config.clone(), config.clone());
        if !address.pooled {
            let theirs = config.get_options().unwrap_or_default();
            let by_index = BY_SIZE.map(|way| format!("-c {way}=off")).join(" ");
            of_reads.options(format!("{theirs} -c {NOT_COMPILED} {by_index}"));
            of_writes.options(format!("{theirs} -c {NOT_COMPILED} {by_index} {KEPT}"));
        }
        let pool = |config: &tokio_postgres::Config, size: usize| {
            let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
            let manager = Manager::from_config(config.clone(), tls.clone(), recycling);
            Pool::builder(manager)
                .max_size(size.max(1))
                // The one that was used last has its plans, and the database its caches; in turns all would be cold.
                .queue_mode(QueueMode::Lifo)
                .runtime(deadpool_postgres::Runtime::Tokio1)
                .create_timeout(Some(options.connect_limit))
                .wait_timeout(Some(options.write_limit))
                .build()
                .map_err(|error| OpenError::Unusable { why: error.to_string() })
        };
        Ok(Self {
            pooled: address.pooled,
            writes: pool(&of_writes, options.connections)?,
            reads: pool(&of_reads, options.read_connections)?,
            beats: pool(&of_writes, 1)?,
            slots: Semaphore::new(options.queue_max.max(1)),
            heads: Arc::default(),
            config,
            tls,
            runtime,
            options,
        })
    }

    /// Does `work` on a connection, in a transaction as `mode` says; begun anew where that can help.
    pub(super) async fn call<D, T, F>(&self, mode: Mode, data: D, work: F) -> Result<T>
    where
        F: for<'a> Fn(&'a Tx, &'a D) -> BoxFuture<'a, Result<T>>,
    {
        let slot = if mode == Mode::Beat { None } else { Some(self.slots.try_acquire()) };
        if let Some(Err(_)) = slot {
            let max = self.options.queue_max;
            return Err(StoreError::Unavailable(format!("{max} calls wait already")));
        }
        let tries = async {
            let mut wait = AGAIN_AFTER;
            let mut tries = 1;
            loop {
                match self.once(mode, &data, &work).await {
                    Try::Done(answer) => return answer,
                    Try::Again(error) if tries >= TRIES_MAX => return Err(error),
                    Try::Again(_) => {}
                }
                tries += 1;
                let part = u32::try_from(self.runtime.random_u128() & 0xff).unwrap_or(0);
                pause(wait / 2 + wait * part / 512).await;
                wait *= 2;
            }
        };
        // A call that runs into this drops its connection, and the database rolls back what it can.
        let limit = match mode {
            Mode::Migrate => MIGRATE_LIMIT,
            _ => self.options.write_limit.max(self.options.query_limit * 2),
        };
        match within(limit, tries).await {
            Some(answer) => answer,
            None => Err(error::unknown(&format!("no answer within {} s", limit.as_secs()))),
        }
    }

    async fn once<D, T, F>(&self, mode: Mode, data: &D, work: &F) -> Try<T>
    where
        F: for<'a> Fn(&'a Tx, &'a D) -> BoxFuture<'a, Result<T>>,
    {
        let client = match self.connection(mode).await {
            Ok(client) => client,
            Err(error) => return Try::Done(Err(error)),
        };
        let keeps = !self.pooled && mode != Mode::Query;
        let (ttl_ms, runtime) = (self.options.lease_ttl_ms, self.runtime.clone());
        let lent = Lent(Some(Tx::new(client, keeps, ttl_ms, runtime, self.heads.clone())));
        let begin = self.begin(mode);
        if let Some(begin) = &begin
            && let Err(error) = lent.tx().begin(begin, matches!(mode, Mode::Write | Mode::Beat)).await
        {
            return Try::Again(error); // nothing was done yet; the connection is closed
        }
        match work(lent.tx(), data).await {
            Ok(answer) if begin.is_some() => match lent.tx().commit().await {
                Ok(()) => {
                    lent.give_back();
                    Try::Done(Ok(answer))
                }
                Err(Ended::RolledBack(error)) => self.rolled_back(mode, lent, error).await,
                Err(Ended::Unknown(error)) => Try::Done(Err(error)),
            },
            Ok(answer) => {
                lent.give_back();
                Try::Done(Ok(answer))
            }
            Err(error) => self.rolled_back(mode, lent, error).await,
        }
    }

    /// What becomes of a call whose work failed: nothing of it is stored.
    async fn rolled_back<T>(&self, mode: Mode, lent: Lent, error: StoreError) -> Try<T> {
        let failure = lent.tx().failure();
        if lent.tx().took_runs() {
            self.heads.forget();
        }
        // A server that went into another role, or is going down, gets no further call on this connection; nor does one
        // that refused, since it may be statements that were prepared before somebody changed something.
        if !matches!(failure, Some(Meaning::Away | Meaning::Refused)) && lent.tx().roll_back().await {
            lent.give_back();
        }
        match (failure, mode) {
            (Some(Meaning::Again | Meaning::Away), _) => Try::Again(error),
            (Some(Meaning::TimeLimit), Mode::Query | Mode::Read) => {
                Try::Done(Err(StoreError::TooSlow { limit_s: self.options.query_limit.as_secs() }))
            }
            _ => Try::Done(Err(error)),
        }
    }

    async fn connection(&self, mode: Mode) -> Result<Client> {
        let pool = match mode {
            Mode::Write | Mode::Migrate => &self.writes,
            Mode::Beat => &self.beats,
            Mode::Read | Mode::Query => &self.reads,
        };
        pool.get().await.map_err(|error| {
            StoreError::Unavailable(match &error {
                PoolError::Backend(cause) => {
                    format!("the database can't be reached: {}", error::told(cause))
                }
                PoolError::Timeout(_) => "no connection to the database became free in time".to_owned(),
                other => other.to_string(),
            })
        })
    }

    /// The statement that begins a transaction, with what holds in it; `None` where it needs none.
    fn begin(&self, mode: Mode) -> Option<String> {
        let mut sql = match mode {
            Mode::Write | Mode::Beat | Mode::Migrate => {
                "BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE".to_owned()
            }
            Mode::Query => "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY".to_owned(),
            Mode::Read if self.pooled || self.options.clock.is_some() => {
                "BEGIN ISOLATION LEVEL READ COMMITTED, READ ONLY".to_owned()
            }
            Mode::Read => return None,
        };
        if self.pooled {
            for (name, ms) in limits(&self.options) {
                sql.push_str(&format!("; SET LOCAL {name} = {ms}"));
            }
            sql.push_str(&format!("; SET LOCAL {NOT_COMPILED}"));
        }
        if mode == Mode::Query {
            if !self.pooled {
                sql.extend(BY_SIZE.map(|way| format!("; SET LOCAL {way} = on")));
            }
            sql.push_str(&format!(
                "; SET LOCAL statement_timeout = {}",
                self.options.query_limit.as_millis()
            ));
        }
        if mode == Mode::Migrate {
            sql.push_str("; SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0");
        }
        if let Some(clock) = &self.options.clock {
            sql.push_str(&format!("; SET LOCAL longhaul.now_ms = '{}'", clock.now_ms()));
        }
        Some(sql)
    }
}

/// What the database is asked to end by itself, in ms.
fn limits(options: &PostgresOptions) -> [(&'static str, u128); 3] {
    let idle = u128::try_from(options.lease_ttl_ms / 2).unwrap_or(0).max(1);
    [
        ("lock_timeout", LOCK_LIMIT.as_millis()),
        ("statement_timeout", options.write_limit.as_millis()),
        ("idle_in_transaction_session_timeout", idle),
    ]
}

/// A transaction on a connection that is closed unless it is given back: nobody gets one that is in the middle of
/// something, whatever ended the call.
struct Lent(Option<Tx>);

impl Lent {
    fn tx(&self) -> &Tx {
        self.0.as_ref().expect("there until it is given back or dropped")
    }

    fn give_back(mut self) {
        drop(self.0.take());
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(tx) = self.0.take() {
            drop(Object::take(tx.into_client()));
        }
    }
}

/// A call as a future of the store's threads.
#[expect(clippy::manual_async_fn, reason = "says that the future is Send and keeps nothing of the caller's")]
pub(super) fn call<D, T, F>(
    link: Arc<Link>,
    mode: Mode,
    data: D,
    work: F,
) -> impl Future<Output = Result<T>> + Send + 'static
where
    D: Send + Sync + 'static,
    T: Send + 'static,
    F: for<'a> Fn(&'a Tx, &'a D) -> BoxFuture<'a, Result<T>> + Send + Sync + 'static,
{
    async move { link.call(mode, data, work).await }
}
