//! Clock offsets: what a time namespace adds to the machine's monotonic and boot clock.
//!
//! unshare(CLONE_NEWTIME) makes the namespace for the children only. Until the first of them enters
//! it, `/proc/self/timens_offsets` can be written; from then on the offsets are fixed (man 7
//! time_namespaces). The wall clock, CLOCK_REALTIME, has no namespace: there is one for all.

use std::ffi::CString;

use ground::{Errno, Error, Explanation, Result, Step};
use nix::{
    fcntl::{OFlag, open},
    sched::unshare,
    sys::stat::Mode,
    unistd,
};

use crate::{Kind, Kinds, Spawn, sys};

/// What is added to the clocks: seconds, negative to go back, and nanoseconds, always forward.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Offsets {
    /// For CLOCK_MONOTONIC.
    pub monotonic_s: i64,
    /// The same, below a second.
    pub monotonic_ns: u32,
    /// For CLOCK_BOOTTIME, from which uptime(1) is read.
    pub boottime_s: i64,
    /// The same, below a second.
    pub boottime_ns: u32,
}

impl Offsets {
    /// The lines of `timens_offsets`: clock, seconds, nanoseconds.
    fn lines(self) -> String {
        let Self { monotonic_s, monotonic_ns, boottime_s, boottime_ns } = self;
        format!("monotonic {monotonic_s} {monotonic_ns}\nboottime {boottime_s} {boottime_ns}\n")
    }
}

/// What the clocks say to the calling process, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clocks {
    /// CLOCK_MONOTONIC: since some point in the past, usually the boot.
    pub monotonic_ns: i64,
    /// CLOCK_BOOTTIME: the same, and the time asleep counts.
    pub boottime_ns: i64,
    /// CLOCK_REALTIME: the wall clock, since 1970.
    pub realtime_ns: i64,
}

impl Clocks {
    /// Reads all three.
    ///
    /// # Errors
    /// As clock_gettime(2); none that a Linux of this century would give.
    pub fn now() -> Result<Self> {
        let read = |clock| {
            sys::clock_ns(clock).map_err(|errno| {
                Error::new("cannot read the clock").call("clock_gettime(..)", errno)
            })
        };
        Ok(Self {
            monotonic_ns: read(libc::CLOCK_MONOTONIC)?,
            boottime_ns: read(libc::CLOCK_BOOTTIME)?,
            realtime_ns: read(libc::CLOCK_REALTIME)?,
        })
    }
}

impl Spawn<'_> {
    /// Gives the process a time namespace with these offsets; comes before all steps.
    ///
    /// clone3(CLONE_NEWTIME) would put the child into a namespace whose offsets can no longer be
    /// set, so it is made by unshare(2), and the child forks into it. A PID namespace is made by
    /// the same unshare: the first process in it must be the one that stays.
    pub fn time_offsets(mut self, offsets: Offsets) -> Self {
        let late = self.kinds.iter().filter(|kind| *kind == Kind::Pid);
        let late = Kinds::of(late).with(Kind::Time);
        self.kinds = self.kinds.without(Kind::Pid).without(Kind::Time);
        self.step(UnshareForChildren(late)).step(SetOffsets::new(offsets)).fork()
    }
}

/// unshare(2) with kinds that take only the children of the caller: PID and time.
#[derive(Debug)]
struct UnshareForChildren(Kinds);

impl Step for UnshareForChildren {
    fn run(&self) -> std::result::Result<(), Errno> {
        unshare(self.0.flags())
    }

    fn explain(&self) -> Explanation {
        Explanation::new(
            format!("unshare({})", self.0.flag_names()),
            "the caller stays where it is; its next child is the first inside",
            "2 unshare",
        )
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        match errno {
            Errno::EPERM => Some("add a user namespace: --user; or run it with sudo"),
            Errno::EINVAL => {
                Some("this kernel has no time namespaces: ls /proc/self/ns shows its kinds")
            }
            Errno::ENOSPC | Errno::EUSERS => {
                Some("raise user.max_time_namespaces or user.max_pid_namespaces with sysctl")
            }
            _ => None,
        }
    }
}

/// Writes the offsets of the time namespace that the next child will be in.
#[derive(Debug)]
struct SetOffsets {
    lines: CString,
}

impl SetOffsets {
    fn new(offsets: Offsets) -> Self {
        // Digits, signs and words have no NUL byte in them.
        Self { lines: CString::new(offsets.lines()).unwrap_or_default() }
    }
}

impl Step for SetOffsets {
    fn run(&self) -> std::result::Result<(), Errno> {
        let flags = OFlag::O_WRONLY | OFlag::O_CLOEXEC;
        let file = open(c"/proc/self/timens_offsets", flags, Mode::empty())?;
        unistd::write(file, self.lines.to_bytes()).map(drop)
    }

    fn explain(&self) -> Explanation {
        Explanation::new(
            format!("write(\"/proc/self/timens_offsets\", {:?})", self.lines.to_string_lossy()),
            "the clocks of a time namespace are set before anybody enters it, then never again",
            "7 time_namespaces",
        )
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        match errno {
            Errno::ERANGE => Some(
                "a clock must stay at or above 0 and below 146 years: go back by less than the uptime",
            ),
            Errno::EACCES => {
                Some("a process is in the namespace already: its clocks stay as they are")
            }
            Errno::EPERM => Some("CAP_SYS_TIME in the user namespace is missing: add --user"),
            Errno::ENOENT => Some("this kernel has no time namespaces; they came with Linux 5.6"),
            Errno::EINVAL => {
                Some("write a line a clock: monotonic or boottime, seconds, nanoseconds")
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_a_line_a_clock() {
        let offsets =
            Offsets { monotonic_s: -5, boottime_s: 86400, boottime_ns: 7, ..Offsets::default() };
        assert_eq!(offsets.lines(), "monotonic -5 0\nboottime 86400 7\n");
    }

    #[test]
    fn the_process_that_stays_is_the_first_of_its_pid_namespace() {
        let spawn = Spawn::new(Kinds::of([Kind::Pid, Kind::Uts, Kind::Time]));
        let spawn = spawn.time_offsets(Offsets::default());
        assert_eq!(spawn.kinds, Kinds::of([Kind::Uts]));
        assert_eq!(spawn.fork_before, Some(2));
        assert_eq!(spawn.steps[0].explain().call, "unshare(CLONE_NEWPID|CLONE_NEWTIME)");
    }
}
