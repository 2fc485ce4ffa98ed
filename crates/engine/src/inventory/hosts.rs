//! Which directories are of another host, and where that is reached.

use longhaul_model::query::{Resource, Rows};
use longhaul_model::resource::{BackupStorage, Node, Storage};
use longhaul_model::{Fault, HostId, NodeId};

use super::{Inventory, all};
use crate::fault::from_store;

impl Inventory {
    /// All management nodes, the newest first.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn nodes(&self) -> Result<Vec<Node>, Fault> {
        let found = self.store.query(&all(Resource::Node, Vec::new())).await;
        match found.map_err(|e| from_store(e, "the management nodes"))?.rows {
            Rows::Nodes(nodes) => Ok(nodes),
            _ => Err(Fault::internal("asked for management nodes")),
        }
    }

    /// Where the API of a node is reached; `None` for one that is gone or does not say.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn address_of(&self, node: NodeId) -> Result<Option<String>, Fault> {
        Ok(self.nodes().await?.into_iter().find(|known| known.id == node).and_then(|known| known.address))
    }

    /// The storages as seen from here: which are elsewhere, and `Disconnected` where no node of their host is up,
    /// whatever was seen of them last.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn seen_storages(&self, mut rows: Vec<Storage>) -> Result<Vec<Storage>, Fault> {
        let hosts = self.hosts(rows.iter().map(|row| row.host)).await?;
        for row in &mut rows {
            hosts.see(row.host, &mut row.elsewhere, &mut row.status);
        }
        Ok(rows)
    }

    /// The same of backup storages.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn seen_backup_storages(
        &self,
        mut rows: Vec<BackupStorage>,
    ) -> Result<Vec<BackupStorage>, Fault> {
        let hosts = self.hosts(rows.iter().map(|row| row.host)).await?;
        for row in &mut rows {
            hosts.see(row.host, &mut row.elsewhere, &mut row.status);
        }
        Ok(rows)
    }

    pub(super) async fn seen_storage(&self, mut row: Storage) -> Result<Storage, Fault> {
        self.hosts([row.host]).await?.see(row.host, &mut row.elsewhere, &mut row.status);
        Ok(row)
    }

    pub(super) async fn seen_backup_storage(&self, mut row: BackupStorage) -> Result<BackupStorage, Fault> {
        self.hosts([row.host]).await?.see(row.host, &mut row.elsewhere, &mut row.status);
        Ok(row)
    }

    /// What there is to know of the hosts of directories. Nobody is asked where none of them is elsewhere.
    async fn hosts(&self, of: impl IntoIterator<Item = Option<HostId>>) -> Result<Hosts, Fault> {
        let Some(here) = self.here else { return Ok(Hosts::default()) };
        let some_elsewhere = of.into_iter().flatten().any(|host| host != here);
        let nodes = if some_elsewhere { self.nodes().await? } else { Vec::new() };
        Ok(Hosts { here: Some(here), nodes })
    }
}

/// The hosts as they are at one moment.
#[derive(Default)]
struct Hosts {
    /// Where we are; `None`: every directory can be reached.
    here: Option<HostId>,
    nodes: Vec<Node>,
}

impl Hosts {
    /// What is to be said of a directory of `host`, if it can not be reached from here; if nobody can reach it, it is
    /// Disconnected.
    fn see(&self, host: Option<HostId>, elsewhere: &mut Option<String>, status: &mut String) {
        let Some(host) = host.filter(|host| self.here.is_some_and(|here| here != *host)) else {
            *elsewhere = None;
            return;
        };
        *elsewhere = Some(match self.nodes.iter().find(|node| node.host == host) {
            Some(Node { host_name, address: Some(address), .. }) => {
                format!(
                    "it is a directory of another host, {host_name}[uuid:{host}]; send this to its node at {address}"
                )
            }
            Some(Node { host_name, .. }) => {
                format!("it is a directory of another host, {host_name}[uuid:{host}]; send this to its node")
            }
            None => {
                "Disconnected".clone_into(status);
                format!(
                    "it is a directory of another host[uuid:{host}], which has no node up; start its node and send this there"
                )
            }
        });
    }
}
