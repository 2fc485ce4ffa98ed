//! `longhaul store backup`: a copy of the embedded store in a file of its own, made while the server works. The
//! name is given only to a copy that is whole, checked and on disk.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use longhaul_cli::{ByteBar, Exit, human_bytes};
use longhaul_store::house::backup;
use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::Place;
use super::check::{SQLITE, looked_at, told};
use crate::data_dir::{Cluster, Moved, STORE_FILE};

/// Flags of `store backup`.
#[derive(Debug, clap::Args)]
pub struct BackupArgs {
    #[command(flatten)]
    place: Place,
    /// The file to make; one that is there is not replaced
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    /// Copy the file that was left behind when the store moved to a database; it has nothing of what happened since
    #[arg(long)]
    moved: bool,
}

pub(super) async fn run(args: BackupArgs) -> Result<ExitCode> {
    let to = std::path::absolute(&args.to)?;
    let data_dir = args.place.data_dir()?;
    let from = data_dir.join(STORE_FILE);
    let moved = Moved::of(&data_dir)?;
    if let Some(moved) = moved.as_ref().filter(|_| !args.moved) {
        bail!("{}", not_here(&data_dir, moved));
    }
    if let Some(cluster) = Cluster::of(&data_dir)?.filter(|_| !from.exists()) {
        bail!(
            "{} is that of a node whose store is the database {}. Back that up: pg_dump --format=custom --file=FILE '{1}'",
            data_dir.display(),
            cluster.place
        );
    }
    eprintln!("backing up the store {}", from.display());
    if fs::symlink_metadata(&to).is_ok() {
        bail!("{} is there already; choose another name, or move it away", to.display());
    }
    let unfinished = Unfinished(with_suffix(&to, &format!(".unfinished-{}", std::process::id())));
    let (source, copy) = (from.clone(), unfinished.0.clone());
    let work = tokio::task::spawn_blocking(move || {
        let mut bar = None;
        backup(
            &source,
            &copy,
            |done, all| bar.get_or_insert_with(|| ByteBar::new("backup", all)).at(done),
            looked_at,
        )
    });
    let made = tokio::select! {
        made = work => made.context("the backup broke off")??,
        _ = tokio::signal::ctrl_c() => {
            eprintln!("broken off; there is no backup");
            drop(unfinished);
            // The thread that copies has no other end.
            std::process::exit(i32::from(Exit::Interrupted.code()));
        }
    };
    let name = to.display().to_string();
    if !made.report.sound() {
        let kept = with_suffix(&to, ".not-sound");
        publish(&unfinished.0, &kept)?;
        print!("{}", told(&kept.display().to_string(), SQLITE, &made.report));
        println!(
            "the store itself is damaged, and so is its copy {}, which is kept all the same",
            kept.display()
        );
        return Ok(ExitCode::FAILURE);
    }
    publish(&unfinished.0, &to)?;
    print!("{}", told(&name, SQLITE, &made.report));
    println!("backup: {name}, {}", human_bytes(made.bytes));
    if let Some(moved) = moved {
        println!("it is of the store before that moved to {moved}, and has nothing of what happened since");
    }
    println!(
        "it holds no secret.key, without which access keys and secrets of jobs in it cannot be read: keep a copy of {} in another place",
        data_dir.join("secret.key").display()
    );
    Ok(ExitCode::SUCCESS)
}

/// Why there is no backup of a store that has moved, and how there is one.
fn not_here(data_dir: &Path, moved: &Moved) -> String {
    format!(
        "the store of {} has moved to {moved}: a backup of the file that was left here has nothing of what happened \
         since, so none was made. Back the database up: pg_dump --format=custom --file=FILE '{}'. With --moved the \
         file that was left is backed up all the same",
        data_dir.display(),
        moved.place
    )
}

/// A file that goes unless it was given its name.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0); // not there: it has its name
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Gives a file on disk its name for good, unless the name is taken.
fn publish(file: &Path, name: &Path) -> Result<()> {
    let named = renameat_with(CWD, file, CWD, name, RenameFlags::NOREPLACE).or_else(|error| match error {
        rustix::io::Errno::EXIST => Err(error),
        // Not every file system knows such a rename; a second name is refused the same way.
        _ => rustix::fs::link(file, name),
    });
    named.map_err(|error| {
        anyhow!("{} could not be given its name: {error}; choose another with --to", name.display())
    })?;
    let directory = name.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .with_context(|| format!("{} could not be synced", directory.display()))
}
