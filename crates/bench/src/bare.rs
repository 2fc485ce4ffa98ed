//! The floor of a drain on PostgreSQL: the transactions of a real one, recorded from the server's log with their
//! parameters, run by two sessions of psql on a copy of the database that the drain began from. Each transaction is sent
//! whole, and nobody decides anything, so the floor is generous.
//!
//! What is left out: transactions that change no job (heartbeats, duties) or with which a node joins and leaves, and what
//! only reads outside of one.

use std::collections::HashMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::api::Api;
use crate::database::{APPLICATION, Database};
use crate::drain::until_succeeded;
use crate::place::Place;
use crate::server::Server;

/// Sessions of psql that share the transactions.
const SESSIONS: usize = 2;
/// Tables that belong to jobs.
const TABLES: [&str; 8] =
    ["job", "job_body", "job_run", "job_count", "timeline", "progress", "progress_history", "checkpoint"];

/// A recorded drain: a file of SQL for each session.
pub struct Recording {
    files: Vec<PathBuf>,
    /// Rows of `node` as JSON: the nodes that held leases.
    nodes: Vec<String>,
    jobs: u64,
}

/// Statements and their parameters, as psql takes them.
type Statement = (String, Option<Vec<String>>);

/// Drains a copy of `template`, whose `jobs` jobs wait, and records how. `None` where the server is not ours to log.
pub async fn record(place: &Place, template: &Database, jobs: u64) -> Result<Option<Recording>> {
    let Some((superuser, log)) = place.cluster()?.superuser().await? else { return Ok(None) };
    let home = place.home_on_copy("recorded", template).await?;
    let database = home.database()?;
    superuser.batch_execute(&format!("ALTER DATABASE {} SET log_statement = 'all'", database.name)).await?;
    let server = Server::start(place, &home, &[])?;
    let mut admin = Api::admin(server.address).await?;
    until_succeeded(&mut admin, jobs).await?;
    let nodes = database.texts("SELECT row_to_json(node)::text FROM node").await?;
    server.stop()?;
    let text = std::fs::read_to_string(&log).with_context(|| log.display().to_string())?;
    let transactions = transactions(&text, &database.name)?;
    home.remove().await?;
    let statements: usize = transactions.iter().map(Vec::len).sum();
    eprintln!("  recorded {} transactions of {statements} statements for {jobs} jobs", transactions.len());
    let mut files = Vec::new();
    // Each session has a half of the time, so that the two seldom meet on a job, as the workers of a node do not: dealt in
    // turns, the end of a job would run into its start.
    for half in transactions.chunks(transactions.len().div_ceil(SESSIONS).max(1)) {
        let path = place.fresh("session.sql");
        std::fs::write(&path, script(half.iter()))?;
        files.push(path);
    }
    Ok(Some(Recording { files, nodes, jobs }))
}

impl Recording {
    /// Runs it on a copy of what was recorded; answers in s how long it took.
    pub async fn replay(&self, database: &Database) -> Result<f64> {
        for node in &self.nodes {
            let sql = "INSERT INTO node SELECT * FROM json_populate_record(NULL::node, $1::text::json)";
            database.session().await?.execute(sql, &[node]).await?;
        }
        let start = Instant::now();
        let spawn = |file: &PathBuf| {
            let mut psql = Command::new("psql");
            psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-o", "/dev/null", "-d", &database.url, "-f"])
                .arg(file);
            psql.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().context("psql")
        };
        let sessions = self.files.iter().map(spawn).collect::<Result<Vec<_>>>()?;
        for session in sessions {
            let ended = session.wait_with_output()?;
            let said = String::from_utf8_lossy(&ended.stderr);
            ensure!(ended.status.success(), "psql: {}", said.chars().take(2000).collect::<String>());
        }
        let took_s = start.elapsed().as_secs_f64();
        let done = database.number("SELECT count(*) FROM job WHERE state = 'Succeeded'").await?;
        // Those that were under way in the middle are started by one session after the other has ended them.
        ensure!(
            done as u64 >= self.jobs / 2,
            "{done} of {} jobs have succeeded by bare statements",
            self.jobs
        );
        Ok(took_s)
    }
}

/// The committed transactions of a database that changed a job, in the order of their commits.
fn transactions(log: &str, database: &str) -> Result<Vec<Vec<Statement>>> {
    let mut open: HashMap<u64, Vec<Statement>> = HashMap::new();
    let mut committed = Vec::new();
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).context("a line of the log that is no JSON")?;
        if line["dbname"] != database || line["application_name"] == APPLICATION {
            continue;
        }
        let (Some(pid), Some(message)) = (line["pid"].as_u64(), line["message"].as_str()) else { continue };
        let Some((kind, sql)) = message.split_once(": ") else { continue };
        let statement = match kind.split(' ').next() {
            Some("statement") => (unlocked(sql), None),
            Some("execute") => {
                let given = line["detail"].as_str().and_then(|detail| detail.split_once("arameters: "));
                (unlocked(sql), Some(given.map_or_else(Vec::new, |(_, text)| parameters(text))))
            }
            _ => continue,
        };
        let verb = statement.0.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
        match verb.as_str() {
            "BEGIN" | "START" => drop(open.insert(pid, vec![statement])),
            "ROLLBACK" if !statement.0.to_ascii_uppercase().contains(" TO ") => drop(open.remove(&pid)),
            "COMMIT" => {
                let Some(mut whole) = open.remove(&pid) else { continue };
                whole.push(statement);
                let is_of_node =
                    |sql: &str| sql.contains("INSERT INTO node ") || sql.contains("DELETE FROM node ");
                let has = |is: &dyn Fn(&str) -> bool| whole.iter().any(|(sql, _)| is(sql));
                if has(&changes_jobs) && !has(&is_of_node) {
                    committed.push(whole);
                }
            }
            _ => {
                if let Some(whole) = open.get_mut(&pid) {
                    whole.push(statement);
                }
            }
        }
    }
    Ok(committed)
}

