//! The bytes of an image from its source into a file: opened, taken, made durable, gone on with after a break. Bytes of
//! two answers stand in one file only where both say that they are of the same image; whatever else comes is begun
//! anew. Which file it is, is in `intake`; how often it is tried, in `tries`.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use futures::future::{Either, select};
use longhaul_engine::handler::Ended;
use longhaul_engine::progress::Report;
use longhaul_engine::{JobContext, Stop, Stopped};
use longhaul_model::resource::BackupStorage;
use longhaul_model::{Code, Fault, ImageId, Pages};

use super::checksum::Checksum;
use super::hashes::{Digests, Hashes};
use super::intake::{Artifact, PAGE};
use super::source::{Closed, Opened, Source};
use super::tries::Tries;
use crate::manage::backup_storages::open_place;
use crate::manage::blocking;
use crate::storage::{self, DiskError};

/// A source that sends nothing for so long has broken off.
pub const IDLE: Duration = Duration::from_secs(30);
/// An image whose size its source does not tell leaves so many bytes of the storage free, or a twentieth of it where
/// that is less.
pub const SPARE_BYTES: u64 = 1 << 30;
/// Between looks at what came, while nothing comes.
const TICK: Duration = Duration::from_secs(1);
/// Bytes that are written at a time, and most that are in memory.
const BLOCK_BYTES: usize = 4 << 20;

/// What is to come.
pub struct Order<'a> {
    /// The image: its record is looked at about once a second, so that a deleted one is fetched no further.
    pub image: ImageId,
    /// Where from.
    pub url: &'a str,
    /// Who opens that.
    pub source: &'a dyn Source,
    /// What the bytes must be.
    pub expected: Option<&'a Checksum>,
    /// Most bytes.
    pub bytes_max: u64,
}

/// Fills the file from a source, from what is durable of it on. Answers how many bytes there are, and their
/// digests; they are durable.
///
/// # Errors
/// The attempt is to stop, the source refuses, broke off or was begun anew too often, sends more than it may, or the
/// disk refuses.
pub async fn fill(
    context: &JobContext,
    place: &BackupStorage,
    artifact: &mut Artifact,
    order: &Order<'_>,
) -> Result<(u64, Digests), Ended> {
    let mut intake = Intake {
        context,
        place,
        artifact,
        hashes: Hashes::new(order.expected),
        order,
        at: 0,
        saved_ms: context.runtime().now_ms(),
    };
    intake.read_again().await?;
    let mut tries = Tries::new(intake.at);
    while !intake.is_whole() {
        let pause = match intake.open_and_take(&mut tries).await? {
            Turn::Whole => break,
            Turn::Broke(why) => {
                tracing::info!(job = %context.job().id, %why, at = intake.at, "the source of an image broke off; it is opened again");
                tries.broke(intake.at, &why)?
            }
            Turn::Differs(why) => intake.begin_anew(&mut tries, &why).await?,
        };
        context.sleep(pause).await?;
    }
    intake.save().await?;
    Ok((intake.at, intake.hashes.finish()))
}

/// How an opening ended.
enum Turn {
    /// All of it came.
    Whole,
    /// It may be gone on with.
    Broke(String),
    /// What came is not to be gone on with.
    Differs(String),
}

struct Intake<'a> {
    context: &'a JobContext,
    place: &'a BackupStorage,
    artifact: &'a mut Artifact,
    hashes: Hashes,
    order: &'a Order<'a>,
    at: u64,
    saved_ms: i64,
}

