//! A SQLite store moves in: every row of it in one transaction, which also compares what arrived with what was sent,
//! so that the database has all of it or nothing. What a table is, is said in `crate::house::tables`.

use std::pin::pin;

use futures::TryStreamExt;
use tokio_postgres::Row;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use super::alone::Alone;
use super::error::told;
use super::open::OpenError;
use crate::house::digest::{Digest, Digester, Value};
use crate::house::source::{Column, Kind, Source, SourceError, key_values};
use crate::house::tables::{COUNTS, TABLES, Table};

/// What begins the move. Nobody writes meanwhile: a server that starts on the database waits for the end.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE;
    SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL lock_timeout = '10s'";
/// The counts of the jobs, from the jobs.
const COUNT_JOBS: &str =
    "SELECT account, job_name, state, count(*) FROM job GROUP BY account, job_name, state
    ORDER BY account, job_name, state";

/// Why a store did not move. The database is as it was.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// The database cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store cannot be read.
    #[error("the store that is to move: {0}")]
    Source(#[from] SourceError),
    /// Somebody has stored something there. Never tell anybody to empty it: it may be a cluster that lives.
    #[error(
        "the database is not empty: {} in {table}; a store moves into an empty database only: make another one \
         (CREATE DATABASE)",
        counted(*rows)
    )]
    NotEmpty {
        /// The first table with rows.
        table: &'static str,
        /// How many.
        rows: i64,
    },
    /// The tables are not the same.
    #[error(
        "{table} is not the same table on both sides: {why}; the store is of another release than the database"
    )]
    Differs {
        /// The table.
        table: &'static str,
        /// What differs.
        why: String,
    },
    /// What arrived is not what was sent.
    #[error("what arrived in {table} is not what was sent; nothing was kept. Try again, and report this")]
    Unequal {
        /// The first such table.
        table: &'static str,
    },
    /// The database refused, or the way to it broke.
    #[error("{table}: the database says: {why}; nothing was kept, so it can be tried again")]
    Database {
        /// What was under way.
        table: &'static str,
        /// What it says.
        why: String,
    },
    /// The commit was sent and nothing came back.
    #[error(
        "the connection broke at the very end, so all of it is there or nothing: {why}. `longhaul store copy` again \
         tells which: it says that the store has moved already, or moves it"
    )]
    Unknown {
        /// What the system says.
        why: String,
    },
}

type Result<T> = std::result::Result<T, MoveError>;

/// A table on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compared {
    /// Its name.
    pub table: &'static str,
    /// What was sent.
    pub sent: Digest,
    /// What arrived.
    pub arrived: Digest,
}

/// A move that is under way. Dropped before `keep`, it leaves nothing.
pub struct Mover(Alone);

impl Mover {
    /// Connects, and holds the tables against everybody else. The schema is there and up to date: the caller has
    /// opened the store there once.
    ///
    /// # Errors
    /// It cannot be reached, or is not empty.
    pub async fn begin(url: &str) -> Result<Self> {
        let mover = Self(Alone::connect(url).await?);
        mover.run("the begin", BEGIN).await?;
        let names: Vec<&str> = TABLES.iter().chain([&COUNTS]).map(|table| table.name).collect();
        mover.run("the begin", &format!("LOCK TABLE {} IN EXCLUSIVE MODE", names.join(", "))).await?;
        mover.must_be_empty().await?;
        Ok(mover)
    }

