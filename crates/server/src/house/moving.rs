//! `longhaul store copy`: an embedded store moves to PostgreSQL. All of it arrives, compared, in one transaction, or
//! nothing does; a break needs no cleaning up, only the command again.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use longhaul_cli::ByteBar;
use longhaul_engine::TokioRuntime;
use longhaul_model::resource::Account;
use longhaul_model::{ADMIN, HostId, Runtime};
use longhaul_store::house::digest::Digest;
use longhaul_store::house::source::Source;
use longhaul_store::house::tables::TABLES;
use longhaul_store::postgres::{Compared, MoveError, Mover};
use longhaul_store::{Identity, Nodes, PostgresOptions, PostgresStore, SqliteStore, StoreOptions, house};

use super::check::{SQLITE, looked_at, told};
use super::settings;
use crate::data_dir::{CLUSTER_KEY, DEMO_MARK, DataDir, MOVED_FILE, Moved, STORE_FILE};
use crate::store::HOST_KEY;

/// Flags of `store copy`.
#[derive(Debug, clap::Args)]
pub struct CopyArgs {
    /// Data directory of the server whose store moves; the server is stopped
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    /// The empty database that it moves to: postgres://USER@HOST/DATABASE, its password in a file (PGPASSFILE)
    /// [default: the setting store.url]
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// Do not check the store before it moves
    #[arg(long)]
    skip_check: bool,
}

pub(super) async fn run(args: CopyArgs) -> Result<ExitCode> {
    let settings = settings(None, None, args.to.as_deref().map(|url| (url, "--to")))?;
    let Some(url) = settings.store else {
        bail!("say where the store moves to: --to postgres://USER@HOST/DATABASE");
    };
    let (data_dir, place) = (locked(&args.from)?, url.to_string());
    // The same place again: the move broke off at its end, and the database tells whether it is there.
    let moved = data_dir.moved_to()?;
    if let Some(elsewhere) = moved.as_ref().filter(|moved| moved.place != place) {
        bail!(
            "the store of {} has moved to {elsewhere} already; what is in that database is newer than what lies here",
            args.from.display()
        );
    }
    let url = url.with_password();
    let file = data_dir.path().join(STORE_FILE);
    eprintln!("moving the store {} to {place}", file.display());
    let runtime: Arc<dyn Runtime> = Arc::new(TokioRuntime::new());
    // The target first: the store may take long to be read.
    let there = opened(&url, &runtime)?.account(ADMIN).await?;
    if there.is_none() {
        drop(Mover::begin(&url).await?);
    }
    data_dir.secret_key(None)?;
    let here = up_to_date(&data_dir, &file, &runtime).await?;
    if let Some(there) = there {
        let same = here.is_some_and(|here| here.create_ms == there.create_ms);
        println!("{}", taken(&data_dir, &place, moved.as_ref(), same)?);
        joined(&data_dir, &url, &place, &runtime).await?;
        return Ok(ExitCode::SUCCESS);
    }
    if !args.skip_check {
        let (name, path) = (file.display().to_string(), file.clone());
        let report = tokio::task::spawn_blocking(move || house::check(&path, looked_at)).await??;
        if !report.sound() {
            print!("{}", told(&name, SQLITE, &report));
            bail!(
                "a store that is not sound does not move; with --skip-check it does, with what is wrong in it"
            );
        }
    }
    let compared = sent(&url, &file, &data_dir, &place, &*runtime).await?;
    print!("{}", table(&compared));
    joined(&data_dir, &url, &place, &runtime).await?;
    println!("{}", what_to_do(data_dir.path(), &place));
    Ok(ExitCode::SUCCESS)
}

/// From now on the database knows which key its secrets were made with, and refuses others; and the directory knows its
/// cluster.
async fn joined(data_dir: &DataDir, url: &str, place: &str, runtime: &Arc<dyn Runtime>) -> Result<()> {
    let (store, id) = (opened(url, runtime)?, format!("{:032x}", runtime.random_u128()));
    let (_, cluster) = data_dir.join(None, None, &store, place, &id).await?;
    data_dir.remember(&cluster)
}

