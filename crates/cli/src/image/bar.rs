//! The bar of bytes that go from or to this machine, on stderr; without a terminal a line for each tenth.

use std::io::{IsTerminal, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::console::printable;
use crate::human;

/// How it looks.
const STYLE: &str = "{prefix} [{bar:24}] {wide_msg}";

/// Bytes on their way.
pub struct Bytes {
    bar: Option<ProgressBar>,
    label: String,
    total: u64,
    told: u64,
}

impl Bytes {
    /// Of so many in all.
    pub fn new(label: &str, total: u64) -> Self {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let live = std::io::stderr().is_terminal() && !dumb;
        let bar = live.then(|| {
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template(STYLE).unwrap_or_else(|_| ProgressStyle::default_bar());
            bar.set_style(style);
            bar.set_prefix(printable(label));
            bar
        });
        Self { bar, label: printable(label), total, told: u64::MAX }
    }

    /// So many are over.
    pub fn at(&mut self, done: u64) {
        let text = format!("{} of {}", human::bytes(done), human::bytes(self.total));
        let tenth = (done * 10).checked_div(self.total).unwrap_or(10);
        match &self.bar {
            Some(bar) => {
                bar.set_message(text);
                bar.set_position(done);
            }
            None if self.told != tenth => {
                self.told = tenth;
                // There is nowhere left to tell that stderr is gone.
                let _ = writeln!(std::io::stderr(), "{}: {:>3}%  {text}", self.label, tenth * 10);
            }
            None => {}
        }
    }
}

impl Drop for Bytes {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
