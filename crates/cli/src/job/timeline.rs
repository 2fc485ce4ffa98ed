//! The timeline of a job: read to its end, page by page, and shown, alone or below a job.

use serde_json::Value;

use crate::error::ClientError;
use crate::exit::Exit;
use crate::run::Context;
use crate::view::{TimelineRow, read_all};

/// Rows that are asked for at once: the API's most.
const PAGE: usize = 1000;

/// Shows what happened to a job, and nothing else of it.
pub async fn show(context: &mut Context, uuid: &str) -> Result<Exit, ClientError> {
    let rows = ask(context, uuid).await?;
    let views: Vec<TimelineRow> = read_all(&rows)?;
    let header = ["#", "when", "what", "attempt", "token", "by", "uuid", "why"];
    let table = views.into_iter().map(|row| {
        let by = by(&row);
        let (attempt, token) = (row.attempt.to_string(), row.token.to_string());
        vec![row.seq.to_string(), row.date, row.kind, attempt, token, by, row.actor_uuid, row.detail]
    });
    let table = table.collect();
    context.console.rows(&Value::Array(rows), &header, table)?;
    Ok(Exit::Ok)
}

/// The rows for a page about the job; none where the server has no timelines (ZStack's own).
pub async fn rows(context: &Context, uuid: &str) -> Result<Vec<Value>, ClientError> {
    match ask(context, uuid).await {
        Err(error) if error.code.starts_with("HTTP.") => Ok(Vec::new()),
        answered => answered,
    }
}

/// Prints them as a part of such a page.
pub fn table(context: &mut Context, rows: &[Value]) -> Result<(), ClientError> {
    let rows: Vec<TimelineRow> = read_all(rows)?;
    let rows = rows.into_iter().map(|row| {
        let by = by(&row);
        vec![row.seq.to_string(), row.date, row.kind, row.attempt.to_string(), by, row.detail]
    });
    let rows = rows.collect();
    context.console.rows(&Value::Null, &["#", "when", "what", "attempt", "by", "why"], rows)
}

/// Who did it: a name, else the first digits of a uuid.
fn by(row: &TimelineRow) -> String {
    let who = if row.actor_name.is_empty() {
        row.actor_uuid.get(..8).unwrap_or_default()
    } else {
        row.actor_name.as_str()
    };
    format!("{} {who}", row.actor_type)
}

async fn ask(context: &Context, uuid: &str) -> Result<Vec<Value>, ClientError> {
    let mut rows = Vec::new();
    loop {
        let (start, limit) = (rows.len().to_string(), PAGE.to_string());
        let query = [("start", start.as_str()), ("limit", limit.as_str())];
        let page = context.client.list(&["longjobs", uuid, "timeline"], &query).await?;
        // A server that knows no pages answers all rows, again and again.
        let is_next = page.first().is_some_and(|row| row["seq"].as_u64() > Some(rows.len() as u64));
        let full = page.len() == PAGE;
        if is_next {
            rows.extend(page);
        }
        if !full || !is_next {
            return Ok(rows);
        }
    }
}
