//! What the tests share: a place to work in, disks of seeded bytes, the outside witnesses, and a parent
//! that stores checkpoints as the server does.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use longhaul_jobs::attempt_io::protocol::enter;
use longhaul_jobs::attempt_io::{Attempt, AttemptSpec, FromChild, Spawner, ToChild};
use longhaul_jobs::copy::control::Control;
use longhaul_jobs::copy::control::boottime_ns;
use longhaul_jobs::copy::run::{CopyResult, CopySpec, DiskRef, copy};
use longhaul_jobs::copy::{Sink, Stage};
use longhaul_jobs::storage::{DiskError, Format};

pub const MIB: u64 = 1 << 20;
pub type Pages = BTreeMap<u32, Vec<u8>>;

/// A directory of one test on a real file system, emptied at its begin and end.
pub struct Place(pub PathBuf);

impl Place {
    pub fn new(test: &str) -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        Self(dir.canonicalize().unwrap())
    }

    pub fn disk(&self, path: &str, format: Format) -> DiskRef {
        DiskRef::file(self.0.clone(), path, format)
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Seeded bytes (xorshift), the same on every run.
pub struct Seeded(pub u64);

impl Seeded {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub fn bytes(&mut self, len: u64) -> Vec<u8> {
        let mut out = vec![0u8; len as usize];
        for word in out.chunks_mut(8) {
            let value = self.next().to_le_bytes();
            word.copy_from_slice(&value[..word.len()]);
        }
        out
    }
}

/// A raw disk of `len` bytes: `extents` pieces of seeded data, up to 192 KiB each, at odd places, and data
/// in its last byte.
pub fn scattered(path: &Path, len: u64, extents: u64, seed: u64) {
    let mut rng = Seeded(seed);
    let file = File::create(path).unwrap();
    file.set_len(len).unwrap();
    for _ in 0..extents {
        let at = rng.below(len);
        let size = (1 + rng.below(192 << 10)).min(len - at);
        file.write_all_at(&rng.bytes(size), at).unwrap();
    }
    if len > 0 {
        file.write_all_at(&[0xA5], len - 1).unwrap();
    }
}

/// A raw disk of `len` bytes without a hole.
pub fn dense(path: &Path, len: u64, seed: u64) {
    let mut rng = Seeded(seed);
    let file = File::create(path).unwrap();
    let mut at = 0;
    while at < len {
        let piece = rng.bytes((len - at).min(MIB));
        file.write_all_at(&piece, at).unwrap();
        at += piece.len() as u64;
    }
}

pub fn run(program: &str, args: &[&str]) -> Output {
    Command::new(program).args(args).output().unwrap_or_else(|e| panic!("{program}: {e}"))
}

pub fn qemu_img(args: &[&str]) -> String {
    let out = run("qemu-img", args);
    assert!(out.status.success(), "qemu-img {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// The guest's bytes as an outside program sees them.
pub fn guest_bytes(path: &Path) -> Vec<u8> {
    let raw = path.with_extension("witness");
    qemu_img(&["convert", "-O", "raw", path.to_str().unwrap(), raw.to_str().unwrap()]);
    let bytes = fs::read(&raw).unwrap();
    fs::remove_file(raw).unwrap();
    bytes
}

/// `qemu-img check` finds neither errors nor leaks.
pub fn assert_clean(path: &Path) {
    let out = run("qemu-img", &["check", path.to_str().unwrap()]);
    assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stdout));
}

pub fn allocated(path: &Path) -> u64 {
    fs::metadata(path).unwrap().blocks() * 512
}

/// Stores nothing, reports nothing.
pub struct Quiet;

impl Sink for Quiet {
    fn progress(&self, _: Stage, _: u64, _: u64) {}
    fn checkpoint(&self, _: Vec<(u32, Vec<u8>)>) -> Result<(), DiskError> {
        Ok(())
    }
}

/// Copies in this process.
pub fn copy_here(source: DiskRef, target: DiskRef) -> Result<CopyResult, DiskError> {
    copy(&CopySpec::new(source, target), &Pages::new(), &Control::new(0), &Quiet)
}

/// The program of the child: the example of this crate, which cargo builds beside the tests.
pub fn child_program() -> PathBuf {
    let exe = std::env::current_exe().unwrap();
    let program = exe.parent().unwrap().parent().unwrap().join("examples/attempt_io");
    assert!(program.exists(), "{} is built by cargo test", program.display());
    program
}

pub fn spec(source: DiskRef, target: DiskRef) -> AttemptSpec {
    AttemptSpec { copy: CopySpec::new(source, target), bytes_per_s: 0, lease_ttl_ms: 0, lease_at_ns: 0 }
}

/// Starts a child, hears its `Hello` and says `Go`.
pub async fn start(spawner: &Spawner, spec: &AttemptSpec, pages: &Pages) -> Attempt {
    let mut attempt = spawner.spawn().await.unwrap();
    match attempt.next_event().await.unwrap() {
        Some(FromChild::Hello { pid, start_time }) => {
            assert_eq!(pid, attempt.pid());
            assert!(start_time > 0);
        }
        other => panic!("no hello: {other:?}"),
    }
    let spec = AttemptSpec { lease_at_ns: boottime_ns(), ..spec.clone() };
    attempt.go(&spec, pages).await.unwrap();
    attempt
}

/// The next message that is not progress; checkpoints are stored and answered.
pub async fn outcome(attempt: &mut Attempt, pages: &mut Pages) -> Option<FromChild> {
    loop {
        match attempt.next_event().await.unwrap()? {
            FromChild::Checkpoint { seq, pages: changed } => {
                enter(changed, pages);
                // If it is gone already, its end is the next thing read.
                let _ = attempt.send(&ToChild::CheckpointStored { seq }).await;
            }
            FromChild::Progress { .. } => {}
            other => return Some(other),
        }
    }
}

pub fn done(outcome: Option<FromChild>) -> CopyResult {
    match outcome {
        Some(FromChild::Done { result }) => result,
        other => panic!("not done: {other:?}"),
    }
}

pub fn failed(outcome: Option<FromChild>) -> DiskError {
    match outcome {
        Some(FromChild::Failed { error }) => error,
        other => panic!("not failed: {other:?}"),
    }
}
