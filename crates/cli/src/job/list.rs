//! `job list`.

use clap::Args;
use longhaul_model::JobState;
use serde_json::Value;

use super::conditions;
use crate::client::inventories;
use crate::error::ClientError;
use crate::exit::Exit;
use crate::human;
use crate::run::Context;
use crate::view::{Job, read_all};

/// Flags of `job list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only jobs in this state; may be repeated
    #[arg(long, value_name = "STATE", value_parser = state)]
    state: Vec<JobState>,
    /// Only jobs that this holds for, as name~=%disk% or createDate>2026-01-31; may be repeated
    #[arg(long, value_name = "CONDITION")]
    q: Vec<String>,
    /// At most so many
    #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    /// All of them
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// The field to sort by; - before it is descending
    #[arg(long, value_name = "FIELD", default_value = "-createDate", allow_hyphen_values = true)]
    sort: String,
}

fn state(text: &str) -> Result<JobState, String> {
    JobState::ALL.into_iter().find(|s| s.name().eq_ignore_ascii_case(text)).ok_or_else(conditions::no_state)
}

/// Lists jobs.
pub async fn list(context: &mut Context, args: ListArgs) -> Result<Exit, ClientError> {
    conditions::check("--q", &args.q)?;
    let mut conditions = args.q;
    if !args.state.is_empty() {
        let names: Vec<&str> = args.state.iter().map(|s| s.name()).collect();
        conditions.push(format!("state?={}", names.join(",")));
    }
    let mut query: Vec<(&str, &str)> = conditions.iter().map(|c| ("q", c.as_str())).collect();
    query.push(("sort", &args.sort));
    let (jobs, total) = if args.all {
        (context.client.list_all(&["longjobs"], &query).await?, None)
    } else {
        let limit = args.limit.to_string();
        query.extend([("limit", limit.as_str()), ("replyWithCount", "true")]);
        let answer = context.client.get(&["longjobs"], &query).await?;
        let total = answer["total"].as_u64();
        (inventories(answer)?, total)
    };
    let views: Vec<Job> = read_all(&jobs)?;
    let shown = views.len();
    let rows = views.into_iter().map(|job| {
        let took = job.execute_time.map(human::duration).unwrap_or_default();
        vec![job.uuid, job.name, job.job_name, job.state.name().to_owned(), job.create_date, took]
    });
    let rows = rows.collect();
    context.console.rows(&Value::Array(jobs), &["uuid", "name", "job", "state", "created", "took"], rows)?;
    if let Some(total) = total.filter(|total| u64::try_from(shown).is_ok_and(|shown| shown < *total)) {
        context.console.note(&format!("{shown} of {total} jobs; --limit or --all shows more"));
    }
    Ok(Exit::Ok)
}
