//! `node`: the management nodes, and draining of one.

use std::time::Duration;

use clap::Subcommand;
use serde_json::{Value, json};

use crate::client::inventory;
use crate::console::printable;
use crate::error::ClientError;
use crate::exit::Exit;
use crate::lookup;
use crate::pause::pause;
use crate::run::Context;
use crate::view::{Node, read, read_all};

/// Between two looks at the jobs of a node that drains.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// So many jobs of a node are told one by one.
const ONE_BY_ONE: usize = 20;
/// Reasons of `explain` that say how a job hangs on its node; they are told before others.
const OF_NODES: [&str; 4] = ["nodeDrained", "drained", "hostAway", "noNode"];

/// Commands on management nodes.
#[derive(Debug, Subcommand)]
pub enum NodeCommand {
    /// List the management nodes, with how many jobs each runs
    ///
    /// The jobs are those that the account may see.
    List,
    /// Let a node's host take no jobs, and hand over what other nodes can go on with
    ///
    /// It lasts until it is undrained, also over a restart. Jobs run to their end there where no other node takes jobs,
    /// where they lie on the host itself, and where they would have to begin anew, or would fail. A server that is stopped
    /// hands its jobs over by itself: no drain is needed for that.
    Drain {
        /// The node's uuid, the first 8 or more digits of it, its host name or its address
        node: String,
        /// Wait until it has no jobs any more, and tell which it waits for
        #[arg(long)]
        wait: bool,
    },
    /// Let a drained node's host take jobs again
    Undrain {
        /// The node's uuid, the first 8 or more digits of it, its host name or its address
        node: String,
    },
}

/// A job, and why it is where it is.
#[derive(Debug, PartialEq)]
struct Told {
    uuid: String,
    name: String,
    reason: String,
    why: String,
}

/// Jobs that have begun and not ended: how many, and the first of them.
#[derive(Debug, Default, PartialEq)]
struct Jobs {
    total: u64,
    told: Vec<Told>,
}

impl Told {
    /// It has begun, nobody runs it, and every node that could is drained.
    fn is_stranded(&self) -> bool {
        self.reason == "drained"
    }
}

impl Jobs {
    /// How many of a node it runs or hands over: one that was given back names its last node until another takes it.
    fn run(&self) -> u64 {
        let stranded = self.told.iter().filter(|job| job.is_stranded()).count();
        self.total.saturating_sub(stranded as u64)
    }
}

/// Runs one.
pub async fn run(context: &mut Context, command: NodeCommand) -> Result<Exit, ClientError> {
    match command {
        NodeCommand::List => list(context).await?,
        NodeCommand::Drain { node, wait } => drain(context, &node, wait).await?,
        NodeCommand::Undrain { node } => {
            let (answer, node) = act(context, &node, "undrainManagementNode").await?;
            context.console.done(&answer, &format!("node {} {} takes jobs", node.uuid, node.host_name))?;
        }
    }
    Ok(Exit::Ok)
}

async fn list(context: &mut Context) -> Result<(), ClientError> {
    let nodes = context.client.list_all(&["management-nodes"], &[]).await?;
    let mut rows = Vec::new();
    for n in read_all::<Node>(&nodes)? {
        let state = if n.drained { "drained" } else { "working" }.to_owned();
        let jobs = held(context, &n.uuid, 0).await?.total.to_string();
        rows.push(vec![n.uuid, n.host_name, n.address, state, jobs, n.version, n.join_date, n.heart_beat]);
    }
    let header = ["uuid", "host", "address", "state", "jobs", "release", "joined", "heartbeat"];
    context.console.rows(&Value::Array(nodes), &header, rows)
}

async fn drain(context: &mut Context, node: &str, wait: bool) -> Result<(), ClientError> {
    let (answer, node) = act(context, node, "drainManagementNode").await?;
    let name = format!("node {} {}", node.uuid, node.host_name);
    warn_of_the_last(context, &node).await?;
    if wait {
        wait_until_empty(context, &name, &node.uuid).await?;
    }
    let held = held(context, &node.uuid, ONE_BY_ONE).await?;
    let there = held.run();
    if there > 0 {
        let told = format!(
            "{name} is drained; {} still there: what another node can go on with goes there, the rest ends there \
             (--wait tells which)",
            count(there)
        );
        return context.console.done(&answer, &told);
    }
    let nobodys = jobs(context, "managementNodeUuid is null", ONE_BY_ONE).await?.told;
    let stranded: Vec<Told> = held.told.into_iter().chain(nobodys).filter(Told::is_stranded).collect();
    if stranded.is_empty() {
        return context.console.done(&answer, &format!("{name} is drained and has no jobs"));
    }
    let lines: Vec<String> = stranded.iter().map(line).collect();
    context.console.note(&lines.join("\n"));
    let told = format!(
        "{name} is drained and runs no jobs, but {} begun that nobody runs: every node that could is drained",
        if lines.len() == 1 { "1 job has".to_owned() } else { format!("{} jobs have", lines.len()) }
    );
    context.console.done(&answer, &told)
}

