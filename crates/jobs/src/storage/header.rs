//! The qcow2 header, read by our own eyes before any library trusts it: sizes and offsets that do
//! not fit the file are refused here. What a whole file is: `probe`.
//!
//! Source: the qcow2 specification in QEMU's tree, docs/interop/qcow2.rst.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::error::DiskError;

/// `QFI\xfb`, the first four bytes of a qcow2 image.
pub const MAGIC: [u8; 4] = *b"QFI\xfb";
/// The largest disk that we handle, in bytes: 64 TiB.
pub const MAX_DISK_BYTES: u64 = 1 << 46;

const L1_MAX_BYTES: u64 = 32 << 20;
const L1_OFFSET_MASK: u64 = 0x00ff_ffff_ffff_fe00;
const EXT_BACKING_FORMAT: u32 = 0xE279_2ACA;
const EXT_DATA_FILE: u32 = 0x4441_5441;
const EXT_BITMAPS: u32 = 0x2385_2875;
const INCOMPATIBLE_DIRTY: u64 = 1;
const INCOMPATIBLE_CORRUPT: u64 = 1 << 1;
const INCOMPATIBLE_DATA_FILE: u64 = 1 << 2;

/// What the header of a qcow2 image says, after it was checked against the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Qcow2Header {
    /// Size of the guest's disk in bytes.
    pub virtual_bytes: u64,
    /// Size of a cluster in bytes.
    pub cluster_bytes: u64,
    /// The backing file that it names, as written there.
    pub backing: Option<String>,
    /// The format of the backing file, as written there.
    pub backing_format: Option<String>,
    /// The guest's data are in another file.
    pub data_file: bool,
    /// The name of that file, as written there.
    pub data_file_name: Option<String>,
    /// Dirty bitmaps that outlive a run, which a copy would lose.
    pub bitmaps: u32,
    /// Not closed cleanly: its refcounts may be wrong.
    pub dirty: bool,
    /// Marked as corrupt by whoever found out.
    pub corrupt: bool,
    /// Encrypted by qcow2 itself.
    pub encrypted: bool,
    /// Bits of features that we don't know and that make reading unsafe.
    pub unknown_features: u64,
    /// Snapshots inside of the image.
    pub internal_snapshots: u32,
}

/// Reads and checks the header and the L1 table; `None` when the file does not begin with `MAGIC`.
///
/// # Errors
/// `BadImage` when a size or an offset can't be true for this file; `Io`.
pub fn read(file: &File, path: &Path) -> Result<Option<Qcow2Header>, DiskError> {
    let io = |e| DiskError::io("read", path, e);
    let bad = |reason: String| DiskError::bad_image(path, reason);
    let len = file.metadata().map_err(io)?.len();
    let mut head = [0u8; 104];
    let got = read_up_to(file, &mut head, 0).map_err(io)?;
    if got < 4 || head[..4] != MAGIC {
        return Ok(None);
    }
    if got < 72 {
        return Err(bad("its qcow2 header is cut off".into()));
    }
    let version = be32(&head, 4);
    let v3 = match version {
        2 => false,
        3 if got >= 104 => true,
        3 => return Err(bad("its qcow2 header is cut off".into())),
        v => return Err(bad(format!("qcow2 version {v} is not known; convert it with qemu-img first"))),
    };
    let cluster_bits = be32(&head, 20);
    if !(9..=21).contains(&cluster_bits) {
        return Err(bad(format!("its header claims clusters of 2^{cluster_bits} bytes")));
    }
    let cluster = 1u64 << cluster_bits;
    let virtual_bytes = be64(&head, 24);
    if virtual_bytes > MAX_DISK_BYTES {
        return Err(bad(format!("its header claims {virtual_bytes} bytes; we handle {MAX_DISK_BYTES}")));
    }
    check_tables(&head, cluster, virtual_bytes, len).map_err(bad)?;
    check_l1(file, path, &head, cluster, len)?;

    let incompatible = if v3 { be64(&head, 72) } else { 0 };
    let header_len = if v3 { u64::from(be32(&head, 100)) } else { 72 };
    if header_len > cluster || (v3 && header_len < 104) {
        return Err(bad(format!("its header claims to be {header_len} bytes long")));
    }
    let backing = backing_name(file, path, &head, cluster)?;
    let extensions = extensions(file, path, header_len, cluster)?;
    Ok(Some(Qcow2Header {
        virtual_bytes,
        cluster_bytes: cluster,
        backing,
        backing_format: extensions.backing_format,
        data_file_name: extensions.data_file,
        bitmaps: extensions.bitmaps,
        data_file: incompatible & INCOMPATIBLE_DATA_FILE != 0,
        dirty: incompatible & INCOMPATIBLE_DIRTY != 0,
        corrupt: incompatible & INCOMPATIBLE_CORRUPT != 0,
        encrypted: be32(&head, 32) != 0,
        unknown_features: incompatible
            & !(INCOMPATIBLE_DIRTY | INCOMPATIBLE_CORRUPT | INCOMPATIBLE_DATA_FILE),
        internal_snapshots: be32(&head, 60),
    }))
}

