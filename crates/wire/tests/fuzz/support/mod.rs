//! What all targets share: the corpus and its edits, the run, what a refusal may say, what reading may cost. Used
//! by the suite of `longhaul-server` too.

pub mod corpus;
pub mod cost;
pub mod edit;
pub mod json;
pub mod promises;
pub mod run;

/// The zone of the server that is asked.
pub static ZONE: jiff::tz::TimeZone = jiff::tz::TimeZone::UTC;
