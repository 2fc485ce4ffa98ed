//! From path, method and body to the operation. Exact paths win over patterns; a path with several
//! operations chooses by method, and for PUT by the action key in the body; a path with one takes it
//! whatever the method is, except that a GET never changes and only a DELETE deletes. What ZStack has at the
//! path and this server has not is found too, and refused later, when it is performed.
//!
//! Source: rest-api.md 1.1, 1.2 (steps 1, 2, 4, 4b), resources.md 3.1 (why a stray GET must not delete).

use serde_json::{Map, Value};

use super::misuse::Misuse;
use super::url::unescape;
use crate::api::{Method, Op, Operation, Wrapper, not_here, operations};

/// An operation whose path fits, with the values of the path's variables.
#[derive(Debug, Clone)]
pub(super) struct Route {
    pub(super) operation: &'static Operation,
    pub(super) vars: Vec<(&'static str, String)>,
}

/// All operations of the requested path.
#[derive(Debug)]
pub(super) struct Routes {
    /// Those that are here.
    routes: Vec<Route>,
    /// Those that ZStack has besides. One of the two is not empty.
    not_here: Vec<&'static Operation>,
    /// The path without the context, for texts.
    path: String,
}

/// The path without the context `/zstack`, if it has it.
pub(super) fn without_context(raw: &str) -> &str {
    raw.strip_prefix("/zstack").filter(|rest| rest.starts_with("/v1")).unwrap_or(raw)
}

/// The operations at `raw`, a path as sent.
pub(super) fn find(raw: &str) -> Result<Routes, Misuse> {
    let path = without_context(raw);
    let unknown = || Misuse::NoApi(path.to_owned());
    let rest = path.strip_prefix("/v1").filter(|r| r.starts_with('/')).ok_or_else(unknown)?;
    let segments: Vec<&str> = rest.split('/').skip(1).collect();
    let mut fitting: Vec<(&'static str, Route)> = Vec::new();
    for operation in operations() {
        for pattern in [Some(operation.path), operation.one_path].into_iter().flatten() {
            if let Some(vars) = fit(pattern, &segments)? {
                fitting.push((pattern, Route { operation, vars }));
            }
        }
    }
    // Exact first; among patterns, the one that the table names first.
    let mut elsewhere = not_here::at(&segments);
    let exact = elsewhere.literal || fitting.iter().any(|(_, route)| route.vars.is_empty());
    let first = fitting.iter().find(|(_, r)| !exact || r.vars.is_empty()).map(|(p, _)| shape(p));
    if let Some(first) = &first {
        elsewhere.rows.retain(|row| shape(row.path) == *first);
    } else if elsewhere.rows.is_empty() {
        return Err(unknown());
    }
    let own = fitting.into_iter().filter(|(p, _)| Some(shape(p)) == first).map(|(_, route)| route);
    Ok(Routes { routes: own.collect(), not_here: elsewhere.rows, path: path.to_owned() })
}

/// The path with the names of its variables taken out: `{uuid}` and `{x}` are the same path.
fn shape(pattern: &str) -> Vec<&str> {
    pattern.split('/').map(|s| if s.starts_with('{') { "{}" } else { s }).collect()
}

/// The variables, if the segments fit the pattern. A variable is never empty.
fn fit(pattern: &'static str, segments: &[&str]) -> Result<Option<Vec<(&'static str, String)>>, Misuse> {
    let parts = || pattern.split('/').skip(1);
    if parts().count() != segments.len() {
        return Ok(None);
    }
    let mut vars = Vec::new();
    for (part, segment) in parts().zip(segments) {
        match part.strip_prefix('{').and_then(|p| p.strip_suffix('}')) {
            None if part == *segment => {}
            Some(_) if segment.is_empty() => return Ok(None),
            None => return Ok(None),
            Some(name) => vars.push((name, *segment)),
        }
    }
    let decoded = vars.into_iter().map(|(name, segment)| {
        let text = unescape(segment, false).ok_or(Misuse::NotUtf8("path"))?;
        Ok((name, text.trim().to_owned()))
    });
    decoded.collect::<Result<_, Misuse>>().map(Some)
}

impl Routes {
    /// The poll, if the path is the poll's.
    pub(super) fn poll(&self) -> Option<&Route> {
        self.routes.iter().find(|r| r.operation.op == Op::GetApiJob)
    }

    /// The operation that is meant; `raw` is the path as sent, for texts. What fits exactly comes first, then
    /// what ZStack has and this server has not, then what a path with one operation takes all the same.
    pub(super) fn choose(
        &self,
        method: Method,
        body: Option<&Map<String, Value>>,
        raw: &str,
    ) -> Result<Route, Misuse> {
        let refused = || match method {
            Method::Post => Misuse::NoCreate(raw.to_owned()),
            Method::Get => Misuse::NoQuery(raw.to_owned()),
            Method::Delete => Misuse::NoDelete(raw.to_owned()),
            Method::Head => Misuse::Head(raw.to_owned()),
            Method::Put => Misuse::NoAction(self.path.clone()),
        };
        let meant = self.routes.iter().filter(|r| is_meant(r.operation, method, body));
        if let Some(route) = meant.min_by_key(|r| place(r.operation, body)) {
            return Ok(route.clone());
        }
        if let Some(operation) = self.not_here.iter().find(|o| is_meant(o, method, body)) {
            return Ok(Route { operation, vars: Vec::new() });
        }
        if let ([], [operation], Method::Post | Method::Put) = (&self.routes[..], &self.not_here[..], method)
        {
            return Ok(Route { operation, vars: Vec::new() });
        }
        if let ([only], []) = (&self.routes[..], &self.not_here[..]) {
            let harmless = match method {
                Method::Get | Method::Head => !only.operation.changes(),
                Method::Delete => only.operation.method == Method::Delete,
                Method::Post | Method::Put => true,
            };
            return if harmless { Ok(only.clone()) } else { Err(refused()) };
        }
        if method == Method::Put && body.is_none() {
            return Err(Misuse::EmptyBody(self.path.clone()));
        }
        Err(refused())
    }
}

/// Where the body has the operation's action key: of several actions the first is done.
fn place(operation: &Operation, body: Option<&Map<String, Value>>) -> Option<usize> {
    let Wrapper::Action(action) = operation.wrapper else { return None };
    body?.keys().position(|key| key == action)
}

/// Whether the request is exactly this operation's: its method, and for PUT its action key. The key alone
/// counts, its value may be null.
fn is_meant(operation: &Operation, method: Method, body: Option<&Map<String, Value>>) -> bool {
    operation.method == method
        && match operation.wrapper {
            Wrapper::Action(key) => body.is_some_and(|body| body.contains_key(key)),
            Wrapper::None | Wrapper::Params => true,
        }
}
