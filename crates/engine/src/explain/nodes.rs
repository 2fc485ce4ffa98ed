//! What the list of the nodes says of a job: whether its holder is heard of, and what keeps every node from taking it.

use longhaul_model::Job;
use longhaul_model::explain::Reason;
use longhaul_model::resource::Node;

use super::ms;
use crate::engine::Engine;
use crate::handler::RestartRule;

/// So many heartbeats of a node may be late before that is told.
const SILENT_AFTER: i64 = 3;

/// Now by the clock of the store, as heartbeats are: a node's own newest one is of now, or nearly.
fn now_ms(nodes: &[Node]) -> Option<i64> {
    nodes.iter().map(|node| node.heartbeat_ms).max()
}

/// What keeps each of `nodes`, which live, from taking the job; `None`: nothing does.
pub(super) fn in_the_way(job: &Job, nodes: &[Node]) -> Option<Reason> {
    match job.terms.host {
        _ if nodes.is_empty() => Some(Reason::NoNode),
        Some(host) if !nodes.iter().any(|node| node.host == host) => Some(Reason::HostAway(host)),
        _ => all_drained(job, nodes).then_some(Reason::Drained),
    }
}

/// Whether each of `nodes` that could run the job is drained.
pub(super) fn all_drained(job: &Job, nodes: &[Node]) -> bool {
    let could = |node: &&Node| job.terms.host.is_none_or(|host| host == node.host);
    let mut could = nodes.iter().filter(could).peekable();
    could.peek().is_some() && could.all(|node| node.drained)
}

impl Engine {
    /// For so long nothing is heard of a node before that is told, ms.
    pub(crate) fn silent_after_ms(&self) -> i64 {
        SILENT_AFTER * ms(self.config.heartbeat)
    }

    /// Whether somebody holds the job of whom was heard of late.
    pub(crate) fn is_holder_heard(&self, job: &Job, nodes: &[Node]) -> bool {
        let heard_ms = nodes.iter().find(|node| Some(node.id) == job.node).map(|node| node.heartbeat_ms);
        let (Some(heard_ms), Some(now_ms)) = (heard_ms, now_ms(nodes)) else { return false };
        heard_ms.saturating_add(self.silent_after_ms()) > now_ms
    }

    /// That nothing was heard of who holds the job, and what keeps others from taking it.
    pub(super) fn silent(&self, job: &Job, nodes: &[Node]) -> Option<Vec<Reason>> {
        let now_ms = now_ms(nodes)?;
        if self.is_holder_heard(job, nodes) {
            return None;
        }
        let holder = nodes.iter().find(|node| Some(node.id) == job.node);
        let lease_ms = ms(self.config.lease_ttl);
        let lives = |node: &&Node| node.heartbeat_ms.saturating_add(lease_ms) > now_ms;
        let others: Vec<Node> =
            nodes.iter().filter(|node| Some(node.id) != job.node).filter(lives).cloned().collect();
        let in_the_way = in_the_way(job, &others);
        // Whoever is free looks for jobs once in `poll`.
        let ends_ms = holder.map_or(now_ms, |node| node.heartbeat_ms.saturating_add(lease_ms).max(now_ms));
        let taken_ms = ends_ms.saturating_add(ms(self.config.poll));
        let silent = Reason::NodeSilent {
            node: holder.map(|node| node.id),
            host_name: holder.map(|node| node.host_name.clone()),
            heard_ms: holder.map(|node| node.heartbeat_ms),
            taken_ms: in_the_way.is_none().then_some(taken_ms),
        };
        Some([silent].into_iter().chain(in_the_way).collect())
    }

    /// Whether another node goes on with a job when its own, which is drained, gives it up.
    pub(super) fn moves_on(&self, job: &Job, nodes: &[Node]) -> bool {
        let resumes = self
            .registry
            .get(&job.job_name)
            .is_some_and(|handler| handler.job_type().restart == RestartRule::Resume);
        resumes && in_the_way(job, nodes).is_none()
    }
}
