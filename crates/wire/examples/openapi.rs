//! Prints the OpenAPI document of one reply profile, as it is committed at the root of the repository.
//! `scripts/generate.sh` calls it; the document itself is made in `longhaul_wire::openapi`.

use std::process::ExitCode;

use longhaul_wire::{Profile, openapi};

fn main() -> ExitCode {
    let name = std::env::args().nth(1).unwrap_or_default();
    let Some(profile) = Profile::from_name(&name) else {
        eprintln!("usage: openapi fast|zstack");
        return ExitCode::from(2);
    };
    print!("{}", openapi::json(profile));
    ExitCode::SUCCESS
}
