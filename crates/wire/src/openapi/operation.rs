//! One OpenAPI operation per path and method: parameters, body, answers, version, security.

use serde_json::{Value, json};
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::path::Operation as Documented;
use utoipa::openapi::{HttpMethod, SecurityRequirement};

use super::{SECURITY, request, response};
use crate::api::{Kind, Method, Operation, Wrapper, operations};
use crate::profile::Profile;

/// The operations that share a path and a method; several only for PUT actions.
pub(super) struct Group {
    pub(super) path: &'static str,
    pub(super) method: Method,
    pub(super) rows: Vec<&'static Operation>,
    /// Whether it is the form of a query with one uuid in the path.
    pub(super) one: bool,
}

/// All of them, in the order of the table.
pub(super) fn groups() -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for row in operations() {
        for (path, one) in [(Some(row.path), false), (row.one_path, true)] {
            let Some(path) = path else { continue };
            match groups.iter_mut().find(|g| g.path == path && g.method == row.method) {
                Some(group) => group.rows.push(row),
                None => groups.push(Group { path, method: row.method, rows: vec![row], one }),
            }
        }
    }
    groups
}

impl Group {
    pub(super) fn http_method(&self) -> HttpMethod {
        match self.method {
            Method::Get => HttpMethod::Get,
            Method::Post => HttpMethod::Post,
            Method::Put => HttpMethod::Put,
            Method::Delete => HttpMethod::Delete,
            Method::Head => HttpMethod::Head,
        }
    }

    /// Unique in the document: the API's name, or one made of the path for shared paths.
    fn operation_id(&self) -> String {
        match &self.rows[..] {
            [only] => only.operation_id(self.one),
            _ => {
                let capital = |w: &str| {
                    let (head, tail) = w.split_at_checked(1).unwrap_or((w, ""));
                    head.to_uppercase() + tail
                };
                let words = self.path.split(['/', '-']).filter(|w| !w.is_empty() && !w.starts_with('{'));
                let name = "Put".to_owned() + &words.map(capital).collect::<String>();
                // Two paths may differ by the name of their variable alone.
                let variable = self.path.split('/').find_map(|w| w.strip_prefix('{')?.strip_suffix('}'));
                // Or one of them has none.
                let bare = self.path.replacen("/{uuid}", "", 1);
                let twin = || bare != self.path && operations().any(|row| row.path == bare);
                match variable.filter(|variable| *variable != "uuid" || twin()) {
                    Some(variable) => name + "By" + &capital(variable),
                    None => name,
                }
            }
        }
    }

    pub(super) fn build(&self, profile: Profile) -> Documented {
        let mut operation = Documented::new();
        operation.operation_id = Some(self.operation_id());
        operation.tags = Some(vec![self.tag().to_owned()]);
        let summaries: Vec<&str> = self.rows.iter().map(|r| r.summary).collect();
        operation.summary = Some(if self.one {
            format!("{}: the one with this uuid, an empty list if there is none", summaries.join(""))
        } else {
            summaries.join("; ")
        });
        operation.description = Some(self.description(profile));
        operation.parameters = Some(request::parameters(self, profile));
        operation.request_body = request::body(self).map(Into::into);
        operation.responses = response::responses(self, profile);
        // An empty list, not its absence, says that no session is needed.
        let needs = self.rows.iter().any(|r| r.auth);
        operation.security = Some(if needs {
            vec![SecurityRequirement::new::<_, [String; 0], String>(SECURITY, [])]
        } else {
            Vec::new()
        });
        operation.extensions = Some(self.extensions());
        operation
    }

    fn tag(&self) -> &'static str {
        match self.path.split('/').nth(1) {
            Some("longjobs" | "task-progresses" | "job-types" | "api-jobs") => "long jobs",
            Some("accounts") => "accounts",
            Some("primary-storage") => "primary storage",
            Some("volumes") => "volumes",
            Some("global-configurations") => "global configurations",
            Some("system-tags" | "user-tags" | "tags") => "tags",
            _ => "management",
        }
    }

    fn description(&self, profile: Profile) -> String {
        let asynchronous = self.rows.iter().any(|r| r.kind == Kind::Async);
        let how = match (asynchronous, profile) {
            (false, _) => "Synchronous: answered at once.",
            (true, Profile::Zstack) => {
                "Asynchronous: answers 202 and a `location`; result (200) or error (503) come from polling it."
            }
            (true, Profile::Fast) => {
                "Answered at once if it ends within 2 seconds, else with 202 and a `location` to poll. A request with X-Job-UUID, X-Session-Id, X-Web-Hook or `Prefer: respond-async` is always answered with 202, and its errors at the poll with 503."
            }
        };
        let restricted: Vec<&str> = self.rows.iter().filter(|r| r.admin_only).map(|r| r.name).collect();
        let admin = match restricted.len() {
            0 => String::new(),
            n if n == self.rows.len() => " For admin accounts only.".to_owned(),
            _ => format!(" {}: for admin accounts only.", restricted.join(", ")),
        };
        format!("{how}{admin}")
    }

    fn extensions(&self) -> Extensions {
        let first = self.rows.first();
        let mut extensions = Extensions::builder().add("x-since", first.map_or("", |r| r.since));
        if self.rows.len() > 1 {
            let actions: Vec<Value> = self.rows.iter().map(|r| action(r)).collect();
            extensions = extensions.add("x-actions", actions);
        }
        extensions.build()
    }
}

fn action(row: &Operation) -> Value {
    let key = match row.wrapper {
        Wrapper::Action(key) => key,
        Wrapper::Params | Wrapper::None => "",
    };
    json!({
        "name": row.name,
        "key": key,
        "since": row.since,
        "summary": row.summary,
        "auth": row.auth,
        "adminOnly": row.admin_only,
    })
}
