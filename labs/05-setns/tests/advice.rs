//! What mends a refusal, for every step and every errno of its manual page.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot prepare itself has failed"
)]

use namespaces::{Kind, Kinds};
use nix::unistd::Pid;
use setns::{BecomeRoot, JoinFile, JoinProcess, Surroundings, Target};
use testbed::{advice, advised, snapshot};

#[test]
fn every_errno_has_its_advice() {
    let target = Target::open(Pid::this()).unwrap();
    let by_pidfd = |kind| JoinProcess::new(&target, Kinds::of([kind]));
    let by_file = |kind| JoinFile::open("/dev/null", kind).unwrap();
    let around = Surroundings::of(&target).unwrap();
    let root = BecomeRoot::of(&target);
    let text = advice(
        env!("CARGO_MANIFEST_DIR"),
        &[
            advised!(JoinProcess, by_pidfd(Kind::User), "user", EBADF EINVAL ENOMEM ENOSYS EPERM ESRCH),
            advised!(JoinProcess, by_pidfd(Kind::Pid), "pid", EINVAL ENOMEM EPERM ESRCH),
            advised!(JoinProcess, by_pidfd(Kind::Mount), "mnt", EINVAL ENOMEM EPERM ESRCH),
            advised!(JoinProcess, by_pidfd(Kind::Time), "time", EINVAL EPERM ESRCH EUSERS),
            advised!(JoinProcess, by_pidfd(Kind::Net), "net", EINVAL ENOMEM EPERM ESRCH),
            advised!(JoinFile, by_file(Kind::User), "user", EBADF EINVAL ENOMEM ENOSYS EPERM ESRCH),
            advised!(JoinFile, by_file(Kind::Net), "net", EINVAL ENOMEM EPERM ESRCH),
            advised!(Surroundings, around, "", EACCES EBADF EIO ELOOP ENOENT ENOMEM ENOTDIR EPERM),
            advised!(BecomeRoot, root, "", EAGAIN EFAULT EINVAL ENOMEM EPERM),
        ],
        &[],
    );
    snapshot!("advice", text);
}
