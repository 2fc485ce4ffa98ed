//! Which directories are of another host, and where that is reached.

use longhaul_model::query::{Resource, Rows};
use longhaul_model::resource::Node;
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

    /// What is to be said of a directory of `host`; `None` where it can be reached from here.
    ///
    /// # Errors
    /// The store does not answer.
    pub(super) async fn elsewhere(&self, host: Option<HostId>) -> Result<Option<String>, Fault> {
        let (Some(host), Some(here)) = (host, self.here) else { return Ok(None) };
        if host == here {
            return Ok(None);
        }
        let node = self.nodes().await?.into_iter().find(|node| node.host == host);
        Ok(Some(match node {
            Some(Node { host_name, address: Some(address), .. }) => {
                format!(
                    "it is a directory of another host, {host_name}[uuid:{host}]; send this to its node at {address}"
                )
            }
            Some(Node { host_name, .. }) => {
                format!("it is a directory of another host, {host_name}[uuid:{host}]; send this to its node")
            }
            None => format!(
                "it is a directory of another host[uuid:{host}], which has no node up; start its node and send this there"
            ),
        }))
    }
}
