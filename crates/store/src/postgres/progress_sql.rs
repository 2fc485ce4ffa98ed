//! Progress: the newest of each job, and its history, of many jobs by a few statements. What is kept is decided in
//! `crate::history`.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use longhaul_model::progress::Progress;
use longhaul_model::{Claim, JobId};

use super::Result;
use super::one_way::one_way;
use super::rows::{self, get};
use super::tx::Tx;
use super::value::{Value, column, params};
use crate::history::{HISTORY_ATTEMPTS_MAX, merged};
use crate::traits::PROGRESS_HISTORY_MAX;

/// What is known of one job's progress, and what is to be written of it.
struct Known {
    row: i64,
    token: u64,
    newest: Option<(Progress, u64)>,
    changed: bool,
    notes: Vec<(u32, Progress)>,
}

impl Tx {
    pub(super) async fn save_progress(&self, reports: &[(Claim, Progress)]) -> Result<()> {
        let mut known = self.reported(reports).await?;
        for (claim, progress) in reports {
            let Some(job) = known.get_mut(&claim.job).filter(|job| job.token == claim.token) else {
                continue;
            };
            let before = job.newest.as_ref().map(|(stored, token)| (stored, *token == claim.token));
            let Some((progress, noted)) = merged(progress, before) else { continue };
            if noted {
                job.notes.push((claim.attempt, progress.clone()));
            }
            job.newest = Some((progress, claim.token));
            job.changed = true;
        }
        self.post_newest(&known);
        self.add_history(&known).await
    }

    /// The jobs of these claims that hold. A job that another transaction changes at this moment is passed over: its
    /// progress may be lost, and nobody waits for it.
    async fn reported(&self, reports: &[(Claim, Progress)]) -> Result<BTreeMap<JobId, Known>> {
        let mut alive = BTreeSet::new();
        for node in reports.iter().map(|(claim, _)| claim.node).collect::<BTreeSet<_>>() {
            if self.lease_lives(node).await? {
                alive.insert(node);
            }
        }
        let claims = || reports.iter().map(|(claim, _)| claim).filter(|claim| alive.contains(&claim.node));
        let sql = one_way(
            "SELECT j.uuid, j.id, j.token, p.percent, p.stage, p.bytes_done, p.bytes_total, p.rate, p.eta_s,
                p.stalled, p.at_ms, p.token
             FROM unnest($1::TEXT[], $2::BIGINT[], $3::TEXT[]) AS u(uuid, token, node)
             CROSS JOIN LATERAL (
                SELECT * FROM job WHERE uuid = u.uuid AND token = u.token FOR KEY SHARE SKIP LOCKED) AS j {RUN}
             LEFT JOIN LATERAL (SELECT * FROM progress WHERE job = j.id OFFSET 0) AS p ON TRUE
             WHERE r.node IS NOT DISTINCT FROM u.node",
        );
        let values = params![
            column(claims().map(|claim| claim.job)),
            column(claims().map(|claim| claim.token)),
            column(claims().map(|claim| claim.node)),
        ];
        let mut known = BTreeMap::new();
        for row in self.rows(&sql, &values).await? {
            let newest = match get::<Option<i64>>(&row, 3)? {
                Some(_) => Some((rows::progress(&row, 3)?, rows::count(&row, 11)?)),
                None => None,
            };
            let (row_id, token) = (get(&row, 1)?, rows::count(&row, 2)?);
            let job = Known { row: row_id, token, newest, changed: false, notes: Vec::new() };
            known.insert(rows::id(&row, 0)?, job);
        }
        Ok(known)
    }

    fn post_newest(&self, known: &BTreeMap<JobId, Known>) {
        let changed = || known.values().filter(|job| job.changed);
        let newest: Vec<&Progress> =
            changed().filter_map(|job| job.newest.as_ref().map(|(newest, _)| newest)).collect();
        if newest.is_empty() {
            return;
        }
        let mut values =
            params![column(changed().map(|job| job.row)), column(changed().map(|job| job.token))].to_vec();
        values.extend(columns(&newest));
        self.post(
            "INSERT INTO progress
                (job, token, percent, stage, bytes_done, bytes_total, rate, eta_s, stalled, at_ms)
             SELECT * FROM unnest($1::BIGINT[], $2::BIGINT[], $3::BIGINT[], $4::TEXT[], $5::BIGINT[], $6::BIGINT[],
                $7::BIGINT[], $8::BIGINT[], $9::BIGINT[], $10::BIGINT[])
             ON CONFLICT (job) DO UPDATE SET token = excluded.token, percent = excluded.percent,
                stage = excluded.stage, bytes_done = excluded.bytes_done, bytes_total = excluded.bytes_total,
                rate = excluded.rate, eta_s = excluded.eta_s, stalled = excluded.stalled, at_ms = excluded.at_ms",
            &values,
        );
    }

