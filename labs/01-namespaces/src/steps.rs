//! What a child does between clone3(2) and execve(2).
//!
//! Each is a system call or two, prepared before the clone, because the child may not allocate.

use std::{
    ffi::{CStr, CString},
    os::fd::{AsFd, AsRawFd, OwnedFd},
};

use ground::{Errno, Explanation, Result, Step};
use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
    sys::{
        prctl,
        socket::{AddressFamily, SockFlag, SockType, socket},
    },
    unistd,
};

use crate::sys;

type Done = std::result::Result<(), Errno>;

/// Cuts the new mount namespace's ties to the old one.
///
/// A new mount namespace is a copy, and a copy of a *shared* mount goes on sharing: what is mounted
/// in one appears in the other. On most machines `/` is shared, so this comes before any mount.
#[derive(Debug)]
pub struct PrivateMounts;

impl Step for PrivateMounts {
    fn run(&self) -> Done {
        // ANCHOR: private_mounts
        let none = None::<&CStr>;
        mount(none, c"/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
        // ANCHOR_END: private_mounts
    }

    fn explain(&self) -> Explanation {
        Explanation::new(
            "mount(NULL, \"/\", NULL, MS_REC|MS_PRIVATE, NULL)",
            "a copied mount table still shares its events: without this the host sees our mounts",
            "7 mount_namespaces",
        )
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        match errno {
            Errno::EPERM | Errno::EACCES => {
                Some("make a mount namespace first, and a user namespace if not root")
            }
            Errno::EINVAL => Some("/ is no mount point here, as after chroot(2): leave the chroot"),
            _ => None,
        }
    }
}

/// Makes a cgroup namespace, when the process is already in its group.
///
/// The group that a process is in at that moment becomes the root of what it sees. Had clone(2) made
/// the namespace, a process that is moved into its group afterwards would read `/../..` about it in
/// /proc/self/cgroup.
#[derive(Debug)]
pub struct NewCgroupNamespace;

impl Step for NewCgroupNamespace {
    fn run(&self) -> Done {
        unshare(CloneFlags::CLONE_NEWCGROUP)
    }

    fn explain(&self) -> Explanation {
        Explanation::new(
            "unshare(CLONE_NEWCGROUP)",
            "the group that we are in now becomes \"/\" of /proc/self/cgroup: so after we were moved",
            "7 cgroup_namespaces",
        )
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        match errno {
            Errno::EPERM => Some("add a user namespace: --user; or run it with sudo"),
            Errno::EINVAL => {
                Some("this kernel has no cgroup namespaces: ls /proc/self/ns shows its kinds")
            }
            Errno::ENOSPC => Some("raise user.max_cgroup_namespaces with sysctl"),
            _ => None,
        }
    }
}

/// Mounts the `/proc` that belongs to a new PID namespace over the old one.
#[derive(Debug)]
pub struct MountProc;

impl Step for MountProc {
    fn run(&self) -> Done {
        // ANCHOR: mount_proc
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        mount(Some(c"proc"), c"/proc", Some(c"proc"), flags, None::<&CStr>)
        // ANCHOR_END: mount_proc
    }

    fn explain(&self) -> Explanation {
        Explanation::new(
            "mount(\"proc\", \"/proc\", \"proc\", MS_NOSUID|MS_NODEV|MS_NOEXEC, NULL)",
            "a proc shows the PID namespace it was mounted in; ps reads the one at /proc",
            "7 pid_namespaces",
        )
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        match errno {
            Errno::EPERM => Some(
                "inside a container with a masked /proc the kernel refuses a fresh one: start the \
                 outer one with --security-opt systempaths=unconfined, or without --pid",
            ),
            Errno::EBUSY => Some("make a mount namespace too: --mount"),
            Errno::ENOENT => Some("the root has no directory /proc: make one"),
            Errno::ENODEV => Some("this kernel has no procfs: see /proc/filesystems"),
            Errno::ENOSPC => Some("too many mounts in this namespace (/proc/sys/fs/mount-max)"),
            _ => None,
        }
    }
}

/// Sets the host name of the new UTS namespace.
#[derive(Debug)]
pub struct SetHostname(CString);

impl SetHostname {
    /// `name` has at most 64 bytes (HOST_NAME_MAX).
    ///
    /// # Errors
    /// A NUL byte in the name.
    pub fn new(name: &str) -> Result<Self> {
        let name = CString::new(name);
        name.map(Self).map_err(|_| ground::Error::new("a host name has no NUL byte"))
    }
}

impl Step for SetHostname {
    fn run(&self) -> Done {
        // ANCHOR: set_hostname
        use std::os::unix::ffi::OsStrExt;
        unistd::sethostname(std::ffi::OsStr::from_bytes(self.0.to_bytes()))
        // ANCHOR_END: set_hostname
    }

