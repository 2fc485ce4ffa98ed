//! One question about a pool, asked of a child that lives no longer than its answer: what management and checks
//! need to know of images, without a call of librbd in the server. Asking: `ask`.

use std::collections::BTreeSet;

use longhaul_model::resource::CephPool;
use serde::{Deserialize, Serialize};

use super::protocol::{Page, enter};
use crate::copy::image;
use crate::rbd::{Grain, Image, Pool};
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
    /// Remove an image with our snapshots, or (`image@snapshot`) a snapshot alone: `Answer::Done`, also when it is
    /// gone already.
    Remove {
        /// Its name.
        image: String,
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
    /// The names of its snapshots, the oldest first.
    pub snapshots: Vec<String>,
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
        Question::Probe { image } => facts(&pool, image).map(Answer::Image),
        Question::Create { image, bytes } => Image::create(&pool, &image, bytes).map(|()| Answer::Done),
        Question::Remove { image, clients } => {
            let mut pages = std::collections::BTreeMap::new();
            enter(clients.into_iter().collect(), &mut pages);
            image::fence([&pool].into_iter(), &pages)?;
            image::remove(&pool, &image).map(|()| Answer::Done)
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
                match image::remove(&pool, &name) {
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
    let snapshots = image.snapshots()?.into_iter().map(|s| s.name).collect();
    Ok(ImageFacts {
        image: name,
        bytes,
        stored_bytes,
        snapshots,
        exclusive_lock: image.has_exclusive_lock()?,
    })
}
