//! The APIs that ZStack has and this server has not: names and paths, so that a client learns that a call is
//! not offered here instead of being told that it does not exist. What is here is in the rows beside this
//! file; an API that gets its row there leaves this table by itself.
//!
//! Source: `not_here.txt`, the facts of ZStack's open SDK.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use longhaul_model::{Code, Fault};

use super::{Kind, Method, Op, Operation, Wrapper, operations};

/// One API a line: method, path, name, kind.
const LIST: &str = include_str!("not_here.txt");

static TABLE: LazyLock<Table> = LazyLock::new(Table::read);

struct Table {
    rows: Vec<Operation>,
    /// Rows by the first segment of their path.
    by_first: HashMap<&'static str, Vec<usize>>,
    by_name: HashMap<&'static str, usize>,
}

impl Table {
    fn read() -> Self {
        let own: HashSet<&str> = operations().map(|o| o.name).collect();
        let lines = LIST.lines().filter(|line| !line.starts_with('#'));
        let rows: Vec<Operation> = lines.filter_map(row).filter(|row| !own.contains(row.name)).collect();
        let (mut by_first, mut by_name) = (HashMap::<_, Vec<usize>>::new(), HashMap::new());
        for (at, row) in rows.iter().enumerate() {
            if let Some(first) = row.path.split('/').nth(1) {
                by_first.entry(first).or_default().push(at);
            }
            by_name.insert(row.name, at);
        }
        Self { rows, by_first, by_name }
    }
}

fn row(line: &'static str) -> Option<Operation> {
    let mut words = line.split(' ');
    let (method, path, name) = (Method::from_name(words.next()?)?, words.next()?, words.next()?);
    let kind = if words.next()? == "a" { Kind::Async } else { Kind::Sync };
    let wrapper = match method {
        // Kept for ever, once per action: the table is built once.
        Method::Put => Wrapper::Action(action_key(name).leak()),
        Method::Post => Wrapper::Params,
        Method::Get | Method::Delete | Method::Head => Wrapper::None,
    };
    let auth = words.next() != Some("o");
    Some(Operation { kind, auth, ..Operation::new(Op::NotHere, name, method, path, wrapper) })
}

/// `StartVmInstance` as `startVmInstance`.
fn action_key(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// The APIs at this path, which is given in its segments below `/v1`.
#[derive(Debug, Default)]
pub(crate) struct Place {
    /// All of them; empty where ZStack has none that is not here.
    pub(crate) rows: Vec<&'static Operation>,
    /// Whether their path has no variable.
    pub(crate) literal: bool,
}

/// What is at the path of these segments: rows without variables before rows with.
pub(crate) fn at(segments: &[&str]) -> Place {
    let table: &'static Table = &TABLE;
    let Some(near) = segments.first().and_then(|first| table.by_first.get(first)) else {
        return Place::default();
    };
    let rows = || near.iter().filter_map(|at| table.rows.get(*at));
    let literal: Vec<_> = rows().filter(|row| fits(row, segments, false)).collect();
    if !literal.is_empty() {
        return Place { rows: literal, literal: true };
    }
    Place { rows: rows().filter(|row| fits(row, segments, true)).collect(), literal: false }
}

/// Whether the path fits; where `variables` are allowed, a query is also at its path with one uuid more.
fn fits(row: &Operation, segments: &[&str], variables: bool) -> bool {
    let mut rest = segments.iter();
    for part in row.path.split('/').skip(1) {
        match rest.next() {
            Some(segment) if part == *segment => {}
            Some(segment) if variables && part.starts_with('{') && !segment.is_empty() => {}
            _ => return false,
        }
    }
    match (rest.next(), rest.next()) {
        (None, _) => true,
        (Some(uuid), None) => variables && row.name.starts_with("Query") && !uuid.is_empty(),
        (Some(_), Some(_)) => false,
    }
}

/// The API of that name, without `API` and `Msg`: `StartVmInstance`.
pub(crate) fn named(name: &str) -> Option<&'static Operation> {
    let table: &'static Table = &TABLE;
    table.by_name.get(name).and_then(|at| table.rows.get(*at))
}

/// Whether some query that is not here is of this entity, written as ZQL does: `vminstance`.
pub(crate) fn is_queried(entity: &str) -> bool {
    let of = |row: &Operation| row.name.strip_prefix("Query").map(str::to_lowercase);
    TABLE.rows.iter().any(|row| of(row).as_deref() == Some(entity))
}

/// What such a call is answered.
pub fn fault(operation: &Operation) -> Fault {
    Fault::new(
        Code::NotImplemented,
        format!(
            "the API[{}] of ZStack is not offered by this server, which runs long jobs on storages and volumes; GET /openapi.json lists what it has",
            operation.name
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(path: &str) -> Vec<&'static str> {
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        at(&segments).rows.iter().map(|row| row.name).collect()
    }

    #[test]
    fn every_line_is_read_and_nothing_that_is_here_is_in_it() {
        let lines = LIST.lines().filter(|line| !line.starts_with('#'));
        assert!(lines.clone().all(|line| row(line).is_some_and(|row| !row.name.is_empty())));
        assert!(TABLE.rows.len() > 1750 && TABLE.rows.len() < lines.count());
        assert_eq!(TABLE.by_name.len(), TABLE.rows.len());
        for own in operations() {
            assert!(named(own.name).is_none(), "{}", own.name);
        }
    }

    #[test]
    fn a_path_is_found_with_and_without_variables() {
        assert_eq!(names("/vm-instances"), ["QueryVmInstance", "CreateVmInstance"]);
        assert!(names("/vm-instances/5c1ad6e1a7f74ffe8b9fd3d4d0d4e6a1").contains(&"DestroyVmInstance"));
        assert!(names("/vm-instances/5c1ad6e1a7f74ffe8b9fd3d4d0d4e6a1").contains(&"QueryVmInstance"));
        assert!(names("/vm-instances/x/actions").contains(&"StartVmInstance"));
        assert_eq!(names("/volumes/formats"), ["GetVolumeFormat"]);
        for nowhere in ["/longjobs", "/nope", "/vm-instances/", "/vm-instances/x/actions/y", ""] {
            assert_eq!(names(nowhere), [""; 0], "{nowhere}");
        }
    }

    #[test]
    fn actions_have_the_key_of_their_name() {
        let start = named("StartVmInstance").map(|row| (row.method, row.wrapper, row.kind, row.auth));
        assert_eq!(start, Some((Method::Put, Wrapper::Action("startVmInstance"), Kind::Async, true)));
        assert!(named("GetLicenseInfo").is_some_and(|row| row.kind == Kind::Sync && !row.auth));
    }
}
