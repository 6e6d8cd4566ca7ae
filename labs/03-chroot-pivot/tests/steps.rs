//! Every step in words: the call as strace(1) prints it, and the advice for each errno.
#![allow(clippy::unwrap_used, reason = "a test that cannot prepare itself has failed")]

use std::{fmt::Write, path::Path};

use ground::{Errno, Step};
use rootfs::{
    Chdir, Chroot, CreateFile, Mkdir, Mknod, Mount, MsFlags, NodeKind, PivotRoot, Symlink, Umask,
    Umount,
    dev::{self, Nodes},
};
use testbed::snapshot;

fn explained(steps: &[Box<dyn Step>]) -> String {
    let mut text = String::new();
    for step in steps {
        let it = step.explain();
        writeln!(text, "{}\n    {} (man {})", it.call, it.why, it.man).unwrap();
    }
    text
}

#[test]
fn mounts_read_as_strace_prints_them() {
    let bind = MsFlags::MS_BIND | MsFlags::MS_RDONLY | MsFlags::MS_NOSUID;
    snapshot!(
        "mounts",
        explained(&[
            Box::new(Mount::bind(c"/src", c"/dst")),
            Box::new(Mount::rbind(c"/src", c"/dst")),
            Box::new(Mount::moved(c"/src", c"/dst")),
            Box::new(Mount::remount(c"/dst", bind)),
            Box::new(Mount::propagation(
                c"/",
                MsFlags::MS_REC | MsFlags::MS_PRIVATE,
                "pivot_root refuses a shared parent mount",
            )),
            Box::new(Mount::tmpfs(c"/tmp", c"size=64m,mode=1777")),
            Box::new(Mount::tmpfs(c"/tmp", c"")),
            Box::new(Mount::proc(c"/proc")),
            Box::new(Mount::sysfs(c"/sys")),
            Box::new(Mount::devpts(c"/dev/pts", c"newinstance")),
            Box::new(Mount::mqueue(c"/dev/mqueue")),
            Box::new(Mount::cgroup2(c"/sys/fs/cgroup")),
            Box::new(Mount::filesystem(
                c"overlay",
                c"overlay",
                c"/merged",
                MsFlags::empty(),
                c"lowerdir=A:B,upperdir=C,workdir=W",
            )),
            Box::new(Mount::proc(c"/proc").flags(MsFlags::from_bits_retain(256 | 2)).why("own")),
            Box::new(Umount::now(c"/dst")),
            Box::new(Umount::detach(c"/dst")),
        ])
    );
}

#[test]
fn a_new_root_and_what_it_needs_read_as_strace_prints_them() {
    let mut steps = rootfs::pivot(c"/new");
    steps.extend(rootfs::chroot(c"/new"));
    steps.push(Box::new(PivotRoot::new(c"/new", c"/new/old")));
    steps.push(Box::new(Mkdir::new(c"/new/proc", 0o755, "a mount point")));
    steps.push(Box::new(CreateFile::new(c"/new/file", 0o644, "a mount point for a file")));
    steps.push(Box::new(Symlink::new(c"target", c"/new/link", "a link")));
    steps.push(Box::new(Mknod::new(c"/new/loop0", NodeKind::Block, 0o660, (7, 0))));
    steps.push(Box::new(Mknod::new(c"/new/fifo", NodeKind::Fifo, 0o600, (0, 0))));
    snapshot!("new_root", explained(&steps));
}

#[test]
fn a_minimal_dev_is_made_by_root_and_bound_for_users() {
    let dev = Path::new("/new/dev");
    snapshot!("dev_made", explained(&dev::steps(dev, Nodes::Made, Some(5)).unwrap()));
    snapshot!("dev_bound", explained(&dev::steps(dev, Nodes::Bound, None).unwrap()));
}

/// The errnos that the manual pages of these calls name.
const ERRNOS: [Errno; 22] = [
    Errno::EACCES,
    Errno::EBUSY,
    Errno::EDQUOT,
    Errno::EEXIST,
    Errno::EFAULT,
    Errno::EINVAL,
    Errno::EIO,
    Errno::EISDIR,
    Errno::ELOOP,
    Errno::EMFILE,
    Errno::ENAMETOOLONG,
    Errno::ENODEV,
    Errno::ENOENT,
    Errno::ENOMEM,
    Errno::ENOSPC,
    Errno::ENOTBLK,
    Errno::ENOTDIR,
    Errno::ENOTEMPTY,
    Errno::ENXIO,
    Errno::EPERM,
    Errno::EROFS,
    Errno::EAGAIN,
];

#[test]
fn every_errno_has_its_advice() {
    let overlay = Mount::filesystem(c"overlay", c"o", c"/d", MsFlags::empty(), c"");
    let steps: [(&str, Box<dyn Step>); 19] = [
        ("bind", Box::new(Mount::bind(c"/s", c"/d"))),
        ("move", Box::new(Mount::moved(c"/s", c"/d"))),
        ("remount", Box::new(Mount::remount(c"/d", MsFlags::MS_BIND | MsFlags::MS_RDONLY))),
        ("propagation", Box::new(Mount::propagation(c"/d", MsFlags::MS_SLAVE, ""))),
        ("tmpfs", Box::new(Mount::tmpfs(c"/d", c""))),
        ("proc", Box::new(Mount::proc(c"/d"))),
        ("sysfs", Box::new(Mount::sysfs(c"/d"))),
        ("devpts", Box::new(Mount::devpts(c"/d", c"gid=5"))),
        ("mqueue", Box::new(Mount::mqueue(c"/d"))),
        ("cgroup2", Box::new(Mount::cgroup2(c"/d"))),
        ("overlay", Box::new(overlay)),
        ("umount2", Box::new(Umount::now(c"/d"))),
        ("pivot_root", Box::new(PivotRoot::stacked())),
        ("chroot", Box::new(Chroot::new(c"/d"))),
        ("chdir", Box::new(Chdir::new(c"/d", ""))),
        ("mkdir", Box::new(Mkdir::new(c"/d", 0o755, ""))),
        ("mknod", Box::new(Mknod::new(c"/d", NodeKind::Char, 0o666, (1, 3)))),
        ("symlink", Box::new(Symlink::new(c"t", c"/d", ""))),
        ("umask", Box::new(Umask(0))),
    ];
    let mut text = String::new();
    for (name, step) in steps {
        writeln!(text, "{name}").unwrap();
        for errno in ERRNOS {
            let Some(fix) = step.fix(errno) else { continue };
            writeln!(text, "  {errno:?}: {}", fix.replace('\n', "\n    ")).unwrap();
        }
    }
    snapshot!("advice", text);
}

#[test]
fn a_failed_step_is_told_in_four_lines() {
    let error = PivotRoot::stacked().failed(Errno::EINVAL);
    snapshot!("pivot_root_failed", error.to_string());
}