impl Intake<'_> {
    /// The digests of what is there already, and is of use.
    async fn read_again(&mut self) -> Result<(), Ended> {
        let saved = &self.artifact.saved;
        if saved.validator.is_none() && saved.total != Some(saved.offset) {
            self.artifact.saved = saved.emptied(); // nothing proves that what comes next goes on with it
        }
        let end = self.artifact.saved.offset;
        while self.at < end {
            if let Some(why) = self.context.stop_asked() {
                return Err(Stopped(why).into());
            }
            let (file, mut hashes, at) = (self.artifact.file.clone(), self.hashes.clone(), self.at);
            let path = self.artifact.absolute.clone();
            let read = blocking(move || {
                let at = hashes.update_from(&file, at, end).map_err(|e| DiskError::io("read", &path, e))?;
                Ok((hashes, at))
            });
            (self.hashes, self.at) = read.await?;
        }
        Ok(())
    }

    /// Whether as many bytes came as were told.
    fn is_whole(&self) -> bool {
        self.artifact.saved.total == Some(self.at)
    }

    /// Opens the source where this stands, and takes what it has.
    async fn open_and_take(&mut self, tries: &mut Tries) -> Result<Turn, Ended> {
        self.check_room().await?; // known from before: the source need not be asked
        let validator = self.artifact.saved.validator.clone();
        if validator.is_none() && self.at > 0 {
            self.begin_anew(tries, "it broke off, and has neither a strong ETag nor a Last-Modified").await?;
        }
        let opening = self.order.source.open(self.order.url, self.at, validator.as_deref());
        let stopped = std::pin::pin!(self.context.stopped());
        let opened = match select(stopped, opening).await {
            Either::Left((why, _)) => return Err(Stopped(why).into()),
            Either::Right((opened, _)) => opened,
        };
        let opened = match opened {
            Err(Closed::Refused(fault)) => return Err(fault.into()),
            Err(Closed::Broke(why)) => return Ok(Turn::Broke(why)),
            Err(Closed::Differs(why)) => return Ok(Turn::Differs(why)),
            Ok(opened) => opened,
        };
        if let Some(why) = self.differs(&opened) {
            return Ok(Turn::Differs(why));
        }
        if opened.from < self.at {
            self.begin_anew(tries, "it has other bytes now").await?;
        }
        self.begin(opened.from, opened.total, opened.validator.clone()).await?;
        self.take(opened).await
    }

    /// Why the bytes of `opened` are not those that go on here.
    fn differs(&self, opened: &Opened) -> Option<String> {
        let saved = &self.artifact.saved;
        if opened.from == 0 {
            return None;
        }
        if opened.from != self.at {
            return Some(format!("it sent bytes from {} on, not from {}", opened.from, self.at));
        }
        if saved.validator.is_none() || opened.validator != saved.validator {
            return Some("it sent a rest that nothing proves to be of the same bytes".to_owned());
        }
        match (saved.total, opened.total) {
            (Some(before), Some(now)) if before != now => {
                Some(format!("it told of {before} bytes first and of {now} then"))
            }
            (None, Some(now)) if now < self.at => {
                Some(format!("it told of {now} bytes after it had sent {}", self.at))
            }
            _ => None,
        }
    }

    /// Forgets what came: the file is empty, and durably so, before another byte is written to it.
    async fn begin_anew(&mut self, tries: &mut Tries, why: &str) -> Result<Duration, Ended> {
        let pause = tries.anew(why)?;
        tracing::info!(job = %self.context.job().id, %why, at = self.at, "the download of an image is begun anew");
        (self.at, self.hashes) = (0, Hashes::new(self.order.expected));
        self.artifact.saved = self.artifact.saved.emptied();
        self.save().await?;
        Ok(pause)
    }

    /// Takes over what the source says of itself.
    async fn begin(&mut self, from: u64, total: Option<u64>, validator: Option<String>) -> Result<(), Ended> {
        let saved = &mut self.artifact.saved;
        saved.validator = validator;
        saved.total = total.or(saved.total.filter(|_| from > 0));
        if let Some(total) = saved.total {
            self.check_size(total)?;
            self.save().await?; // so that one who waits for room knows how much without asking
        }
        self.check_room().await
    }

    fn check_size(&self, bytes: u64) -> Result<(), Fault> {
        let most = self.order.bytes_max;
        if bytes <= most {
            return Ok(());
        }
        let more = if self.artifact.saved.total.is_some() { "" } else { " and more" };
        Err(Fault::failed(format!(
            "the image has {bytes} bytes{more}, and the setting images.urlBytesMax allows {most}; raise it if the URL \
             is right"
        )))
    }

    /// Whether there is room for the rest, where it is known how much that is.
    async fn check_room(&self) -> Result<(), Ended> {
        let Some(total) = self.artifact.saved.total else { return Ok(()) };
        let (place, needed) = (self.place.clone(), total.saturating_sub(self.at));
        let whole = blocking(move || {
            let root = open_place(&place)?;
            let capacity = storage::capacity(&root)?;
            if total <= capacity.total_bytes {
                storage::check_space(&root, needed)?; // a job waits for room that there may be
            }
            Ok(capacity.total_bytes)
        });
        let whole = whole.await?;
        if total > whole {
            return Err(Fault::failed(format!(
                "the image has {total} bytes and its backup storage {whole} in all; choose a larger one"
            ))
            .into());
        }
        Ok(())
    }

    /// Takes the bytes of the source.
    async fn take(&mut self, mut opened: Opened) -> Result<Turn, Ended> {
        let (mut block, mut quiet) = (Vec::new(), Duration::ZERO);
        let ended = loop {
            let next = select(opened.body.next(), self.context.runtime().sleep(TICK));
            let next = match select(std::pin::pin!(self.context.stopped()), std::pin::pin!(next)).await {
                Either::Left((Stop::LeaseLost, _)) => return Err(Stopped(Stop::LeaseLost).into()),
                Either::Left((why, _)) => {
                    self.write(std::mem::take(&mut block)).await?;
                    if why == Stop::Drain {
                        self.save().await?;
                    }
                    return Err(Stopped(why).into());
                }
                Either::Right((next, _)) => next,
            };
            match next {
                Either::Left((Ok(Some(bytes)), _)) => {
                    quiet = Duration::ZERO;
                    block.extend_from_slice(&bytes);
                }
                Either::Left((Ok(None), _)) => break None,
                Either::Left((Err(why), _)) => break Some(why),
                Either::Right(_) => quiet += TICK, // what came is made durable meanwhile
            }
            if quiet >= IDLE {
                break Some(format!("nothing came for {} s", IDLE.as_secs()));
            }
            let ahead = self.at + block.len() as u64;
            match self.artifact.saved.total {
                Some(total) if ahead > total => {
                    return Ok(Turn::Differs(format!("it sent more than the {total} bytes that it told of")));
                }
                _ => self.check_size(ahead)?,
            }
            let due =
                ahead > self.artifact.saved.offset && self.context.runtime().now_ms() - self.saved_ms >= 1000;
            if block.len() >= BLOCK_BYTES || due {
                self.write(std::mem::take(&mut block)).await?;
            }
            if due {
                self.save().await?;
            }
        };
        self.write(block).await?;
        self.save().await?;
        Ok(match (ended, self.artifact.saved.total) {
            (Some(why), _) => Turn::Broke(why),
            (None, Some(total)) if self.at != total => {
                Turn::Broke(format!("it ended after {} of {total} bytes", self.at))
            }
            (None, _) => Turn::Whole,
        })
    }

    /// Writes and counts bytes, while the lease holds.
    async fn write(&mut self, block: Vec<u8>) -> Result<(), Ended> {
        if block.is_empty() {
            return Ok(());
        }
        self.context.lease().await?;
        let (file, mut hashes, at) = (self.artifact.file.clone(), self.hashes.clone(), self.at);
        let (path, len) = (self.artifact.absolute.clone(), block.len() as u64);
        let untold = self.artifact.saved.total.is_none();
        let written = blocking(move || {
            if untold
                && let Some(spared) = spared(&file, len).map_err(|e| DiskError::io("statvfs", &path, e))?
            {
                return Ok(Err(spared));
            }
            file.write_all_at(&block, at).map_err(|e| DiskError::io("write", &path, e))?;
            hashes.update(&block);
            Ok(Ok(hashes))
        });
        let written = match written.await {
            Err(full) if full.code == Code::StorageFull => {
                self.save().await?; // so that no more has to come again than did not fit
                self.check_room().await?; // tells how much that is, which the system does not
                return Err(full.into());
            }
            other => other?,
        };
        self.hashes = written.map_err(|spared| {
            Fault::failed(format!(
                "the source does not tell how large the image is, and after {at} bytes of it no more fit into its \
                 backup storage, of which {spared} bytes stay free; make room, or give the URL of a server that tells \
                 Content-Length"
            ))
        })?;
        self.at += len;
        self.context.progress(Report {
            parts: None,
            stage: "downloading".to_owned(),
            percent: None,
            bytes_done: self.at,
            bytes_total: self.artifact.saved.total.unwrap_or(0),
            bytes_after: 0,
        });
        Ok(())
    }

    /// Makes durable what came, and then says so in the checkpoint.
    async fn save(&mut self) -> Result<(), Ended> {
        let (file, path, at) = (self.artifact.file.clone(), self.artifact.absolute.clone(), self.at);
        blocking(move || {
            let len = file.metadata().map_err(|e| DiskError::io("stat", &path, e))?.len();
            if len > at {
                file.set_len(at).map_err(|e| DiskError::io("truncate", &path, e))?;
            }
            file.sync_data().map_err(|e| DiskError::io("fsync", &path, e))
        })
        .await?;
        self.artifact.saved.offset = self.at;
        let page = serde_json::to_vec(&self.artifact.saved).map_err(|e| Fault::internal(e.to_string()))?;
        self.context.save_checkpoint(&Pages::from([(PAGE, page)])).await?;
        self.saved_ms = self.context.runtime().now_ms();
        let image = self.context.inventory().find_image(self.order.image).await?;
        if image.is_none_or(|image| image.deleted_ms.is_some()) {
            return Err(Fault::failed(format!("image [uuid:{}] has been deleted", self.order.image)).into());
        }
        Ok(())
    }
}

/// How many bytes of the storage that the file is on stay free, if `more` would take of them.
fn spared(file: &File, more: u64) -> std::io::Result<Option<u64>> {
    let v = rustix::fs::fstatvfs(file)?;
    let bytes = |blocks: u64| blocks.saturating_mul(v.f_frsize);
    let spared = SPARE_BYTES.min(bytes(v.f_blocks) / 20);
    Ok((bytes(v.f_bavail) < spared.saturating_add(more)).then_some(spared))
}
