//! The parent's work: submits a job for each volume, a few at a time, waits for their ends and keeps the board. A
//! child's uuid is made of the parent's run and the volume, so that whoever goes on after a crash finds the children
//! that there are and makes none twice.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use longhaul_engine::handler::Ended;
use longhaul_engine::progress::Report;
use longhaul_engine::{Child, JobContext, Stopped, Success};
use longhaul_model::resource::Storage;
use longhaul_model::{Code, Fault, Job, JobId, JobState, NAME_MAX, StorageId, SuspendReason};
use serde_json::{Map, Value, json};

use super::board::{Board, Row, Shared, State, lock};
use super::wait::{Children, no_target};
use super::{Evacuate, Request, around};
use crate::carry;
use crate::manage::volumes::{lets_work_go_on, takes_volumes};
use crate::migrate::MIGRATE;

/// The longest time between two looks at the children, where no end wakes the parent.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// So long nothing can be done before the parent is Suspended: a child that goes on by itself in the same round of the
/// watch as its parent may be Suspended yet when that looks.
const PATIENCE: Duration = Duration::from_secs(2);
/// What people see is done.
const STAGE: &str = "evacuating";

/// Why a volume's job was not submitted.
enum Refused {
    /// No storage that could take it, or its own, is there.
    Away(Fault),
    /// Something stands in its way.
    Blocked(Fault),
}

impl Evacuate {
    pub(super) async fn evacuate(&self, context: &JobContext) -> Result<Success, Ended> {
        let request = Request::read(context.data())?;
        self.waits.forget(context.job().id);
        let source = self.desk.inventory.storage(request.source, "primaryStorageUuid").await?;
        let board = match Board::load(context.checkpoint())? {
            Some(board) => self.boards.show(context.job().id, board),
            None => {
                let board = self.boards.show(context.job().id, Board::default());
                self.take_in(context, &request, &source, &board).await?;
                board
            }
        };
        save(context, &board).await?; // before the first child, and so before any that a successor could miss
        adopt(context, &board).await?;
        let before = lock(&board).clone();
        lock(&board).earlier = around::earlier(context, &before).await?;
        let mut shares = BTreeMap::new();
        let mut idle_since = None;
        loop {
            if let Some(why) = context.stop_asked() {
                return Err(Ended::Stopped(Stopped(why)));
            }
            let mut children = self.look(context, &board).await?;
            let away = self.start(context, (&request, &source), &board, &mut children).await?;
            save(context, &board).await?;
            report(context, &board, &mut shares).await;
            if lock(&board).is_over() {
                if !self.take_in(context, &request, &source, &board).await? {
                    let arrived = self.arrivals(context, &source, &board).await?;
                    lock(&board).arrived = arrived;
                    break;
                }
                continue;
            }
            match children.wait(away) {
                None => idle_since = None,
                Some((wait, fault)) => {
                    let now = context.runtime().monotonic();
                    if now.saturating_sub(*idle_since.get_or_insert(now)) >= PATIENCE {
                        self.waits.note(context.job().id, wait);
                        return Err(fault.into()); // Suspended until that has come
                    }
                }
            }
            context.a_job_ended(LOOK_EVERY).await;
        }
        save(context, &board).await?;
        let told = lock(&board).report(&request);
        self.boards.hide(context.job().id);
        Ok(Success { extra: Map::from_iter([("evacuation".to_owned(), told)]), ..Success::default() })
    }

