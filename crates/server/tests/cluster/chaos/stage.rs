//! Where a run takes place: the nodes and the database, and one thread for each that does to it what its part of the
//! plan says.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::faults::{Fault, Kind, NODES};
use super::history::{History, Hit};
use crate::client::Client;
use crate::database::DatabaseServer;
use crate::place::POLL;
use crate::process;
use crate::server::{Plan, Server};

/// How long a server may take to stop in order, or to start, once the database is there.
const ORDERLY: Duration = Duration::from_secs(120);
/// How soon a server that gave up its start is started again.
const START_AGAIN: Duration = Duration::from_millis(500);

/// Where the nodes are, and whether it is over.
#[derive(Debug)]
pub struct Stage {
    /// The run's history.
    pub history: History,
    end: Instant,
    over: AtomicBool,
    addresses: [Mutex<String>; NODES],
    /// Every address that a node ever had.
    had: Mutex<Vec<(String, usize)>>,
}

impl Stage {
    /// For so long, with nodes at these addresses.
    pub fn new(lasts: Duration, addresses: [String; NODES]) -> Self {
        let had = Mutex::new(addresses.iter().cloned().zip(0..).collect());
        let addresses = addresses.map(Mutex::new);
        let (history, end) = (History::begin(), Instant::now() + lasts);
        Self { history, end, over: AtomicBool::new(false), addresses, had }
    }

    /// Where a node listens, or listened last.
    pub fn address(&self, node: usize) -> String {
        self.addresses[node].lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Which node is, or was, there.
    pub fn node_at(&self, address: &str) -> Option<usize> {
        let had = self.had.lock().unwrap_or_else(PoisonError::into_inner);
        had.iter().rev().find(|(known, _)| known == address).map(|(_, node)| *node)
    }

    fn moved(&self, node: usize, address: &str) {
        address.clone_into(&mut self.addresses[node].lock().unwrap_or_else(PoisonError::into_inner));
        self.had.lock().unwrap_or_else(PoisonError::into_inner).push((address.to_owned(), node));
    }

    /// Whether the time of faults and load is over.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst) || Instant::now() >= self.end
    }

    /// Ends it, since something broke.
    pub fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
    }

    /// Waits, until it is over at most; whether it is not.
    pub fn wait(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        while !self.is_over() && Instant::now() < until {
            std::thread::sleep(POLL.min(until.saturating_duration_since(Instant::now())));
        }
        !self.is_over()
    }

    fn hit(&self, node: Option<usize>, what: &Fault, from_us: u64) {
        let until_us = self.history.now_us();
        let what = format!("{:?} {:.1}", what.kind, what.down.as_secs_f32());
        let who = node.map_or("database".to_owned(), |node| format!("node {node}"));
        println!("  {} to {} ms: {who}, {what}", from_us / 1000, until_us / 1000);
        self.history.with(|seen| seen.hits.push(Hit { node, what, from_us, until_us }));
    }
}

/// Does to a node what its part of the plan says, and leaves it running.
pub fn trouble_node(stage: &Stage, node: usize, faults: &[Fault], plan: &Plan, server: &mut Server) {
    let session = server.client.clone();
    for fault in faults {
        if !stage.wait(fault.after) {
            break;
        }
        if server.has_ended() {
            let told = format!("node {node} ended by itself");
            stage.history.with(|seen| seen.odd_ends.push(told));
        }
        let from_us = stage.history.now_us();
        match fault.kind {
            Kind::Pause => {
                process::stop(server.pid());
                stage.wait(fault.down);
                process::signal(server.pid(), Signal::CONT);
            }
            Kind::Kill => server.kill(),
            Kind::Restart => {
                let status = server.terminate(ORDERLY);
                if !status.success() {
                    let told = format!("node {node} was told to stop and ended with {status}");
                    stage.history.with(|seen| seen.odd_ends.push(told));
                }
            }
        }
        if fault.kind != Kind::Pause {
            stage.wait(fault.down);
            *server = started(plan, &session);
            stage.moved(node, server.client.address());
        }
        stage.hit(Some(node), fault, from_us);
    }
}

/// A server may give up its start when the database is away for long; whoever runs it starts it again.
fn started(plan: &Plan, session: &Client) -> Server {
    let begun = Instant::now();
    loop {
        if let Some(server) = plan.try_start(session) {
            return server;
        }
        assert!(begun.elapsed() < ORDERLY, "a server does not start; its log:\n{}", plan.log());
        std::thread::sleep(START_AGAIN);
    }
}

/// Does to the database what its part of the plan says, and leaves it running.
pub fn trouble_database(stage: &Stage, faults: &[Fault], server: &DatabaseServer) {
    for fault in faults {
        if !stage.wait(fault.after) {
            return;
        }
        let from_us = stage.history.now_us();
        match fault.kind {
            Kind::Pause => server.pause(),
            Kind::Kill => server.kill(),
            Kind::Restart => server.stop(),
        }
        stage.wait(fault.down);
        match fault.kind {
            Kind::Pause => server.wake(),
            Kind::Kill | Kind::Restart => server.start(),
        }
        stage.hit(None, fault, from_us);
    }
}
