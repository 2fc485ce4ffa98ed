//! The calls as the generated action classes of the SDKs declare them: method, path, wrapper, whether a
//! session is needed and whether a 202 is expected. Typed in from the contract, for all three models.
//!
//! Source: rest-api.md 1.3, 1.5, 1.6.

/// One call.
#[derive(Debug)]
pub struct Action {
    /// GET, POST, PUT or DELETE.
    pub method: &'static str,
    /// The path below `/v1`, with its variables in braces.
    pub path: &'static str,
    /// The key of the body around the parameters; empty for GET and DELETE.
    pub wrapper: &'static str,
    /// Whether the client sends its session.
    pub session: bool,
    /// Whether a 202 is followed; it is an exception otherwise.
    pub poll: bool,
}

impl Action {
    /// The name of the path's variable, if it has one.
    pub fn variable(&self) -> Option<&'static str> {
        let (_, rest) = self.path.split_once('{')?;
        rest.split_once('}').map(|(name, _)| name)
    }

    /// The path with `value` for its variable.
    pub fn path_with(&self, value: &str) -> String {
        match self.variable() {
            Some(name) => self.path.replace(&format!("{{{name}}}"), value),
            None => self.path.to_owned(),
        }
    }
}

const fn asynchronous(method: &'static str, path: &'static str, wrapper: &'static str) -> Action {
    Action { method, path, wrapper, session: true, poll: true }
}

const fn read(path: &'static str) -> Action {
    Action { method: "GET", path, wrapper: "", session: true, poll: false }
}

const fn anybody(method: &'static str, path: &'static str, wrapper: &'static str) -> Action {
    Action { method, path, wrapper, session: false, poll: false }
}

const ON_JOB: &str = "/longjobs/{uuid}/actions";

pub const SUBMIT: Action = asynchronous("POST", "/longjobs", "params");
pub const QUERY: Action = read("/longjobs");
pub const QUERY_ONE: Action = read("/longjobs/{uuid}");
pub const DELETE: Action = asynchronous("DELETE", "/longjobs/{uuid}", "");
pub const UPDATE: Action = asynchronous("PUT", ON_JOB, "updateLongJob");
pub const CANCEL: Action = asynchronous("PUT", ON_JOB, "cancelLongJob");
pub const RERUN: Action = asynchronous("PUT", ON_JOB, "rerunLongJob");
pub const RESUME: Action = asynchronous("PUT", ON_JOB, "resumeLongJob");
pub const CLEAN: Action = asynchronous("PUT", ON_JOB, "cleanLongJob");
pub const PROGRESS: Action = read("/task-progresses/{apiId}");

pub const LOG_IN: Action = anybody("PUT", "/accounts/login", "logInByAccount");
pub const LOG_OUT: Action = anybody("DELETE", "/accounts/sessions/{sessionUuid}", "");
pub const VALIDATE: Action = anybody("GET", "/accounts/sessions/{sessionUuid}/valid", "");
pub const VERSION: Action = anybody("PUT", "/management-nodes/actions", "getVersion");
pub const ZONES: Action = read("/zones");
pub const STORAGES: Action = read("/primary-storage");
pub const ADD_STORAGE: Action = asynchronous("POST", "/primary-storage/local-storage", "params");
pub const CREATE_VOLUME: Action = asynchronous("POST", "/volumes/data", "params");
pub const UPLOAD_DETAILS: Action = read("/images/upload-job/details/{imageId}");
