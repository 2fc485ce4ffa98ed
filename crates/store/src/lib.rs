//! Where jobs and everything beside them are kept: small traits by family, two implementations, and one
//! conformance suite that both must pass. Why a transition is right is not known here: the state machine
//! (`longhaul_model::next`) is asked inside the transaction. HTTP is not known here either.

mod batches;
pub mod conformance;
pub mod derived;
pub mod error;
pub mod faulty;
mod history;
pub mod house;
pub mod images;
mod lease;
mod life;
mod like;
mod limits;
pub mod memory;
pub mod nodes;
pub mod options;
pub mod postgres;
pub mod queue;
mod sql;
pub mod sqlite;
pub mod traits;

pub use batches::{Batches, SUBMIT_BATCH_MAX};
pub use error::StoreError;
pub use faulty::FaultyStore;
pub use images::Images;
pub use memory::MemoryStore;
pub use nodes::{COUNTED_MAX, Gone, Nodes, PerClass, Spread};
pub use options::StoreOptions;
pub use postgres::{PostgresOptions, PostgresStore};
pub use queue::{Kept, Queue};
pub use sqlite::SqliteStore;
pub use traits::{
    Configs, Deliveries, Events, Identity, Jobs, Keys, Ledger, Queries, Records, Resources, Store, Tags,
};
