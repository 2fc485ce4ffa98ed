//! Image formats that are neither raw nor qcow2, by what their files begin or end with: taken as raw, they
//! would be disks of the wrong size and content.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::error::DiskError;

/// Where a format's mark is.
enum Place {
    Start(u64),
    /// So many bytes before the end.
    End(u64),
}

const MARKS: &[(Place, &[u8], &str)] = &[
    (Place::Start(0), b"KDMV", "VMDK"),
    (Place::Start(0), b"COWD", "VMDK"),
    (Place::Start(0), b"# Disk DescriptorFile", "VMDK"),
    (Place::Start(0), b"vhdxfile", "VHDX"),
    (Place::Start(0), b"conectix", "VHD"),
    (Place::End(512), b"conectix", "VHD"),
    (Place::Start(0x40), &[0x7f, 0x10, 0xda, 0xbe], "VDI"),
    (Place::Start(0), b"QED\0", "QED"),
    (Place::Start(0), b"WithoutFreeSpace", "Parallels"),
    (Place::Start(0), b"WithouFreSpacExt", "Parallels"),
    (Place::Start(0), b"LUKS\xba\xbe", "LUKS"),
];

/// The name of the format that the file's marks tell, if it is one of these.
pub(super) fn format(file: &File, path: &Path) -> Result<Option<&'static str>, DiskError> {
    let io = |e| DiskError::io("read", path, e);
    let len = file.metadata().map_err(io)?.len();
    for (place, mark, name) in MARKS {
        let at = match place {
            Place::Start(at) => Some(*at),
            Place::End(before) => len.checked_sub(*before),
        };
        let Some(at) = at.filter(|at| at + mark.len() as u64 <= len) else { continue };
        let mut found = vec![0; mark.len()];
        file.read_exact_at(&mut found, at).map_err(io)?;
        if found == *mark {
            return Ok(Some(name));
        }
    }
    Ok(None)
}
