//! The snapshots of a source image: which are kept by a copy, what stands in the way of that, and the page of a
//! checkpoint that lists them. Going through them: `segments`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::checkpoint::HISTORY_PAGE;
use super::disk::ImageIdentity;
use super::image::is_of_copy;
use crate::rbd::Image;
use crate::storage::DiskError;

/// Names that an error lists; of more it tells how many there are.
const NAMES_TOLD: usize = 5;

/// What becomes of the snapshots of a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Snapshots {
    /// They are copied; a target that cannot have any is refused.
    #[default]
    Keep,
    /// They stay behind with the source.
    Drop,
}

/// A snapshot of a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptSnapshot {
    /// Its number in the source.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Bytes of the disk when it was taken.
    pub bytes: u64,
    /// It is kept from being removed.
    pub protected: bool,
}

/// Page `HISTORY_PAGE`: of which snapshots the other pages are. JSON; empty where there are none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct History {
    /// The image, and the snapshot that its newest state is copied from.
    pub(super) source: ImageIdentity,
    /// The others, the oldest first.
    pub(super) snapshots: Vec<KeptSnapshot>,
}

impl History {
    /// What `pages` are of; `None` where they are of a copy without snapshots.
    ///
    /// # Errors
    /// `BadImage` when the page is not what we write.
    pub(super) fn from_pages(pages: &BTreeMap<u32, Vec<u8>>) -> Result<Option<Self>, DiskError> {
        let Some(page) = pages.get(&HISTORY_PAGE).filter(|page| !page.is_empty()) else { return Ok(None) };
        serde_json::from_slice(page).map(Some).map_err(|e| {
            DiskError::bad_image("checkpoint".as_ref(), format!("its snapshots can't be read: {e}"))
        })
    }

    /// The page.
    ///
    /// # Errors
    /// `Io` when it can't be encoded, which does not happen.
    pub(super) fn page(&self) -> Result<(u32, Vec<u8>), DiskError> {
        let json = serde_json::to_vec(self)
            .map_err(|e| DiskError::io("encode", "snapshots".as_ref(), std::io::Error::other(e)))?;
        Ok((HISTORY_PAGE, json))
    }
}

/// The snapshots of an image that are not ours, the oldest first.
///
/// # Errors
/// `BadImage` when there are some that no copy can have, images are cloned from them, or it belongs to a group: with what to
/// do.
/// `Away`, `Refuses`, `Io`.
pub(super) fn of(image: &Image) -> Result<Vec<KeptSnapshot>, DiskError> {
    let mut kept = Vec::new();
    if let Some(group) = image.group()? {
        return Err(refuse_grouped(image.path(), &group));
    }
    for s in image.snapshots()?.into_iter().filter(|s| !is_of_copy(&s.name)) {
        if !s.by_user {
            return Err(refuse_foreign(image.path(), &s.name));
        }
        kept.push(KeptSnapshot { id: s.id, name: s.name, bytes: s.bytes, protected: s.protected });
    }
    if !kept.is_empty() {
        let clones = image.children()?;
        if !clones.is_empty() {
            return Err(refuse_cloned(image.path(), &clones));
        }
    }
    Ok(kept)
}

/// The error for an image with a snapshot that nobody took by its name.
pub(crate) fn refuse_foreign(image: &Path, name: &str) -> DiskError {
    let reason = format!(
        "its snapshot {name} belongs to a group of images, a mirror, or a clone that outlives it; take the image out \
         of the group or the mirror, flatten such clones with rbd flatten, and try again (rbd snap ls --all tells)"
    );
    DiskError::bad_image(image, reason)
}

/// The error for an image that belongs to a group.
pub(crate) fn refuse_grouped(image: &Path, group: &str) -> DiskError {
    let reason = format!(
        "it belongs to the group {group}, which would lose it; take it out first (rbd group image rm POOL/{group} IMAGE)"
    );
    DiskError::bad_image(image, reason)
}

/// The error for an image that others are cloned from.
pub(crate) fn refuse_cloned(image: &Path, clones: &[String]) -> DiskError {
    let reason = format!(
        "{} images are cloned from its snapshots ({}) and read from them; make them stand by themselves with rbd \
         flatten first",
        clones.len(),
        told(clones)
    );
    DiskError::bad_image(image, reason)
}

/// The error for a copy to where no snapshots can be.
pub(crate) fn refuse_losing(image: &Path, names: &[String]) -> DiskError {
    let reason = format!(
        "it has {} snapshots ({}), which a directory cannot keep; move it to a Ceph pool, or send jobData.snapshots \
         \"drop\": then they stay behind with the old image in the trash",
        names.len(),
        told(names)
    );
    DiskError::bad_image(image, reason)
}

fn told(names: &[String]) -> String {
    let shown: Vec<_> = names.iter().take(NAMES_TOLD).map(String::as_str).collect();
    let more = names.len().saturating_sub(NAMES_TOLD);
    if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_snapshots_is_read_back_and_an_empty_one_says_none() {
        let source = ImageIdentity { fsid: "f".into(), image: "1".into(), bytes: 9, snapshot: 7 };
        let kept = KeptSnapshot { id: 4, name: "a".into(), bytes: 8, protected: true };
        let history = History { source, snapshots: vec![kept] };
        let mut pages = BTreeMap::from([history.page().unwrap()]);
        assert_eq!(History::from_pages(&pages).unwrap(), Some(history));
        pages.insert(HISTORY_PAGE, Vec::new());
        assert_eq!(History::from_pages(&pages).unwrap(), None);
        pages.insert(HISTORY_PAGE, b"{".to_vec());
        assert!(History::from_pages(&pages).is_err());
    }

    #[test]
    fn of_many_snapshots_an_error_names_a_few() {
        let names: Vec<String> = (1..=7).map(|n| format!("s{n}")).collect();
        let text = refuse_losing(Path::new("ceph://a/b"), &names).to_string();
        assert!(text.contains("7 snapshots (s1, s2, s3, s4, s5 and 2 more)"), "{text}");
    }
}
