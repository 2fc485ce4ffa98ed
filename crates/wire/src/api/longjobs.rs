//! Rows of the long jobs, their progress and the poll of asynchronous calls.
//!
//! Source: longjob-api.txt (the public reference), rest-api.md 1.3, 1.4, 3.4.

use longhaul_model::query::Resource;
use longhaul_model::{DESCRIPTION_MAX, NAME_MAX};

use super::param::{RESOURCE_UUID, TAG_UUIDS};
use super::{Answer, Kind, Method, Op, Operation, Param, Target, Type, Wrapper};

/// Most rows of a timeline in one answer.
pub const TIMELINE_PAGE_MAX: i64 = 1000;

const JOB: Param =
    Param::url_of("LongJobVO", "uuid", "The UUID of the resource. Uniquely identifies the resource.");
const ACTIONS: &str = "/longjobs/{uuid}/actions";
const INVENTORY: Answer = Answer::Inventory("LongJobInventory");

const fn action(op: Op, name: &'static str, key: &'static str) -> Operation {
    Operation { params: &[JOB], ..Operation::new(op, name, Method::Put, ACTIONS, Wrapper::Action(key)) }
}

pub(super) const ROWS: &[Operation] = &[
    Operation {
        message_class: "org.zstack.header.longjob.APISubmitLongJobMsg",
        since: "2.3",
        summary: "Submit Long Job",
        params: &[
            Param::text("name", "Resource name; the job name where none is given").max(NAME_MAX),
            Param::text("description", "Detailed description of the resource").max(DESCRIPTION_MAX),
            Param::text("jobName", "Job name: the job type to run, see GET /v1/job-types")
                .required()
                .max(255),
            Param::text("jobData", "Job data: the request of the job type as JSON text, at most 1 MiB")
                .required(),
            Param::text("targetResourceUuid", "Uuid of the resource that the job works on")
                .max(32)
                .of("ResourceVO"),
            RESOURCE_UUID,
            TAG_UUIDS,
        ],
        answer: INVENTORY,
        plans: true,
        ..Operation::new(Op::SubmitLongJob, "SubmitLongJob", Method::Post, "/longjobs", Wrapper::Params)
    },
    Operation {
        one_path: Some("/longjobs/{uuid}"),
        kind: Kind::Query(Target::Stored(Resource::Job)),
        message_class: "org.zstack.header.longjob.APIQueryLongJobMsg",
        summary: "Query Long Job",
        answer: Answer::Inventories("LongJobInventory"),
        ..Operation::new(Op::QueryLongJob, "QueryLongJob", Method::Get, "/longjobs", Wrapper::None)
    },
    Operation {
        message_class: "org.zstack.header.longjob.APIDeleteLongJobMsg",
        since: "2.3",
        summary: "Delete Long Job",
        params: &[JOB],
        ..Operation::new(
            Op::DeleteLongJob,
            "DeleteLongJob",
            Method::Delete,
            "/longjobs/{uuid}",
            Wrapper::None,
        )
    },
    Operation {
        message_class: "org.zstack.header.longjob.APIUpdateLongJobMsg",
        since: "3.9.0",
        summary: "Update Long Job",
        params: &[
            JOB,
            Param::text("name", "Resource name; absent: unchanged").max(NAME_MAX),
            Param::text("description", "Detailed description of the resource; absent: unchanged")
                .max(DESCRIPTION_MAX),
        ],
        answer: INVENTORY,
        ..action(Op::UpdateLongJob, "UpdateLongJob", "updateLongJob")
    },
    Operation {
        message_class: "org.zstack.header.longjob.APICancelLongJobMsg",
        summary: "Cancel Long Job",
        ..action(Op::CancelLongJob, "CancelLongJob", "cancelLongJob")
    },
    Operation {
        message_class: "org.zstack.header.longjob.APIRerunLongJobMsg",
        summary: "Rerun Long Job: a final job runs afresh under its uuid",
        answer: INVENTORY,
        ..action(Op::RerunLongJob, "RerunLongJob", "rerunLongJob")
    },
    Operation {
        message_class: "org.zstack.header.longjob.APIResumeLongJobMsg",
        summary: "Resume Long Job: a suspended job goes on from its checkpoint",
        answer: INVENTORY,
        ..action(Op::ResumeLongJob, "ResumeLongJob", "resumeLongJob")
    },
    Operation {
        message_class: "org.zstack.header.longjob.APICleanLongJobMsg",
        summary: "Clean Long Job: what a job in state Canceling left behind is removed",
        ..action(Op::CleanLongJob, "CleanLongJob", "cleanLongJob")
    },
    Operation {
        message_class: "longhaul.APISuspendLongJobMsg",
        summary: "Suspend Long Job: a waiting job is held, a running one stops at a checkpoint, until it is resumed",
        answer: INVENTORY,
        ..action(Op::SuspendLongJob, "SuspendLongJob", "suspendLongJob")
    },
    Operation {
        message_class: "longhaul.APIThrottleLongJobMsg",
        summary: "Throttle Long Job: its copy gets a rate of its own, also while it runs",
        params: &[
            JOB,
            Param::int(
                "bytesPerSecond",
                "Most bytes per second, at least 65536; 0 or absent: no limit of its own",
            )
            .range(0, i64::MAX),
        ],
        answer: INVENTORY,
        ..action(Op::ThrottleLongJob, "ThrottleLongJob", "throttleLongJob")
    },
    Operation {
        kind: Kind::Sync,
        message_class: "org.zstack.header.core.progress.APIGetTaskProgressMsg",
        summary: "Get Task Progress of the call that started a job",
        params: &[
            Param::url("apiId", "The job's apiId, 32 lower-case hex digits; not the job's uuid"),
            Param::query(
                Type::Bool,
                "all",
                "All rows in the order of time instead of the latest; default false",
            ),
        ],
        answer: Answer::Inventories("TaskProgressInventory"),
        ..Operation::new(
            Op::GetTaskProgress,
            "GetTaskProgress",
            Method::Get,
            "/task-progresses/{apiId}",
            Wrapper::None,
        )
    },
    Operation {
        kind: Kind::Sync,
        message_class: "longhaul.APIGetLongJobTimelineMsg",
        summary: "Get the timeline of a job: everything that happened to it, numbered without a gap",
        params: &[
            JOB,
            Param::query(Type::Int, "start", "Skip so many rows; default 0").range(0, i64::MAX),
            Param::query(Type::Int, "limit", "At most so many rows; default 1000. Fewer are the last ones")
                .range(1, TIMELINE_PAGE_MAX),
        ],
        answer: Answer::Inventories("TimelineInventory"),
        ..Operation::new(
            Op::GetLongJobTimeline,
            "GetLongJobTimeline",
            Method::Get,
            "/longjobs/{uuid}/timeline",
            Wrapper::None,
        )
    },
    Operation {
        kind: Kind::Sync,
        message_class: "longhaul.APIExplainLongJobMsg",
        summary: "Explain a job: why it waits or what it does, and what a cancel, a restart or a node's loss would do",
        params: &[JOB],
        answer: Answer::Custom("ExplainAnswer"),
        ..Operation::new(
            Op::ExplainLongJob,
            "ExplainLongJob",
            Method::Get,
            "/longjobs/{uuid}/explain",
            Wrapper::None,
        )
    },
    Operation {
        kind: Kind::Sync,
        message_class: "longhaul.APIGetJobTypesMsg",
        summary: "Get the job types that can be submitted here, and what each can do",
        answer: Answer::Inventories("JobTypeInventory"),
        ..Operation::new(Op::GetJobTypes, "GetJobTypes", Method::Get, "/job-types", Wrapper::None)
    },
    Operation {
        kind: Kind::Sync,
        auth: false,
        message_class: "longhaul.APIGetApiJobMsg",
        summary: "Poll an asynchronous call: 202 while it is worked on, then its answer",
        params: &[Param::url("uuid", "The last segment of the call's `location`")],
        answer: Answer::Polled,
        ..Operation::new(Op::GetApiJob, "GetApiJob", Method::Get, "/api-jobs/{uuid}", Wrapper::None)
    },
];
