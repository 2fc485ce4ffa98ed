//! Where a pool is and how to get in. The record of a storage holds the same; this is the one place that knows
//! both.

use serde::{Deserialize, Serialize};

/// A pool of a Ceph cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CephPool {
    /// The monitors, each `host:port`; may be empty where `conf` names them.
    pub monitors: Vec<String>,
    /// Absolute path of a ceph.conf.
    pub conf: Option<String>,
    /// The user, such as `admin`, without `client.`.
    pub user: String,
    /// Absolute path of the user's keyring; where absent, that of the conf.
    pub keyring: Option<String>,
    /// The pool's name.
    pub pool: String,
    /// The cluster's id; empty while it is not known.
    pub fsid: String,
}
