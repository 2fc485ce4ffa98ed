//! How the terms of a job are spelled: system tags that come with its submission. What they mean for claims is the
//! store's; deadlines are in `deadline`, retries in `runner`.

use longhaul_model::terms::{DEADLINE_MAX_S, PRIORITY_MAX, RETRIES_MAX, Terms};
use longhaul_model::{Fault, JobState};

use crate::handler::{JobType, RestartRule};

/// 0 to 9 follows; the higher starts first, 5 where there is none.
pub const PRIORITY: &str = "longhaul::priority::";
/// A moment in RFC 3339 follows, before which the job does not start.
pub const NOT_BEFORE: &str = "longhaul::notBefore::";
/// Seconds follow, from the submission or the last rerun on, after which the job has failed.
pub const DEADLINE: &str = "longhaul::deadline::";
/// A number follows: how often the job is tried again after a fault that may pass.
pub const RETRY: &str = "longhaul::retry::";

/// What all of them begin with; each counts at the submission alone.
pub const ALL: [&str; 4] = [PRIORITY, NOT_BEFORE, DEADLINE, RETRY];

/// The terms among the texts of a job's system tags.
///
/// # Errors
/// `InvalidArgument` for a value that is none, naming the tag and what it must be.
pub fn read<'t>(tags: impl IntoIterator<Item = &'t str>) -> Result<Terms, Fault> {
    let mut terms = Terms::default();
    for tag in tags {
        if let Some(value) = tag.strip_prefix(PRIORITY) {
            terms.priority = number(tag, value, 0, PRIORITY_MAX.into(), "the higher starts first")? as u8;
        } else if let Some(value) = tag.strip_prefix(NOT_BEFORE) {
            terms.not_before_ms = Some(moment(tag, value)?);
        } else if let Some(value) = tag.strip_prefix(DEADLINE) {
            terms.deadline_s = Some(number(
                tag,
                value,
                1,
                DEADLINE_MAX_S,
                "seconds from the submission, or the last rerun, on",
            )?);
        } else if let Some(value) = tag.strip_prefix(RETRY) {
            let what = "how often it is tried again after a fault that may pass";
            terms.retries = number(tag, value, 0, RETRIES_MAX.into(), what)? as u32;
        }
    }
    Ok(terms)
}

fn number(tag: &str, value: &str, min: u64, max: u64, what: &str) -> Result<u64, Fault> {
    let number = value.parse().ok().filter(|number| (min..=max).contains(number));
    number.ok_or_else(|| {
        Fault::invalid(format!(
            "the system tag[{tag}] must end in a whole number from {min} to {max}: {what}"
        ))
    })
}

fn moment(tag: &str, value: &str) -> Result<i64, Fault> {
    let moment = value.parse::<jiff::Timestamp>().ok().filter(|_| has_hours_of_a_day(value));
    let ms = moment.map(jiff::Timestamp::as_millisecond).filter(|ms| *ms >= 0);
    ms.ok_or_else(|| {
        Fault::invalid(format!(
            "the system tag[{tag}] must end in a moment from 1970-01-01T00:00:00Z to 9999-12-30T22:00:00Z with its offset \
             from UTC, of at most 23:59, as 2026-03-01T02:00:00Z or 2026-03-01T04:00:00+02:00"
        ))
    })
}

/// Whether the offset of a moment has hours of 00 to 23, as RFC 3339 wants it.
fn has_hours_of_a_day(moment: &str) -> bool {
    let bare = moment.split('[').next().unwrap_or_default(); // the name of a zone may follow
    let time = bare.find(['T', 't', ' ']).map_or("", |at| &bare[at..]);
    let Some((_, offset)) = time.split_once(['+', '-']) else { return true };
    offset.get(..2).and_then(|hours| hours.parse::<u8>().ok()).is_some_and(|hours| hours <= 23)
}

