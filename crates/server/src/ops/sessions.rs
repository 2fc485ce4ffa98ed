//! Login, logout, validate, renew.

use std::sync::Arc;

use longhaul_engine::fault::from_store;
use longhaul_model::{Code, Fault, SessionId};
use longhaul_wire::inventory::{self, ValidateSessionAnswer};

use super::{foreign, required};
use crate::answer::Answer;
use crate::app::{App, Called};
use crate::auth::password;

/// Verified when the account is unknown, so that an unknown name takes as long as a wrong password.
const NO_ONE: &str =
    "$argon2id$v=19$m=8192,t=2,p=1$bm9ib2R5bm9ib2R5$Wm9mDGl9o0bq0uX3Jz7c2m5n3kqk6v0C8m9Q2m1x5Qk";

pub async fn log_in(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let refused = || Fault::new(Code::BadCredentials, "wrong account name or password");
    let (name, sent) = (required(called, "accountName")?, required(called, "password")?);
    if called.call.params.text("accountType").is_some_and(|t| !t.is_empty() && t != "account") {
        return Err(refused());
    }
    let account = app.store.account_by_name(name).await.map_err(|e| from_store(e, "the account"))?;
    let kept = account.as_ref().map_or_else(|| NO_ONE.to_owned(), |a| a.password_hash.clone());
    let matches = password::matches(sent.to_owned(), kept).await?;
    let account = account.filter(|_| matches).ok_or_else(refused)?;
    Ok(Answer::Session(app.sessions.log_in(account.id).await?))
}

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
