//! What happens to jobs and disks when processes die, stop, or find no room: the binary as a real process, with
//! witnesses outside of it (the client's journal, the simulator's journal, a receiver of web hooks,
//! `qemu-img`, `sha256sum`, `/proc/PID/io`, `ls`). What the API answers otherwise is the business of other suites.

#![allow(clippy::disallowed_methods, reason = "real processes have real time")]

#[path = "kill/client.rs"]
mod client;
#[path = "kill/cluster.rs"]
mod cluster;
#[path = "kill/deck.rs"]
mod deck;
#[path = "support/file_server.rs"]
mod file_server;
#[path = "kill/kinds.rs"]
mod kinds;
#[path = "kill/place.rs"]
mod place;
#[path = "kill/process.rs"]
mod process;
#[allow(dead_code, reason = "shared with the tests of the API, which use all of it")]
#[path = "support/receiver.rs"]
mod receiver;
#[path = "kill/server.rs"]
mod server;

#[path = "kill/cancels.rs"]
mod cancels;
#[path = "kill/closing.rs"]
mod closing;
#[path = "kill/descriptors.rs"]
mod descriptors;
#[path = "kill/disks.rs"]
mod disks;
#[path = "kill/evacuate.rs"]
mod evacuate;
#[path = "kill/fences.rs"]
mod fences;
#[path = "kill/guards.rs"]
mod guards;
#[path = "kill/house.rs"]
mod house;
#[path = "kill/images.rs"]
mod images;
#[path = "kill/in_use.rs"]
mod in_use;
#[path = "kill/leases.rs"]
mod leases;
#[path = "kill/matrix.rs"]
mod matrix;
#[path = "kill/migration.rs"]
mod migration;
#[path = "kill/nginx.rs"]
mod nginx;
#[path = "kill/progress.rs"]
mod progress;
#[path = "kill/restarts.rs"]
mod restarts;
#[path = "kill/room.rs"]
mod room;
#[path = "kill/states.rs"]
mod states;
#[path = "kill/stops.rs"]
mod stops;
#[path = "kill/under_load.rs"]
mod under_load;