    /// Takes in the volumes that have come to the source, and tries again, once, what something stood in the way of.
    /// Whether there is anything to do now.
    async fn take_in(
        &self,
        context: &JobContext,
        request: &Request,
        source: &Storage,
        board: &Shared,
    ) -> Result<bool, Ended> {
        let again: Vec<_> = lock(board).in_state(State::Blocked);
        for (at, row) in again.into_iter().filter(|(_, row)| !row.again) {
            lock(board).put(at, Row { state: State::Pending, again: true, ..row });
        }
        let known: BTreeSet<_> = lock(board).rows().iter().map(|row| row.volume).collect();
        let (volumes, beyond) = self.volumes(source.id, &known).await?;
        lock(board).not_taken = beyond;
        if !volumes.is_empty() || known.is_empty() {
            // Without it, every volume would be told to be broken.
            lets_work_go_on(source)?;
            self.desk.capacity(source).await?;
            let targets = self.targets(request).await?;
            let looked = self.survey(source, &targets, context.job().account, volumes).await?;
            lock(board).add(looked.into_iter().map(|looked| looked.row).collect());
        }
        Ok(!lock(board).is_over())
    }

    /// Looks at the jobs that are on their way.
    async fn look(&self, context: &JobContext, board: &Shared) -> Result<Children, Fault> {
        let mut children = Children::default();
        let running = lock(board).in_state(State::Running);
        for (at, mut row) in running {
            let Some(id) = row.job else { continue };
            match context.other_job(id).await? {
                Some(job) => {
                    told(&mut row, &job);
                    children.count(&row, &job);
                }
                None => self.without_job(&mut row, id).await,
            }
            lock(board).put(at, row);
        }
        Ok(children)
    }

    /// Somebody deleted the job's record: where the volume lies, its own record says.
    async fn without_job(&self, row: &mut Row, id: JobId) {
        let on = self.desk.inventory.volume(row.volume).await.ok().and_then(|volume| volume.storage);
        if on.is_some() && on == row.target {
            row.because(State::Moved, "the record of its job was deleted, and with it the hash");
        } else {
            row.because(State::Failed, &format!("the record of its job[uuid:{id}] was deleted"));
        }
    }

    /// Submits jobs until as many are on their way as may be. Answers which it could not, and why, if a storage is away.
    async fn start(
        &self,
        context: &JobContext,
        (request, source): (&Request, &Storage),
        board: &Shared,
        children: &mut Children,
    ) -> Result<Option<(Row, Fault)>, Ended> {
        loop {
            let next = {
                let board = lock(board);
                let next = board.rows().iter().position(|row| row.state == State::Pending);
                next.filter(|_| children.places() < request.parallel as usize)
                    .map(|at| (at, board.rows()[at].clone()))
            };
            let Some((at, mut row)) = next else { return Ok(None) };
            if let Some(why) = context.stop_asked() {
                return Err(Ended::Stopped(Stopped(why)));
            }
            match self.submit(context, (request, source), &mut row).await? {
                Ok(Some(job)) => children.count(&row, &job),
                Ok(None) => {}
                Err(Refused::Blocked(fault)) => row.because(State::Blocked, &fault.to_string()),
                Err(Refused::Away(fault)) => return Ok(Some((row, fault))),
            }
            lock(board).put(at, row);
        }
    }

    /// Submits the job of one volume: to the target that was chosen for it, else to the one with most room. Answers it; no
    /// job for a volume that is not there any more.
    async fn submit(
        &self,
        context: &JobContext,
        (request, source): (&Request, &Storage),
        row: &mut Row,
    ) -> Result<Result<Option<Job>, Refused>, Ended> {
        let volume = match self.desk.inventory.volume(row.volume).await {
            Ok(volume) => volume,
            Err(fault) if fault.code == Code::NotFound => {
                row.because(State::Left, "the volume is no more");
                return Ok(Ok(None));
            }
            Err(fault) => return Err(fault.into()),
        };
        if volume.storage != Some(request.source) {
            row.because(State::Left, "it was moved by somebody else");
            return Ok(Ok(None));
        }
        let source_now = self.desk.inventory.storage(source.id, "primaryStorageUuid").await?;
        if let Err(fault) = lets_work_go_on(&source_now) {
            return Ok(Err(Refused::Away(fault))); // it stands in the way of all, for a while
        }
        if let Err(fault) = self.desk.inventory.refuse_worked_on(row.volume).await {
            return Ok(Err(Refused::Blocked(fault)));
        }
        let mut refused = None;
        for target in self.candidates(request, row.target).await? {
            let child = child(context, source, row, target);
            match context.submit_child(&child).await {
                Ok(job) => {
                    row.because(State::Running, "");
                    (row.target, row.job) = (Some(target), Some(job.id));
                    return Ok(Ok(Some(job)));
                }
                Err(Ended::Failed(fault)) => match fault.code {
                    // Another target may do.
                    Code::StorageAway => refused = refused.or(Some(Refused::Away(fault))),
                    Code::StorageFull => refused = Some(Refused::Blocked(fault)),
                    _ => return Ok(Err(Refused::Blocked(fault))),
                },
                Err(stopped) => return Err(stopped),
            }
        }
        Ok(Err(refused.unwrap_or_else(|| Refused::Away(no_target()))))
    }

