//! How many of how many jobs are done with, on stderr: a bar, without a terminal a line for each tenth.

use std::io::{IsTerminal, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::watch::{WITH_BAR, fit};

/// A count on its way.
pub struct Counter {
    bar: Option<ProgressBar>,
    label: &'static str,
    total: u64,
    tenth: Option<u64>,
}

impl Counter {
    /// Up to `total`.
    pub fn new(label: &'static str, total: u64) -> Self {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let bar = (std::io::stderr().is_terminal() && !dumb).then(|| {
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
            let style =
                ProgressStyle::with_template(WITH_BAR).unwrap_or_else(|_| ProgressStyle::default_bar());
            bar.set_style(style.progress_chars("=> "));
            bar.set_prefix(label);
            bar
        });
        Self { bar, label, total, tenth: None }
    }

    /// So many are done with. There may be more than was known at the start.
    pub fn at(&mut self, done: u64) {
        let total = self.total.max(done);
        let text = format!("{done} of {total} jobs");
        let tenth = (done * 10).checked_div(total);
        match &self.bar {
            Some(bar) => {
                bar.set_length(total);
                bar.set_message(fit(self.label, &text));
                bar.set_position(done);
            }
            None if self.tenth != tenth => {
                self.tenth = tenth;
                // There is nowhere left to tell that stderr is gone.
                let _ = writeln!(std::io::stderr(), "{}: {text}", self.label);
            }
            None => {}
        }
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
