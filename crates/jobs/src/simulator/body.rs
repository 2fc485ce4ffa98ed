//! The simulated work: steps of sleep, with progress, checkpoints, and the asked-for end.

use std::time::Duration;

use longhaul_engine::handler::Ended;
use longhaul_engine::progress::Report;
use longhaul_engine::{JobContext, Stop, Stopped, Success};
use longhaul_model::{Code, Fault, Pages};
use serde_json::Map;

use super::journal::Journal;
use super::spec::{OnCancel, Outcome, Spec};

/// Slices of a sleep that a cancel does not cut short.
const SLICE_MS: u64 = 50;

/// Appends to the journal, if there is one. The journal knows no fencing tokens, so an attempt acts on it only while its
/// lease is known to hold, as it would on a disk.
async fn note(context: &JobContext, journal: Option<&Journal>, what: &str) -> Result<(), Ended> {
    let Some(journal) = journal else { return Ok(()) };
    context.lease().await?;
    let claim = context.claim();
    Ok(journal.note(&claim.job.to_string(), claim.attempt, claim.token, what)?)
}

/// The same for a body that was undone.
pub async fn note_undone(context: &JobContext, journal: Option<&Journal>) -> Result<(), Fault> {
    match note(context, journal, "undone").await {
        Err(Ended::Failed(fault)) => Err(fault),
        // The engine sees it by itself: nothing of this attempt counts any more.
        Err(Ended::Stopped(_)) => Err(Fault::failed("the lease is lost")),
        Ok(()) => Ok(()),
    }
}

/// Runs the body from its checkpoint to its end.
pub async fn run(context: &JobContext, spec: &Spec, journal: Option<&Journal>) -> Result<Success, Ended> {
    note(context, journal, "start").await?;
    let resumed =
        context.checkpoint().get(&0).and_then(|p| p.as_slice().try_into().ok()).map(u64::from_le_bytes);
    let mut done_ms = resumed.unwrap_or(0).min(spec.duration_ms);
    let mut due_ms = done_ms.saturating_add(spec.first_checkpoint_ms);
    let half = spec.duration_ms / 2;
    let step = (spec.duration_ms / spec.progress_steps).max(1);
    // Its checkpoint remembers an interruption, so that the next attempt goes through.
    let interrupts = spec.outcome == Outcome::Interrupt && !context.checkpoint().contains_key(&1);
    let end = if interrupts { half } else { spec.duration_ms };
    report(context, spec, done_ms);
    while done_ms < end {
        let slice = step.min(end - done_ms);
        pause(context, spec, slice, done_ms, journal).await?;
        done_ms += slice;
        report(context, spec, done_ms);
        if done_ms < end && done_ms >= due_ms {
            save(context, journal, done_ms).await?;
            due_ms = done_ms.saturating_add(spec.checkpoint_ms);
        }
    }
    if interrupts {
        note(context, journal, "checkpoint").await?;
        let pages = Pages::from([(0, done_ms.to_le_bytes().to_vec()), (1, b"interrupted".to_vec())]);
        context.save_checkpoint(&pages).await?;
        return Err(
            Fault::new(Code::Interrupted, "the simulated job was interrupted at half; resume it").into()
        );
    }
    if spec.outcome == Outcome::Fail {
        return Err(Fault::new(spec.error_code, spec.error_details.clone()).into());
    }
    note(context, journal, "end").await?;
    let extra = spec.result.clone().map(|r| Map::from_iter([("result".to_owned(), r)])).unwrap_or_default();
    Ok(Success { extra, ..Success::default() })
}

/// Sleeps one step; a cancel ends it as the spec says, a drain after a checkpoint.
async fn pause(
    context: &JobContext,
    spec: &Spec,
    step_ms: u64,
    done_ms: u64,
    journal: Option<&Journal>,
) -> Result<(), Ended> {
    let mut left = step_ms;
    while left > 0 {
        let deaf = spec.on_cancel != OnCancel::Stop && context.stop_asked() == Some(Stop::Cancel);
        if deaf && spec.on_cancel == OnCancel::Slow {
            context.runtime().sleep(Duration::from_millis(spec.cancel_delay_ms)).await;
            return Err(Stopped(Stop::Cancel).into());
        }
        let slice = if deaf { SLICE_MS.min(left) } else { left };
        if deaf {
            context.runtime().sleep(Duration::from_millis(slice)).await;
        } else if let Err(stopped) = context.sleep(Duration::from_millis(slice)).await {
            match stopped.0 {
                Stop::Cancel if spec.on_cancel != OnCancel::Stop => continue,
                Stop::Drain => save(context, journal, done_ms).await?,
                Stop::Cancel | Stop::LeaseLost => {}
            }
            return Err(stopped.into());
        }
        if context.stop_asked() == Some(Stop::LeaseLost) {
            return Err(Stopped(Stop::LeaseLost).into());
        }
        left -= slice;
    }
    Ok(())
}

async fn save(context: &JobContext, journal: Option<&Journal>, done_ms: u64) -> Result<(), Ended> {
    note(context, journal, "checkpoint").await?;
    context.save_checkpoint(&Pages::from([(0, done_ms.to_le_bytes().to_vec())])).await
}

fn report(context: &JobContext, spec: &Spec, done_ms: u64) {
    let percent = (done_ms * 100).checked_div(spec.duration_ms).unwrap_or(0);
    context.progress(Report {
        stage: "simulating".to_owned(),
        percent: Some(u8::try_from(percent).unwrap_or(99)),
        ..Report::default()
    });
}
