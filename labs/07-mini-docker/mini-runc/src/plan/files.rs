//! Files: settings that a process makes by writing to its own /proc, and small steps on files.

use std::ffi::CString;

use ground::{Errno, Error, Explanation, Result, Step};
use nix::unistd;
use rootfs::c_path;

use super::{Context, Steps, proc_file::ProcFile};
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
    file: ProcFile,
    text: String,
    why: &'static str,
}

impl WriteFile {
    pub(super) fn new(path: &str, text: String, why: &'static str) -> Result<Self> {
        Ok(Self { file: ProcFile::new(path)?, text, why })
    }
}

impl Step for WriteFile {
    fn run(&self) -> Done {
        unistd::write(self.file.open()?, self.text.as_bytes()).map(drop)
    }

    fn explain(&self) -> Explanation {
        let call =
            format!("write(\"/proc/{}\", {:?})", self.file.below().to_string_lossy(), self.text);
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
            Errno::EXDEV => {
                "something is mounted over it, so a write would go elsewhere: start this where \
                 /proc is whole"
            }
            Errno::EROFS => "/proc/sys is read-only here, as in a container: start this outside",
            _ => return None,
        })
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
