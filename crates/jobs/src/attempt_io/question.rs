//! One question about a pool, asked of a child that lives no longer than its answer: what management and checks
//! need to know of images, without a call of librbd in the server. Asking: `ask`.

use std::collections::BTreeSet;

use longhaul_model::resource::CephPool;
use serde::{Deserialize, Serialize};

use super::protocol::{Page, enter};
use crate::copy::ExtentKind;
use crate::copy::image::{self, RemoveSnapshots};
use crate::rbd::{Grain, Image, Pool, Snapshot};
use crate::storage::{Capacity, DiskError, InUse};

/// Images that a scan answers at most.
pub const SCANNED_IMAGES_MAX: usize = 10_000;

/// What is asked about a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// How large it is and what is free: `Answer::Capacity`.
    Capacity,
    /// Which cluster it is in: `Answer::Fsid`.
    Fsid,
    /// What an image is: `Answer::Image`.
    Probe {
        /// Its name.
        image: String,
    },
    /// Make an image that reads as zeros: `Answer::Done`.
    Create {
        /// Its name.
        image: String,
        /// Bytes of the disk.
        bytes: u64,
    },
    /// Remove an image with snapshots, or (`image@snapshot`) a snapshot alone: `Answer::Done`, also when it is gone
    /// already.
    Remove {
        /// Its name.
        image: String,
        /// Which snapshots go with it.
        snapshots: RemoveSnapshots,
        /// The page of a checkpoint that names clients of the job whose image this is. They are shut out first.
        clients: Option<Page>,
    },
    /// Who has an image open for writing: `Answer::Holders`.
    InUse {
        /// Its name.
        image: String,
    },
    /// Which images are not among `known`: `Answer::Images`, `SCANNED_IMAGES_MAX` at most.
    Scan {
        /// Names.
        known: BTreeSet<String>,
    },
    /// Remove those of `images` that nobody has open: `Answer::Removed`.
    Sweep {
        /// Names.
        images: Vec<String>,
    },
}

/// What an image is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageFacts {
    /// Its name.
    pub image: String,
    /// Bytes of the disk.
    pub bytes: u64,
    /// Bytes that it has stored, in whole objects; `None` where only a look at every object would tell.
    pub stored_bytes: Option<u64>,
    /// The names of its snapshots but for those of copies, the oldest first.
    pub snapshots: Vec<String>,
    /// One of its snapshots that nobody took by its name, so that no copy can have it.
    #[serde(default)]
    pub foreign_snapshot: Option<String>,
    /// The group of images that it belongs to. Only `Question::Probe` asks for it.
    #[serde(default)]
    pub group: Option<String>,
    /// The images that are cloned from its snapshots, as `pool/image`. Only `Question::Probe` asks for them.
    #[serde(default)]
    pub clones: Vec<String>,
    /// Bytes that were stored over all its snapshots, in whole objects; as `stored_bytes`, and only
    /// `Question::Probe` asks for it.
    #[serde(default)]
    pub history_bytes: Option<u64>,
    /// Who has it open for writing. Only `Question::Probe` asks for them.
    #[serde(default)]
    pub holders: Vec<InUse>,
    /// Whether others can be kept from writing to it; without, it is not copied.
    pub exclusive_lock: bool,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Size and free space of the pool.
    Capacity(Capacity),
    /// The cluster's id.
    Fsid(String),
    /// An image.
    Image(ImageFacts),
    /// It was done.
    Done,
    /// Who has the image open for writing; empty for nobody.
    Holders(Vec<InUse>),
    /// Images, by name.
    Images(Vec<ImageFacts>),
    /// What was removed.
    Removed(Vec<String>),
}

