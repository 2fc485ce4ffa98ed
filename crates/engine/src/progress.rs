//! Live progress: in memory on the holder, one batched write a second to the store, sooner when a job comes to another
//! stage. What is asked for is as far as the store knows, at most a second old; rate, time left and stall are live.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use longhaul_model::explain::HeldBy;
use longhaul_model::progress::Parts;
use longhaul_model::{ApiId, Claim, Fault, Job, JobId, JobState, Progress, Runtime};
use tokio::sync::Notify;

use crate::engine::Engine;
use crate::fault::from_store;
use quiet::Quiet;
use steps::Steps;
use window::Window;

mod quiet;
mod steps;
mod window;

/// After so long without a change that could have come a job is shown as stalled.
pub const STALL_AFTER: Duration = Duration::from_secs(30);
/// No two writes of progress follow each other sooner, however many jobs come to another stage.
const WRITES_APART: Duration = Duration::from_millis(100);
/// Weight of the newest second in the shown rate; the rest is the past.
const RATE_WEIGHT: f64 = 0.3;

/// What a handler tells.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// `copying`, `verifying` …
    pub stage: String,
    /// 0 to 99; `None` is computed from the bytes.
    pub percent: Option<u8>,
    /// Bytes done in this stage; 0 where the work is not bytes.
    pub bytes_done: u64,
    /// Bytes in all in this stage; 0 where the work is not bytes.
    pub bytes_total: u64,
    /// Bytes of the stages after this one, for the time that is left.
    pub bytes_after: u64,
    /// How the jobs stand that this one submitted, where it does that.
    pub parts: Option<Parts>,
}

/// What holds a job's bytes back at the moment, besides the devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// Most bytes per second; 0 = it stands still.
    pub bytes_per_s: u64,
    /// What limits it.
    pub by: HeldBy,
    /// Most bytes that move in one go: nothing is seen of a piece before it is through.
    pub piece_bytes: u64,
}

impl Limit {
    /// As long as a piece takes, in seconds; `None`: nothing moves.
    fn piece_s(&self) -> Option<f64> {
        (self.bytes_per_s > 0).then(|| self.piece_bytes as f64 / self.bytes_per_s as f64)
    }
}

struct Live {
    claim: Claim,
    shown: Progress,
    dirty: bool,
    /// How long nothing has moved that might have.
    quiet: Quiet,
    sample: (Duration, u64, String),
    /// The rate of what is held back.
    steps: Steps,
    /// Bytes to go, those of the stages after this one included.
    left: u64,
    /// The rate of what is given to others.
    window: Window,
    /// Bytes, percent and stage as this attempt told them last: `shown` may be what an earlier one reached.
    told: (u64, u8, String),
    limit: Option<Limit>,
    /// When this attempt saved a checkpoint last.
    saved_at: Option<Duration>,
}

/// A job and its progress, as they are asked for.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The job.
    pub job: Job,
    /// How far it is.
    pub progress: Progress,
    /// Whether it has begun and nobody works on it now.
    pub left: bool,
}

/// The live progress of all jobs held here.
#[derive(Default)]
pub struct Hub {
    live: Mutex<BTreeMap<ApiId, Live>>,
    /// A job came to another stage.
    staged: Notify,
}

impl Hub {
    fn live(&self) -> MutexGuard<'_, BTreeMap<ApiId, Live>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An attempt begins, `from` what the store knows.
    pub fn begin(&self, api: &ApiId, claim: Claim, from: Progress, runtime: &dyn Runtime) {
        let now = runtime.monotonic();
        let sample = (now, from.bytes_done, from.stage.clone());
        let told = (from.bytes_done, from.percent, from.stage.clone());
        let shown = Progress { rate_bytes_per_s: 0, eta_s: None, stalled: false, ..from };
        self.live().insert(
            api.clone(),
            Live {
                claim,
                shown,
                dirty: false,
                quiet: Quiet::from(now),
                sample,
                steps: Steps::default(),
                left: 0,
                window: Window::default(),
                told,
                limit: None,
                saved_at: None,
            },
        );
    }

    /// An attempt ended. Another one's entry stays.
    pub fn end(&self, api: &ApiId, claim: &Claim) {
        let mut live = self.live();
        if live.get(api).is_some_and(|l| l.claim == *claim) {
            live.remove(api);
        }
    }

