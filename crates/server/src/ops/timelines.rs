//! The timeline of a job, page by page, with the names of who did what.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use longhaul_engine::fault::from_store;
use longhaul_model::Fault;
use longhaul_model::query::{Condition, Field, Filter, LIST_MAX, Op, Page, Query, Resource, Rows, Value};
use longhaul_model::timeline::{Actor, TimelineRow};
use longhaul_wire::api::TIMELINE_PAGE_MAX;
use longhaul_wire::inventory::{self, TimelineInventory};

use super::required;
use crate::answer::Answer;
use crate::app::{App, Called};

pub async fn timeline(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let number = |name: &str| called.call.params.int(name).and_then(|n| u64::try_from(n).ok());
    let limit = number("limit").unwrap_or(TIMELINE_PAGE_MAX.unsigned_abs());
    let limit = u32::try_from(limit).unwrap_or(u32::MAX);
    let after = number("start").unwrap_or(0);
    let rows = app.engine.timeline(&called.caller, required(called, "uuid")?, after, limit).await?;
    let names = names(app, &rows).await?;
    let of = |row: &TimelineRow| TimelineInventory::of(row, names.get(&key(row.actor)).cloned(), &app.format);
    let rows: Vec<_> = rows.iter().map(of).collect();
    Ok(Answer::Json(inventory::many(&rows, called.call.wants_schema)))
}

/// An actor as a key: ids of accounts and of nodes are never alike.
fn key(actor: Actor) -> String {
    match actor {
        Actor::Account(id) => id.to_string(),
        Actor::Node(id) => id.to_string(),
    }
}

/// Names of accounts, host names of nodes. Only the owner of a job and admins can act on it, so no name of
/// anybody else is told.
async fn names(app: &App, rows: &[TimelineRow]) -> Result<BTreeMap<String, String>, Fault> {
    let (mut accounts, mut nodes) = (BTreeSet::new(), BTreeSet::new());
    for row in rows {
        match row.actor {
            Actor::Account(id) => accounts.insert(id),
            Actor::Node(id) => nodes.insert(id),
        };
    }
    let mut names = BTreeMap::new();
    for id in accounts {
        let account = app.store.account(id).await.map_err(|e| from_store(e, "the accounts"))?;
        names.extend(account.map(|account| (id.to_string(), account.name)));
    }
    let nodes: Vec<Value> = nodes.into_iter().map(|id| Value::Text(id.to_string())).collect();
    for some in nodes.chunks(LIST_MAX) {
        let these = Condition { field: Field::Uuid, op: Op::In, values: some.to_vec() };
        let query = Query {
            resource: Resource::Node,
            filter: Filter { conditions: vec![these], ..Filter::default() },
            sort: None,
            page: Page { start: 0, limit: u32::try_from(some.len()).unwrap_or(u32::MAX) },
            want_rows: true,
            want_total: false,
            without_bodies: false,
        };
        let found = app.store.query(&query).await.map_err(|e| from_store(e, "the management nodes"))?;
        if let Rows::Nodes(nodes) = found.rows {
            names.extend(nodes.into_iter().map(|node| (node.id.to_string(), node.host_name)));
        }
    }
    Ok(names)
}
