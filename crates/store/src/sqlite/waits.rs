//! Limits, what a job waits for, and who is to be told of it. What is claimed next is in `line`.

use std::cell::RefCell;

use async_trait::async_trait;
use longhaul_model::wait::AHEAD_MAX;
use longhaul_model::{Claim, JobId, JobState, Limits, NodeId, SlotClass, Wait};
use rusqlite::params;

use super::claims::Only;
use super::job_sql::Stored;
use super::tx::Tx;
use super::{Result, SqliteStore, rows};
use crate::life::{self, Ready};
use crate::limits::lane;
use crate::{Kept, Queue};

#[async_trait]
impl Queue for SqliteStore {
    async fn set_limits(&self, limits: &Limits) -> Result<()> {
        let limits = limits.clone();
        self.write(move |tx| tx.set_limits(&limits)).await
    }

    async fn limits(&self) -> Result<Limits> {
        self.look(|tx| tx.limits()).await
    }

    async fn waits_for(&self, id: JobId) -> Result<Vec<Wait>> {
        self.look(move |tx| {
            let Some(found) = tx.stored_job(id)? else { return Ok(Vec::new()) };
            let could_run = matches!(found.job.state, JobState::Waiting | JobState::Running);
            if !could_run || found.holder().is_some() {
                return Ok(Vec::new());
            }
            tx.waits_of(&found)
        })
        .await
    }

    async fn held(&self, node: NodeId) -> Result<Vec<Claim>> {
        self.read(move |connection| Tx::claims_of(connection, node, Only::Held)).await
    }

    async fn overdue(&self, limit: u32) -> Result<Vec<JobId>> {
        self.look(move |tx| {
            let mut passed = tx.prepare(
                "SELECT j.uuid FROM job_run AS r JOIN job AS j ON j.id = r.job
                 WHERE r.deadline_ms <= ?1 ORDER BY r.deadline_ms, r.place LIMIT ?2",
            )?;
            let passed = passed.query_map(params![tx.now_ms, limit], |row| rows::id(row, 0))?;
            Ok(passed.filter_map(rusqlite::Result::ok).collect()) // one that cannot be read holds up no other
        })
        .await
    }

    async fn sweep_jobs(&self, kept: Kept, limit: u32) -> Result<u64> {
        self.write(move |tx| tx.sweep_jobs(kept, limit)).await
    }
}

impl SqliteStore {
    /// Reads by `work` at one moment, with the words that writes have.
    async fn look<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (runtime, ttl_ms) = (self.runtime.clone(), self.options.lease_ttl_ms);
        self.read(move |connection| {
            let moment = connection.unchecked_transaction()?;
            let now_ms = runtime.now_ms();
            let counts = RefCell::default();
            work(&Tx { connection: &moment, runtime: &*runtime, ttl_ms, now_ms, counts })
        })
        .await
    }
}

impl Tx<'_> {
    fn waits_of(&self, found: &Stored) -> Result<Vec<Wait>> {
        let job = &found.job;
        let Some(run) = &found.run else { return Ok(Vec::new()) };
        let mut waits = Vec::new();
        match life::ready(job) {
            Ready::Never => waits.push(Wait::Held),
            Ready::At(at_ms) if at_ms > self.now_ms => waits.push(Wait::NotBefore(at_ms)),
            Ready::Now | Ready::At(_) => {}
        }
        if job.state == JobState::Waiting {
            waits.extend(self.behind(found, run.place)?);
        }
        let gate: String =
            self.connection
                .query_row("SELECT gate FROM job_run WHERE place = ?1", [run.place], |r| r.get(0))?;
        let limits = self.limits()?;
        let rooms = self.rooms(&limits)?;
        if !gate.is_empty() {
            let full = rooms.full(&lane(&limits, job.account, &job.job_name)).into_iter();
            waits.extend(full.map(|(of, running, most)| Wait::Limit { of, running, most }));
        }
        let living = self.living_hosts()?;
        match job.terms.host {
            _ if living.is_empty() => waits.push(Wait::NoNode),
            Some(host) if !living.contains(&host.to_string()) => waits.push(Wait::HostAway(host)),
            _ => {}
        }
        if waits.is_empty() {
            let class = SlotClass::ALL.into_iter().find(|c| rows::class_number(*c) == found.class);
            let ahead = self.ahead(found, run.place, &rooms)?;
            waits.extend(class.map(|class| Wait::Slot { class, ahead }));
        }
        Ok(waits)
    }

    /// The jobs on its target that were submitted before it.
    fn behind(&self, found: &Stored, place: i64) -> Result<Option<Wait>> {
        let Some(target) = found.target() else { return Ok(None) };
        let first = self.first(
            "SELECT j.uuid, j.state FROM job_run AS r JOIN job AS j ON j.id = r.job
             WHERE r.target = ?1 AND r.place < ?2 ORDER BY r.place LIMIT 1",
            params![target, place],
            |row| Ok((rows::id(row, 0)?, row.get::<_, String>(1)?)),
        )?;
        let Some((first, state)) = first else { return Ok(None) };
        let ahead = self.connection.query_row(
            "SELECT count(*) FROM (SELECT 1 FROM job_run WHERE target = ?1 AND place < ?2 LIMIT ?3)",
            params![target, place, AHEAD_MAX as i64],
            |row| rows::count(row, 0),
        )?;
        Ok(JobState::from_name(&state).map(|state| Wait::Behind { first, state, ahead }))
    }

    fn living_hosts(&self) -> Result<Vec<String>> {
        let leases = self.leases()?;
        let mut nodes = self.prepare("SELECT host, until_ms FROM node")?;
        let nodes = nodes.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let nodes: Vec<(String, i64)> = nodes.collect::<rusqlite::Result<_>>()?;
        Ok(nodes.into_iter().filter(|(_, until)| !leases.expired(*until)).map(|(host, _)| host).collect())
    }

    /// How many rows that a node of its host could claim now go before it.
    fn ahead(&self, found: &Stored, place: i64, rooms: &crate::limits::Rooms<'_>) -> Result<u64> {
        let host = found.job.terms.host.map(|h| h.to_string()).unwrap_or_default();
        let mut ahead = 0;
        let hosts = if host.is_empty() { vec![""] } else { vec!["", &host] };
        for host in hosts {
            for gate in self.gates(found.class, host, rooms)? {
                ahead += self.connection.query_row(
                    "SELECT count(*) FROM (SELECT 1 FROM job_run WHERE class = ?1 AND host = ?2 AND gate = ?3
                        AND (rank, place) < (?4, ?5) AND node IS NULL AND ready_at_ms = 0 LIMIT ?6)",
                    params![found.class, host, gate, found.job.rank(), place, AHEAD_MAX as i64],
                    |row| rows::count(row, 0),
                )?;
            }
        }
        Ok(ahead.min(AHEAD_MAX))
    }
}
