//! Rows of access keys, which sign requests in the place of a session. What a signed request looks like is in
//! `decode::credentials`.
//!
//! Source: rest-api.md 1.6; the bounds of id and secret are those that the family's SDKs check.

use std::ops::RangeInclusive;

use longhaul_model::DESCRIPTION_MAX;
use longhaul_model::query::Resource;

use super::param::{DELETE_MODE, RESOURCE_UUID, TAG_UUIDS};
use super::{Answer, Kind, Method, Op, Operation, Param, Target, Wrapper};

/// Shortest and longest id of an access key, in UTF-16 units.
pub const ACCESS_ID_UNITS: RangeInclusive<usize> = 10..=20;
/// Shortest and longest secret of an access key, in UTF-16 units.
pub const ACCESS_SECRET_UNITS: RangeInclusive<usize> = 10..=40;

const KEY: Param = Param::url_of("AccessKeyVO", "uuid", "The access key's uuid");

pub(super) const ROWS: &[Operation] = &[
    Operation {
        message_class: "org.zstack.accessKey.APICreateAccessKeyMsg",
        summary: "Create an access key; only this answer shows its secret",
        params: &[
            Param::text("accountUuid", "Whose requests it signs; default: the caller's").of("AccountVO"),
            Param::text("userUuid", "The same uuid, or absent: accounts have no users here").of("UserVO"),
            Param::text("description", "For people").max(DESCRIPTION_MAX),
            Param::text(
                "AccessKeyID",
                "What signed requests name the key by: 10 to 20 letters and digits; absent: one is made up",
            )
            .max(*ACCESS_ID_UNITS.end()),
            Param::text(
                "AccessKeySecret",
                "What signs: 10 to 40 visible ASCII characters, given with an AccessKeyID only; absent: one is made up",
            )
            .max(*ACCESS_SECRET_UNITS.end()),
            RESOURCE_UUID,
            TAG_UUIDS,
        ],
        answer: Answer::Inventory("AccessKeyInventory"),
        ..Operation::new(
            Op::CreateAccessKey,
            "CreateAccessKey",
            Method::Post,
            "/accesskeys",
            Wrapper::Params,
        )
    },
    Operation {
        one_path: Some("/accesskeys/{uuid}"),
        kind: Kind::Query(Target::Stored(Resource::AccessKey)),
        message_class: "org.zstack.accessKey.APIQueryAccessKeyMsg",
        summary: "Query access keys: all for admin, else the caller's own; secrets read `******`",
        answer: Answer::Inventories("AccessKeyInventory"),
        ..Operation::new(Op::QueryAccessKey, "QueryAccessKey", Method::Get, "/accesskeys", Wrapper::None)
    },
    Operation {
        message_class: "org.zstack.accessKey.APIChangeAccessKeyStateMsg",
        summary: "Enable or disable an access key; a disabled one signs nothing",
        params: &[
            KEY,
            Param::text("stateEvent", "`enable` or `disable`").required().one_of(&["enable", "disable"]),
        ],
        answer: Answer::Inventory("AccessKeyInventory"),
        ..Operation::new(
            Op::ChangeAccessKeyState,
            "ChangeAccessKeyState",
            Method::Put,
            "/accesskeys/{uuid}/actions",
            Wrapper::Action("changeAccessKeyState"),
        )
    },
    Operation {
        message_class: "org.zstack.accessKey.APIDeleteAccessKeyMsg",
        summary: "Delete an access key; an unknown one is no error",
        params: &[KEY, DELETE_MODE],
        ..Operation::new(
            Op::DeleteAccessKey,
            "DeleteAccessKey",
            Method::Delete,
            "/accesskeys/{uuid}",
            Wrapper::None,
        )
    },
];
