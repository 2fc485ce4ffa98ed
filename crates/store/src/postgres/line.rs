//! Which rows are claimed next: the heads of lines, merged. Rows that may be claimed lie in `job_run_next` in lines by
//! class, host and gate, each in the order of rank and place. Without limits all gates are empty, and there are two
//! lines: of jobs for any host, and of jobs for this one. With limits there is a line for each lane that waits for
//! room; one without room is passed over as a whole, however long it is.
//!
//! Lanes follow from the limits in force, so who writes or reads them shares `Hold::Lanes` until its commit, and other
//! limits wait for that. Who takes room holds `Hold::Rooms`, so that it counts what others took. Without limits nobody
//! waits here.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use longhaul_model::{FreeSlots, Limits, NodeId};

use super::Result;
use super::heads::{HEAD, Spot};
use super::job_sql::KEEP_NODE;
use super::rows::{self, get};
use super::tx::{Hold, Tx};
use super::value::{Value, column, params};
use crate::StoreError;
use crate::limits::{Rooms, lane};
use crate::nodes::{COUNTED_MAX, PerClass};

/// What may be claimed by nodes of a host, of a class.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counter<'a> {
    pub class: i64,
    /// The host's uuid.
    pub host: &'a str,
}

/// A node whose lease lives, as it asks for jobs.
pub(super) struct Taker {
    pub host: String,
    pub is_drained: bool,
    pub limits: Limits,
}

struct Line<'a> {
    host: &'a str,
    gate: String,
    /// Most rows that can be taken from it.
    most: u32,
    /// Where it begins: behind that place.
    begin: Spot,
    /// Where it ends: before that rank.
    below: i64,
}

impl Tx {
    /// The limits in force; they stay until the end of the transaction.
    pub(super) async fn kept_limits(&self) -> Result<Limits> {
        self.share(Hold::Lanes, "");
        self.limits().await
    }

    /// The limits in force at this moment.
    pub(super) async fn limits(&self) -> Result<Limits> {
        match self.first("SELECT value FROM meta WHERE key = 'limits'", &[]).await? {
            Some(row) => read_limits(get(&row, 0)?),
            None => Ok(Limits::default()),
        }
    }

    /// Puts other limits in force and every row into its lane.
    pub(super) async fn set_limits(&self, limits: &Limits) -> Result<()> {
        self.hold(Hold::Lanes, "").await?;
        if self.limits().await? == *limits {
            return Ok(());
        }
        let json = serde_json::to_string(limits).map_err(|e| StoreError::Corrupt(e.to_string()))?;
        self.post(
            "INSERT INTO meta (key, value) VALUES ('limits', $1) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            &params![json],
        );
        let sql =
            "SELECT r.place, r.lane, j.account, j.job_name FROM job_run AS r JOIN job AS j ON j.id = r.job
             ORDER BY r.place";
        let (mut places, mut lanes) = (Vec::new(), Vec::new());
        for row in self.rows(sql, &[]).await? {
            let job_name: &str = get(&row, 3)?;
            let now =
                rows::id(&row, 2).map_or_else(|_| String::new(), |account| lane(limits, account, job_name));
            if now != get::<&str>(&row, 1)? {
                places.push(get::<i64>(&row, 0)?);
                lanes.push(now);
            }
        }
        self.post(
            "UPDATE job_run AS r SET lane = u.lane,
                gate = CASE WHEN r.counted = 1 OR r.canceling = 1 THEN '' ELSE u.lane END
             FROM unnest($1::BIGINT[], $2::TEXT[]) AS u(place, lane) WHERE r.place = ANY (ARRAY[u.place])",
            &params![column(places), column(lanes)],
        );
        Ok(())
    }

