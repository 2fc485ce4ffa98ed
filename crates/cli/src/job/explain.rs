//! `job explain`: why a job is where it is, and what would become of it. The chief reason is shown in other
//! places too, in one line.

use serde_json::Value;

use crate::client::Client;
use crate::console::{Format, printable};
use crate::error::ClientError;
use crate::exit::Exit;
use crate::run::Context;
use crate::view::Why;

/// Explains a job.
pub async fn explain(context: &mut Context, uuid: &str) -> Result<Exit, ClientError> {
    let answer = ask(&context.client, uuid).await?;
    let text = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
    if context.console.format == Format::Json {
        context.console.json(&answer)?;
        return Ok(Exit::Ok);
    }
    context.console.line(&printable(&format!("job {} is {}", text("uuid"), text("state"))))?;
    for reason in answer["reasons"].as_array().into_iter().flatten() {
        let sentence = reason["sentence"].as_str().unwrap_or_default();
        context.console.line(&printable(&format!("  {sentence}")))?;
    }
    let facts = [
        ("a cancel", text("onCancel")),
        ("a restart of the server", text("onRestart")),
        ("the loss of its node", text("onNodeLoss")),
        ("deadline", text("deadline")),
    ];
    context.console.facts(&answer, &facts)?;
    Ok(Exit::Ok)
}

/// The chief reason; none where the server does not explain (ZStack's own) or does not answer: that is no
/// reason to fail.
pub async fn chief(client: &Client, uuid: &str) -> Why {
    let answer = ask(client, uuid).await.unwrap_or_default();
    let text = |key: &str| answer["reasons"][0][key].as_str().unwrap_or_default().to_owned();
    Why { reason: text("reason"), sentence: text("sentence") }
}

async fn ask(client: &Client, uuid: &str) -> Result<Value, ClientError> {
    client.get(&["longjobs", uuid, "explain"], &[]).await
}
