//! What may be mounted over /proc and in it.
//!
//! A runtime and the programs inside trust what /proc says, and write to it to bind themselves:
//! labels, limits, sysctls. Whoever may cover it there decides what they believe
//! (CVE-2019-16884, CVE-2025-52881). So /proc gets a procfs or nothing, and in it only the files
//! may be covered that lxcfs makes.
//!
//! A path is judged twice: here by its text, in words, and by the step by what it led to.
//!
//! Source: runc's checkProcMount; proc(5).

use std::os::fd::BorrowedFd;

use ground::{Errno, Error, Result};
use nix::sys::statfs::{PROC_SUPER_MAGIC, fstatfs};
use volumes::Judge;

/// What lxcfs covers, and two switches that engines set.
const MAY_BE_COVERED: [&str; 10] = [
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/slabinfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/sys/crypto/fips_enabled",
    "/proc/sys/kernel/ns_last_pid",
    "/proc/uptime",
];

/// Who judges a bind to `destination`, if anybody.
///
/// # Errors
/// A place that must not be covered.
pub(super) fn judge_of_bind(destination: &str) -> Result<Option<Judge>> {
    match place_of(destination) {
        Place::Proc => Ok(Some(is_procfs)),
        place => allowed(place, destination),
    }
}

/// The same for a new file system of type `kind`.
///
/// # Errors
/// A place that must not be covered.
pub(super) fn judge_of_file_system(destination: &str, kind: &str) -> Result<Option<Judge>> {
    match place_of(destination) {
        Place::Proc if kind == "proc" => Ok(None),
        Place::Proc => Err(Error::new(format!("{destination:?} cannot be mounted because it is not of type proc"))
            .why(format!("a {kind} on /proc would tell programs about themselves what it likes"))
            .see("5 proc")
            .fix("mount a proc there: {\"destination\": \"/proc\", \"type\": \"proc\", \"source\": \"proc\"}")),
        place => allowed(place, destination),
    }
}

fn allowed(place: Place, destination: &str) -> Result<Option<Judge>> {
    match place {
        Place::Elsewhere => Ok(Some(not_in_procfs)),
        Place::Proc | Place::Listed => Ok(None),
        Place::Root => Err(Error::new("cannot mount over the root")
            .why(format!("{destination:?} is the root file system itself"))
            .see("2 pivot_root")
            .fix("name what should be the root in root.path")),
        Place::InProc => {
            Err(Error::new(format!("{destination:?} cannot be mounted because it is inside /proc"))
                .why("programs trust what /proc says and write to it to bind themselves")
                .see("5 proc")
                .fix(format!("only these may be covered: {}", MAY_BE_COVERED.join(" "))))
        }
    }
}

/// Where a path leads, by its text.
enum Place {
    Root,
    Proc,
    Listed,
    InProc,
    Elsewhere,
}

fn place_of(destination: &str) -> Place {
    let mut names: Vec<&str> = Vec::new();
    for name in destination.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    match names[..] {
        [] => Place::Root,
        ["proc"] => Place::Proc,
        ["proc", ..] if MAY_BE_COVERED.contains(&format!("/{}", names.join("/")).as_str()) => {
            Place::Listed
        }
        ["proc", ..] => Place::InProc,
        _ => Place::Elsewhere,
    }
}

/// A target that a link led into a procfs.
pub(super) fn not_in_procfs(
    _: BorrowedFd<'_>,
    target: BorrowedFd<'_>,
) -> std::result::Result<(), Errno> {
    match fstatfs(target)?.filesystem_type() {
        PROC_SUPER_MAGIC => Err(Errno::EXDEV),
        _ => Ok(()),
    }
}

/// A tree that is no procfs.
fn is_procfs(tree: BorrowedFd<'_>, _: BorrowedFd<'_>) -> std::result::Result<(), Errno> {
    match fstatfs(tree)?.filesystem_type() {
        PROC_SUPER_MAGIC => Ok(()),
        _ => Err(Errno::EXDEV),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(destination: &str, kind: &str, expected: bool) {
        assert_eq!(judge_of_file_system(destination, kind).is_err(), expected, "{destination}");
    }

    #[test]
    fn proc_gets_a_procfs_or_nothing() {
        refused("/proc", "proc", false);
        refused("/proc", "tmpfs", true);
        refused("/usr/../proc/.", "tmpfs", true);
        refused("proc", "tmpfs", true);
        refused("/proc/self/attr", "tmpfs", true);
        refused("/proc/../proc/sys", "tmpfs", true);
        refused("/proc/meminfo", "fuse", false);
        refused("/process", "tmpfs", false);
        refused("/", "tmpfs", true);
        refused("/..", "tmpfs", true);
    }
}
