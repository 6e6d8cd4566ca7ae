//! The process to follow, held by a pidfd: its number may be given to another, the pidfd not.
//!
//! What setns(2) does not carry over is read from `/proc/PID`, by number. [`Target::check_alive`]
//! comes after the reading: as long as the process behind the pidfd runs, the number was its own
//! (man 2 pidfd_open).

use std::{
    ffi::OsString,
    fs,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStringExt,
    },
};

use ground::{Errno, Error, Result};
use namespaces::{Id, Kind, Kinds, pidfd};
use nix::{
    fcntl::{OFlag, open},
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::stat::Mode,
    unistd::Pid,
};

/// A running process whose namespaces are wanted.
#[derive(Debug)]
pub struct Target {
    pid: Pid,
    pidfd: OwnedFd,
}

impl Target {
    /// Takes hold of process `pid`.
    ///
    /// # Errors
    /// ESRCH when there is no such process.
    pub fn open(pid: Pid) -> Result<Self> {
        Ok(Self { pid, pidfd: pidfd::open(pid)? })
    }

    /// Its PID, as we see it.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// The descriptor that stands for it.
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Which of `kinds` it does not share with us. A kind that the kernel lacks is shared by all.
    ///
    /// To join a namespace that we are in already would change nothing, and yet needs the
    /// privilege; for a user namespace it is an error (EINVAL).
    ///
    /// # Errors
    /// EACCES when we may not look at the process.
    pub fn elsewhere(&self, kinds: Kinds) -> Result<Kinds> {
        let mut elsewhere = Kinds::NONE;
        for kind in kinds.iter() {
            let Ok(own) = Id::own(kind) else { continue };
            if Id::of(self.pid, kind)? != own {
                elsewhere = elsewhere.with(kind);
            }
        }
        Ok(elsewhere)
    }

    /// The environment that it was started with, as `NAME=VALUE`; later changes live in its memory
    /// only (man 5 proc_pid_environ).
    ///
    /// # Errors
    /// EACCES when we may not look at the process.
    pub fn environment(&self) -> Result<Vec<OsString>> {
        let path = self.file("environ");
        let bytes = fs::read(&path).map_err(|error| self.closed(&path, &error))?;
        let entries = bytes.split(|byte| *byte == 0).filter(|entry| !entry.is_empty());
        Ok(entries.map(|entry| OsString::from_vec(entry.to_vec())).collect())
    }

    /// Whether setgroups(2) is denied for ever in its user namespace, as it is wherever an ordinary
    /// user wrote the map (man 7 user_namespaces).
    pub fn denies_setgroups(&self) -> bool {
        fs::read_to_string(self.file("setgroups")).is_ok_and(|text| text.trim() == "deny")
    }

    /// Opens a directory that one of its links leads to: `root` or `cwd`.
    pub(crate) fn directory(&self, link: &str) -> Result<OwnedFd> {
        let path = self.file(link);
        // O_PATH names the directory without asking for the right to list it.
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        open(path.as_str(), flags, Mode::empty()).map_err(|errno| self.closed(&path, &errno.into()))
    }

    /// The path of a namespace of it.
    pub(crate) fn namespace(&self, kind: Kind) -> String {
        self.file(&format!("ns/{}", kind.name()))
    }

    /// Fails when it has ended, and with it what was read under its number.
    ///
    /// # Errors
    /// ESRCH.
    pub fn check_alive(&self) -> Result<()> {
        let mut ended = [PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)];
        match poll(&mut ended, PollTimeout::ZERO) {
            Ok(0) => Ok(()),
            _ => Err(Error::new(format!("process {} has ended", self.pid))
                .call("poll([{pidfd, POLLIN}], 1, 0)", Errno::ESRCH)
                .see("2 pidfd_open")
                .fix("start it again, or keep its namespaces next time: lab-05 pin")),
        }
    }

    fn file(&self, name: &str) -> String {
        format!("/proc/{}/{name}", self.pid)
    }

    fn closed(&self, path: &str, error: &std::io::Error) -> Error {
        let report = Error::new(format!("cannot look at process {}", self.pid))
            .io(format_args!("open {path}"), error)
            .see("2 ptrace");
        match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::EACCES | Errno::EPERM) => report.fix(
                "choose a process of your own, or ask as root; some machines hide PID 1 even from \
                 root",
            ),
            Some(Errno::ENOENT | Errno::ESRCH) => {
                report.fix("it has ended, or is a zombie: list those that run with ps -e")
            }
            _ => report,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn we_share_all_namespaces_with_ourselves() {
        let ourselves = Target::open(Pid::this()).unwrap();
        assert!(ourselves.elsewhere(Kinds::of(Kind::ALL)).unwrap().is_empty());
        ourselves.check_alive().unwrap();
    }

    #[test]
    fn the_environment_is_read_entry_by_entry() {
        let environment = Target::open(Pid::this()).unwrap().environment().unwrap();
        assert!(environment.iter().all(|entry| entry.to_string_lossy().contains('=')));
    }
}
