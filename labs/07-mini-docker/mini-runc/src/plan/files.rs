//! Files: settings that a process makes by writing to its own /proc, and small steps on files.

use std::{ffi::CString, os::fd::AsFd};

use ground::{Errno, Error, Explanation, Result, Step};
use nix::{
    fcntl::{AT_FDCWD, AtFlags, OFlag, open},
    sys::stat::Mode,
    unistd::{self, Gid, Uid, fchownat},
};
use rootfs::c_path;

use super::{Context, Steps};
use crate::sys;

type Done = std::result::Result<(), Errno>;

/// `oom_score_adj` and the execution domain: written while the host's /proc can be seen.
///
/// # Errors
/// A domain that is none.
pub(super) fn steps(context: &Context<'_>, steps: &mut Steps) -> Result<()> {
    let process = context.process;
    if let Some(score) = process.oom_score_adj {
        let text = oom_score(score, context.caller.oom_score_adj_min);
        let why = "how readily the kernel ends it when memory is short";
        steps.add("mini-runc", WriteFile::new("/proc/self/oom_score_adj", text, why)?);
    }
    if let Some(personality) = &context.linux.personality {
        steps.add("mini-runc", Personality::new(&personality.domain)?);
    }
    Ok(())
}

/// Lowering the score takes CAP_SYS_RESOURCE. Where we do not have it, the lowest that we may ask
/// for stands in, as in crun: a container that is ended a little earlier beats none.
fn oom_score(wanted: i32, lowest: Option<i32>) -> String {
    lowest.map_or(wanted, |lowest| wanted.max(lowest)).to_string()
}

/// `write(open(path), text)`.
#[derive(Debug)]
pub(super) struct WriteFile {
    path: CString,
    text: String,
    why: &'static str,
}

impl WriteFile {
    pub(super) fn new(path: &str, text: String, why: &'static str) -> Result<Self> {
        Ok(Self { path: c_path(path)?, text, why })
    }
}

impl Step for WriteFile {
    fn run(&self) -> Done {
        let flags = OFlag::O_WRONLY | OFlag::O_CLOEXEC;
        let file = open(self.path.as_c_str(), flags, Mode::empty())?;
        unistd::write(&file, self.text.as_bytes()).map(drop)
    }

    fn explain(&self) -> Explanation {
        let call = format!("write({:?}, {:?})", self.path.to_string_lossy(), self.text);
        Explanation::new(call, self.why, "5 proc")
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        Some(match errno {
            Errno::ENOENT => "this kernel does not have the setting",
            Errno::EACCES | Errno::EPERM => {
                "lowering it takes a capability of the initial user namespace, or /proc/sys is \
                 read-only here"
            }
            Errno::EINVAL => "the kernel does not take this value for it",
            Errno::EROFS => "/proc/sys is read-only here, as in a container: start this outside",
            _ => return None,
        })
    }
}

/// Owner and group of a path below a slot, the link itself and not what it points at.
#[derive(Debug)]
pub(super) struct Chown {
    path: CString,
    uid: u32,
    gid: u32,
}

impl Chown {
    pub(super) fn new(path: CString, uid: u32, gid: u32) -> Self {
        Self { path, uid, gid }
    }
}

impl Step for Chown {
    fn run(&self) -> Done {
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        let nofollow = AtFlags::AT_SYMLINK_NOFOLLOW;
        fchownat(AT_FDCWD.as_fd(), self.path.as_c_str(), Some(uid), Some(gid), nofollow)
    }

    fn explain(&self) -> Explanation {
        let path = self.path.to_string_lossy();
        let call = format!("lchown({path:?}, {}, {})", self.uid, self.gid);
        Explanation::new(call, "config.json names an owner", "2 chown")
    }
}

/// The NIS domain name of the UTS namespace.
#[derive(Debug)]
pub(super) struct SetDomainname(CString);

impl SetDomainname {
    pub(super) fn new(name: &str) -> Result<Self> {
        c_path(name).map(Self)
    }
}

impl Step for SetDomainname {
    fn run(&self) -> Done {
        sys::setdomainname(&self.0)
    }

    fn explain(&self) -> Explanation {
        let name = self.0.to_string_lossy();
        Explanation::new(
            format!("setdomainname({name:?}, {})", name.len()),
            "the NIS domain belongs to the UTS namespace too",
            "2 setdomainname",
        )
    }
}

/// linux/personality.h.
const PER_LINUX32: u64 = 0x0008;

/// The execution domain.
#[derive(Debug)]
struct Personality {
    domain: u64,
    name: &'static str,
}

impl Personality {
    fn new(name: &str) -> Result<Self> {
        match name {
            "LINUX" => Ok(Self { domain: 0, name: "PER_LINUX" }),
            "LINUX32" => Ok(Self { domain: PER_LINUX32, name: "PER_LINUX32" }),
            other => Err(Error::new("cannot set the execution domain")
                .why(format!("config.json, linux.personality.domain is {other:?}"))
                .see("2 personality")
                .fix("LINUX and LINUX32 are accepted")),
        }
    }
}

impl Step for Personality {
    fn run(&self) -> Done {
        sys::personality(self.domain)
    }

    fn explain(&self) -> Explanation {
        let call = format!("personality({})", self.name);
        Explanation::new(call, "what uname(2) says of the machine", "2 personality")
    }
}
