//! Images at rest: delete and recover, expunge, look at the bytes anew. How the bytes come is in `images`.

use std::path::Path;

use longhaul_model::resource::{BackupStorage, Image, ImageRef, ImageStatus, Trash};
use longhaul_model::{BackupStorageId, Code, Fault, ImageId, StorageId};

use super::backup_storages::open_place;
use super::trash::Cleaned;
use super::{Desk, blocking};
use crate::copy::image::RemoveSnapshots;
use crate::images::{Algorithm, digest_of};
use crate::storage::{self, DiskError};

/// What a deletion does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeletionPolicy {
    /// The bytes are kept, and expunged after a while.
    Delay,
    /// The bytes go at once.
    Direct,
    /// The bytes are kept until they are expunged by hand.
    Never,
}

impl DeletionPolicy {
    /// All of them, as the global configuration names them.
    pub const NAMES: [&'static str; 3] = ["Delay", "Direct", "Never"];
    const ALL: [Self; 3] = [Self::Delay, Self::Direct, Self::Never];

    /// Its place in `NAMES`.
    pub fn number(self) -> usize {
        Self::ALL.iter().position(|p| *p == self).unwrap_or_default()
    }

    /// The policy at that place; the first where there is none.
    pub fn numbered(number: usize) -> Self {
        Self::ALL.get(number).copied().unwrap_or(Self::Delay)
    }
}

fn text(image: &Image) -> String {
    format!("image[uuid:{}, name:{}]", image.id, image.name)
}

fn under_way(copy: &ImageRef) -> bool {
    matches!(copy.status, ImageStatus::Creating | ImageStatus::Downloading)
}

/// Deletes copies, all of them where none are named. What is still on its way is removed at once: its job finds
/// out and takes its bytes away.
///
/// # Errors
/// It is not on a named backup storage, or its bytes cannot be removed (`Direct`).
pub async fn delete(
    desk: &Desk,
    id: ImageId,
    on: &[BackupStorageId],
    policy: DeletionPolicy,
) -> Result<(), Fault> {
    let now_ms = desk.inventory.runtime().now_ms();
    let deleted = desk.inventory.change_image(id, |image| {
        if let Some(place) = on.iter().find(|place| image.on(**place).is_none()) {
            return Err(Fault::invalid(format!(
                "the {} is not on the backup storage[uuid:{place}]",
                text(image)
            )));
        }
        let named = |copy: &ImageRef| on.is_empty() || on.contains(&copy.backup_storage);
        image.refs.retain(|copy| !(named(copy) && under_way(copy)));
        for copy in image.refs.iter_mut().filter(|copy| named(copy)) {
            copy.status = ImageStatus::Deleted;
            copy.last_op_ms = now_ms;
        }
        if image.refs.iter().all(|copy| copy.status == ImageStatus::Deleted) {
            image.status = ImageStatus::Deleted;
            image.deleted_ms = image.deleted_ms.or(Some(now_ms));
        } else if !image.refs.iter().any(under_way) {
            image.status = ImageStatus::Ready;
        }
        Ok(())
    });
    let image = deleted.await?;
    if image.refs.is_empty() {
        return desk.inventory.delete_image(id).await;
    }
    match policy {
        DeletionPolicy::Delay | DeletionPolicy::Never => Ok(()),
        DeletionPolicy::Direct => {
            let on: Vec<_> = image.refs.iter().map(|copy| copy.backup_storage).collect();
            let deleted = |place: &&BackupStorageId| {
                image.on(**place).is_some_and(|c| c.status == ImageStatus::Deleted)
            };
            let on: Vec<_> = on.iter().filter(deleted).copied().collect();
            let failed = remove(desk, &image, &on).await?;
            match failed.into_iter().next() {
                None => Ok(()),
                Some(why) => Err(Fault::new(
                    Code::CannotDelete,
                    format!("the {} cannot be deleted: {}", text(&image), why.details),
                )
                .because(why)),
            }
        }
    }
}

/// Takes a deletion back, of all deleted copies where none are named.
///
/// # Errors
/// Nothing of it is deleted, or not on a named backup storage.
pub async fn recover(desk: &Desk, id: ImageId, on: &[BackupStorageId]) -> Result<Image, Fault> {
    let now_ms = desk.inventory.runtime().now_ms();
    desk.inventory
        .change_image(id, |image| {
            check_deleted(image, on, true)?;
            for copy in &mut image.refs {
                if copy.status == ImageStatus::Deleted && (on.is_empty() || on.contains(&copy.backup_storage))
                {
                    copy.status = ImageStatus::Ready;
                    copy.last_op_ms = now_ms;
                }
            }
            image.status = ImageStatus::Ready;
            image.deleted_ms = None;
            Ok(())
        })
        .await
}

/// Refuses where nothing is deleted, or a named copy is not.
fn check_deleted(image: &Image, on: &[BackupStorageId], recover: bool) -> Result<(), Fault> {
    let told = text(image);
    if !image.refs.iter().any(is_gone) {
        return Err(Fault::failed(format!("the {told} is not deleted on any backup storage")));
    }
    for place in on {
        let Some(copy) = image.on(*place) else {
            return Err(Fault::invalid(format!("the {told} is not on the backup storage[uuid:{place}]")));
        };
        if recover && copy.status != ImageStatus::Deleted {
            return Err(Fault::invalid(format!(
                "the {told}'s status[{}] is not Deleted on the backup storage[uuid:{place}]",
                copy.status.name()
            )));
        }
        if !is_gone(copy) {
            return Err(Fault::invalid(format!(
                "the {told} is not deleted on the backup storage[uuid:{place}]"
            )));
        }
    }
    Ok(())
}

/// Deleted, or being removed: that is what `Error` means on a copy.
pub fn is_gone(copy: &ImageRef) -> bool {
    matches!(copy.status, ImageStatus::Deleted | ImageStatus::Error)
}

/// Removes the bytes of deleted copies and then their records, of all of them where none are named. What cannot
/// be removed stays, and is logged.
///
/// # Errors
/// Nothing of it is deleted, or not on a named backup storage.
pub async fn expunge(desk: &Desk, id: ImageId, on: &[BackupStorageId]) -> Result<(), Fault> {
    let image = desk.inventory.image(id, "imageUuid").await?;
    check_deleted(&image, on, false)?;
    let wanted = |copy: &&ImageRef| is_gone(copy) && (on.is_empty() || on.contains(&copy.backup_storage));
    let on: Vec<_> = image.refs.iter().filter(wanted).map(|copy| copy.backup_storage).collect();
    for fault in remove(desk, &image, &on).await? {
        tracing::warn!(image = %id, %fault, "a copy of a deleted image could not be expunged");
    }
    Ok(())
}

/// Removes copies for good; the image with the last. First their records are claimed, so that a recover and this
/// cannot both win. Answers what could not be removed.
async fn remove(desk: &Desk, image: &Image, on: &[BackupStorageId]) -> Result<Vec<Fault>, Fault> {
    let claimed = desk.inventory.change_image(image.id, |image| {
        for copy in image.refs.iter_mut().filter(|copy| on.contains(&copy.backup_storage)) {
            if !is_gone(copy) {
                return Err(Fault::failed(format!("the {} was recovered meanwhile", text(image))));
            }
            copy.status = ImageStatus::Error;
        }
        Ok(())
    });
    let image = claimed.await?;
    let (mut removed, mut failed) = (Vec::new(), Vec::new());
    for copy in image.refs.iter().filter(|copy| on.contains(&copy.backup_storage)) {
        match remove_bytes(desk, copy.backup_storage, &copy.install_path).await {
            Ok(()) => removed.push(copy.backup_storage),
            Err(fault) => failed.push(fault),
        }
    }
    let rest = desk.inventory.change_image(image.id, |image| {
        image.refs.retain(|copy| !removed.contains(&copy.backup_storage));
        for copy in image.refs.iter_mut().filter(|copy| on.contains(&copy.backup_storage)) {
            copy.status = ImageStatus::Deleted; // it is still there, so it may be recovered
        }
        Ok(())
    });
    if rest.await?.refs.is_empty() {
        desk.inventory.delete_image(image.id).await?;
    }
    Ok(failed)
}

/// Removes the file of a copy. One that is gone already is no error.
async fn remove_bytes(desk: &Desk, on: BackupStorageId, path: &str) -> Result<(), Fault> {
    if path.is_empty() {
        return Ok(());
    }
    let place = desk.inventory.backup_storage(on, "backupStorageUuid").await?;
    let path = path.to_owned();
    if let Some(pool) = &place.pool {
        return desk.pool_remove(pool, &path, RemoveSnapshots::All).await;
    }
    blocking(move || {
        let (root, path) = (open_place(&place)?, Path::new(&path));
        // The recorded name itself: a symbolic link that took its place must not lead to another file.
        let relative = path.strip_prefix(root.path()).map_err(|_| DiskError::OutsideRoot(path.to_owned()))?;
        match storage::in_use(path) {
            Ok(holders) if !holders.is_empty() => return Err(DiskError::InUse(holders)),
            Ok(_) | Err(DiskError::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
        storage::delete_artifact(&root, relative)
    })
    .await
}

/// What migrations left on a backup storage.
///
/// # Errors
/// The store does not answer.
pub async fn trash(desk: &Desk, id: BackupStorageId) -> Result<Vec<Trash>, Fault> {
    let mut items = desk.inventory.trash(StorageId::from_bits(id.bits())).await?;
    items.retain(|item| item.resource_type == "ImageVO");
    Ok(items)
}

/// Removes one entry of a backup storage's trash or all of them, the bytes first and then the record. An unknown
/// number is answered as an empty list.
///
/// # Errors
/// There is no such backup storage. What cannot be removed is in the answer and stays listed.
pub async fn clean_trash(desk: &Desk, id: BackupStorageId, only: Option<u64>) -> Result<Vec<Cleaned>, Fault> {
    desk.inventory.backup_storage(id, "uuid").await?;
    let mut done = Vec::new();
    for trash in trash(desk, id).await?.into_iter().filter(|t| only.is_none_or(|n| n == t.id)) {
        let error = match remove_bytes(desk, id, &trash.install_path).await {
            Ok(()) => desk.inventory.remove_trash(trash.id).await.err(),
            Err(fault) => Some(fault),
        };
        done.push(Cleaned { trash, error });
    }
    Ok(done)
}

/// A copy that can be read now, and where it lies.
///
/// # Errors
/// The image has no copy, or none that is complete and whose backup storage is connected.
pub async fn readable(
    desk: &Desk,
    image: &Image,
    only: Option<BackupStorageId>,
) -> Result<(BackupStorage, String), Fault> {
    let told = text(image);
    if image.refs.is_empty() {
        return Err(Fault::failed(format!("the {told} is not on any backup storage")));
    }
    if let Some(place) = only.filter(|place| image.on(*place).is_none()) {
        return Err(Fault::invalid(format!("the {told} is not on the backup storage[uuid:{place}]")));
    }
    for copy in image.refs.iter().filter(|copy| only.is_none_or(|place| place == copy.backup_storage)) {
        if copy.status != ImageStatus::Ready {
            continue;
        }
        let place = super::backup_storages::refreshed(desk, copy.backup_storage).await?;
        if place.status == "Connected" {
            return Ok((place, copy.install_path.clone()));
        }
    }
    Err(Fault::failed(format!("No connected backup storage found for {told}")))
}

/// Whether somebody has an image of a pool open for writing, as a copier has whose job just ended. A file can be read
/// by many.
///
/// # Errors
/// The cluster does not answer.
pub async fn is_held(desk: &Desk, place: &BackupStorage, path: &str) -> Result<bool, Fault> {
    match &place.pool {
        None => Ok(false),
        Some(pool) => Ok(!desk.pool_holders(pool, path).await?.is_empty()),
    }
}

/// Looks at the bytes anew: how large a guest sees them, how many there are.
///
/// # Errors
/// There is no copy that can be read.
pub async fn sync_size(desk: &Desk, id: ImageId) -> Result<Image, Fault> {
    let image = desk.inventory.image(id, "uuid").await?;
    let (place, path) = readable(desk, &image, None).await?;
    let seen = sizes(desk, place, path).await?;
    desk.inventory
        .change_image(id, |image| {
            (image.size, image.actual_size) = seen;
            Ok(())
        })
        .await
}

/// How large a guest sees a copy, and how many bytes are stored of it.
async fn sizes(desk: &Desk, place: BackupStorage, path: String) -> Result<(u64, u64), Fault> {
    if let Some(pool) = &place.pool {
        let facts = desk.image(pool, &path).await?;
        return Ok((facts.bytes, facts.stored_bytes.unwrap_or(facts.bytes)));
    }
    blocking(move || {
        let root = open_place(&place)?;
        let relative = root.relative(Path::new(&path))?;
        let info = storage::probe(&root, &relative)?;
        let bytes = root.open_file(&relative, storage::Access::Read)?.metadata();
        let bytes = bytes.map_err(|e| DiskError::io("stat", Path::new(&path), e))?.len();
        Ok((info.virtual_bytes, bytes))
    })
    .await
}

/// Reads a copy and computes its digest, in lower-case hex; an MD5 is kept in the image's record.
///
/// # Errors
/// There is no such copy that can be read.
pub async fn hash(
    desk: &Desk,
    id: ImageId,
    on: BackupStorageId,
    algorithm: Algorithm,
) -> Result<(Image, String), Fault> {
    let image = desk.inventory.image(id, "uuid").await?;
    let (place, path) = readable(desk, &image, Some(on)).await?;
    if place.pool.is_some() {
        return Err(Fault::failed(format!(
            "backup storage[uuid:{on}] is a pool, of whose images no digest is computed; name one that is a directory, \
             or export the image and compute it there"
        )));
    }
    let digest = blocking(move || {
        let root = open_place(&place)?;
        let relative = root.relative(Path::new(&path))?;
        let file = root.open_file(&relative, storage::Access::Read)?;
        digest_of(file, algorithm).map_err(|e| DiskError::io("read", Path::new(&path), e))
    })
    .await?;
    if algorithm != Algorithm::Md5 {
        return Ok((image, digest));
    }
    let kept = desk.inventory.change_image(id, |image| {
        image.md5 = Some(digest.clone());
        Ok(())
    });
    Ok((kept.await?, digest))
}
