//! The mount table as a process sees it: `/proc/PID/mountinfo`.
//!
//! Every line is a mount that can be reached from the process's root directory; those outside of it
//! are left out, which is how a chroot shows. See proc_pid_mountinfo(5).

use std::{ffi::OsString, fs, os::unix::ffi::OsStringExt, path::PathBuf};

use ground::{Error, Result};

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountInfo {
    /// The mount's number, unique while it lives.
    pub id: u64,
    /// The mount it is mounted on.
    pub parent: u64,
    /// The file system's device, `major:minor`: mounts with the same one show the same files.
    pub device: String,
    /// Which directory of the file system it shows; `/` but for bind mounts.
    pub root: PathBuf,
    /// Where it is, seen from the process's root directory.
    pub point: PathBuf,
    /// Options of this mount, as `rw,nosuid`.
    pub options: String,
    /// Propagation: `shared:N`, `master:N`, `unbindable`; empty for a private mount.
    pub propagation: Vec<String>,
    /// The file system's type.
    pub fstype: String,
    /// The file system's source.
    pub source: String,
}

impl MountInfo {
    /// The mounts that the process sees; `process` is a PID or `self`.
    ///
    /// # Errors
    /// ENOENT when there is no such process, EACCES when it is not ours to look at.
    pub fn of(process: impl std::fmt::Display) -> Result<Vec<Self>> {
        let path = format!("/proc/{process}/mountinfo");
        let table = fs::read(&path).map_err(|error| {
            Error::new("cannot read the mount table")
                .io(format_args!("read {path}"), &error)
                .see("5 proc_pid_mountinfo")
                .fix("check that the process runs and that /proc is mounted")
        })?;
        Ok(table.split(|byte| *byte == b'\n').filter_map(Self::parse).collect())
    }

    /// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw`
    fn parse(line: &[u8]) -> Option<Self> {
        let mut fields = line.split(|byte| *byte == b' ').map(unescaped);
        let mut text = || fields.next().map(|it| it.to_string_lossy().into_owned());
        let (id, parent, device) = (text()?.parse().ok()?, text()?.parse().ok()?, text()?);
        let (root, point) = (fields.next()?.into(), fields.next()?.into());
        let mut texts = fields.map(|it| it.to_string_lossy().into_owned());
        let options = texts.next()?;
        let propagation = texts.by_ref().take_while(|it| it != "-").collect();
        let (fstype, source) = (texts.next()?, texts.next()?);
        Some(Self { id, parent, device, root, point, options, propagation, fstype, source })
    }
}

/// Blanks and backslashes stand as `\040` in the table.
fn unescaped(field: &[u8]) -> OsString {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, tail)) = rest.split_first() {
        let octal = (*first == b'\\').then(|| tail.get(..3)).flatten();
        let value = octal.and_then(|it| std::str::from_utf8(it).ok());
        let (byte, skipped) = match value.and_then(|it| u8::from_str_radix(it, 8).ok()) {
            Some(byte) => (byte, 3),
            None => (*first, 0),
        };
        bytes.push(byte);
        rest = &tail[skipped..];
    }
    OsString::from_vec(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_manual_is_understood() {
        let line =
            br"36 35 98:0 /mnt1 /mnt\0402 rw,noatime master:1 - ext3 /dev/root rw,errors=continue";
        let mount = MountInfo::parse(line).unwrap();
        assert_eq!((mount.id, mount.parent), (36, 35));
        assert_eq!(mount.device, "98:0");
        assert_eq!(mount.point, PathBuf::from("/mnt 2"));
        assert_eq!(mount.propagation, ["master:1"]);
        assert_eq!((mount.fstype.as_str(), mount.source.as_str()), ("ext3", "/dev/root"));
    }

    #[test]
    fn a_line_that_is_cut_off_is_left_out() {
        assert_eq!(MountInfo::parse(b"36 35 98:0 /mnt1"), None);
        assert_eq!(unescaped(br"a\04"), r"a\04");
    }
}
