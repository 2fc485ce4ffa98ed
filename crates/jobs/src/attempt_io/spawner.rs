//! Starting children. The kernel's signal at a parent's death comes when the thread that spawned the
//! child ends, so one thread of this process spawns them all and never ends. Talking to a child: `parent`.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use tokio::sync::oneshot;

use super::parent::Attempt;
use super::{ARGUMENT, INHERITED, PARENT_PID};

/// How often children that nobody waits for are looked after.
const REAP_INTERVAL: Duration = Duration::from_millis(200);

pub(super) enum Request {
    Spawn(Box<Command>, oneshot::Sender<io::Result<Child>>),
    /// A child that was killed and is not waited for; else it would stay as a zombie.
    Reap(Child),
}

/// Starts children of one program.
#[derive(Clone, Debug)]
pub struct Spawner {
    program: PathBuf,
    environment: Vec<(OsString, OsString)>,
}

impl Spawner {
    /// Children of this very binary, also when its file was replaced since.
    pub fn this_binary() -> Self {
        Self::new(PathBuf::from("/proc/self/exe"))
    }

    /// Children of `program`, which calls `child::main` when its first argument is `ARGUMENT`.
    pub fn new(program: PathBuf) -> Self {
        Self { program, environment: Vec::new() }
    }

    /// Adds a variable to the children's environment.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Starts a child, which says `Hello` and then waits for `Go`.
    ///
    /// # Errors
    /// Those of the system: no such program, no more processes or descriptors.
    pub async fn spawn(&self) -> io::Result<Attempt> {
        let (ours, theirs) = UnixStream::pair()?;
        let mut command = Command::new(&self.program);
        command
            .arg(ARGUMENT)
            .env_clear()
            .envs(INHERITED.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
            .env(PARENT_PID, std::process::id().to_string())
            .envs(self.environment.iter().map(|(k, v)| (k, v)))
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null());
        let (answer, spawned) = oneshot::channel();
        send(Request::Spawn(Box::new(command), answer))?;
        let child = spawned.await.map_err(|_| io::Error::other("the spawning thread is gone"))??;
        Attempt::new(child, ours)
    }
}

/// Hands a request to the thread that never ends.
pub(super) fn send(request: Request) -> io::Result<()> {
    static THREAD: OnceLock<io::Result<Sender<Request>>> = OnceLock::new();
    let started = THREAD.get_or_init(|| {
        let (sender, requests) = channel();
        let keep = sender.clone();
        std::thread::Builder::new().name("spawner".into()).spawn(move || serve(&requests, keep))?;
        Ok(sender)
    });
    match started {
        Ok(sender) => sender.send(request).map_err(|_| io::Error::other("the spawning thread is gone")),
        Err(e) => Err(io::Error::new(e.kind(), e.to_string())),
    }
}

/// Serves for as long as the process lives: it keeps a sender of its own, so the channel never closes.
fn serve(requests: &Receiver<Request>, _keep: Sender<Request>) {
    let mut orphans: Vec<Child> = Vec::new();
    loop {
        let request = if orphans.is_empty() {
            requests.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            requests.recv_timeout(REAP_INTERVAL)
        };
        match request {
            Ok(Request::Spawn(mut command, answer)) => {
                let child = command.spawn();
                // Closes our copy of the child's socket, so that its end is the end of the stream.
                drop(command);
                if let Err(Ok(mut unwanted)) = answer.send(child) {
                    let _ = unwanted.kill();
                    orphans.push(unwanted);
                }
            }
            Ok(Request::Reap(child)) => orphans.push(child),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        orphans.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
    }
}
