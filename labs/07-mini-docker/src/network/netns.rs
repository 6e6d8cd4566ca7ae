//! Network namespaces of others: visited for a moment, by descriptor.
//!
//! A thread is in one network namespace at a time, and setns(2) moves it. Sockets stay where they
//! were made, so a short visit is enough to speak about a namespace ever after.

use std::{
    fs::File,
    io::Write,
    os::fd::{AsFd, OwnedFd},
    path::Path,
    thread,
};

use ground::{Error, Result};
use namespaces::{Kind, Kinds, walls};
use nix::{
    sched::{CloneFlags, setns, unshare},
    sys::stat::fstat,
};

/// A network namespace that cannot go away while this is held.
#[derive(Debug)]
pub struct Netns(OwnedFd);

impl Netns {
    /// The one behind a path, as `/proc/PID/ns/net`.
    ///
    /// # Errors
    /// ENOENT when its process is gone, EACCES.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        File::open(path).map(|file| Self(file.into())).map_err(|error| {
            Error::new("cannot find the network namespace")
                .io(format_args!("open {}", path.display()), &error)
                .see("7 network_namespaces")
        })
    }

    /// The one of this thread.
    ///
    /// # Errors
    /// When /proc is not mounted.
    pub fn own() -> Result<Self> {
        Self::open("/proc/thread-self/ns/net")
    }

    /// A new one, which our user namespace owns. We stay outside. It goes with the last descriptor of
    /// it, and the last process and socket in it.
    ///
    /// # Errors
    /// As unshare(2) with CLONE_NEWNET.
    pub fn fresh() -> Result<Self> {
        in_a_thread(|| {
            let kinds = Kinds::of([Kind::Net]);
            unshare(kinds.flags()).map_err(|errno| walls::unshare_refused(kinds, errno))?;
            Self::own()
        })
    }

    /// What tells it from all others, also of another boot (man 5 proc_sys_kernel).
    ///
    /// # Errors
    /// As fstat(2).
    pub fn name(&self) -> Result<String> {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Ok(format!("{} {}", boot.trim(), self.id()?))
    }

    /// What tells it from all others of this boot: the device and inode number of its file.
    ///
    /// # Errors
    /// As fstat(2).
    pub fn id(&self) -> Result<String> {
        let stat = fstat(&self.0).map_err(|errno| {
            Error::new("cannot tell which network namespace this is").call("fstat", errno)
        })?;
        Ok(format!("{:x}:{}", stat.st_dev, stat.st_ino))
    }

    /// Does something inside. A thread goes there and ends: an ordinary user could not come back,
    /// because the host's namespace is not theirs to enter.
    ///
    /// # Errors
    /// EPERM without CAP_SYS_ADMIN over it; what `visit` returns.
    pub fn inside<T: Send>(&self, visit: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        in_a_thread(|| self.enter().and_then(|()| visit()))
    }

    /// Moves this thread inside, for good.
    ///
    /// # Errors
    /// EPERM without CAP_SYS_ADMIN over it.
    pub fn enter(&self) -> Result<()> {
        setns(self.0.as_fd(), CloneFlags::CLONE_NEWNET).map_err(|errno| {
            Error::new("cannot enter a network namespace")
                .call("setns(.., CLONE_NEWNET)", errno)
                .see("2 setns")
        })
    }

    /// Its descriptor, for messages that name it.
    pub fn descriptor(&self) -> &OwnedFd {
        &self.0
    }
}

/// Does something in a thread of its own, which ends where it is then.
fn in_a_thread<T: Send>(visit: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let seen = thread::scope(|scope| scope.spawn(visit).join());
    seen.unwrap_or_else(|_| Err(Error::new("the visit to a network namespace was broken off")))
}

/// A setting of the network namespace that this thread is in. Only /proc/sys is read, which shows
/// the namespace of whoever opens it.
///
/// # Errors
/// As open(2) and read(2).
pub fn sysctl(name: &str) -> Result<String> {
    let path = format!("/proc/sys/net/{name}");
    std::fs::read_to_string(&path)
        .map(|text| text.trim().to_owned())
        .map_err(|error| Error::new("cannot read a setting of the network").io(path, &error))
}

/// Changes a setting of the network namespace that this thread is in.
///
/// # Errors
/// EROFS or EACCES where /proc/sys cannot be written, as in a container.
pub fn set_sysctl(name: &str, value: &str) -> Result<()> {
    let path = format!("/proc/sys/net/{name}");
    // Not created: in a directory of the kernel's that would be another error.
    let written = File::options()
        .write(true)
        .open(&path)
        .and_then(|mut file| file.write_all(value.as_bytes()));
    written.map_err(|error| {
        Error::new("cannot change a setting of the network")
            .io(format_args!("write {value} to {path}"), &error)
            .see("5 proc_sys_net")
            .fix("run it where /proc/sys may be written, or without a network: --network none")
    })
}
