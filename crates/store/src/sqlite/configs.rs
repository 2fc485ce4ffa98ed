//! Values of global configurations.

use async_trait::async_trait;
use longhaul_model::resource::Config;
use rusqlite::params;

use super::{Result, SqliteStore};
use crate::Configs;

#[async_trait]
impl Configs for SqliteStore {
    async fn configs(&self) -> Result<Vec<Config>> {
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached("SELECT category, name, value FROM global_config ORDER BY category, name")?;
            let found = statement.query_map([], |row| {
                Ok(Config { category: row.get(0)?, name: row.get(1)?, value: row.get(2)? })
            })?;
            Ok(found.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    async fn put_config(&self, config: Config) -> Result<()> {
        self.write(move |tx| {
            tx.execute(
                "INSERT INTO global_config (category, name, value) VALUES (?1, ?2, ?3)
                 ON CONFLICT (category, name) DO UPDATE SET value = excluded.value",
                params![config.category, config.name, config.value],
            )?;
            Ok(())
        })
        .await
    }

    async fn clear_configs(&self) -> Result<()> {
        self.write(|tx| {
            tx.execute("DELETE FROM global_config", [])?;
            Ok(())
        })
        .await
    }
}
