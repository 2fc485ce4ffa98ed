//! The schema's history: numbered files, applied in order, each in one transaction with the file's
//! `user_version`. A merged file is never edited; `migrations.lock` holds the checksums that a test compares.

use rusqlite::Connection;

use super::open::OpenError;

/// Marks the file as a store of ours (`application_id`): "LngH".
pub(super) const APPLICATION_ID: i32 = 0x4c6e_6748;

/// One file of the schema's history.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// The file's name below `migrations/sqlite`.
    pub file: &'static str,
    /// Its statements.
    pub sql: &'static str,
}

/// All of them; the number of the newest is the `user_version` of an up-to-date file.
pub const MIGRATIONS: [Migration; 10] = [
    Migration { file: "0001_start.sql", sql: include_str!("../../migrations/sqlite/0001_start.sql") },
    Migration {
        file: "0002_access_keys.sql",
        sql: include_str!("../../migrations/sqlite/0002_access_keys.sql"),
    },
    Migration { file: "0003_web_hooks.sql", sql: include_str!("../../migrations/sqlite/0003_web_hooks.sql") },
    Migration {
        file: "0004_api_messages.sql",
        sql: include_str!("../../migrations/sqlite/0004_api_messages.sql"),
    },
    Migration {
        file: "0005_global_config.sql",
        sql: include_str!("../../migrations/sqlite/0005_global_config.sql"),
    },
    Migration {
        file: "0006_storage_kinds.sql",
        sql: include_str!("../../migrations/sqlite/0006_storage_kinds.sql"),
    },
    Migration { file: "0007_images.sql", sql: include_str!("../../migrations/sqlite/0007_images.sql") },
    Migration {
        file: "0008_image_jobs.sql",
        sql: include_str!("../../migrations/sqlite/0008_image_jobs.sql"),
    },
    Migration { file: "0009_queue.sql", sql: include_str!("../../migrations/sqlite/0009_queue.sql") },
    Migration { file: "0010_nodes.sql", sql: include_str!("../../migrations/sqlite/0010_nodes.sql") },
];

/// The newest schema this release knows.
pub(super) const NEWEST: i32 = MIGRATIONS.len() as i32;

/// Brings the schema up to date.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), OpenError> {
    let found: i32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let done = usize::try_from(found).unwrap_or(0);
    for (number, migration) in (1..).zip(MIGRATIONS).skip(done) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(migration.sql)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", number)?;
        transaction.commit()?;
        tracing::info!(file = migration.file, "the store's schema was brought up to date");
    }
    // What the planner is to believe is read when a connection sees the schema anew.
    connection.execute_batch("ANALYZE sqlite_schema")?;
    Ok(())
}
