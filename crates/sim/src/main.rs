//! `longhaul-sim`: runs many seeds, or replays one with its trace. `LONGHAUL_SIM_SEEDS` says how many (200),
//! `LONGHAUL_SIM_FROM` from which (0), `LONGHAUL_SIM_SEED` which one to replay, `LONGHAUL_SIM_STORE=postgres` that all
//! run on PostgreSQL, on the server that `LONGHAUL_TEST_POSTGRES` names.

use std::process::ExitCode;

use longhaul_sim::seeds::{self, Stores};

fn main() -> ExitCode {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let stores = match std::env::var("LONGHAUL_SIM_STORE").as_deref() {
        Ok("postgres") => Stores::Postgres,
        Err(_) | Ok("") => Stores::Inside,
        Ok(other) => {
            eprintln!(
                "LONGHAUL_SIM_STORE={other}: say postgres, or leave it out for the stores of the seeds"
            );
            return ExitCode::FAILURE;
        }
    };
    if let Some(seed) = number("LONGHAUL_SIM_SEED") {
        return if seeds::replay(stores, seed) { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let (first, count) = (number("LONGHAUL_SIM_FROM"), number("LONGHAUL_SIM_SEEDS"));
    let report = seeds::run(stores, first.unwrap_or(0), count.unwrap_or(200));
    println!("{report}");
    if report.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