    async fn add_history(&self, known: &BTreeMap<JobId, Known>) -> Result<()> {
        let mut notes: Vec<(i64, u32, &Progress)> = Vec::new();
        for job in known.values() {
            for (attempt, note) in &job.notes {
                notes.push((job.row, *attempt, note));
            }
        }
        if notes.is_empty() {
            return Ok(());
        }
        // Rows of an attempt, and the number of its last.
        let mut counted: HashMap<(i64, u32), (i64, i64)> = HashMap::new();
        let sql = "SELECT u.job, u.attempt, h.many, h.last
             FROM (SELECT DISTINCT * FROM unnest($1::BIGINT[], $2::BIGINT[])) AS u(job, attempt)
             CROSS JOIN LATERAL (
                SELECT count(*) AS many, max(n) AS last FROM progress_history
                WHERE job = u.job AND attempt = u.attempt) AS h
             WHERE h.many > 0";
        let of = of_attempts(&notes);
        for row in self.rows(sql, &of).await? {
            counted.insert((get(&row, 0)?, rows::small(&row, 1)?), (get(&row, 2)?, get(&row, 3)?));
        }
        let (mut added, mut numbers, mut first) = (Vec::new(), Vec::new(), Vec::new());
        for (row, attempt, note) in notes {
            let (many, last) = counted.entry((row, attempt)).or_default();
            if *many == 0 {
                first.push(row);
            }
            if *many >= PROGRESS_HISTORY_MAX as i64 {
                self.post_notes(&std::mem::take(&mut added), &std::mem::take(&mut numbers));
                *many = self.thin(row, attempt).await?;
            }
            *many += 1;
            *last += 1;
            added.push((row, attempt, note));
            numbers.push(*last);
        }
        self.post_notes(&added, &numbers);
        if !first.is_empty() {
            self.post(
                "DELETE FROM progress_history AS h USING unnest($1::BIGINT[]) AS u(job)
                 WHERE h.job = ANY (ARRAY[u.job]) AND h.attempt <= (
                    SELECT DISTINCT attempt FROM progress_history WHERE job = u.job
                    ORDER BY attempt DESC LIMIT 1 OFFSET $2)",
                &params![column(first), HISTORY_ATTEMPTS_MAX as i64],
            );
        }
        Ok(())
    }

    fn post_notes(&self, notes: &[(i64, u32, &Progress)], numbers: &[i64]) {
        if notes.is_empty() {
            return;
        }
        let mut values = of_attempts(notes).to_vec();
        values.extend(columns(&notes.iter().map(|(.., note)| *note).collect::<Vec<_>>()));
        values.push(column(numbers.iter().copied()));
        self.post(
            "INSERT INTO progress_history
                (job, attempt, percent, stage, bytes_done, bytes_total, rate, eta_s, stalled, at_ms, n)
             SELECT * FROM unnest($1::BIGINT[], $2::BIGINT[], $3::BIGINT[], $4::TEXT[], $5::BIGINT[], $6::BIGINT[],
                $7::BIGINT[], $8::BIGINT[], $9::BIGINT[], $10::BIGINT[], $11::BIGINT[])",
            &values,
        );
    }

    /// Removes every second row of an attempt's history; answers how many are left.
    async fn thin(&self, row: i64, attempt: u32) -> Result<i64> {
        let sql = "DELETE FROM progress_history WHERE job = $1 AND attempt = $2 AND n IN (
                SELECT n FROM (
                    SELECT n, row_number() OVER (ORDER BY n) AS nth FROM progress_history
                    WHERE job = $1 AND attempt = $2) AS numbered
                WHERE nth % 2 = 0)";
        self.execute(sql, &params![row, attempt]).await?;
        let left = "SELECT count(*) FROM progress_history WHERE job = $1 AND attempt = $2";
        self.first(left, &params![row, attempt]).await?.map_or(Ok(0), |row| get(&row, 0))
    }
}

/// Which attempts of which jobs.
fn of_attempts(notes: &[(i64, u32, &Progress)]) -> [Value<'static>; 2] {
    params![column(notes.iter().map(|(row, ..)| *row)), column(notes.iter().map(|(_, attempt, _)| *attempt)),]
}

/// The columns of progress, in the order of `rows::progress`.
fn columns(of: &[&Progress]) -> [Value<'static>; 8] {
    [
        column(of.iter().map(|p| i64::from(p.percent))),
        column(of.iter().map(|p| p.stage.clone())),
        column(of.iter().map(|p| p.bytes_done)),
        column(of.iter().map(|p| p.bytes_total)),
        column(of.iter().map(|p| p.rate_bytes_per_s)),
        column(of.iter().map(|p| p.eta_s)),
        column(of.iter().map(|p| p.stalled)),
        column(of.iter().map(|p| p.at_ms)),
    ]
}
