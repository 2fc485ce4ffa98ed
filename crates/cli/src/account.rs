//! `account`: create, list, change passwords, delete.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::{Value, json};

use crate::client::inventory;
use crate::error::ClientError;
use crate::exit::Exit;
use crate::human;
use crate::lookup;
use crate::password;
use crate::run::Context;
use crate::view::{Account, read, read_all};

/// Commands on accounts.
#[derive(Debug, Subcommand)]
pub enum AccountCommand {
    /// Create an account (admin)
    Create {
        /// Its name, unique over all accounts
        name: String,
        /// File whose first line is the password; - is stdin. Asked for on a terminal if absent
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
        /// Sees and touches everything
        #[arg(long)]
        admin: bool,
        /// For people
        #[arg(long, value_name = "TEXT")]
        description: Option<String>,
    },
    /// List the accounts: all for admin, else your own
    List,
    /// Change an account's password
    Password {
        /// The account's uuid or name
        account: String,
        /// File whose first line is the new password; - is stdin. Asked for on a terminal if absent
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
        /// File whose first line is the present password, to have it checked
        #[arg(long, value_name = "FILE")]
        old_password_file: Option<PathBuf>,
    },
    /// Delete an account that has no unfinished job (admin)
    Delete {
        /// The account's uuid or name
        account: String,
    },
}

/// Tells what a new password did to the account's sessions. Whether this command's was one of them, the server knows.
async fn sessions_ended(context: &mut Context, name: &str) {
    let mut told = format!("all sessions of {name} ended");
    let asked = context.client.list(&["accounts"], &[("limit", "1")]).await;
    if asked.is_err_and(|error| error.code == "ID.1001") {
        let login = human::command(&["longhaul", "login", "--account", name].map(str::to_owned));
        told.push_str(&format!(", this one too: log in again with `{login}`"));
    }
    context.console.note(&told);
}

/// Runs one.
pub async fn run(context: &mut Context, command: AccountCommand) -> Result<Exit, ClientError> {
    match command {
        AccountCommand::Create { name, password_file, admin, description } => {
            let hash = password::obtain(password_file.as_deref(), &format!("Password of {name}: "), true)?;
            let mut params = json!({"name": name, "password": hash});
            params["type"] = Value::from(if admin { "SystemAdmin" } else { "Normal" });
            if let Some(description) = description {
                params["description"] = Value::from(description);
            }
            let answer = context.client.post(&["accounts"], &json!({"params": params})).await?;
            let account = inventory(answer)?;
            let view: Account = read(&account)?;
            context.console.done(&account, &format!("created account {} {}", view.uuid, view.name))?;
        }
        AccountCommand::List => {
            let accounts = context.client.list_all(&["accounts"], &[("sort", "+name")]).await?;
            let views: Vec<Account> = read_all(&accounts)?;
            let rows = views.into_iter().map(|a| vec![a.uuid, a.name, a.kind, a.create_date]).collect();
            context.console.rows(&Value::Array(accounts), &["uuid", "name", "type", "created"], rows)?;
        }
        AccountCommand::Password { account, password_file, old_password_file } => {
            let found: Account = read(&lookup::account(&context.client, &account).await?)?;
            let old = match &old_password_file {
                Some(file) => Some(password::obtain(Some(file), "", false)?),
                None => None,
            };
            let prompt = format!("New password of {}: ", found.name);
            let mut params = json!({"password": password::obtain(password_file.as_deref(), &prompt, true)?});
            if let Some(old) = old {
                params["oldPassword"] = Value::from(old);
            }
            let answer = context.client.action(&["accounts", &found.uuid], "updateAccount", &params).await?;
            context.console.done(&inventory(answer)?, &format!("changed the password of {}", found.name))?;
            sessions_ended(context, &found.name).await;
        }
        AccountCommand::Delete { account } => {
            let found: Account = read(&lookup::account(&context.client, &account).await?)?;
            context.client.delete(&["accounts", &found.uuid]).await?;
            context.console.done(&json!({}), &format!("deleted account {} {}", found.uuid, found.name))?;
        }
    }
    Ok(Exit::Ok)
}
