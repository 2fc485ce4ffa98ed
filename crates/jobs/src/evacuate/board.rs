//! Where an evacuation stands: one row for each volume, kept in the parent's checkpoint, and the report that is
//! made of them. What changes the rows is in `run`; how they come about, in `plan`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use longhaul_model::progress::Parts;
use longhaul_model::{Fault, JobId, Pages, StorageId, VolumeId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Request;

/// Rows in one page of the checkpoint: what is written again when one of them changes.
const PAGE_ROWS: usize = 32;
/// Longest text about one volume in a report, in characters.
pub const DETAIL_MAX: usize = 512;

/// What became of a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// Its turn has not come.
    Pending,
    /// Its job is on its way.
    Running,
    /// It lies on a target.
    Moved,
    /// It is not on the source any more, by somebody else's doing.
    Left,
    /// Something stands in its way; it was not touched.
    Blocked,
    /// Its job failed.
    Failed,
    /// Its job was canceled.
    Canceled,
}

/// One volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// The volume.
    pub volume: VolumeId,
    /// Its name, for people.
    pub name: String,
    /// Bytes to copy; those that it occupies.
    pub bytes: u64,
    /// Where it is to go, or went.
    pub target: Option<StorageId>,
    /// The job that moves it.
    pub job: Option<JobId>,
    /// What became of it.
    pub state: State,
    /// Whether it was tried again after something stood in its way.
    pub again: bool,
    /// BLAKE3 of what the guest sees, as it was read back.
    pub blake3: Option<String>,
    /// How long its job took, s.
    pub seconds: Option<u64>,
    /// Why it is where it is; may be empty.
    pub detail: String,
}

impl Row {
    /// Says why, within bounds.
    pub fn because(&mut self, state: State, why: &str) {
        self.state = state;
        self.detail = why.chars().take(DETAIL_MAX).collect();
    }

    fn is_over(&self) -> bool {
        !matches!(self.state, State::Pending | State::Running)
    }
}

/// Something that came to the storage, or is coming, after this evacuation had done with what was there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Arrived {
    /// The volume, where it is one.
    pub volume_uuid: Option<String>,
    /// Its name, or that of the job that brings it.
    pub name: String,
    /// The job that brings it, while that is on its way.
    pub job_uuid: Option<String>,
    /// What is known of it.
    pub detail: String,
}

/// All rows of one evacuation.
#[derive(Debug, Clone, Default)]
pub struct Board {
    rows: Vec<Row>,
    changed: BTreeSet<u32>,
    /// Volumes that are on the source and beyond what one evacuation takes.
    pub not_taken: u64,
    /// What is on the source again at the end, or on its way there.
    pub arrived: Vec<Arrived>,
    /// What earlier runs of the same job moved, by the records of their jobs. Looked up anew by each attempt.
    pub earlier: Vec<Row>,
}

impl Board {
    /// From a checkpoint; `None` from an empty one.
    ///
    /// # Errors
    /// It is not one of ours.
    pub fn load(pages: &Pages) -> Result<Option<Self>, Fault> {
        if pages.is_empty() {
            return Ok(None);
        }
        let mut rows = Vec::new();
        for bytes in pages.values() {
            let page: Vec<Row> = serde_json::from_slice(bytes)
                .map_err(|e| Fault::internal(format!("the checkpoint of the evacuation: {e}")))?;
            rows.extend(page);
        }
        Ok(Some(Self { rows, ..Self::default() }))
    }

    /// The pages that changed since this was last asked. The first page is there even if there are no rows.
    pub fn take_changed(&mut self) -> Pages {
        let page = |number: u32| {
            let from = number as usize * PAGE_ROWS;
            let rows = &self.rows[from.min(self.rows.len())..(from + PAGE_ROWS).min(self.rows.len())];
            (number, serde_json::to_vec(rows).unwrap_or_default())
        };
        std::mem::take(&mut self.changed).into_iter().map(page).collect()
    }

