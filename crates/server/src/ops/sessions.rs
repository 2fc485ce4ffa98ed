//! Sessions: log out, validate, renew. What opens them is in `logins`.

use std::sync::Arc;

use longhaul_engine::fault::from_store;
use longhaul_model::{Code, Fault, SessionId};
use longhaul_wire::inventory::{self, ValidateSessionAnswer};

use super::foreign;
use crate::answer::Answer;
use crate::app::{App, Called};

fn session(called: &Called) -> Option<SessionId> {
    called.call.params.id("sessionUuid")
}

pub async fn log_out(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    if let Some(id) = session(called) {
        app.sessions.log_out(id).await?;
    }
    Ok(Answer::Empty)
}

pub async fn validate(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let valid = match session(called) {
        Some(id) => app.sessions.is_valid(id).await?,
        None => false,
    };
    Ok(Answer::Json(inventory::custom(&ValidateSessionAnswer { valid })))
}

pub async fn renew(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let invalid = || Fault::new(Code::InvalidSession, "Session expired");
    let id = session(called).ok_or_else(invalid)?;
    let known = app.store.session(id).await.map_err(|e| from_store(e, "the session"))?.ok_or_else(invalid)?;
    if known.account != called.identity.account && !called.identity.admin {
        return Err(foreign(&"of the session", called));
    }
    let duration_s = called.call.params.int("duration").and_then(|d| u64::try_from(d).ok());
    Ok(Answer::Session(app.sessions.renew(id, duration_s).await?))
}
