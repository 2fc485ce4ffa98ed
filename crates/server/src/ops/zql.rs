//! ZQL: each statement is the query that it names, with the same rights.

use std::sync::Arc;

use longhaul_engine::fault::from_store;
use longhaul_model::Fault;
use longhaul_model::query::ROWS_MAX_BYTES;
use longhaul_store::StoreError;
use longhaul_wire::zql::{self, Statement};
use longhaul_wire::{Call, inventory, validate};

use super::{query, required};
use crate::answer::Answer;
use crate::app::{App, Called};

pub async fn query(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let statements = zql::parse(required(called, "zql")?).map_err(|r| r.to_fault(app.format.profile()))?;
    let mut bodies = Vec::with_capacity(statements.len());
    let mut bytes = 0;
    for statement in statements {
        let name = statement.name.clone();
        let one = of_statement(called, statement);
        if one.call.operation.admin_only && !one.identity.admin {
            return Err(validate::admin_only(&one.call));
        }
        let body = query::query(app, &one).await?.into_body(&app.format, false);
        bytes += body.len() as u64;
        if bytes > ROWS_MAX_BYTES {
            return Err(from_store(StoreError::TooLarge { limit_bytes: ROWS_MAX_BYTES }, "the query"));
        }
        bodies.push((body, name));
    }
    Ok(Answer::Json(inventory::zql(bodies)))
}

/// The call that the statement stands for.
fn of_statement(called: &Called, statement: Statement) -> Called {
    let Statement { operation, query, .. } = statement;
    Called {
        call: Call { operation, query: Some(query), ..called.call.clone() },
        identity: called.identity,
        from: called.from,
        host: called.host.clone(),
        api_id: called.api_id.clone(),
        room: called.room.clone(),
        client_gone: called.client_gone.clone(),
        caller: called.caller.clone(),
    }
}
