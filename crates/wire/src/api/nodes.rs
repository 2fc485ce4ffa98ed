//! Rows of the management nodes and of the one zone.
//!
//! Source: rest-api.md 1.6, resources.md 2.

use longhaul_model::query::Resource;

use super::{Answer, Kind, Method, Op, Operation, Param, Target, Wrapper};

const ACTIONS: &str = "/management-nodes/actions";
const NODE: Param = Param::url_of("ManagementNodeVO", "uuid", "The UUID of the management node.");

/// An action of admins on one node.
const fn action(op: Op, name: &'static str, key: &'static str) -> Operation {
    Operation {
        admin_only: true,
        params: &[NODE],
        answer: Answer::Inventory("ManagementNodeInventory"),
        ..Operation::new(op, name, Method::Put, "/management-nodes/{uuid}/actions", Wrapper::Action(key))
    }
}

/// A fact about the node that anybody may ask for.
const fn fact(op: Op, name: &'static str, path: &'static str, key: &'static str) -> Operation {
    let row = Operation::new(op, name, Method::Put, path, Wrapper::Action(key));
    Operation { kind: Kind::Sync, auth: false, ..row }
}

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
        message_class: "longhaul.APIDrainManagementNodeMsg",
        summary: "Drain a management node: its host takes no jobs, and hands over what another node can go on with",
        ..action(Op::DrainManagementNode, "DrainManagementNode", "drainManagementNode")
    },
    Operation {
        message_class: "longhaul.APIUndrainManagementNodeMsg",
        summary: "End the drain of a management node's host: it takes jobs again",
        ..action(Op::UndrainManagementNode, "UndrainManagementNode", "undrainManagementNode")
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
        kind: Kind::Sync,
        message_class: "org.zstack.header.managementnode.APIGetPlatformTimeZoneMsg",
        summary: "Get the server's time zone, in which moments without one are read",
        answer: Answer::Custom("GetPlatformTimeZoneAnswer"),
        ..Operation::new(
            Op::GetPlatformTimeZone,
            "GetPlatformTimeZone",
            Method::Get,
            "/management-nodes/platform-timezone",
            Wrapper::None,
        )
    },
    Operation {
        message_class: "org.zstack.header.managementnode.APIGetSupportAPIsMsg",
        summary: "Get the names of the messages that this server performs",
        answer: Answer::Custom("GetSupportAPIsAnswer"),
        ..fact(Op::GetSupportAPIs, "GetSupportAPIs", ACTIONS, "getSupportAPIs")
    },
    Operation {
        message_class: "org.zstack.header.managementnode.APIGetManagementNodeArchMsg",
        summary: "Get the architecture of the management node's machine",
        answer: Answer::Custom("GetManagementNodeArchAnswer"),
        ..fact(Op::GetManagementNodeArch, "GetManagementNodeArch", ACTIONS, "getManagementNodeArch")
    },
    Operation {
        message_class: "org.zstack.header.managementnode.APIGetManagementNodeOSMsg",
        summary: "Get the operating system of the management node's machine",
        answer: Answer::Custom("GetManagementNodeOSAnswer"),
        ..fact(Op::GetManagementNodeOS, "GetManagementNodeOS", "/management/actions", "getManagementNodeOS")
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
