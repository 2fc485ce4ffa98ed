//! The budgets of storages: the tables `[storage.NAME]` of the configuration file, which are read again while the server
//! runs, and the storages that they name. How they are spelled is in `table`; who shares them, in `longhaul_jobs::pace`.

mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use jiff::tz::TimeZone;
use longhaul_engine::Inventory;
use longhaul_jobs::pace::{Paced, Pacer, Schedule};
use longhaul_model::{Fault, StorageId};

use crate::app::App;
use crate::settings::SETTINGS;

/// Between two looks at the file, and at the names of the storages.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// The largest configuration file.
const FILE_MAX_BYTES: u64 = 1 << 20;

/// Whether a key of the file, its words joined by dots, is the table of a storage's budgets and no setting.
pub fn is_of_a_storage(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let is_setting = |setting: &str| {
        let setting = setting.to_ascii_lowercase();
        setting == key || setting.strip_prefix(&key).is_some_and(|rest| rest.starts_with('.'))
    };
    key.starts_with("storage.") && !SETTINGS.iter().any(|setting| is_setting(setting.key))
}

/// The budgets as the file has them.
#[derive(Debug, Clone)]
pub struct Configured {
    /// The file, where there is one.
    file: Option<PathBuf>,
    /// What it said when it was read last.
    text: String,
    /// The zone of storages that name none.
    zone: TimeZone,
    /// By name or uuid, as written.
    storages: BTreeMap<String, Schedule>,
}

impl Configured {
    /// Those of `file`; none without one. `zone` is that of storages that name none.
    ///
    /// # Errors
    /// The file cannot be read; a key is unknown, or a value is not what it must be: key and file are named.
    pub fn read(file: Option<&Path>, zone: TimeZone) -> Result<Self> {
        let text = file.map_or_else(|| Ok(String::new()), text_of)?;
        let source = file.map(|file| file.display().to_string()).unwrap_or_default();
        let storages = table::storages(&text, &source, &zone)?;
        Ok(Self { file: file.map(Path::to_owned), text, zone, storages })
    }

    /// Which of `known`, id and name, have which budgets; and the names that are nobody's.
    fn resolved(&self, known: &[(StorageId, String)]) -> (BTreeMap<StorageId, Paced>, BTreeSet<String>) {
        let mut paced = BTreeMap::new();
        let mut strangers = BTreeSet::new();
        // A uuid wins over a name.
        let (uuids, names): (Vec<_>, Vec<_>) =
            self.storages.iter().partition(|(key, _)| key.parse::<StorageId>().is_ok());
        for (key, schedule) in names.into_iter().chain(uuids) {
            let mut is_known = false;
            for (id, name) in known.iter().filter(|(id, name)| name == key || id.to_string() == *key) {
                is_known = true;
                paced.insert(*id, Paced { name: name.clone(), schedule: schedule.clone() });
            }
            if !is_known {
                strangers.insert(key.clone());
            }
        }
        (paced, strangers)
    }
}

fn text_of(file: &Path) -> Result<String> {
    let source = file.display();
    let size = std::fs::metadata(file).with_context(|| format!("the configuration file {source}"))?.len();
    if size > FILE_MAX_BYTES {
        bail!("the configuration file {source} has {size} bytes, but at most {FILE_MAX_BYTES} are read");
    }
    std::fs::read_to_string(file).with_context(|| format!("the configuration file {source}"))
}

/// The budgets in force, and what is remembered between two looks.
pub struct Bandwidth {
    configured: Configured,
    pacer: Pacer,
    /// What the last look at the file found wrong: told once.
    wrong: Option<String>,
    strangers: BTreeSet<String>,
}

impl Bandwidth {
    /// As configured; nothing is in force yet.
    pub fn new(configured: Configured) -> Self {
        Self { configured, pacer: Pacer::default(), wrong: None, strangers: BTreeSet::new() }
    }

