//! The life of jobs. The statements are in `job_sql`, how claims are given in `claims`.

use async_trait::async_trait;
use longhaul_model::progress::Progress;
use longhaul_model::resource::{ApiRecord, Effect};
use longhaul_model::timeline::{Actor, TimelineKind};
use longhaul_model::{
    Change, Claim, Claimed, FreeSlots, Job, JobEvent, JobId, JobState, NewJob, NodeId, Pages, Submitted,
    Transition,
};
use rusqlite::{OptionalExtension, params};

use super::claims::Only;
use super::job_sql::{Queued, RunOf, read_job};
use super::rows;
use super::tx::Tx;
use super::{Result, SqliteStore};
use crate::life;
use crate::{Jobs, StoreError};

#[async_trait]
impl Jobs for SqliteStore {
    async fn submit(&self, job: NewJob, record: Option<ApiRecord>) -> Result<Submitted> {
        self.write_again(move |tx| tx.submit(&job, record.as_ref())).await
    }

    async fn job(&self, id: JobId) -> Result<Option<Job>> {
        self.read(move |connection| read_job(connection, id)).await
    }

    async fn request_hash(&self, id: JobId) -> Result<Option<[u8; 32]>> {
        self.read(move |connection| {
            let sql =
                "SELECT b.request_hash FROM job AS j JOIN job_body AS b ON b.job = j.id WHERE j.uuid = ?1";
            Ok(connection.prepare_cached(sql)?.query_row([id.to_string()], |row| row.get(0)).optional()?)
        })
        .await
    }

    async fn claim(&self, node: NodeId, slots: &[FreeSlots], except: &[String]) -> Result<Vec<Claimed>> {
        let (slots, except) = (slots.to_vec(), except.to_vec());
        self.write_again(move |tx| tx.claim_free(node, &slots, &except)).await
    }

    async fn apply(&self, claim: &Claim, transition: Transition) -> Result<Job> {
        let claim = *claim;
        self.write_again(move |tx| tx.apply(&claim, &transition)).await
    }

    async fn release(&self, claim: &Claim, detail: &str) -> Result<()> {
        let (claim, detail) = (*claim, detail.to_owned());
        self.write(move |tx| {
            let found = tx.held_job(&claim)?;
            let job = life::released(&found.job, tx.now_ms);
            tx.update_job(found.row, &found.job, &job)?;
            if let Some(run) = &found.run {
                tx.update_run(run.place, &job, &RunOf::default())?;
            }
            tx.note(found.row, &job, TimelineKind::Released, Actor::Node(claim.node), &detail)
        })
        .await
    }

    async fn change(
        &self,
        id: JobId,
        version: u64,
        change: Change,
        record: Option<ApiRecord>,
    ) -> Result<(Job, Option<Claim>)> {
        self.write(move |tx| tx.change(id, version, &change, record.as_ref())).await
    }

    async fn delete_job(&self, id: JobId, version: u64, record: Option<ApiRecord>) -> Result<()> {
        self.write(move |tx| tx.delete_job(id, version, record.as_ref())).await
    }

    async fn canceling(&self, node: NodeId) -> Result<Vec<Claim>> {
        self.read(move |connection| Tx::claims_of(connection, node, Only::Canceling)).await
    }

    async fn claims(&self, node: NodeId) -> Result<Vec<Claim>> {
        self.read(move |connection| Tx::claims_of(connection, node, Only::All)).await
    }

    async fn save_checkpoint(&self, claim: &Claim, pages: &Pages) -> Result<()> {
        let (claim, pages) = (*claim, pages.clone());
        self.write_again(move |tx| {
            let row = tx.held_row(&claim)?.ok_or(StoreError::LeaseLost)?;
            for (page, bytes) in &pages {
                tx.execute(
                    "INSERT INTO checkpoint (job, page, bytes) VALUES (?1, ?2, ?3)
                     ON CONFLICT (job, page) DO UPDATE SET bytes = excluded.bytes",
                    params![row, page, bytes],
                )?;
            }
            Ok(())
        })
        .await
    }

    async fn save_progress(&self, rows: &[(Claim, Progress)]) -> Result<()> {
        let rows = rows.to_vec();
        self.write_again(move |tx| {
            for (claim, progress) in &rows {
                if let Some(row) = tx.held_row(claim)? {
                    tx.save_progress(row, claim, progress)?;
                }
            }
            Ok(())
        })
        .await
    }
}

