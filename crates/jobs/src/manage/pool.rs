//! The part of `Desk` that is about pools: every question is asked of a process of its own, which is given up
//! when it does not answer. Directories: `place`.

use std::path::{Path, PathBuf};

use longhaul_model::Fault;
use longhaul_model::resource::CephPool;

use super::fault::from_disk;
use super::place::{Desk, Disk};
use crate::attempt_io::ask::{ANSWER_WITHIN, ask};
use crate::attempt_io::question::{Answer, ImageFacts, Question};
use crate::copy::history::{self, Snapshots};
use crate::copy::image::RemoveSnapshots;
use crate::storage::{Capacity, DiskError, Format, Identity, ImageInfo, InUse, Layer};

/// The image that `path` names: as records have it, or by its bare name.
pub(super) fn image_of(pool: &CephPool, path: &str) -> Result<String, Fault> {
    let bare = !path.is_empty() && !path.contains(['/', '@']);
    let image = pool.image(path).map(str::to_owned).or_else(|| bare.then(|| path.to_owned()));
    image.ok_or_else(|| {
        Fault::invalid(format!("{path} is not an image of the pool; give it as {}", pool.path("NAME")))
    })
}

fn path_of(pool: &CephPool, image: &str) -> PathBuf {
    PathBuf::from(pool.path(image))
}

impl Desk {
    async fn ask(&self, pool: &CephPool, question: Question) -> Result<Answer, Fault> {
        ask(&self.spawner, pool, question, ANSWER_WITHIN).await.map_err(from_disk)
    }

    /// Which cluster a pool is in.
    ///
    /// # Errors
    /// It does not answer, or the pool is not there.
    pub(super) async fn fsid(&self, pool: &CephPool) -> Result<String, Fault> {
        match self.ask(pool, Question::Fsid).await? {
            Answer::Fsid(fsid) => Ok(fsid),
            other => Err(unexpected(&other)),
        }
    }

    pub(super) async fn pool_capacity(&self, pool: &CephPool) -> Result<Capacity, Fault> {
        match self.ask(pool, Question::Capacity).await? {
            Answer::Capacity(capacity) => Ok(capacity),
            other => Err(unexpected(&other)),
        }
    }

    pub(super) async fn pool_room(&self, pool: &CephPool, needed: u64) -> Result<u64, (u64, Fault)> {
        has_room(self.pool_capacity(pool).await, needed)
    }

    /// What is known of an image.
    ///
    /// # Errors
    /// It is not there, or the cluster does not answer.
    pub(crate) async fn image(&self, pool: &CephPool, path: &str) -> Result<ImageFacts, Fault> {
        match self.ask(pool, Question::Probe { image: image_of(pool, path)? }).await? {
            Answer::Image(facts) => Ok(facts),
            other => Err(unexpected(&other)),
        }
    }

    pub(super) async fn pool_look(&self, pool: &CephPool, path: &str) -> Result<Disk, Fault> {
        Ok(disk(pool, &self.image(pool, path).await?))
    }

    pub(super) async fn pool_create(
        &self,
        pool: &CephPool,
        image: String,
        bytes: u64,
    ) -> Result<(String, u64), Fault> {
        let path = pool.path(&image);
        self.ask(pool, Question::Create { image, bytes }).await?;
        Ok((path, 0))
    }

    pub(super) async fn pool_holders(&self, pool: &CephPool, path: &str) -> Result<Vec<InUse>, Fault> {
        match self.ask(pool, Question::InUse { image: image_of(pool, path)? }).await {
            Ok(Answer::Holders(holders)) => Ok(holders),
            Ok(other) => Err(unexpected(&other)),
            Err(fault) => Err(fault),
        }
    }

    pub(super) async fn pool_remove(
        &self,
        pool: &CephPool,
        path: &str,
        snapshots: RemoveSnapshots,
    ) -> Result<(), Fault> {
        let question = Question::Remove { image: image_of(pool, path)?, snapshots, clients: None };
        self.ask(pool, question).await.map(|_| ())
    }

