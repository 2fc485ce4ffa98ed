//! The life of jobs. The statements are in `job_sql`, how claims are given in `claims`.

use async_trait::async_trait;
use longhaul_model::progress::Progress;
use longhaul_model::resource::{ApiRecord, Effect};
use longhaul_model::timeline::{Actor, TimelineKind};
use longhaul_model::{
    Change, Claim, Claimed, FreeSlots, Job, JobEvent, JobId, JobState, NewJob, NodeId, Pages, Submitted,
    Transition,
};

use super::claims::Only;
use super::job_sql::{Queued, Stored};
use super::rows::{self, get};
use super::tx::{Hold, Tx};
use super::value::params;
use super::{PostgresStore, Result};
use crate::life;
use crate::{Jobs, StoreError};

#[async_trait]
impl Jobs for PostgresStore {
    async fn submit(&self, job: NewJob, record: Option<ApiRecord>) -> Result<Submitted> {
        if record.is_none() {
            return self.submit_gathered(job).await;
        }
        self.write((job, record), |tx, (job, record)| Box::pin(tx.submit(job, record.as_ref()))).await
    }

    async fn job(&self, id: JobId) -> Result<Option<Job>> {
        self.read(id, |tx, id| Box::pin(tx.read_job(*id))).await
    }

    async fn request_hash(&self, id: JobId) -> Result<Option<[u8; 32]>> {
        self.read(id, |tx, id| {
            Box::pin(async move {
                let sql =
                    "SELECT b.request_hash FROM job_body AS b WHERE b.job = (SELECT id FROM job WHERE uuid = $1)";
                let Some(row) = tx.first(sql, &params![*id]).await? else { return Ok(None) };
                let hash = get::<&[u8]>(&row, 0)?.try_into();
                hash.map(Some).map_err(|_| rows::damaged(0, "a hash"))
            })
        })
        .await
    }

    async fn claim(&self, node: NodeId, slots: &[FreeSlots], except: &[String]) -> Result<Vec<Claimed>> {
        self.write((node, slots.to_vec(), except.to_vec()), |tx, (node, slots, except)| {
            Box::pin(tx.claim_free(*node, slots, except))
        })
        .await
    }

    async fn apply(&self, claim: &Claim, transition: Transition) -> Result<Job> {
        if transition.effects.is_empty() {
            return self.apply_gathered(*claim, transition).await;
        }
        self.write((*claim, transition), |tx, (claim, transition)| Box::pin(tx.apply(claim, transition)))
            .await
    }

