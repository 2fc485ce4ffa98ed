//! What the SQL of all databases has in common: `longhaul_model::query` as text with bound values. Names come from
//! closed lists (`columns`), values are always bound (`conditions`), lists are merged by index ranges (`plan`). What a
//! database says in its own words is a `Dialect`; statements about anything but queries are its own.

pub(crate) mod columns;
pub(crate) mod conditions;
pub(crate) mod plan;

pub(crate) use conditions::{Bound, Sql};

/// Which database a statement is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Columns fold ASCII case by their collation; LIKE is a function of ours.
    Sqlite,
    /// Texts for people are compared by `lower`, under a collation that folds ASCII alone.
    Postgres,
}

impl Dialect {
    /// The bound value with that number, from 1.
    pub(crate) fn place(self, number: usize) -> String {
        match self {
            Self::Sqlite => format!("?{number}"),
            Self::Postgres => format!("${number}"),
        }
    }

    /// The sign in front of a bound value's number. No text but placeholders has it.
    pub(crate) const fn mark(self) -> char {
        match self {
            Self::Sqlite => '?',
            Self::Postgres => '$',
        }
    }

    /// A condition that always holds, or never.
    pub(crate) const fn truth(self, holds: bool) -> &'static str {
        match (self, holds) {
            (Self::Sqlite, true) => "1",
            (Self::Sqlite, false) => "0",
            (Self::Postgres, true) => "TRUE",
            (Self::Postgres, false) => "FALSE",
        }
    }

    /// `text` as it compares where ASCII case does not matter.
    pub(crate) fn folded(self, text: &str) -> String {
        match self {
            Self::Sqlite => text.to_owned(),
            Self::Postgres => format!("lower({text})"),
        }
    }

    /// `column LIKE pattern`, where nothing escapes and case matters unless `folded`.
    pub(crate) fn like(self, column: &str, pattern: &str, folded: bool) -> String {
        match (self, folded) {
            (Self::Sqlite, false) => format!("like_exact({pattern}, CAST({column} AS TEXT))"),
            (Self::Sqlite, true) => format!("like_folded({pattern}, CAST({column} AS TEXT))"),
            (Self::Postgres, false) => format!("CAST({column} AS TEXT) LIKE {pattern} ESCAPE ''"),
            (Self::Postgres, true) => {
                format!(
                    "lower(CAST({column} AS TEXT) COLLATE \"C\") LIKE lower({pattern} COLLATE \"C\") ESCAPE ''"
                )
            }
        }
    }
}
