//! Trash that empties itself, as the settings say. What goes when is decided in `longhaul_jobs::manage::sweep`; here
//! it is told, in the log.

use longhaul_jobs::manage::Desk;
use longhaul_jobs::manage::sweep::{Rules, Why, sweep};
use longhaul_model::Fault;

use super::sweeps;

const DAY_MS: i64 = 24 * 3600 * 1000;

/// The rules that go after `days` (0 never), and below the mark `low_water`: bytes, a share such as `10%`, or 0 for
/// none. `None` for any other text.
pub fn rules(days: u64, low_water: &str) -> Option<Rules> {
    let days = i64::try_from(days).ok()?;
    let mark = low_water.trim();
    let (low_water_bytes, low_water_percent) = match mark.strip_suffix('%') {
        Some(share) => (0, share.trim().parse().ok().filter(|share| (1..=99).contains(share))?),
        None => (mark.parse().ok()?, 0),
    };
    Some(Rules { kept_ms: (days > 0).then_some(days * DAY_MS), low_water_bytes, low_water_percent })
}

/// Removes the trash whose time has come of all storages that this node sweeps; answers how many items are gone. A storage that does not
/// answer is passed over until the next round.
///
/// # Errors
/// The store does not answer.
pub async fn empty(desk: &Desk, rules: &Rules, on_duty: bool) -> Result<u32, Fault> {
    if rules.are_off() {
        return Ok(0);
    }
    let mut gone = 0;
    for storage in desk.inventory.storages().await? {
        if !sweeps(storage.host, storage.elsewhere.is_some(), on_duty) {
            continue;
        }
        let swept = match sweep(desk, &storage, rules).await {
            Ok(swept) => swept,
            Err(fault) => {
                tracing::warn!(storage = %storage.id, %fault, "its trash could not be looked at; tried again in a minute");
                continue;
            }
        };
        for item in swept {
            let why = match item.why {
                Why::Age => "it was old enough",
                Why::LowWater => "its storage is low on room",
            };
            let trash = &item.trash;
            let (storage, id, path, bytes) = (trash.storage, trash.id, &trash.install_path, trash.size);
            match item.error {
                None => {
                    gone += 1;
                    tracing::info!(%storage, id, path, bytes, why, "an item of the trash was removed");
                }
                Some(fault) => {
                    tracing::warn!(%storage, id, path, why, %fault, "an item of the trash stays; tried again in a minute");
                }
            }
        }
    }
    Ok(gone)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use longhaul_engine::Inventory;
    use longhaul_jobs::attempt_io::Spawner;
    use longhaul_jobs::manage::storages::{NewDirectory, add_directory};
    use longhaul_model::resource::{StorageKind, Trash};
    use longhaul_model::{Clock, HostId, Runtime, StorageId};
    use longhaul_store::conformance::HandClock;
    use longhaul_store::{MemoryStore, StoreOptions};

    use super::*;
    use crate::tempdir::TempDir;

    const HOUR_MS: i64 = 3600 * 1000;

    struct Rig {
        desk: Desk,
        clock: Arc<HandClock>,
        storage: StorageId,
        dir: TempDir,
    }

    impl Rig {
        async fn new() -> Self {
            let clock = HandClock::new();
            // Files have the time of the machine.
            let now = std::time::UNIX_EPOCH.elapsed().unwrap();
            clock.advance(i64::try_from(now.as_millis()).unwrap() - clock.now_ms());
            let runtime: Arc<dyn Runtime> = clock.clone();
            let store = Arc::new(MemoryStore::new(runtime.clone(), StoreOptions::default()));
            let desk = Desk { inventory: Inventory::new(store, runtime), spawner: Spawner::this_binary() };
            let dir = TempDir::new("longhaul-trash").unwrap();
            let new = NewDirectory {
                id: None,
                name: "s".to_owned(),
                description: None,
                url: dir.path().display().to_string(),
            };
            let host = HostId::from_bits(1);
            let storage = add_directory(&desk, host, StorageKind::Local, new).await.unwrap().id;
            Self { desk, clock, storage, dir }
        }

        /// A file that was moved away now.
        async fn trash(&self, name: &str) -> PathBuf {
            let path = self.dir.path().canonicalize().unwrap().join(name);
            std::fs::write(&path, [7; 4096]).unwrap();
            let trash = Trash {
                id: 0,
                storage: self.storage,
                resource_uuid: "0123456789abcdef0123456789abcdef".to_owned(),
                resource_type: "VolumeVO".to_owned(),
                install_path: path.display().to_string(),
                size: 4096,
                kind: "MigrateVolume".to_owned(),
                create_ms: 0,
            };
            self.desk.inventory.add_trash(trash).await.unwrap();
            path
        }

        async fn listed(&self) -> usize {
            self.desk.inventory.trash(self.storage).await.unwrap().len()
        }
    }

    #[test]
    fn a_low_water_mark_is_bytes_or_a_share() {
        let mark = |text| rules(0, text).map(|r| (r.low_water_bytes, r.low_water_percent));
        assert_eq!((mark("0"), mark(" 1024 "), mark("10%")), (Some((0, 0)), Some((1024, 0)), Some((0, 10))));
        for bad in ["", "100%", "0%", "ten", "1.5%", "-1", "%"] {
            assert_eq!(mark(bad), None, "{bad}");
        }
        assert!(rules(0, "0").is_some_and(|r| r.are_off()));
        assert_eq!(rules(2, "0").and_then(|r| r.kept_ms), Some(2 * DAY_MS));
    }

    #[tokio::test]
    async fn trash_goes_by_itself_when_it_is_old_enough_and_not_before() {
        let rig = Rig::new().await;
        let old = rig.trash("old").await;
        rig.clock.advance(30 * HOUR_MS);
        let rules = Rules { kept_ms: Some(3 * DAY_MS), ..Rules::default() };
        assert_eq!(empty(&rig.desk, &rules, true).await.unwrap(), 0);
        rig.clock.advance(41 * HOUR_MS);
        assert_eq!(empty(&rig.desk, &rules, true).await.unwrap(), 0, "an hour is missing");
        rig.clock.advance(HOUR_MS);
        assert_eq!(empty(&rig.desk, &Rules::default(), true).await.unwrap(), 0, "the rules are off");
        assert!(old.exists());
        assert_eq!(empty(&rig.desk, &rules, true).await.unwrap(), 1);
        assert!(!old.exists() && rig.listed().await == 0);
    }

    #[tokio::test]
    async fn a_storage_that_is_low_on_room_keeps_what_came_within_a_day() {
        let rig = Rig::new().await;
        let old = rig.trash("old").await;
        rig.clock.advance(24 * HOUR_MS);
        let young = rig.dir.path().join("young");
        rig.trash("young").await;
        let enough = Rules { low_water_bytes: 1, ..Rules::default() };
        assert_eq!(empty(&rig.desk, &enough, true).await.unwrap(), 0, "there is room");
        let low = Rules { low_water_bytes: u64::MAX, ..Rules::default() };
        assert_eq!(empty(&rig.desk, &low, true).await.unwrap(), 1);
        assert!(!old.exists() && young.exists() && rig.listed().await == 1);
    }

    #[tokio::test]
    async fn what_was_touched_since_it_came_into_the_trash_is_not_removed_by_itself_either() {
        let rig = Rig::new().await;
        rig.clock.advance(-DAY_MS); // it came there a day before its file was touched
        let touched = rig.trash("touched").await;
        rig.clock.advance(DAY_MS);
        let rules = Rules { kept_ms: Some(DAY_MS), ..Rules::default() };
        assert_eq!(empty(&rig.desk, &rules, true).await.unwrap(), 0);
        assert!(touched.exists() && rig.listed().await == 1);
    }
}
