//! A complete image from one backup storage to another, in one go: it is begun anew after a stop. Holes stay holes.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use longhaul_engine::handler::Ended;
use longhaul_engine::{JobContext, Stopped};
use longhaul_model::ImageId;
use longhaul_model::resource::BackupStorage;
use rustix::fs::SeekFrom;
use rustix::io::Errno;

use super::intake::{self, Artifact};
use crate::manage::backup_storages::open_place;
use crate::manage::blocking;
use crate::storage::{Access, DiskError};

/// Bytes that are copied at a time.
const BLOCK_BYTES: usize = 4 << 20;

/// Copies the file `from` below the root of one backup storage to a new one below that of another; durable when
/// answered.
///
/// # Errors
/// The attempt is to stop, or a disk refuses.
pub async fn copy(
    context: &JobContext,
    at: &BackupStorage,
    from: &Path,
    to: &BackupStorage,
    image: ImageId,
) -> Result<Artifact, Ended> {
    // What an earlier attempt left there is removed, or left to who holds it; the checkpoint is of another file.
    let artifact = intake::artifact(context, to, image).await?;
    let (place, relative) = (at.clone(), from.to_owned());
    let source = blocking(move || open_place(&place)?.open_file(&relative, Access::Read)).await?;
    let source = Arc::new(source);
    let mut offset = 0;
    loop {
        if let Some(why) = context.stop_asked() {
            return Err(Stopped(why).into());
        }
        context.lease().await?;
        let (source, target) = (source.clone(), artifact.file.clone());
        let path: PathBuf = artifact.absolute.clone();
        let copied = blocking(move || {
            let end = source.metadata().map_err(|e| DiskError::io("stat", &path, e))?.len();
            let data = data_from(&source, offset, end).map_err(|e| DiskError::io("seek", &path, e))?;
            let mut block =
                vec![0; BLOCK_BYTES.min(usize::try_from(data.end - data.start).unwrap_or(BLOCK_BYTES))];
            let n = source.read_at(&mut block, data.start).map_err(|e| DiskError::io("read", &path, e))?;
            target.write_all_at(&block[..n], data.start).map_err(|e| DiskError::io("write", &path, e))?;
            if n == 0 {
                target.set_len(end).map_err(|e| DiskError::io("truncate", &path, e))?;
                target.sync_all().map_err(|e| DiskError::io("fsync", &path, e))?;
            }
            Ok((n > 0).then_some(data.start + n as u64))
        });
        match copied.await? {
            None => return Ok(artifact),
            Some(next) => offset = next,
        }
    }
}

/// Where the next bytes of a file of `end` bytes are that are no hole; empty behind the last. A file system that knows no
/// holes has bytes everywhere.
fn data_from(file: &File, at: u64, end: u64) -> std::io::Result<Range<u64>> {
    let data = match rustix::fs::seek(file, SeekFrom::Data(at)) {
        Ok(data) => data.min(end),
        Err(Errno::NXIO) => end,
        Err(Errno::INVAL) => at,
        Err(error) => return Err(error.into()),
    };
    let hole = rustix::fs::seek(file, SeekFrom::Hole(data)).unwrap_or(end);
    Ok(data..hole.clamp(data, end.max(data)))
}