    async fn release(&self, claim: &Claim, detail: &str) -> Result<()> {
        self.write((*claim, detail.to_owned()), |tx, (claim, detail)| {
            Box::pin(async move {
                let found = tx.held_job(claim).await?;
                let job = life::released(&found.job, tx.now_ms());
                tx.update_job(found.row, &found.job, &job);
                if let Some(run) = &found.run {
                    let target = found.ordering_target();
                    tx.update_run(run.place, &job, None, false, target).await?;
                }
                tx.note(found.row, &job, TimelineKind::Released, Actor::Node(claim.node), detail);
                Ok(())
            })
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
        self.write((id, version, change, record), |tx, (id, version, change, record)| {
            Box::pin(tx.change(*id, *version, change, record.as_ref()))
        })
        .await
    }

    async fn delete_job(&self, id: JobId, version: u64, record: Option<ApiRecord>) -> Result<()> {
        self.write((id, version, record), |tx, (id, version, record)| {
            Box::pin(tx.delete_job(*id, *version, record.as_ref()))
        })
        .await
    }

    async fn canceling(&self, node: NodeId) -> Result<Vec<Claim>> {
        self.read(node, |tx, node| Box::pin(tx.claims_of(*node, Only::Canceling))).await
    }

    async fn claims(&self, node: NodeId) -> Result<Vec<Claim>> {
        self.read(node, |tx, node| Box::pin(tx.claims_of(*node, Only::All))).await
    }

    async fn save_checkpoint(&self, claim: &Claim, pages: &Pages) -> Result<()> {
        self.save_gathered((*claim, pages.clone())).await
    }

    async fn save_progress(&self, rows: &[(Claim, Progress)]) -> Result<()> {
        if let [(claim, progress)] = rows {
            return self.progress_gathered(*claim, progress.clone()).await; // mostly the last of an attempt
        }
        self.write(rows.to_vec(), |tx, rows| Box::pin(tx.save_progress(rows))).await
    }
}

impl Tx {
    async fn submit(&self, new: &NewJob, record: Option<&ApiRecord>) -> Result<Submitted> {
        self.share(Hold::Account, &new.account.to_string());
        self.insert_record(record).await?;
        self.submit_all(&[new]).await?.pop().unwrap_or(Err(StoreError::NotFound))
    }

    pub(super) async fn apply(&self, claim: &Claim, transition: &Transition) -> Result<Job> {
        let found = self.held_job(claim).await?;
        let decided = life::transitioned(&found.job, transition, self.now_ms())?;
        let succeeded = decided.job.state == JobState::Succeeded;
        if succeeded {
            self.check_effects(&transition.effects, claim.job).await?;
        }
        for effect in &transition.effects {
            if succeeded || matches!(effect, Effect::LedgerDone(_)) {
                self.do_effect(effect).await?;
            }
        }
        let actor = Actor::Node(claim.node);
        self.store_decided(&found, &decided, actor, &transition.detail).await?;
        Ok(decided.job)
    }

    pub(super) async fn store_decided(
        &self,
        found: &Stored,
        decided: &life::Decided,
        actor: Actor,
        detail: &str,
    ) -> Result<()> {
        let job = &decided.job;
        self.update_job(found.row, &found.job, job);
        if job.state.is_final() {
            self.end_run(found).await?;
        } else if let Some(run) = &found.run {
            // A change of the name says nothing about who may run a job that waits for another.
            let moves = job.state != found.job.state || job.suspend != found.job.suspend;
            if moves || decided.ends_claim {
                let holder = run.holder.filter(|_| !decided.ends_claim);
                let target = found.ordering_target();
                self.update_run(run.place, job, holder, !decided.ends_claim, target).await?;
            }
        }
        for kind in &decided.rows {
            self.note(found.row, job, *kind, actor, detail);
        }
        Ok(())
    }

    async fn change(
        &self,
        id: JobId,
        version: u64,
        change: &Change,
        record: Option<&ApiRecord>,
    ) -> Result<(Job, Option<Claim>)> {
        let found = self.locked_job(id).await?.ok_or(StoreError::NotFound)?;
        if found.job.version != version {
            return Err(StoreError::Stale);
        }
        let decided = life::changed(&found.job, found.holder().is_some(), change, self.now_ms())?;
        self.insert_record(record).await?;
        self.store_decided(&found, &decided, change.actor, &change.detail).await?;
        if change.event != Some(JobEvent::Rerun) {
            return Ok((decided.job, None));
        }
        self.post("DELETE FROM progress WHERE job = $1", &params![found.row]);
        self.post("DELETE FROM progress_history WHERE job = $1", &params![found.row]);
        let limits = self.kept_limits().await?;
        let of = Queued { class: found.class, target: found.ordering_target(), limits: &limits };
        let mut after = (decided.job.clone(), None);
        if let Some(node) = change.claim_for
            && self.may_start_at_once(self.taker(node).await?.as_ref(), &decided.job, of).await?
        {
            let (job, claim) = self.started_at_once(&decided.job, node)?;
            self.update_job(found.row, &decided.job, &job);
            after = (job, Some(claim));
        }
        self.insert_run(found.row, &after.0, of).await?;
        if let Some(claim) = &after.1 {
            self.note(found.row, &after.0, TimelineKind::Started, Actor::Node(claim.node), "");
        }
        Ok(after)
    }

    async fn delete_job(&self, id: JobId, version: u64, record: Option<&ApiRecord>) -> Result<()> {
        let found = self.locked_job(id).await?.ok_or(StoreError::NotFound)?;
        if found.job.version != version {
            return Err(StoreError::Stale);
        }
        self.insert_record(record).await?;
        self.remove_rows(&[(found.row, &id.to_string())]);
        self.end_run(&found).await?;
        self.count(&found.job, found.job.state, -1);
        Ok(())
    }
}
