//! Rows of sessions and accounts. What opens a session is in `logins`.
//!
//! Source: rest-api.md 1.5, resources.md 1.

use longhaul_model::query::Resource;
use longhaul_model::{DESCRIPTION_MAX, NAME_MAX};

use super::param::{DELETE_MODE, RESOURCE_UUID, TAG_UUIDS};
use super::{Answer, Kind, Method, Op, Operation, Param, Target, Wrapper};

const SESSION: Param = Param::url("sessionUuid", "The session's uuid, as the login answered it");
const ACCOUNT: Param = Param::url_of("AccountVO", "uuid", "The account's uuid");
const PASSWORD: Param =
    Param::text("password", "SHA-512 of the password as 128 lower-case hex digits").max(NAME_MAX);

pub(super) const ROWS: &[Operation] = &[
    Operation {
        kind: Kind::Sync,
        auth: false,
        message_class: "org.zstack.header.identity.APILogOutMsg",
        summary: "Log out: end a session; an unknown one is no error",
        params: &[SESSION],
        ..Operation::new(
            Op::LogOut,
            "LogOut",
            Method::Delete,
            "/accounts/sessions/{sessionUuid}",
            Wrapper::None,
        )
    },
    Operation {
        kind: Kind::Sync,
        auth: false,
        message_class: "org.zstack.header.identity.APIValidateSessionMsg",
        summary: "Tell whether a session is valid now",
        params: &[SESSION],
        answer: Answer::Custom("ValidateSessionAnswer"),
        ..Operation::new(
            Op::ValidateSession,
            "ValidateSession",
            Method::Get,
            "/accounts/sessions/{sessionUuid}/valid",
            Wrapper::None,
        )
    },
    Operation {
        message_class: "org.zstack.header.identity.APIRenewSessionMsg",
        summary: "Renew a session: it ends so long from now",
        params: &[
            SESSION,
            Param::int("duration", "Seconds from now; default: the session timeout").range(60, 31_536_000),
        ],
        answer: Answer::Inventory("SessionInventory"),
        ..Operation::new(
            Op::RenewSession,
            "RenewSession",
            Method::Put,
            "/accounts/sessions/{sessionUuid}/renew",
            Wrapper::Action("renewSession"),
        )
    },
    Operation {
        admin_only: true,
        message_class: "org.zstack.header.identity.APICreateAccountMsg",
        summary: "Create an account",
        params: &[
            Param::text("name", "Unique over all accounts").required().max(NAME_MAX),
            PASSWORD.required(),
            Param::text("type", "`SystemAdmin` sees and touches everything; default `Normal`")
                .one_of(&["SystemAdmin", "Normal"]),
            Param::text("description", "For people").max(DESCRIPTION_MAX),
            RESOURCE_UUID,
            TAG_UUIDS,
        ],
        answer: Answer::Inventory("AccountInventory"),
        ..Operation::new(Op::CreateAccount, "CreateAccount", Method::Post, "/accounts", Wrapper::Params)
    },
    Operation {
        one_path: Some("/accounts/{uuid}"),
        kind: Kind::Query(Target::Stored(Resource::Account)),
        message_class: "org.zstack.header.identity.APIQueryAccountMsg",
        summary: "Query accounts: all for admin, else the caller's own",
        answer: Answer::Inventories("AccountInventory"),
        ..Operation::new(Op::QueryAccount, "QueryAccount", Method::Get, "/accounts", Wrapper::None)
    },
    Operation {
        message_class: "org.zstack.header.identity.APIUpdateAccountMsg",
        summary: "Change an account's name, password or description",
        params: &[
            ACCOUNT,
            Param::text("name", "New name; absent: unchanged").max(NAME_MAX),
            PASSWORD,
            Param::text("description", "New description; absent: unchanged").max(DESCRIPTION_MAX),
            Param::text("oldPassword", "SHA-512 hex of the present password; checked where it is given")
                .max(NAME_MAX),
        ],
        answer: Answer::Inventory("AccountInventory"),
        ..Operation::new(
            Op::UpdateAccount,
            "UpdateAccount",
            Method::Put,
            "/accounts/{uuid}",
            Wrapper::Action("updateAccount"),
        )
    },
    Operation {
        // Not `admin_only`: the contract has its own text for other callers (resources.md 1).
        message_class: "org.zstack.header.identity.APIDeleteAccountMsg",
        summary: "Delete an account that has no job which is not final",
        params: &[ACCOUNT, DELETE_MODE],
        ..Operation::new(
            Op::DeleteAccount,
            "DeleteAccount",
            Method::Delete,
            "/accounts/{uuid}",
            Wrapper::None,
        )
    },
];
