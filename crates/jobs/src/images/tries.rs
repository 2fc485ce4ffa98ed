//! How often the source of an image is opened again, how long that is waited with, and what is told when it is given
//! up. Progress is a byte beyond the farthest that came so far: what comes a second time is none. No clock, no I/O.

use std::time::Duration;

use longhaul_model::Fault;

/// A source is opened so often without a byte more before the job fails.
pub const BREAKS_MAX: u32 = 10;
/// A download is begun anew so often before the job fails.
pub const ANEWS_MAX: u32 = 5;
/// Before a source that broke off is opened again.
const PAUSE: Duration = Duration::from_secs(1);
/// The pause doubles with each time that brought nothing, up to this.
const PAUSE_MAX: Duration = Duration::from_secs(8);

/// What has been tried of one download.
pub struct Tries {
    farthest: u64,
    breaks: u32,
    anews: u32,
}

impl Tries {
    /// Nothing yet, with `at` bytes from before.
    pub fn new(at: u64) -> Self {
        Self { farthest: at, breaks: 0, anews: 0 }
    }

    /// The source broke off with `at` bytes here. Answers how long to wait before it is opened again.
    ///
    /// # Errors
    /// That was the last time: what happened.
    pub fn broke(&mut self, at: u64, why: &str) -> Result<Duration, Fault> {
        self.breaks = if at > self.farthest { 1 } else { self.breaks + 1 };
        self.farthest = self.farthest.max(at);
        if self.breaks >= BREAKS_MAX {
            return Err(Fault::failed(format!(
                "the image could not be fetched: its source was opened {BREAKS_MAX} times without a byte beyond the \
                 {} that came, last: {why}; look whether the source is there and whole, then rerun the job",
                self.farthest
            )));
        }
        Ok(PAUSE_MAX.min(PAUSE * (1 << (self.breaks - 1))))
    }

    /// What comes now does not go on what came, so all of it comes again. Answers how long to wait before that.
    ///
    /// # Errors
    /// That was the last time: what happened.
    pub fn anew(&mut self, why: &str) -> Result<Duration, Fault> {
        self.anews += 1;
        if self.anews > ANEWS_MAX {
            return Err(Fault::failed(format!(
                "the image could not be fetched: its download was begun anew {ANEWS_MAX} times, last since {why}; \
                 give a URL whose bytes stay the same, of a server that answers Range requests with a strong ETag"
            )));
        }
        Ok(PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_that_brings_nothing_is_asked_ever_less_often_and_then_given_up() {
        let mut tries = Tries::new(5);
        let pauses: Vec<u64> =
            (1..BREAKS_MAX).map(|_| tries.broke(5, "it broke").unwrap().as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 8, 8, 8, 8, 8]);
        let told = tries.broke(5, "it broke").unwrap_err().details;
        assert!(told.contains("10 times") && told.contains("the 5 that came, last: it broke"), "{told}");
    }

    #[test]
    fn a_byte_more_is_progress_and_the_same_bytes_again_are_none() {
        let mut tries = Tries::new(0);
        for at in 1..100 {
            assert_eq!(tries.broke(at, "").unwrap(), PAUSE, "each brought one");
        }
        let mut more = (0..).map_while(|at: u64| tries.broke(at % 100, "").ok());
        assert_eq!(more.by_ref().count(), BREAKS_MAX as usize - 2, "begun anew, none passes the 99th");
    }

    #[test]
    fn a_download_is_begun_anew_only_so_often_whatever_it_brings() {
        let mut tries = Tries::new(0);
        for at in 1..=u64::from(ANEWS_MAX) {
            assert!(tries.broke(at, "").is_ok() && tries.anew("it has another tag").is_ok());
        }
        let told = tries.anew("it has another tag").unwrap_err().details;
        assert!(told.contains("anew 5 times, last since it has another tag"), "{told}");
    }
}