    /// A handler tells how far it is.
    pub fn report(&self, api: &ApiId, report: Report, runtime: &dyn Runtime) {
        let now = runtime.monotonic();
        let mut all = self.live();
        let Some(live) = all.get_mut(api) else { return };
        let percent = report.percent.unwrap_or_else(|| share(report.bytes_done, report.bytes_total)).min(99);
        if (report.bytes_done, percent, &report.stage) != (live.told.0, live.told.1, &live.told.2) {
            live.quiet = Quiet::from(now);
            live.told = (report.bytes_done, percent, report.stage.clone());
        }
        live.steps.step(now, &report.stage, report.bytes_done);
        let free = match report.parts {
            Some(_) => live.window.rate(now, report.bytes_done),
            None => live.rate(now, &report),
        };
        live.left = report.bytes_total.saturating_sub(report.bytes_done).saturating_add(report.bytes_after);
        let (rate_bytes_per_s, eta_s) = live.pace(now, free);
        let told = Progress {
            percent,
            stage: report.stage,
            bytes_done: report.bytes_done,
            bytes_total: report.bytes_total,
            rate_bytes_per_s,
            eta_s,
            stalled: false,
            parts: report.parts,
            at_ms: runtime.now_ms(),
        };
        let advanced = live.shown.advanced_to(told);
        // Not an attempt that is on its way back to where the one before was.
        if advanced.stage != live.shown.stage && percent >= live.shown.percent {
            self.staged.notify_one();
        }
        live.shown = advanced;
        live.dirty = true;
    }

    /// An attempt is told what limits it.
    pub fn limit(&self, api: &ApiId, limit: Option<Limit>, runtime: &dyn Runtime) {
        let mut all = self.live();
        let Some(live) = all.get_mut(api).filter(|live| live.limit != limit) else { return };
        live.quiet.pass(runtime.monotonic(), live.limit.as_ref());
        live.limit = limit;
    }

    /// Whether an attempt runs here.
    pub fn holds(&self, api: &ApiId) -> bool {
        self.live().contains_key(api)
    }

    /// What limits a job that is held here.
    pub fn limit_of(&self, api: &ApiId) -> Option<Limit> {
        self.live().get(api)?.limit.clone()
    }

    /// An attempt has saved a checkpoint.
    pub fn saved(&self, api: &ApiId, runtime: &dyn Runtime) {
        if let Some(live) = self.live().get_mut(api) {
            live.saved_at = Some(runtime.monotonic());
        }
    }

    /// How long ago the attempt that is held here saved a checkpoint, ms; `None`: it has not.
    pub fn saved_ago_ms(&self, api: &ApiId, runtime: &dyn Runtime) -> Option<u64> {
        let ago = runtime.monotonic().saturating_sub(self.live().get(api)?.saved_at?);
        Some(u64::try_from(ago.as_millis()).unwrap_or(u64::MAX))
    }

    /// What is live of a job, if it is held here.
    pub fn get(&self, api: &ApiId, runtime: &dyn Runtime) -> Option<Progress> {
        let all = self.live();
        let live = all.get(api)?;
        let now = runtime.monotonic();
        let shown = live.shown.clone();
        // What is given to others is theirs to move, or to be held back.
        let others_move = shown.parts.is_some_and(|parts| parts.running > 0);
        let stalled = !others_move && live.quiet.lasts(now, live.limit.as_ref()) >= STALL_AFTER;
        let (rate_bytes_per_s, eta_s) = match live.limit {
            Some(_) => live.pace(now, shown.rate_bytes_per_s),
            None => (shown.rate_bytes_per_s, shown.eta_s),
        };
        Some(Progress { stalled, rate_bytes_per_s, eta_s, ..shown })
    }

    /// How many jobs have live progress here.
    pub(crate) fn len(&self) -> usize {
        self.live().len()
    }

    /// What has to reach the store.
    pub fn take_dirty(&self) -> Vec<(Claim, Progress)> {
        let mut all = self.live();
        all.values_mut().filter_map(|l| l.unsaved().map(|progress| (l.claim, progress))).collect()
    }

    /// What of one attempt has to reach the store.
    pub fn take_dirty_of(&self, api: &ApiId, claim: &Claim) -> Option<Progress> {
        let mut all = self.live();
        let live = all.get_mut(api).filter(|l| l.claim == *claim)?;
        live.unsaved()
    }
}

impl Live {
    /// What has to reach the store, once.
    fn unsaved(&mut self) -> Option<Progress> {
        std::mem::take(&mut self.dirty).then(|| Progress { parts: None, ..self.shown.clone() })
    }

    /// Bytes per second, 0 = not known, and seconds to go; `free` is the rate where nothing holds it back. What is held
    /// back takes as long as its limit says before it is seen to move.
    fn pace(&self, now: Duration, free: u64) -> (u64, Option<u64>) {
        let (rate, foreseen) = match &self.limit {
            None => (free, free),
            Some(limit) => match limit.piece_s() {
                None => (0, 0),
                Some(piece_s) => {
                    let rate = self.steps.rate(now, piece_s).min(limit.bytes_per_s);
                    (rate, if rate > 0 { rate } else { limit.bytes_per_s })
                }
            },
        };
        (rate, (foreseen > 0 && self.left > 0).then(|| self.left.div_ceil(foreseen)))
    }

