//! Rows of evacuations: what one would do, its start, its report. All are ours.

use super::{Answer, Kind, Method, Op, Operation, Param, Type, Wrapper};

const STORAGE: Param = Param::url_of("PrimaryStorageVO", "uuid", "The primary storage's uuid");
const PARALLEL: &str = "Volumes that are moved at a time; absent: 2";

pub(super) const ROWS: &[Operation] = &[
    Operation {
        admin_only: true,
        plans: true,
        message_class: "longhaul.APIEvacuatePrimaryStorageMsg",
        summary: "Move every volume of a primary storage to others, by a long job with one job for each volume",
        params: &[
            STORAGE,
            Param::list("dstPrimaryStorageUuids", "Where the volumes may go, at most 32 storages").required(),
            Param::int("parallel", PARALLEL).range(1, 16),
        ],
        answer: Answer::Inventory("LongJobInventory"),
        ..Operation::new(
            Op::EvacuatePrimaryStorage,
            "EvacuatePrimaryStorage",
            Method::Put,
            "/primary-storage/{uuid}/actions",
            Wrapper::Action("evacuatePrimaryStorage"),
        )
    },
    Operation {
        kind: Kind::Sync,
        admin_only: true,
        message_class: "longhaul.APIGetEvacuationPlanMsg",
        summary: "Tell what the evacuation of a primary storage would do to each volume; nothing is stored",
        params: &[
            STORAGE,
            Param::query(
                Type::List,
                "dstPrimaryStorageUuids",
                "Where the volumes may go, at most 32 storages",
            )
            .required(),
            Param::query(Type::Int, "parallel", PARALLEL).range(1, 16),
        ],
        answer: Answer::Custom("EvacuationPlan"),
        ..Operation::new(
            Op::GetEvacuationPlan,
            "GetEvacuationPlan",
            Method::Get,
            "/primary-storage/{uuid}/evacuation-plan",
            Wrapper::None,
        )
    },
    Operation {
        kind: Kind::Sync,
        message_class: "longhaul.APIGetEvacuationReportMsg",
        summary: "Tell what an evacuation did to each volume, or has done so far",
        params: &[Param::url_of("LongJobVO", "uuid", "The uuid of the evacuation's job")],
        answer: Answer::Custom("EvacuationReport"),
        ..Operation::new(
            Op::GetEvacuationReport,
            "GetEvacuationReport",
            Method::Get,
            "/longjobs/{uuid}/evacuation",
            Wrapper::None,
        )
    },
];