    /// Adds rows.
    pub fn add(&mut self, rows: Vec<Row>) {
        self.changed.insert(0);
        for row in rows {
            self.changed.insert(page_of(self.rows.len()));
            self.rows.push(row);
        }
    }

    /// The rows.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Writes a row.
    pub fn put(&mut self, at: usize, row: Row) {
        if let Some(old) = self.rows.get_mut(at).filter(|old| **old != row) {
            *old = row;
            self.changed.insert(page_of(at));
        }
    }

    /// The rows in that state, with their places.
    pub fn in_state(&self, state: State) -> Vec<(usize, Row)> {
        self.rows.iter().cloned().enumerate().filter(|(_, row)| row.state == state).collect()
    }

    /// Whether nothing is left to be done.
    pub fn is_over(&self) -> bool {
        self.rows.iter().all(Row::is_over)
    }

    /// How many are in each state.
    pub fn parts(&self) -> Parts {
        let count = |of: &[State]| {
            let found = self.rows.iter().filter(|row| of.contains(&row.state)).count();
            u32::try_from(found).unwrap_or(u32::MAX)
        };
        Parts {
            total: u32::try_from(self.rows.len()).unwrap_or(u32::MAX),
            done: count(&[State::Moved, State::Left]),
            running: count(&[State::Running]),
            blocked: count(&[State::Blocked]),
            failed: count(&[State::Failed, State::Canceled]),
        }
    }

    /// Bytes moved, and bytes of all that is moved or still may be.
    pub fn bytes(&self) -> (u64, u64) {
        let sum = |of: &[State]| {
            self.rows.iter().filter(|row| of.contains(&row.state)).map(|row| row.bytes).sum::<u64>()
        };
        let moved = sum(&[State::Moved]);
        (moved, moved + sum(&[State::Pending, State::Running]))
    }

    /// The report as it is now.
    pub fn report(&self, request: &Request) -> Value {
        let parts = self.parts();
        let canceled = self.in_state(State::Canceled).len();
        let failed = self.in_state(State::Failed).len();
        let shown = |rows: &[Row]| rows.iter().map(volume).map(without_nulls).collect::<Vec<_>>();
        json!({
            "primaryStorageUuid": request.source.to_string(),
            "dstPrimaryStorageUuids": request.targets.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "parallel": request.parallel,
            "complete": parts.done == parts.total && self.not_taken == 0 && self.arrived.is_empty(),
            "moved": parts.done,
            "blocked": parts.blocked,
            "failed": failed,
            "canceled": canceled,
            "pending": parts.total - parts.done - parts.blocked - parts.failed,
            "notTaken": self.not_taken,
            "bytesMoved": self.bytes().0,
            "volumes": shown(&self.rows),
            "arrivedMeanwhile": self.arrived.iter().map(|a| without_nulls(json!(a))).collect::<Vec<_>>(),
            "earlier": shown(&self.earlier),
        })
    }
}

/// A row as the report tells it.
fn volume(row: &Row) -> Value {
    json!({
        "volumeUuid": row.volume.to_string(),
        "name": row.name,
        "result": row.state,
        "bytes": row.bytes,
        "dstPrimaryStorageUuid": row.target.map(|t| t.to_string()),
        "jobUuid": row.job.map(|j| j.to_string()),
        "blake3": row.blake3,
        "seconds": row.seconds,
        "detail": row.detail,
    })
}

fn page_of(row: usize) -> u32 {
    u32::try_from(row / PAGE_ROWS).unwrap_or(u32::MAX)
}

fn without_nulls(mut value: Value) -> Value {
    if let Value::Object(object) = &mut value {
        object.retain(|_, member| !member.is_null());
    }
    value
}

/// A board that its attempt changes and others read.
pub type Shared = Arc<Mutex<Board>>;

