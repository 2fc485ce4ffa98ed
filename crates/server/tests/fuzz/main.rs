//! Fuzz target of signed requests: what is signed is read by `longhaul_wire::decode`, whether the signature is right
//! is found by `auth::Signatures`; here both together. The other targets, and how inputs are made, are in
//! `crates/wire/tests/fuzz`.

mod door;
mod keys;
#[path = "../../../wire/tests/fuzz/support/mod.rs"]
#[allow(dead_code, reason = "shared with the targets of longhaul-wire, which use all of it")]
mod support;
