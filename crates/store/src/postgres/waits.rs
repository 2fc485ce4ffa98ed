//! Limits, what a job waits for, and who is to be told of it. What is claimed next is in `line`.

use async_trait::async_trait;
use longhaul_model::wait::AHEAD_MAX;
use longhaul_model::{Claim, JobId, JobState, Limits, NodeId, SlotClass, Wait};

use super::claims::Only;
use super::job_sql::Stored;
use super::rows::{self, get};
use super::tx::Tx;
use super::value::params;
use super::{PostgresStore, Result};
use crate::lease::Leases;
use crate::life::{self, Ready};
use crate::limits::{Rooms, lane};
use crate::{Kept, Queue};

#[async_trait]
impl Queue for PostgresStore {
    async fn set_limits(&self, limits: &Limits) -> Result<()> {
        self.write(limits.clone(), |tx, limits| Box::pin(tx.set_limits(limits))).await
    }

    async fn limits(&self) -> Result<Limits> {
        self.read((), |tx, ()| Box::pin(tx.limits())).await
    }

    async fn waits_for(&self, id: JobId) -> Result<Vec<Wait>> {
        self.look(id, |tx, id| {
            Box::pin(async move {
                let Some(found) = tx.seen_job(*id).await? else { return Ok(Vec::new()) };
                let could_run = matches!(found.job.state, JobState::Waiting | JobState::Running);
                if !could_run || found.holder().is_some() {
                    return Ok(Vec::new());
                }
                tx.waits_of(&found).await
            })
        })
        .await
    }

    async fn held(&self, node: NodeId) -> Result<Vec<Claim>> {
        self.read(node, |tx, node| Box::pin(tx.claims_of(*node, Only::Held))).await
    }

    async fn overdue(&self, limit: u32) -> Result<Vec<JobId>> {
        self.read(limit, |tx, limit| {
            Box::pin(async move {
                let sql = "SELECT j.uuid FROM job_run AS r
                     CROSS JOIN LATERAL (SELECT uuid FROM job WHERE id = r.job OFFSET 0) AS j
                     WHERE r.deadline_ms <= (SELECT longhaul_now()) ORDER BY r.deadline_ms, r.place LIMIT $1";
                let passed = tx.rows(sql, &params![*limit]).await?;
                // One that cannot be read holds up no other.
                Ok(passed.iter().filter_map(|row| rows::id(row, 0).ok()).collect())
            })
        })
        .await
    }

    async fn sweep_jobs(&self, kept: Kept, limit: u32) -> Result<u64> {
        self.write((kept, limit), |tx, (kept, limit)| Box::pin(tx.sweep_jobs(*kept, *limit))).await
    }
}

impl Tx {
    async fn waits_of(&self, found: &Stored) -> Result<Vec<Wait>> {
        let job = &found.job;
        let Some(run) = &found.run else { return Ok(Vec::new()) };
        let leases = self.leases().await?;
        let mut waits = Vec::new();
        match life::ready(job) {
            Ready::Never => waits.push(Wait::Held),
            Ready::At(at_ms) if at_ms > leases.now_ms => waits.push(Wait::NotBefore(at_ms)),
            Ready::Now | Ready::At(_) => {}
        }
        if job.state == JobState::Waiting {
            waits.extend(self.behind(found, run.place).await?);
        }
        let gate = self.first("SELECT gate FROM job_run WHERE place = $1", &params![run.place]).await?;
        let gate: String = gate.map_or(Ok(String::new()), |row| get(&row, 0))?;
        let limits = self.limits().await?;
        let rooms = self.rooms(&limits).await?;
        if !gate.is_empty() {
            let full = rooms.full(&lane(&limits, job.account, &job.job_name)).into_iter();
            waits.extend(full.map(|(of, running, most)| Wait::Limit { of, running, most }));
        }
        let living = self.living_hosts(&leases).await?;
        match job.terms.host {
            _ if living.is_empty() => waits.push(Wait::NoNode),
            Some(host) if !living.contains(&host.to_string()) => waits.push(Wait::HostAway(host)),
            _ => {}
        }
        if waits.is_empty() {
            let class = SlotClass::ALL.into_iter().find(|c| rows::class_number(*c) == found.class);
            let ahead = self.ahead(found, run.place, &rooms).await?;
            waits.extend(class.map(|class| Wait::Slot { class, ahead }));
        }
        Ok(waits)
    }

    /// The jobs on its target that were submitted before it.
    async fn behind(&self, found: &Stored, place: i64) -> Result<Option<Wait>> {
        let Some(target) = found.ordering_target() else { return Ok(None) };
        let sql = "SELECT j.uuid, j.state FROM job_run AS r JOIN job AS j ON j.id = r.job
             WHERE r.target = $1 AND r.place < $2 ORDER BY r.place LIMIT 1";
        let Some(first) = self.first(sql, &params![target, place]).await? else { return Ok(None) };
        let sql =
            "SELECT count(*) FROM (SELECT 1 FROM job_run WHERE target = $1 AND place < $2 LIMIT $3) AS a";
        let ahead = self.first(sql, &params![target, place, AHEAD_MAX]).await?;
        let ahead = ahead.map_or(Ok(0), |row| rows::count(&row, 0))?;
        let (first, state) = (rows::id(&first, 0)?, JobState::from_name(get(&first, 1)?));
        Ok(state.map(|state| Wait::Behind { first, state, ahead }))
    }

    async fn living_hosts(&self, leases: &Leases) -> Result<Vec<String>> {
        let mut living = Vec::new();
        for row in self.rows("SELECT host, until_ms FROM node", &[]).await? {
            if !leases.expired(get(&row, 1)?) {
                living.push(get(&row, 0)?);
            }
        }
        Ok(living)
    }

    /// How many rows that a node of its host could claim now go before it.
    async fn ahead(&self, found: &Stored, place: i64, rooms: &Rooms<'_>) -> Result<u64> {
        let host = found.job.terms.host.map(|h| h.to_string()).unwrap_or_default();
        let mut ahead = 0;
        let hosts = if host.is_empty() { vec![""] } else { vec!["", &host] };
        for host in hosts {
            for gate in self.gates(found.class, host, rooms).await? {
                let sql = "SELECT count(*) FROM (
                        SELECT 1 FROM job_run WHERE class = $1 AND host = $2 AND gate = $3
                            AND (rank, place) < ($4, $5) AND node IS NULL AND ready_at_ms = 0 LIMIT $6) AS a";
                let values = params![found.class, host, gate, found.job.rank(), place, AHEAD_MAX];
                ahead += self.first(sql, &values).await?.map_or(Ok(0), |row| rows::count(&row, 0))?;
            }
        }
        Ok(ahead.min(AHEAD_MAX))
    }
}
