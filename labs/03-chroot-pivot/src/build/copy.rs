//! A root file system on disk: a plan, written out.
//!
//! Nothing here needs privilege: files are copied with their content and their x bits. Owners,
//! set-user-ID bits and times do not travel.

use std::{
    ffi::OsStr,
    fs::{self, Permissions},
    io,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use ground::{Error, Result};

use super::{
    needs::plan,
    plan::{Plan, Program, What},
    walk::below,
};
use crate::mountinfo::MountInfo;

/// `/etc/os-release` of what is built here (man 5 os-release), and the sign by which a directory is
/// known to be ours.
pub(crate) const MARK: &str = "NAME=Unboxed\nID=unboxed\n\
     PRETTY_NAME=\"Unboxed: programs copied from the host\"\n";

const MARK_PATH: &str = "/etc/os-release";

/// There before anything else and until all is there: the sign of a directory that is half-built.
const HALF_BUILT: &str = ".half-built";

/// Builds a root file system with `programs` in `dir`: [`plan`], then [`write()`].
///
/// # Errors
/// As those two; nothing is left then.
pub fn build(dir: &Path, programs: &[Program], search_path: &OsStr) -> Result<Plan> {
    let plan = plan(programs, search_path)?;
    write(&plan, dir)?;
    Ok(plan)
}

/// Writes `plan` into `dir`, which is made, or is empty, or was built here before and is then built
/// anew. The caller removes it: [`remove`].
///
/// # Errors
/// A directory with something else in it; what mkdir(2), open(2), copy_file_range(2), symlink(2)
/// say. What was written is removed then. Killed half-way, it leaves a directory that the next call
/// builds anew.
pub fn write(plan: &Plan, dir: &Path) -> Result<()> {
    let made = claim(dir)?;
    let half_built = dir.join(HALF_BUILT);
    let written = fs::write(&half_built, "")
        .map_err(|error| cannot_build(dir, "open", &half_built, &error))
        .and_then(|()| {
            plan.entries.iter().try_for_each(|(path, entry)| write_entry(dir, path, &entry.what))
        })
        .and_then(|()| {
            fs::remove_file(&half_built)
                .map_err(|error| cannot_build(dir, "unlink", &half_built, &error))
        });
    written.inspect_err(|_| {
        // The first error is the one to tell; a second one has the same cause.
        let _ = empty(dir);
        if made {
            let _ = fs::remove_dir(dir);
        }
    })
}

/// Removes a root file system that was built here.
///
/// # Errors
/// A directory that was not built here, one with mounts in it, and as unlink(2).
pub fn remove(dir: &Path) -> Result<()> {
    if !is_ours(dir) {
        return Err(Error::new(format!("will not remove {}", dir.display()))
            .why(format!("it was not built here: its {MARK_PATH} does not say ID=unboxed"))
            .fix("remove it yourself if that is what you want"));
    }
    empty(dir)?;
    fs::remove_dir(dir).map_err(|error| cannot_build(dir, "rmdir", dir, &error))
}

/// Makes sure that `dir` is an empty directory that may be filled; true if it was made.
fn claim(dir: &Path) -> Result<bool> {
    match fs::create_dir(dir) {
        Ok(()) => return Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(cannot_build(dir, "mkdir", dir, &error)),
    }
    let mut entries = fs::read_dir(dir).map_err(|error| cannot_build(dir, "open", dir, &error))?;
    if entries.next().is_none() {
        return Ok(false);
    }
    if is_ours(dir) {
        return empty(dir).map(|()| false);
    }
    Err(Error::new(format!("will not build a root file system in {}", dir.display()))
        .why("it is not empty, and it was not built here")
        .fix("name a directory that does not exist yet"))
}

fn is_ours(dir: &Path) -> bool {
    let complete = fs::read(below(dir, Path::new(MARK_PATH)));
    complete.is_ok_and(|text| text == MARK.as_bytes())
        || fs::symlink_metadata(dir.join(HALF_BUILT)).is_ok_and(|it| it.is_file() && it.len() == 0)
}

/// Removes all that is in `dir`, unless something is mounted there: it would be emptied as well.
fn empty(dir: &Path) -> Result<()> {
    let real = fs::canonicalize(dir).map_err(|error| cannot_build(dir, "open", dir, &error))?;
    let inside = |mount: &MountInfo| mount.point != real && mount.point.starts_with(&real);
    if let Some(mount) = MountInfo::of("self")?.into_iter().find(inside) {
        return Err(Error::new(format!("will not empty {}", dir.display()))
            .why(format!("{} is mounted in it", mount.point.display()))
            .fix(format!("umount {}", mount.point.display())));
    }
    let failed = |call, path: &Path, error| cannot_build(dir, call, path, &error);
    // Killed in the middle of this, it is to be recognised as ours.
    let half_built = dir.join(HALF_BUILT);
    fs::write(&half_built, "").map_err(|error| failed("open", &half_built, error))?;
    for entry in fs::read_dir(dir).map_err(|error| failed("open", dir, error))? {
        let entry = entry.map_err(|error| failed("read", dir, error))?;
        let path = entry.path();
        let removed = match entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            true => fs::remove_dir_all(&path),
            false if path == half_built => continue,
            false => fs::remove_file(&path),
        };
        removed.map_err(|error| failed("remove", &path, error))?;
    }
    fs::remove_file(&half_built).map_err(|error| failed("remove", &half_built, error))
}

fn write_entry(dir: &Path, path: &Path, what: &What) -> Result<()> {
    let at = below(dir, path);
    let (call, written) = match what {
        What::Directory(mode) => ("mkdir", make_directory(&at, *mode)),
        What::Link(target) => ("symlink", symlink(target, &at)),
        What::Copy(source) => ("copy", copy_file(source, &at)),
        What::Text(text) => ("write", fs::write(&at, text)),
    };
    written.map_err(|error| cannot_build(dir, call, &at, &error))
}

fn make_directory(at: &PathBuf, mode: u32) -> io::Result<()> {
    match fs::create_dir(at) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    // The umask has no say here: everybody inside searches these directories.
    fs::set_permissions(at, Permissions::from_mode(mode))
}

fn copy_file(source: &Path, at: &Path) -> io::Result<()> {
    fs::copy(source, at)?;
    let executable = fs::metadata(source)?.permissions().mode() & 0o111 != 0;
    fs::set_permissions(at, Permissions::from_mode(if executable { 0o755 } else { 0o644 }))
}

fn cannot_build(dir: &Path, call: &str, path: &Path, error: &io::Error) -> Error {
    let report = Error::new(format!("cannot build a root file system in {}", dir.display()))
        .io(format_args!("{call} {}", path.display()), error);
    match error.kind() {
        io::ErrorKind::NotFound => report.fix("make the directory above it first: mkdir -p"),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            report.fix("the file system is full: see df -h, df -i")
        }
        io::ErrorKind::PermissionDenied => report.fix("choose a directory that you may write in"),
        io::ErrorKind::ReadOnlyFilesystem => report.fix("choose a place that is writable"),
        io::ErrorKind::NotADirectory => report.fix("name a directory, not a file"),
        _ => report,
    }
}