impl Tx<'_> {
    pub(super) fn submit(&self, new: &NewJob, record: Option<&ApiRecord>) -> Result<Submitted> {
        self.check_account(new.account)?;
        self.insert_record(record)?;
        let mut job = life::submitted(new, self.now_ms);
        let mut claim = None;
        let limits = self.limits()?;
        let target = new.target.as_ref().filter(|_| new.ordered);
        let of = Queued { class: rows::class_number(new.class), target, limits: &limits };
        if let Some(node) = new.claim_for
            && self.may_start_at_once(node, &job, of)?
        {
            let (started, given) = self.started_at_once(&job, node)?;
            (job, claim) = (started, Some(given));
        }
        let Some(row) = self.insert_job(new, &job)? else { return self.same_as_before(new) };
        self.insert_run(row, &job, of)?;
        let submitted = life::submitted(new, self.now_ms);
        self.note(row, &submitted, TimelineKind::Submitted, Actor::Account(new.account), "")?;
        if let Some(claim) = claim {
            self.note(row, &job, TimelineKind::Started, Actor::Node(claim.node), "")?;
        }
        Ok(Submitted::Created(Box::new(job), claim))
    }

    fn same_as_before(&self, new: &NewJob) -> Result<Submitted> {
        let same = self.exists(
            "SELECT 1 FROM job AS j JOIN job_body AS b ON b.job = j.id
             WHERE j.uuid = ?1 AND b.request_hash = ?2",
            params![new.id.to_string(), new.request_hash],
        )?;
        if !same {
            return Err(StoreError::Taken);
        }
        let job = read_job(self.connection, new.id)?.ok_or(StoreError::NotFound)?;
        Ok(Submitted::Same(Box::new(job)))
    }

    fn apply(&self, claim: &Claim, transition: &Transition) -> Result<Job> {
        let found = self.held_job(claim)?;
        let decided = life::transitioned(&found.job, transition, self.now_ms)?;
        let succeeded = decided.job.state == JobState::Succeeded;
        if succeeded {
            self.check_effects(&transition.effects, claim.job)?;
        }
        for effect in &transition.effects {
            if succeeded || matches!(effect, Effect::LedgerDone(_)) {
                self.do_effect(effect.clone())?;
            }
        }
        let actor = Actor::Node(claim.node);
        self.store_decided(&found, &decided, actor, &transition.detail)?;
        Ok(decided.job)
    }

    fn store_decided(
        &self,
        found: &super::job_sql::Stored,
        decided: &life::Decided,
        actor: Actor,
        detail: &str,
    ) -> Result<()> {
        let job = &decided.job;
        self.update_job(found.row, &found.job, job)?;
        if job.state.is_final() {
            self.end_run(found)?;
            self.execute("DELETE FROM checkpoint WHERE job = ?1", [found.row])?;
        } else if let Some(run) = &found.run {
            // A change of the name says nothing about who may run a job that waits for another.
            let moves = job.state != found.job.state || job.suspend != found.job.suspend;
            if moves || decided.ends_claim {
                let holder = run.holder.filter(|_| !decided.ends_claim);
                let target = found.target();
                let of = RunOf { holder, orphaned: !decided.ends_claim, begins: false, target };
                self.update_run(run.place, job, &of)?;
            }
        }
        for kind in &decided.rows {
            self.note(found.row, job, *kind, actor, detail)?;
        }
        Ok(())
    }

    fn change(
        &self,
        id: JobId,
        version: u64,
        change: &Change,
        record: Option<&ApiRecord>,
    ) -> Result<(Job, Option<Claim>)> {
        let found = self.stored_job(id)?.ok_or(StoreError::NotFound)?;
        if found.job.version != version {
            return Err(StoreError::Stale);
        }
        let decided = life::changed(&found.job, found.holder().is_some(), change, self.now_ms)?;
        self.insert_record(record)?;
        self.store_decided(&found, &decided, change.actor, &change.detail)?;
        if change.event != Some(JobEvent::Rerun) {
            return Ok((decided.job, None));
        }
        self.execute("DELETE FROM progress WHERE job = ?1", [found.row])?;
        self.execute("DELETE FROM progress_history WHERE job = ?1", [found.row])?;
        let limits = self.limits()?;
        let of = Queued { class: found.class, target: found.target(), limits: &limits };
        let mut after = (decided.job.clone(), None);
        if let Some(node) = change.claim_for
            && self.may_start_at_once(node, &decided.job, of)?
        {
            let (job, claim) = self.started_at_once(&decided.job, node)?;
            self.update_job(found.row, &decided.job, &job)?;
            after = (job, Some(claim));
        }
        self.insert_run(found.row, &after.0, of)?;
        if let Some(claim) = &after.1 {
            self.note(found.row, &after.0, TimelineKind::Started, Actor::Node(claim.node), "")?;
        }
        Ok(after)
    }

    fn delete_job(&self, id: JobId, version: u64, record: Option<&ApiRecord>) -> Result<()> {
        let found = self.stored_job(id)?.ok_or(StoreError::NotFound)?;
        if found.job.version != version {
            return Err(StoreError::Stale);
        }
        self.insert_record(record)?;
        self.remove_rows(found.row, &id.to_string())?;
        self.end_run(&found)?;
        self.count(&found.job, found.job.state, -1);
        Ok(())
    }
}
