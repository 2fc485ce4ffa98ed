//! One child process from its start to its end: what it says is kept or told on, what the attempt is told
//! is passed to it.

use std::time::Duration;

use longhaul_engine::handler::Ended;
use longhaul_engine::progress::Report;
use longhaul_engine::{JobContext, Stop, Stopped};
use longhaul_model::resource::IntentKind;
use longhaul_model::{Fault, Pages, Progress, StorageId};

use super::rate::{LOOK_EVERY, Rate};
use super::start::started;
use super::{CopySettings, stopped};
use crate::attempt_io::parent::Line;
use crate::attempt_io::protocol::enter;
use crate::attempt_io::{ANSWER_WITHIN, Answer, Question, ask};
use crate::attempt_io::{Attempt, AttemptSpec, FromChild, ToChild};
use crate::copy::Stage;
use crate::copy::control::boottime_ns;
use crate::copy::run::{CopyResult, CopySpec, DiskRef};
use crate::manage::blocking;
use crate::manage::fault::from_disk;
use crate::manage::volumes::lets_work_go_on;
use crate::storage::{self, DiskError, Root};

/// How long a child that was told to stop may take before it is killed.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// The stage of a job that copies.
const COPYING: &str = "copying";
/// The stage of a job that reads back.
const VERIFYING: &str = "verifying";

/// How a child ended.
pub enum End {
    /// The target is complete and was read back. Of an image as source, the child that holds it, and its intent.
    Done(CopyResult, Option<(Attempt, u64)>),
    /// It is gone without an outcome: why, as far as can be told.
    Died(String),
}

/// Starts a child and stays with it until it is gone. It copies by `rate`, also when that changes, for as long as
/// none of `storages` is in Maintenance.
///
/// # Errors
/// The attempt is to stop (the child is gone by then), or the child says that it cannot be done; `StorageAway` when a
/// storage was put into Maintenance.
pub async fn drive(
    context: &JobContext,
    settings: &CopySettings,
    spec: &CopySpec,
    storages: &[StorageId],
    rate: &mut Rate<'_>,
    pages: &mut Pages,
) -> Result<End, Ended> {
    let bytes_per_s = tokio::select! {
        opened = rate.open() => opened?,
        fault = closed(context, storages) => return Err(fault.into()),
    };
    context.lease().await?;
    let mut child = started(context, &settings.spawner).await?;
    let Ok(Some(FromChild::Hello { pid, start_time })) = child.next_event().await else {
        return Ok(End::Died(died(&mut child).await));
    };
    let kind = IntentKind::Child { host: context.host(), pid, start_ticks: start_time };
    let intent = context.intend(kind, None).await?;
    let ttl = context.lease_ttl();
    let spec = AttemptSpec {
        copy: spec.clone(),
        bytes_per_s,
        lease_ttl_ms: u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX),
        lease_at_ns: confirmed_at_ns(context).unwrap_or_default(), // of a lost one: long ago, so it ends at once
    };
    let line = child.line();
    let outcome = tokio::select! {
        outcome = converse(context, settings, &mut child, &spec, pages) => outcome,
        () = pass_on_lease(context, line.clone()) => Ok(End::Died("its socket closed".to_owned())),
        () = rate.pass_on(bytes_per_s, line) => Ok(End::Died("its socket closed".to_owned())),
        fault = closed(context, storages) => {
            let_stop(context, &mut child).await;
            Err(fault.into())
        }
    };
    if let (Ok(End::Done(result, _)), DiskRef::Image { .. }) = (&outcome, &spec.copy.source) {
        return Ok(End::Done(result.clone(), Some((child, intent.id))));
    }
    // Whatever it said: nothing of it may write after this.
    let _ = child.kill_and_wait().await; // an error means that it was waited for before
    context.settle(intent.id).await?;
    outcome
}

/// Tells the child of every heartbeat that was answered. Does not end by itself: that the child is gone is
/// found out by who listens to it.
async fn pass_on_lease(context: &JobContext, line: Line) {
    let mut confirmations = context.lease_confirmations();
    while confirmations.changed().await.is_ok() {
        let Some(at_ns) = confirmed_at_ns(context) else { continue };
        if line.send(&ToChild::LeaseConfirmed { at_ns }).await.is_err() {
            break;
        }
    }
    std::future::pending().await
}

/// When that was sent which confirmed the lease last, in ns of `CLOCK_BOOTTIME`; `None`: the lease is lost.
fn confirmed_at_ns(context: &JobContext) -> Option<u64> {
    // In this order: a pause between the two makes it earlier, never later.
    let now_ns = boottime_ns();
    let age = context.lease_age()?;
    Some(now_ns.saturating_sub(u64::try_from(age.as_nanos()).unwrap_or(u64::MAX)))
}

async fn converse(
    context: &JobContext,
    settings: &CopySettings,
    child: &mut Attempt,
    spec: &AttemptSpec,
    pages: &mut Pages,
) -> Result<End, Ended> {
    if child.go(spec, pages).await.is_err() {
        return Ok(End::Died(died(child).await));
    }
    let mut left = 0;
    loop {
        let said = tokio::select! {
            said = child.next_event() => Ok(said),
            why = context.stopped() => Err(why),
        };
        let said = match said {
            Ok(said) => said,
            Err(why) => return stop_child(context, child, why).await,
        };
        match said {
            Ok(Some(FromChild::Progress { stage, bytes_done, bytes_total })) => {
                left = bytes_total.saturating_sub(bytes_done);
                context.progress(report(stage, bytes_done, bytes_total));
            }
            Ok(Some(FromChild::Checkpoint { seq, pages: changed })) => {
                let mut fresh = Pages::new();
                enter(changed, &mut fresh);
                context.save_checkpoint(&fresh).await?;
                pages.append(&mut fresh);
                // If it is gone already, its end is the next thing read.
                let _ = child.send(&ToChild::CheckpointStored { seq }).await;
            }
            Ok(Some(FromChild::Done { result })) => return Ok(End::Done(result, None)),
            Ok(Some(FromChild::Failed { error })) => {
                return Err(from_disk(measured(settings, error, &spec.copy.target, left).await).into());
            }
            Ok(Some(FromChild::Canceled)) => return Err(stopped(context)),
            Ok(Some(FromChild::Hello { .. } | FromChild::SourceUnchanged | FromChild::Answer { .. })) => {}
            Ok(None) => return Ok(End::Died(died(child).await)),
            Err(error) => return Ok(End::Died(format!("{error}; {}", died(child).await))),
        }
    }
}

