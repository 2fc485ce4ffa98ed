//! Rows of the logins: by account, by user, by type, and what a login asks for. What they open is in
//! `identity`. All take `clientInfo`, as every call takes what it does not know.
//!
//! Source: rest-api.md 1.5.

use longhaul_model::NAME_MAX;

use super::param::Type;
use super::{Answer, Kind, Method, Op, Operation, Param, Wrapper};

const PASSWORD: Param =
    Param::text("password", "SHA-512 of the password as 128 lower-case hex digits").required().max(NAME_MAX);
const CAPTCHA_UUID: Param = Param::text("captchaUuid", "Accepted and ignored").max(NAME_MAX);
const VERIFY_CODE: Param = Param::text("verifyCode", "Accepted and ignored").max(NAME_MAX);
const LOGIN_TYPES: &[&str] = &["account"];

const fn login(
    op: Op,
    name: &'static str,
    path: &'static str,
    key: &'static str,
    params: &'static [Param],
) -> Operation {
    Operation {
        kind: Kind::Sync,
        auth: false,
        params,
        answer: Answer::Inventory("SessionInventory"),
        ..Operation::new(op, name, Method::Put, path, Wrapper::Action(key))
    }
}

pub(super) const ROWS: &[Operation] = &[
    Operation {
        message_class: "org.zstack.header.identity.APILogInByAccountMsg",
        summary: "Log in with an account's name and password",
        ..login(
            Op::LogInByAccount,
            "LogInByAccount",
            "/accounts/login",
            "logInByAccount",
            &[
                Param::text("accountName", "The account's name").required().max(NAME_MAX),
                PASSWORD,
                Param::text("accountType", "Absent or `account`; anything else fails the login")
                    .max(NAME_MAX),
                CAPTCHA_UUID,
                VERIFY_CODE,
            ],
        )
    },
    Operation {
        message_class: "org.zstack.header.identity.APILogInByUserMsg",
        summary: "Log in as an account's only user, who has the account's name and password",
        ..login(
            Op::LogInByUser,
            "LogInByUser",
            "/accounts/users/login",
            "logInByUser",
            &[
                Param::text("accountUuid", "The account's uuid; it or `accountName` must be there")
                    .max(NAME_MAX),
                Param::text("accountName", "The account's name, where its uuid is absent").max(NAME_MAX),
                Param::text("userName", "The account's name once more: accounts have no other users here")
                    .required()
                    .max(NAME_MAX),
                PASSWORD,
            ],
        )
    },
    Operation {
        message_class: "org.zstack.header.identity.login.APILogInMsg",
        summary: "Log in with a name and a password of some type",
        ..login(
            Op::LogIn,
            "LogIn",
            "/login",
            "logIn",
            &[
                Param::text("username", "The account's name").required().max(NAME_MAX),
                PASSWORD,
                Param::text("loginType", "What the name is a name of; there are accounts only")
                    .required()
                    .one_of(LOGIN_TYPES),
                CAPTCHA_UUID,
                VERIFY_CODE,
            ],
        )
    },
    Operation {
        kind: Kind::Sync,
        auth: false,
        message_class: "org.zstack.header.identity.login.APIGetLoginProceduresMsg",
        summary: "Tell what a login asks for besides the password: nothing",
        params: &[
            Param::query(Type::Text, "username", "The name to log in with; any").max(NAME_MAX),
            Param::query(Type::Text, "loginType", "There are accounts only").one_of(LOGIN_TYPES),
        ],
        answer: Answer::Custom("GetLoginProceduresAnswer"),
        ..Operation::new(
            Op::GetLoginProcedures,
            "GetLoginProcedures",
            Method::Get,
            "/login/procedures",
            Wrapper::None,
        )
    },
];
