//! The API over HTTP on PostgreSQL: the tests of `../api` whose answers come out of the store, from the same files,
//! against servers that have a schema each. Which are not here, and why, is in `whole`.
//!
//! A test that is to hold in both reply profiles takes one of them here; `LONGHAUL_API_POSTGRES_PROFILES=both` runs both.

#![allow(dead_code, unused_imports, reason = "what the modules that are not here use")]

#[path = "../support/mod.rs"]
mod support;

mod whole;

#[path = "../api/access_keys.rs"]
mod access_keys;
#[path = "../api/bulk.rs"]
mod bulk;
#[path = "../api/bulk_actions.rs"]
mod bulk_actions;
#[path = "../api/credential_images.rs"]
mod credential_images;
#[path = "../api/credential_rows.rs"]
mod credential_rows;
#[path = "../api/credentials.rs"]
mod credentials;
#[path = "../api/explain.rs"]
mod explain;
#[path = "../api/family.rs"]
mod family;
#[path = "../api/global_config.rs"]
mod global_config;
#[path = "../api/inventory.rs"]
mod inventory;
#[path = "../api/legacy.rs"]
mod legacy;
#[path = "../api/legality.rs"]
mod legality;
#[path = "../api/logins.rs"]
mod logins;
#[path = "../api/oddities.rs"]
mod oddities;
#[path = "../api/polls.rs"]
mod polls;
#[path = "../api/query.rs"]
mod query;
#[path = "../api/queue.rs"]
mod queue;
#[path = "../api/queue_settings.rs"]
mod queue_settings;
#[path = "../api/reference.rs"]
mod reference;
#[path = "../api/sessions.rs"]
mod sessions;
#[path = "../api/signed.rs"]
mod signed;
#[path = "../api/tags.rs"]
mod tags;
#[path = "../api/validation.rs"]
mod validation;
#[path = "../api/watching.rs"]
mod watching;
#[path = "../api/zql.rs"]
mod zql;

/// The servers here.
const STORE: support::Store = support::Store::Postgres;
