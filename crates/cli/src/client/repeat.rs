//! Calls that are made of several requests: all pages of a query, and a submit that is sent again.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::Value;

use super::Client;
use crate::error::{ClientError, UNREACHABLE};
use crate::pause::{Growing, pause};

/// Rows of one page of [`Client::list_all`].
pub const PAGE: usize = 1000;
/// How often a submit is sent at most.
const TRIES: u32 = 6;

impl Client {
    /// All pages of a query, each row once.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn list_all(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Vec<Value>, ClientError> {
        let (mut rows, mut seen, mut start) = (Vec::new(), HashSet::new(), 0_usize);
        let limit = PAGE.to_string();
        loop {
            let from = start.to_string();
            let mut paged = query.to_vec();
            paged.extend([("limit", limit.as_str()), ("start", from.as_str())]);
            let page = self.list(path, &paged).await?;
            let count = page.len();
            // A row that moved between two pages is kept once; a server that ignores `start` adds nothing.
            let before = rows.len();
            rows.extend(page.into_iter().filter(|row| seen.insert(row["uuid"].as_str().map(str::to_owned))));
            if count < PAGE || rows.len() == before {
                return Ok(rows);
            }
            start += count;
        }
    }

    /// Submits a long job whose uuid we chose: the same call sent twice is the same job, so a lost
    /// connection is no reason to give up. `note` is told about every further try.
    ///
    /// # Errors
    /// What the server answered; that it can not be reached at all; that it stayed away.
    pub async fn submit(&self, body: &Value, note: &mut dyn FnMut(&str)) -> Result<Value, ClientError> {
        let chosen = body["params"]["resourceUuid"].is_string();
        self.submit_to(&["longjobs"], body, chosen, note).await
    }

    /// Submits many long jobs, of each of which we chose the uuid, in the same way.
    ///
    /// # Errors
    /// As [`Client::submit`].
    pub async fn submit_many(&self, body: &Value, note: &mut dyn FnMut(&str)) -> Result<Value, ClientError> {
        self.submit_to(&["longjobs", "bulk"], body, true, note).await
    }

    async fn submit_to(
        &self,
        path: &[&str],
        body: &Value,
        chosen: bool,
        note: &mut dyn FnMut(&str),
    ) -> Result<Value, ClientError> {
        let mut pauses = Growing::new(Duration::from_millis(250), Duration::from_secs(4));
        let mut tries = 1;
        loop {
            let error = match self.post(path, body).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let first_refused = tries == 1 && error.code == UNREACHABLE;
            if !chosen || first_refused || !error.is_transient() || tries == TRIES {
                return Err(error);
            }
            note(&format!(
                "{}; sending the same submit again (it has a uuid of our choice, so it stays one job)",
                error.details
            ));
            pause(pauses.step()).await;
            tries += 1;
        }
    }
}
