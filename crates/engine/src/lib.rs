//! What Longhaul exists for: one file per verb, the runner that turns claims into attempts, heartbeats,
//! takeover, live progress, and the trait a job type implements. No SQL, no JSON spelling of errors, no
//! storages: those are in `longhaul-store`, `longhaul-wire`, `longhaul-jobs`.

pub mod awaited;
pub mod cancel;
pub mod children;
pub mod clean;
pub mod config;
pub mod context;
mod deadline;
pub mod delete;
pub mod direct;
pub mod drain;
pub mod engine;
pub mod explain;
pub mod fault;
pub mod handler;
pub mod hash;
pub mod heartbeat;
pub mod inventory;
pub mod pauses;
mod placement;
pub mod progress;
mod recent;
mod redaction;
pub mod registry;
pub mod rerun;
pub mod result;
pub mod resume;
pub mod rules;
pub mod runner;
pub mod secrets;
pub mod slots;
pub mod submit;
pub mod submit_many;
pub mod suspend;
pub mod takeover;
pub mod terms;
pub mod throttle;
pub mod tokio_runtime;
mod troubles;
pub mod tuning;
mod unknown;
pub mod update;

pub use children::Child;
pub use config::EngineConfig;
pub use context::{JobContext, Stop, Stopped};
pub use engine::{Caller, Engine};
pub use handler::{CheckRequest, Checked, JobHandler, JobType, RestartRule, Success};
pub use inventory::Inventory;
pub use pauses::Pauses;
pub use registry::Registry;
pub use submit::{SubmitAnswer, SubmitRequest};
pub use submit_many::BulkSubmitted;
pub use tokio_runtime::TokioRuntime;
pub use troubles::Trouble;
