//! Pins: a bind mount of its file keeps a namespace when its last process has gone.
//!
//! A namespace lives as long as something refers to it: a process, an open descriptor, or a mount.
//! `ip netns` keeps network namespaces on `/run/netns` that way (namespaces(7)). The mount belongs
//! to the mount namespace that it is made in, and goes with it.

use std::{
    fs::{self, File, OpenOptions},
    io::ErrorKind,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use ground::{Errno, Error, Explanation, Result};
use namespaces::{Id, Kind, census::Held};
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::Target;

/// A pin is gone at once, also while somebody visits the namespace.
const DETACHED: MntFlags = MntFlags::MNT_DETACH.union(MntFlags::UMOUNT_NOFOLLOW);

/// The calls of [`pin`].
pub fn pin_explained(target: &Target, kind: Kind, file: &Path) -> Vec<Explanation> {
    let source = target.namespace(kind);
    vec![
        Explanation::new(
            format!("open({file:?}, O_CREAT|O_EXCL, 0444)"),
            "a file can only be mounted on a file",
            "2 open",
        ),
        Explanation::new(
            format!("mount({source:?}, {file:?}, NULL, MS_BIND, NULL)"),
            "the mount refers to the namespace, so it stays when its last process ends",
            "7 namespaces",
        ),
    ]
}

/// Keeps the namespace of `kind` that `target` lives in, on `file`; [`unpin`] lets it go.
///
/// Idempotent: a file that keeps this very namespace already is left as it is. If it fails, it has
/// left neither mount nor file behind.
///
/// # Errors
/// EPERM without CAP_SYS_ADMIN in our mount namespace; EINVAL for a mount namespace that is not
/// younger than ours, or onto a shared mount; ESRCH: the process ended meanwhile; a file that is not
/// empty, or keeps another namespace.
pub fn pin(target: &Target, kind: Kind, file: &Path) -> Result<Id> {
    let id = Id::of(target.pid(), kind)?;
    if let Some(pinned) = Held::at(file)? {
        return match pinned.id()? {
            there if there == id => Ok(id),
            other => Err(taken(
                file,
                &format!("it keeps {other}"),
                "unpin it first, or choose another file",
            )),
        };
    }
    let made = make(file)?;
    let bound = bind(&target.namespace(kind), file);
    let bound = bound.map_err(|errno| not_pinned(target, kind, file, errno));
    let pinned = bound.and_then(|()| {
        let alive = target.check_alive();
        alive.inspect_err(|_| {
            let _ = umount2(file, DETACHED);
        })
    });
    if pinned.is_err() && made {
        // The report is about the pin; that the empty file stays would be news, not help.
        let _ = fs::remove_file(file);
    }
    pinned.map(|()| id)
}

/// The calls of [`unpin`].
pub fn unpin_explained(file: &Path) -> Vec<Explanation> {
    vec![
        Explanation::new(
            format!("umount2({file:?}, MNT_DETACH|UMOUNT_NOFOLLOW)"),
            "without a process, a descriptor or another mount the namespace ends here",
            "2 umount",
        ),
        Explanation::new(
            format!("unlink({file:?})"),
            "the file was only there to be mounted on",
            "2 unlink",
        ),
    ]
}

/// Lets go of the namespace on `file` and removes the file.
///
/// # Errors
/// A file that keeps no namespace; it is not touched. EPERM without CAP_SYS_ADMIN in our mount
/// namespace.
pub fn unpin(file: &Path) -> Result<()> {
    let report = || Error::new(format!("cannot unpin {}", file.display()));
    if Held::at(file)?.is_none() {
        return Err(report()
            .why("no namespace is kept on it, as seen from our mount namespace")
            .see("7 namespaces")
            .fix("findmnt -t nsfs lists the pins; one made in another mount namespace is removed there"));
    }
    umount2(file, DETACHED).map_err(|errno| {
        report()
            .call(&format!("umount2({file:?}, MNT_DETACH|UMOUNT_NOFOLLOW)"), errno)
            .see("2 umount")
            .fix("unmount as whoever mounted it: root of that mount namespace")
    })?;
    fs::remove_file(file).map_err(|error| {
        report()
            .io(format_args!("unlink {}", file.display()), &error)
            .fix("remove the empty file by hand")
    })
}

/// Makes the file to be mounted on; `false` when an empty one is there, as after a crash.
fn make(file: &Path) -> Result<bool> {
    match OpenOptions::new().write(true).create_new(true).mode(0o444).open(file) {
        Ok(made) => Ok(close(made)),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            match fs::symlink_metadata(file) {
                Ok(there) if there.is_file() && there.len() == 0 => Ok(false),
                _ => Err(taken(
                    file,
                    "something else than an empty file is in the way",
                    "choose another file",
                )),
            }
        }
        Err(error) => Err(Error::new(format!("cannot pin onto {}", file.display()))
            .io(format_args!("open {}", file.display()), &error)
            .see("2 open")
            .fix("choose a directory that exists and is ours to write")),
    }
}

fn close(_: File) -> bool {
    true
}

fn bind(source: &str, file: &Path) -> std::result::Result<(), Errno> {
    // ANCHOR: bind
    mount(Some(source), file, None::<&str>, MsFlags::MS_BIND, None::<&str>)
    // ANCHOR_END: bind
}

fn taken(file: &Path, why: &str, fix: &str) -> Error {
    Error::new(format!("cannot pin onto {}", file.display())).why(why).fix(fix)
}

fn not_pinned(target: &Target, kind: Kind, file: &Path, errno: Errno) -> Error {
    let call = format!("mount({:?}, {file:?}, NULL, MS_BIND, NULL)", target.namespace(kind));
    let report = Error::new(format!("cannot pin the {} namespace", kind.name()));
    let report = report.call(&call, errno).see("2 mount");
    match errno {
        Errno::EPERM => report.fix(
            "mounting needs root of our mount namespace: run it with sudo, or inside \
             lab-01 run --user --map-root --mount",
        ),
        Errno::EINVAL if kind == Kind::Mount => report.fix(
            "a mount namespace can only be kept in an older one than itself, on a private mount \
             (mount --make-private): else it would keep itself for ever",
        ),
        Errno::EINVAL => report.fix(
            "the namespace is not ours to see: our mount namespace holds a proc of another machine",
        ),
        Errno::ENOENT | Errno::ESRCH => {
            report.fix("the process has ended: list those that run with ps -e")
        }
        _ => report,
    }
}