    /// The images of a pool that are not at `known` paths.
    ///
    /// # Errors
    /// The cluster does not answer.
    pub(super) async fn pool_scan(&self, pool: &CephPool, known: &[String]) -> Result<Vec<Disk>, Fault> {
        let known = known.iter().filter_map(|path| pool.image(path)).map(str::to_owned).collect();
        match self.ask(pool, Question::Scan { known }).await? {
            Answer::Images(images) => Ok(images.iter().map(|facts| disk(pool, facts)).collect()),
            other => Err(unexpected(&other)),
        }
    }
}

/// Free bytes of a pool that was `seen` so and is to take `needed` more.
///
/// # Errors
/// It could not be seen, or has not enough; with what is free, as far as that is known.
pub(crate) fn has_room(seen: Result<Capacity, Fault>, needed: u64) -> Result<u64, (u64, Fault)> {
    let free = seen.map_err(|fault| (0, fault))?.available_bytes;
    if needed > free {
        return Err((free, from_disk(DiskError::NoSpace { needed, free })));
    }
    Ok(free)
}

/// Refuses an image whose copy would lose something that was not given up, or could not be guarded. `keeps` says
/// whether the target can have snapshots.
///
/// # Errors
/// Why, and what to do.
pub(crate) fn refuse_unmovable(
    pool: &CephPool,
    facts: &ImageFacts,
    wanted: Snapshots,
    keeps: bool,
) -> Result<(), Fault> {
    let path = path_of(pool, &facts.image);
    if let Some(group) = &facts.group {
        return Err(from_disk(history::refuse_grouped(&path, group)));
    }
    if let Some(name) = &facts.foreign_snapshot {
        return Err(from_disk(history::refuse_foreign(&path, name)));
    }
    if !facts.clones.is_empty() {
        return Err(from_disk(history::refuse_cloned(&path, &facts.clones)));
    }
    if !facts.snapshots.is_empty() && wanted == Snapshots::Keep && !keeps {
        return Err(from_disk(history::refuse_losing(&path, &facts.snapshots)));
    }
    if !facts.exclusive_lock {
        let reason = "nobody can be kept from writing to it meanwhile; run rbd feature enable IMAGE \
                      exclusive-lock first";
        return Err(from_disk(DiskError::bad_image(&path, reason)));
    }
    Ok(())
}

fn disk(pool: &CephPool, facts: &ImageFacts) -> Disk {
    let actual_bytes = facts.stored_bytes.unwrap_or(facts.bytes);
    let path = PathBuf::from(&facts.image);
    Disk {
        path: pool.path(&facts.image),
        info: ImageInfo {
            path: path.clone(),
            format: Format::Raw,
            virtual_bytes: facts.bytes,
            actual_bytes,
            backing: None,
            dirty: false,
            internal_snapshots: u32::try_from(facts.snapshots.len()).unwrap_or(u32::MAX),
            identity: Identity { dev: 0, ino: 0, len: facts.bytes, mtime_ns: 0 },
        },
        layers: vec![Layer { path, actual_bytes }],
    }
}

fn unexpected(answer: &Answer) -> Fault {
    Fault::internal(format!("a question about a pool was answered with {answer:?}"))
}

/// The name of an image for the file that a directory would have: the volume's uuid.
pub(super) fn image_name(relative: &Path) -> String {
    relative.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_has_room_for_what_is_free_and_not_for_a_byte_more() {
        let seen = || Ok(Capacity { total_bytes: 9, available_bytes: 5 });
        assert_eq!(has_room(seen(), 5).unwrap(), 5);
        assert_eq!(has_room(seen(), 6).unwrap_err().0, 5);
        assert_eq!(has_room(Err(Fault::internal("away")), 0).unwrap_err().0, 0);
    }

    #[test]
    fn an_image_is_named_by_its_path_or_its_bare_name() {
        let pool = CephPool {
            monitors: Vec::new(),
            conf: None,
            user: "admin".to_owned(),
            keyring: None,
            pool: "a".to_owned(),
            fsid: String::new(),
        };
        assert_eq!(image_of(&pool, "disk").unwrap(), "disk");
        assert_eq!(image_of(&pool, "ceph://a/disk").unwrap(), "disk");
        for wrong in ["", "/a/disk", "ceph://b/disk", "disk@snap", "ceph://a/x/y"] {
            assert!(image_of(&pool, wrong).is_err(), "{wrong}");
        }
        assert_eq!(image_name(Path::new("dataVolumes/acct-1/vol-2/2.qcow2")), "2");
    }
}