/// Sends all rows and keeps them, with the mark that the store has moved.
async fn sent(
    url: &str,
    file: &Path,
    data_dir: &DataDir,
    place: &str,
    runtime: &dyn Runtime,
) -> Result<Vec<Compared>> {
    let source = Source::open(file)?;
    let mut total = 0;
    for table in &TABLES {
        total += source.count(table)?;
    }
    let mover = Mover::begin(url).await?;
    let rows = |rows: u64| if rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") };
    let mut bar = ByteBar::counted("moving", total, rows);
    let compared = mover.send(&source, |done| bar.at(done)).await?;
    drop(bar);
    let id = format!("{:032x}", runtime.random_u128());
    mover.note(CLUSTER_KEY, &id).await?;
    // Before it is kept: two servers on two copies would run every job twice.
    data_dir.mark_moved(place, runtime.now_ms(), &id)?;
    match mover.keep().await {
        Ok(()) => Ok(compared),
        Err(error @ MoveError::Unknown { .. }) => Err(error.into()),
        Err(error) => {
            data_dir.unmark_moved()?;
            Err(error.into())
        }
    }
}

/// What is said where the database has a store already: this one, if its account admin was made at the same moment as
/// the one here.
///
/// # Errors
/// It is not this one, or it did not come from here.
fn taken(data_dir: &DataDir, place: &str, moved: Option<&Moved>, same: bool) -> Result<String> {
    let dir = data_dir.path().display();
    match (same, moved) {
        (true, Some(moved)) => Ok(format!(
            "the store of {dir} has moved to {moved} already; nothing was copied, and nothing is to be done: what is in \
             that database is newer.\nStart the server on it, with the same data directory:\n  longhaul serve \
             --data-dir {dir} --store URL"
        )),
        (true, None) => bail!(
            "the database {place} has the store of {dir} already, and it has gone on since: what is there is newer. \
             Nothing was copied. Start a server on it with --store and that URL"
        ),
        (false, Some(moved)) => bail!(
            "{dir}/{MOVED_FILE} says that the store has moved to {moved}, but what is in that database is the store of \
             another cluster: the move broke off, and somebody else began there since. Nothing was copied. Make \
             another database (CREATE DATABASE), remove {dir}/{MOVED_FILE}, and copy there"
        ),
        (false, None) => bail!(
            "the database {place} has the store of another cluster; a store moves into an empty database only: make \
             another one (CREATE DATABASE). Nothing was copied"
        ),
    }
}

/// Brings the embedded store up to date and closes it, so that its log is in the file. Which host this is comes out of
/// it, if it is not in the directory yet. Answers its account admin, if a server ever started on it.
async fn up_to_date(data_dir: &DataDir, file: &Path, runtime: &Arc<dyn Runtime>) -> Result<Option<Account>> {
    let store =
        SqliteStore::open(file, runtime.clone(), StoreOptions::default()).map_err(|e| anyhow!("{e}"))?;
    let fresh = HostId::random(&**runtime);
    let before = store.kept(HOST_KEY, &fresh.to_string()).await?.parse().ok();
    data_dir.host(before, fresh)?;
    Ok(store.account(ADMIN).await?)
}

fn opened(url: &str, runtime: &Arc<dyn Runtime>) -> Result<PostgresStore> {
    PostgresStore::open(url, runtime.clone(), PostgresOptions::default()).map_err(|error| anyhow!("{error}"))
}

/// The data directory, held: no server runs on it, and none starts.
fn locked(from: &Path) -> Result<DataDir> {
    if !from.join(STORE_FILE).is_file() {
        bail!("{} has no store (no file {STORE_FILE}); name the data directory of a server", from.display());
    }
    let data_dir =
        DataDir::open_by("--from", from).context("a store moves only while no server runs on it")?;
    if data_dir.path().join(DEMO_MARK).is_dir() {
        bail!("{} is a demo's: its session and password are published, so it moves nowhere", from.display());
    }
    Ok(data_dir)
}

/// The comparison, for people.
fn table(compared: &[Compared]) -> String {
    let width = compared.iter().map(|both| both.table.len()).max().unwrap_or(0);
    let side = |digest: &Digest| format!("{:>10}  {}", digest.rows, digest.short());
    let mut text = format!(
        "{:width$}  {:>10}  {:16}  {:>10}  {:16}\n",
        "TABLE", "SENT", "SHA-256", "ARRIVED", "SHA-256"
    );
    for both in compared {
        text.push_str(&format!(
            "{:width$}  {}  {}  equal\n",
            both.table,
            side(&both.sent),
            side(&both.arrived)
        ));
    }
    text
}

fn what_to_do(data_dir: &Path, place: &str) -> String {
    let dir = data_dir.display();
    format!(
        "moved, compared and kept: {place}
Start the server on it, with the same data directory, which keeps secret.key and the identity of this machine:
  longhaul serve --data-dir {dir} --store URL
A further node needs a data directory of its own with a copy of {dir}/secret.key in it (mode 0600), and nothing else.
{dir}/{STORE_FILE} stays as it was and is started no more: {dir}/{} says that it moved. Delete the first, not
the second, when you have a backup of the database.",
        MOVED_FILE
    )
}