/// The boards of the evacuations that run here, for those who ask before the end.
#[derive(Debug, Clone, Default)]
pub struct Boards(Arc<Mutex<BTreeMap<JobId, Shared>>>);

impl Boards {
    fn all(&self) -> MutexGuard<'_, BTreeMap<JobId, Shared>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows the board of a job from now on.
    pub fn show(&self, job: JobId, board: Board) -> Shared {
        let shared = Arc::new(Mutex::new(board));
        self.all().insert(job, shared.clone());
        shared
    }

    /// The board of a job, if it is shown.
    pub fn of(&self, job: JobId) -> Option<Board> {
        let shared = self.all().get(&job).cloned()?;
        let board = lock(&shared).clone();
        Some(board)
    }

    /// Shows it no more: its report is in the job's result.
    pub fn hide(&self, job: JobId) {
        self.all().remove(&job);
    }
}

/// The board; whoever panicked with it in hand left it whole.
pub fn lock(board: &Shared) -> MutexGuard<'_, Board> {
    board.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(n: u128, state: State) -> Row {
        Row {
            volume: VolumeId::from_bits(n),
            name: format!("disk {n}"),
            bytes: 10,
            target: None,
            job: None,
            state,
            again: false,
            blake3: None,
            seconds: None,
            detail: String::new(),
        }
    }

    #[test]
    fn what_is_saved_is_what_changed_and_is_read_back_whole() {
        let mut board = Board::default();
        board.add((0..100).map(|n| row(n, State::Pending)).collect());
        let mut saved = board.take_changed();
        assert_eq!(saved.len(), 4);
        let mut moved = row(40, State::Moved);
        moved.blake3 = Some("aa".to_owned());
        board.put(40, moved.clone());
        board.put(41, row(41, State::Pending));
        let changed = board.take_changed();
        assert_eq!(changed.keys().collect::<Vec<_>>(), [&1], "only the page of what changed");
        saved.extend(changed);
        let read = Board::load(&saved).unwrap().unwrap();
        assert_eq!(read.rows(), board.rows());
        assert_eq!(read.rows()[40], moved);
        assert!(board.take_changed().is_empty());
    }

    #[test]
    fn an_evacuation_of_nothing_has_a_checkpoint_too() {
        let mut board = Board::default();
        board.add(Vec::new());
        let saved = board.take_changed();
        assert!(Board::load(&saved).unwrap().is_some_and(|b| b.is_over()));
        assert!(Board::load(&Pages::new()).unwrap().is_none());
    }

    #[test]
    fn what_is_blocked_does_not_count_in_the_bytes_and_makes_it_incomplete() {
        let request = Request { source: StorageId::from_bits(1), targets: vec![], parallel: 2 };
        let mut board = Board::default();
        board.add(vec![row(1, State::Moved), row(2, State::Left), row(3, State::Pending)]);
        assert_eq!(board.bytes(), (10, 20));
        let mut blocked = row(3, State::Pending);
        blocked.because(State::Blocked, &"x".repeat(9000));
        board.put(2, blocked);
        assert_eq!(board.bytes(), (10, 10));
        let report = board.report(&request);
        assert_eq!(
            (&report["complete"], &report["moved"], &report["blocked"]),
            (&json!(false), &json!(2), &json!(1))
        );
        assert_eq!(report["volumes"][2]["detail"].as_str().map(str::len), Some(DETAIL_MAX));
        board.put(2, row(3, State::Moved));
        assert_eq!(board.report(&request)["complete"], true);
        board.not_taken = 1;
        assert_eq!(board.report(&request)["complete"], false);
        board.not_taken = 0;
        board.arrived.push(Arrived { name: "late".to_owned(), ..Arrived::default() });
        let report = board.report(&request);
        assert_eq!(
            (&report["complete"], &report["arrivedMeanwhile"][0]["name"]),
            (&json!(false), &json!("late"))
        );
    }
}