    /// Bytes per second, smoothed; sampled at most twice a second.
    fn rate(&mut self, now: Duration, report: &Report) -> u64 {
        let (at, bytes, stage) = &self.sample;
        if *stage != report.stage || report.bytes_done < *bytes {
            self.sample = (now, report.bytes_done, report.stage.clone());
            return 0;
        }
        let passed = now.saturating_sub(*at).as_secs_f64();
        if passed < 0.5 {
            return self.shown.rate_bytes_per_s;
        }
        let newest = (report.bytes_done - bytes) as f64 / passed;
        let before = self.shown.rate_bytes_per_s as f64;
        let rate = if before == 0.0 { newest } else { before + (newest - before) * RATE_WEIGHT };
        self.sample = (now, report.bytes_done, report.stage.clone());
        rate as u64
    }
}

fn share(done: u64, total: u64) -> u8 {
    if total == 0 {
        return 0;
    }
    u8::try_from(u128::from(done) * 100 / u128::from(total)).unwrap_or(100)
}

impl Engine {
    /// The job of that API id with its progress: `None` for an unknown id. A job has progress from the
    /// moment of its submission until it is deleted; a succeeded one is at 100. It never goes back before a
    /// rerun, whichever process dies meanwhile.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn progress_of(&self, api: &ApiId) -> Result<Option<(Job, Progress)>, Fault> {
        Ok(self.seen_progress_of(api).await?.map(|seen| (seen.job, seen.progress)))
    }

    /// The same, and whether anybody works on it.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn seen_progress_of(&self, api: &ApiId) -> Result<Option<Seen>, Fault> {
        let known = self.store.progress(api).await.map_err(|e| from_store(e, "the progress"))?;
        let Some((job, stored)) = known else { return Ok(None) };
        let mut progress = stored.unwrap_or_else(|| Progress::none(job.create_ms));
        let mut left = false;
        // How far it is, only as far as that is stored: whatever dies, nobody sees it go back.
        if let Some(live) = self.progress.get(api, &*self.runtime) {
            progress.rate_bytes_per_s = live.rate_bytes_per_s;
            progress.eta_s = live.eta_s;
            progress.stalled = live.stalled;
            progress.parts = live.parts;
        } else if self.is_left(&job, &progress).await? {
            left = true;
            progress.rate_bytes_per_s = 0;
            progress.eta_s = None;
            progress.stalled = self.passed_ms(&progress) >= STALL_AFTER.as_millis() as i64;
        }
        if job.state == JobState::Succeeded {
            progress.percent = 100;
            progress.eta_s = None;
            progress.at_ms = job.last_op_ms;
        } else if job.state.is_final() || job.state == JobState::Suspended {
            progress.rate_bytes_per_s = 0;
            progress.eta_s = None;
            progress.stalled = false;
        }
        Ok(Some(Seen { job, progress, left }))
    }

    /// Since when that was told, ms.
    fn passed_ms(&self, told: &Progress) -> i64 {
        self.runtime.now_ms().saturating_sub(told.at_ms)
    }

    /// Whether nobody works on a job that has begun, so that its pace is of the past.
    async fn is_left(&self, job: &Job, told: &Progress) -> Result<bool, Fault> {
        let begun = matches!(job.state, JobState::Running | JobState::Canceling);
        // Who has told something of late is there.
        if !begun || (job.node.is_some() && self.passed_ms(told) < self.silent_after_ms()) {
            return Ok(false);
        }
        Ok(!self.is_held(job).await? || !self.is_holder_heard(job, &self.inventory().nodes().await?))
    }

    /// What holds a job back that runs on this node; `None` where nothing does.
    pub fn limit_of(&self, job: &Job) -> Option<Limit> {
        self.progress.limit_of(&job.api_id).filter(|_| job.state == JobState::Running)
    }

    /// The progress history of a job, oldest first.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn progress_history(&self, job: JobId) -> Result<Vec<Progress>, Fault> {
        self.store.progress_history(job).await.map_err(|e| from_store(e, "the progress"))
    }

    /// Writes live progress about once a second, a new stage as soon as it may, for as long as the engine runs.
    pub(crate) async fn flush_progress(self: Arc<Self>) {
        let apart = WRITES_APART.min(self.config.progress_flush);
        while !self.is_over() {
            self.runtime.sleep(apart).await;
            tokio::select! {
                () = self.runtime.sleep(self.config.progress_flush - apart) => {}
                () = self.progress.staged.notified() => {}
            }
            let rows = self.progress.take_dirty();
            if rows.is_empty() || !self.lease.holds(&*self.runtime) {
                continue;
            }
            if let Err(error) = self.store.save_progress(&rows).await {
                tracing::debug!(%error, rows = rows.len(), "progress was not stored; newer progress follows");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_whole_percents_rounded_down() {
        assert_eq!(share(0, 0), 0);
        assert_eq!(share(1, 3), 33);
        assert_eq!(share(u64::MAX, u64::MAX), 100);
    }
}
