//! Values of global configurations.

use async_trait::async_trait;
use longhaul_model::resource::Config;

use super::rows::get;
use super::value::params;
use super::{PostgresStore, Result};
use crate::Configs;

#[async_trait]
impl Configs for PostgresStore {
    async fn configs(&self) -> Result<Vec<Config>> {
        let found =
            self.read_rows("SELECT category, name, value FROM global_config ORDER BY category, name", &[]);
        let read = |row| Ok(Config { category: get(row, 0)?, name: get(row, 1)?, value: get(row, 2)? });
        found.await?.iter().map(read).collect()
    }

    async fn put_config(&self, config: Config) -> Result<()> {
        self.write_one(
            "INSERT INTO global_config (category, name, value) VALUES ($1, $2, $3)
             ON CONFLICT (category, name) DO UPDATE SET value = excluded.value",
            &params![&config.category, &config.name, &config.value],
        )
        .await
        .map(|_| ())
    }

    async fn clear_configs(&self) -> Result<()> {
        self.write_one("DELETE FROM global_config", &[]).await.map(|_| ())
    }
}
