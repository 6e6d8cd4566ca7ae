//! What mends a refusal, for every step and every errno of its manual page.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot prepare itself has failed"
)]

use std::{fs::File, os::fd::OwnedFd};

use namespaces::{
    Exec, Kind, Kinds, Spawn,
    steps::{
        Await, LoopbackUp, MountProc, NewCgroupNamespace, PrivateMounts, Redirect, RefuseClone3,
        SetHostname, Stream,
    },
    time::Offsets,
};
use testbed::{advice, advised, snapshot};

fn null() -> OwnedFd {
    File::open("/dev/null").unwrap().into()
}

#[test]
fn every_errno_has_its_advice() {
    let late = Spawn::new(Kinds::of([Kind::Pid, Kind::Time])).time_offsets(Offsets::default());
    let [unshare, offsets] = late.steps.as_slice() else { panic!("two steps") };
    let exec = Exec::new(&["sh"], &["PATH=/bin"]).unwrap();
    let host_name = SetHostname::new("box").unwrap();
    let (stdin, pipe) = (Redirect::new(null(), Stream::Stdin), Await::new(null(), "the map"));
    let text = advice(
        env!("CARGO_MANIFEST_DIR"),
        &[
            advised!(Exec, exec, "", E2BIG EACCES EAGAIN EFAULT EINVAL EIO EISDIR ELIBBAD ELOOP EMFILE
                ENAMETOOLONG ENFILE ENOENT ENOEXEC ENOMEM ENOTDIR EPERM ETXTBSY),
            advised!(PrivateMounts, PrivateMounts, "", EACCES EINVAL ENOMEM EPERM),
            advised!(NewCgroupNamespace, NewCgroupNamespace, "", EINVAL ENOMEM ENOSPC EPERM),
            advised!(MountProc, MountProc, "", EBUSY ENODEV ENOENT ENOMEM ENOSPC EPERM),
            advised!(SetHostname, host_name, "", EFAULT EINVAL EPERM),
            advised!(LoopbackUp, LoopbackUp, "", EAFNOSUPPORT EMFILE ENFILE ENODEV ENOMEM EPERM),
            advised!(Redirect, stdin, "", EBADF EBUSY EINTR EMFILE),
            advised!(Await, pipe, "", EBADF EIO EPIPE),
            advised!(RefuseClone3, RefuseClone3, "", EACCES EFAULT EINVAL ENOMEM ENOSYS),
            advised!(UnshareForChildren, **unshare, "", EINVAL ENOMEM ENOSPC EPERM EUSERS),
            advised!(SetOffsets, **offsets, "", EACCES EINVAL ENOENT EPERM ERANGE),
        ],
        // Whoever waits for ever is refused nothing; a terminal is taken in `terminal`.
        &["Stay", "TakeTerminal"],
    );
    snapshot!("advice", text);
}
