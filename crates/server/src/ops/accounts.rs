//! Accounts: create, change, delete.

use std::sync::Arc;

use longhaul_engine::fault::from_store;
use longhaul_model::query::{Condition, Field, Filter, Op, Page, Query, Resource, Rows, Value};
use longhaul_model::resource::Account;
use longhaul_model::{ADMIN, AccountId, Fault};
use longhaul_store::StoreError;

use super::required;
use crate::answer::Answer;
use crate::app::{App, Called};
use crate::auth::password;
use crate::data_dir::forget_admin_password;

pub async fn create(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let params = &called.call.params;
    let name = required(called, "name")?;
    if !is_free(app, name, None).await? {
        return Err(Fault::invalid(format!("unable to create an account. An account already called {name}")));
    }
    let account = Account {
        id: params.id("resourceUuid").unwrap_or_else(|| AccountId::random(&*app.runtime)),
        name: name.to_owned(),
        description: params.owned("description"),
        admin: params.text("type") == Some("SystemAdmin"),
        password_hash: password::keep(required(called, "password")?.to_owned()).await?,
        create_ms: 0,
        last_op_ms: 0,
    };
    match app.store.create_account(account).await {
        Ok(account) => Ok(Answer::Account(Box::new(account))),
        Err(StoreError::Taken) => {
            Err(Fault::invalid(format!("unable to create an account. An account already called {name}")))
        }
        Err(error) => Err(from_store(error, "the account")),
    }
}

pub async fn update(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let params = &called.call.params;
    let id = account_id(called)?;
    let known = app.store.account(id).await.map_err(|e| from_store(e, "the account"))?;
    let Some(known) = known else { return Err(missing(&id.to_string())) };
    if !called.identity.admin && id != called.identity.account {
        let own =
            app.store.account(called.identity.account).await.map_err(|e| from_store(e, "the account"))?;
        let name = own.map(|a| a.name).unwrap_or_default();
        return Err(Fault::failed(format!(
            "account[uuid: {}, name: {name}] is a normal account, it cannot reset the password of another account[uuid: {id}]",
            called.identity.account
        )));
    }
    if let Some(old) = params.text("oldPassword")
        && !password::matches(old.to_owned(), known.password_hash).await?
    {
        return Err(Fault::failed(format!(
            "old password is not equal to the original password, cannot update the password of account[uuid: {id}]"
        )));
    }
    let name = params.owned("name");
    if name.is_some() && id == ADMIN {
        return Err(Fault::failed("the name of admin account cannot be updated"));
    }
    if let Some(name) = &name
        && !is_free(app, name, Some(id)).await?
    {
        return Err(Fault::invalid(format!("unable to update name. An account already called {name}")));
    }
    let hash = match params.text("password") {
        Some(sent) => Some(password::keep(sent.to_owned()).await?),
        None => None,
    };
    let changes_password = hash.is_some();
    match app.store.update_account(id, name.clone(), params.owned("description"), hash).await {
        Ok(account) => {
            if changes_password {
                app.sessions.forget_account(id);
                if id == ADMIN {
                    forget_first_password(app);
                }
            }
            Ok(Answer::Account(Box::new(account)))
        }
        Err(StoreError::Taken) => Err(Fault::invalid(format!(
            "unable to update name. An account already called {}",
            name.unwrap_or_default()
        ))),
        Err(StoreError::NotFound) => Err(missing(&id.to_string())),
        Err(error) => Err(from_store(error, "the account")),
    }
}

pub async fn delete(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let id = account_id(called)?;
    if !called.identity.admin {
        return Err(Fault::invalid("Only admin can delete account."));
    }
    if id == ADMIN {
        return Err(Fault::invalid("cannot delete builtin admin account."));
    }
    if id == called.identity.account {
        return Err(Fault::invalid("account cannot delete itself"));
    }
    match app.store.delete_account(id).await {
        Ok(()) | Err(StoreError::NotFound) => {
            app.sessions.forget_account(id);
            app.signatures.forget_account(id);
            Ok(Answer::Empty)
        }
        Err(StoreError::InUse(by)) => {
            Err(Fault::failed(format!("account[uuid: {id}] still owns {by}; delete or end them first")))
        }
        Err(error) => Err(from_store(error, "the account")),
    }
}

/// The generated password that the data directory keeps for its first reader is wrong from now on. The password
/// has changed all the same if the file stays.
fn forget_first_password(app: &App) {
    if let Err(error) = forget_admin_password(&app.settings.data_dir) {
        tracing::warn!(%error, "the file of the first admin password could not be removed; its password is not valid any more");
    }
}

/// Whether no account but `own` is called so, whatever the case of ASCII letters: `ADMIN` would be taken for `admin`.
/// That one name is used once, in the same case, the store sees to.
///
/// # Errors
/// The name is blank.
async fn is_free(app: &Arc<App>, name: &str, own: Option<AccountId>) -> Result<bool, Fault> {
    if name.trim().is_empty() {
        return Err(Fault::invalid("field[name] must not be empty; an account logs in with it"));
    }
    let called = Condition { field: Field::Name, op: Op::Eq, values: vec![Value::Text(name.to_owned())] };
    let query = Query {
        resource: Resource::Account,
        filter: Filter { conditions: vec![called], ..Filter::default() },
        sort: None,
        page: Page { start: 0, limit: 2 },
        want_rows: true,
        want_total: false,
        without_bodies: false,
    };
    let found = app.store.query(&query).await.map_err(|e| from_store(e, "the accounts"))?;
    Ok(!matches!(found.rows, Rows::Accounts(rows) if rows.iter().any(|account| Some(account.id) != own)))
}

fn account_id(called: &Called) -> Result<AccountId, Fault> {
    let uuid = required(called, "uuid")?;
    uuid.parse().map_err(|_| missing(uuid))
}

fn missing(uuid: &str) -> Fault {
    longhaul_engine::inventory::not_found("uuid", uuid, "AccountVO")
}