    /// What is left of the limits.
    pub(super) async fn rooms<'l>(&self, limits: &'l Limits) -> Result<Rooms<'l>> {
        if limits.is_empty() {
            return Ok(Rooms::new(limits, []));
        }
        let sql = "SELECT lane, count(*) FROM job_run WHERE counted = 1 AND lane <> '' GROUP BY lane";
        let counted = self.rows(sql, &[]).await?;
        let counted = counted.iter().map(|row| Ok((get(row, 0)?, rows::small(row, 1)?)));
        Ok(Rooms::new(limits, counted.collect::<Result<Vec<(String, u32)>>>()?))
    }

    /// The jobs of the rows that go first, as many as there are slots, locked, and takes their room. What another
    /// transaction has in hand is passed over, and so are the job types `except`.
    pub(super) async fn next_runs(
        &self,
        at: Counter<'_>,
        slots: FreeSlots,
        except: &[String],
        rooms: &mut Rooms<'_>,
    ) -> Result<Vec<i64>> {
        let (begin, began) = self.line_begin(at, rooms);
        let most = [slots.free.min(slots.shared), slots.free];
        let lines = self.lines(at, most, rooms, begin).await?;
        let passed_over = match except {
            [] => "",
            _ => {
                "AND COALESCE((SELECT j.job_name FROM job AS j WHERE j.id = job_run.job), '') <> ALL ($8::TEXT[])"
            }
        };
        let sql = format!(
            "SELECT r.job, l.gate, r.rank, r.place, l.host = ''
             FROM unnest($2::TEXT[], $3::TEXT[], $4::BIGINT[], $5::BIGINT[], $6::BIGINT[], $7::BIGINT[])
                AS l(host, gate, most, rank, place, below)
             CROSS JOIN LATERAL (
                SELECT job, rank, place FROM job_run
                WHERE class = $1 AND host = l.host AND gate = l.gate AND node IS NULL AND ready_at_ms = 0
                    AND (rank, place) > (l.rank, l.place) AND rank < l.below {passed_over}
                ORDER BY rank, place LIMIT l.most FOR UPDATE SKIP LOCKED) AS r
             ORDER BY r.rank, r.place"
        );
        let mut values = params![
            at.class,
            column(lines.iter().map(|line| line.host)),
            column(lines.iter().map(|line| line.gate.as_str())),
            column(lines.iter().map(|line| line.most)),
        ]
        .to_vec();
        values.extend(bounds(&lines));
        if !except.is_empty() {
            values.push(column(except.iter().map(String::as_str)));
        }
        let (mut runs, mut last, mut shared) = (Vec::new(), None, slots.shared);
        // Another transaction may have made rows claimable since this one asked for the time: the starts are after that.
        for row in self.all_locked(&sql, &values).await? {
            let gate: &str = get(&row, 1)?;
            let is_shared: bool = get(&row, 4)?;
            let left = if is_shared { shared } else { u32::MAX };
            if runs.len() < slots.free as usize && left > 0 && rooms.has_room(gate) {
                rooms.add(gate, 1);
                shared -= u32::from(is_shared);
                runs.push(get(&row, 0)?);
                last = Some((get(&row, 2)?, get(&row, 3)?));
            }
        }
        if last.is_some() {
            self.take_runs();
        }
        // Else lanes without room were passed over, or what is left to other nodes.
        let last = last.filter(|_| rooms.are_unlimited() && slots.shared >= slots.free);
        self.heads.looked(at, begin, last, (began, self.runtime.monotonic()));
        Ok(runs)
    }

    /// Whether a row that goes before one of that rank, or beside it, may be claimed.
    pub(super) async fn someone_goes_before(
        &self,
        at: Counter<'_>,
        rank: u8,
        rooms: &Rooms<'_>,
    ) -> Result<bool> {
        let (begin, began) = self.line_begin(at, rooms);
        let lines = self.lines(at, [1, 1], rooms, begin).await?;
        let sql = "SELECT 1 FROM unnest($2::TEXT[], $3::TEXT[], $5::BIGINT[], $6::BIGINT[], $7::BIGINT[])
                AS l(host, gate, rank, place, below)
             CROSS JOIN LATERAL (
                SELECT rank FROM job_run
                WHERE class = $1 AND host = l.host AND gate = l.gate AND node IS NULL AND ready_at_ms = 0
                    AND (rank, place) > (l.rank, l.place) AND rank < l.below
                ORDER BY rank, place LIMIT 1) AS r
             WHERE r.rank <= $4 LIMIT 1";
        let mut values = params![
            at.class,
            column(lines.iter().map(|line| line.host)),
            column(lines.iter().map(|line| line.gate.as_str())),
            rank,
        ]
        .to_vec();
        values.extend(bounds(&lines));
        let found = self.exists(sql, &values).await?;
        self.heads.looked(at, begin, None, (began, self.runtime.monotonic()));
        Ok(found)
    }

    /// Where a look begins, and when it did. Where there are limits, what was passed over is no less to be looked at.
    fn line_begin(&self, at: Counter<'_>, rooms: &Rooms<'_>) -> (Spot, Duration) {
        let now = self.runtime.monotonic();
        (if rooms.are_unlimited() { self.heads.begin(at, now) } else { HEAD }, now)
    }

    /// The lines with room, from `begin` on; in front of it alone what has a smaller rank. `most`: rows that any host may
    /// run, and rows of this one.
    async fn lines<'a>(
        &self,
        at: Counter<'a>,
        most: [u32; 2],
        rooms: &Rooms<'_>,
        begin: Spot,
    ) -> Result<Vec<Line<'a>>> {
        let mut lines = Vec::new();
        for (host, free) in ["", at.host].into_iter().zip(most).filter(|(_, free)| *free > 0) {
            for gate in self.gates(at.class, host, rooms).await? {
                let most = free.min(rooms.left(&gate));
                if begin.0 > 0 {
                    lines.push(Line { host, gate: gate.clone(), most, begin: HEAD, below: begin.0 });
                }
                lines.push(Line { host, gate, most, begin, below: i64::MAX });
            }
        }
        Ok(lines)
    }

    /// The gates of the lines that have a row and room, looked up one after the other.
    pub(super) async fn gates(&self, class: i64, host: &str, rooms: &Rooms<'_>) -> Result<Vec<String>> {
        if rooms.are_unlimited() {
            return Ok(vec![String::new()]);
        }
        let sql = "WITH RECURSIVE g(gate) AS (
                (SELECT gate FROM job_run WHERE class = $1 AND host = $2 AND node IS NULL AND ready_at_ms = 0
                 ORDER BY gate LIMIT 1)
                UNION ALL
                SELECT (SELECT r.gate FROM job_run AS r WHERE r.class = $1 AND r.host = $2 AND r.gate > g.gate
                        AND r.node IS NULL AND r.ready_at_ms = 0 ORDER BY r.gate LIMIT 1)
                FROM g WHERE g.gate IS NOT NULL)
             SELECT gate FROM g WHERE gate IS NOT NULL";
        let found = self.rows(sql, &params![class, host]).await?;
        let mut gates = found.iter().map(|row| get(row, 0)).collect::<Result<Vec<String>>>()?;
        gates.retain(|gate| rooms.has_room(gate));
        Ok(gates)
    }

    /// How many rows a node of any host could claim, in each class; and of these, those of some job types, by these.
    pub(super) async fn waiting_for_any_host(
        &self,
        of_types: &BTreeSet<String>,
    ) -> Result<(PerClass, BTreeMap<String, PerClass>)> {
        self.wake_due();
        let limits = self.limits().await?;
        let mut rooms = self.rooms(&limits).await?;
        let mut waiting = PerClass::default();
        let (mut classes, mut gates) = (Vec::new(), Vec::new());
        for class in (0_i64..).take(waiting.len()) {
            for gate in self.gates(class, "", &rooms).await? {
                classes.push(class);
                gates.push(gate);
            }
        }
        let sql = "SELECT l.class, l.gate, (SELECT count(*) FROM (
                SELECT 1 FROM job_run WHERE class = l.class AND host = '' AND gate = l.gate
                    AND node IS NULL AND ready_at_ms = 0 LIMIT $3) AS r)
             FROM unnest($1::BIGINT[], $2::TEXT[]) AS l(class, gate)";
        let values = params![column(classes), column(gates), COUNTED_MAX];
        let by_type = match of_types.is_empty() {
            true => BTreeMap::new(), // nearly always
            false => self.waiting_of_types(&values, of_types, &rooms).await?,
        };
        for row in self.rows(sql, &values).await? {
            let (class, gate): (_, &str) = (rows::small(&row, 0)?, get(&row, 1)?);
            let count = rows::small(&row, 2)?.min(rooms.left(gate));
            rooms.add(gate, count);
            waiting[class as usize] += count;
        }
        Ok((waiting, by_type))
    }

    /// Those of some job types among the first rows of lines, each line up to its room.
    async fn waiting_of_types(
        &self,
        lines: &[Value<'_>],
        of_types: &BTreeSet<String>,
        rooms: &Rooms<'_>,
    ) -> Result<BTreeMap<String, PerClass>> {
        let sql = "SELECT l.class, l.gate, r.job_name, count(*) FROM unnest($1::BIGINT[], $2::TEXT[]) AS l(class, gate)
             CROSS JOIN LATERAL (
                SELECT (SELECT j.job_name FROM job AS j WHERE j.id = job_run.job) AS job_name FROM job_run
                WHERE class = l.class AND host = '' AND gate = l.gate AND node IS NULL AND ready_at_ms = 0
                ORDER BY rank, place LIMIT $3) AS r
             WHERE r.job_name = ANY ($4::TEXT[]) GROUP BY l.class, l.gate, r.job_name";
        let mut values = lines.to_vec();
        values.push(column(of_types.iter().map(String::as_str)));
        let mut by_type: BTreeMap<String, PerClass> = BTreeMap::new();
        for row in self.rows(sql, &values).await? {
            let (class, count): (u32, u32) = (rows::small(&row, 0)?, rows::small(&row, 3)?);
            let (gate, job_name): (&str, String) = (get(&row, 1)?, get(&row, 2)?);
            by_type.entry(job_name).or_default()[class as usize] += count.min(rooms.left(gate));
        }
        Ok(by_type)
    }

    /// A node, if its lease lives, after the leases that have expired were ended. It is kept from being removed, and the
    /// limits from being others.
    pub(super) async fn taker(&self, node: NodeId) -> Result<Option<Taker>> {
        let (taker, some_ended) = self.seen_taker(node).await?;
        if !some_ended {
            return Ok(taker); // nearly always, and then one way to the database and back was enough
        }
        self.end_expired_leases().await?;
        Ok(self.seen_taker(node).await?.0)
    }

    /// The node, if its lease lives, and whether any lease has come to its end.
    async fn seen_taker(&self, node: NodeId) -> Result<(Option<Taker>, bool)> {
        self.post(KEEP_NODE, &params![node]);
        self.share(Hold::Lanes, "");
        let sql = "SELECT n.host, n.until_ms, EXISTS (SELECT 1 FROM drained_host AS d WHERE d.host = n.host),
                (SELECT value FROM meta WHERE key = 'limits'), EXISTS (SELECT 1 FROM node WHERE until_ms <= $2)
             FROM (SELECT 1) AS one LEFT JOIN node AS n ON n.uuid = $1";
        let Some(row) = self.locked(sql, &params![node, self.now_ms()]).await? else {
            return Ok((None, true));
        };
        let some_ended = get(&row, 4)?;
        let (Some(host), Some(until_ms)) = (get(&row, 0)?, get(&row, 1)?) else {
            return Ok((None, some_ended));
        };
        if !self.lives_until(until_ms).await? {
            return Ok((None, some_ended));
        }
        let limits = get::<Option<&str>>(&row, 3)?.map_or_else(|| Ok(Limits::default()), read_limits)?;
        Ok((Some(Taker { host, is_drained: get(&row, 2)?, limits }), some_ended))
    }
}

/// Where lines begin and end: ranks, places, ranks.
fn bounds(lines: &[Line<'_>]) -> [Value<'static>; 3] {
    [
        column(lines.iter().map(|line| line.begin.0)),
        column(lines.iter().map(|line| line.begin.1)),
        column(lines.iter().map(|line| line.below)),
    ]
}

fn read_limits(json: &str) -> Result<Limits> {
    serde_json::from_str(json).map_err(|e| StoreError::Corrupt(format!("limits: {e}")))
}
