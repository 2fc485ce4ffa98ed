//! The deterministic simulation of the engine over a faulty network to its store, and the checker of what it
//! left behind. A seed decides interleavings, clocks, faults, kills and pauses; one seed is one story, unless its store
//! is outside of it, on PostgreSQL. Nothing imports this crate.

pub mod asked;
pub mod chaos;
pub mod checker;
pub mod client;
pub mod cluster;
pub mod delegate;
pub mod executor;
mod flights;
mod ground;
pub mod handlers;
pub mod journal;
pub mod network;
mod outside;
pub mod plan;
pub mod rng;
pub mod runtime;
pub mod scenario;
pub mod seeds;
pub mod trace;
