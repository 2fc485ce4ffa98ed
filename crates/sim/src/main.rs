//! `longhaul-sim`: runs many seeds, or replays one with its trace. `LONGHAUL_SIM_SEEDS` says how many (200),
//! `LONGHAUL_SIM_FROM` from which (0), `LONGHAUL_SIM_SEED` which one to replay.

use std::process::ExitCode;

use longhaul_sim::seeds;

fn main() -> ExitCode {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    if let Some(seed) = number("LONGHAUL_SIM_SEED") {
        return if seeds::replay(seed) { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let report =
        seeds::run(number("LONGHAUL_SIM_FROM").unwrap_or(0), number("LONGHAUL_SIM_SEEDS").unwrap_or(200));
    println!("{report}");
    if report.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
