//! Values of global configurations in memory.

use async_trait::async_trait;
use longhaul_model::resource::Config;

use super::MemoryStore;
use crate::{Configs, StoreError};

type Result<T> = std::result::Result<T, StoreError>;

#[async_trait]
impl Configs for MemoryStore {
    async fn configs(&self) -> Result<Vec<Config>> {
        let config = |((category, name), value): (&(String, String), &String)| Config {
            category: category.clone(),
            name: name.clone(),
            value: value.clone(),
        };
        Ok(self.lock().configs.iter().map(config).collect())
    }

    async fn put_config(&self, config: Config) -> Result<()> {
        self.lock().configs.insert((config.category, config.name), config.value);
        Ok(())
    }

    async fn clear_configs(&self) -> Result<()> {
        self.lock().configs.clear();
        Ok(())
    }
}
