//! What clients were told must be true: no acknowledged job is lost, one uuid is one request, an
//! acknowledged cancel or rerun is in the history, and nobody is told of our bugs.

use std::collections::{BTreeMap, BTreeSet};

use longhaul_model::JobId;
use longhaul_model::timeline::TimelineKind;

use super::{Evidence, Found, JobEnd};
use crate::client::Told;

pub(super) fn check(evidence: &Evidence, deleted: &BTreeSet<JobId>, found: &mut Found) {
    let stored: BTreeMap<JobId, &JobEnd> = evidence.jobs.iter().map(|end| (end.job.id, end)).collect();
    let mut salts: BTreeMap<JobId, u64> = BTreeMap::new();
    for note in &evidence.notes {
        if deleted.contains(&note.job) {
            continue;
        }
        let end = stored.get(&note.job);
        match &note.told {
            Told::Acknowledged { salt } => {
                let first = *salts.entry(note.job).or_insert(*salt);
                if first != *salt {
                    found.add("one uuid is one request", note.job, format!("{first} and {salt}"));
                }
                match end {
                    None => found.add("no acknowledged job is lost", note.job, "it is not in the store"),
                    Some(end) if !end.job.job_data.contains(&format!("\"salt\":{first}")) => {
                        found.add("no acknowledged job is lost", note.job, "another body is stored");
                    }
                    Some(_) => {}
                }
            }
            Told::Conflict { salt } => {
                if salts.get(&note.job) == Some(salt) {
                    found.add("the same request is the same job", note.job, "it was called a conflict");
                }
            }
            Told::Canceled => said(end, note.job, TimelineKind::CancelRequested, found),
            Told::Suspended => said(end, note.job, TimelineKind::SuspendRequested, found),
            Told::Rerun => said(end, note.job, TimelineKind::Rerun, found),
            Told::Odd(fault) => found.add("no caller is told of a bug", note.job, fault.to_string()),
            Told::Sent | Told::Deleting => {}
        }
    }
}

fn said(end: Option<&&JobEnd>, job: JobId, kind: TimelineKind, found: &mut Found) {
    if end.is_some_and(|end| !end.rows.iter().any(|row| row.kind == kind)) {
        found.add("what is acknowledged is in the history", job, format!("no row says {kind:?}"));
    }
}
