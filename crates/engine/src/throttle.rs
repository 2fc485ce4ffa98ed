//! The rate of one job's copy: kept as a system tag on the job, so that a restart, a takeover and a rerun find it, and
//! whoever reads tags sees it. Who copies by it, and what else holds a copy back, is in `longhaul-jobs`.

use longhaul_model::resource::{ApiOutcome, Tag, Tagged};
use longhaul_model::timeline::TimelineKind;
use longhaul_model::{Change, Fault, Job};
use longhaul_store::StoreError;

use crate::cancel::{DECIDE_MAX, text};
use crate::engine::{Caller, Engine};
use crate::fault::from_store;
use crate::inventory::not_found;
use crate::rules;

/// What that tag begins with; bytes per second follow, 0 = unlimited whatever the server's default is.
pub const THROTTLE: &str = "longhaul::throttle::";
/// The least rate that the action takes, bytes per second: a chunk of 4 MiB then takes about a minute.
pub const THROTTLE_MIN: u64 = 64 * 1024;

/// The rate among the texts of a job's system tags, bytes per second; `None` where it has no rate of its own.
pub fn own_rate<'t>(tags: impl IntoIterator<Item = &'t str>) -> Option<u64> {
    tags.into_iter().find_map(|tag| tag.strip_prefix(THROTTLE)?.parse().ok())
}

impl Engine {
    /// Gives a job that has not ended a rate of its own, in bytes per second, or with `None` takes it away: then the
    /// server's default counts. A running copy follows within `FOLLOW_WITHIN` of `longhaul-jobs`.
    ///
    /// # Errors
    /// `InvalidArgument` for a rate below `THROTTLE_MIN` and for a job that has ended; `NotSupported` for a type that
    /// copies nothing; `NotFound`, `PermissionDenied`.
    pub async fn throttle(&self, caller: &Caller, uuid: &str, rate: Option<u64>) -> Result<Job, Fault> {
        if let Some(low) = rate.filter(|rate| *rate < THROTTLE_MIN) {
            return Err(Fault::invalid(format!(
                "field[bytesPerSecond] is {low}, but a copy gets no less than {THROTTLE_MIN} bytes per second; give more, or 0 or null for no limit of its own"
            )));
        }
        // One at a time: a job has one rate.
        let _turn = self.throttles.lock().await;
        for _ in 0..DECIDE_MAX {
            let job = self.owned_job(caller, uuid).await?;
            let copies = self.registry.get(&job.job_name).is_some_and(|handler| handler.copies());
            rules::may_throttle(&job, copies)?;
            self.put_rate(&job, rate).await?;
            let mut change = Change::new(caller.actor(), TimelineKind::Updated);
            change.detail = rate.map_or_else(
                || "no rate of its own".to_owned(),
                |rate| format!("at most {rate} bytes per second"),
            );
            let record = caller.record_with(ApiOutcome::Job(job.id));
            match self.store.change(job.id, job.version, change, record).await {
                Ok((job, _)) => return Ok(job),
                Err(StoreError::Stale) => {}
                Err(StoreError::NotFound) => return Err(not_found("uuid", uuid, "LongJobVO")),
                Err(error) => return Err(from_store(error, &text(&job))),
            }
        }
        Err(from_store(StoreError::Stale, &format!("long job[uuid:{uuid}]")))
    }

    /// Makes `rate` the only one among the job's tags.
    async fn put_rate(&self, job: &Job, rate: Option<u64>) -> Result<(), Fault> {
        let failed = |error| from_store(error, "the tags of the job");
        let on = Tagged::Job(job.id);
        let of_rate = |tag: &Tag| {
            tag.system && tag.resource_type == on.resource_type() && tag.text.starts_with(THROTTLE)
        };
        let all = self.store.tags(&job.id.to_string()).await.map_err(failed)?;
        let mut known = all.into_iter().filter(of_rate);
        let wanted = rate.map(|rate| format!("{THROTTLE}{rate}"));
        match (wanted, known.next()) {
            (Some(text), Some(tag)) => {
                // Taken: a second rate, put on beside this action, has that text; it goes first.
                for other in known {
                    self.store.delete_tag(other.id).await.map_err(failed)?;
                }
                self.store.update_tag(tag.id, &text).await.map_err(failed)?;
            }
            (Some(text), None) => {
                self.store.add_tags(on, true, &[text]).await.map_err(failed)?;
            }
            (None, first) => {
                for tag in first.into_iter().chain(known) {
                    self.store.delete_tag(tag.id).await.map_err(failed)?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_of_a_job_is_told_by_its_tag() {
        assert_eq!(own_rate(["uploadImage::a", "longhaul::throttle::5"]), Some(5));
        assert_eq!(own_rate(["longhaul::throttle::0"]), Some(0), "unlimited, whatever the default is");
        assert_eq!(own_rate(["longhaul::throttle::x", "throttle::5"]), None);
        assert_eq!(own_rate([]), None);
    }
}
