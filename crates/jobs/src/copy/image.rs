//! Taking images for a copy and giving them back: the fence against clients of earlier attempts, the lock, and which
//! snapshot it is that is copied. How that is taken: `snapshot`.
//!
//! Every address by which a copy is known to a cluster is in the checkpoint, durably, before it opens an image
//! for writing. The next attempt shuts those out first: whatever an earlier one still has on its way, it is
//! not written any more, and its lock and its watch fall at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use longhaul_model::JobId;
use longhaul_model::resource::CephPool;
use serde::{Deserialize, Serialize};

use super::Sink;
use super::checkpoint::{CLIENTS_PAGE, ChunkMap};
use super::disk::{DiskRef, Holder, ImageIdentity, SourceIdentity};
use super::history::{self, History, KeptSnapshot, Snapshots};
use super::snapshot::{self, Later, Taking};
use crate::rbd::{Grain, Image, Pool};
use crate::storage::{DiskError, InUse};

/// Note on an image: `<job>:<token>` of the attempt that holds it.
pub const HOLDER_NOTE: &str = "longhaul.token";
/// Note on an image that is filled: `<job>:<token>` of the attempt that began to read back what is there now.
const READ_BACK_NOTE: &str = "longhaul.readback";
/// Note on an image that a move left behind: its snapshots and the time of its last write, as they were then.
pub const LEFT_NOTE: &str = "longhaul.left";
/// Note on an image whose removal began: what `LEFT_NOTE` said, before the first snapshot went.
const REMOVING_NOTE: &str = "longhaul.removing";
/// How the snapshots begin that copies make; the uuid of the job follows.
const SNAPSHOT_PREFIX: &str = "longhaul-";

/// The name of the snapshot that a job's copy is made from.
pub fn snapshot_name(holder: &Holder) -> String {
    let nobody = JobId::from_bits(0).to_string();
    format!("{SNAPSHOT_PREFIX}{}", if holder.job.is_empty() { &nobody } else { &holder.job })
}

/// Whether a copy made the snapshot of this name. What people call `longhaul-nightly` is theirs.
pub(crate) fn is_of_copy(name: &str) -> bool {
    name.strip_prefix(SNAPSHOT_PREFIX).is_some_and(|job| job.parse::<JobId>().is_ok())
}

/// A client of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Client {
    fsid: String,
    address: String,
}

/// The pools of one copy, over one connection where they are reached in the same way.
pub(super) struct Pools {
    open: Vec<(CephPool, Pool)>,
}

impl Pools {
    /// Connects to the pools of `disks`, shuts out what `pages` say of earlier attempts, and has our own
    /// addresses stored. Does nothing for disks that are files.
    ///
    /// # Errors
    /// As `Pool::connect` and `Pool::shut_out`; those of the sink.
    pub(super) fn open(
        disks: [&DiskRef; 2],
        pages: &BTreeMap<u32, Vec<u8>>,
        sink: &dyn Sink,
    ) -> Result<Self, DiskError> {
        let mut pools = Self { open: Vec::new() };
        for disk in disks {
            let DiskRef::Image { pool, .. } = disk else { continue };
            if pools.open.iter().any(|(known, _)| known == pool) {
                continue;
            }
            let shared = pools.open.first().map(|(_, first)| first.beside(pool)).transpose()?.flatten();
            pools.open.push((pool.clone(), shared.map_or_else(|| Pool::connect(pool), Ok)?));
        }
        if !pools.open.is_empty() {
            fence(pools.open.iter().map(|(_, pool)| pool), pages)?;
            sink.checkpoint(vec![(CLIENTS_PAGE, pools.clients()?)])?;
        }
        Ok(pools)
    }

    fn clients(&self) -> Result<Vec<u8>, DiskError> {
        let mut clients = Vec::new();
        for (_, pool) in &self.open {
            let fsid = pool.fsid()?;
            let addresses = pool.client_addresses()?;
            clients.extend(addresses.into_iter().map(|address| Client { fsid: fsid.clone(), address }));
        }
        clients.dedup();
        serde_json::to_vec(&clients)
            .map_err(|e| DiskError::io("encode", "clients".as_ref(), std::io::Error::other(e)))
    }

    /// The connection to `pool`.
    pub(super) fn of(&self, pool: &CephPool) -> Result<&Pool, DiskError> {
        self.open
            .iter()
            .find(|(known, _)| known == pool)
            .map(|(_, pool)| pool)
            .ok_or_else(|| DiskError::bad_image(pool.path("").as_ref(), "its pool was not connected to"))
    }
}

