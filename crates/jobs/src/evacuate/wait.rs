//! Children that do not go on, and evacuations that are Suspended for them: how the children stand, what a job waits for
//! when it can do nothing more, and whether that is there. What it waits for is kept in memory, by the node whose attempt
//! ended for it; another node, or another process, lets the job look for itself.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use longhaul_engine::CheckRequest;
use longhaul_model::{Code, Fault, HostId, Job, JobId, JobState, SuspendReason};

use super::board::Row;
use super::run::data;
use super::{Evacuate, Request};
use crate::manage::volumes::lets_work_go_on;

/// Most Suspended children that hold no place of `parallel`: so many more may run when all of them go on at once.
const SUSPENDED_MAX: usize = 16;
/// How often at most a node lets an evacuation look for itself of which it does not know what it waits for. Rare, since
/// the job may be known to another node, and then ends as it began.
const LOOK_AGAIN: Duration = Duration::from_secs(300);

/// How the children stand that are not over.
#[derive(Debug, Default)]
pub(super) struct Children {
    /// At work, or soon.
    at_work: usize,
    /// Somebody or something has to bring them on.
    suspended: Vec<Row>,
    /// Those of them that wait for a storage.
    stored: Vec<Row>,
    /// Whether one of them is tried again by itself.
    retried: bool,
}

impl Children {
    /// Counts one.
    pub fn count(&mut self, row: &Row, job: &Job) {
        match (job.state, job.suspend) {
            (JobState::Suspended, why) => {
                self.suspended.push(row.clone());
                self.retried |= job.retry_at_ms.is_some();
                if why == Some(SuspendReason::Storage) {
                    self.stored.push(row.clone());
                }
            }
            (JobState::Waiting, Some(SuspendReason::User)) => self.suspended.push(row.clone()), // it is held
            (JobState::Waiting | JobState::Running | JobState::Canceling, _) => self.at_work += 1,
            (JobState::Succeeded | JobState::Failed | JobState::Canceled, _) => {}
        }
    }

    /// How many places of `parallel` they hold.
    pub fn places(&self) -> usize {
        self.at_work + self.suspended.len().saturating_sub(SUSPENDED_MAX)
    }

    /// What their parent waits for that could begin no other, and for that reason, if there is nothing else for it to do.
    /// While one only has to be resumed by somebody, the parent stays where it is.
    pub fn wait(self, away: Option<(Row, Fault)>) -> Option<(Wait, Fault)> {
        if self.at_work > 0 || self.retried {
            return None;
        }
        let (next, fault) = match (away, self.stored.first()) {
            (Some((row, fault)), _) => (Some(row), fault),
            (None, Some(row)) => (None, waits_for(row)),
            (None, None) => return None,
        };
        Some((Wait { next, stored: self.stored, suspended: self.suspended }, fault))
    }
}

fn waits_for(row: &Row) -> Fault {
    let job = row.job.map(|id| id.to_string()).unwrap_or_default();
    Fault::new(
        Code::StorageAway,
        format!("nothing can be done until long job[uuid:{job}] goes on; {}", row.detail),
    )
}

/// What a Suspended evacuation waits for: the first of these to happen.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Wait {
    /// The volume whose turn it is can be begun.
    next: Option<Row>,
    /// One of these can go on.
    stored: Vec<Row>,
    /// One of these is over.
    suspended: Vec<Row>,
}

/// What this process knows of a Suspended evacuation.
#[derive(Debug, Clone, PartialEq)]
enum Known {
    /// What it waits for.
    For(Box<Wait>),
    /// Only that it was let go on then, by the monotonic clock, and that no attempt came here.
    LetGo(Duration),
}

/// What Suspended evacuations wait for.
#[derive(Debug, Default)]
pub(super) struct Waits(Mutex<BTreeMap<JobId, Known>>);

impl Waits {
    fn all(&self) -> MutexGuard<'_, BTreeMap<JobId, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An attempt ends here, for that.
    pub fn note(&self, job: JobId, wait: Wait) {
        self.all().insert(job, Known::For(Box::new(wait)));
    }

    /// An attempt begins here, or the job is over.
    pub fn forget(&self, job: JobId) {
        self.all().remove(&job);
    }
}

impl Evacuate {
    /// Whether an attempt of a Suspended evacuation would find something to do.
    ///
    /// # Errors
    /// It would not: why.
    pub(super) async fn can_go_on(&self, job: JobId, request: &Request) -> Result<(), Fault> {
        let known = self.waits.all().get(&job).cloned();
        let now = self.desk.inventory.runtime().monotonic();
        match known {
            Some(Known::For(wait)) => self.has_come(&wait, request).await?,
            Some(Known::LetGo(then)) if now.saturating_sub(then) < LOOK_AGAIN => {
                return Err(Fault::new(Code::StorageAway, "it was let go on just now, for nothing"));
            }
            Some(Known::LetGo(_)) | None => self.storages_are_there(request).await?,
        }
        // Whatever comes of it, it is no more as it was noted.
        self.waits.all().insert(job, Known::LetGo(now));
        Ok(())
    }

