//! Entry: one entry of the archive as data, with everything said about it in one place.
//!
//! tar has grown for forty years: a header of 512 bytes, and before it extensions by GNU (long
//! names) and POSIX (`pax`: names, sizes, times, attributes). The crate `tar` reads them; here they
//! become what we act on (man 5 tar).

use std::{
    ffi::OsStr,
    io::Read,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use ground::{Error, Result};
use nix::sys::{stat::Mode, time::TimeSpec};
use tar::EntryType;

use super::{inside, stream::broken};
use crate::snapshot::ownership::Device;

/// Attributes that belong to the overlay and not to the file: an archive that could set them could
/// make the kernel look into other directories of the stack.
const OVERLAY: [&str; 2] = ["trusted.overlay.", "user.overlay."];
const XATTR: &str = "SCHILY.xattr.";

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A directory; it may be there already.
    Directory,
    /// A regular file of this many bytes.
    File(u64),
    /// A symbolic link to anywhere.
    Symlink(PathBuf),
    /// Another name of a file of this archive.
    HardLink(PathBuf),
    /// A device node.
    Device(Device),
    /// A named pipe.
    Fifo,
    /// Something that is no file: passed over, as Docker does.
    Other,
}

/// One entry.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The path, clean.
    pub path: PathBuf,
    /// What it is.
    pub kind: Kind,
    /// Permissions with the three special bits.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// When it was changed.
    pub mtime: TimeSpec,
    /// Extended attributes.
    pub xattrs: Vec<(String, Vec<u8>)>,
}

impl Entry {
    /// Reads what is said about an entry.
    ///
    /// # Errors
    /// Broken numbers, a path that leads outside.
    pub fn read<R: Read>(entry: &mut tar::Entry<'_, R>) -> Result<Self> {
        let path = PathBuf::from(OsStr::from_bytes(&entry.path_bytes()));
        let pax = Pax::read(entry)?;
        let header = entry.header();
        let fields = header.as_old();
        let id = |field: &[u8], id: std::io::Result<u64>| {
            let id = if is_blank(field) { 0 } else { id.map_err(|error| broken(&error))? };
            u32::try_from(id).map_err(|_| inside::refused(&path, "its owner has no number here"))
        };
        let seconds = header.mtime().unwrap_or(0);
        Ok(Self {
            kind: kind(entry, &path)?,
            mode: match is_blank(&fields.mode) {
                true => 0,
                false => header.mode().map_err(|error| broken(&error))? & 0o7777,
            },
            uid: id(&fields.uid, header.uid())?,
            gid: id(&fields.gid, header.gid())?,
            mtime: pax.mtime.unwrap_or_else(|| TimeSpec::new(clamp(seconds), 0)),
            xattrs: pax.xattrs,
            path: inside::clean(&path)?,
        })
    }

    /// Its permissions, for calls that take them.
    pub fn permissions(&self) -> Mode {
        Mode::from_bits_truncate(self.mode)
    }
}

/// Some writers leave a number out; all readers take that for 0.
fn is_blank(field: &[u8]) -> bool {
    field.iter().all(|byte| matches!(byte, 0 | b' '))
}

fn clamp(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(0)
}

fn kind<R: Read>(entry: &tar::Entry<'_, R>, path: &Path) -> Result<Kind> {
    let header = entry.header();
    Ok(match header.entry_type() {
        // Before POSIX a directory was a file with a slash at its end.
        EntryType::Regular if entry.path_bytes().ends_with(b"/") => Kind::Directory,
        EntryType::Directory => Kind::Directory,
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
            Kind::File(entry.size())
        }
        EntryType::Symlink => Kind::Symlink(link(entry, path)?),
        EntryType::Link => Kind::HardLink(inside::clean(&link(entry, path)?)?),
        EntryType::Fifo => Kind::Fifo,
        block @ (EntryType::Char | EntryType::Block) => {
            let number = |number: std::io::Result<Option<u32>>| {
                number.map(Option::unwrap_or_default).map_err(|error| broken(&error))
            };
            Kind::Device(Device {
                block: block == EntryType::Block,
                major: number(header.device_major())?,
                minor: number(header.device_minor())?,
            })
        }
        _ => Kind::Other,
    })
}

fn link<R: Read>(entry: &tar::Entry<'_, R>, path: &Path) -> Result<PathBuf> {
    let target = entry.link_name_bytes();
    target.map(|bytes| PathBuf::from(OsStr::from_bytes(&bytes))).ok_or_else(|| {
        Error::new("cannot unpack the layer").why(format!("{path:?} is a link to nothing"))
    })
}

/// What only the POSIX extensions can say.
#[derive(Default)]
struct Pax {
    mtime: Option<TimeSpec>,
    xattrs: Vec<(String, Vec<u8>)>,
}

impl Pax {
    fn read<R: Read>(entry: &mut tar::Entry<'_, R>) -> Result<Self> {
        let mut pax = Self::default();
        let Some(extensions) = entry.pax_extensions().map_err(|error| broken(&error))? else {
            return Ok(pax);
        };
        for extension in extensions {
            let extension = extension.map_err(|error| broken(&error))?;
            // A key that is no text is none that we know.
            let Ok(key) = extension.key() else { continue };
            if key == "mtime" {
                pax.mtime = extension.value().ok().and_then(time);
            } else if let Some(name) = key.strip_prefix(XATTR)
                && !OVERLAY.iter().any(|prefix| name.starts_with(prefix))
            {
                pax.xattrs.push((name.to_owned(), extension.value_bytes().to_vec()));
            }
        }
        Ok(pax)
    }
}

/// Seconds with a fraction, as `1716402292.25`.
fn time(text: &str) -> Option<TimeSpec> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let nanoseconds: i64 = digits.parse().ok()?;
    let seconds: i64 = seconds.parse().ok()?;
    // -1.25 is a quarter before -1; the kernel counts nanoseconds forward only.
    Some(match text.starts_with('-') && nanoseconds > 0 {
        true => TimeSpec::new(seconds - 1, 1_000_000_000 - nanoseconds),
        false => TimeSpec::new(seconds, nanoseconds),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_fractions() {
        let check = |text: &str, expected: Option<(i64, i64)>| {
            let found = time(text).map(|time| (time.tv_sec(), time.tv_nsec()));
            assert_eq!(found, expected, "{text}");
        };
        check("12", Some((12, 0)));
        check("12.25", Some((12, 250_000_000)));
        check("12.1234567891", Some((12, 123_456_789)));
        check("-1.25", Some((-2, 750_000_000)));
        check("soon", None);
    }
}
