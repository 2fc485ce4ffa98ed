//! The three logins, which differ in how they name the account and in what they say when it is wrong.

use std::sync::Arc;

use longhaul_engine::fault::from_store;
use longhaul_model::resource::Account;
use longhaul_model::{AccountId, Code, Fault};
use longhaul_wire::inventory::{self, GetLoginProceduresAnswer};

use super::required;
use crate::answer::Answer;
use crate::app::{App, Called};
use crate::auth::password::Turn;

/// Verified when the account is unknown, so that an unknown name takes as long as a wrong password.
const NO_ONE: &str =
    "$argon2id$v=19$m=8192,t=2,p=1$bm9ib2R5bm9ib2R5$Wm9mDGl9o0bq0uX3Jz7c2m5n3kqk6v0C8m9Q2m1x5Qk";

pub async fn by_account(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    if called.call.params.text("accountType").is_some_and(|t| !t.is_empty() && t != "account") {
        return Err(wrong_account());
    }
    by_name(app, called, "accountName").await
}

/// With a type, which `validate` has found to be `account`.
pub async fn by_type(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    by_name(app, called, "username").await
}

async fn by_name(app: &Arc<App>, called: &Called, field: &str) -> Result<Answer, Fault> {
    let name = required(called, field)?;
    let account = app.store.account_by_name(name).await.map_err(|e| from_store(e, "the account"))?;
    log_in(app, called, name, account, wrong_account).await
}

/// The one user of an account has its name.
pub async fn by_user(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let params = &called.call.params;
    let (named, account) = match (params.text("accountUuid"), params.text("accountName")) {
        (Some(uuid), _) if !uuid.is_empty() => (
            uuid,
            match uuid.parse::<AccountId>() {
                Ok(id) => app.store.account(id).await,
                Err(_) => Ok(None),
            },
        ),
        (_, Some(name)) if !name.is_empty() => (name, app.store.account_by_name(name).await),
        _ => {
            return Err(Fault::invalid(
                "field[accountUuid] or field[accountName] must be there: whose user is to log in?",
            ));
        }
    };
    let account = account.map_err(|e| from_store(e, "the account"))?;
    // Counted under one name, however the account was named.
    let name = account.as_ref().map_or(named, |a| &a.name).to_owned();
    let user = required(called, "userName")?;
    log_in(app, called, &name, account.filter(|a| a.name == user), wrong_user).await
}

pub fn procedures() -> Answer {
    Answer::Json(inventory::custom(&GetLoginProceduresAnswer::default()))
}

fn wrong_account() -> Fault {
    Fault::new(Code::BadCredentials, "wrong account name or password")
}

fn wrong_user() -> Fault {
    Fault::new(Code::BadCredentials, "wrong account or username or password")
}

/// A session, if the password is the account's and may be tried.
async fn log_in(
    app: &Arc<App>,
    called: &Called,
    name: &str,
    account: Option<Account>,
    refused: fn() -> Fault,
) -> Result<Answer, Fault> {
    let sent = required(called, "password")?.to_owned();
    app.logins.check(name, called.from)?;
    let turn = Turn::take().await?;
    // While this one waited for its turn, others may have failed: many at once are no more tries than one
    // after the other.
    app.logins.check(name, called.from)?;
    let kept = account.as_ref().map_or_else(|| NO_ONE.to_owned(), |a| a.password_hash.clone());
    let (matches, turn) = turn.matches(sent, kept).await?;
    let account = account.filter(|_| matches);
    match &account {
        Some(_) => app.logins.succeeded(name, called.from),
        None => app.logins.failed(name, called.from),
    }
    drop(turn);
    let account = account.ok_or_else(refused)?;
    Ok(Answer::Session(app.sessions.log_in(account.id).await?))
}
