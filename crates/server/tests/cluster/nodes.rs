//! Some nodes on one database, each with a data directory of its own and all with one key and one journal.

use std::fs;

use serde_json::{Value, json};

use crate::client::{Client, text};
use crate::database::Database;
use crate::place::{PATIENCE, Place, shown, until};
use crate::server::{Plan, Server};

/// The nodes, and how each is started again.
#[derive(Debug)]
pub struct Nodes {
    /// Running ones.
    pub servers: Vec<Server>,
    /// How each is started.
    pub plans: Vec<Plan>,
}

impl Nodes {
    /// So many, started one after the other, as `change` changes their plans.
    pub fn start(place: &Place, database: &Database, many: usize, change: impl Fn(Plan) -> Plan) -> Self {
        fs::write(key(place), [7; 32]).unwrap();
        let plans: Vec<Plan> = (0..many).map(|node| change(plan(place, database, node))).collect();
        let servers = plans.iter().map(Plan::start).collect();
        Self { servers, plans }
    }

    /// One more.
    pub fn add(&mut self, place: &Place, database: &Database) {
        let plan = plan(place, database, self.plans.len());
        self.servers.push(plan.start());
        self.plans.push(plan);
    }

    /// A session at a node.
    pub fn client(&self, node: usize) -> &Client {
        &self.servers[node].client
    }

    /// Starts a node again that has ended.
    pub fn restart(&mut self, node: usize) {
        self.servers[node] = self.plans[node].start();
    }

    /// How a node is listed by another.
    pub fn listed(&self, node: usize, by: usize) -> Option<Value> {
        let address = format!("http://{}", self.client(node).address());
        self.client(by).many("/management-nodes").into_iter().find(|known| known["address"] == *address)
    }

    /// A node's uuid.
    pub fn uuid(&self, node: usize) -> String {
        text(&self.listed(node, node).expect("it is listed")["uuid"])
    }

    /// Waits until a job runs, and answers on which node.
    pub fn runs_on(&self, job: &str) -> usize {
        until("the job runs", PATIENCE, || {
            let job = self.client(0).job(job);
            let holder = job["managementNodeUuid"].as_str()?.to_owned();
            (job["state"] == "Running")
                .then(|| (0..self.servers.len()).find(|node| self.uuid(*node) == holder))
                .flatten()
        })
    }

    /// Adds a directory that every node sees as a storage; its uuid.
    pub fn add_shared(&self, name: &str, url: &str) -> String {
        let client = self.client(0);
        let zone = text(&client.many("/zones")[0]["uuid"]);
        let body = json!({"params": {"name": name, "url": url, "zoneUuid": zone}});
        text(&client.ok("POST", "/primary-storage/smp", &body)["inventory"]["uuid"])
    }

    /// What a node wrote to its log.
    pub fn log(&self) -> String {
        self.plans[0].log()
    }
}

fn key(place: &Place) -> std::path::PathBuf {
    place.path("cluster.key")
}

fn plan(place: &Place, database: &Database, node: usize) -> Plan {
    Plan::new(place)
        .data_dir(&shown(&place.path(&format!("data-{node}"))))
        .env("LONGHAUL_STORE", &database.url)
        .set(&format!("secretKeyFile={}", shown(&key(place))))
}
