//! A directory of one test, disks of seeded bytes in it, and the outside witnesses of what they hold.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// How long anything may take that takes no time by design, on a machine that is busy with other things.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// How often is looked.
pub const POLL: Duration = Duration::from_millis(20);
/// 2^20 bytes.
pub const MIB: u64 = 1 << 20;

/// Looks again and again until there is something, and panics when there was nothing for `patience`.
pub fn until<T>(what: &str, patience: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + patience;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "not within {patience:?}: {what}");
        std::thread::sleep(POLL);
    }
}

/// A number from the environment, for longer runs.
pub fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
}

/// A directory of one test on a real file system, emptied at its begin and end.
#[derive(Debug)]
pub struct Place(PathBuf);

impl Place {
    /// The directory of `test`.
    pub fn new(test: &str) -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        Self(dir.canonicalize().unwrap())
    }

    /// A path below it.
    pub fn path(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }

    /// A directory below it, made; as text.
    pub fn dir(&self, path: &str) -> String {
        let dir = self.path(path);
        fs::create_dir_all(&dir).unwrap();
        shown(&dir)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}

/// A path as text.
pub fn shown(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// Seeded bytes (xorshift), the same on every run.
#[derive(Debug)]
pub struct Seeded(pub u64);

impl Seeded {
    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// `len` bytes.
    pub fn bytes(&mut self, len: u64) -> Vec<u8> {
        let mut out = vec![0u8; usize::try_from(len).unwrap()];
        for word in out.chunks_mut(8) {
            let value = self.next().to_le_bytes();
            word.copy_from_slice(&value[..word.len()]);
        }
        out
    }
}

/// A raw disk of `len` bytes, without a hole.
pub fn raw_disk(path: &Path, len: u64, seed: u64) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut rng = Seeded(seed);
    let file = File::create(path).unwrap();
    let mut at = 0;
    while at < len {
        let piece = rng.bytes((len - at).min(MIB));
        file.write_all_at(&piece, at).unwrap();
        at += piece.len() as u64;
    }
}

/// A disk of `len` bytes without a hole, in `format`.
pub fn disk(path: &Path, format: &str, len: u64, seed: u64) {
    if format == "raw" {
        return raw_disk(path, len, seed);
    }
    let raw = path.with_extension("making");
    raw_disk(&raw, len, seed);
    qemu_img(&["convert", "-f", "raw", "-O", format, &shown(&raw), &shown(path)]);
    fs::remove_file(raw).unwrap();
}

/// Runs a program to its end.
pub fn run(program: &str, args: &[&str]) -> Output {
    Command::new(program).args(args).output().unwrap_or_else(|e| panic!("{program}: {e}"))
}

/// What a program that succeeds prints.
pub fn said(program: &str, args: &[&str]) -> String {
    let out = run(program, args);
    assert!(out.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// `qemu-img`.
pub fn qemu_img(args: &[&str]) -> String {
    said("qemu-img", args)
}

/// SHA-256 of the guest's bytes, by `qemu-img convert` and `sha256sum`.
pub fn guest_sha256(path: &Path, format: &str) -> String {
    let raw = path.with_extension("witness");
    qemu_img(&["convert", "-f", format, "-O", "raw", &shown(path), &shown(&raw)]);
    let sum = sha256(&raw);
    fs::remove_file(raw).unwrap();
    sum
}

/// BLAKE3 of the guest's bytes, which `qemu-img convert` reads, in hexadecimal.
pub fn guest_blake3(path: &Path, format: &str) -> String {
    let raw = path.with_extension("witness");
    qemu_img(&["convert", "-f", format, "-O", "raw", &shown(path), &shown(&raw)]);
    let sum = blake3::hash(&fs::read(&raw).unwrap()).to_hex().to_string();
    fs::remove_file(raw).unwrap();
    sum
}

/// SHA-256 of a file, by `sha256sum`.
pub fn sha256(path: &Path) -> String {
    said("sha256sum", &[&shown(path)]).split_whitespace().next().unwrap().to_owned()
}

/// `qemu-img check` finds neither errors nor leaks; raw disks have nothing to check.
pub fn assert_clean(path: &Path, format: &str) {
    if format == "qcow2" {
        let out = run("qemu-img", &["check", &shown(path)]);
        assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stdout));
    }
}

/// Every file below `dir` but a storage's mark, by `find`, relative to it and sorted.
pub fn files(dir: &str) -> Vec<String> {
    let found = said("find", &[dir, "-mindepth", "1", "-printf", "%P\n"]);
    let mut files: Vec<String> =
        found.lines().filter(|file| *file != ".longhaul-storage").map(str::to_owned).collect();
    files.sort();
    files
}
