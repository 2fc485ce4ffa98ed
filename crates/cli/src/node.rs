//! `node`: the management nodes, and draining of one.

use std::time::Duration;

use clap::Subcommand;
use serde_json::{Value, json};

use crate::client::inventory;
use crate::error::ClientError;
use crate::exit::Exit;
use crate::lookup;
use crate::pause::pause;
use crate::run::Context;
use crate::view::{Node, read, read_all};

/// Between two looks at the jobs of a node that drains.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Commands on management nodes.
#[derive(Debug, Subcommand)]
pub enum NodeCommand {
    /// List the management nodes
    List,
    /// Let a node's host take no jobs, and hand over what other nodes can go on with
    ///
    /// It lasts until it is undrained, also over a restart. Jobs that would have to begin anew, or would fail, run to
    /// their end there. A server that is stopped hands its jobs over by itself: no drain is needed for that.
    Drain {
        /// The node's uuid, its first digits, or its host name
        node: String,
        /// Wait until it has no jobs any more
        #[arg(long)]
        wait: bool,
    },
    /// Let a drained node's host take jobs again
    Undrain {
        /// The node's uuid, its first digits, or its host name
        node: String,
    },
}

/// Runs one.
pub async fn run(context: &mut Context, command: NodeCommand) -> Result<Exit, ClientError> {
    match command {
        NodeCommand::List => list(context).await?,
        NodeCommand::Drain { node, wait } => {
            let (answer, node) = act(context, &node, "drainManagementNode").await?;
            let mut left = jobs_of(context, &node.uuid).await?;
            while wait && left > 0 {
                pause(LOOK_EVERY).await;
                left = jobs_of(context, &node.uuid).await?;
            }
            let name = format!("node {} {}", node.uuid, node.host_name);
            let told = match left {
                0 => format!("{name} is drained and has no jobs"),
                left => format!("{name} is drained; {left} of its jobs are on their way, or end there"),
            };
            context.console.done(&answer, &told)?;
        }
        NodeCommand::Undrain { node } => {
            let (answer, node) = act(context, &node, "undrainManagementNode").await?;
            context.console.done(&answer, &format!("node {} {} takes jobs", node.uuid, node.host_name))?;
        }
    }
    Ok(Exit::Ok)
}

async fn list(context: &mut Context) -> Result<(), ClientError> {
    let nodes = context.client.list_all(&["management-nodes"], &[]).await?;
    let views: Vec<Node> = read_all(&nodes)?;
    let row = |n: Node| {
        let state = if n.drained { "drained" } else { "working" }.to_owned();
        vec![n.uuid, n.host_name, n.address, state, n.version, n.join_date, n.heart_beat]
    };
    let rows = views.into_iter().map(row).collect();
    let header = ["uuid", "host", "address", "state", "release", "joined", "heartbeat"];
    context.console.rows(&Value::Array(nodes), &header, rows)
}

async fn act(context: &Context, node: &str, key: &str) -> Result<(Value, Node), ClientError> {
    let uuid = lookup::node(&context.client, node).await?;
    let answer = context.client.action(&["management-nodes", &uuid, "actions"], key, &json!({})).await?;
    let answer = inventory(answer)?;
    let view = read(&answer)?;
    Ok((answer, view))
}

/// How many jobs that have not ended a node holds.
async fn jobs_of(context: &Context, uuid: &str) -> Result<u64, ClientError> {
    let of_node = format!("managementNodeUuid={uuid}");
    let query = [("q", of_node.as_str()), ("q", "state?=Running,Canceling"), ("count", "true")];
    let answer = context.client.get(&["longjobs"], &query).await?;
    answer["total"].as_u64().ok_or_else(|| ClientError::bad_answer("a count has no total"))
}
