//! How Longhaul is spelled on the wire: the one table of operations, requests to typed calls, faults to
//! codes and statuses, records to inventories, query text to `model::query`, and the OpenAPI document.
//! Pure: no I/O, no async runtime, no SQL, no engine, no clock. Routes are in `longhaul-server`.

pub mod api;
pub mod decode;
pub mod error;
pub mod inventory;
pub mod job_data;
pub mod legacy;
pub mod openapi;
pub mod profile;
pub mod query;
pub mod reply;
pub mod time;
pub mod validate;
pub mod zql;

pub use api::{Op, Operation};
pub use decode::{Call, Headers, Misuse, Params, Request, decode};
pub use profile::{Caller, Profile};
pub use reply::Reply;
pub use time::TimeFormat;