    /// Sends every row of `source` and compares; `far` is told the rows that were sent. Nothing is kept yet.
    ///
    /// # Errors
    /// As `MoveError`; nothing is kept then.
    pub async fn send(&self, source: &Source, mut far: impl FnMut(u64)) -> Result<Vec<Compared>> {
        let (mut done, mut compared) = (0, Vec::new());
        for table in &TABLES {
            let columns = self.columns(source, table).await?;
            let sent = self.send_table(source, table, &columns, &mut done, &mut far).await?;
            compared.push((table, columns, sent));
        }
        self.run(COUNTS.name, &format!("INSERT INTO job_count (account, job_name, state, n) {COUNT_JOBS}"))
            .await?;
        self.number_on(source).await?;
        let mut answers = Vec::new();
        for (table, columns, sent) in compared {
            let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
            let sql = format!(
                "SELECT {} FROM {}{} ORDER BY {}",
                names.join(", "),
                table.name,
                table.condition(),
                table.key.join(", ")
            );
            let arrived = self.digest(table.name, &sql, &columns).await?;
            answers.push(Compared { table: table.name, sent, arrived });
        }
        let kinds = [Kind::Text, Kind::Text, Kind::Text, Kind::Int];
        let columns: Vec<Column> = kinds.map(|kind| Column { name: String::new(), kind }).into();
        let kept =
            "SELECT account, job_name, state, sum(n)::BIGINT FROM job_count GROUP BY account, job_name, state
            ORDER BY account, job_name, state";
        let sent = source.job_counts(COUNT_JOBS)?;
        answers.push(Compared {
            table: COUNTS.name,
            sent,
            arrived: self.digest(COUNTS.name, kept, &columns).await?,
        });
        match answers.iter().find(|both| both.sent != both.arrived) {
            Some(both) => Err(MoveError::Unequal { table: both.table }),
            None => Ok(answers),
        }
    }

    /// Notes under `key` something of the place where it arrives. It is kept with what was sent, or not at all.
    ///
    /// # Errors
    /// The database refuses it.
    pub async fn note(&self, key: &str, value: &str) -> Result<()> {
        let sql = "INSERT INTO meta (key, value) VALUES ($1, $2)";
        let noted = self.0.client.execute(sql, &[&key, &value]).await;
        noted.map(drop).map_err(|error| database("meta", &error))
    }

    /// Keeps what was sent, for good.
    ///
    /// # Errors
    /// `Unknown`: it is kept or not.
    pub async fn keep(self) -> Result<()> {
        self.0
            .client
            .batch_execute("COMMIT")
            .await
            .map_err(|error| MoveError::Unknown { why: told(&error) })?;
        // Without it the database believes its tables empty, and plans like that. Those of others are left alone.
        let sent = TABLES.iter().chain([&COUNTS]).map(|table| table.name);
        let tables: Vec<&str> = sent.chain(["job_state"]).collect();
        let _ = self.0.client.batch_execute(&format!("ANALYZE {}", tables.join(", "))).await; // autovacuum does it later
        Ok(())
    }

    async fn must_be_empty(&self) -> Result<()> {
        for table in TABLES.iter().chain([&COUNTS]) {
            let sql = format!("SELECT count(*) FROM {}", table.name);
            let row =
                self.0.client.query_one(&sql, &[]).await.map_err(|error| database(table.name, &error))?;
            let rows: i64 = get(table.name, &row, 0)?;
            if rows > 0 {
                return Err(MoveError::NotEmpty { table: table.name, rows });
            }
        }
        Ok(())
    }

    /// The columns that both sides have, in the store's order.
    async fn columns(&self, source: &Source, table: &Table) -> Result<Vec<Column>> {
        let differs = |why: String| MoveError::Differs { table: table.name, why };
        let ours = source.columns(table)?;
        let sql =
            "SELECT column_name::TEXT, data_type::TEXT, is_nullable = 'YES' OR column_default IS NOT NULL
            FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = $1";
        let rows =
            self.0.client.query(sql, &[&table.name]).await.map_err(|error| database(table.name, &error))?;
        let mut theirs = Vec::new();
        for row in &rows {
            let (name, kind): (String, String) = (get(table.name, row, 0)?, get(table.name, row, 1)?);
            if !get::<bool>(table.name, row, 2)? && !ours.iter().any(|column| column.name == name) {
                return Err(differs(format!("the store has no column {name}")));
            }
            theirs.push((name, kind));
        }
        for column in &ours {
            let wanted = match column.kind {
                Kind::Int => "bigint",
                Kind::Text => "text",
                Kind::Bytes => "bytea",
            };
            match theirs.iter().find(|(name, _)| *name == column.name) {
                Some((_, kind)) if kind == wanted => {}
                Some((name, kind)) => {
                    return Err(differs(format!("{name} is {kind}, and should be {wanted}")));
                }
                None => return Err(differs(format!("the database has no column {}", column.name))),
            }
        }
        Ok(ours)
    }