/// Says so where nobody is left who takes jobs.
async fn warn_of_the_last(context: &mut Context, node: &Node) -> Result<(), ClientError> {
    let nodes = context.client.list_all(&["management-nodes"], &[]).await?;
    let mut others = read_all::<Node>(&nodes)?.into_iter().filter(|other| other.uuid != node.uuid);
    if others.all(|other| other.drained) {
        context.console.note(&printable(&format!(
            "no other node takes jobs: what runs on {} runs to its end there, and what is submitted waits until a node takes \
             jobs again: longhaul node undrain {}",
            node.host_name, node.uuid
        )));
    }
    Ok(())
}

/// Waits until a node has no jobs, and tells which it has, whenever that is something else.
async fn wait_until_empty(context: &mut Context, name: &str, uuid: &str) -> Result<(), ClientError> {
    let mut told = Jobs::default();
    loop {
        let now = held(context, uuid, ONE_BY_ONE).await?;
        if now.run() == 0 {
            return Ok(());
        }
        if now != told {
            context.console.note(&printable(&format!("{} still on {name}:", count(now.total))));
            now.told.iter().for_each(|job| context.console.note(&line(job)));
            let more = now.total.saturating_sub(now.told.len() as u64);
            if more > 0 {
                context.console.note(&format!("  and {more} more"));
            }
            told = now;
        }
        pause(LOOK_EVERY).await;
    }
}

fn count(jobs: u64) -> String {
    if jobs == 1 { "1 job is".to_owned() } else { format!("{jobs} jobs are") }
}

fn line(job: &Told) -> String {
    printable(&format!("  {}  {}  {}", job.uuid, job.name, job.why))
}

async fn act(context: &Context, node: &str, key: &str) -> Result<(Value, Node), ClientError> {
    let uuid = lookup::node(&context.client, node).await?;
    let answer = context.client.action(&["management-nodes", &uuid, "actions"], key, &json!({})).await?;
    let answer = inventory(answer)?;
    let view = read(&answer)?;
    Ok((answer, view))
}

/// Jobs that have begun and not ended, and that a node holds, the first `most` of them with why.
async fn held(context: &Context, uuid: &str, most: usize) -> Result<Jobs, ClientError> {
    jobs(context, &format!("managementNodeUuid={uuid}"), most).await
}

async fn jobs(context: &Context, whose: &str, most: usize) -> Result<Jobs, ClientError> {
    let limit = most.to_string();
    let mut query = vec![("q", whose), ("q", "state?=Running,Canceling")];
    if most == 0 {
        query.push(("count", "true"));
    } else {
        query.extend([("replyWithCount", "true"), ("limit", limit.as_str()), ("sort", "createDate")]);
    }
    let answer = context.client.get(&["longjobs"], &query).await?;
    let total = answer["total"].as_u64().ok_or_else(|| ClientError::bad_answer("a count has no total"))?;
    let mut told = Vec::new();
    for row in answer["inventories"].as_array().into_iter().flatten() {
        let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
        let (reason, why) = why(context, &text("uuid")).await;
        told.push(Told { uuid: text("uuid"), name: text("name"), reason, why });
    }
    Ok(Jobs { total, told })
}

/// Why a job is where it is, in a word and in words; nothing where it is not told.
async fn why(context: &Context, job: &str) -> (String, String) {
    let answer = context.client.get(&["longjobs", job, "explain"], &[]).await.unwrap_or_default();
    let reasons = answer["reasons"].as_array().cloned().unwrap_or_default();
    let of = |reason: &Value, key: &str| reason[key].as_str().unwrap_or_default().to_owned();
    let of_node = reasons.iter().find(|r| OF_NODES.contains(&of(r, "reason").as_str()));
    let Some(chief) = of_node.or_else(|| reasons.first()) else {
        return (String::new(), String::new());
    };
    (of(chief, "reason"), of(chief, "sentence"))
}
