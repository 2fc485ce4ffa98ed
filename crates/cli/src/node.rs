//! `node`: the management nodes.

use clap::Subcommand;
use serde_json::Value;

use crate::error::ClientError;
use crate::exit::Exit;
use crate::run::Context;
use crate::view::{Node, read_all};

/// Commands on management nodes.
#[derive(Debug, Subcommand)]
pub enum NodeCommand {
    /// List the management nodes
    List,
}

/// Runs one.
pub async fn run(context: &mut Context, command: NodeCommand) -> Result<Exit, ClientError> {
    match command {
        NodeCommand::List => {
            let nodes = context.client.list_all(&["management-nodes"], &[]).await?;
            let views: Vec<Node> = read_all(&nodes)?;
            let rows =
                views.into_iter().map(|n| vec![n.uuid, n.host_name, n.join_date, n.heart_beat]).collect();
            context.console.rows(&Value::Array(nodes), &["uuid", "host", "joined", "heartbeat"], rows)?;
        }
    }
    Ok(Exit::Ok)
}
