//! What mends a refusal, for every step and every errno of its manual page.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot prepare itself has failed"
)]

use std::{path::Path, rc::Rc};

use rootfs::{Change, FileSystem, NodeKind, Reach};
use testbed::{advice, advised, snapshot};
use volumes::{
    Bind, ChangeInside, Cover, DirectoryInside, Inside, LinkInside, MaskInside, MountInside,
    NodeInside, ReadOnlyInside, RemountReadOnly, SetReadOnly, Wanted, What,
};

fn inside(path: &str) -> Inside {
    Inside::new(Path::new("/rootfs"), Path::new(path)).unwrap()
}

#[test]
fn every_errno_has_its_advice() {
    let directory = DirectoryInside::new(inside("dir"), "");
    let link = LinkInside::here("/dev/fd", "/proc/self/fd", "").unwrap();
    let node = NodeInside::here("/dev/null", NodeKind::Char, 0o666, (1, 3)).unwrap();
    let change = || Change::set(libc::MOUNT_ATTR_RDONLY, Reach::All);
    let cover: Rc<Cover> = Cover::new(FileSystem::new(c"tmpfs"));
    let mask = MaskInside::new(inside("proc/kcore"), &cover);
    let bind = MountInside::bind(Path::new("/a"), inside("b"), Wanted::Directory).unwrap();
    let proc = What::FileSystem(FileSystem::new(c"proc"));
    let proc = MountInside::new(proc, inside("proc"), Wanted::Directory);
    let text = advice(
        env!("CARGO_MANIFEST_DIR"),
        &[
            advised!(DirectoryInside, directory, "", EACCES EAGAIN EDQUOT EEXIST EIO ELOOP EMFILE
                ENAMETOOLONG ENOENT ENOMEM ENOSPC ENOSYS ENOTDIR EPERM EROFS EXDEV),
            advised!(LinkInside, link, "", EACCES EAGAIN EDQUOT EEXIST EIO ELOOP EMFILE
                ENAMETOOLONG ENOENT ENOMEM ENOSPC ENOSYS ENOTDIR EPERM EROFS EXDEV),
            advised!(NodeInside, node, "", EACCES EAGAIN EDQUOT EEXIST EINVAL EIO ELOOP EMFILE
                ENAMETOOLONG ENOENT ENOMEM ENOSPC ENOSYS ENOTDIR EPERM EROFS EXDEV),
            advised!(Bind, Bind::new(c"/a", c"/b"), "", EACCES EBUSY EINVAL ELOOP ENAMETOOLONG ENOENT
                ENOMEM ENOSPC ENOTDIR EPERM),
            advised!(RemountReadOnly, RemountReadOnly::new(c"/b"), "", EACCES EBUSY EINVAL ELOOP
                ENAMETOOLONG ENOENT ENOMEM ENOTDIR EPERM EROFS),
            advised!(SetReadOnly, SetReadOnly::new(c"/b"), "", EACCES EBUSY EINVAL ELOOP ENAMETOOLONG
                ENOENT ENOMEM ENOTDIR EPERM EROFS),
            advised!(MaskInside, mask, "", EACCES EINVAL ELOOP EMFILE ENODEV ENOMEM ENOSPC EPERM),
            advised!(ReadOnlyInside, ReadOnlyInside::new(inside("proc")), "", EACCES EINVAL ELOOP EMFILE
                ENOMEM ENOSPC EPERM),
            advised!(MountInside, bind, "bind", EACCES EBUSY EINVAL ELOOP EMFILE ENAMETOOLONG ENOENT
                ENOMEM ENOSPC ENOSYS ENOTDIR EPERM EROFS EXDEV),
            advised!(MountInside, proc, "proc", EACCES EBUSY EINVAL ELOOP EMFILE ENODEV ENOENT ENOMEM
                ENOSPC ENOSYS ENOTDIR EPERM EROFS EXDEV),
            advised!(ChangeInside, ChangeInside::new(inside("proc"), change()), "", EACCES EBUSY EINVAL
                ELOOP EMFILE ENOENT ENOMEM EPERM),
        ],
        // It takes a copy of a mount, and that takes root: its advice is looked at in `detached`.
        &["Attach"],
    );
    snapshot!("advice", text);
}
