//! The bytes of one attempt: what was received is opened and lent to the server's routes, watched while it grows, and
//! read back when nothing is missing. What comes before and after is in `intake`.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures::future::{Either, select};
use longhaul_engine::JobContext;
use longhaul_engine::handler::Ended;
use longhaul_engine::progress::Report;
use longhaul_model::resource::{BackupStorage, ImageStatus};
use longhaul_model::{Code, Fault, ImageId, Pages};
use serde::{Deserialize, Serialize};

use super::intake::{IMAGE_ID_TAG, Intake, REQUIRE_MD5_TAG};
use super::{Checksum, Content, Entered, Received, Upload, UploadError, twin};
use crate::manage::backup_storages::open_place;
use crate::manage::blocking;
use crate::manage::fault::from_disk;
use crate::storage::{Access, DiskError};

/// How often an attempt looks around while bytes come.
const TICK: Duration = Duration::from_millis(250);
/// How often the image's record is looked at meanwhile, so that a deleted one is received no further.
const LOOK_TICKS: u32 = 8;
/// How often an upload is tried to be opened that a former attempt still has open.
const OPEN_TRIES: u32 = 20;
/// Share of the bytes' coming in a job's progress; what is left is the read-back.
const RECEIVED_PERCENT: u64 = 90;
/// The page of the checkpoint that says what the whole is, once it was read back.
const CONTENT_PAGE: u32 = 0;

/// What survives between the read-back and the success.
#[derive(Serialize, Deserialize)]
pub(super) struct Done {
    pub bytes: u64,
    pub md5: String,
    pub blake3: String,
    /// What the file was then: another text after any write to it, or another file. Earlier releases kept none.
    #[serde(default)]
    mark: String,
}

/// Where the bytes of an upload are.
#[derive(Clone)]
pub(super) struct Place {
    pub storage: BackupStorage,
    /// Below its root.
    pub relative: PathBuf,
}

/// What the job's tags say of the content.
#[derive(Default)]
pub(super) struct Told {
    /// The id that the client chose for the file.
    pub id: Option<String>,
    /// Whether that id decides.
    pub required: bool,
}

impl Intake {
    async fn open(&self, context: &JobContext, place: &Place) -> Result<Arc<Upload>, Ended> {
        for _ in 0..OPEN_TRIES {
            let (place, limits, job) = (place.clone(), self.settings.limits, context.job().id);
            let opened = tokio::task::spawn_blocking(move || {
                Upload::open(open_place(&place.storage)?, &place.relative, job.bits(), limits)
            });
            match opened.await {
                Ok(Ok(upload)) => return Ok(upload),
                Ok(Err(UploadError::Held)) => context.sleep(TICK).await?,
                Ok(Err(error)) => return Err(fault_of(error).into()),
                Err(_) => {
                    return Err(Fault::internal("opening an upload broke off; see the server's log").into());
                }
            }
        }
        Err(Fault::new(Code::Interrupted, UploadError::Held.to_string()).into())
    }

    /// Waits until all bytes are here.
    async fn received(&self, context: &JobContext, upload: &Upload, image: ImageId) -> Result<(), Ended> {
        let runtime = context.runtime();
        let mut seen = upload.watch();
        let (mut last, mut moved_at) = (*seen.borrow_and_update(), runtime.monotonic());
        for tick in 1_u32.. {
            let complete = std::pin::pin!(seen.wait_for(Received::is_complete));
            let ticked = match select(complete, std::pin::pin!(context.sleep(TICK))).await {
                Either::Left(_) => return Ok(()),
                Either::Right((slept, _)) => slept,
            };
            ticked?;
            if tick.is_multiple_of(LOOK_TICKS) {
                let known = context.inventory().find_image(image).await?;
                if known.is_none_or(|image| image.deleted_ms.is_some()) {
                    return Err(Fault::failed(format!("image [uuid:{image}] has been deleted")).into());
                }
            }
            let now = upload.received();
            let total = now.size.unwrap_or(0);
            context.progress(Report {
                parts: None,
                stage: "uploading image".to_owned(),
                bytes_done: now.bytes,
                bytes_total: total,
                bytes_after: total,
                percent: Some(part(now.bytes, total, RECEIVED_PERCENT)),
            });
            if now.activity != last.activity {
                (last, moved_at) = (now, runtime.monotonic());
            }
            let idle_s = self.settings.idle_s.load(Ordering::Relaxed);
            if runtime.monotonic().saturating_sub(moved_at) >= Duration::from_secs(idle_s) {
                let why = Fault::new(
                    Code::UploadInterrupted,
                    format!("uploading has been inactive more than {idle_s} sec"),
                );
                let details =
                    format!("{}; resume the job and send on from offset {}", why.details, now.offset);
                return Err(Fault::new(Code::Interrupted, details).because(why).into());
            }
        }
        Ok(()) // not within centuries
    }