    async fn send_table(
        &self,
        source: &Source,
        table: &Table,
        columns: &[Column],
        done: &mut u64,
        far: &mut impl FnMut(u64),
    ) -> Result<Digest> {
        let refused = |error: tokio_postgres::Error| database(table.name, &error);
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        let types: Vec<Type> = columns.iter().map(|column| type_of(column.kind)).collect();
        let sql = format!("COPY {} ({}) FROM STDIN (FORMAT binary)", table.name, names.join(", "));
        let sink = self.0.client.copy_in(&sql).await.map_err(refused)?;
        let mut writer = pin!(BinaryCopyInWriter::new(sink, &types));
        let (mut digester, mut after) = (Digester::default(), None::<Vec<Value>>);
        loop {
            let batch = source.batch(table, columns, after.as_deref())?;
            let Some(last) = batch.last() else { break };
            after = Some(key_values(table, columns, last));
            for row in &batch {
                digester.row(row);
                writer.as_mut().write_raw(row).await.map_err(refused)?;
            }
            *done += batch.len() as u64;
            far(*done);
        }
        writer.as_mut().finish().await.map_err(refused)?;
        Ok(digester.end())
    }

    /// Numbers that the database gives from now on are new ones.
    async fn number_on(&self, source: &Source) -> Result<()> {
        for table in TABLES.iter().filter(|table| table.key.len() == 1) {
            let last = source.last_number(table)?;
            if last == 0 {
                continue;
            }
            let sql = "SELECT setval(pg_get_serial_sequence($1::TEXT, $2::TEXT), $3::BIGINT)
                WHERE pg_get_serial_sequence($1::TEXT, $2::TEXT) IS NOT NULL";
            let values: [&(dyn ToSql + Sync); 3] = [&table.name, &table.key[0], &last];
            self.0.client.query(sql, &values).await.map_err(|error| database(table.name, &error))?;
        }
        Ok(())
    }

    async fn digest(&self, table: &'static str, sql: &str, columns: &[Column]) -> Result<Digest> {
        let failed = |error: tokio_postgres::Error| database(table, &error);
        let nothing: [&(dyn ToSql + Sync); 0] = [];
        let mut rows = pin!(self.0.client.query_raw(sql, nothing).await.map_err(failed)?);
        let mut digester = Digester::default();
        while let Some(row) = rows.try_next().await.map_err(failed)? {
            let mut values = Vec::with_capacity(columns.len());
            for (at, column) in columns.iter().enumerate() {
                values.push(match column.kind {
                    Kind::Int => get::<Option<i64>>(table, &row, at)?.map_or(Value::Null, Value::Int),
                    Kind::Text => get::<Option<String>>(table, &row, at)?.map_or(Value::Null, Value::Text),
                    Kind::Bytes => get::<Option<Vec<u8>>>(table, &row, at)?.map_or(Value::Null, Value::Bytes),
                });
            }
            digester.row(&values);
        }
        Ok(digester.end())
    }

    async fn run(&self, table: &'static str, sql: &str) -> Result<()> {
        self.0.client.batch_execute(sql).await.map_err(|error| database(table, &error))
    }
}

/// A number of rows, for people.
fn counted(rows: i64) -> String {
    if rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") }
}

fn type_of(kind: Kind) -> Type {
    match kind {
        Kind::Int => Type::INT8,
        Kind::Text => Type::TEXT,
        Kind::Bytes => Type::BYTEA,
    }
}

type Fault = Box<dyn std::error::Error + Sync + Send>;

impl ToSql for Value {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> std::result::Result<IsNull, Fault> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(number) => number.to_sql(ty, out),
            Self::Text(text) => text.to_sql(ty, out),
            Self::Bytes(bytes) => bytes.to_sql(ty, out),
        }
    }

    fn accepts(ty: &Type) -> bool {
        [Type::INT8, Type::TEXT, Type::BYTEA].contains(ty)
    }

    to_sql_checked!();
}

fn get<'a, T: FromSql<'a>>(table: &'static str, row: &'a Row, at: usize) -> Result<T> {
    row.try_get(at).map_err(|error| database(table, &error))
}

fn database(table: &'static str, error: &tokio_postgres::Error) -> MoveError {
    MoveError::Database { table, why: told(error) }
}