/// Whether the tables that the header names can be where it says.
fn check_tables(head: &[u8], cluster: u64, virtual_bytes: u64, len: u64) -> Result<(), String> {
    let (l1_entries, l1_at) = (u64::from(be32(head, 36)), be64(head, 40));
    let needed = virtual_bytes.div_ceil(cluster * (cluster / 8));
    let l1_bytes = l1_entries * 8;
    if l1_entries < needed || l1_bytes > L1_MAX_BYTES {
        return Err(format!("its header claims {l1_entries} L1 entries, {needed} are needed for its size"));
    }
    if l1_entries > 0 && (l1_at % cluster != 0 || l1_at == 0 || outside(l1_at, l1_bytes, len)) {
        return Err(format!("its header puts the L1 table at {l1_at}, the file has {len} bytes"));
    }
    let (rt_at, rt_clusters) = (be64(head, 48), u64::from(be32(head, 56)));
    let rt_bytes = rt_clusters * cluster;
    if rt_at % cluster != 0 || rt_at == 0 || rt_clusters == 0 || outside(rt_at, rt_bytes, len) {
        return Err(format!("its header puts the refcount table at {rt_at}, the file has {len} bytes"));
    }
    Ok(())
}

/// Every L2 table must be inside of the file: what lies beyond its end would read as zeros, that is
/// as "nothing here", and a copy of that would be quietly wrong.
fn check_l1(file: &File, path: &Path, head: &[u8], cluster: u64, len: u64) -> Result<(), DiskError> {
    let (entries, at) = (be32(head, 36) as usize, be64(head, 40));
    let mut table = vec![0u8; entries * 8];
    file.read_exact_at(&mut table, at).map_err(|e| DiskError::io("read", path, e))?;
    for (i, entry) in table.chunks_exact(8).enumerate() {
        let l2 = be64(entry, 0) & L1_OFFSET_MASK;
        if l2 != 0 && (!l2.is_multiple_of(cluster) || outside(l2, cluster, len)) {
            let reason = format!("L1 entry {i} puts a table at {l2}, the file has {len} bytes");
            return Err(DiskError::bad_image(path, reason));
        }
    }
    Ok(())
}

fn backing_name(file: &File, path: &Path, head: &[u8], cluster: u64) -> Result<Option<String>, DiskError> {
    let (at, len) = (be64(head, 8), u64::from(be32(head, 16)));
    if at == 0 || len == 0 {
        return Ok(None);
    }
    if len > 1023 || outside(at, len, cluster) {
        return Err(DiskError::bad_image(path, "the name of its backing file is not in its first cluster"));
    }
    let mut name = vec![0u8; len as usize];
    file.read_exact_at(&mut name, at).map_err(|e| DiskError::io("read", path, e))?;
    Ok(Some(String::from_utf8_lossy(&name).into_owned()))
}

/// What the header extensions say.
#[derive(Default)]
struct Extensions {
    backing_format: Option<String>,
    data_file: Option<String>,
    bitmaps: u32,
}

fn extensions(file: &File, path: &Path, mut at: u64, cluster: u64) -> Result<Extensions, DiskError> {
    let io = |e| DiskError::io("read", path, e);
    let mut found = Extensions::default();
    while at + 8 <= cluster {
        let mut ext = [0u8; 8];
        if read_up_to(file, &mut ext, at).map_err(io)? < 8 {
            break;
        }
        let (kind, len) = (be32(&ext, 0), u64::from(be32(&ext, 4)));
        if kind == 0 {
            break;
        }
        if outside(at + 8, len, cluster) {
            return Err(DiskError::bad_image(path, "its header extensions leave the first cluster"));
        }
        if [EXT_BACKING_FORMAT, EXT_DATA_FILE, EXT_BITMAPS].contains(&kind) {
            let mut bytes = vec![0u8; len as usize];
            file.read_exact_at(&mut bytes, at + 8).map_err(io)?;
            let text = || String::from_utf8_lossy(&bytes).into_owned();
            match kind {
                EXT_BACKING_FORMAT => found.backing_format = Some(text()),
                EXT_DATA_FILE => found.data_file = Some(text()),
                _ if len >= 4 => found.bitmaps = be32(&bytes, 0),
                _ => {}
            }
        }
        at += 8 + len.next_multiple_of(8);
    }
    Ok(found)
}

fn outside(at: u64, len: u64, file_len: u64) -> bool {
    at.checked_add(len).is_none_or(|end| end > file_len)
}

fn read_up_to(file: &File, buf: &mut [u8], at: u64) -> std::io::Result<usize> {
    let mut got = 0;
    while got < buf.len() {
        match file.read_at(&mut buf[got..], at + got as u64)? {
            0 => break,
            n => got += n,
        }
    }
    Ok(got)
}

fn be32(b: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([b[at], b[at + 1], b[at + 2], b[at + 3]])
}

fn be64(b: &[u8], at: usize) -> u64 {
    u64::from(be32(b, at)) << 32 | u64::from(be32(b, at + 4))
}