/// Answers `question`. In the child.
pub(super) fn answer(pool: &CephPool, question: Question) -> Result<Answer, DiskError> {
    let pool = Pool::connect(pool)?;
    match question {
        Question::Capacity => pool.capacity().map(Answer::Capacity),
        Question::Fsid => pool.fsid().map(Answer::Fsid),
        Question::Probe { image } => closely(&pool, image).map(Answer::Image),
        Question::Create { image, bytes } => Image::create(&pool, &image, bytes).map(|()| Answer::Done),
        Question::Remove { image, snapshots, clients } => {
            let mut pages = std::collections::BTreeMap::new();
            enter(clients.into_iter().collect(), &mut pages);
            image::fence([&pool].into_iter(), &pages)?;
            image::remove(&pool, &image, snapshots).map(|()| Answer::Done)
        }
        Question::InUse { image } => image::holders(&pool, &image).map(Answer::Holders),
        Question::Scan { known } => {
            let strays = pool.images()?.into_iter().filter(|name| !known.contains(name));
            let mut found = Vec::new();
            for image in strays.take(SCANNED_IMAGES_MAX) {
                match facts(&pool, image) {
                    Ok(facts) => found.push(facts),
                    Err(DiskError::NotFound(_)) => {} // gone since it was listed
                    Err(error) => return Err(error),
                }
            }
            Ok(Answer::Images(found))
        }
        Question::Sweep { images } => {
            let mut removed = Vec::new();
            for name in images {
                match image::remove(&pool, &name, RemoveSnapshots::Ours) {
                    Ok(()) => removed.push(name),
                    Err(DiskError::InUse(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(Answer::Removed(removed))
        }
    }
}

fn facts(pool: &Pool, name: String) -> Result<ImageFacts, DiskError> {
    let image = Image::open_read_only(pool, &name, None)?;
    let bytes = image.size()?;
    let stored_bytes = match image.has_fast_diff()? {
        true => {
            let data = image.data(0..bytes, Grain::Object)?;
            Some(data.into_iter().map(|range| range.end - range.start).sum())
        }
        false => None,
    };
    let all = others(&image)?;
    let foreign_snapshot = all.iter().find(|s| !s.by_user).map(|s| s.name.clone());
    Ok(ImageFacts {
        image: name,
        bytes,
        stored_bytes,
        snapshots: all.into_iter().filter(|s| s.by_user).map(|s| s.name).collect(),
        foreign_snapshot,
        group: None,
        clones: Vec::new(),
        history_bytes: None,
        holders: Vec::new(),
        exclusive_lock: image.has_exclusive_lock()?,
    })
}

/// Its snapshots that are not of copies.
fn others(image: &Image) -> Result<Vec<Snapshot>, DiskError> {
    Ok(image.snapshots()?.into_iter().filter(|s| !image::is_of_copy(&s.name)).collect())
}

/// The same with what takes a question more for each snapshot.
fn closely(pool: &Pool, name: String) -> Result<ImageFacts, DiskError> {
    let mut facts = facts(pool, name)?;
    facts.holders = image::holders(pool, &facts.image)?;
    let image = Image::open_read_only(pool, &facts.image, None)?;
    facts.group = Image::open_read_only(pool, &facts.image, None)?.group()?;
    if facts.snapshots.is_empty() && facts.foreign_snapshot.is_none() {
        return Ok(facts);
    }
    facts.clones = image.children()?;
    if image.has_fast_diff()? {
        let mut since: Option<&str> = None;
        let mut bytes = 0;
        for at in facts.snapshots.iter().map(Some).chain([None]) {
            let past = Image::open_read_only(pool, &facts.image, at.map(String::as_str))?;
            let all = 0..past.size()?;
            bytes += match since {
                None => past.data(all, Grain::Object)?.into_iter().map(|r| r.end - r.start).sum::<u64>(),
                Some(since) => {
                    let changed = past.changes(since, all, Grain::Object)?;
                    let data = changed.into_iter().filter(|e| e.kind == ExtentKind::Data);
                    data.map(|e| e.range.end - e.range.start).sum()
                }
            };
            since = at.map(String::as_str);
        }
        facts.history_bytes = Some(bytes);
    }
    Ok(facts)
}
