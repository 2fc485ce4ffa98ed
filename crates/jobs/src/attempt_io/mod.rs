//! The child process `longhaul attempt-io`: all I/O on the target of an attempt happens in it, so that a
//! hung or crashing library takes no server with it, and a dead server leaves no writer behind.
//!
//! The child (`child`) ends with its parent, by the kernel's signal and by the end of the socket, and
//! ends itself when its lease is not confirmed for one TTL. The parent (`parent`, started by `spawner`)
//! learns the child's pid and start time before the child writes anything. What they say to each other:
//! `protocol`, in `frame`s. What the child does: `copy`; or it answers one `question` about a pool (`ask`).

pub mod ask;
pub mod child;
pub mod frame;
mod hex;
pub mod parent;
pub mod process;
pub mod protocol;
pub mod question;
mod report;
pub mod spawner;

pub use ask::{ANSWER_WITHIN, ask};
pub use parent::Attempt;
pub use protocol::{AttemptSpec, FromChild, Page, ToChild};
pub use question::{Answer, ImageFacts, Question, SCANNED_IMAGES_MAX};
pub use spawner::Spawner;

/// The argument that makes the server's binary be the child.
pub const ARGUMENT: &str = "attempt-io";
/// Environment of the child: the pid of its parent, as the parent knows it.
pub const PARENT_PID: &str = "LONGHAUL_PARENT_PID";
/// Environment of the child, for tests: while the file that it names exists, the child waits before it
/// reads the target back. Unset in production, and harmless: the child still answers and can be canceled.
pub const PAUSE_BEFORE_VERIFY: &str = "LONGHAUL_PAUSE_BEFORE_VERIFY";
/// What of its own environment a parent leaves to the child. The rest is none of its business, and may hold
/// the admin's password.
pub const INHERITED: [&str; 4] = [PAUSE_BEFORE_VERIFY, "RUST_BACKTRACE", "TMPDIR", "TZ"];
