//! Fuzz targets of everything that reads what a client sent: queries, bodies, messages of the legacy entry, ZQL.
//! Each is a property over any text, not only that nothing panics; `controls` shows that a broken parser is caught.
//! Signed requests, whose signatures the server checks, are in the same suite of `longhaul-server`.
//!
//! bolero makes the bytes, `support::edit` reads them as edits of a member of the committed corpus.
//! `LONGHAUL_FUZZ_SECONDS` says for how long each target runs.

mod bodies;
mod controls;
mod legacy;
mod query;
mod regressions;
mod support;
mod zql;
mod zql_text;