    /// The targets that take volumes: `first` first, then by their room.
    pub(super) async fn candidates(
        &self,
        request: &Request,
        first: Option<StorageId>,
    ) -> Result<Vec<StorageId>, Fault> {
        let mut found = Vec::new();
        for target in self.targets(request).await? {
            if takes_volumes(&target).is_ok() {
                let free = self.desk.capacity(&target).await.map_or(0, |c| c.available_bytes);
                found.push((Some(target.id) != first, std::cmp::Reverse(free), target.id));
            }
        }
        found.sort();
        Ok(found.into_iter().map(|(_, _, id)| id).collect())
    }

    /// Cancels the children that are not over, waits for their ends, and tells what was done until then.
    pub(super) async fn call_off(&self, context: &JobContext) -> Result<Map<String, Value>, Fault> {
        let request = Request::read(context.data())?;
        self.waits.forget(context.job().id);
        let shown = self.boards.of(context.job().id);
        let board = match shown {
            Some(board) => board,
            None => Board::load(context.checkpoint())?.unwrap_or_default(),
        };
        let board = self.boards.show(context.job().id, board);
        adopt(context, &board).await?;
        let before = lock(&board).clone();
        lock(&board).earlier = around::earlier(context, &before).await?;
        loop {
            self.look(context, &board).await?;
            let running = lock(&board).in_state(State::Running);
            if running.is_empty() {
                break;
            }
            for id in running.iter().filter_map(|(_, row)| row.job) {
                if let Err(fault) = context.cancel_other(id).await {
                    tracing::warn!(job = %id, %fault, "a job of an evacuation could not be canceled yet");
                }
            }
            context.runtime().sleep(LOOK_EVERY).await;
        }
        let pending = lock(&board).in_state(State::Pending);
        for (at, mut row) in pending {
            row.because(State::Canceled, "the evacuation ended before its turn came");
            lock(&board).put(at, row);
        }
        let told = lock(&board).report(&request);
        self.boards.hide(context.job().id);
        Ok(Map::from_iter([("evacuation".to_owned(), told)]))
    }
}

/// Finds the children that an earlier attempt submitted and had no time to write down.
async fn adopt(context: &JobContext, board: &Shared) -> Result<(), Fault> {
    let pending = lock(board).in_state(State::Pending);
    for (at, mut row) in pending {
        let id = child_id(context, &row);
        if let Some(job) = context.other_job(id).await? {
            let data: Value = serde_json::from_str(&job.job_data).unwrap_or_default();
            row.target = data["dstPrimaryStorageUuid"].as_str().and_then(|id| id.parse().ok()).or(row.target);
            row.job = Some(id);
            row.because(State::Running, "");
            lock(board).put(at, row);
        }
    }
    Ok(())
}

