//! The child's main: proves that its parent lives, says who it is, waits for `Go`, copies, and reports. It
//! ends at once when the parent is gone or the lease ran out. The copying is `copy::run`.

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;
use std::{io, thread};

use rustix::process::{Signal, getppid, set_parent_process_death_signal};

use super::protocol::{AttemptSpec, FromChild, ToChild, enter};
use super::report::Report;
use super::{PARENT_PID, PAUSE_BEFORE_VERIFY, frame, process, question};
use crate::copy::control::Control;
use crate::copy::disk::DiskRef;
use crate::copy::run;
use crate::copy::source::Source;
use crate::rbd::uncopied;
use crate::storage::DiskError;

/// Exit code: started by hand, or the parent broke the protocol.
pub const EXIT_PROTOCOL: u8 = 70;
/// Exit code: what confirmed the lease last was sent one TTL ago.
pub const EXIT_LEASE: i32 = 75;
/// Exit code: the parent is gone.
pub const EXIT_ORPHAN: i32 = 76;

/// The lease's timer looks this often.
const LEASE_POLL: Duration = Duration::from_millis(20);

/// Runs one attempt over the socket that is standard input. For the binary's `main` when its first argument
/// is `ARGUMENT`. Needs no async runtime.
///
/// The exit code is 0 when the outcome (`Done`, `Canceled` or `Failed`) was told, else one of the above.
pub fn main() -> ExitCode {
    match attempt() {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("longhaul attempt-io: {e}; it is started by a longhaul server, not by hand");
            ExitCode::from(EXIT_PROTOCOL)
        }
    }
}

fn attempt() -> io::Result<()> {
    // First the signal, then the look: a parent that dies in between is noticed by the look.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let parent = std::env::var(PARENT_PID).ok().and_then(|p| p.parse::<i32>().ok());
    if parent.is_none() || getppid().map(|p| p.as_raw_nonzero().get()) != parent {
        return Err(io::Error::other("the parent is not who started us"));
    }
    let mut socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let pid = std::process::id();
    let start_time = process::start_time(pid).ok_or_else(|| io::Error::other("/proc is not there"))?;
    frame::write(&mut socket, &FromChild::Hello { pid, start_time })?;

    let mut pages = BTreeMap::new();
    let mut rate = None;
    let spec = loop {
        match frame::read(&mut socket)? {
            Some(ToChild::ResumePages { pages: more }) => enter(more, &mut pages),
            Some(ToChild::Go { spec }) => break spec,
            Some(ToChild::Cancel) => return frame::write(&mut socket, &FromChild::Canceled),
            Some(ToChild::Throttle { bytes_per_s }) => rate = Some(bytes_per_s),
            Some(ToChild::Ask { pool, question }) => {
                let said = match question::answer(&pool, question) {
                    Ok(answer) => FromChild::Answer { answer },
                    Err(error) => FromChild::Failed { error },
                };
                return frame::write(&mut socket, &said);
            }
            Some(
                ToChild::LeaseConfirmed { .. }
                | ToChild::CheckpointStored { .. }
                | ToChild::CheckSource
                | ToChild::Release,
            ) => {}
            None => return Ok(()),
        }
    };
    run_copy(&spec, rate.unwrap_or(spec.bytes_per_s), &pages, socket)
}

