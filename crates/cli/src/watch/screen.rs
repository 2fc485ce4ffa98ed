//! What following a job looks like: a live bar on a terminal, lines elsewhere. Always on stderr, so that
//! stdout holds the result alone.

use std::io::{IsTerminal, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use longhaul_model::JobState;

use super::Show;
use crate::console::printable;
use crate::human;
use crate::view::{Job, Progress};

/// Longest label before a bar, in characters.
const LABEL_MAX: usize = 40;
/// Columns of a terminal below which there is only text.
const NARROW: u16 = 72;
/// A bar of one width does not jump with the text behind it.
pub(crate) const WITH_BAR: &str = "{prefix} [{bar:24}] {msg}";
/// On a narrow terminal.
const TEXT_ALONE: &str = "{msg}";
/// Columns of the bar, its brackets and spaces.
const BAR_COLUMNS: usize = 28;

/// Where progress is shown.
pub trait Screen {
    /// The job as it is now.
    fn show(&mut self, label: &str, job: &Job, progress: Option<&Progress>);
    /// A sentence beside it.
    fn note(&mut self, text: &str);
    /// There is no more to come.
    fn close(&mut self);
}

/// The screen that fits.
pub fn of(show: Show) -> Box<dyn Screen> {
    let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    match show {
        Show::Nothing => Box::new(Nothing),
        Show::Auto if std::io::stderr().is_terminal() && !dumb => Box::new(Bar::default()),
        Show::Auto | Show::Lines => Box::new(Lines::new(std::io::stderr())),
    }
}

/// Shows no progress; only what is wrong on the way is told.
pub struct Nothing;

impl Screen for Nothing {
    fn show(&mut self, _: &str, _: &Job, _: Option<&Progress>) {}
    fn note(&mut self, text: &str) {
        // There is nowhere left to tell that stderr is gone.
        let _ = writeln!(std::io::stderr(), "{}", printable(text));
    }
    fn close(&mut self) {}
}

/// A line whenever something changes that people want to know.
pub struct Lines<W: Write> {
    out: W,
    last: Option<(JobState, String, u64, bool, String)>,
}

impl<W: Write> Lines<W> {
    /// On `out`.
    pub fn new(out: W) -> Self {
        Self { out, last: None }
    }

    fn line(&mut self, text: &str) {
        // There is nowhere left to tell that stderr is gone.
        let _ = writeln!(self.out, "{}", printable(text));
    }
}

impl<W: Write> Screen for Lines<W> {
    fn show(&mut self, label: &str, job: &Job, progress: Option<&Progress>) {
        let now = progress.cloned().unwrap_or_default();
        let key = (job.state, now.stage.clone(), now.percent / 10, now.stalled, job.why.reason.clone());
        if self.last.as_ref() == Some(&key) {
            return;
        }
        self.last = Some(key);
        let percent = progress.filter(|p| !p.is_blank());
        let percent = percent.map(|p| format!("{:>3}%  ", p.percent)).unwrap_or_default();
        self.line(&format!("{label}: {percent}{}", told(job, progress)));
    }

    fn note(&mut self, text: &str) {
        self.line(text);
    }

    fn close(&mut self) {}
}

/// As much of a text as fits beside a bar with this label on this terminal; what does not is cut off on the right.
pub(crate) fn fit(label: &str, text: &str) -> String {
    let columns = rustix::termios::tcgetwinsize(std::io::stderr()).map_or(80, |size| size.ws_col);
    let bar = if columns < NARROW { 0 } else { label.chars().count() + BAR_COLUMNS };
    cut(text, usize::from(columns).saturating_sub(bar))
}

fn cut(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    text.chars().take(room.saturating_sub(1)).chain(['…']).collect()
}

/// A live bar.
#[derive(Default)]
pub struct Bar {
    bar: Option<ProgressBar>,
}

impl Bar {
    fn bar(&mut self) -> &ProgressBar {
        self.bar.get_or_insert_with(|| {
            let columns = rustix::termios::tcgetwinsize(std::io::stderr()).map(|size| size.ws_col);
            let template = if columns.is_ok_and(|c| c < NARROW) { TEXT_ALONE } else { WITH_BAR };
            let bar = ProgressBar::with_draw_target(Some(100), ProgressDrawTarget::stderr());
            // The template is ours and has no mistake; without it the bar is only plainer.
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("=> "));
            }
            bar
        })
    }
}

impl Screen for Bar {
    fn show(&mut self, label: &str, job: &Job, progress: Option<&Progress>) {
        let label = printable(&label.chars().take(LABEL_MAX).collect::<String>());
        let bar = self.bar();
        bar.set_prefix(label.clone());
        let percent = match (job.state, progress) {
            (JobState::Succeeded, _) => Some(100),
            (_, Some(progress)) if !progress.is_blank() => Some(progress.percent),
            _ => None,
        };
        // The percent is part of the text, so that both are painted at once.
        let shown = percent.map(|p| format!("{p:>3}%  ")).unwrap_or_default();
        bar.set_message(fit(&label, &printable(&format!("{shown}{}", told(job, progress)))));
        if let Some(percent) = percent {
            bar.set_position(percent);
        }
    }

    fn note(&mut self, text: &str) {
        self.bar().println(printable(text));
    }

    fn close(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.abandon();
            // The bar leaves the cursor at its end.
            let _ = writeln!(std::io::stderr());
        }
    }
}

impl Drop for Bar {
    /// Dropped in the middle, by Ctrl-C, what the terminal wrote for it has moved the cursor behind the bar: to paint
    /// the bar once more would be to paint it twice.
    fn drop(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

/// State, stage, bytes, rate and time to go, in words.
pub fn told(job: &Job, progress: Option<&Progress>) -> String {
    if job.state.is_final() {
        let time = job.execute_time.map(|s| format!(" in {}", human::duration(s))).unwrap_or_default();
        return format!("{}{time}", job.state.name());
    }
    let Some(progress) = progress.filter(|_| job.state == JobState::Running) else {
        let why = &job.why.sentence;
        return if why.is_empty() {
            job.state.name().to_owned()
        } else {
            format!("{}: {why}", job.state.name())
        };
    };
    let mut parts =
        vec![if progress.stage.is_empty() { "Running".to_owned() } else { progress.stage.clone() }];
    if progress.bytes_total > 0 {
        let (done, total) = (human::bytes(progress.bytes_done), human::bytes(progress.bytes_total));
        parts.push(format!("{done} of {total}"));
    }
    if let Some([total, done, blocked, failed]) = progress.parts {
        parts.push(format!("{done} of {total} done"));
        parts.extend((blocked > 0).then(|| format!("{blocked} blocked")));
        parts.extend((failed > 0).then(|| format!("{failed} failed")));
    }
    if progress.stalled {
        parts.push("nothing moves".to_owned());
    } else {
        if progress.rate_bytes_per_second > 0 {
            parts.push(format!("{}/s", human::bytes(progress.rate_bytes_per_second)));
        }
        if let Some(eta) = progress.eta_seconds {
            parts.push(format!("{} left", human::duration(eta)));
        }
    }
    parts.extend(progress.limit());
    parts.extend(Some(job.why.sentence.clone()).filter(|why| !why.is_empty()));
    parts.join("  ")
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn what_does_not_fit_beside_a_bar_is_cut_and_says_so() {
        assert_eq!(cut("copying  1 s left", 17), "copying  1 s left");
        assert_eq!(cut("copying  1 s left", 10), "copying  …");
        assert_eq!(cut("copying", 0), "…");
    }
}
