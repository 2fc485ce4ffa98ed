//! Canaries: a random text in every place where a secret can be sent, then a search for each of them, in many
//! encodings, in all that the real server writes, answers and leaves behind. A canary may be found only where
//! `belongs` says, and must be found there: a place that the search cannot see into would fail the test. What is
//! no secret is a canary too, so that each kind of place is known to be searched.
//!
//! `needle` has canaries and their encodings, `ground` what is searched and how places are named, `process` the
//! server, `walk` every operation that reads; the rest plants: `jobs`, `images`, `identity`, `noise`, `hooks`.
//!
//! Source: design sections 4 (secrets) and 8.

#[path = "../support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "shared with tests/api, which uses the rest")]
mod support;

mod ground;
mod hooks;
mod identity;
mod images;
mod jobs;
mod needle;
mod noise;
mod process;
mod walk;
mod whole;

/// The servers here.
const STORE: support::Store = support::Store::Embedded;
