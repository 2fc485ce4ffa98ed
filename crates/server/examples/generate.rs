//! Prints one page of the documentation that is made from the code; `scripts/generate.sh` calls it.

use std::process::ExitCode;

use longhaul_server::settings::{SETTINGS, variable};

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("configuration") => print!("{}", configuration()),
        Some("cli") => {
            print!("{}", longhaul_cli::reference_markdown(&longhaul_server::command_line::command()))
        }
        _ => {
            eprintln!("usage: generate configuration|cli");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

/// The table of settings as a page.
fn configuration() -> String {
    let mut page = String::from(
        "# Configuration\n\n\
         Made from `crates/server/src/settings.rs` by `scripts/generate.sh`; do not edit.\n\n\
         A setting comes from the defaults below, then the file given with `--config` (TOML), then the\n\
         environment, then the flags of `longhaul serve`; the later one wins. `--set KEY=VALUE` sets any of\n\
         them. An unknown key in the file is refused, and the nearest known one is named.\n\n\
         In the file, the part of a key before the dot is a table: `copy.streams` is `streams` below `[copy]`.\n\n\
         | key | default | environment | meaning |\n|---|---|---|---|\n",
    );
    for setting in SETTINGS {
        let default =
            if setting.default.is_empty() { String::new() } else { format!("`{}`", setting.default) };
        let line = format!(
            "| `{}` | {default} | `{}` | {} |\n",
            setting.key,
            variable(setting.key),
            setting.meaning.replace('|', "\\|")
        );
        page.push_str(&line);
    }
    page
}
