//! `man`: a manual page for each command, made from the commands themselves, so that none can be forgotten.
//! The same words are in docs/cli.md, see `reference`.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use clap_mangen::Man;

use crate::console::Console;
use crate::error::ClientError;
use crate::exit::Exit;

/// Flags of `man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Directory for the pages, as ~/.local/share/man/man1; made if it is not there
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Writes a page for `program` and for each of its commands, and tells how many there are.
pub fn write(args: &ManArgs, program: clap::Command, console: &mut Console) -> Result<Exit, ClientError> {
    let told = |error: std::io::Error| {
        ClientError::local(format!(
            "manual pages can not be written to {}: {error}; name another directory with --out",
            args.out.display()
        ))
    };
    fs::create_dir_all(&args.out).map_err(told)?;
    // `help COMMAND` says what the command's own page says.
    let mut program = program.disable_help_subcommand(true);
    program.build();
    let source = format!("{} {}", program.get_name(), env!("CARGO_PKG_VERSION"));
    let pages = pages(&program, &source, &args.out).map_err(told)?;
    console.line(&format!("{pages} pages in {}", args.out.display()))?;
    Ok(Exit::Ok)
}

/// Writes the pages of a command and of those below it; answers how many.
fn pages(command: &clap::Command, source: &str, directory: &Path) -> std::io::Result<usize> {
    Man::new(command.clone()).source(source).manual("Longhaul").generate_to(directory)?;
    let mut count = 1;
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        count += pages(below, source, directory)?;
    }
    Ok(count)
}
