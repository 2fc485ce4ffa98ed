//! The store on PostgreSQL, for several management nodes at once. Nothing here knows why a transition is right
//! (`crate::life`) nor which lease has expired (`crate::lease`). Where to look: `address`, `tls` and `open` for the
//! way to the database, `migrate` for its schema, `link` for how transactions begin, end and are repeated, `tx` and
//! `value` for what statements are written with, `rows` for what is read; then a file per family of the traits.
//!
//! How a family is written: `self.write(data, |tx, data| Box::pin(async move { … }))` with the rows that decide locked
//! (`FOR UPDATE`) before they are read, since other transactions run beside this one; `Tx::hold` where there is no row
//! to lock. `self.read` for one statement. The closure may run again, so it changes nothing but the database.
//! Locks are taken in one order: rows of `job`, of `node` (`FOR KEY SHARE`), `Tx::hold` in the order
//! of `Hold`, rows of `job_run`, the rest. What goes against it, being rare, may lose against another and begin anew.

mod address;
mod alone;
mod batches;
mod beside;
mod checking;
mod checkpoints;
mod claims;
mod configs;
mod deliveries;
mod effects;
mod error;
mod events;
mod gather;
mod heads;
mod identity;
mod image_rows;
mod images;
mod io;
mod job_sql;
mod jobs;
mod keys;
mod knock;
mod ledger;
mod line;
mod link;
mod migrate;
mod moved_sql;
mod moving;
mod nodes;
mod one_way;
mod open;
mod options;
mod progress_sql;
mod query;
mod records;
mod resources;
mod rights;
mod rows;
mod scratch;
mod settling;
mod single;
mod sweep;
mod tags;
mod tls;
mod tx;
mod value;
mod waits;

use std::sync::Arc;

use futures::channel::oneshot;
use longhaul_model::{BoxFuture, Job, NewJob, Runtime, Submitted};

use crate::StoreError;
pub use checking::check;
use checkpoints::Saved;
use gather::{Gather, Waiting};
use link::{Link, Mode};
pub use migrate::{MIGRATIONS, Migration};
pub use moving::{Compared, MoveError, Mover};
pub use open::OpenError;
pub use options::PostgresOptions;
pub use scratch::Scratch;
use settling::Settled;
use tx::Tx;

type Result<T> = std::result::Result<T, StoreError>;

/// A store in one schema of a PostgreSQL database.
pub struct PostgresStore {
    link: Arc<Link>,
    io: io::Io,
    submits: Arc<Gather<NewJob, Submitted>>,
    ends: Arc<Gather<Settled, Option<Job>>>,
    checkpoints: Arc<Gather<Saved, ()>>,
}

impl PostgresStore {
    /// Opens the store at `url` and brings its schema up to date. Blocks until the database has answered, or for
    /// `connect_limit`. `runtime` gives chance; time is the database's own.
    ///
    /// # Errors
    /// `OpenError` says what is wrong with the URL or the database, and whether it may pass; a store of a newer release
    /// is untouched.
    pub fn open(
        url: &str,
        runtime: Arc<dyn Runtime>,
        options: PostgresOptions,
    ) -> std::result::Result<Self, OpenError> {
        let address = address::parse(url)?;
        let io = io::Io::start()?;
        let link = Arc::new(Link::new(&address, runtime, options)?);
        let opening = link.clone();
        let opened = io.wait(async move { open::prepare(&opening).await });
        opened.unwrap_or_else(|| Err(OpenError::Unusable { why: "its threads ended".to_owned() }))?;
        let waiting_max = link.options.queue_max.max(1);
        Ok(Self {
            link,
            io,
            submits: Arc::new(Gather::new(waiting_max)),
            ends: Arc::new(Gather::new(waiting_max)),
            checkpoints: Arc::new(Gather::new(waiting_max)),
        })
    }

    /// Writes by `work` in one transaction; answers once it is durable. `work` is begun anew where the transaction lost
    /// against another one. A dropped caller does not withdraw it.
    async fn write<D, T, F>(&self, data: D, work: F) -> Result<T>
    where
        D: Send + Sync + 'static,
        T: Send + 'static,
        F: for<'a> Fn(&'a Tx, &'a D) -> BoxFuture<'a, Result<T>> + Send + Sync + 'static,
    {
        self.call(Mode::Write, data, work).await
    }

    /// Writes `data` by `work` in one transaction with the calls of its kind that come at the same time; answers once it
    /// is durable. `work` answers each by itself, or refuses all, of which nothing is stored then. A dropped caller does
    /// not withdraw it.
    async fn gathered<D, T, F>(&self, gather: &Arc<Gather<D, T>>, data: D, work: F) -> Result<T>
    where
        D: Clone + Send + Sync + 'static,
        T: Send + 'static,
        F: for<'a> Fn(&'a Tx, &'a Vec<D>) -> BoxFuture<'a, Result<Vec<Result<T>>>>
            + Clone
            + Send
            + Sync
            + 'static,
    {
        let ended = || StoreError::Unavailable("the store's threads ended".to_owned());
        let (reply, answer) = oneshot::channel();
        if gather.add(Waiting { data, reply })? {
            let link = self.link.clone();
            let run = move |all: Vec<D>| -> BoxFuture<'static, Result<Vec<Result<T>>>> {
                Box::pin(link::call(link.clone(), Mode::Write, all, work.clone()))
            };
            self.io.start_apart(gather::work_off(gather.clone(), run)).ok_or_else(ended)?;
        }
        answer.await.unwrap_or_else(|_| Err(ended()))
    }

    /// As `write`, on a connection of its own: for heartbeats.
    async fn beat<D, T, F>(&self, data: D, work: F) -> Result<T>
    where
        D: Send + Sync + 'static,
        T: Send + 'static,
        F: for<'a> Fn(&'a Tx, &'a D) -> BoxFuture<'a, Result<T>> + Send + Sync + 'static,
    {
        self.call(Mode::Beat, data, work).await
    }

    /// Reads by `work`: one statement, or several that may see different moments. `Tx::now_ms` is not known;
    /// statements ask `longhaul_now()`.
    async fn read<D, T, F>(&self, data: D, work: F) -> Result<T>
    where
        D: Send + Sync + 'static,
        T: Send + 'static,
        F: for<'a> Fn(&'a Tx, &'a D) -> BoxFuture<'a, Result<T>> + Send + Sync + 'static,
    {
        self.call(Mode::Read, data, work).await
    }

    /// Reads by `work`, all of one moment, ended at the limit of queries.
    async fn look<D, T, F>(&self, data: D, work: F) -> Result<T>
    where
        D: Send + Sync + 'static,
        T: Send + 'static,
        F: for<'a> Fn(&'a Tx, &'a D) -> BoxFuture<'a, Result<T>> + Send + Sync + 'static,
    {
        self.call(Mode::Query, data, work).await
    }

    async fn call<D, T, F>(&self, mode: Mode, data: D, work: F) -> Result<T>
    where
        D: Send + Sync + 'static,
        T: Send + 'static,
        F: for<'a> Fn(&'a Tx, &'a D) -> BoxFuture<'a, Result<T>> + Send + Sync + 'static,
    {
        let done = self.io.run(link::call(self.link.clone(), mode, data, work)).await;
        done.unwrap_or_else(|| Err(StoreError::Unavailable("the store's threads ended".to_owned())))
    }
}
