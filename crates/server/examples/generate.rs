//! Prints one page of the documentation that is made from the code; `scripts/generate.sh` calls it.

use std::process::ExitCode;

use longhaul_server::global_config::{Bounds, InForce, ROWS};
use longhaul_server::settings::{Layers, SETTINGS, VARIABLES, variable};

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

/// What only the file can say.
const BUDGETS: &str = "\n## Budgets of storages\n\n\
     In the file only, and looked at again every 2 s while the server runs. NAME is a primary storage's name or uuid;\n\
     what they mean, with an example: [bandwidth.md](bandwidth.md#budgets-of-storages).\n\n\
     | key | default | meaning |\n|---|---|---|\n\
     | `storage.NAME.bytes_per_second` | `0` | Bytes per second that all copies from and to the storage share outside of any window, 65536 or more; 0 is unlimited. |\n\
     | `storage.NAME.time_zone` | setting `timezone` | Zone whose clocks its windows mean, as an IANA name. |\n\
     | `[[storage.NAME.window]]` | | A window; of those that are open the strictest counts. At most 100. |\n\
     | `days` in it | every day | Weekdays on which it begins, as `[\"mon\", \"tue\"]`. |\n\
     | `from` and `to` in it | | Times of the day, as `\"22:00\"` or `\"22:00:30\"`; where `to` is not after `from`, it is on the next day. |\n\
     | `bytes_per_second` in it | | Instead of the storage's, 65536 or more; 0 is unlimited. |\n\
     | `pause` in it | `false` | `true` instead of `bytes_per_second`: copies stand still. |\n";

/// The table of settings as a page.
fn configuration() -> String {
    let mut page = String::from(
        "# Configuration\n\n\
         Made from `crates/server/src/settings.rs` by `scripts/generate.sh`; do not edit.\n\n\
         A setting comes from the defaults below, then the file given with `--config` (TOML), then the\n\
         environment, then the flags of `longhaul serve`; the later one wins. `--set KEY=VALUE` sets any of\n\
         them. What an admin chose as a [global configuration](#global-configurations) wins over all of these,\n\
         until it is reset. An unknown key in the file is refused, and the nearest known one is named.\n\n\
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
    page.push_str(BUDGETS);
    page.push_str("\n## Other variables\n\nOf `longhaul serve`, in the environment only:\n\n| variable | meaning |\n|---|---|\n");
    for (name, meaning) in VARIABLES {
        page.push_str(&format!("| `{name}` | {} |\n", meaning.replace('|', "\\|")));
    }
    page.push_str(&global_configurations());
    page
}

/// The table of what is changed over the API while the server runs.
fn global_configurations() -> String {
    let mut page = String::from(
        "\n## Global configurations\n\n\
         An admin changes these while the server runs, with `updateGlobalConfig`\n\
         (`PUT /v1/global-configurations/{category}/{name}/actions`). A change is in force at once and is kept over a\n\
         restart; `resetGlobalConfig` gives all of them their defaults again. The default of one that has a setting\n\
         is what that setting says at the start.\n\n\
         | category | name | default | values | meaning |\n|---|---|---|---|---|\n",
    );
    let defaults = Layers::default().settings().map(|settings| InForce::of(&settings)).ok();
    for row in ROWS {
        let value = defaults.as_ref().map(|now| row.text(now)).unwrap_or_default();
        let default = match (row.setting, value.is_empty()) {
            (Some(setting), true) => format!("setting `{setting}`"),
            (Some(setting), false) => format!("setting `{setting}`, `{value}`"),
            (None, _) => format!("`{value}`"),
        };
        let values = match row.bounds {
            Bounds::Number(low, u64::MAX) => format!("{low} or more"),
            Bounds::Number(low, high) => format!("{low} to {high}"),
            Bounds::NumberOrEmpty(low, high) => format!("{low} to {high}, or empty"),
            Bounds::Flag => "true, false".to_owned(),
            Bounds::OneOf(words) => words.join(", "),
        };
        let line =
            format!("| `{}` | `{}` | {default} | {values} | {} |\n", row.category, row.name, row.meaning);
        page.push_str(&line);
    }
    page
}
