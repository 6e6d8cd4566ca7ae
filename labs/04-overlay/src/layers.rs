//! Layers: reading a stack back from the mount table.
//!
//! An overlay keeps no list of its files; the kernel looks a name up in each layer, from the top.
//! So can we: the options in `/proc/self/mountinfo` (man 5 proc_pid_mountinfo) name the layers.

use std::{
    ffi::OsString,
    fs::{self, OpenOptions},
    os::unix::{ffi::OsStringExt, fs::OpenOptionsExt},
    path::{Path, PathBuf},
};

use ground::{Error, Result};

use crate::{Marks, check::mount_id, whiteout};

/// The layers of a mounted overlay, as its mount options name them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stack {
    /// Where it is mounted.
    pub mount_point: PathBuf,
    /// The layer that is written.
    pub upper: Option<PathBuf>,
    /// The kernel's bench.
    pub work: Option<PathBuf>,
    /// The layers that are only read, topmost first.
    pub lower: Vec<PathBuf>,
    /// Which attributes the overlay believes.
    pub marks: Marks,
}

/// What is in a layer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Directories below its root.
    pub directories: usize,
    /// Everything else but whiteouts.
    pub files: usize,
    /// Names that hide one of a lower layer.
    pub whiteouts: usize,
    /// Directories that hide what lower layers have in them.
    pub opaque: usize,
}

impl Stack {
    /// The overlay that `path` is on.
    ///
    /// # Errors
    /// A path that cannot be opened, or that is not on an overlay of this mount namespace.
    pub fn containing(path: &Path) -> Result<Self> {
        let unseen = |error: &std::io::Error| {
            Error::new("cannot see the layers")
                .io(format_args!("open {}", path.display()), error)
                .fix("name the mount point of an overlay, or anything on it")
        };
        let named = OpenOptions::new().read(true).custom_flags(libc::O_PATH).open(path);
        let file = named.map_err(|error| unseen(&error))?;
        let wanted = mount_id(&file);
        let table = mountinfo("self")?;
        let stack =
            table.lines().filter(|line| id_of(line) == wanted).find_map(Self::from_mountinfo);
        stack.ok_or_else(|| {
            Error::new(format!("{} is not on an overlay", path.display()))
                .why("its mount in /proc/self/mountinfo has another type")
                .see("5 proc_pid_mountinfo")
                .fix("the mount must be visible here: ask in the mount namespace that it was made in")
        })
    }

    /// The overlay, mounted in this mount namespace, that writes to `upper`.
    ///
    /// # Errors
    /// When the mount table cannot be read.
    pub fn writing_to(upper: &Path) -> Result<Option<Self>> {
        let upper = fs::canonicalize(upper).unwrap_or_else(|_| upper.to_owned());
        let table = mountinfo("self")?;
        let mut stacks = table.lines().filter_map(Self::from_mountinfo);
        Ok(stacks.find(|stack| stack.upper.as_ref() == Some(&upper)))
    }

    /// All overlays that a process sees, as its mount table has them; `process` is a PID or `self`.
    /// Layers that were named relative to a directory stay relative.
    ///
    /// # Errors
    /// ENOENT when there is no such process, EACCES when it is not ours to look at.
    pub fn all_of(process: impl std::fmt::Display) -> Result<Vec<Self>> {
        let table = mountinfo(process)?;
        Ok(table.lines().filter_map(Self::from_mountinfo).collect())
    }

    /// Reads a line of mountinfo; `None` when it is no overlay.
    fn from_mountinfo(line: &str) -> Option<Self> {
        let (mount, filesystem) = line.split_once(" - ")?;
        let mount_point = unescape_octal(mount.split(' ').nth(4)?);
        let mut fields = filesystem.split(' ');
        if fields.next() != Some("overlay") {
            return None;
        }
        let (mut upper, mut work, mut lower, mut marks) = (None, None, Vec::new(), Marks::Trusted);
        for option in fields.nth(1)?.split(',') {
            let (key, value) = option.split_once('=').unwrap_or((option, ""));
            match key {
                "lowerdir" => lower.extend(split(&unescape_octal(value))),
                "lowerdir+" => lower.push(to_path(unescape_octal(value))),
                "upperdir" => upper = split(&unescape_octal(value)).pop(),
                "workdir" => work = split(&unescape_octal(value)).pop(),
                "userxattr" => marks = Marks::User,
                _ => {}
            }
        }
        Some(Self { mount_point: to_path(mount_point), upper, work, lower, marks })
    }

