//! The command line reference as Markdown, walked out of the commands themselves: docs/cli.md is made from it
//! and can not be wrong.

use clap::builder::StyledStr;
use clap::{Arg, Command};

use crate::error;
use crate::exit::{EXITS, NAMING};

/// How a shell and `man` get to know the commands. The example is run by the tests of the documents.
const SHELL: &str = "\n## Completions and manual pages\n\n\
Both are made from the commands. For bash, and for `man longhaul-job-submit`:\n\n\
```sh\n\
mkdir -p ~/.local/share/bash-completion/completions\n\
longhaul completions bash >~/.local/share/bash-completion/completions/longhaul\n\
longhaul man --out ~/.local/share/man/man1\n\
```\n\n\
```text\n\
… pages in …/.local/share/man/man1\n\
```\n\n\
Other shells have other places: a file `_longhaul` in a directory of `$fpath` for zsh,\n\
`~/.config/fish/completions/longhaul.fish` for fish.\n";

/// The reference of `program` and all its subcommands, exit codes and our own error codes included.
pub fn reference_markdown(program: &Command) -> String {
    let mut program = program.clone();
    program.build();
    let mut text = format!("# `{}`: the command line\n\n", program.get_name());
    text.push_str("Generated from the commands themselves; do not edit. `--help` says the same.\n\n");
    text.push_str(&format!("{}\n\n", NAMING.replace('\n', " ")));
    text.push_str(
        "With `-o json`, stdout has the API's objects, and a failure is one line of JSON, the last of stderr:\n\
         `{\"error\":{\"code\":…,\"description\":…,\"details\":…},\"exit\":…,\"whatToDo\":…}`. Mistakes in the command line itself\n\
         are told in words.\n",
    );
    command(&mut text, &mut program, &mut Vec::new());
    text.push_str(SHELL);
    exits(&mut text);
    codes(&mut text);
    text
}

fn command(text: &mut String, this: &mut Command, path: &mut Vec<String>) {
    path.push(this.get_name().to_owned());
    let title = path.join(" ");
    let level = if path.len() == 1 { "##" } else { "###" };
    text.push_str(&format!("\n{level} `{title}`\n\n"));
    if let Some(about) = this.get_about() {
        text.push_str(&format!("{}\n\n", sentence(about)));
    }
    let usage = this.render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:").trim();
    text.push_str(&format!("```text\n{usage}\n```\n"));
    let top = path.len() == 1;
    // Options of every command are told once, at the top.
    let rows: Vec<String> = this
        .get_arguments()
        .filter(|a| !a.is_hide_set() && (top || !a.is_global_set()))
        .map(argument)
        .collect();
    if !rows.is_empty() {
        text.push_str("\n| argument | meaning | default |\n|---|---|---|\n");
        text.push_str(&rows.concat());
    }
    let mut below: Vec<Command> = this.get_subcommands().filter(|c| !c.is_hide_set()).cloned().collect();
    for sub in below.iter_mut().filter(|c| c.get_name() != "help") {
        command(text, sub, path);
    }
    path.pop();
}

fn argument(arg: &Arg) -> String {
    let values: Vec<String> =
        arg.get_value_names().unwrap_or_default().iter().map(|n| format!("<{n}>")).collect();
    let takes = arg.get_action().takes_values();
    let mut names = Vec::new();
    names.extend(arg.get_short().map(|short| format!("-{short}")));
    names.extend(arg.get_long().map(|long| format!("--{long}")));
    let mut name = names.join(", ");
    if takes {
        name = [name, values.join(" ")]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(" ");
    }
    let mut meaning = arg.get_help().map(sentence).unwrap_or_default();
    let possible: Vec<String> = if takes {
        arg.get_possible_values().iter().map(|v| format!("`{}`", v.get_name())).collect()
    } else {
        vec![]
    };
    if !possible.is_empty() {
        meaning.push_str(&format!(" One of {}.", possible.join(", ")));
    }
    if let Some(variable) = arg.get_env() {
        meaning.push_str(&format!(" Also `{}`.", variable.to_string_lossy()));
    }
    let default: Vec<String> =
        arg.get_default_values().iter().map(|v| v.to_string_lossy().into_owned()).filter(|_| takes).collect();
    let default = if default.is_empty() { String::new() } else { format!("`{}`", default.join(" ")) };
    format!("| `{}` | {} | {} |\n", cell(&name), cell(&meaning), cell(&default))
}

fn exits(text: &mut String) {
    text.push_str("\n## Exit codes\n\n| code | meaning |\n|---|---|\n");
    for (_, code, meaning) in EXITS {
        text.push_str(&format!("| {code} | {} |\n", cell(meaning)));
    }
}

fn codes(text: &mut String) {
    text.push_str("\n## Error codes of the client itself\n\nAll others are the API's.\n\n| code | meaning |\n|---|---|\n");
    for (code, meaning) in [
        (error::BAD_ANSWER, "the server's answer can not be read"),
        (error::UNREACHABLE, "no connection to the server"),
        (error::LOST, "the connection broke or no answer came in time; the call may have been carried out"),
        (error::POLL_TIMEOUT, "an asynchronous call did not end within its time"),
        (error::USAGE, "the command line is wrong"),
        (error::LOCAL, "something on this machine failed"),
        (error::NO_SESSION, "nobody is logged in"),
        (error::WAIT_OVER, "the time given to a wait is over"),
        (error::STAYS_SUSPENDED, "the job that was waited for stays Suspended, or held, until somebody acts"),
        (error::OTHER_BYTES, "an exported image came with another MD5 than the server told"),
        ("HTTP.nnn", "the server answered that status with text instead of an error object"),
    ] {
        text.push_str(&format!("| `{code}` | {} |\n", cell(meaning)));
    }
}

fn sentence(text: &StyledStr) -> String {
    let text = text.to_string();
    let text = text.trim();
    if text.is_empty() || text.ends_with(['.', ']']) { text.to_owned() } else { format!("{text}.") }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
