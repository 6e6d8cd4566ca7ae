//! Header: what an archive says about a file besides its content.

use std::path::Path;

use nix::sys::stat::{FileStat, SFlag, major, minor};
use tar::{EntryType, Header};

use crate::snapshot::{Kept, ownership::Device};

/// What does not fit into a header, by name (pax, POSIX.1-2001).
pub type Extensions = Vec<(String, Vec<u8>)>;

/// The kind of a file: one of `S_IFMT`'s.
pub fn kind(file: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(file.st_mode) & SFlag::S_IFMT
}

/// A header with all numbers 0; left empty, some readers take them for broken.
pub fn blank() -> Header {
    let mut header = Header::new_ustar();
    header.set_size(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

/// What fits into the header: everything but names and sizes.
pub fn header(file: &FileStat, kept: Option<Kept>) -> Header {
    let mut header = blank();
    let (uid, gid) = kept.map_or((file.st_uid, file.st_gid), |kept| (kept.uid, kept.gid));
    header.set_mode(file.st_mode & 0o7777);
    header.set_uid(uid.into());
    header.set_gid(gid.into());
    header.set_mtime(file.st_mtime.try_into().unwrap_or(0));
    let device = kept.and_then(|kept| kept.device).filter(|_| file.st_size == 0);
    let device = device.or_else(|| device_of(file));
    header.set_entry_type(match device {
        Some(Device { block: true, .. }) => EntryType::Block,
        Some(Device { block: false, .. }) => EntryType::Char,
        None => match kind(file) {
            SFlag::S_IFDIR => EntryType::Directory,
            SFlag::S_IFLNK => EntryType::Symlink,
            SFlag::S_IFIFO => EntryType::Fifo,
            _ => EntryType::Regular,
        },
    });
    if let Some(Device { major, minor, .. }) = device {
        // A ustar header has room for both.
        let _ = header.set_device_major(major).and_then(|()| header.set_device_minor(minor));
    }
    header
}

fn device_of(file: &FileStat) -> Option<Device> {
    let block = kind(file) == SFlag::S_IFBLK;
    (block || kind(file) == SFlag::S_IFCHR).then(|| Device {
        block,
        major: u32::try_from(major(file.st_rdev)).unwrap_or(0),
        minor: u32::try_from(minor(file.st_rdev)).unwrap_or(0),
    })
}

/// Attributes as extensions, sorted; those of the overlay stay here. The path is one by way of a
/// descriptor, or a descriptor itself.
pub fn attributes(path: &Path) -> Extensions {
    let is_descriptor = path.starts_with("/proc/self/fd") && path.components().count() == 5;
    let mut extensions = Vec::new();
    let names = if is_descriptor { xattr::list_deref(path) } else { xattr::list(path) };
    // A file system without attributes has none.
    for name in names.into_iter().flatten() {
        let Some(name) = name.to_str() else { continue };
        // SELinux labels belong to the machine.
        let is_ours = name.starts_with("security.capability")
            || (name.starts_with("user.") && !name.starts_with("user.overlay."));
        let value = || match is_descriptor {
            true => xattr::get_deref(path, name),
            false => xattr::get(path, name),
        };
        if is_ours && let Ok(Some(value)) = value() {
            extensions.push((format!("SCHILY.xattr.{name}"), value));
        }
    }
    extensions.sort();
    extensions
}