/// Without the locks of a search that passes over what others hold: it would find, and hold, other rows than those that the
/// recorded statements behind it write.
fn unlocked(sql: &str) -> String {
    let mut text = sql.to_owned();
    while let Some(end) = text.find("SKIP LOCKED") {
        let Some(begin) = text[..end].rfind("FOR ") else { break };
        text.replace_range(begin..end + "SKIP LOCKED".len(), "");
    }
    text
}

/// Whether it writes to a table of jobs.
fn changes_jobs(sql: &str) -> bool {
    let ends = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    let writes = |verb: &str, table: &str| {
        let wanted = format!("{verb} {table}");
        sql.match_indices(&wanted).any(|(at, _)| ends(&sql[at + wanted.len()..]))
    };
    TABLES.iter().any(|table| ["INSERT INTO", "UPDATE", "DELETE FROM"].iter().any(|verb| writes(verb, table)))
}

/// The literals of `$1 = 'a', $2 = NULL` in their order.
fn parameters(text: &str) -> Vec<String> {
    let (mut found, mut rest) = (Vec::new(), text);
    while let Some((_, value)) = rest.split_once(" = ") {
        let end = if value.starts_with('\'') {
            end_of_literal(value)
        } else {
            value.find(',').unwrap_or(value.len())
        };
        found.push(value[..end].to_owned());
        rest = value[end..].trim_start_matches(", ");
    }
    found
}

/// Where a literal in quotes ends, in bytes; quotes in it are doubled.
fn end_of_literal(text: &str) -> usize {
    let mut quotes = text.match_indices('\'').map(|(at, _)| at).skip(1).peekable();
    while let Some(at) = quotes.next() {
        if quotes.peek() == Some(&(at + 1)) {
            quotes.next();
        } else {
            return at + 1;
        }
    }
    text.len()
}

/// What psql reads: each statement with parameters prepared once, then each transaction in one message.
fn script<'a>(transactions: impl Iterator<Item = &'a Vec<Statement>>) -> String {
    let mut names: HashMap<&str, usize> = HashMap::new();
    let (mut prepared, mut text) = (String::new(), String::new());
    for transaction in transactions {
        for (nth, (sql, given)) in transaction.iter().enumerate() {
            if nth > 0 {
                text.push_str("\\; ");
            }
            let Some(given) = given else {
                text.push_str(sql);
                continue;
            };
            let known = names.len();
            let name = *names.entry(sql).or_insert_with(|| {
                let _ = writeln!(prepared, "PREPARE p{known} AS {sql};");
                known
            });
            let _ = write!(text, "EXECUTE p{name}");
            if !given.is_empty() {
                let _ = write!(text, "({})", given.join(", "));
            }
        }
        text.push_str(";\n");
    }
    prepared + &text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(pid: u64, message: &str, detail: Option<&str>) -> String {
        serde_json::json!({"dbname": "d", "pid": pid, "message": message, "detail": detail}).to_string()
    }

    #[test]
    fn what_committed_and_changed_a_job_is_recorded_with_its_parameters() {
        let update = "execute s1: UPDATE job SET name = $1 WHERE id = $2";
        let log = [
            line(1, "statement: BEGIN", None),
            line(2, "statement: BEGIN", None),
            line(1, update, Some("parameters: $1 = 'it''s, $2 = 7', $2 = NULL")),
            line(2, "execute s1: UPDATE node SET until_ms = $1", Some("parameters: $1 = '5'")),
            line(2, "statement: COMMIT", None),
            line(1, "statement: COMMIT", None),
            line(3, "statement: BEGIN", None),
            line(3, update, Some("parameters: $1 = 'x', $2 = '2'")),
            line(3, "statement: ROLLBACK", None),
        ];
        let found = transactions(&log.join("\n"), "d").unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(
            script(found.iter()),
            "PREPARE p0 AS UPDATE job SET name = $1 WHERE id = $2;\n\
             BEGIN\\; EXECUTE p0('it''s, $2 = 7', NULL)\\; COMMIT;\n"
        );
    }

    #[test]
    fn a_search_takes_no_locks() {
        assert_eq!(unlocked("SELECT 1 FROM job AS j FOR UPDATE OF j SKIP LOCKED"), "SELECT 1 FROM job AS j ");
        assert_eq!(unlocked("SELECT 1 FROM job FOR UPDATE"), "SELECT 1 FROM job FOR UPDATE");
    }

    #[test]
    fn a_table_whose_name_begins_like_one_of_jobs_is_another() {
        assert!(changes_jobs("WITH x AS (SELECT 1) DELETE FROM job_run WHERE place = 1"));
        assert!(!changes_jobs("UPDATE job_archive SET x = 1"));
        assert!(!changes_jobs("SELECT 1 FROM job FOR UPDATE"));
    }
}