fn run_copy(
    spec: &AttemptSpec,
    rate: u64,
    pages: &BTreeMap<u32, Vec<u8>>,
    socket: UnixStream,
) -> io::Result<()> {
    let control = Arc::new(Control::new(rate));
    if spec.lease_ttl_ms > 0 {
        control.confirm_lease(spec.lease_at_ns, spec.lease_ttl_ms);
        let control = Arc::clone(&control);
        thread::Builder::new().name("lease".into()).spawn(move || end_with_lease(&control))?;
    }
    let listener = socket.try_clone()?;
    let pause = std::env::var_os(PAUSE_BEFORE_VERIFY).map(PathBuf::from);
    let report = Report::new(socket, &control, pause);
    uncopied::watch();
    let (later, asked) = channel();
    let outcome = thread::scope(|scope| {
        // Ends with the process: it waits for what the parent may still say.
        let listen = scope.spawn(|| listen(&listener, &control, &report, spec.lease_ttl_ms, later));
        let progress = scope.spawn(|| report.send_progress());
        let copied = run::copy_and_hold(&spec.copy, pages, &control, &report);
        report.end();
        let _ = progress.join();
        let outcome = match copied {
            Ok((result, source)) => match &spec.copy.source {
                DiskRef::Image { .. } => {
                    return hold(source, FromChild::Done { result }, &control, &report, &asked);
                }
                DiskRef::File { .. } => Some(FromChild::Done { result }),
            },
            Err(DiskError::Canceled) => Some(FromChild::Canceled),
            // Its last words could block on a parent that is stopped, so it says none.
            Err(DiskError::LeaseExpired) => std::process::exit(EXIT_LEASE),
            Err(error) => Some(FromChild::Failed { error }),
        };
        // Wakes the listener; the other direction stays open for the outcome.
        let _ = listener.shutdown(std::net::Shutdown::Read);
        let _ = listen.join();
        Ok(outcome)
    })?;
    let Some(outcome) = outcome else { return Ok(()) };
    match report.send(&outcome) {
        // A name that is not UTF-8 can't be said in JSON; its error still is told.
        Err(e) if e.kind() == io::ErrorKind::InvalidData => {
            let text = match outcome {
                FromChild::Failed { error } => error.to_string(),
                _ => e.to_string(),
            };
            let error = DiskError::io("copy", &PathBuf::from("disk"), io::Error::other(text));
            report.send(&FromChild::Failed { error })
        }
        sent => sent,
    }
}

/// Tells the outcome and holds the source until the parent releases it or is gone. Nothing is written any more
/// but the parent's orders, so the lease is not waited for: who takes the job over shuts us out.
fn hold(
    source: Source,
    done: FromChild,
    control: &Control,
    report: &Report<'_>,
    asked: &Receiver<ToChild>,
) -> io::Result<Option<FromChild>> {
    control.end_lease();
    report.send(&done)?;
    while let Ok(order) = asked.recv() {
        match order {
            ToChild::CheckSource => report.send(&match source.check_to_be_left() {
                Ok(()) => FromChild::SourceUnchanged,
                Err(error) => FromChild::Failed { error },
            })?,
            ToChild::Release => {
                // What stays of it goes with the image; there is nobody left to tell.
                if let Err(error) = source.give_back() {
                    eprintln!("longhaul attempt-io: {error}");
                }
                break;
            }
            _ => {}
        }
    }
    // Closed by hand: an image that is merely left is watched for another half minute.
    drop(source);
    // The listener waits for a parent that may have nothing more to say.
    std::process::exit(0)
}

/// Does what the parent says, until the attempt is over. The end of the stream is the end of the parent.
fn listen(
    mut socket: &UnixStream,
    control: &Control,
    report: &Report<'_>,
    ttl_ms: u64,
    later: Sender<ToChild>,
) {
    loop {
        match frame::read(&mut socket) {
            Ok(Some(ToChild::Throttle { bytes_per_s })) => control.set_rate(bytes_per_s),
            Ok(Some(ToChild::Cancel)) => {
                control.cancel();
                report.canceled();
            }
            Ok(Some(ToChild::LeaseConfirmed { at_ns })) if ttl_ms > 0 => {
                control.confirm_lease(at_ns, ttl_ms);
            }
            Ok(Some(ToChild::CheckpointStored { seq })) => report.stored(seq),
            Ok(Some(order @ (ToChild::CheckSource | ToChild::Release))) => {
                let _ = later.send(order); // nobody waits for it where the source is a file
            }
            Ok(Some(
                ToChild::LeaseConfirmed { .. }
                | ToChild::ResumePages { .. }
                | ToChild::Go { .. }
                | ToChild::Ask { .. },
            )) => {}
            Ok(None) if report.ended() => return,
            Ok(None) | Err(_) => std::process::exit(EXIT_ORPHAN),
        }
    }
}

/// Ends the process, whatever it is in the middle of, when the lease runs out. Has its own thread, which
/// waits for nothing else.
fn end_with_lease(control: &Control) {
    loop {
        if control.check_lease().is_err() {
            std::process::exit(EXIT_LEASE);
        }
        thread::sleep(LEASE_POLL);
    }
}
