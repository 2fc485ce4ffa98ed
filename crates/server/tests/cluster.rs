//! Several management nodes on one PostgreSQL: the binary as real processes on a real server, with witnesses outside of
//! it: the simulator's journal, `psql`, `/proc`, `sha256sum`. What one node does is the business of `kill` and `api`.

#![allow(clippy::disallowed_methods, reason = "real processes have real time")]

#[allow(dead_code, reason = "shared with the tests of one server, which use all of it")]
#[path = "kill/client.rs"]
mod client;
#[allow(dead_code, reason = "shared with the tests of one server, which use all of it")]
#[path = "kill/place.rs"]
mod place;
#[allow(dead_code, reason = "shared with the tests of one server, which use all of it")]
#[path = "kill/process.rs"]
mod process;
#[allow(dead_code, reason = "shared with the tests of one server, which use all of it")]
#[path = "kill/server.rs"]
mod server;

#[path = "cluster/database.rs"]
mod database;
#[path = "cluster/nodes.rs"]
mod nodes;
#[path = "cluster/witness.rs"]
mod witness;

#[path = "cluster/away.rs"]
mod away;
#[path = "cluster/chaos/mod.rs"]
mod chaos;
#[path = "cluster/drain.rs"]
mod drain;
#[path = "cluster/failover.rs"]
mod failover;
#[path = "cluster/handover.rs"]
mod handover;
#[path = "cluster/late.rs"]
mod late;
#[path = "cluster/moving.rs"]
mod moving;
#[path = "cluster/pause.rs"]
mod pause;
#[path = "cluster/placement.rs"]
mod placement;
#[path = "cluster/rights.rs"]
mod rights;
#[path = "cluster/sharing.rs"]
mod sharing;
#[path = "cluster/start.rs"]
mod start;
#[path = "cluster/stops.rs"]
mod stops;
#[path = "cluster/takeover.rs"]
mod takeover;
#[path = "cluster/told.rs"]
mod told;
#[path = "cluster/upgrade.rs"]
mod upgrade;
