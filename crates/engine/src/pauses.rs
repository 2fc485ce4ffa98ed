//! Places where tests hold a success, to kill the process right before or right after it is written. Unset in
//! production, and harmless: what is held is a job that ends a little later.

use std::path::{Path, PathBuf};
use std::time::Duration;

use longhaul_model::Runtime;

/// How often is looked whether to go on.
const LOOK: Duration = Duration::from_millis(5);

/// While the file that is named exists, a success waits. That one waits is told by a file beside it, whose name
/// ends in `.reached`.
#[derive(Debug, Clone, Default)]
pub struct Pauses {
    /// Right before the transaction that ends the job.
    pub before_success: Option<PathBuf>,
    /// Right after it.
    pub after_success: Option<PathBuf>,
}

impl Pauses {
    pub(crate) async fn before_success(&self, runtime: &dyn Runtime) {
        wait(self.before_success.as_deref(), runtime).await;
    }

    pub(crate) async fn after_success(&self, runtime: &dyn Runtime) {
        wait(self.after_success.as_deref(), runtime).await;
    }
}

async fn wait(file: Option<&Path>, runtime: &dyn Runtime) {
    let Some(file) = file.filter(|file| file.exists()) else { return };
    let _ = std::fs::write(file.with_added_extension("reached"), b""); // the test waits in vain, and says so
    while file.exists() {
        runtime.sleep(LOOK).await;
    }
}