    fn explain(&self) -> Explanation {
        let name = self.0.to_string_lossy();
        Explanation::new(
            format!("sethostname({name:?}, {})", name.len()),
            "the name belongs to the UTS namespace, so the host keeps its own",
            "7 uts_namespaces",
        )
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        match errno {
            Errno::EINVAL => Some("choose a name of at most 64 bytes"),
            Errno::EPERM => Some("make a UTS namespace too: --uts, and --user if not root"),
            _ => None,
        }
    }
}

/// Brings up the only interface that a new network namespace has.
#[derive(Debug)]
pub struct LoopbackUp;

impl Step for LoopbackUp {
    fn run(&self) -> Done {
        let flags = SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Inet, SockType::Datagram, flags, None)?;
        sys::loopback_up(socket.as_fd())
    }

    fn explain(&self) -> Explanation {
        Explanation::new(
            "ioctl(socket, SIOCSIFFLAGS, {\"lo\", IFF_UP|IFF_RUNNING})",
            "a new network namespace has one interface, and it is down: not even ping 127.0.0.1",
            "7 netdevice",
        )
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        match errno {
            Errno::EPERM => Some("make a network namespace too: --net, and --user if not root"),
            Errno::ENODEV => Some("this network namespace has no lo: ip link shows what it has"),
            Errno::EAFNOSUPPORT => Some("this kernel has no IPv4 (CONFIG_INET)"),
            _ => None,
        }
    }
}

/// Puts a descriptor in the place of standard input, output or error.
#[derive(Debug)]
pub struct Redirect {
    from: OwnedFd,
    to: Stream,
}

/// One of the three descriptors every program expects (man 3 stdio).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Descriptor 0.
    Stdin,
    /// Descriptor 1.
    Stdout,
    /// Descriptor 2.
    Stderr,
}

impl Redirect {
    /// `to` becomes a copy of `from`.
    pub fn new(from: OwnedFd, to: Stream) -> Self {
        Self { from, to }
    }
}

impl Step for Redirect {
    fn run(&self) -> Done {
        match self.to {
            Stream::Stdin => unistd::dup2_stdin(&self.from),
            Stream::Stdout => unistd::dup2_stdout(&self.from),
            Stream::Stderr => unistd::dup2_stderr(&self.from),
        }
    }

    fn explain(&self) -> Explanation {
        Explanation::new(
            format!("dup2({}, {})", self.from.as_raw_fd(), self.to as i32),
            "descriptors survive execve(2): so the program writes where we want it",
            "2 dup2",
        )
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        match errno {
            Errno::EBUSY => Some("another thread opened a file in the same moment: do it again"),
            Errno::EMFILE => Some("three files must be allowed to be open: raise ulimit -n"),
            _ => None,
        }
    }
}

/// Waits for a byte from somebody who has to do something first.
#[derive(Debug)]
pub struct Await {
    from: OwnedFd,
    what: &'static str,
}

impl Await {
    /// Waits on the pipe `from`; `what` says for what.
    pub fn new(from: OwnedFd, what: &'static str) -> Self {
        Self { from, what }
    }
}

impl Step for Await {
    /// EPIPE means that the other side went away without the byte.
    fn run(&self) -> Done {
        loop {
            match unistd::read(&self.from, &mut [0]) {
                Ok(0) => return Err(Errno::EPIPE),
                Ok(_) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno),
            }
        }
    }

    fn explain(&self) -> Explanation {
        Explanation::new(format!("read({}, .., 1)", self.from.as_raw_fd()), self.what, "7 pipe")
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        match errno {
            Errno::EPIPE => Some("who should have done it has ended: the report before says why"),
            _ => None,
        }
    }
}

/// Refuses clone3(2) from now on, as the filter that Docker puts on a container does: a program is
/// to believe that the kernel is too old for it.
#[derive(Debug)]
pub struct RefuseClone3;

impl Step for RefuseClone3 {
    fn run(&self) -> Done {
        // ANCHOR: refuse_clone3
        // Without it only root may set a filter: a set-user-ID program must not be fooled by one.
        prctl::set_no_new_privs()?;
        sys::seccomp_refuse(libc::SYS_clone3, Errno::ENOSYS)
        // ANCHOR_END: refuse_clone3
    }

    fn explain(&self) -> Explanation {
        Explanation::new(
            "seccomp(SECCOMP_SET_MODE_FILTER, 0, {clone3: ERRNO(ENOSYS)})",
            "a filter on system calls, as Docker has one; whatever we become keeps it",
            "2 seccomp",
        )
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        match errno {
            Errno::EINVAL | Errno::ENOSYS => Some("use a kernel with CONFIG_SECCOMP_FILTER"),
            Errno::EACCES => Some("set no_new_privs first, or have CAP_SYS_ADMIN"),
            _ => None,
        }
    }
}

/// Stays, as an idle process that holds its namespaces, until it is killed.
#[derive(Debug)]
pub struct Stay;

impl Step for Stay {
    fn run(&self) -> Done {
        loop {
            unistd::pause();
        }
    }

    fn explain(&self) -> Explanation {
        Explanation::new("pause()", "a namespace lives as long as a process in it", "2 pause")
    }
}
