//! Rows of the global configurations. Which there are is the server's to say.
//!
//! Source: rest-api.md 1.6.

use super::{Answer, Kind, Method, Op, Operation, Param, Target, Wrapper};

const CATEGORY: Param = Param::url("category", "The configuration's category: `identity`").max(255);
const NAME: Param = Param::url("name", "Its name in the category: `session.timeout`").max(255);

pub(super) const ROWS: &[Operation] = &[
    Operation {
        kind: Kind::Query(Target::GlobalConfig),
        message_class: "org.zstack.core.config.APIQueryGlobalConfigMsg",
        summary: "Query the global configurations: what can be changed while the server runs",
        answer: Answer::Inventories("GlobalConfigInventory"),
        ..Operation::new(
            Op::QueryGlobalConfig,
            "QueryGlobalConfig",
            Method::Get,
            "/global-configurations",
            Wrapper::None,
        )
    },
    Operation {
        kind: Kind::Sync,
        message_class: "org.zstack.core.config.APIGetGlobalConfigOptionsMsg",
        summary: "Get the values that a global configuration takes",
        params: &[CATEGORY, NAME],
        answer: Answer::Custom("GlobalConfigOptionsAnswer"),
        ..Operation::new(
            Op::GetGlobalConfigOptions,
            "GetGlobalConfigOptions",
            Method::Get,
            "/global-configurations/{category}/{name}",
            Wrapper::None,
        )
    },
    Operation {
        admin_only: true,
        message_class: "org.zstack.core.config.APIUpdateGlobalConfigMsg",
        summary: "Change a global configuration: at once, and for every later start",
        params: &[CATEGORY, NAME, Param::text("value", "The new value, as text").required().max(255)],
        answer: Answer::Inventory("GlobalConfigInventory"),
        ..Operation::new(
            Op::UpdateGlobalConfig,
            "UpdateGlobalConfig",
            Method::Put,
            "/global-configurations/{category}/{name}/actions",
            Wrapper::Action("updateGlobalConfig"),
        )
    },
    Operation {
        admin_only: true,
        message_class: "org.zstack.core.config.APIResetGlobalConfigMsg",
        summary: "Give every global configuration its default again",
        ..Operation::new(
            Op::ResetGlobalConfig,
            "ResetGlobalConfig",
            Method::Put,
            "/global-configurations/actions",
            Wrapper::Action("resetGlobalConfig"),
        )
    },
];
