//! Rows of the calls on many long jobs at once. All are ours.
//!
//! Source: design section 7 "Beyond ZStack".

use super::{Answer, Method, Op, Operation, Param, Wrapper};

/// Most jobs that one call submits, or acts on.
pub const BULK_MAX: i64 = 1000;
/// Jobs that one call acts on where it does not say how many.
pub const BULK_DEFAULT: i64 = 100;
/// Longest condition of a call on many jobs, in UTF-16 units.
const CONDITION_UNITS: usize = 65_536;

const PATH: &str = "/longjobs/bulk";
const ANSWER: Answer = Answer::Custom("BulkAnswer");

const WHERE: &[Param] = &[
    Param::list("q", "Conditions as those of a query of jobs, at least one; all must hold")
        .required()
        .max(CONDITION_UNITS),
    Param::int("limit", "Act on at most so many jobs; absent: 100").range(1, BULK_MAX),
    Param::text("cursor", "Go on behind the jobs of an earlier call: its answer's `cursor`").max(32),
    Param::flag("dryRun", "Do nothing, and tell how many jobs there are to act on; default false"),
];

const fn action(op: Op, name: &'static str, key: &'static str) -> Operation {
    Operation {
        params: WHERE,
        answer: ANSWER,
        ..Operation::new(op, name, Method::Put, PATH, Wrapper::Action(key))
    }
}

pub(super) const ROWS: &[Operation] = &[
    Operation {
        message_class: "longhaul.APISubmitLongJobsMsg",
        summary: "Submit many long jobs, each of which stands or falls by itself",
        params: &[Param::objects(
            "jobs",
            "The jobs, each with the parameters of SubmitLongJob and its own `systemTags` and `userTags`",
        )
        .required()
        .range(1, BULK_MAX)],
        answer: ANSWER,
        ..Operation::new(Op::SubmitLongJobs, "SubmitLongJobs", Method::Post, PATH, Wrapper::Params)
    },
    Operation {
        message_class: "longhaul.APICancelLongJobsMsg",
        summary: "Cancel the long jobs that a query finds and that have not ended",
        ..action(Op::CancelLongJobs, "CancelLongJobs", "cancelLongJobs")
    },
    Operation {
        message_class: "longhaul.APIRerunLongJobsMsg",
        summary: "Rerun the long jobs that a query finds and that have ended",
        ..action(Op::RerunLongJobs, "RerunLongJobs", "rerunLongJobs")
    },
    Operation {
        message_class: "longhaul.APIResumeLongJobsMsg",
        summary: "Resume the long jobs that a query finds and that are suspended or held",
        ..action(Op::ResumeLongJobs, "ResumeLongJobs", "resumeLongJobs")
    },
    Operation {
        message_class: "longhaul.APISuspendLongJobsMsg",
        summary: "Suspend the long jobs that a query finds and that wait or run",
        ..action(Op::SuspendLongJobs, "SuspendLongJobs", "suspendLongJobs")
    },
    Operation {
        message_class: "longhaul.APIDeleteLongJobsMsg",
        summary: "Delete the long jobs that a query finds and that have ended",
        ..action(Op::DeleteLongJobs, "DeleteLongJobs", "deleteLongJobs")
    },
];
