//! setns(2), in its two forms.
//!
//! **By pidfd** (Linux 5.8): one call for all kinds, all or nothing, and the privileges are judged
//! as if the user namespace were joined already. **By file**: one call a kind, in an order that is
//! ours to choose, because each call is judged by the privileges that the one before has left:
//! an ordinary user joins the user namespace *first*, to have any; root joins it *last*, because
//! inside it nobody has power over namespaces that belong to the one outside (so do nsenter(1) and
//! runc).
//!
//! A mount namespace cannot be joined while root and working directory are shared with another
//! thread, nor a user or time namespace by a process with threads. A joined PID namespace takes
//! only the children of the caller: a process never changes its own PID.

use std::{fs::File, os::fd::OwnedFd, path::Path};

use ground::{Errno, Error, Explanation, Result, Step};
use namespaces::{Kind, Kinds, pidfd};
use nix::{
    sched::setns,
    unistd::{Pid, geteuid},
};

use crate::Target;

/// How namespaces are named to setns(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// By the pidfd of a process in them.
    Pidfd,
    /// By the files under `/proc/PID/ns`.
    Files,
}

impl Way {
    /// By pidfd where the kernel can, else by file.
    ///
    /// Asks the kernel, because version numbers lie on distributions that port features back: to
    /// join our own UTS namespace changes nothing, and only a kernel before 5.8 answers EINVAL.
    pub fn best() -> Self {
        let by_pidfd = |ourselves: OwnedFd| setns(ourselves, Kind::Uts.flag());
        match pidfd::open(Pid::this()).map(by_pidfd) {
            Ok(Ok(()) | Err(Errno::EPERM)) => Self::Pidfd,
            _ => Self::Files,
        }
    }

    /// The steps that join these namespaces of `target`.
    ///
    /// # Errors
    /// EACCES when its files cannot be opened; by pidfd nothing is opened.
    pub fn steps<'a>(self, target: &'a Target, kinds: Kinds) -> Result<Vec<Box<dyn Step + 'a>>> {
        match self {
            _ if kinds.is_empty() => Ok(Vec::new()),
            Self::Pidfd => Ok(vec![Box::new(JoinProcess { target, kinds })]),
            // All are opened before the first is joined: afterwards /proc may be another one.
            Self::Files => in_order(kinds, geteuid().is_root())
                .into_iter()
                .map(|kind| {
                    let file = JoinFile::open(target.namespace(kind), kind)?;
                    Ok(Box::new(file) as Box<dyn Step + 'a>)
                })
                .collect(),
        }
    }
}

/// The user namespace last for root, first for everybody else.
fn in_order(kinds: Kinds, root: bool) -> Vec<Kind> {
    let mut order: Vec<Kind> = kinds.iter().collect();
    order.sort_by_key(|kind| (*kind == Kind::User) == root);
    order
}

/// Joins namespaces of a process, all in one call.
#[derive(Debug)]
pub struct JoinProcess<'a> {
    target: &'a Target,
    kinds: Kinds,
}

impl<'a> JoinProcess<'a> {
    /// Joins these namespaces of `target`.
    pub fn new(target: &'a Target, kinds: Kinds) -> Self {
        Self { target, kinds }
    }
}

impl Step for JoinProcess<'_> {
    fn run(&self) -> std::result::Result<(), Errno> {
        // ANCHOR: join_process
        setns(self.target.pidfd(), self.kinds.flags())
        // ANCHOR_END: join_process
    }

    fn explain(&self) -> Explanation {
        Explanation::new(
            format!("setns(pidfd_open({}), {})", self.target.pid(), self.kinds.flag_names()),
            "one call joins all or none of them, and a pidfd cannot mean another process",
            "2 setns",
        )
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        let too_old = "a kernel before 5.8 takes no pidfd here: try --files";
        advice(errno, self.kinds).or((errno == Errno::EINVAL).then_some(too_old))
    }

    fn failed(&self, errno: Errno) -> Error {
        refused(self, errno)
    }
}