    /// All layers, topmost first.
    pub fn layers(&self) -> impl Iterator<Item = &Path> {
        self.upper.iter().chain(&self.lower).map(PathBuf::as_path)
    }
}

/// Counts what is in `layer`.
///
/// # Errors
/// A directory that cannot be read. A layer that was named relative to a directory which the mount
/// table does not tell cannot be found.
pub fn count(layer: &Path, marks: Marks) -> Result<Count> {
    let mut count = Count::default();
    let mut waiting = vec![layer.to_owned()];
    while let Some(directory) = waiting.pop() {
        let unread = |error: std::io::Error| {
            Error::new("cannot count a layer")
                .io(format_args!("read {}", directory.display()), &error)
        };
        for entry in fs::read_dir(&directory).map_err(unread)? {
            let entry = entry.map_err(unread)?;
            let file = entry.metadata().map_err(unread)?;
            if whiteout::is_whiteout(&file) {
                count.whiteouts += 1;
            } else if file.is_dir() {
                count.directories += 1;
                let opaque = whiteout::opacity(&entry.path(), marks)? == whiteout::Opacity::Opaque;
                count.opaque += usize::from(opaque);
                waiting.push(entry.path());
            } else {
                count.files += 1;
            }
        }
    }
    Ok(count)
}

fn mountinfo(process: impl std::fmt::Display) -> Result<String> {
    let path = format!("/proc/{process}/mountinfo");
    // Paths may have bytes that are not UTF-8; those mounts are not ours to find by name.
    fs::read(&path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).map_err(|error| {
        Error::new("cannot read the mount table").io(path, &error).fix("mount /proc first")
    })
}

fn id_of(line: &str) -> Option<u64> {
    line.split(' ').next()?.parse().ok()
}

/// `\040` is a space: three octal digits, as the kernel writes spaces, tabs, line feeds, commas
/// and backslashes.
fn unescape_octal(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let octal = bytes.get(at + 1..at + 4).filter(|_| *byte == b'\\');
        let value =
            octal.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        plain.push(value.unwrap_or(*byte));
        at += if value.is_some() { 4 } else { 1 };
    }
    plain
}

/// Splits a list of layers, as in `lowerdir=A:B`, at every `:` without a backslash before it, and takes the backslashes away. An empty
/// name is the second colon of `::`, which begins the layers that only hold data.
pub fn split(text: &[u8]) -> Vec<PathBuf> {
    let mut names = vec![Vec::new()];
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match (byte, names.last_mut()) {
            (b':', _) => names.push(Vec::new()),
            (b'\\', Some(name)) => name.extend(bytes.next()),
            (_, Some(name)) => name.push(*byte),
            (_, None) => {}
        }
    }
    names.into_iter().filter(|name| !name.is_empty()).map(to_path).collect()
}

fn to_path(bytes: Vec<u8>) -> PathBuf {
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_mount_table_is_read_back() {
        let line = r"67 63 0:40 / /a\040b rw,relatime shared:7 - overlay overlay rw,lowerdir=/x\134:y:/l2,upperdir=/u\134:1,workdir=/w,userxattr";
        let stack = Stack::from_mountinfo(line).unwrap();
        assert_eq!(stack.mount_point, Path::new("/a b"));
        assert_eq!(stack.lower, [Path::new("/x:y"), Path::new("/l2")]);
        assert_eq!(stack.upper.as_deref(), Some(Path::new("/u:1")));
        assert_eq!(stack.marks, Marks::User);
        assert_eq!(Stack::from_mountinfo("1 0 0:1 / / rw - tmpfs tmpfs rw"), None);
    }

    #[test]
    fn layers_given_one_by_one_are_read_back() {
        let line = "1 0 0:1 / /m ro - overlay none ro,lowerdir+=/a,lowerdir+=/b,datadir+=/d";
        assert_eq!(Stack::from_mountinfo(line).unwrap().lower, [Path::new("/a"), Path::new("/b")]);
    }
}