    /// Who shares them.
    pub fn pacer(&self) -> Pacer {
        self.pacer.clone()
    }

    /// Gives the storages of this moment their budgets.
    ///
    /// # Errors
    /// The store does not answer; what was in force stays.
    pub async fn enforce(&mut self, inventory: &Inventory) -> Result<(), Fault> {
        let known: Vec<_> = inventory.storages().await?.into_iter().map(|s| (s.id, s.name)).collect();
        let (paced, strangers) = self.configured.resolved(&known);
        for name in strangers.difference(&self.strangers) {
            tracing::warn!(%name, "storage.{name} names no primary storage; its budget counts once there is one");
        }
        self.strangers = strangers;
        self.pacer.schedule(paced);
        Ok(())
    }

    /// Looks at the file and the storages again and again, for as long as the process lives.
    pub fn start(mut self, app: &Arc<App>) {
        let app = app.clone();
        app.runtime.clone().spawn(
            "bandwidth",
            Box::pin(async move {
                loop {
                    app.runtime.sleep(LOOK_EVERY).await;
                    self.look().await;
                    if let Err(fault) = self.enforce(&app.engine.inventory()).await {
                        tracing::debug!(%fault, "the storages could not be listed; their budgets stay as they are");
                    }
                }
            }),
        );
    }

    /// Reads the file again, if it says something else. A broken one is told, and what it said before stays.
    async fn look(&mut self) {
        let Some(file) = self.configured.file.clone() else { return };
        let (zone, before) = (self.configured.zone.clone(), self.configured.text.clone());
        let looked = tokio::task::spawn_blocking(move || match text_of(&file) {
            Ok(text) if text == before => Ok(None),
            _ => Configured::read(Some(&file), zone).map(Some),
        });
        match looked.await {
            Ok(Ok(None)) => self.wrong = None,
            Ok(Ok(Some(read))) => {
                if read.storages != self.configured.storages {
                    tracing::info!("the budgets of storages are those of the changed configuration file now");
                }
                self.configured = read;
                self.wrong = None;
            }
            Ok(Err(error)) => {
                let wrong = format!("{error:#}");
                if self.wrong.as_ref() != Some(&wrong) {
                    tracing::error!(error = %wrong, "the changed configuration file is refused; the budgets of storages stay as they were");
                }
                self.wrong = Some(wrong);
            }
            Err(error) => tracing::error!(%error, "the configuration file could not be looked at"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configured(text: &str) -> Configured {
        let storages = table::storages(text, "test.toml", &TimeZone::UTC).unwrap();
        Configured { file: None, text: text.to_owned(), zone: TimeZone::UTC, storages }
    }

    #[test]
    fn a_table_below_storage_is_of_a_storage_unless_it_is_a_setting() {
        assert!(is_of_a_storage("storage.fast") && is_of_a_storage("storage.a.b"));
        assert!(!is_of_a_storage("storage.watchseconds") && !is_of_a_storage("storage"));
        assert!(!is_of_a_storage("copy.fast"));
    }

    #[test]
    fn a_budget_is_of_every_storage_of_its_name_and_a_uuid_wins() {
        let (a, b, c) = (StorageId::from_bits(1), StorageId::from_bits(2), StorageId::from_bits(3));
        let text = format!(
            "[storage.twin]\nbytes_per_second = 100000\n[storage.{b}]\nbytes_per_second = 200000\n[storage.gone]\n"
        );
        let known = [(a, "twin".to_owned()), (b, "twin".to_owned()), (c, "Twin".to_owned())];
        let (paced, strangers) = configured(&text).resolved(&known);
        let rates: Vec<_> = paced.values().map(|p| p.schedule.base.bytes_per_s()).collect();
        assert_eq!(
            (paced.keys().copied().collect::<Vec<_>>(), rates),
            (vec![a, b], vec![Some(100_000), Some(200_000)])
        );
        assert_eq!(strangers, BTreeSet::from(["gone".to_owned()]));
    }
}