/// Joins the one namespace that a file stands for.
#[derive(Debug)]
pub struct JoinFile {
    file: OwnedFd,
    path: String,
    kind: Kind,
}

impl JoinFile {
    /// Opens a link below `/proc`, or a file that a namespace is pinned on.
    ///
    /// Naming the kind keeps a wrong file from being joined: EINVAL.
    ///
    /// # Errors
    /// ENOENT when it is not there, EACCES when we may not look at the process.
    pub fn open(path: impl AsRef<Path>, kind: Kind) -> Result<Self> {
        let path = path.as_ref().display().to_string();
        match File::open(&path) {
            Ok(file) => Ok(Self { file: file.into(), path, kind }),
            Err(error) => Err(Error::new("cannot open the namespace")
                .io(format_args!("open {path}"), &error)
                .see("7 namespaces")
                .fix("check that the process still runs and is yours, or ask as root")),
        }
    }
}

impl Step for JoinFile {
    fn run(&self) -> std::result::Result<(), Errno> {
        setns(&self.file, self.kind.flag())
    }

    fn explain(&self) -> Explanation {
        let why = match self.kind {
            Kind::User => "gives every capability inside, and takes those outside",
            Kind::Pid => "for the children to come; our own PID stays",
            Kind::Mount => "root and working directory become the root of that mount table",
            _ => "the second argument is a check: a file of another kind is EINVAL",
        };
        let call = format!("setns(open({:?}), {})", self.path, self.kind.flag_name());
        Explanation::new(call, why, "2 setns")
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        let other =
            "the file stands for a namespace of another kind, or for none: readlink says what";
        advice(errno, Kinds::of([self.kind])).or((errno == Errno::EINVAL).then_some(other))
    }

    fn failed(&self, errno: Errno) -> Error {
        refused(self, errno)
    }
}

fn refused(step: &dyn Step, errno: Errno) -> Error {
    let Explanation { call, man, .. } = step.explain();
    let error = Error::new("cannot join the namespaces").call(&call, errno).see(man);
    match step.fix(errno) {
        Some(fix) => error.fix(fix),
        None => error,
    }
}

/// What each errno of setns(2) asks for.
fn advice(errno: Errno, kinds: Kinds) -> Option<&'static str> {
    match errno {
        Errno::ESRCH => Some("the process has ended: list those that run with ps -e"),
        Errno::EPERM if kinds.contains(Kind::User) => Some(
            "only root, or the user who made it, has power over that user namespace: run it with \
             sudo, or as that user",
        ),
        Errno::EPERM => Some(
            "it takes CAP_SYS_ADMIN over the namespace and in our own: join its user namespace too \
             (-U), or run it with sudo",
        ),
        Errno::EINVAL if kinds.contains(Kind::User) => Some(
            "we are in that user namespace already, or have threads; neither can be joined: leave \
             -U out, or start a process of one thread",
        ),
        Errno::EINVAL if kinds.contains(Kind::Pid) => Some(
            "a PID namespace can only be joined from the one around it: start from there; or the \
             file is of another kind",
        ),
        Errno::EINVAL if kinds.contains(Kind::Mount) => Some(
            "another thread shares our root directory (CLONE_FS): start a process of one thread; \
             or the file is of another kind",
        ),
        Errno::EUSERS => {
            Some("a time namespace takes no process with threads: start one with a single thread")
        }
        Errno::ENOSYS => Some("setns(2) came with Linux 3.0, or a seccomp filter hides it"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_leaves_its_user_namespace_last_and_others_first() {
        let kinds = Kinds::of([Kind::Mount, Kind::User, Kind::Net]);
        assert_eq!(in_order(kinds, true), [Kind::Mount, Kind::Net, Kind::User]);
        assert_eq!(in_order(kinds, false), [Kind::User, Kind::Mount, Kind::Net]);
    }
}
