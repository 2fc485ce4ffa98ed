//! `login` and `logout`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::client::inventory;
use crate::error::ClientError;
use crate::exit::Exit;
use crate::password;
use crate::run::Context;
use crate::session::Saved;
use crate::view::{Session, read};

/// Flags of `login`.
#[derive(Debug, Args)]
pub struct LoginArgs {
    /// The account's name
    #[arg(long, default_value = "admin", value_name = "NAME")]
    account: String,
    /// File whose first line is the password; - is stdin. Asked for on a terminal if absent
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

/// Logs in and keeps the session.
pub async fn login(context: &mut Context, args: LoginArgs) -> Result<Exit, ClientError> {
    let server = context.client.base().to_owned();
    let prompt = format!("Password of {} at {server}: ", args.account);
    let hash = password::obtain(args.password_file.as_deref(), &prompt, false)?;
    let former = context.sessions.of(&server).cloned();
    context.client.set_token(None);
    let params = json!({"accountName": args.account, "password": hash});
    let answer = context.client.action(&["accounts", "login"], "logInByAccount", &params).await?;
    let session: Session = read(&inventory(answer)?)?;
    if session.uuid.is_empty() {
        return Err(ClientError::bad_answer("the login answered no session"));
    }
    context.sessions.keep(&server, Saved { account: args.account.clone(), session: session.uuid });
    let file = context.sessions.save(&context.env)?;
    if let Some(former) = former {
        // The session that nobody has any more; it would expire by itself.
        let _ = context.client.delete(&["accounts", "sessions", &former.session]).await;
    }
    if context.env.token.is_some() {
        context
            .console
            .note("note: LONGHAUL_TOKEN is set and wins over this login; unset it to use the login");
    }
    // The session itself is never printed.
    let shown = json!({
        "url": server,
        "account": args.account,
        "accountUuid": session.account_uuid,
        "expiredDate": session.expired_date,
        "sessionFile": file,
    });
    let sentence = format!("logged in to {server} as {}; the session is in {}", args.account, file.display());
    context.console.done(&shown, &sentence)?;
    Ok(Exit::Ok)
}

/// Ends the session and forgets it.
pub async fn logout(context: &mut Context) -> Result<Exit, ClientError> {
    let server = context.client.base().to_owned();
    let token = context.client.token().unwrap_or_default().to_owned();
    let ended = context.client.delete(&["accounts", "sessions", &token]).await;
    if context.sessions.of(&server).is_some_and(|saved| saved.session == token) {
        context.sessions.drop_of(&server);
        context.sessions.save(&context.env)?;
    }
    // Forgotten here in any case; a session that the server keeps expires by itself.
    ended?;
    context.console.done(&json!({}), &format!("logged out of {server}"))?;
    Ok(Exit::Ok)
}