/// Ends when one of the storages is put into Maintenance: with what to do about it. While the store is away it is not
/// known, and so it is not.
async fn closed(context: &JobContext, storages: &[StorageId]) -> Fault {
    loop {
        for id in storages {
            if let Ok(storage) = context.inventory().storage(*id, "uuid").await
                && let Err(fault) = lets_work_go_on(&storage)
            {
                return fault;
            }
        }
        context.runtime().sleep(LOOK_EVERY).await;
    }
}

/// Lets the child stop between two chunks, unless the lease is lost; then it is killed by the caller.
async fn stop_child(context: &JobContext, child: &mut Attempt, why: Stop) -> Result<End, Ended> {
    if why != Stop::LeaseLost {
        let_stop(context, child).await;
    }
    Err(Ended::Stopped(Stopped(why)))
}

async fn let_stop(context: &JobContext, child: &mut Attempt) {
    if child.send(&ToChild::Cancel).await.is_ok() {
        tokio::select! {
            () = outcome_of(child) => {}
            () = context.runtime().sleep(STOP_WITHIN) => {}
        }
    }
}

async fn outcome_of(child: &mut Attempt) {
    while let Ok(Some(said)) = child.next_event().await {
        if matches!(said, FromChild::Canceled | FromChild::Done { .. } | FromChild::Failed { .. }) {
            return;
        }
    }
}

/// The operating system says that a disk is full, not by how much: looks what is free beside the `left` bytes.
async fn measured(settings: &CopySettings, error: DiskError, target: &DiskRef, left: u64) -> DiskError {
    let DiskError::NoSpace { needed: 0, .. } = error else { return error };
    let free = match target.clone() {
        DiskRef::File { root, .. } => {
            let looked = blocking(move || storage::capacity(&Root::open(&root)?)).await;
            looked.ok().map(|room| room.available_bytes)
        }
        DiskRef::Image { pool, .. } => {
            match ask(&settings.spawner, &pool, Question::Capacity, ANSWER_WITHIN).await {
                Ok(Answer::Capacity(room)) => Some(room.available_bytes),
                _ => None,
            }
        }
    };
    free.map_or(error, |free| DiskError::NoSpace { needed: left, free })
}

/// Copying is nine tenths of the way to 99, reading back the last.
fn report(stage: Stage, bytes_done: u64, bytes_total: u64) -> Report {
    let share = |from: u64, to: u64| {
        let part = ((to - from) * bytes_done.min(bytes_total)).checked_div(bytes_total).unwrap_or(0);
        u8::try_from(from + part).unwrap_or(99)
    };
    let (stage, percent, bytes_after) = match stage {
        Stage::Mapping => ("mapping", share(0, 2), 0), // the rate of mapping says nothing of copying
        Stage::Copying => (COPYING, share(2, 80), bytes_total),
        Stage::Verifying => (VERIFYING, share(80, 99), 0),
    };
    Report {
        stage: stage.to_owned(),
        percent: Some(percent),
        bytes_done,
        bytes_total,
        bytes_after,
        parts: None,
    }
}

/// How much of a disk of `bytes` is done, by the progress of the job that copies it: half of the work is copying, half is
/// reading back, so that it grows as evenly as the bytes are moved.
pub fn done_of(bytes: u64, progress: &Progress) -> u64 {
    let part = |of: u64| {
        let (done, total) = (progress.bytes_done.min(progress.bytes_total), progress.bytes_total.max(1));
        u64::try_from(u128::from(of) * u128::from(done) / u128::from(total)).unwrap_or(of)
    };
    match progress.stage.as_str() {
        _ if progress.percent >= 100 => bytes,
        COPYING => part(bytes / 2),
        VERIFYING => bytes / 2 + part(bytes - bytes / 2),
        _ => 0,
    }
}

async fn died(child: &mut Attempt) -> String {
    match child.kill_and_wait().await {
        Ok(status) => format!("it ended with {status}"),
        Err(error) => format!("it ended: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_of_a_disk_grows_as_evenly_as_its_bytes_are_moved() {
        let at = |stage: &str, bytes_done, percent| {
            let told = Progress {
                stage: stage.to_owned(),
                bytes_done,
                bytes_total: 200,
                percent,
                ..Progress::none(0)
            };
            done_of(1000, &told)
        };
        assert_eq!((at("", 0, 0), at("mapping", 100, 1)), (0, 0));
        let copied: Vec<_> = [0, 50, 100, 200].map(|bytes| at("copying", bytes, 50)).into();
        assert_eq!(copied, [0, 125, 250, 500]);
        let read: Vec<_> = [0, 50, 100, 200].map(|bytes| at("verifying", bytes, 90)).into();
        assert_eq!(read, [500, 625, 750, 1000]);
        assert_eq!(at("verifying", 200, 100), 1000);
    }
}
