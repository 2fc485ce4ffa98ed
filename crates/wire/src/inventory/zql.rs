//! The answer of ZQL: one result per statement. Its rows are those of the queries that the statements name;
//! here they are put together.
//!
//! Source: rest-api.md 1.6, 5.7.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::to_json;

/// The answer of ZQL.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ZqlAnswer {
    /// One result per statement, in their order.
    #[schema(max_items = 16)]
    pub results: Vec<ZqlResult>,
}

/// The result of one statement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ZqlResult {
    /// The rows, with the keys of their inventory or those that were asked for; absent for `count`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 10_000, nullable = false)]
    pub inventories: Option<Vec<BTreeMap<String, ZqlValue>>>,
    /// How many match in all; there for `count` and `return with (total)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, nullable = false)]
    pub total: Option<u64>,
    /// What stood after `named as`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 65_536, nullable = false)]
    pub name: Option<String>,
}

/// The value of a key of a row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum ZqlValue {
    /// A text or a moment.
    Text(String),
    /// A number.
    Number(i64),
    /// True or false.
    Flag(bool),
    /// A list of texts.
    List(Vec<String>),
}

/// The answer made of the bodies that the queries answered, each with its statement's name. Their schema maps
/// are left out: this answer has none.
pub fn zql(bodies: Vec<(String, Option<String>)>) -> String {
    let results = bodies.into_iter().map(|(body, name)| {
        let mut result: Map<String, Value> = serde_json::from_str(&body).unwrap_or_default();
        result.remove("schema");
        if let Some(name) = name {
            result.insert("name".to_owned(), Value::from(name));
        }
        Value::Object(result)
    });
    let mut answer = Map::new();
    answer.insert("results".to_owned(), results.collect());
    to_json(&answer)
}
