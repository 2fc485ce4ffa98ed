//! Reading a SQLite store row by row, for a move into another database: columns as the schema has them, rows in the
//! order of their key, so many at a time that they fit into memory.

use std::path::Path;

use longhaul_model::AccountId;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, params_from_iter};

use super::digest::{Digest, Digester, Value};
use super::tables::Table;
use crate::sqlite::{OpenError, onlooker};

/// Bytes of values after which a batch ends.
pub const BATCH_BYTES: usize = 4 << 20;
/// Rows after which a batch ends.
pub const BATCH_ROWS: usize = 2_000;

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
}

/// What a column holds, besides nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Numbers, and yes and no.
    Int,
    /// Text.
    Text,
    /// Bytes.
    Bytes,
}

/// Why a store cannot be read as one.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It cannot be read.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A value is not what its column holds, or what no other database takes.
    #[error("{table}.{column} of the row {key}: {why}")]
    Value {
        /// The table.
        table: &'static str,
        /// The column.
        column: String,
        /// The row's key.
        key: String,
        /// What is wrong.
        why: &'static str,
    },
}

impl From<rusqlite::Error> for SourceError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Open(error.into())
    }
}

type Result<T> = std::result::Result<T, SourceError>;

/// A store that is read, as it was when it was opened.
pub struct Source {
    connection: Connection,
}

impl Source {
    /// Opens the store at `path`; the caller sees to it that no server is on it.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn open(path: &Path) -> Result<Self> {
        let (connection, _) = onlooker(path)?;
        connection.execute_batch("BEGIN")?;
        Ok(Self { connection })
    }

    /// The columns of a table.
    ///
    /// # Errors
    /// There is no such table.
    pub fn columns(&self, table: &Table) -> Result<Vec<Column>> {
        let mut statement =
            self.connection.prepare("SELECT name, type FROM pragma_table_info(?1) ORDER BY cid")?;
        let found = statement.query_map([table.name], |row| {
            let declared: String = row.get(1)?;
            let kind = match declared.as_str() {
                "INTEGER" => Kind::Int,
                "BLOB" => Kind::Bytes,
                // Without a type: `meta.value`, which is text where types are kept.
                _ => Kind::Text,
            };
            Ok(Column { name: row.get(0)?, kind })
        })?;
        Ok(found.collect::<rusqlite::Result<_>>()?)
    }

    /// How many rows of it go along.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn count(&self, table: &Table) -> Result<u64> {
        let sql = format!("SELECT count(*) FROM {}{}", table.name, table.condition());
        let rows: i64 = self.connection.query_row(&sql, [], |row| row.get(0))?;
        Ok(u64::try_from(rows).unwrap_or(0))
    }

    /// The highest number that a table's rows were ever given; 0 where they have none of their own.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn last_number(&self, table: &Table) -> Result<i64> {
        let [key] = table.key else { return Ok(0) };
        let mut statement =
            self.connection.prepare("SELECT max(seq) FROM sqlite_sequence WHERE name = ?1")?;
        let kept: Option<i64> = statement.query_row([table.name], |row| row.get(0))?;
        let sql = format!(
            "SELECT max(CASE WHEN typeof({key}) = 'integer' THEN {key} ELSE 0 END) FROM {}",
            table.name
        );
        let highest: Option<i64> = self.connection.query_row(&sql, [], |row| row.get(0))?;
        Ok(kept.unwrap_or(0).max(highest.unwrap_or(0)))
    }

    /// When an account was made, ms since 1970; `None` if there is no such account.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn account_made_ms(&self, account: AccountId) -> Result<Option<i64>> {
        let mut statement = self.connection.prepare("SELECT create_ms FROM account WHERE uuid = ?1")?;
        let mut rows = statement.query([account.to_string()])?;
        Ok(rows.next()?.map(|row| row.get(0)).transpose()?)
    }

    /// What `sql` counts of the jobs: account, type, state, how many.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn job_counts(&self, sql: &str) -> Result<Digest> {
        let mut statement = self.connection.prepare(sql)?;
        let mut rows = statement.query([])?;
        let mut digester = Digester::default();
        while let Some(row) = rows.next()? {
            let texts = [row.get(0)?, row.get(1)?, row.get(2)?].map(Value::Text);
            digester.row(texts.iter().chain([&Value::Int(row.get(3)?)]));
        }
        Ok(digester.end())
    }

    /// The next rows after the one whose key is `after`, in the order of the key, bytewise; none at the end.
    ///
    /// # Errors
    /// A value is not what its column holds.
    pub fn batch(
        &self,
        table: &Table,
        columns: &[Column],
        after: Option<&[Value]>,
    ) -> Result<Vec<Vec<Value>>> {
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        let key = table.key.join(", ");
        let mut conditions = Vec::new();
        if let super::tables::Way::RowsWhere(condition) = table.way {
            conditions.push(condition.to_owned());
        }
        if let Some(after) = after {
            conditions.push(format!("({key}) > ({})", vec!["?"; after.len()].join(", ")));
        }
        let filter = if conditions.is_empty() {
            String::new()
        } else {
            format!(" WHERE {}", conditions.join(" AND "))
        };
        let sql = format!(
            "SELECT {} FROM {}{filter} ORDER BY {key} LIMIT {BATCH_ROWS}",
            names.join(", "),
            table.name,
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(after.unwrap_or_default().iter().map(bound)))?;
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while bytes < BATCH_BYTES
            && let Some(row) = rows.next()?
        {
            let mut values = Vec::with_capacity(columns.len());
            for (at, column) in columns.iter().enumerate() {
                let value = value(row.get_ref(at)?, column.kind).map_err(|why| SourceError::Value {
                    table: table.name,
                    column: column.name.clone(),
                    key: key_of(table, columns, row),
                    why,
                })?;
                bytes += match &value {
                    Value::Text(text) => text.len(),
                    Value::Bytes(bytes) => bytes.len(),
                    Value::Null | Value::Int(_) => 8,
                };
                values.push(value);
            }
            batch.push(values);
        }
        Ok(batch)
    }
}

