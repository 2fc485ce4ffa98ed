//! Rows of the management nodes and of the one zone.
//!
//! Source: rest-api.md 1.6, resources.md 2.

use longhaul_model::query::Resource;

use super::{Answer, Kind, Method, Op, Operation, Target, Wrapper};

const ACTIONS: &str = "/management-nodes/actions";

pub(super) const ROWS: &[Operation] = &[
    Operation {
        one_path: Some("/management-nodes/{uuid}"),
        kind: Kind::Query(Target::Stored(Resource::Node)),
        message_class: "org.zstack.header.managementnode.APIQueryManagementNodeMsg",
        summary: "Query the management nodes that are alive",
        answer: Answer::Inventories("ManagementNodeInventory"),
        ..Operation::new(
            Op::QueryManagementNode,
            "QueryManagementNode",
            Method::Get,
            "/management-nodes",
            Wrapper::None,
        )
    },
    Operation {
        kind: Kind::Sync,
        auth: false,
        message_class: "org.zstack.header.managementnode.APIGetVersionMsg",
        summary: "Get the ZStack version that this server is compatible with",
        answer: Answer::Custom("GetVersionAnswer"),
        ..Operation::new(Op::GetVersion, "GetVersion", Method::Put, ACTIONS, Wrapper::Action("getVersion"))
    },
    Operation {
        kind: Kind::Sync,
        auth: false,
        message_class: "org.zstack.header.managementnode.APIGetCurrentTimeMsg",
        summary: "Get the server's clock",
        answer: Answer::Custom("GetCurrentTimeAnswer"),
        ..Operation::new(
            Op::GetCurrentTime,
            "GetCurrentTime",
            Method::Put,
            ACTIONS,
            Wrapper::Action("getCurrentTime"),
        )
    },
    Operation {
        one_path: Some("/zones/{uuid}"),
        kind: Kind::Query(Target::Zone),
        message_class: "org.zstack.header.zone.APIQueryZoneMsg",
        summary: "Query the one zone that every installation has",
        answer: Answer::Inventories("ZoneInventory"),
        ..Operation::new(Op::QueryZone, "QueryZone", Method::Get, "/zones", Wrapper::None)
    },
];