/// Shuts out every client that `pages` name, in those of its clusters that are connected to.
///
/// # Errors
/// `Refuses` when our user may not do that; `Away`.
pub(crate) fn fence<'p>(
    pools: impl Iterator<Item = &'p Pool>,
    pages: &BTreeMap<u32, Vec<u8>>,
) -> Result<(), DiskError> {
    let earlier = earlier(pages)?;
    for pool in pools {
        let fsid = pool.fsid()?;
        for client in earlier.iter().filter(|c| c.fsid == fsid) {
            pool.shut_out(&client.address)?;
        }
    }
    Ok(())
}

/// The clients of the attempt before.
fn earlier(pages: &BTreeMap<u32, Vec<u8>>) -> Result<Vec<Client>, DiskError> {
    let Some(page) = pages.get(&CLIENTS_PAGE) else { return Ok(Vec::new()) };
    serde_json::from_slice(page)
        .map_err(|e| DiskError::bad_image("checkpoint".as_ref(), format!("its clients can't be read: {e}")))
}

/// An image that is filled, as an earlier attempt left it.
pub(super) struct Again {
    pub(super) image: Image,
    /// That attempt was the last to own the lock, so nobody else has written to it since.
    pub(super) untouched: bool,
}

/// Takes an image that is filled again; `pages` are of the attempt before.
///
/// # Errors
/// As `take`.
pub(super) fn take_again(
    pool: &Pool,
    name: &str,
    holder: &Holder,
    pages: &BTreeMap<u32, Vec<u8>>,
) -> Result<Again, DiskError> {
    let image = Image::open(pool, name)?;
    // A client that was killed is the lock's owner until another is. Who comes between takes the lock, and after that it
    // is free or somebody else's.
    let (owner, fsid) = (image.lock_owner()?, pool.fsid()?);
    let untouched =
        owner.is_some_and(|owner| earlier(pages).is_ok_and(|e| e.contains(&Client { fsid, address: owner })));
    Ok(Again { image: taken(image, holder)?, untouched })
}

/// What is another text after any write of others to the image, which is ours. `untouched` is as `Again` has it.
///
/// # Errors
/// `InUse`, `Fenced`, `Away`, `Io`.
pub(super) fn mark(image: &Image, holder: &Holder, untouched: bool) -> Result<String, DiskError> {
    if untouched && let Some(mark) = image.note(READ_BACK_NOTE)? {
        return Ok(mark);
    }
    let mark = format!("{}:{}", holder.job, holder.token);
    image.set_note(READ_BACK_NOTE, Some(&mark))?;
    Ok(mark)
}

/// The image is read back, so its mark is of no more use.
///
/// # Errors
/// As `mark`.
pub(super) fn unmark(image: &Image) -> Result<(), DiskError> {
    image.set_note(READ_BACK_NOTE, None)
}

/// Opens an image for writing and takes its lock. Nobody else may have it open.
///
/// # Errors
/// `InUse` with the address of who has it; `Fenced` when a later attempt of the job has had it; `BadImage` when
/// it knows no lock; as `Image::open`.
pub(super) fn take(pool: &Pool, name: &str, holder: &Holder) -> Result<Image, DiskError> {
    taken(Image::open(pool, name)?, holder)
}

fn taken(image: Image, holder: &Holder) -> Result<Image, DiskError> {
    // Before the lock: a client that lives might hand its lock over to us. And after it: who came between.
    image.refuse_if_watched()?;
    image.lock()?;
    image.refuse_if_watched()?;
    let noted = image.note(HOLDER_NOTE)?;
    let noted = noted.as_deref().and_then(|note| note.split_once(':'));
    if let Some((job, token)) = noted
        && job == holder.job
        && token.parse::<u64>().is_ok_and(|token| token > holder.token)
    {
        return Err(DiskError::Fenced(image.path().to_owned()));
    }
    image.set_note(HOLDER_NOTE, Some(&format!("{}:{}", holder.job, holder.token)))?;
    Ok(image)
}

/// A source whose lock is ours: nobody else writes to it.
pub struct TakenImage {
    head: Arc<Image>,
    snapshot: String,
    bytes: u64,
    kept: Vec<KeptSnapshot>,
}

/// A source that was taken, and what of it is copied.
pub(super) struct Taken {
    pub(super) image: TakenImage,
    /// Which it is, and its snapshot, which may still be on its way.
    pub(super) later: Later,
    /// Its other snapshots that are to be copied, the oldest first.
    pub(super) history: Vec<KeptSnapshot>,
}

