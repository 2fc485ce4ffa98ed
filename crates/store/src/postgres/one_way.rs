//! Joins that can be done in one order only. Plans are kept, but for those of queries, and one that was made while
//! `job_run` had a few rows would read it from end to end, and look for the job of each, when it has a hundred thousand.
//! The database makes such a plan anew when it has counted the rows, a minute later or more. A `LATERAL` with an `OFFSET`, a
//! lock or an aggregate in it is looked up for each row before it, whatever the sizes were.
//!
//! Where rows are changed `FROM unnest(...)`, there is no such form: `t.id = ANY (ARRAY[u.id])` is used instead of
//! `t.id = u.id`. No order of rows follows from it, and so the planner has no reason to read `t` along an index from its
//! start; only the look-up by that index is left.

/// The jobs of the uuids `$1`, as `j`.
const JOBS: &str =
    "unnest($1::TEXT[]) AS w(uuid) CROSS JOIN LATERAL (SELECT * FROM job WHERE uuid = w.uuid OFFSET 0) AS j";
/// The body of the job `j`, as `b`.
const BODY: &str = "CROSS JOIN LATERAL (SELECT * FROM job_body WHERE job = j.id OFFSET 0) AS b";
/// The run of the job `j`, as `r`.
const RUN: &str = "CROSS JOIN LATERAL (SELECT * FROM job_run WHERE job = j.id OFFSET 0) AS r";
/// The same, where it may have none.
const ANY_RUN: &str = "LEFT JOIN LATERAL (SELECT * FROM job_run WHERE job = j.id OFFSET 0) AS r ON TRUE";
/// The record of the call of the web hook `h`, as `r`. That it has an outcome is asked outside: inside, an index of all that
/// have one could be read instead.
const RECORD: &str = "CROSS JOIN LATERAL (SELECT outcome FROM api_record WHERE id = h.id OFFSET 0) AS r";

/// `sql` with `{JOBS}`, `{BODY}`, `{RUN}`, `{ANY_RUN}` and `{RECORD}` put in.
pub(super) fn one_way(sql: &str) -> String {
    let put =
        [("{JOBS}", JOBS), ("{BODY}", BODY), ("{RUN}", RUN), ("{ANY_RUN}", ANY_RUN), ("{RECORD}", RECORD)];
    put.iter().fold(sql.to_owned(), |sql, (name, join)| sql.replace(name, join))
}
