//! ZStack's clients against the real binary: wire models of its Java, Python and Go SDKs and of the clients of
//! its legacy entry, which send what these send and answer what their users see, so that a wrong answer of the
//! server shows as that client's exception, panic or lost error code. `calls` takes every LongJob call through
//! each SDK; the `…_list` files are the client checklists, box by box (docs/client-checklists.md).
//!
//! Source: rest-api.md 2.1, 3.6, 5.5, 6.1, sections 7 and 9.

#[path = "../support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "shared with tests/api, which uses the rest")]
mod support;

mod actions;
mod calls;
mod dates;
mod every_list;
mod go;
mod go_list;
mod java;
mod java_answer;
mod java_list;
mod legacy;
mod legacy_list;
mod model;
mod python;
mod python_list;
mod refusals;
mod signed;
mod wire;

/// The servers here.
const STORE: support::Store = support::Store::Embedded;