    async fn has_come(&self, wait: &Wait, request: &Request) -> Result<(), Fault> {
        for row in &wait.suspended {
            if self.desk.inventory.refuse_worked_on(row.volume).await.is_ok() {
                return Ok(());
            }
        }
        let mut why = Fault::new(Code::StorageAway, "what it waits for is not there");
        for row in &wait.stored {
            let (Some(id), Some(target)) = (row.job, row.target) else { continue };
            match self.migrate.ready(id, &data(row, target)).await {
                Ok(()) => return Ok(()),
                Err(fault) => why = fault,
            }
        }
        match &wait.next {
            Some(row) => self.can_begin(request, row).await,
            None => Err(why),
        }
    }

    /// Whether something comes of it when a job for that volume is submitted, a refusal for good included.
    async fn can_begin(&self, request: &Request, row: &Row) -> Result<(), Fault> {
        let source = self.desk.inventory.storage(request.source, "primaryStorageUuid").await?;
        lets_work_go_on(&source)?;
        let volume = match self.desk.inventory.volume(row.volume).await {
            Ok(volume) if volume.storage == Some(request.source) => volume,
            Ok(_) => return Ok(()), // it has left
            Err(fault) if fault.code == Code::NotFound => return Ok(()),
            Err(fault) => return Err(fault),
        };
        let mut why = no_target();
        for target in self.candidates(request, row.target).await? {
            let check = CheckRequest {
                job: JobId::from_bits(0), // of no matter for the check
                account: volume.account,
                admin: true,
                target: None,
                data: data(row, target),
                rate: None,
                host: HostId::from_bits(0),
                dry_run: false,
            };
            match self.migrate.check(&check).await {
                Err(fault) if fault.code == Code::StorageAway => why = fault,
                Err(fault) if matches!(fault.code, Code::Unavailable | Code::StoreAway) => return Err(fault),
                Ok(_) | Err(_) => return Ok(()),
            }
        }
        Err(why)
    }

    /// Whether the source is there, and a target.
    async fn storages_are_there(&self, request: &Request) -> Result<(), Fault> {
        let source = self.desk.inventory.storage(request.source, "primaryStorageUuid").await?;
        lets_work_go_on(&source)?;
        self.desk.capacity(&source).await?;
        let mut last = Ok(());
        for target in self.targets(request).await? {
            last = lets_work_go_on(&target);
            if last.is_ok() {
                last = self.desk.capacity(&target).await.map(|_| ());
            }
            if last.is_ok() {
                break; // one is enough to go on
            }
        }
        last
    }
}

/// None of the targets takes volumes.
pub(super) fn no_target() -> Fault {
    Fault::new(Code::StorageAway, "no storage that was named takes volumes; enable one")
}

#[cfg(test)]
mod tests {
    use longhaul_model::VolumeId;

    use super::super::board::State;
    use super::*;

    fn rows(many: usize) -> Vec<Row> {
        let row = Row {
            volume: VolumeId::from_bits(1),
            name: "disk".to_owned(),
            bytes: 10,
            target: None,
            job: Some(JobId::from_bits(2)),
            state: State::Running,
            again: false,
            blake3: None,
            seconds: None,
            detail: "it waits: it is in Maintenance".to_owned(),
        };
        vec![row; many]
    }

    #[test]
    fn what_is_suspended_holds_no_place_within_bounds() {
        let places = |at_work, suspended| {
            Children { at_work, suspended: rows(suspended), ..Children::default() }.places()
        };
        assert_eq!((places(1, 0), places(1, SUSPENDED_MAX)), (1, 1));
        assert_eq!(places(1, SUSPENDED_MAX + 2), 3);
    }

    #[test]
    fn a_parent_waits_for_a_storage_only_while_nothing_else_can_be_done() {
        let away = || Some((rows(1).remove(0), no_target()));
        let children = |at_work, retried, stored| Children {
            at_work,
            suspended: rows(2),
            stored: rows(stored),
            retried,
        };
        assert_eq!(children(1, false, 1).wait(away()), None, "one is at work");
        assert_eq!(children(0, true, 1).wait(away()), None, "one is tried again by itself");
        assert_eq!(children(0, false, 0).wait(None), None, "somebody has to resume one");
        let (wait, fault) = children(0, false, 1).wait(None).expect("a storage is waited for");
        assert_eq!((wait.next, wait.stored.len(), wait.suspended.len()), (None, 1, 2));
        assert!(fault.code == Code::StorageAway && fault.details.contains("Maintenance"), "{fault}");
        let (wait, fault) = children(0, false, 0).wait(away()).expect("no storage takes the next");
        assert!(wait.next.is_some() && fault.details.contains("enable one"), "{fault}");
    }
}
