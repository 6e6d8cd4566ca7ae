//! The checks before the mount: in words what the kernel says as EINVAL, and to its log.

use std::{
    fs::{self, File, OpenOptions},
    os::{
        fd::AsRawFd,
        unix::fs::{MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
};

use ground::{Error, Result};
use nix::sys::{
    statfs::{OVERLAYFS_SUPER_MAGIC, Statfs, fstatfs},
    statvfs::FsFlags,
};

use crate::{MAX_LOWER, Marks, Options, Overlay, Stack, Upper};

/// The most overlays upon each other (FILESYSTEM_MAX_STACK_DEPTH in the kernel).
const MAX_DEPTH: usize = 2;

impl Overlay {
    /// Looks for every reason known to us why the kernel would refuse, without changing anything.
    ///
    /// # Errors
    /// The first reason found, with what mends it.
    pub fn check(&self, target: &Path) -> Result<()> {
        self.check_options()?;
        Place::open("mount point", target)?;
        let lower = self
            .lower
            .iter()
            .map(|path| Place::open("lower directory", path))
            .collect::<Result<Vec<_>>>()?;
        let mut places = lower;
        if let Some(Upper { dir, work }) = &self.upper {
            let upper = Place::open("upper directory", dir)?;
            let work = Place::open("work directory", work)?;
            check_upper(&upper, &work)?;
            places.push(upper);
            places.push(work);
        }
        check_separate(&places)?;
        check_depth(&places)
    }

    fn check_options(&self) -> Result<()> {
        let Options { marks, redirect_dir, metacopy, .. } = self.options;
        match self.lower.len() {
            0 => return refused("there is no lower layer", "name one: --lower A"),
            1 if self.upper.is_none() => {
                let fix = "give an upper directory, or two lower ones: --lower A:B";
                return refused("one layer alone is nothing to stack", fix);
            }
            count if count > MAX_LOWER => {
                let why = format!("{count} lower layers; the kernel takes {MAX_LOWER}");
                return refused(why, "merge some layers into one");
            }
            _ => {}
        }
        if marks == Marks::User && (metacopy == Some(true) || redirect_dir.is_some()) {
            let why =
                "userxattr forbids redirect_dir and metacopy=on: a user could forge the marks";
            return refused(why, "leave both out");
        }
        if metacopy == Some(true) && redirect_dir == Some(false) {
            let why = "metacopy=on needs redirect_dir=on, by which it finds the data";
            return refused(why, "switch both on, or both off");
        }
        Ok(())
    }
}

fn refused<T>(why: impl Into<String>, fix: &str) -> Result<T> {
    Err(Error::new(REFUSED).why(why).see("8 mount").fix(fix))
}

const REFUSED: &str = "the kernel would refuse this overlay";

/// A directory of the stack, held open while it is checked.
struct Place {
    role: &'static str,
    path: PathBuf,
    /// The same, absolute and without links.
    real: PathBuf,
    /// Device and inode.
    id: (u64, u64),
    file: File,
}

impl Place {
    fn open(role: &'static str, path: &Path) -> Result<Self> {
        let unusable = |error: &std::io::Error| {
            Error::new(format!("cannot use the {role}"))
                .io(format_args!("open {}", path.display()), error)
                .fix(match error.kind() {
                    std::io::ErrorKind::NotFound => {
                        format!("make it first: mkdir -p {}", path.display())
                    }
                    std::io::ErrorKind::NotADirectory => "it must be a directory".to_owned(),
                    _ => format!("check its permissions: namei -l {}", path.display()),
                })
        };
        let flags = libc::O_PATH | libc::O_DIRECTORY;
        let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
        let file = opened.map_err(|error| unusable(&error))?;
        let metadata = file.metadata().map_err(|error| unusable(&error))?;
        let real = fs::canonicalize(path).map_err(|error| unusable(&error))?;
        let id = (metadata.dev(), metadata.ino());
        Ok(Self { role, path: path.to_owned(), real, id, file })
    }

    fn statfs(&self) -> Result<Statfs> {
        fstatfs(&self.file).map_err(|errno| {
            Error::new("cannot see the file system of a layer")
                .call(&format!("fstatfs({})", self.path.display()), errno)
                .see("2 statfs")
        })
    }

    /// The mount that the directory was reached through (man 5 proc_pid_fdinfo).
    fn mount_id(&self) -> Option<u64> {
        mount_id(&self.file)
    }

    fn shown(&self) -> String {
        format!("{} {}", self.role, self.path.display())
    }
}

/// The id of the mount that `file` was opened through, as in `/proc/self/mountinfo`.
pub(crate) fn mount_id(file: &File) -> Option<u64> {
    let fdinfo = fs::read_to_string(format!("/proc/self/fdinfo/{}", file.as_raw_fd())).ok()?;
    fdinfo.lines().find_map(|line| line.strip_prefix("mnt_id:")?.trim().parse().ok())
}

fn check_upper(upper: &Place, work: &Place) -> Result<()> {
    let filesystem = upper.statfs()?;
    if filesystem.filesystem_type() == OVERLAYFS_SUPER_MAGIC {
        return refused(
            format!(
                "{} is on an overlay itself, as everything is inside a container",
                upper.shown()
            ),
            "put upper and work on a tmpfs (mount -t tmpfs), or on a volume of the container",
        );
    }
    if filesystem.flags().contains(FsFlags::ST_RDONLY) {
        let why = format!("{} is on a read-only file system", upper.shown());
        return refused(why, "take another place for it, or leave upper out");
    }
    if upper.id.0 != work.id.0 || upper.mount_id() != work.mount_id() {
        return refused(
            format!("{} and {} are on different mounts", upper.shown(), work.shown()),
            "put both into one directory: the kernel renames files from work to upper",
        );
    }
    if work.path.join("work/incompat/volatile").exists() {
        return refused(
            format!("{} was used by a volatile mount, so upper may be incomplete", work.shown()),
            "throw upper and work away; or, if no crash lies between, remove work/incompat/volatile",
        );
    }
    Ok(())
}

/// No layer may be inside another, nor be given twice (ELOOP).
fn check_separate(places: &[Place]) -> Result<()> {
    let mut by_path: Vec<&Place> = places.iter().collect();
    // Sorted by components, what is inside a directory follows it at once.
    by_path.sort_by(|a, b| a.real.cmp(&b.real));
    let nested = by_path.windows(2).find(|pair| pair[1].real.starts_with(&pair[0].real));
    let mut by_id: Vec<&Place> = places.iter().collect();
    by_id.sort_by_key(|place| place.id);
    let same = by_id.windows(2).find(|pair| pair[0].id == pair[1].id);
    let Some([one, other]) = same.or(nested) else { return Ok(()) };
    Err(Error::new(REFUSED)
        .why(format!("{} and {} overlap", one.shown(), other.shown()))
        .see("8 mount")
        .fix("layers must be separate trees, each given once"))
}

/// An overlay may be a layer of another, but not of a third.
fn check_depth(places: &[Place]) -> Result<()> {
    for place in places {
        if place.statfs()?.filesystem_type() == OVERLAYFS_SUPER_MAGIC
            && depth(&place.path) >= MAX_DEPTH
        {
            return Err(Error::new(REFUSED)
                .why(format!("{} is on an overlay that is on an overlay", place.shown()))
                .fix("copy the layer to a tmpfs or a disk of the host"));
        }
    }
    Ok(())
}

/// How many overlays are upon each other at `path`, as far as it can be seen from here: the
/// mount table names layers by paths that may lead nowhere for us.
fn depth(path: &Path) -> usize {
    Stack::containing(path).map_or(0, |stack| 1 + depth_under(&stack, MAX_DEPTH))
}

/// How many more are under this one. A root that is an overlay on another root calls its lower
/// layer `/`, and from here that is itself: what it really is cannot be seen.
fn depth_under(above: &Stack, most: usize) -> usize {
    let below = above.lower.iter().filter_map(|lower| Stack::containing(lower).ok());
    let others = below.filter(|stack| most > 0 && stack != above);
    others.map(|stack| 1 + depth_under(&stack, most - 1)).max().unwrap_or(0)
}
