//! The one table of operations: what can be called, how it is addressed, what it takes and answers. All
//! else (routing, decoding, validation, OpenAPI, the credential matrix) reads it. The rows are in the files
//! below, by family; the words of a parameter in `param`.
//!
//! Source: rest-api.md sections 1.3 to 1.6, resources.md sections 1 to 4.

mod backup_storages;
mod bulk;
mod evacuations;
mod global_config;
mod identity;
mod images;
mod keys;
mod logins;
mod longjobs;
mod nodes;
pub mod not_here;
mod op;
mod param;
mod storages;
mod tags;
mod volumes;
mod zql;

#[cfg(test)]
mod tests;

pub use bulk::{BULK_DEFAULT, BULK_MAX};
pub use keys::{ACCESS_ID_UNITS, ACCESS_SECRET_UNITS};
pub use longjobs::TIMELINE_PAGE_MAX;
pub use op::Op;
pub use param::{Location, Param, Type};

use longhaul_model::query::Resource;

/// First release with the operations that are ours alone or have no version in the public reference.
pub const OWN_SINCE: &str = "0.1.0";

/// Default `apiTimeout`: 30 minutes, in ms. Source: rest-api.md 3.2.
pub const API_TIMEOUT_MS: u64 = 1_800_000;

/// `apiTimeout` of calls that copy bytes: 72 hours, in ms. Source: rest-api.md 3.2.
pub const LONG_API_TIMEOUT_MS: u64 = 259_200_000;

/// An HTTP method, as far as routing tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// GET
    Get,
    /// POST
    Post,
    /// PUT
    Put,
    /// DELETE
    Delete,
    /// HEAD
    Head,
}

impl Method {
    /// The method of that name; `None` for those that the contract does not dispatch.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Get, Self::Post, Self::Put, Self::Delete, Self::Head].into_iter().find(|m| m.name() == name)
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Head => "HEAD",
        }
    }
}

/// Which member of the request body holds the parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wrapper {
    /// None: parameters come from the query string (GET, DELETE).
    None,
    /// `params` (POST).
    Params,
    /// The action's key, which also selects the operation (PUT).
    Action(&'static str),
}

impl Wrapper {
    /// The member's key.
    pub const fn key(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Params => Some("params"),
            Self::Action(key) => Some(key),
        }
    }
}

/// How an operation is answered. Source: rest-api.md 3.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// At once.
    Sync,
    /// By 202 and a poll, or at once where the reply profile says so.
    Async,
    /// At once, with the query grammar of section 5.
    Query(Target),
}

/// What a query is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target {
    /// Rows of the store.
    Stored(Resource),
    /// The one constant zone.
    Zone,
    /// The global configurations.
    GlobalConfig,
}

/// The body of a success.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Answer {
    /// `{}`.
    Empty,
    /// `{"inventory":{…}}` of the schema of this name.
    Inventory(&'static str),
    /// `{"inventories":[…]}` of the schema of this name; queries add `total` and `schema`.
    Inventories(&'static str),
    /// An object of the schema of this name.
    Custom(&'static str),
    /// What the polled call answers.
    Polled,
}

/// One operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    /// Which.
    pub op: Op,
    /// The API's name: `SubmitLongJob`.
    pub name: &'static str,
    /// The documented method. A path that owns one operation only takes others too: see `decode`.
    pub method: Method,
    /// Path after `/v1`, variables in braces: `/longjobs/{uuid}/actions`.
    pub path: &'static str,
    /// The path of the same query for one uuid, for queries that have it.
    pub one_path: Option<&'static str>,
    /// Where the body's parameters are.
    pub wrapper: Wrapper,
    /// How it is answered.
    pub kind: Kind,
    /// Whether a session is needed.
    pub auth: bool,
    /// Whether only admin accounts may call it.
    pub admin_only: bool,
    /// The message class that some error texts print.
    pub message_class: &'static str,
    /// First version with it: ZStack's where the public reference says so, else ours.
    pub since: &'static str,
    /// One sentence for the OpenAPI document.
    pub summary: &'static str,
    /// Its parameters, in the order in which they are validated. Tags are not listed: see `takes_tags`.
    pub params: &'static [Param],
    /// The body of a success.
    pub answer: Answer,
    /// Whether the system tag `validationOnly` gives a plan instead.
    pub plans: bool,
    /// Default `apiTimeout` in ms.
    pub api_timeout_ms: u64,
}

impl Operation {
    /// A row with the usual values: session needed, for everyone, no parameters, `{}`, 30 minutes.
    const fn new(op: Op, name: &'static str, method: Method, path: &'static str, wrapper: Wrapper) -> Self {
        Self {
            op,
            name,
            method,
            path,
            one_path: None,
            wrapper,
            kind: Kind::Async,
            auth: true,
            admin_only: false,
            message_class: "",
            since: OWN_SINCE,
            summary: "",
            params: &[],
            answer: Answer::Empty,
            plans: false,
            api_timeout_ms: API_TIMEOUT_MS,
        }
    }

    /// Whether `systemTags` and `userTags` mean something to it: every call but queries and other reads.
    pub const fn takes_tags(&self) -> bool {
        matches!(self.kind, Kind::Async)
    }

    /// Whether it may change something, so that a GET never reaches it.
    pub const fn changes(&self) -> bool {
        matches!(self.kind, Kind::Async) || matches!(self.method, Method::Delete)
    }

    /// The parameter of that name.
    pub fn param(&self, name: &str) -> Option<&'static Param> {
        self.params.iter().find(|p| p.name == name)
    }

    /// Unique id in the OpenAPI document; `one` for the form with one uuid in the path.
    pub fn operation_id(&self, one: bool) -> String {
        if one { format!("{}ByUuid", self.name) } else { self.name.to_owned() }
    }
}

/// All rows, by family.
const FAMILIES: [&[Operation]; 14] = [
    longjobs::ROWS,
    identity::ROWS,
    logins::ROWS,
    keys::ROWS,
    nodes::ROWS,
    storages::ROWS,
    volumes::ROWS,
    backup_storages::ROWS,
    images::ROWS,
    zql::ROWS,
    tags::ROWS,
    global_config::ROWS,
    evacuations::ROWS,
    bulk::ROWS,
];

/// Every operation, each once.
pub fn operations() -> impl Iterator<Item = &'static Operation> {
    FAMILIES.into_iter().flatten()
}
