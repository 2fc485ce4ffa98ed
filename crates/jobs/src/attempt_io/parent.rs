//! The parent's handle on a child: what it says, what it is told, its end. Starting it: `spawner`; the
//! messages: `protocol`.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::UnixStream;

use super::protocol::{AttemptSpec, FromChild, PAGES_PER_MESSAGE, ToChild, to_pages};
use super::spawner::{self, Request};
use super::{frame, process};

/// Bytes read from the socket at once.
const READ_BYTES: usize = 64 << 10;

/// A running child. Dropping it kills the child.
#[derive(Debug)]
pub struct Attempt {
    line: Line,
    inbox: Vec<u8>,
    pidfd: AsyncFd<OwnedFd>,
    child: Option<Child>,
    pid: u32,
}

/// The way to a child, for those who only talk to it; clones are the same way.
#[derive(Clone, Debug)]
pub struct Line {
    stream: Arc<UnixStream>,
    /// What is not on the socket yet. Kept here and not in a future, so that a send that is dropped half-way
    /// leaves no half frame.
    outbox: Arc<Mutex<Vec<u8>>>,
}

impl Line {
    /// Says `message` and returns when the socket has all of it. May be dropped at any await: what was said
    /// before is then completed by the next send.
    ///
    /// # Errors
    /// Those of the socket; `BrokenPipe` when the child is gone.
    pub async fn send(&self, message: &ToChild) -> io::Result<()> {
        let frame = frame::encode(message)?;
        self.outbox().extend_from_slice(&frame);
        loop {
            self.stream.writable().await?;
            let mut outbox = self.outbox();
            if outbox.is_empty() {
                return Ok(());
            }
            match self.stream.try_write(&outbox) {
                Ok(n) => drop(outbox.drain(..n)),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) => return Err(e),
            }
            if outbox.is_empty() {
                return Ok(());
            }
        }
    }

    fn outbox(&self) -> std::sync::MutexGuard<'_, Vec<u8>> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attempt {
    pub(super) fn new(mut child: Child, socket: std::os::unix::net::UnixStream) -> io::Result<Self> {
        let pid = child.id();
        let made = (|| {
            socket.set_nonblocking(true)?;
            let stream = Arc::new(UnixStream::from_std(socket)?);
            // Not waited for yet, so the pid is still its own.
            let pidfd = process::open(pid)?.ok_or_else(|| io::Error::other("the child is gone"))?;
            // SAFETY: an `OwnedFd` is open until it is dropped, and nobody closes it before.
            let pidfd = unsafe { AsyncFd::register_with_interest(pidfd, Interest::READABLE) }?;
            Ok((stream, pidfd))
        })();
        match made {
            Ok((stream, pidfd)) => {
                let line = Line { stream, outbox: Arc::default() };
                Ok(Self { line, inbox: Vec::new(), pidfd, child: Some(child), pid })
            }
            Err(e) => {
                let _ = child.kill();
                let _ = spawner::send(Request::Reap(child));
                Err(e)
            }
        }
    }

    /// The child's process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// A way to talk to the child from elsewhere.
    pub fn line(&self) -> Line {
        self.line.clone()
    }

    /// Says `message`; see `Line::send`.
    ///
    /// # Errors
    /// As `Line::send`.
    pub async fn send(&self, message: &ToChild) -> io::Result<()> {
        self.line.send(message).await
    }

    /// Says `Go`, with the pages of an earlier attempt's last checkpoint (empty for the first). To be called
    /// once the ledger knows the pid and start time of `Hello`.
    ///
    /// # Errors
    /// As `Line::send`.
    pub async fn go(&self, spec: &AttemptSpec, pages: &BTreeMap<u32, Vec<u8>>) -> io::Result<()> {
        // Cut up before the first await: an iterator with a closure must not live across one.
        let pages = to_pages(pages.iter().map(|(n, b)| (*n, b.clone())));
        for part in pages.chunks(PAGES_PER_MESSAGE) {
            self.send(&ToChild::ResumePages { pages: part.to_vec() }).await?;
        }
        self.send(&ToChild::Go { spec: Box::new(spec.clone()) }).await
    }

    /// The next message of the child; `None` when it is gone. May be dropped at any await without loss.
    ///
    /// # Errors
    /// Those of the socket; `InvalidData` when the child talks nonsense.
    pub async fn next_event(&mut self) -> io::Result<Option<FromChild>> {
        loop {
            if let Some(message) = frame::decode(&mut self.inbox)? {
                return Ok(Some(message));
            }
            self.line.stream.readable().await?;
            let held = self.inbox.len();
            self.inbox.resize(held + READ_BYTES, 0);
            let read = self.line.stream.try_read(&mut self.inbox[held..]);
            self.inbox.truncate(held + *read.as_ref().unwrap_or(&0));
            match read {
                Ok(0) => return Ok(None),
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                // A child that was killed may leave a message of ours unread.
                Err(e) if e.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
                Err(e) => return Err(e),
            }
        }
    }

    /// Says `Release` and lets the child end by itself, beside us; for one that holds a source after `Done`. It also
    /// ends when this process does.
    pub fn release(mut self) {
        if let Ok(frame) = frame::encode(&ToChild::Release) {
            let mut outbox = self.line.outbox();
            outbox.extend_from_slice(&frame);
            // A few bytes into an idle socket. If they do not fit, its end says nearly as much.
            let _ = self.line.stream.try_write(&outbox);
        }
        self.leave();
    }

    /// Lets the child find the end of the socket, and end by that.
    pub fn leave(&mut self) {
        if let Some(child) = self.child.take() {
            let _ = spawner::send(Request::Reap(child));
        }
    }

    /// Waits until the child has ended; it holds no lock and writes nothing any more.
    ///
    /// # Errors
    /// Those of the system.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        loop {
            let child = self.child.as_mut().ok_or_else(|| io::Error::other("it was waited for already"))?;
            if let Some(status) = child.try_wait()? {
                self.child = None;
                return Ok(status);
            }
            let mut ready = self.pidfd.readable().await?;
            ready.clear_ready();
        }
    }

    /// Kills the child, whatever it does, and waits until it has ended. A child in an uninterruptible read of
    /// a hung device ends when that read does, not before.
    ///
    /// # Errors
    /// Those of the system.
    pub async fn kill_and_wait(&mut self) -> io::Result<ExitStatus> {
        process::kill(self.pidfd.get_ref())?;
        self.wait().await
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if let Some(child) = self.child.take() {
            let _ = process::kill(self.pidfd.get_ref());
            let _ = spawner::send(Request::Reap(child));
        }
    }
}
