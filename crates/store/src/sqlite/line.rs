//! Which rows are claimed next: the heads of lines, merged. Rows that may be claimed lie in `job_run_next` in lines
//! by class, host and gate, each in the order of rank and place. Without limits all gates are empty, and
//! there are two lines: of jobs for any host, and of jobs for this one. With limits there is a line for each lane
//! that waits for room; one without room is passed over as a whole, however long it is.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};

use longhaul_model::{FreeSlots, Limits, NodeId};
use rusqlite::params;

use super::tx::Tx;
use super::{Result, rows};
use crate::StoreError;
use crate::limits::{Rooms, lane};
use crate::nodes::{COUNTED_MAX, PerClass};

/// Rows read at a time from a line with a gate: most of them get room for few.
const READ_GATED: u32 = 8;

/// `rank` and `place` of a row: the smaller goes first.
type Head = (i64, i64);

/// What may be claimed by nodes of a host, of a class.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counter<'a> {
    pub class: i64,
    /// The host's uuid.
    pub host: &'a str,
    /// Rows of these job types are passed over.
    pub except: &'a [String],
}

struct Line {
    host: String,
    gate: String,
    read: VecDeque<Head>,
}

impl Tx<'_> {
    pub(super) fn limits(&self) -> Result<Limits> {
        let kept: Option<String> =
            self.first("SELECT value FROM meta WHERE key = 'limits'", [], |row| row.get(0))?;
        kept.map_or_else(
            || Ok(Limits::default()),
            |json| serde_json::from_str(&json).map_err(|e| StoreError::Corrupt(format!("limits: {e}"))),
        )
    }

    /// Puts other limits in force and every row into its lane.
    pub(super) fn set_limits(&self, limits: &Limits) -> Result<()> {
        if self.limits()? == *limits {
            return Ok(());
        }
        let json = serde_json::to_string(limits).map_err(|e| StoreError::Corrupt(e.to_string()))?;
        self.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('limits', ?1)", [json])?;
        let mut waiting = self.prepare(
            "SELECT r.place, r.lane, j.account, j.job_name FROM job_run AS r JOIN job AS j ON j.id = r.job",
        )?;
        let waiting = waiting.query_map([], |row| {
            let job_name: String = row.get(3)?;
            let lane =
                rows::id(row, 2).map_or_else(|_| String::new(), |account| lane(limits, account, &job_name));
            Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, lane))
        })?;
        let waiting: Vec<_> = waiting.collect::<rusqlite::Result<_>>()?;
        for (place, _, now) in waiting.iter().filter(|(_, before, now)| before != now) {
            self.execute(
                "UPDATE job_run SET lane = ?2,
                    gate = CASE WHEN counted = 1 OR canceling = 1 THEN '' ELSE ?2 END WHERE place = ?1",
                params![place, now],
            )?;
        }
        Ok(())
    }

    /// What is left of the limits.
    pub(super) fn rooms<'l>(&self, limits: &'l Limits) -> Result<Rooms<'l>> {
        if limits.is_empty() {
            return Ok(Rooms::new(limits, []));
        }
        let mut counted = self
            .prepare("SELECT lane, count(*) FROM job_run WHERE counted = 1 AND lane <> '' GROUP BY lane")?;
        let counted = counted.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(Rooms::new(limits, counted.collect::<rusqlite::Result<Vec<(String, u32)>>>()?))
    }

    /// The places of the rows that go first, as many as there are slots, and takes their room.
    pub(super) fn next_places(
        &self,
        at: Counter<'_>,
        slots: FreeSlots,
        rooms: &mut Rooms<'_>,
    ) -> Result<Vec<i64>> {
        let (free, mut shared) = (slots.free, slots.shared);
        let mut lines = self.lines(at, free, rooms)?;
        let mut heads: BinaryHeap<_> =
            lines.iter().enumerate().filter_map(|(n, l)| l.read.front().map(|h| Reverse((*h, n)))).collect();
        let mut places = Vec::new();
        while let Some(Reverse((head, n))) = heads.pop() {
            let line = &mut lines[n];
            if !rooms.has_room(&line.gate) {
                continue; // nor has anything behind it
            }
            if line.host.is_empty() {
                let Some(left) = shared.checked_sub(1) else { continue };
                shared = left;
            }
            places.push(head.1);
            rooms.add(&line.gate, 1);
            if places.len() >= free as usize {
                break;
            }
            line.read.pop_front();
            if line.read.is_empty() {
                line.read = self.read_line(at, &line.host, &line.gate, head, READ_GATED)?;
            }
            heads.extend(line.read.front().map(|head| Reverse((*head, n))));
        }
        Ok(places)
    }

    /// Whether a row that goes before one of that rank, or beside it, may be claimed.
    pub(super) fn someone_goes_before(&self, at: Counter<'_>, rank: u8, rooms: &Rooms<'_>) -> Result<bool> {
        let lines = self.lines(at, 1, rooms)?;
        Ok(lines.iter().any(|line| line.read.front().is_some_and(|head| head.0 <= i64::from(rank))))
    }

    /// The lines with room, each with its first rows read.
    fn lines(&self, at: Counter<'_>, free: u32, rooms: &Rooms<'_>) -> Result<Vec<Line>> {
        let mut lines = Vec::new();
        for host in ["", at.host] {
            for gate in self.gates(at.class, host, rooms)? {
                let most = if gate.is_empty() { free } else { free.min(READ_GATED) };
                let read = self.read_line(at, host, &gate, (-1, 0), most)?;
                lines.push(Line { host: host.to_owned(), gate, read });
            }
        }
        Ok(lines)
    }

    /// The gates of the lines that have a row and room, looked up one after the other.
    pub(super) fn gates(&self, class: i64, host: &str, rooms: &Rooms<'_>) -> Result<Vec<String>> {
        if rooms.are_unlimited() {
            return Ok(vec![String::new()]);
        }
        let mut gates = Vec::new();
        let mut next = self.prepare(
            "SELECT gate FROM job_run WHERE class = ?1 AND host = ?2 AND gate >= ?3 AND node IS NULL
                AND ready_at_ms = 0 ORDER BY gate LIMIT 1",
        )?;
        let mut from = String::new();
        loop {
            let mut found = next.query(params![class, host, from])?;
            let Some(row) = found.next()? else { return Ok(gates) };
            let gate: String = row.get(0)?;
            from = format!("{gate}\u{1}"); // no gate has such a character
            if rooms.has_room(&gate) {
                gates.push(gate);
            }
        }
    }

    /// How many rows a node of any host could claim, in each class; and of these, those of some job types, by these.
    pub(super) fn waiting_for_any_host(
        &self,
        of_types: &BTreeSet<String>,
    ) -> Result<(PerClass, BTreeMap<String, PerClass>)> {
        self.wake_due()?;
        let mut by_type: BTreeMap<String, PerClass> = BTreeMap::new();
        let limits = self.limits()?;
        let mut rooms = self.rooms(&limits)?;
        let mut waiting = PerClass::default();
        for (class_at, waiting) in waiting.iter_mut().enumerate() {
            let class = class_at as i64;
            for gate in self.gates(class, "", &rooms)? {
                let most = COUNTED_MAX.min(rooms.left(&gate));
                let sql =
                    "SELECT count(*) FROM (SELECT 1 FROM job_run WHERE class = ?1 AND host = '' AND gate = ?2
                        AND node IS NULL AND ready_at_ms = 0 LIMIT ?3)";
                let count = self.first(sql, params![class, gate, most], |row| row.get(0))?.unwrap_or(0);
                rooms.add(&gate, count);
                *waiting += count;
                for (job_name, count) in self.waiting_of_types(class, &gate, most, of_types)? {
                    by_type.entry(job_name).or_default()[class_at] += count;
                }
            }
        }
        Ok((waiting, by_type))
    }

    /// Those of some job types among the first rows of a line.
    fn waiting_of_types(
        &self,
        class: i64,
        gate: &str,
        most: u32,
        of_types: &BTreeSet<String>,
    ) -> Result<Vec<(String, u32)>> {
        if of_types.is_empty() {
            return Ok(Vec::new()); // nearly always
        }
        let mut found = self.prepare(
            "SELECT job_name, count(*) FROM (
                SELECT (SELECT j.job_name FROM job AS j WHERE j.id = job_run.job) AS job_name FROM job_run
                WHERE class = ?1 AND host = '' AND gate = ?2 AND node IS NULL AND ready_at_ms = 0
                ORDER BY rank, place LIMIT ?3)
             WHERE job_name IN (SELECT value FROM json_each(?4)) GROUP BY job_name",
        )?;
        let of_types = serde_json::json!(of_types).to_string();
        let found =
            found.query_map(params![class, gate, most, of_types], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(found.collect::<rusqlite::Result<_>>()?)
    }

    fn read_line(
        &self,
        at: Counter<'_>,
        host: &str,
        gate: &str,
        after: Head,
        most: u32,
    ) -> Result<VecDeque<Head>> {
        let passed_over = match at.except {
            [] => "",
            _ => {
                "AND coalesce((SELECT j.job_name FROM job AS j WHERE j.id = job_run.job), '')
                    NOT IN (SELECT value FROM json_each(?7))"
            }
        };
        let mut line = self.prepare(&format!(
            "SELECT rank, place FROM job_run WHERE class = ?1 AND host = ?2 AND gate = ?3
                AND (rank, place) > (?4, ?5) AND node IS NULL AND ready_at_ms = 0 {passed_over}
             ORDER BY rank, place LIMIT ?6",
        ))?;
        let head = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let read = match at.except {
            [] => line.query_map(params![at.class, host, gate, after.0, after.1, most], head)?,
            _ => {
                let except = serde_json::json!(at.except).to_string();
                line.query_map(params![at.class, host, gate, after.0, after.1, most, except], head)?
            }
        };
        Ok(read.collect::<rusqlite::Result<_>>()?)
    }

    /// The host of a node whose lease lives, as it is stored.
    pub(super) fn live_host(&self, node: NodeId) -> Result<Option<String>> {
        let known =
            self.first("SELECT host, until_ms FROM node WHERE uuid = ?1", [node.to_string()], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))
            })?;
        let Some((host, until_ms)) = known else { return Ok(None) };
        let lives = until_ms > self.now_ms || !self.leases()?.expired(until_ms);
        Ok(lives.then_some(host))
    }
}
