//! `job explain`: why a job is where it is, and what would become of it. The chief reason is shown in other
//! places too, in one line. Sentences name the API's calls; here they name the commands that make them.

use serde_json::Value;

use crate::client::Client;
use crate::console::{Format, printable};
use crate::error::ClientError;
use crate::exit::Exit;
use crate::run::Context;
use crate::view::Why;

/// The API's calls as sentences name them, and the commands that make them.
const COMMANDS: [(&str, &str); 6] = [
    ("resumeLongJob", "`longhaul job resume`"),
    ("suspendLongJob", "`longhaul job suspend`"),
    ("cancelLongJob", "`longhaul job cancel`"),
    ("rerunLongJob", "`longhaul job rerun`"),
    ("throttleLongJob", "`longhaul job throttle`"),
    ("undrainManagementNode", "`longhaul node undrain`"),
];

/// A sentence for whoever has this client.
fn for_client(sentence: &str) -> String {
    let words = sentence.split_inclusive(|c: char| !c.is_ascii_alphanumeric());
    let command = |word: &str| {
        let name = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        let (_, command) = COMMANDS.iter().find(|(call, _)| *call == name)?;
        Some(format!("{command}{}", &word[name.len()..]))
    };
    words.map(|word| command(word).unwrap_or_else(|| word.to_owned())).collect()
}

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
        let sentence = for_client(reason["sentence"].as_str().unwrap_or_default());
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
    Why { reason: text("reason"), sentence: for_client(&text("sentence")) }
}

async fn ask(client: &Client, uuid: &str) -> Result<Value, ClientError> {
    client.get(&["longjobs", uuid, "explain"], &[]).await
}
