//! The API over HTTP, against the real binary. Expectations are typed in from the contract; nothing of the
//! server's own crates is imported. One binary, so that it links once; `../support` has the harness. `../api_postgres`
//! runs what depends on the store a second time, on PostgreSQL.

#[path = "../support/mod.rs"]
mod support;

mod access_keys;
mod bad_input;
mod bulk;
mod bulk_actions;
mod ceph;
mod ceph_images;
mod ceph_undo;
mod cli_images;
mod conversions;
mod credential_images;
mod credential_rows;
mod credentials;
mod demo_pool;
mod disks;
mod documents;
mod evacuate;
mod explain;
mod family;
mod first_steps;
mod global_config;
mod hooks;
mod image_copies;
mod image_exports;
mod image_jobs;
mod image_rows;
mod image_sources;
mod images;
mod imports;
mod inventory;
mod large_answers;
mod legacy;
mod legality;
mod login_limits;
mod logins;
mod misuse;
mod node_facts;
mod not_here;
mod oddities;
mod openapi;
mod pace;
mod polls;
mod query;
mod queue;
mod queue_settings;
mod reference;
mod sessions;
mod shared;
mod signed;
mod tags;
mod trash;
mod uploads;
mod validation;
mod watching;
mod zql;

/// The servers here.
const STORE: support::Store = support::Store::Embedded;
