//! Ownership: who owns a file, where that cannot be written on the file itself.
//!
//! In a user namespace only ids that are mapped can be set. With a single id everything in an image
//! would belong to root, and a push would tell the world so. What could not be set is therefore
//! kept beside the files, as JSON from path to owner, and comes back on commit. The same for device
//! nodes, which nobody but the host's root can make: an empty file stands in their place.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use ground::{Error, Result};
use namespaces::{IdMaps, Range};
use serde::{Deserialize, Serialize};

/// What an archive said about a file and could not be done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// The device that an empty file stands for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Device>,
}

/// A device node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Whether it is a block device, else a character device.
    pub block: bool,
    /// The major number.
    pub major: u32,
    /// The minor number.
    pub minor: u32,
}

/// What was kept of one layer, by path relative to its root.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ownership(BTreeMap<PathBuf, Kept>);

impl Ownership {
    /// Reads the file; nothing was kept where there is none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(path: &Path) -> Result<Self> {
        let json = match fs::read(path) {
            Ok(json) => json,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(unreadable(path, &error)),
        };
        serde_json::from_slice(&json).map_err(|error| unreadable(path, &error.into()))
    }

    /// Writes the file, if there is anything to keep.
    ///
    /// # Errors
    /// As write(2). A path that is not UTF-8 cannot be kept.
    pub fn write(&self, path: &Path) -> Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        serde_json::to_vec(self)
            .map_err(io::Error::from)
            .and_then(|json| fs::write(path, json))
            .map_err(|error| {
                Error::new("cannot keep the owners of a layer").io(path.display(), &error)
            })
    }

    /// Keeps something about `path`; what was kept before is replaced.
    pub fn keep(&mut self, path: &Path, kept: Kept) {
        self.0.insert(path.to_owned(), kept);
    }

    /// Forgets `path` and all below it: it was replaced.
    pub fn forget(&mut self, path: &Path) {
        if !self.0.is_empty() {
            self.0.retain(|kept, _| !kept.starts_with(path));
        }
    }

    /// Keeps all that the other keeps.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// What was kept about `path`.
    pub fn of(&self, path: &Path) -> Option<Kept> {
        self.0.get(path).copied()
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Error {
    Error::new("cannot read the owners of a layer").io(path.display(), error)
}

/// The ids that this process can give to a file (man 7 user_namespaces, uid_map).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapped {
    uids: Vec<(u32, u32)>,
    gids: Vec<(u32, u32)>,
}

impl Mapped {
    /// Those of our user namespace. A kernel without user namespaces maps everything.
    pub fn here() -> Self {
        let read = |file| {
            let text = fs::read_to_string(format!("/proc/self/{file}"));
            text.map_or_else(|_| vec![(0, u32::MAX)], |text| ranges(&text))
        };
        Self { uids: read("uid_map"), gids: read("gid_map") }
    }

    /// Those of a user namespace with these maps.
    pub fn of(maps: &IdMaps) -> Self {
        let inside =
            |ranges: &[Range]| ranges.iter().map(|range| (range.inside, range.count)).collect();
        Self { uids: inside(&maps.uids), gids: inside(&maps.gids) }
    }

    /// Whether a file can belong to this user and group.
    pub fn has(&self, uid: u32, gid: u32) -> bool {
        self.has_uid(uid) && self.has_gid(gid)
    }

    /// Whether every id is there, as outside of all user namespaces.
    pub fn is_all(&self) -> bool {
        within(&self.uids, u32::MAX - 1) && within(&self.gids, u32::MAX - 1)
    }

    /// Whether there is such a user.
    pub fn has_uid(&self, uid: u32) -> bool {
        within(&self.uids, uid)
    }

    /// Whether there is such a group.
    pub fn has_gid(&self, gid: u32) -> bool {
        within(&self.gids, gid)
    }
}

fn within(ranges: &[(u32, u32)], id: u32) -> bool {
    ranges.iter().any(|(first, count)| id >= *first && id - first < *count)
}

/// First id inside and how many, of each line.
fn ranges(map: &str) -> Vec<(u32, u32)> {
    let line = |line: &str| {
        let mut columns = line.split_ascii_whitespace().map(str::parse);
        let (inside, _, count) = (columns.next()?, columns.next()?, columns.next()?);
        Some((inside.ok()?, count.ok()?))
    };
    map.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_mapped_ids_can_be_given() {
        let map = ranges("         0       1000          1\n         1     165536      65536\n");
        assert!(within(&map, 0) && within(&map, 65536));
        assert!(!within(&map, 65537));
        assert!(within(&ranges("0 0 4294967295"), 123_456));
        assert!(!within(&ranges(""), 0));
    }

    #[test]
    fn what_is_kept_survives_a_round_trip_and_goes_with_its_directory() {
        let mut kept = Ownership::default();
        let device = Some(Device { block: false, major: 1, minor: 3 });
        kept.keep(Path::new("dev/null"), Kept { uid: 0, gid: 0, device });
        kept.keep(Path::new("var/mail"), Kept { uid: 0, gid: 8, device: None });
        let file = tempfile::NamedTempFile::new().unwrap();
        kept.write(file.path()).unwrap();
        let mut again = Ownership::read(file.path()).unwrap();
        assert_eq!(again, kept);
        again.forget(Path::new("dev"));
        assert_eq!(again.of(Path::new("dev/null")), None);
        assert_eq!(again.of(Path::new("var/mail")).map(|kept| kept.gid), Some(8));
    }
}
