//! Controllers handed down, and back: what we enabled for a group is disabled when it has gone.
//!
//! On v2 a group has a controller's files only if the group above it names that controller in
//! `cgroup.subtree_control`. That file is the neighbours' as well, and it outlives us. So whoever
//! enables something *notes* it, before the write, in an extended attribute of that very file
//! (xattr(7); the kernel keeps `user.` ones on control groups since Linux 5.7): which controllers,
//! and the newest group there was. Whoever removes a group looks for notes on the way up:
//!
//! ```text
//!   user.unboxed.handed-down = "4711 cpu memory"     no note: enabled before us, and none of ours
//!   a group below is newer than 4711                 it may count on them: they stay
//!   an older one has a limit of a controller         somebody uses it: it stays
//!   a group below hands it further down              the kernel refuses itself (EBUSY): it stays
//!   none of these                                    "-cpu -memory", and no note any more
//! ```
//!
//! Between the look and the write nobody may make a group, or it would have no controllers: both
//! sides hold a lock (flock(2)) on the file, the maker until its own group is there. Where there is
//! no note nobody of us takes anything back, and no lock is needed: the usual case of a machine
//! whose systemd has enabled everything.
//!
//! Source: admin-guide/cgroup-v2.rst, "Controlling Controllers".

use std::{
    ffi::{CString, OsStr},
    fmt,
    fs::{self, File, TryLockError},
    os::unix::{
        ffi::OsStrExt,
        fs::{DirEntryExt, MetadataExt},
    },
    path::{Path, PathBuf},
    str::FromStr,
    thread,
    time::{Duration, Instant},
};

use ground::{Errno, Result};

use super::{RETRIES, SUPERVISOR, children, make, move_all, put, write_once};
use crate::{Controllers, Version, sys};

const NOTE: &std::ffi::CStr = c"user.unboxed.handed-down";

/// Anybody who may read the file may lock it: nobody can keep us for longer than this.
const PATIENCE: Duration = Duration::from_secs(1);
const BETWEEN_LOOKS: Duration = Duration::from_millis(2);

/// Held until the group is made that controllers were handed down to.
pub(super) type Lock = File;

/// Enables in the directory above the group `dir` what it needs, unless that is so already. With
/// `may_move` the processes in that directory are moved one level down if they stand in the way.
///
/// # Errors
/// EBUSY: processes are in it and may not be moved; EACCES: it is not ours.
pub(super) fn hand_down(dir: &Path, needed: &Controllers, may_move: bool) -> Result<Option<Lock>> {
    let above = dir.parent().unwrap_or(dir);
    let control = control_of(above);
    // In this order: what is enabled without a note was enabled by somebody else.
    if Note::on(&control).is_none() && missing(above, needed).is_empty() {
        return Ok(None);
    }
    let lock = lock(&control);
    let (before, missing) = (Note::on(&control), missing(above, needed));
    if before.is_some() || !missing.is_empty() {
        let note = before.clone().unwrap_or_else(|| Note::new(above));
        note.with(&missing).older_than(dir).write(&control);
    }
    if !missing.is_empty() {
        enable(above, &missing, may_move).inspect_err(|_| Note::restore(before, &control))?;
    }
    Ok(lock)
}

fn enable(dir: &Path, missing: &[&str], may_move: bool) -> Result<()> {
    let control = control_of(dir);
    let value = missing.iter().map(|it| format!("+{it}")).collect::<Vec<_>>().join(" ");
    // More than once: a process may fork while its group is being emptied.
    for _ in 0..RETRIES {
        if !may_move || write_once(&control, &value) != Err(Errno::EBUSY) {
            break;
        }
        move_down(dir)?;
    }
    put("cannot hand controllers down", &control, &value)
}

fn missing<'a>(dir: &Path, needed: &'a Controllers) -> Vec<&'a str> {
    let (offered, enabled) = (words(&dir.join("cgroup.controllers")), words(&control_of(dir)));
    let names = needed.iter().map(|it| it.name(Version::V2));
    let has = |words: &[String], name: &str| words.iter().any(|it| it == name);
    names.filter(|it| has(&offered, it) && !has(&enabled, it)).collect()
}

