//! The vocabulary of Longhaul: ids, the life of a job, faults, queries, and the traits through which
//! time and chance come in. Pure data and pure functions; no I/O, no SQL, no HTTP, no wall clock.
//! How these are spelled on the wire is in `longhaul-wire`; how they are kept, in `longhaul-store`.

pub mod explain;
pub mod fault;
pub mod id;
pub mod job;
pub mod limits;
pub mod progress;
pub mod query;
pub mod resource;
pub mod runtime;
pub mod state;
pub mod terms;
pub mod timeline;
pub mod wait;
pub mod weight;

pub use fault::{Code, Fault};
pub use id::*;
pub use job::*;
pub use limits::{LimitOf, Limits};
pub use progress::Progress;
pub use runtime::{BoxFuture, Clock, Runtime};
pub use state::{IllegalTransition, JobEvent, JobState, next};
pub use terms::Terms;
pub use wait::Wait;
