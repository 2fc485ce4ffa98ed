//! How long copies would take that are planned: as fast as the newest were, unless something holds them back. What
//! holds back, and when, is in `pace::forecast`.

use longhaul_model::{Fault, StorageId};
use serde_json::{Map, Value};

use super::CopySettings;
use crate::manage::Desk;
use crate::migrate::MIGRATE;
use crate::pace::forecast::{Forecast, Move};

/// Bytes per second of one copy with its read-back, where nothing is known.
pub const ASSUMED_BYTES_PER_S: u64 = 100 * 1024 * 1024;
/// So many of the newest migrations are looked at for how fast they were.
pub const MEASURED_JOBS: u32 = 20;
/// A migration of fewer bytes says nothing about how fast the next one is.
const MEASURED_BYTES_MIN: u64 = 64 * 1024 * 1024;

/// How fast one copy is, by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Speed {
    /// Bytes per second of one pass: what is copied is read back as fast.
    per_pass: u64,
    /// `measured`, `limit` or `assumed`.
    from: &'static str,
}

impl Speed {
    /// As fast as the newest migrations were, at most by a rate of its own, bytes per second, else by the server's.
    /// 0 = unlimited.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn of(desk: &Desk, settings: &CopySettings, own: Option<u64>) -> Result<Self, Fault> {
        let (mut bytes, mut seconds) = (0u64, 0u64);
        for (result, took) in desk.inventory.recent_results(MIGRATE, MEASURED_JOBS).await? {
            let result: Value = serde_json::from_str(&result).unwrap_or_default();
            let moved = result["inventory"]["actualSize"].as_u64().unwrap_or(0);
            if moved >= MEASURED_BYTES_MIN {
                (bytes, seconds) = (bytes + moved, seconds + took.max(1));
            }
        }
        let known = match bytes.checked_div(seconds) {
            Some(measured) => Self { per_pass: measured.max(1).saturating_mul(2), from: "measured" },
            None => Self { per_pass: ASSUMED_BYTES_PER_S * 2, from: "assumed" },
        };
        let limit = own.unwrap_or(settings.limits().bytes_per_s);
        Ok(match limit {
            limit if limit > 0 && limit < known.per_pass => Self { per_pass: limit, from: "limit" },
            _ => known,
        })
    }

    /// A copy of so many bytes between those storages.
    pub fn copy(self, bytes: u64, storages: impl IntoIterator<Item = StorageId>) -> Move {
        Move { bytes, storages: storages.into_iter().collect(), cap: self.per_pass }
    }

    /// Seconds of a copy that nothing else holds back.
    pub fn seconds(self, bytes: u64) -> u64 {
        u64::try_from((u128::from(bytes) * 2).div_ceil(u128::from(self.per_pass.max(1)))).unwrap_or(u64::MAX)
    }
}

/// What a plan tells of the time: the keys that plans of single copies and of evacuations share.
pub fn told(
    settings: &CopySettings,
    speed: Speed,
    moves: &[Move],
    foreseen: &Forecast,
) -> Map<String, Value> {
    let mut keys = Map::new();
    if let Some(seconds) = foreseen.seconds {
        keys.insert("estimateSeconds".to_owned(), seconds.into());
    }
    let from = if foreseen.is_budget { "budget" } else { speed.from };
    let rate = if moves.is_empty() { speed.per_pass / 2 } else { foreseen.bytes_per_s };
    keys.insert("rateBytesPerSecond".to_owned(), rate.into());
    keys.insert("rateFrom".to_owned(), from.into());
    if let (Some((begins, words)), Some(first)) = (&foreseen.waits, moves.first()) {
        keys.insert("waitsFor".to_owned(), words.as_str().into());
        if foreseen.bytes_per_s > 0 {
            keys.insert("beginsAt".to_owned(), settings.pacer.clock(&first.storages, *begins).into());
        }
    }
    keys
}