/// The values of the key in a row.
pub fn key_values(table: &Table, columns: &[Column], row: &[Value]) -> Vec<Value> {
    let value =
        |name: &&str| columns.iter().position(|column| column.name == **name).and_then(|at| row.get(at));
    table.key.iter().filter_map(value).cloned().collect()
}

fn bound(value: &Value) -> rusqlite::types::Value {
    match value {
        Value::Null => rusqlite::types::Value::Null,
        Value::Int(number) => rusqlite::types::Value::Integer(*number),
        Value::Text(text) => rusqlite::types::Value::Text(text.clone()),
        Value::Bytes(bytes) => rusqlite::types::Value::Blob(bytes.clone()),
    }
}

/// SQLite keeps whatever it is given; others keep what a column is for.
fn value(found: ValueRef<'_>, kind: Kind) -> std::result::Result<Value, &'static str> {
    match (found, kind) {
        (ValueRef::Null, _) => Ok(Value::Null),
        (ValueRef::Integer(number), Kind::Int) => Ok(Value::Int(number)),
        (ValueRef::Integer(number), Kind::Text) => Ok(Value::Text(number.to_string())),
        (ValueRef::Text(text), Kind::Text) => {
            let text = std::str::from_utf8(text).map_err(|_| "the text is not UTF-8")?;
            if text.contains('\0') {
                Err("the text has a NUL character, which PostgreSQL keeps in no text")
            } else {
                Ok(Value::Text(text.to_owned()))
            }
        }
        (ValueRef::Blob(bytes), Kind::Bytes) => Ok(Value::Bytes(bytes.to_vec())),
        _ => Err("the value is of another type than the column"),
    }
}

fn key_of(table: &Table, columns: &[Column], row: &rusqlite::Row<'_>) -> String {
    let mut key = Vec::new();
    for name in table.key {
        let at = columns.iter().position(|column| column.name == *name);
        key.push(match at.and_then(|at| row.get_ref(at).ok()) {
            Some(ValueRef::Integer(number)) => number.to_string(),
            Some(ValueRef::Text(text)) => String::from_utf8_lossy(text).into_owned(),
            Some(ValueRef::Blob(bytes)) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
            _ => "?".to_owned(),
        });
    }
    key.join(", ")
}