/// What a job says about its volume.
pub(super) fn told(row: &mut Row, job: &Job) {
    let result: Value =
        job.job_result.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let detail = result["detail"].as_str().unwrap_or_default();
    match job.state {
        JobState::Succeeded => {
            row.because(State::Moved, "");
            row.blake3 = result["migration"]["blake3"].as_str().map(str::to_owned);
            row.seconds = job.execute_s;
        }
        JobState::Failed => row.because(State::Failed, detail),
        JobState::Canceled => row.because(State::Canceled, "its job was canceled"),
        JobState::Suspended if job.suspend == Some(SuspendReason::Storage) => {
            row.because(State::Running, &format!("it waits: {detail}"));
        }
        JobState::Suspended => row.because(
            State::Running,
            &format!("its job is Suspended; resume it or cancel it, the evacuation waits for it: {detail}"),
        ),
        JobState::Waiting | JobState::Running | JobState::Canceling => row.because(State::Running, ""),
    }
}

/// The same for the same volume in the same run of the parent; a rerun has a new API id, and so new children.
fn child_id(context: &JobContext, row: &Row) -> JobId {
    let mut hash = blake3::Hasher::new();
    hash.update(b"longhaul evacuation\0");
    hash.update(&context.job().id.bits().to_be_bytes());
    hash.update(context.job().api_id.to_string().as_bytes());
    hash.update(&row.volume.bits().to_be_bytes());
    let mut bits = [0; 16];
    bits.copy_from_slice(&hash.finalize().as_bytes()[..16]);
    JobId::v4(u128::from_be_bytes(bits))
}

fn child(context: &JobContext, source: &Storage, row: &Row, target: StorageId) -> Child {
    Child {
        id: child_id(context, row),
        name: child_name(&source.name, &row.name),
        job_name: MIGRATE.to_owned(),
        data: data(row, target),
    }
}

/// `jobData` of a child.
pub(super) fn data(row: &Row, target: StorageId) -> Value {
    json!({"volumeUuid": row.volume.to_string(), "dstPrimaryStorageUuid": target.to_string()})
}

/// Which storage is emptied, and which volume is moved for that; within the bounds of a name, in bytes.
fn child_name(storage: &str, volume: &str) -> String {
    let cut = |text: &str, bytes: usize| text[..text.floor_char_boundary(bytes)].to_owned();
    cut(&format!("evacuate {}: volume {volume}", cut(storage, NAME_MAX / 3)), NAME_MAX)
}

/// Writes what changed on the board; durable when it returns.
async fn save(context: &JobContext, board: &Shared) -> Result<(), Ended> {
    let changed = lock(board).take_changed();
    if changed.is_empty() { Ok(()) } else { context.save_checkpoint(&changed).await }
}

/// Bytes done over all bytes: those of the moved, and of each that is on its way the share that its job tells. A share
/// that was told goes back no more, whatever dies: `shares`.
async fn report(context: &JobContext, board: &Shared, shares: &mut BTreeMap<JobId, u64>) {
    let (running, (mut done, total), parts) = {
        let board = lock(board);
        (board.in_state(State::Running), board.bytes(), board.parts())
    };
    let ids: BTreeSet<JobId> = running.iter().filter_map(|(_, row)| row.job).collect();
    shares.retain(|id, _| ids.contains(id));
    for (_, row) in running {
        let Some(id) = row.job else { continue };
        let share = shares.entry(id).or_default();
        let job = context.other_job(id).await.ok().flatten();
        if let Some(job) = job
            && let Some(progress) = context.other_progress(&job.api_id).await
        {
            *share = (*share).max(carry::done_of(row.bytes, &progress));
        }
        done += *share;
    }
    let none = total == 0;
    context.progress(Report {
        stage: STAGE.to_owned(),
        percent: none.then_some(0),
        bytes_done: done,
        bytes_total: total,
        bytes_after: 0,
        parts: Some(parts),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_named_after_its_volume_within_the_bounds_of_a_name() {
        assert_eq!(child_name("old", "db 1"), "evacuate old: volume db 1");
        let long = child_name(&"ä".repeat(127), &"ö".repeat(127));
        assert!(long.len() <= NAME_MAX && long.contains("ä: volume öö"), "{long}");
    }
}
