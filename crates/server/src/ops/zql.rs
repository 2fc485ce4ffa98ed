//! ZQL: each statement is the query that it names, with the same rights.

use std::sync::Arc;

use longhaul_model::Fault;
use longhaul_wire::zql::{self, Statement};
use longhaul_wire::{Call, inventory, validate};

use super::{query, required};
use crate::answer::Answer;
use crate::app::{App, Called};

pub async fn query(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let statements = zql::parse(required(called, "zql")?).map_err(|r| r.to_fault(app.format.profile()))?;
    let mut bodies = Vec::with_capacity(statements.len());
    for statement in statements {
        let name = statement.name.clone();
        let one = of_statement(called, statement);
        if one.call.operation.admin_only && !one.identity.admin {
            return Err(validate::admin_only(&one.call));
        }
        let answer = query::query(app, &one).await?;
        bodies.push((answer.render(&app.format, false), name));
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
        api_id: called.api_id.clone(),
        caller: called.caller.clone(),
    }
}