/// Disables what we enabled in `dir` and nobody needs any more; processes that were moved down come
/// back up. Best effort: who removes the next group tries again.
pub(super) fn hand_back(dir: &Path) {
    let control = control_of(dir);
    if Note::on(&control).is_none() {
        return;
    }
    let Some(_lock) = lock(&control) else { return };
    let Some(note) = Note::on(&control) else { return };
    if groups(dir).iter().any(|(id, _)| *id > note.newest) {
        return;
    }
    for name in note.controllers.iter().filter(|it| !has_limit(dir, it)) {
        let _ = write_once(&control, &format!("-{name}"));
    }
    let left = note.left(&words(&control));
    if !left.controllers.is_empty() {
        return left.write(&control);
    }
    if move_up(dir) {
        Note::restore(None, &control);
    }
}

/// Moves the processes of an inhabited delegated group one level down ("no internal processes").
fn move_down(dir: &Path) -> Result<()> {
    let supervisor = dir.join(SUPERVISOR);
    make(&supervisor)?;
    move_all(dir, &supervisor)
}

/// Moves them back up; whether none is down there.
fn move_up(dir: &Path) -> bool {
    let supervisor = dir.join(SUPERVISOR);
    if !supervisor.is_dir() {
        return true;
    }
    move_all(&supervisor, dir).is_ok() && fs::remove_dir(&supervisor).is_ok()
}

/// What we enabled in a directory, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Note {
    /// The highest inode number of the groups that were there: the kernel counts upwards.
    newest: u64,
    controllers: Vec<String>,
}

impl Note {
    fn on(control: &Path) -> Option<Self> {
        let path = CString::new(control.as_os_str().as_bytes()).ok()?;
        String::from_utf8(sys::attribute(&path, NOTE)?).ok()?.parse().ok()
    }

    fn new(dir: &Path) -> Self {
        let newest = groups(dir).iter().map(|(id, _)| *id).max().unwrap_or_default();
        Self { newest, controllers: Vec::new() }
    }

    fn with(mut self, more: &[&str]) -> Self {
        self.controllers.extend(more.iter().map(|&it| it.to_owned()));
        self.controllers.sort();
        self.controllers.dedup();
        self
    }

    /// A group that was there before and needs them now counts as a new one.
    fn older_than(mut self, dir: &Path) -> Self {
        let id = fs::metadata(dir).map_or(u64::MAX, |it| it.ino());
        self.newest = self.newest.min(id - 1);
        self
    }

    /// What of it is still so.
    fn left(mut self, enabled: &[String]) -> Self {
        self.controllers.retain(|it| enabled.contains(it));
        self
    }

    /// Best effort: without a note a controller stays enabled, as on a kernel that keeps none.
    fn write(&self, control: &Path) {
        if let Ok(path) = CString::new(control.as_os_str().as_bytes()) {
            let _ = sys::set_attribute(&path, NOTE, self.to_string().as_bytes());
        }
    }

    fn restore(before: Option<Self>, control: &Path) {
        match (before, CString::new(control.as_os_str().as_bytes())) {
            (Some(note), _) => note.write(control),
            (None, Ok(path)) => drop(sys::remove_attribute(&path, NOTE)),
            (None, Err(_)) => {}
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.newest, self.controllers.join(" "))
    }
}

impl FromStr for Note {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (newest, controllers) = text.split_once(' ').unwrap_or((text, ""));
        let controllers = controllers.split_whitespace().map(str::to_owned).collect();
        Ok(Self { newest: newest.parse()?, controllers })
    }
}

/// The groups below `dir` with their ids; ours for moved processes is none that needs anything.
fn groups(dir: &Path) -> Vec<(u64, PathBuf)> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let is_group = |it: &fs::DirEntry| it.file_type().is_ok_and(|it| it.is_dir());
    entries
        .filter(|it| is_group(it) && it.file_name() != SUPERVISOR)
        .map(|it| (it.ino(), it.path()))
        .collect()
}

