//! Looking whether a store is sound: the database's own check of its file, then every rule of `relations`, all of
//! one moment. A server may go on working meanwhile.

use std::path::Path;

use rusqlite::Connection;

use super::relations::{RELATIONS, Relation};
use super::tables::{COUNTS, TABLES};
use crate::sqlite::{MIGRATIONS, OpenError, onlooker};

/// Examples told of one broken rule.
pub const EXAMPLES_MAX: usize = 5;
/// Mistakes of the file that SQLite tells before it stops looking.
const FILE_MISTAKES_MAX: u32 = 100;

/// A broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What should hold, as a sentence.
    pub rule: String,
    /// How often it does not.
    pub broken: u64,
    /// The first of them, `EXAMPLES_MAX` at most.
    pub examples: Vec<String>,
    /// What the reader can do.
    pub remedy: String,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The schema of the store: the number of its newest migration.
    pub schema: i32,
    /// Rows by table. Empty where the schema is an earlier release's, whose tables were not looked into.
    pub rows: Vec<(&'static str, u64)>,
    /// Rules that were looked at, the soundness of the file among them.
    pub rules: usize,
    /// Those that are broken.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn sound(&self) -> bool {
        self.findings.is_empty()
    }

    /// Whether it was looked into, and nothing is stored in it.
    pub fn holds_nothing(&self) -> bool {
        self.looked_into_rows() && self.rows.iter().all(|(_, rows)| *rows == 0)
    }

    /// Whether the rules between rows were looked at: not in a store of an earlier schema.
    pub fn looked_into_rows(&self) -> bool {
        !self.rows.is_empty()
    }
}

/// Checks the SQLite store at `path`, which a server may be using. `step` is told each rule before it is looked at.
///
/// # Errors
/// It is no store, of a newer release, or cannot be read at all.
pub fn check(path: &Path, mut step: impl FnMut(&str)) -> Result<Report, OpenError> {
    let (connection, schema) = onlooker(path)?;
    check_on(&connection, schema, &mut step)
}

/// The same on a connection, in one read transaction.
pub(super) fn check_on(
    connection: &Connection,
    schema: i32,
    step: &mut dyn FnMut(&str),
) -> Result<Report, OpenError> {
    let moment = connection.unchecked_transaction()?;
    let mut report = Report { schema, rows: Vec::new(), rules: 1, findings: Vec::new() };
    step("the file is sound");
    report.findings.extend(file(&moment)?);
    // What SQLite itself finds broken is not read further: rows would be missing or doubled.
    let newest = i32::try_from(MIGRATIONS.len()).unwrap_or(i32::MAX);
    if schema == newest && report.sound() {
        for table in TABLES.iter().chain([&COUNTS]) {
            let sql = format!("SELECT count(*) FROM {}", table.name);
            let rows: i64 = moment.query_row(&sql, [], |row| row.get(0))?;
            report.rows.push((table.name, u64::try_from(rows).unwrap_or(0)));
        }
        for relation in &RELATIONS {
            step(relation.holds);
            report.rules += 1;
            report.findings.extend(look(&moment, relation)?);
        }
    }
    Ok(report)
}

/// What SQLite itself says about the file.
fn file(connection: &Connection) -> Result<Option<Finding>, OpenError> {
    let mut statement = connection.prepare(&format!("PRAGMA integrity_check({FILE_MISTAKES_MAX})"))?;
    let told = statement.query_map([], |row| row.get::<_, String>(0))?;
    let mut mistakes = Vec::new();
    for line in told {
        match line {
            Ok(line) if line == "ok" => {}
            Ok(line) => mistakes.push(line),
            Err(error) => mistakes.push(error.to_string()),
        }
    }
    Ok((!mistakes.is_empty()).then(|| Finding {
        rule: "the file is sound".to_owned(),
        broken: mistakes.len() as u64,
        examples: mistakes.into_iter().take(EXAMPLES_MAX).collect(),
        remedy: "stop the server, look at the disk below it (dmesg, smartctl), and restore the newest backup that \
                 `longhaul store check --file` finds sound"
            .to_owned(),
    }))
}

fn look(connection: &Connection, relation: &Relation) -> Result<Option<Finding>, OpenError> {
    let mut statement = connection.prepare(relation.broken)?;
    let mut rows = statement.query([])?;
    let mut told = Told::default();
    while let Some(row) = rows.next()? {
        told.one(row.get(0)?);
    }
    Ok(told.finding(relation, relation.remedy.sqlite))
}

/// Rows that break a rule, as they come.
#[derive(Default)]
pub(crate) struct Told {
    broken: u64,
    examples: Vec<String>,
}

impl Told {
    pub(crate) fn one(&mut self, text: String) {
        self.broken += 1;
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(text);
        }
    }

    pub(crate) fn finding(self, relation: &Relation, remedy: &str) -> Option<Finding> {
        (self.broken > 0).then(|| Finding {
            rule: relation.holds.to_owned(),
            broken: self.broken,
            examples: self.examples,
            remedy: remedy.to_owned(),
        })
    }
}
