//! Terminal: the container's own pseudo-terminal, and its other side for whoever asked.
//!
//! The pair comes from the container's devpts, so that `tty` inside names a file that exists
//! inside. The master goes through a unix socket to the caller (an engine's monitor, or `run`);
//! the slave becomes descriptors 0, 1 and 2, and /dev/console.
//!
//! Source: runc's docs/terminals.md; pty(7), unix(7) SCM_RIGHTS.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use ground::{Errno, Error, Explanation, Result, Step};
use nix::{
    fcntl::OFlag,
    sys::statfs::{DEVPTS_SUPER_MAGIC, fstatfs},
    unistd,
};
use oci::runtime::ConsoleSize;
use volumes::{Inside, MountInside, Wanted, What};

use super::{Context, Steps, over_proc::not_in_procfs};
use crate::sys;

/// Where a devpts makes a new pair.
const PTMX: &str = "/dev/pts/ptmx";

/// # Errors
/// A terminal without a socket for it, or a socket without a terminal.
pub(super) fn steps(
    context: &Context<'_>,
    socket: Option<OwnedFd>,
    steps: &mut Steps,
) -> Result<()> {
    if !context.process.terminal {
        return match socket {
            None => Ok(()),
            Some(_) => Err(Error::new("cannot use console socket if no terminal is asked for")
                .why("config.json has no process.terminal, and --console-socket was given")
                .fix("leave one out, or ask for the other")),
        };
    }
    let size = context.process.console_size;
    steps.add("mini-runc", OpenTerminal { socket, size, path: Inside::here(PTMX)? });
    let what = What::Open(sys::stream(0), "descriptor 0");
    let console = MountInside::new(what, Inside::here("/dev/console")?, Wanted::File);
    let why = "programs that write to the console reach this terminal";
    steps.add("lab-06", console.judged_by(terminal_outside_proc).why(why));
    Ok(())
}

/// A terminal for `exec`, whose root is the container's already.
///
/// # Errors
/// None; the path is a valid one.
pub(crate) fn for_exec(socket: Option<OwnedFd>, size: Option<ConsoleSize>) -> Result<impl Step> {
    Ok(OpenTerminal { socket, size, path: Inside::here(PTMX)? })
}

/// ENODEV for what is in no devpts: a file that an image has put there would get what is typed.
fn is_terminal(file: BorrowedFd<'_>, _: BorrowedFd<'_>) -> std::result::Result<(), Errno> {
    match fstatfs(file)?.filesystem_type() {
        DEVPTS_SUPER_MAGIC => Ok(()),
        _ => Err(Errno::ENODEV),
    }
}

/// EXDEV where the image has a link at /dev/console that leads to a file of the kernel
/// (CVE-2025-52565 and its kin).
fn terminal_outside_proc(
    file: BorrowedFd<'_>,
    target: BorrowedFd<'_>,
) -> std::result::Result<(), Errno> {
    is_terminal(file, file)?;
    not_in_procfs(file, target)
}

/// Opens the pair, sends the master away, becomes the slave's session.
#[derive(Debug)]
struct OpenTerminal {
    socket: Option<OwnedFd>,
    size: Option<ConsoleSize>,
    path: Inside,
}

impl Step for OpenTerminal {
    fn run(&self) -> std::result::Result<(), Errno> {
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let master = self.path.open_as(flags)?;
        is_terminal(master.as_fd(), master.as_fd())?;
        let slave = sys::open_terminal_of(master.as_fd())?;
        if let Some(ConsoleSize { height, width }) = self.size {
            sys::set_terminal_size(slave.as_fd(), height, width)?;
        }
        if let Some(socket) = &self.socket {
            sys::send_descriptor(socket.as_fd(), master.as_fd())?;
        }
        unistd::dup2_stdin(&slave)?;
        unistd::dup2_stdout(&slave)?;
        unistd::dup2_stderr(&slave)?;
        sys::set_controlling_terminal(slave.as_fd())
    }

    fn explain(&self) -> Explanation {
        let size = match self.size {
            Some(ConsoleSize { height, width }) => {
                format!(" ioctl(slave, TIOCSWINSZ, {height} rows, {width} columns);")
            }
            None => String::new(),
        };
        Explanation::new(
            format!(
                "open(\"rootfs/dev/pts/ptmx\"); ioctl(master, TIOCGPTPEER);{size} sendmsg(socket, \
                 SCM_RIGHTS [master]); dup2(slave, 0..2); ioctl(slave, TIOCSCTTY)"
            ),
            "process.terminal: a terminal of the container's own devpts; its master goes to the caller",
            "7 pty",
        )
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        match errno {
            Errno::ENOENT | Errno::ENODEV => {
                Some("a terminal needs a devpts: mount one on /dev/pts")
            }
            Errno::EPIPE | Errno::ECONNREFUSED => {
                Some("nobody listens at --console-socket any more")
            }
            Errno::ENOSPC => Some("all terminals are taken: /proc/sys/kernel/pty/max"),
            _ => None,
        }
    }
}
