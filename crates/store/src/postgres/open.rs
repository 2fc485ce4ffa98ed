//! What is asked of a database before it is a store, and why one cannot be.

use super::link::{Link, Mode};
use super::rows::get;
use super::{Result, knock, migrate, rights};
use crate::StoreError;

/// Why the store could not be opened. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL is not understood.
    #[error(
        "the URL of the store is not understood: {why}; it looks like postgres://USER:PASSWORD@HOST:5432/DATABASE"
    )]
    Url {
        /// What is wrong with it; never its password.
        why: String,
    },
    /// TLS as the URL wants it cannot be had.
    #[error("TLS to the store's database: {why}")]
    Tls {
        /// What is wrong.
        why: String,
    },
    /// The database is not there, or not ready: it may be a little later.
    #[error(
        "the store's database can't be reached: {why}; check that it runs, and what the URL of the store says"
    )]
    Away {
        /// What the system or the database says.
        why: String,
    },
    /// The database does not let us in, or not do what a store has to; waiting mends nothing.
    #[error(
        "the store's database can't be used: {why}; check what the URL of the store says, and what the database lets its user do"
    )]
    Unusable {
        /// What the system or the database says.
        why: String,
    },
    /// The database has a setting under which the store's promises do not hold.
    #[error("the store's database is set up so that the store can't keep its promises: {why}")]
    Unfit {
        /// Which, and what to do.
        why: String,
    },
    /// The store was written by a newer release that this one cannot work beside.
    #[error(
        "the store was written by a newer release (schema {found} of PostgreSQL, this release knows {known}); start that release again, or restore a backup from before the upgrade"
    )]
    Newer {
        /// Its schema.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// The schema holds tables of something else.
    #[error("the database's schema {schema} holds tables that are not longhaul's; choose an empty one")]
    Foreign {
        /// Its name.
        schema: String,
    },
    /// Nothing was ever stored in it, and nothing is to be begun.
    #[error("nothing was ever stored in the database")]
    Empty,
    /// Its tables are there, but not what of the schema's history made them, as a dump leaves it that was restored without
    /// its rows.
    #[error(
        "the database has the tables of a store and no row of their history, so nothing of a store is in it: was a dump \
         restored without its rows (--schema-only)? Restore a whole one into an empty database"
    )]
    Hollow,
    /// A file of the schema's history is another one than the store was made with.
    #[error("the store was made with another {file}; it is from a build of which this one can't go on")]
    Edited {
        /// The file.
        file: String,
    },
    /// A thread could not be started.
    #[error("the store's threads cannot be started: {0}")]
    Thread(#[from] std::io::Error),
}

impl OpenError {
    /// Whether the same call may succeed a little later, without anybody's doing.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Away { .. })
    }
}

/// Asks whether the server is there, checks it, brings the schema up to date, and sees that it may be used.
pub(super) async fn prepare(link: &Link) -> std::result::Result<(), OpenError> {
    knock::knock(&link.config, link.tls.clone(), link.options.connect_limit).await?;
    check_server(link).await?;
    migrate::migrate(link).await?;
    rights::check(link).await
}

async fn check_server(link: &Link) -> std::result::Result<(), OpenError> {
    let found: (String, Option<String>, Option<String>) = link
        .call(Mode::Read, (), |tx, ()| {
            Box::pin(async move {
                let sql = "SELECT current_setting('server_encoding'),
                    current_setting('synchronous_commit', true), current_setting('fsync', true)";
                let row = tx.first(sql, &[]).await?.ok_or(StoreError::NotFound)?;
                Ok((get(&row, 0)?, get(&row, 1)?, get(&row, 2)?))
            })
        })
        .await
        .map_err(unusable)?;
    let (encoding, synchronous, fsync) = found;
    if !encoding.eq_ignore_ascii_case("UTF8") {
        let why = format!("its encoding is {encoding}; make a database with ENCODING 'UTF8'");
        return Err(OpenError::Unfit { why });
    }
    if synchronous.as_deref() == Some("off") {
        let why = "synchronous_commit is off, so what was acknowledged could be lost; switch it on, for all or with \
                   ALTER ROLE … SET synchronous_commit = on";
        return Err(OpenError::Unfit { why: why.to_owned() });
    }
    if fsync.as_deref() == Some("off") {
        tracing::warn!(
            "the store's database has fsync off: what is acknowledged does not survive a power cut"
        );
    }
    Ok(())
}

/// An error of a call as one of an opening. The server had let us in before.
pub(super) fn unusable(error: StoreError) -> OpenError {
    match error {
        StoreError::Unavailable(why) => OpenError::Away { why },
        StoreError::Refused(why) | StoreError::Corrupt(why) => OpenError::Unusable { why },
        other => OpenError::Unusable { why: other.to_string() },
    }
}

/// What the work of an opening answers: an error of the database, or a reason not to be opened.
pub(super) type Opened<T> = Result<std::result::Result<T, OpenError>>;
