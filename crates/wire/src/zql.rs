//! ZQL, ZStack's query language, as far as it asks for rows or their number: from text to queries of the
//! operations that are here. Words, signs and values are told apart in `lex`, statements are read in `parse`,
//! conditions in `condition`; what they mean is `query::resolve`'s to say, as for every other query.
//!
//! Not here: `sum`, `search`, sub-queries, joins, functions, arithmetic, `restrict by`, `group by`,
//! `filter by` and `return with` of anything but `total`. They are refused, never passed over.
//!
//! Source: rest-api.md 5.7.

mod condition;
mod lex;
mod parse;

#[cfg(test)]
mod tests;

pub use parse::parse;

use longhaul_model::{Code, Fault};

use crate::api::Operation;
use crate::profile::Profile;
use crate::query::RawQuery;

/// Longest text, in UTF-16 units.
pub const TEXT_MAX: usize = 65_536;
/// Most statements in one text.
pub const STATEMENTS_MAX: usize = 16;

/// One statement.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// The query that it is of.
    pub operation: &'static Operation,
    /// What it asks.
    pub query: RawQuery,
    /// Its name in the answer.
    pub name: Option<String>,
}

/// Why a text is not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It is no ZQL: what is wrong, and where (line from 1, column from 0, the text from there).
    Syntax {
        /// What is wrong.
        message: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 0.
        column: usize,
        /// What stands there.
        snippet: String,
    },
    /// It asks for something that is not here.
    NotHere(String),
    /// It asks for something that nobody has, or for too much.
    Invalid(String),
}

impl Refusal {
    /// As a failure. ZStack tells of bad syntax as its own failure, SYS.1000.
    pub fn to_fault(&self, profile: Profile) -> Fault {
        match self {
            Self::Syntax { message, line, column, snippet } => {
                let details = format!("error {message} at line {line}:{column}, {snippet}");
                match profile {
                    Profile::Zstack => Fault::new(Code::Internal, details),
                    Profile::Fast => Fault::invalid(details),
                }
            }
            Self::NotHere(details) => Fault::new(Code::NotImplemented, details.clone()),
            Self::Invalid(details) => Fault::invalid(details.clone()),
        }
    }
}
