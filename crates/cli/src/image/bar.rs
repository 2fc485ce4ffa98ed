//! The bar of bytes that go from or to this machine, or of other things that are counted, on stderr; without a
//! terminal a line for each tenth.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::console::printable;
use crate::human;
use crate::pause::moment;
use crate::watch::{WITH_BAR, fit};

/// No rate is told of a shorter time.
const RATE_AFTER: Duration = Duration::from_millis(500);

/// Bytes on their way.
pub struct Bytes {
    bar: Option<ProgressBar>,
    unit: fn(u64) -> String,
    label: String,
    total: u64,
    told: u64,
    /// When the first bytes were told, and how many they were: an earlier run's say nothing of this one's rate.
    began: Option<(Instant, u64)>,
}

impl Bytes {
    /// Of so many in all.
    pub fn new(label: &str, total: u64) -> Self {
        Self::counted(label, total, human::bytes)
    }

    /// Of so many in all that are no bytes: `unit` says a number of them in words.
    pub fn counted(label: &str, total: u64, unit: fn(u64) -> String) -> Self {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let live = std::io::stderr().is_terminal() && !dumb;
        let bar = live.then(|| {
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
            let style =
                ProgressStyle::with_template(WITH_BAR).unwrap_or_else(|_| ProgressStyle::default_bar());
            bar.set_style(style.progress_chars("=> "));
            bar.set_prefix(printable(label));
            bar
        });
        Self { bar, unit, label: printable(label), total, told: u64::MAX, began: None }
    }

    /// A sentence beside it.
    pub fn note(&self, text: &str) {
        let text = format!("{}: {}", self.label, printable(text));
        match &self.bar {
            Some(bar) => bar.println(text),
            // There is nowhere left to tell that stderr is gone.
            None => drop(writeln!(std::io::stderr(), "{text}")),
        }
    }

    /// So many are over.
    pub fn at(&mut self, done: u64) {
        let (began, before) = *self.began.get_or_insert_with(|| (moment(), done));
        let text = told(self.unit, done, self.total, began.elapsed(), done.saturating_sub(before));
        let tenth = (done * 10).checked_div(self.total).unwrap_or(10);
        match &self.bar {
            Some(bar) => {
                bar.set_message(fit(&self.label, &text));
                bar.set_position(done);
            }
            None if self.told != tenth => {
                self.told = tenth;
                // There is nowhere left to tell that stderr is gone.
                let _ = writeln!(std::io::stderr(), "{}: {text}", self.label);
            }
            None => {}
        }
    }
}

/// How far, how fast, and how long it will take, in words.
fn told(unit: fn(u64) -> String, done: u64, total: u64, time: Duration, came: u64) -> String {
    let percent = (u128::from(done) * 100).checked_div(u128::from(total)).unwrap_or(100);
    let mut text = format!("{percent:>3}%  {} of {}", unit(done), unit(total));
    let rate = u64::try_from(u128::from(came) * 1000 / time.as_millis().max(1)).unwrap_or(u64::MAX);
    if time >= RATE_AFTER && rate > 0 && done < total {
        let left = human::duration((total - done).div_ceil(rate));
        text.push_str(&format!("  {}/s  {left} left", unit(rate)));
    }
    text
}

impl Drop for Bytes {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_this_run_and_says_how_long_the_rest_takes() {
        const MIB: u64 = 1 << 20;
        let of =
            |done, ms, came| told(human::bytes, done * MIB, 100 * MIB, Duration::from_millis(ms), came * MIB);
        assert_eq!(of(60, 2000, 20), " 60%  60 MiB of 100 MiB  10 MiB/s  4 s left");
        assert_eq!(of(60, 100, 20), " 60%  60 MiB of 100 MiB");
        assert_eq!(of(60, 2000, 0), " 60%  60 MiB of 100 MiB");
        assert_eq!(of(100, 2000, 40), "100%  100 MiB of 100 MiB");
        assert_eq!(told(human::bytes, 0, 0, Duration::ZERO, 0), "100%  0 B of 0 B");
    }
}