    /// Reads all of it back.
    async fn content(&self, context: &JobContext, upload: &Arc<Upload>) -> Result<Content, Ended> {
        let stop = Arc::new(AtomicBool::new(false));
        let read = Arc::new(AtomicU64::new(0));
        let total = upload.received().bytes;
        let (reading, stopping, counting) = (upload.clone(), stop.clone(), read.clone());
        let mut work = tokio::task::spawn_blocking(move || {
            reading.complete(&|bytes| {
                counting.store(bytes, Ordering::Relaxed);
                !stopping.load(Ordering::Relaxed)
            })
        });
        loop {
            // At once: what was told last is how far the coming of the bytes was, a while ago.
            let done = read.load(Ordering::Relaxed);
            let percent = RECEIVED_PERCENT as u8 + part(done, total, 99 - RECEIVED_PERCENT);
            context.progress(Report {
                parts: None,
                stage: "verifying".to_owned(),
                bytes_done: done,
                bytes_total: total,
                bytes_after: 0,
                percent: Some(percent),
            });
            let slept = match select(&mut work, std::pin::pin!(context.sleep(TICK))).await {
                Either::Left((Ok(done), _)) => return done.map_err(|error| fault_of(error).into()),
                Either::Left((Err(_), _)) => {
                    return Err(
                        Fault::internal("reading an upload back broke off; see the server's log").into()
                    );
                }
                Either::Right((slept, _)) => slept,
            };
            if let Err(stopped) = slept {
                stop.store(true, Ordering::Relaxed);
                let _ = work.await; // it is the stop that is told
                return Err(stopped.into());
            }
        }
    }

    /// What the whole is, for an attempt that begins where this one ends.
    async fn keep(&self, context: &JobContext, done: &Done) -> Result<(), Ended> {
        let page = serde_json::to_vec(done).map_err(|e| Fault::internal(e.to_string()))?;
        context.save_checkpoint(&Pages::from_iter([(CONTENT_PAGE, page)])).await
    }

    /// The bytes of an image that has the demanded MD5, under a second name; `None` where there is none.
    async fn known_already(
        &self,
        context: &JobContext,
        place: &Place,
        md5: Option<&str>,
    ) -> Result<Option<Done>, Fault> {
        let Some(md5) = md5.filter(|md5| Checksum::md5_from_hex(md5).is_some()) else { return Ok(None) };
        for image in self.desk.inventory.ready_images_of_md5(context.job().account, md5).await? {
            let mut ready = image.refs.iter().filter(|copy| copy.status == ImageStatus::Ready);
            let here = ready.find(|copy| copy.backup_storage == place.storage.id);
            let (Some(path), Some(blake3)) = (here.map(|copy| copy.install_path.clone()), image.blake3)
            else {
                continue;
            };
            let to = place.clone();
            let linked = blocking(move || {
                let root = open_place(&to.storage)?;
                twin::link(&root, &root.relative(Path::new(&path))?, &to.relative)
            });
            match linked.await {
                Ok(()) => {
                    return Ok(Some(Done {
                        bytes: image.actual_size,
                        md5: md5.to_ascii_lowercase(),
                        blake3,
                        mark: mark(place).await?.unwrap_or_default(),
                    }));
                }
                // Then the bytes are sent, as they would be without the other image.
                Err(fault) => {
                    tracing::warn!(%fault, image = %image.id, "an image of the same content is not used")
                }
            }
        }
        Ok(None)
    }

