//! Names beside uuids: what a page of rows refers to, asked for at once. A name is for people and no reason to fail, so
//! what cannot be asked stays a uuid.

use std::collections::{BTreeMap, BTreeSet};

use crate::run::Context;

/// Uuids that one question holds.
const ASKED_MAX: usize = 50;

/// Names by uuid.
#[derive(Debug, Default)]
pub struct Names(BTreeMap<String, String>);

impl Names {
    /// Of the resources at `path` (`volumes`) with these uuids; those that are gone have none.
    pub async fn of(context: &Context, path: &str, uuids: impl IntoIterator<Item = String>) -> Self {
        let mut names = Self::default();
        names.add(context, path, uuids).await;
        names
    }

    /// More of them.
    pub async fn add(&mut self, context: &Context, path: &str, uuids: impl IntoIterator<Item = String>) {
        let uuids: BTreeSet<String> =
            uuids.into_iter().filter(|uuid| !uuid.is_empty() && !self.0.contains_key(uuid)).collect();
        for some in uuids.into_iter().collect::<Vec<_>>().chunks(ASKED_MAX) {
            let condition = format!("uuid?={}", some.join(","));
            let Ok(rows) = context.client.list_all(&[path], &[("q", &condition)]).await else { continue };
            for row in rows {
                if let (Some(uuid), Some(name)) = (row["uuid"].as_str(), row["name"].as_str()) {
                    self.0.insert(uuid.to_owned(), name.to_owned());
                }
            }
        }
    }

    /// The name; empty if there is none.
    pub fn name(&self, uuid: &str) -> String {
        self.0.get(uuid).cloned().unwrap_or_default()
    }

    /// The name, else the uuid.
    pub fn short(&self, uuid: &str) -> String {
        self.0.get(uuid).map_or(uuid, String::as_str).to_owned()
    }

    /// The name and the uuid: `fast (8a1b…)`.
    pub fn long(&self, uuid: &str) -> String {
        match self.0.get(uuid) {
            Some(name) => format!("{name} ({uuid})"),
            None => uuid.to_owned(),
        }
    }
}
