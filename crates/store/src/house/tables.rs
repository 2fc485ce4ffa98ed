//! The tables of a store, in one list for both databases: their keys, and what a copy does with them. Columns are
//! read from the schema, so a new one needs no line here; a new table does, which a test sees.

/// What a copy into another database does with a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Every row goes along.
    Rows,
    /// The rows that this condition holds for go along; it is SQL that both databases know.
    RowsWhere(&'static str),
    /// The rows are counted anew from `job`.
    Counted,
}

/// One table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// The columns that no two rows have alike, in the order that rows are compared in.
    pub key: &'static [&'static str],
    /// What a copy does with it.
    pub way: Way,
}

/// What `meta` says of one place alone: which host it is at, until when an absence is forgiven, and how many joins of each
/// host it took (`crate::nodes::joins_key`).
const NOT_OF_THE_PLACE: &str = "key NOT IN ('host', 'grace_until_ms') AND key NOT LIKE 'joins %'";

/// All tables, those that others refer to first.
pub const TABLES: [Table; 26] = [
    Table { name: "meta", key: &["key"], way: Way::RowsWhere(NOT_OF_THE_PLACE) },
    rows("account", &["uuid"]),
    rows("retired_account", &["uuid"]),
    rows("session", &["hash"]),
    rows("access_key", &["uuid"]),
    rows("global_config", &["category", "name"]),
    rows("storage", &["uuid"]),
    rows("volume", &["uuid"]),
    rows("backup_storage", &["uuid"]),
    rows("image", &["uuid"]),
    rows("image_ref", &["image", "backup_storage"]),
    rows("trash", &["id"]),
    rows("intent", &["id"]),
    rows("node", &["uuid"]),
    rows("drained_host", &["host"]),
    rows("duty", &["name"]),
    rows("job", &["id"]),
    rows("job_body", &["job"]),
    rows("job_run", &["place"]),
    rows("timeline", &["job", "seq"]),
    rows("checkpoint", &["id"]),
    rows("progress", &["job"]),
    rows("progress_history", &["job", "attempt", "n"]),
    rows("tag", &["id"]),
    rows("api_record", &["id"]),
    rows("web_hook", &["id"]),
];

/// The table of counts, which is made of the others.
pub const COUNTS: Table =
    Table { name: "job_count", key: &["account", "job_name", "state"], way: Way::Counted };

const fn rows(name: &'static str, key: &'static [&'static str]) -> Table {
    Table { name, key, way: Way::Rows }
}

impl Table {
    /// The condition of the rows that are looked at, as the end of a statement.
    pub fn condition(&self) -> String {
        match self.way {
            Way::RowsWhere(condition) => format!(" WHERE {condition}"),
            Way::Rows | Way::Counted => String::new(),
        }
    }
}
