//! `completions`: a script for the shell.

use clap::Args;
use clap_complete::{Shell, generate};

use crate::console::Console;
use crate::error::ClientError;
use crate::exit::Exit;

/// Flags of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the script for the whole command line.
pub fn print(
    args: &CompletionsArgs,
    mut program: clap::Command,
    console: &mut Console,
) -> Result<Exit, ClientError> {
    let name = program.get_name().to_owned();
    let mut script = Vec::new();
    generate(args.shell, &mut program, name, &mut script);
    console.line(String::from_utf8_lossy(&script).trim_end())?;
    Ok(Exit::Ok)
}
