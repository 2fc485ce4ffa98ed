//! Pages and counts over the stored jobs, over HTTP on one connection, as admin and as an account that owns
//! three tenths of them. A page has 100 rows.

use std::time::Instant;

use anyhow::{Result, ensure};

use crate::api::Api;
use crate::fill::{Filled, TENANT, api_id, name, target};
use crate::http::{Connection, request};
use crate::place::Place;
use crate::report::Report;
use crate::server::Server;

/// Requests of one round for a shape that should take 20 ms.
const REQUESTS: u64 = 200;
/// The same for a shape that should take a second.
const SLOW_REQUESTS: u64 = 40;
const FAST_MS: f64 = 20.0;
const SLOW_MS: f64 = 1000.0;

/// One kind of query: what it is, its aim, and the query string for a job's number.
type Shape = (&'static str, f64, fn(&Filled, u64) -> String);

const SHAPES: &[Shape] = &[
    ("newest page", FAST_MS, |_, _| String::new()),
    ("state =", FAST_MS, |_, n| {
        format!("q=state={}", ["Failed", "Succeeded", "Waiting", "Suspended"][n as usize % 4])
    }),
    ("state ?=", FAST_MS, |_, n| {
        ["q=state?=Running,Waiting", "q=state?=Failed,Canceled,Suspended"][n as usize % 2].to_owned()
    }),
    ("jobName =", FAST_MS, |_, n| {
        format!("q=jobName={}", ["APISimulateJobMsg", "APISimulateRigidJobMsg"][n as usize % 2])
    }),
    ("jobName = and state =", FAST_MS, |_, _| "q=jobName=APISimulateRigidJobMsg&q=state=Failed".to_owned()),
    ("targetResourceUuid =", FAST_MS, |_, n| format!("q=targetResourceUuid={}", target(n))),
    ("apiId =", FAST_MS, |_, n| format!("q=apiId={}", api_id(n))),
    ("name =", FAST_MS, |_, n| format!("q=name={}", name(n))),
    ("name ~= prefix% (1,000 rows)", FAST_MS, |_, n| format!("q=name~=vol-{:03}-%25", n % 1000)),
    ("name ~= prefix% (every row)", FAST_MS, |_, _| "q=name~=vol-%25".to_owned()),
    ("createDate range (1 hour)", FAST_MS, |f, n| range(f, n)),
    ("createDate range and state =", FAST_MS, |f, n| format!("{}&q=state=Failed", range(f, n))),
    ("start = 100,000", FAST_MS, |_, _| "start=100000".to_owned()),
    ("state = Succeeded, start = 100,000", FAST_MS, |_, _| "q=state=Succeeded&start=100000".to_owned()),
    ("state = with total", FAST_MS, |_, _| "q=state=Succeeded&replyWithCount=true".to_owned()),
    ("count of all", FAST_MS, |_, _| "count=true".to_owned()),
    ("count of name ~= prefix% (1,000 rows)", FAST_MS, |_, n| {
        format!("q=name~=vol-{:03}-%25&count=true", n % 1000)
    }),
    ("count of createDate range (1 hour)", FAST_MS, |f, n| format!("{}&count=true", range(f, n))),
    ("name ~= %part%, few rows", SLOW_MS, |_, n| format!("q=name~=%25-{}%25", n | 0x8000)),
    ("count of name ~= %part%", SLOW_MS, |_, n| format!("q=name~=%25-{}%25&count=true", n % 1000)),
    ("count of name ~= prefix% (every row)", SLOW_MS, |_, _| "q=name~=vol-%25&count=true".to_owned()),
    ("jobData ~= %part%", SLOW_MS, |_, n| format!("q=jobData~=%25:{},%25", n % 100_000)),
    ("sort by lastOpDate", SLOW_MS, |_, _| "sort=-lastOpDate".to_owned()),
    ("state = Succeeded, sort by executeTime", SLOW_MS, |_, _| {
        "q=state=Succeeded&sort=-executeTime".to_owned()
    }),
    ("start = half of the rows", SLOW_MS, |f, _| format!("start={}", f.jobs / 2)),
];

/// One round, on a freshly started server.
pub async fn measure(place: &Place, filled: &Filled, report: &mut Report) -> Result<()> {
    if let (Some(speed), None) = (filled.speed, report.last("fill")) {
        report.add("fill", speed);
    }
    let flags = ["--set", "engine.maxRunningSimulator=0", "--set", "engine.maxRunning=0"];
    let server = Server::start(place, &filled.home, &flags)?;
    let mut admin = Api::admin(server.address).await?;
    let stored = admin.count("").await?;
    ensure!(stored == filled.jobs, "{stored} jobs are stored of {}", filled.jobs);
    let tenant = Api::log_in(server.address, TENANT, TENANT).await?;
    let mut connection = Connection::open(server.address).await?;
    for (what, aim_ms, conditions) in SHAPES {
        for (who, api) in [("admin", &admin), ("account", &tenant)] {
            let requests = place.scaled(if *aim_ms > FAST_MS { SLOW_REQUESTS / 2 } else { REQUESTS });
            let mut took = Vec::new();
            for turn in 0..requests {
                let number = turn.wrapping_mul(7_919_993) % filled.jobs;
                let path = format!("/v1/longjobs?limit=100&{}", conditions(filled, number));
                let bytes = request("GET", path.trim_end_matches('&'), &api.session, "");
                let start = Instant::now();
                let reply = connection.send(&bytes).await?;
                took.push(start.elapsed().as_secs_f64() * 1e3);
                ensure!(reply.status == 200, "{path}: {}", String::from_utf8_lossy(reply.body));
            }
            report.add_query(&format!("{what}, {who}"), *aim_ms, &mut took);
        }
    }
    report.add("memory.stored", server.resident_mib()?);
    server.stop()
}

/// The hour before job `number`.
fn range(filled: &Filled, number: u64) -> String {
    let end_ms = filled.at_ms(number.max(filled.jobs / 100));
    format!("q=createDate%3E={}&q=createDate%3C{}", moment(end_ms - 3_600_000), moment(end_ms))
}

/// RFC 3339 in UTC, to the second.
fn moment(ms: i64) -> String {
    let (days, second) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000) / 1000);
    // Years of 365.2425 days from 0000-03-01 on, so that a leap day is the last of its year.
    let shifted = days + 719_468;
    let (era, day) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = era * 400 + year + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    #[test]
    fn moments_are_written_as_utc() {
        assert_eq!(super::moment(0), "1970-01-01T00:00:00Z");
        assert_eq!(super::moment(1_709_208_000_000), "2024-02-29T12:00:00Z");
    }
}