impl TakenImage {
    /// Takes the image and its snapshot; the one of an earlier attempt where `pages` are of it and the image did
    /// not change since. `to` is where it goes. Of a copy that begins, the snapshot may come later than the image.
    ///
    /// # Errors
    /// As `take`; `SourceChanged`; `BadImage` when the copy would lose its snapshots and that was not asked for.
    pub(super) fn take(
        pool: &Pool,
        name: &str,
        holder: &Holder,
        pages: &BTreeMap<u32, Vec<u8>>,
        snapshots: Snapshots,
        to: &DiskRef,
    ) -> Result<Taken, DiskError> {
        let head = Arc::new(take(pool, name, holder)?);
        let kept = history::of(&head)?;
        let history = match (snapshots, to) {
            (Snapshots::Drop, _) => Vec::new(),
            (Snapshots::Keep, DiskRef::File { .. }) if !kept.is_empty() => {
                let names: Vec<_> = kept.into_iter().map(|s| s.name).collect();
                return Err(history::refuse_losing(head.path(), &names));
            }
            (Snapshots::Keep, _) => kept.clone(),
        };
        let snapshot = snapshot_name(holder);
        let (id, bytes, fsid) = (head.id()?, head.size()?, pool.fsid()?);
        let known = match copied_from(pages)? {
            Some(known) if known.image == id && known.fsid == fsid => Some(known.snapshot),
            _ => None,
        };
        let taken = Self { head, snapshot: snapshot.clone(), bytes, kept };
        let taking = match taken.head.snapshots()?.into_iter().find(|s| s.name == snapshot) {
            // It is the newest, so that what differs since the others can be told.
            Some(old) if known == Some(old.id) && taken.kept.iter().all(|s| s.id < old.id) => {
                taken.unchanged()?;
                Taking::There(old.id)
            }
            old if history.is_empty() && begins(pages)? => {
                Taking::beside(Arc::clone(&taken.head), snapshot, old.is_some())?
            }
            old => Taking::There(snapshot::make(&taken.head, &snapshot, old.is_some())?),
        };
        let identity = ImageIdentity { fsid, image: id, bytes, snapshot: 0 };
        Ok(Taken { image: taken, later: Later { identity, taking }, history })
    }

    /// It as it is now, to be read: while the lock is ours that is what the snapshot holds.
    pub(super) fn head(&self) -> Arc<Image> {
        Arc::clone(&self.head)
    }

    /// Proves that the lock is ours, that nothing was written since the snapshot, and that the others are those that
    /// were there.
    ///
    /// # Errors
    /// `SourceChanged`; `InUse` when another has the image open for writing; `Fenced`, `Away`, `Io`.
    pub fn unchanged(&self) -> Result<(), DiskError> {
        let changed = || DiskError::SourceChanged(self.head.path().to_owned());
        if !self.head.owns_lock()? || self.head.size()? != self.bytes || history::of(&self.head)? != self.kept
        {
            return Err(changed());
        }
        let grain = if self.head.has_fast_diff()? { Grain::Object } else { Grain::Exact };
        match self.head.changes(&self.snapshot, 0..self.bytes, grain)?.is_empty() {
            true => self.head.refuse_if_watched(),
            false => Err(changed()),
        }
    }

    /// Notes on the image what it is, for the day on which it is to be removed as what was left behind.
    ///
    /// # Errors
    /// `InUse`, `Fenced`, `Away`, `Io`.
    pub fn note_as_left(&self) -> Result<(), DiskError> {
        self.head.set_note(LEFT_NOTE, Some(&left(&self.head)?))
    }

    /// Removes the snapshot and the note. The lock falls when this is dropped.
    ///
    /// # Errors
    /// `InUse`, `Fenced`, `Away`, `Io`: the snapshot stays, and goes when the image is removed.
    pub fn give_back(&self) -> Result<(), DiskError> {
        self.head.remove_snapshot(&self.snapshot)?;
        self.head.set_note(HOLDER_NOTE, None)
    }
}

/// Whether nothing of `pages` counts, so that they name no snapshot.
fn begins(pages: &BTreeMap<u32, Vec<u8>>) -> Result<bool, DiskError> {
    Ok(History::from_pages(pages)?.is_none() && ChunkMap::from_pages(pages)?.is_none())
}

/// The image and snapshot that `pages` are a copy of.
fn copied_from(pages: &BTreeMap<u32, Vec<u8>>) -> Result<Option<ImageIdentity>, DiskError> {
    if let Some(history) = History::from_pages(pages)? {
        return Ok(Some(history.source));
    }
    match ChunkMap::from_pages(pages)?.map(|map| map.header().source.clone()).as_deref() {
        Some([SourceIdentity::Image(known)]) => Ok(Some(known.clone())),
        _ => Ok(None),
    }
}

