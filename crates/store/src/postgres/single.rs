//! Calls that are one statement.

use tokio_postgres::Row;

use super::value::Value;
use super::{PostgresStore, Result};

/// A statement that outlives its caller.
fn owned(sql: &str, values: &[Value<'_>]) -> (String, Vec<Value<'static>>) {
    (sql.to_owned(), values.iter().map(Value::to_static).collect())
}

impl PostgresStore {
    /// What a statement that only reads answers.
    pub(super) async fn read_rows(&self, sql: &str, values: &[Value<'_>]) -> Result<Vec<Row>> {
        self.read(owned(sql, values), |tx, (sql, values)| Box::pin(tx.rows(sql, values))).await
    }

    /// The first row of it, if there is one.
    pub(super) async fn read_first(&self, sql: &str, values: &[Value<'_>]) -> Result<Option<Row>> {
        Ok(self.read_rows(sql, values).await?.into_iter().next())
    }

    /// What a statement that writes answers (`RETURNING`).
    pub(super) async fn write_rows(&self, sql: &str, values: &[Value<'_>]) -> Result<Vec<Row>> {
        self.write(owned(sql, values), |tx, (sql, values)| Box::pin(tx.rows(sql, values))).await
    }

    /// The first row of it, if there is one.
    pub(super) async fn write_first(&self, sql: &str, values: &[Value<'_>]) -> Result<Option<Row>> {
        Ok(self.write_rows(sql, values).await?.into_iter().next())
    }

    /// How many rows a statement wrote.
    pub(super) async fn write_one(&self, sql: &str, values: &[Value<'_>]) -> Result<u64> {
        self.write(owned(sql, values), |tx, (sql, values)| Box::pin(tx.execute(sql, values))).await
    }
}