    /// What was read back, now or by an attempt before this one.
    pub(super) async fn whole(
        &self,
        context: &JobContext,
        place: &Place,
        image: ImageId,
        told: &Told,
    ) -> Result<Done, Ended> {
        let known = context.checkpoint().get(&CONTENT_PAGE);
        let known = known.and_then(|page| serde_json::from_slice::<Done>(page).ok());
        // What was read back and is gone since then is to be sent again.
        if let Some(done) = known
            && mark(place).await?.is_some_and(|now| now == done.mark)
        {
            return Ok(done);
        }
        if let Some(done) =
            self.known_already(context, place, told.id.as_deref().filter(|_| told.required)).await?
        {
            self.keep(context, &done).await?;
            return Ok(done);
        }
        let upload = self.open(context, place).await?;
        let entered: Entered = self.settings.table.enter(context.job().id, upload.clone());
        if told.required {
            let Some(md5) = told.id.as_deref().and_then(Checksum::md5_from_hex) else {
                return Err(Fault::invalid(format!(
                    "{REQUIRE_MD5_TAG} needs {IMAGE_ID_TAG} and the 32 hexadecimal digits of an MD5"
                ))
                .into());
            };
            let demanding = upload.clone();
            let demanded = tokio::task::spawn_blocking(move || demanding.demand_md5(md5)).await;
            demanded.unwrap_or(Err(UploadError::Closed)).map_err(fault_of)?;
        }
        self.received(context, &upload, image).await?;
        let Content { bytes, md5, blake3 } = self.content(context, &upload).await?;
        let done = Done { bytes, md5, blake3, mark: mark(place).await?.unwrap_or_default() };
        self.keep(context, &done).await?;
        drop(entered);
        Ok(done)
    }
}

/// `whole` percent of `done` of `total` bytes; 0 while the total is not known.
fn part(done: u64, total: u64, whole: u64) -> u8 {
    let part = (u128::from(done) * u128::from(whole)).checked_div(u128::from(total)).unwrap_or(0);
    u8::try_from(part.min(u128::from(whole))).unwrap_or(0)
}

/// Which file is there, how long it is, and when it was last written to or changed; `None` where there is none.
async fn mark(place: &Place) -> Result<Option<String>, Fault> {
    let place = place.clone();
    blocking(move || {
        let root = open_place(&place.storage)?;
        match root.open_file(&place.relative, Access::Read) {
            Ok(file) => {
                let m = file.metadata().map_err(|e| DiskError::io("stat", &root.full(&place.relative), e))?;
                let (mtime, ctime) = ((m.mtime(), m.mtime_nsec()), (m.ctime(), m.ctime_nsec()));
                Ok(Some(format!("{}:{}:{mtime:?}:{ctime:?}", m.ino(), m.len())))
            }
            Err(DiskError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    })
    .await
}

fn fault_of(error: UploadError) -> Fault {
    match error {
        UploadError::Disk(error) => from_disk(error),
        other => Fault::failed(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_percent_of_an_upload_grows_from_the_first_byte_to_the_last_that_is_read_back() {
        let total = 3 << 40;
        let steps = |whole: u64| (0..=100).map(move |step| part(total / 100 * step, total, whole));
        let received = steps(RECEIVED_PERCENT);
        let read_back = steps(99 - RECEIVED_PERCENT).map(|percent| RECEIVED_PERCENT as u8 + percent);
        let all: Vec<u8> = received.chain(read_back).collect();
        assert!(all.is_sorted() && all[0] == 0 && all.last() == Some(&98), "{all:?}");
        assert_eq!((part(5, 0, 90), part(10, 9, 90), part(9, 9, 90)), (0, 90, 90));
    }
}