/// Whether a group below `dir` was given a limit of this controller. That one is not written when it
/// is enabled already, so it would not be known that somebody else wants it, too.
fn has_limit(dir: &Path, controller: &str) -> bool {
    let of_it = |name: &OsStr| {
        let name = name.to_string_lossy();
        name.split_once('.').is_some_and(|(first, _)| first == controller)
    };
    children(dir).iter().any(|group| {
        let files = fs::read_dir(group).into_iter().flatten().flatten();
        files.filter(|it| of_it(&it.file_name())).any(|it| {
            let text = fs::read_to_string(it.path()).unwrap_or_default();
            is_limit(&it.file_name().to_string_lossy(), text.trim())
        })
    })
}

/// Whether a file of a group says anything but what it says in a fresh group. Of files that the
/// table does not name only those count that limit, and say a number.
fn is_limit(file: &str, text: &str) -> bool {
    let fresh = match file {
        "cpu.max" => "max 100000",
        "cpu.weight" => "100",
        "cpu.uclamp.min" => "0.00",
        "cpu.max.burst" | "cpu.idle" | "memory.min" | "memory.low" | "memory.oom.group" => "0",
        "cpu.uclamp.max" | "memory.high" | "memory.max" | "pids.max" => "max",
        "memory.swap.high" | "memory.swap.max" | "memory.zswap.max" => "max",
        "memory.zswap.writeback" => "1",
        "io.weight" | "io.bfq.weight" => "default 100",
        "io.max" | "io.latency" | "cpuset.cpus" | "cpuset.mems" | "cpuset.cpus.exclusive" => "",
        "cpuset.cpus.partition" => "member",
        _ if file.ends_with(".max") => {
            return text.split([' ', '\n', '=']).any(|it| it.parse::<u64>().is_ok());
        }
        _ => return false,
    };
    text != fresh
}

fn control_of(dir: &Path) -> PathBuf {
    dir.join("cgroup.subtree_control")
}

fn words(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}

/// The lock on a `cgroup.subtree_control`; not on its directory, where a lock means that the maker
/// of a temporary group lives.
fn lock(control: &Path) -> Option<Lock> {
    let file = File::open(control).ok()?;
    let until = Instant::now() + PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => return Some(file),
            Err(TryLockError::WouldBlock) if Instant::now() < until => thread::sleep(BETWEEN_LOOKS),
            Err(_) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(file: &str, fresh: &str, given: &str) {
        assert!(!is_limit(file, fresh), "{file} = {fresh}");
        assert!(is_limit(file, given), "{file} = {given}");
    }

    #[test]
    fn a_limit_is_told_from_what_a_fresh_group_says() {
        check("cpu.max", "max 100000", "20000 100000");
        check("cpu.weight", "100", "50");
        check("memory.max", "max", "0");
        check("memory.low", "0", "4096");
        check("pids.max", "max", "0");
        check("io.max", "", "8:16 rbps=2097152 wbps=max riops=max wiops=max");
        check("cpuset.cpus", "", "0-1");
        check("hugetlb.2MB.max", "max", "2097152");
        check("rdma.max", "mlx4_0 hca_handle=max", "mlx4_0 hca_handle=2 hca_object=max");
    }

    #[test]
    fn what_is_only_counted_is_no_limit() {
        for file in ["memory.current", "memory.pressure", "memory.peak", "cpu.weight.nice"] {
            assert!(!is_limit(file, "4096"), "{file}");
        }
    }

    #[test]
    fn a_note_reads_as_it_was_written() {
        let note = Note { newest: 4711, controllers: vec!["cpu".into(), "memory".into()] };
        assert_eq!(note.to_string(), "4711 cpu memory");
        assert_eq!("4711 cpu memory".parse(), Ok(note.clone()));
        assert_eq!(note.left(&["pids".to_owned(), "cpu".to_owned()]).to_string(), "4711 cpu");
        assert!("cpu".parse::<Note>().is_err());
    }
}
