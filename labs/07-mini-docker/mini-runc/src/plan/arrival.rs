//! Arrival: what a process does first where it has come to, before it touches a file.
//!
//! It parts with what still ties it to whoever called us: ids, terminal, keys, the eyes of others.
//! Which of these steps a process takes, and in which order, is decided in [`super::join`].
//!
//! Source: user_namespaces(7), credentials(7), session-keyring(7), PR_SET_DUMPABLE(2const).

use std::ffi::CString;

use ground::{Errno, Explanation, Step};
use namespaces::Kinds;
use nix::{
    fcntl::{OFlag, open},
    sys::{prctl, stat::Mode},
    unistd::{self, Gid, Uid},
};

use crate::sys;

type Done = std::result::Result<(), Errno>;

/// New namespaces for a process that is where they are to belong.
#[derive(Debug)]
pub(super) struct Unshare(pub(super) Kinds);

impl Step for Unshare {
    fn run(&self) -> Done {
        nix::sched::unshare(self.0.flags())
    }

    fn explain(&self) -> Explanation {
        let call = format!("unshare({})", self.0.flag_names());
        let why = "made in the user namespace that was joined, they belong to it";
        Explanation::new(call, why, "2 unshare")
    }
}

/// Takes the ids 0 of the user namespace.
#[derive(Debug)]
pub(super) struct BecomeRoot {
    /// Whether they may be missing there.
    pub(super) if_mapped: bool,
}

impl Step for BecomeRoot {
    fn run(&self) -> Done {
        let (gid, uid) = (Gid::from_raw(0), Uid::from_raw(0));
        let became =
            unistd::setresgid(gid, gid, gid).and_then(|()| unistd::setresuid(uid, uid, uid));
        match became {
            Err(Errno::EINVAL) if self.if_mapped => Ok(()),
            became => became,
        }
    }

    fn explain(&self) -> Explanation {
        Explanation::new(
            "setresgid(0, 0, 0); setresuid(0, 0, 0)",
            "our ids from outside may not exist inside, and nobody can make files",
            "7 user_namespaces",
        )
    }
}

/// From here on the container's processes see us, and our open files are not for them.
#[derive(Debug)]
pub(super) struct Unreachable;

impl Step for Unreachable {
    fn run(&self) -> Done {
        prctl::set_dumpable(false)
    }

    fn explain(&self) -> Explanation {
        Explanation::new(
            "prctl(PR_SET_DUMPABLE, 0)",
            "until exec nobody inside may look at our memory, environment and open files, or trace us",
            "2 PR_SET_DUMPABLE",
        )
    }
}

/// Enters a group of one controller, below the container's.
#[derive(Debug)]
pub(super) struct JoinPart(pub(super) CString);

impl Step for JoinPart {
    fn run(&self) -> Done {
        let flags = OFlag::O_WRONLY | OFlag::O_CLOEXEC;
        let file = open(self.0.as_c_str(), flags, Mode::empty())?;
        // 0 is whoever writes.
        unistd::write(&file, b"0").map(drop)
    }

    fn explain(&self) -> Explanation {
        let call = format!("write({:?}, \"0\")", self.0.to_string_lossy());
        Explanation::new(call, "exec --cgroup", "7 cgroups")
    }
}

/// A session of its own.
#[derive(Debug)]
pub(super) struct NewSession;

impl Step for NewSession {
    fn run(&self) -> Done {
        unistd::setsid().map(drop)
    }

    fn explain(&self) -> Explanation {
        let why = "Ctrl-C at our terminal is not for the container";
        Explanation::new("setsid()", why, "2 setsid")
    }
}

/// A session keyring of its own.
#[derive(Debug)]
pub(super) struct NewKeyring;

impl Step for NewKeyring {
    /// A kernel without keys, a filter around us, or a full quota: then there is nothing to share.
    fn run(&self) -> Done {
        match sys::new_session_keyring() {
            Err(Errno::ENOSYS | Errno::EPERM | Errno::EDQUOT | Errno::EACCES) => Ok(()),
            other => other,
        }
    }

    fn explain(&self) -> Explanation {
        Explanation::new(
            "keyctl(KEYCTL_JOIN_SESSION_KEYRING, NULL)",
            "keys are not namespaced: a new keyring hides the caller's secrets",
            "7 session-keyring",
        )
    }
}
