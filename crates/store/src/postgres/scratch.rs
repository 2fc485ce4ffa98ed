//! A schema that is gone when its owner is: for what needs a store on PostgreSQL that was never used, and whoever puts
//! many of them on one server.

use futures::executor::block_on;

use super::alone::Alone;
use super::error::told;
use super::open::OpenError;

/// An empty schema on a server. Dropped with its owner, with all that is in it, unless that is panicking: then it is
/// there to be looked at.
pub struct Scratch {
    server: String,
    name: String,
    url: String,
}

impl Scratch {
    /// Makes the schema `name` in the database of the URL `server`, in the place of one of that name. The name is an
    /// identifier of lower-case letters, digits and `_`. Blocks until the database has answered.
    ///
    /// # Errors
    /// `OpenError` says what is wrong with the URL, the name or the database.
    pub fn new(server: &str, name: &str) -> Result<Self, OpenError> {
        if name.is_empty() || !name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_')) {
            let why = format!("{name} is no name for a schema: letters a to z, digits and _");
            return Err(OpenError::Unfit { why });
        }
        let separator = if server.contains('?') { '&' } else { '?' };
        let url = format!("{server}{separator}options=-csearch_path%3D{name}");
        let scratch = Self { server: server.to_owned(), name: name.to_owned(), url };
        scratch.run(&format!("DROP SCHEMA IF EXISTS {name} CASCADE; CREATE SCHEMA {name}"))?;
        Ok(scratch)
    }

    /// Where a store finds it.
    pub fn url(&self) -> &str {
        &self.url
    }

    fn run(&self, sql: &str) -> Result<(), OpenError> {
        let unusable = |error: &tokio_postgres::Error| OpenError::Unusable { why: told(error) };
        block_on(async {
            let alone = Alone::connect(&self.server).await?;
            alone.client.batch_execute(sql).await.map_err(|error| unusable(&error))
        })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        if let Err(error) = self.run(&format!("DROP SCHEMA IF EXISTS {} CASCADE", self.name)) {
            tracing::warn!(schema = self.name, %error, "a schema was left behind");
        }
    }
}