/// What is noted of an image that is left behind: it is the same later as long as nobody touched it. Snapshots are
/// known by their numbers, of which none is used twice; of writes the first of a minute is seen.
fn left(image: &Image) -> Result<String, DiskError> {
    let ids = image.snapshots()?.into_iter().filter(|s| !is_of_copy(&s.name));
    let ids: Vec<_> = ids.map(|s| s.id.to_string()).collect();
    Ok(format!("{}:{}", image.modified_s()?, ids.join(",")))
}

/// Whether an image is as it was `noted` when it was left behind. Where its removal began, snapshots may have gone since.
fn is_as_left(image: &Image, noted: &str) -> Result<bool, DiskError> {
    let now = left(image)?;
    if now == noted {
        return Ok(true);
    }
    let begun = image.note(REMOVING_NOTE)?.is_some_and(|begun| begun == noted);
    let (Some((was_s, were)), Some((is_s, are))) = (noted.split_once(':'), now.split_once(':')) else {
        return Ok(false);
    };
    let were: Vec<_> = were.split(',').collect();
    Ok(begun && was_s == is_s && are.split(',').all(|id| id.is_empty() || were.contains(&id)))
}

/// Which snapshots go with an image that is removed. Those of copies always do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemoveSnapshots {
    /// No others: an image that has some stays.
    Ours,
    /// Those that were there when a move left the image behind, if nothing was touched since.
    AsLeft,
    /// All: it is the work of a job that is given up, or was deleted with them.
    All,
}

/// Removes an image that a copy made, or that is trash: its snapshots first. Of `image@snapshot` the snapshot
/// alone. What is gone is no error.
///
/// # Errors
/// `InUse` while a client has it open; `Touched`; `BadImage` while it has snapshots that stay or clones, or belongs to a
/// group: nothing of it is removed then;
/// `Away`, `Refuses`, `Io`.
pub(crate) fn remove(pool: &Pool, name: &str, which: RemoveSnapshots) -> Result<(), DiskError> {
    let (name, only) = match name.split_once('@') {
        Some((name, snapshot)) => (name, Some(snapshot)),
        None => (name, None),
    };
    let image = match Image::open(pool, name) {
        Err(DiskError::NotFound(_)) => return Ok(()),
        opened => opened?,
    };
    image.refuse_if_watched()?;
    if let Some(only) = only {
        if image.snapshots()?.iter().any(|s| s.name == only) {
            image.remove_snapshot(only)?;
        }
        image.end_removals()?;
        return image.set_note(HOLDER_NOTE, None);
    }
    let theirs = history::of(&image)?;
    let noted = image.note(LEFT_NOTE)?;
    match (which, &noted) {
        (RemoveSnapshots::AsLeft, Some(noted)) => {
            if !is_as_left(&image, noted)? {
                return Err(DiskError::Touched(image.path().to_owned()));
            }
            image.set_note(REMOVING_NOTE, Some(noted))?;
        }
        (RemoveSnapshots::AsLeft | RemoveSnapshots::Ours, _) if !theirs.is_empty() => {
            return Err(refuse_removal(&image, &theirs));
        }
        (RemoveSnapshots::AsLeft | RemoveSnapshots::Ours | RemoveSnapshots::All, _) => {}
    }
    for snapshot in image.snapshots()? {
        if snapshot.protected {
            image.unprotect(&snapshot.name)?;
        }
        image.remove_snapshot(&snapshot.name)?;
    }
    image.end_removals()?;
    drop(image);
    pool.remove(name)
}

fn refuse_removal(image: &Image, theirs: &[KeptSnapshot]) -> DiskError {
    let first = theirs.first().map(|s| s.name.as_str()).unwrap_or_default();
    let reason =
        format!("it has {} snapshots, such as {first}; remove them first with rbd snap purge", theirs.len());
    DiskError::bad_image(image.path(), reason)
}

/// Who has the image open for writing; empty when nobody has, or it is gone.
///
/// # Errors
/// `Away`, `Refuses`, `Io`.
pub(crate) fn holders(pool: &Pool, name: &str) -> Result<Vec<InUse>, DiskError> {
    let image = match Image::open_read_only(pool, name, None) {
        Err(DiskError::NotFound(_)) => return Ok(Vec::new()),
        opened => opened?,
    };
    match image.refuse_if_watched() {
        Ok(()) => Ok(Vec::new()),
        Err(DiskError::InUse(holders)) => Ok(holders),
        Err(error) => Err(error),
    }
}