/// Whether a job of that type may have these terms.
///
/// # Errors
/// `InvalidArgument`: it is to be tried again, but its type is one whose attempts cannot be followed by another.
pub fn fit(terms: &Terms, job_type: &JobType) -> Result<(), Fault> {
    if terms.retries > 0 && job_type.restart == RestartRule::Fail {
        return Err(Fault::invalid(format!(
            "a job of type {} is not tried again by itself, since what an attempt left has to be undone first; leave \
             out the system tag {RETRY}{}",
            job_type.name, terms.retries
        )));
    }
    Ok(())
}

/// What a job past its deadline is told to have failed of.
pub(crate) fn deadline_text(deadline_s: u64, state: JobState) -> String {
    let what = match state {
        JobState::Waiting => "it had not started by then",
        _ => "it was stopped and what it had done was undone",
    };
    format!(
        "the deadline of {deadline_s} s after its submission, or its last rerun, has passed; {what}: rerun it, which \
         counts anew, or submit it with a later {DEADLINE}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_terms_of_a_job_are_told_by_its_tags() {
        let tags = [
            "uploadImage::a",
            "longhaul::priority::9",
            "longhaul::notBefore::2026-03-01T04:00:00.5+02:00",
            "longhaul::deadline::60",
            "longhaul::retry::3",
        ];
        let terms = read(tags).unwrap();
        assert_eq!((terms.priority, terms.deadline_s, terms.retries), (9, Some(60), 3));
        assert_eq!(terms.not_before_ms, Some(1_772_330_400_500));
        assert_eq!(read([]).unwrap(), Terms::default());
    }

    #[test]
    fn a_moment_has_the_bounds_that_its_error_tells() {
        let read =
            |value: &str| read([format!("{NOT_BEFORE}{value}").as_str()]).map(|terms| terms.not_before_ms);
        assert_eq!(read("1970-01-01T00:00:00Z"), Ok(Some(0)));
        assert_eq!(read("1970-01-01T23:59:00+23:59"), Ok(Some(0)));
        assert_eq!(read("1969-12-31T00:01:00-23:59"), Ok(Some(0)));
        assert_eq!(read("9999-12-30T22:00:00Z"), Ok(Some(253_402_207_200_000)));
        for beyond in [
            "1969-12-31T23:59:59.999Z",
            "9999-12-31T22:00:00Z",
            "2026-03-01T04:00:00+25:00",
            "2026-03-01T04:00:00-24:00",
            "2026-03-01T04:00:00+2500",
        ] {
            let told = read(beyond).unwrap_err().details;
            let parts = [beyond, "1970-01-01T00:00:00Z", "9999-12-30T22:00:00Z", "23:59"];
            assert!(parts.iter().all(|part| told.contains(part)), "{beyond}: {told}");
        }
    }

    #[test]
    fn a_passed_deadline_is_told_to_count_from_the_last_rerun_too() {
        for (state, what) in [(JobState::Waiting, "had not started"), (JobState::Running, "was stopped")] {
            let told = deadline_text(7, state);
            assert!(told.contains("7 s after its submission, or its last rerun, has passed"), "{told}");
            assert!(told.contains(what) && told.starts_with("the deadline"), "{told}");
        }
    }

    #[test]
    fn what_is_no_term_is_refused_by_what_it_must_be() {
        for (tag, must) in [
            ("longhaul::priority::10", "from 0 to 9"),
            ("longhaul::priority::-1", "from 0 to 9"),
            ("longhaul::priority::", "from 0 to 9"),
            ("longhaul::deadline::0", "from 1 to"),
            ("longhaul::deadline::1.5", "from 1 to"),
            ("longhaul::retry::101", "from 0 to 100"),
            ("longhaul::notBefore::tomorrow", "2026-03-01T02:00:00Z"),
            ("longhaul::notBefore::2026-03-01T04:00:00", "2026-03-01T02:00:00Z"),
            ("longhaul::notBefore::2026-03-01", "2026-03-01T02:00:00Z"),
        ] {
            let told = read([tag]).unwrap_err().details;
            assert!(told.contains(must) && told.contains(tag), "{told}");
        }
    }
}
