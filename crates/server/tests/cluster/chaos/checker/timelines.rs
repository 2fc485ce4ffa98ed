//! A job's history must be legal from its first row to its last, by a table of this file's own, and end in the state
//! that the record shows.

use super::{Found, rule};
use crate::chaos::history::{Evidence, Hit, JobEnd, Row};

/// A body that stops on a cancel hears of it within this, unless its node or the database stood still: ms.
const HEARD_WITHIN_MS: i64 = 6000;

/// Where a row leads from a state, empty before the first; `None` where it must not be.
fn leads_to(from: &str, kind: &str) -> Option<&'static str> {
    Some(match (from, kind) {
        ("", "submitted") | ("Succeeded" | "Canceled" | "Failed", "rerun") => "Waiting",
        ("Waiting", "started")
        | ("Running" | "Suspended", "resumed")
        | ("Running", "takenOver" | "released") => "Running",
        ("Suspended", "resumeRequested") | ("Running", "suspendRequested") => "Running",
        ("Running", "suspended") => "Suspended",
        ("Waiting" | "Running" | "Suspended" | "Canceling", "cancelRequested") => "Canceling",
        ("Canceling", "released" | "cleanRequested") => "Canceling",
        ("Running" | "Canceling", "succeeded") => "Succeeded",
        ("Canceling", "canceled") => "Canceled",
        ("Running", "failed") => "Failed",
        // Of a waiting job it is a hold.
        ("Waiting", "suspendRequested" | "resumeRequested") => "Waiting",
        // Between two tries.
        ("Suspended", "suspendRequested") => "Suspended",
        _ => return None,
    })
}

pub(super) fn check(evidence: &Evidence, end: &JobEnd, found: &mut Found) {
    if !matches!(end.state.as_str(), "Succeeded" | "Failed" | "Canceled") {
        found.add(rule::ENDS, &end.uuid, format!("it is {}", end.state));
    }
    numbers(end, found);
    once(end, found);
    let mut state = "";
    for row in &end.rows {
        match leads_to(state, &row.kind) {
            Some(next) => state = next,
            None => {
                found.add(rule::LEGAL, &end.uuid, format!("row {}: {} while {state:?}", row.seq, row.kind));
                return;
            }
        }
    }
    if state != end.state {
        found.add(
            rule::AGREES,
            &end.uuid,
            format!("the history ends {state:?}, the record says {}", end.state),
        );
    }
    generations(evidence, end, found);
    moment(evidence, end, found);
    taken(evidence, end, found);
}

/// Rows, attempts and tokens.
fn numbers(end: &JobEnd, found: &mut Found) {
    let (mut token, mut attempt) = (0, 0);
    for (at, row) in end.rows.iter().enumerate() {
        if row.seq != at as u64 + 1 || row.attempt != attempt + u64::from(row.begins()) {
            found.add(rule::GAPS, &end.uuid, format!("row {}: {row:?} after attempt {attempt}", at + 1));
        }
        if row.token < token || (row.begins() && row.token == token) {
            found.add(rule::TOKENS, &end.uuid, format!("row {}: token {} after {token}", row.seq, row.token));
        }
        (token, attempt) = (row.token, row.attempt);
    }
}

/// Each run ends once.
fn once(end: &JobEnd, found: &mut Found) {
    for rows in end.rows.chunk_by(|_, next| next.kind != "rerun") {
        let ends: Vec<&Row> = rows.iter().filter(|row| row.ends()).collect();
        if ends.len() > 1 {
            found.add(rule::ONCE, &end.uuid, format!("{ends:?}"));
        }
    }
}

/// From a submission or rerun to the end.
fn generations(evidence: &Evidence, end: &JobEnd, found: &mut Found) {
    let asked_for = evidence.wanted.get(&end.uuid).map_or(0, |wanted| wanted.retries);
    for rows in end.rows.chunk_by(|_, next| next.kind != "rerun") {
        let canceled = rows.iter().position(|row| row.kind == "cancelRequested");
        let success = rows.iter().find(|row| row.kind == "succeeded");
        if let (Some(at), Some(success)) = (canceled, success) {
            won_the_race(evidence, end, &rows[..=at], success, found);
        }
        let retried = rows
            .windows(2)
            .filter(|two| (two[0].kind.as_str(), two[1].kind.as_str()) == ("suspended", "resumed"));
        let retried = retried.count();
        if retried > asked_for {
            found.add(rule::RETRIES, &end.uuid, format!("{retried} of {asked_for}"));
        }
    }
}

/// A success after a cancel is the work of who worked when it came, and who stops on a cancel does not go on for long.
fn won_the_race(evidence: &Evidence, end: &JobEnd, until: &[Row], success: &Row, found: &mut Found) {
    let Some((cancel, before)) = until.split_last() else { return };
    let worked =
        before.iter().rev().find(|row| row.begins() || matches!(row.kind.as_str(), "suspended" | "released"));
    if !worked.is_some_and(|row| row.begins() && row.token == success.token) {
        found.add(
            rule::CANCELED,
            &end.uuid,
            format!("nothing ran when it came: {worked:?} {cancel:?} {success:?}"),
        );
    }
    let stops = evidence.wanted.get(&end.uuid).is_some_and(|wanted| wanted.data["onCancel"] == "stop");
    let us = |ms: i64| u64::try_from((ms - evidence.began_ms).max(0)).unwrap_or(0) * 1000;
    let (from, to) = (us(cancel.time_ms), us(success.time_ms));
    let excused = evidence.hits.iter().any(|hit| hit.from_us <= to && hit.until_us >= from);
    if stops && !excused && success.time_ms - cancel.time_ms > HEARD_WITHIN_MS {
        found.add(
            rule::CANCELED,
            &end.uuid,
            format!("{} ms later it succeeded", success.time_ms - cancel.time_ms),
        );
    }
}

fn moment(evidence: &Evidence, end: &JobEnd, found: &mut Found) {
    let Some(moment) = evidence.wanted.get(&end.uuid).and_then(|wanted| wanted.not_before_ms) else { return };
    if let Some(row) = end.rows.iter().find(|row| row.begins() && row.time_ms < moment) {
        found.add(rule::MOMENT, &end.uuid, format!("row {} is {} ms early", row.seq, moment - row.time_ms));
    }
}

/// Whose job was taken over had been killed, stopped or paused since its claim.
fn taken(evidence: &Evidence, end: &JobEnd, found: &mut Found) {
    let us = |ms: i64| u64::try_from((ms - evidence.began_ms).max(0)).unwrap_or(0) * 1000;
    let mut holder: Option<&Row> = None;
    for row in end.rows.iter().filter(|row| row.begins()) {
        let before = holder.replace(row);
        let Some(before) = before.filter(|_| row.kind == "takenOver") else { continue };
        let Some(node) = before.node.as_ref().and_then(|node| evidence.nodes.get(node)) else { continue };
        // A kill is begun a moment before, and rows are dated when their transaction began.
        let (from, to) = (us(before.time_ms - 1000), us(row.time_ms + 1000));
        let was_hit = |hit: &Hit| hit.node == Some(*node) && hit.from_us <= to && hit.until_us >= from;
        if !evidence.hits.iter().any(was_hit) {
            found.add(rule::LIVING, &end.uuid, format!("row {}: node {node} had it and lived", row.seq));
        }
    }
}
