//! Each system call of create, start, exec and delete fails once: what is said is clear, and nothing
//! is left.
//!
//! A fault is an error that the call may return on a bad day: interrupted, out of memory, of files,
//! of disk. The command then either succeeds all the same, or says what it could not do and why, with
//! an exit status of its own. `delete --force` finishes in any case.
#![cfg(target_arch = "x86_64")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says how many cases it tried"
)]

mod bundle;
mod scene;
mod tracer;

use nix::errno::Errno;
use scene::{Act, Moment, Said, Scene};
use serde_json::json;
use syscalls::Sysno;
use testbed::{Host, MARK, Place, needs, own_mark};
use tracer::{Call, Ended, Then};

/// Every how many-th case is tried; 1 tries all.
const EVERY: &str = "UNBOXED_FAULT_EVERY";

/// The one call whose faults are tried, by name.
const ONLY: &str = "UNBOXED_FAULT_CALL";

/// What a call may return on a bad day; nothing for those that cannot fail, or whose failure is
/// part of every day (a file that is not there).
fn errors_of(name: Sysno) -> &'static [Errno] {
    use Errno::{EAGAIN, EINTR, EIO, EMFILE, ENOMEM, ENOSPC, EPERM};
    match name {
        Sysno::open | Sysno::openat => &[EINTR, EMFILE, ENOMEM],
        Sysno::openat2 => &[EINTR, EAGAIN, EMFILE, ENOMEM],
        Sysno::read | Sysno::pread64 | Sysno::getdents64 => &[EINTR, EIO],
        Sysno::write => &[EINTR, ENOSPC, EAGAIN, ENOMEM],
        Sysno::sendmsg | Sysno::recvmsg => &[EINTR, ENOSPC, ENOMEM],
        Sysno::sendto | Sysno::recvfrom | Sysno::connect => &[EINTR, EAGAIN],
        Sysno::sendfile | Sysno::copy_file_range => &[EIO, ENOSPC],
        Sysno::bind | Sysno::listen | Sysno::bpf | Sysno::pidfd_getfd => &[ENOMEM, EPERM],
        Sysno::ioctl => &[EINTR, EIO],
        Sysno::lseek | Sysno::ftruncate => &[EINTR, EIO],
        // Most of them only ask whether a descriptor is there.
        Sysno::fcntl => &[EIO],
        Sysno::mkdir
        | Sysno::mkdirat
        | Sysno::mknod
        | Sysno::mknodat
        | Sysno::symlink
        | Sysno::symlinkat
        | Sysno::rename
        | Sysno::renameat2 => &[ENOSPC, ENOMEM],
        Sysno::unlink
        | Sysno::unlinkat
        | Sysno::rmdir
        | Sysno::chdir
        | Sysno::fchdir
        | Sysno::utimensat
        | Sysno::fsync => &[EIO],
        Sysno::pipe2
        | Sysno::socketpair
        | Sysno::socket
        | Sysno::signalfd4
        | Sysno::eventfd2
        | Sysno::memfd_create
        | Sysno::pidfd_open
        | Sysno::dup
        | Sysno::dup3
        | Sysno::open_tree
        | Sysno::fsopen
        | Sysno::fsmount => &[EMFILE, ENOMEM],
        Sysno::clone | Sysno::clone3 | Sysno::fork | Sysno::vfork => &[EAGAIN, ENOMEM],
        Sysno::mmap
        | Sysno::brk
        | Sysno::mprotect
        | Sysno::mremap
        | Sysno::execve
        | Sysno::execveat => &[ENOMEM],
        Sysno::mount
        | Sysno::umount2
        | Sysno::pivot_root
        | Sysno::mount_setattr
        | Sysno::move_mount
        | Sysno::fsconfig
        | Sysno::unshare
        | Sysno::setns => &[ENOMEM, EPERM],
        Sysno::waitid | Sysno::wait4 | Sysno::poll | Sysno::ppoll => &[EINTR],
        Sysno::fstat
        | Sysno::newfstatat
        | Sysno::statx
        | Sysno::fstatfs
        | Sysno::statfs
        | Sysno::getcwd
        | Sysno::readlink
        | Sysno::readlinkat => &[ENOMEM],
        Sysno::sethostname
        | Sysno::setsid
        | Sysno::prctl
        | Sysno::capset
        | Sysno::setgroups
        | Sysno::setresuid
        | Sysno::setresgid
        | Sysno::seccomp
        | Sysno::fchown
        | Sysno::fchownat
        | Sysno::fchmod
        | Sysno::fchmodat
        | Sysno::setdomainname
        | Sysno::personality
        | Sysno::sched_setaffinity
        | Sysno::sched_setattr
        | Sysno::close_range
        | Sysno::lchown
        | Sysno::keyctl
        | Sysno::pidfd_send_signal
        | Sysno::kill
        | Sysno::prlimit64
        | Sysno::setrlimit => &[EPERM],
        _ => &[],
    }
}

fn faults(act: Act) -> Vec<(Call, Errno)> {
    let scene = Scene::before(act);
    let mut faults = Vec::new();
    let ended = scene.trace(&mut |call| {
        // What the container's program makes of a fault is its own business.
        if call.process == 0 || !call.executed {
            faults.extend(errors_of(call.name).iter().map(|errno| (call.clone(), *errno)));
        }
        Then::Go
    });
    assert_eq!(ended.code, 0, "{act:?}: {}", Said::last(&scene));
    scene.delete_force();
    if let Ok(only) = std::env::var(ONLY) {
        faults.retain(|(call, _)| call.name.name() == only);
    }
    faults
}

/// How a command took a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    /// It did what it was asked for.
    Well,
    /// It said what it could not do, and why.
    Told,
    /// A fault before main, where the C library has nobody to tell yet.
    BeforeMain,
    /// The call was not made in this run.
    Never,
}

/// So many calls the C library makes at most before main: memory, threads, signals.
const BEFORE_MAIN: usize = 30;

/// What is wrong with how a command took a fault; an error is judged by its words.
fn judge(failed: &Call, ended: Ended, said: &str) -> Result<Taken, String> {
    if !ended.disturbed {
        return Ok(Taken::Never);
    }
    if ended.code == 0 {
        return Ok(Taken::Well);
    }
    let told = said.starts_with("error: ") && said.contains("\n  why: ");
    if told && !said.contains("os error") {
        return Ok(Taken::Told);
    }
    if failed.since_exec < BEFORE_MAIN && failed.process == 0 && !told {
        return Ok(Taken::BeforeMain);
    }
    if said.contains("panicked") {
        return Err(format!("a panic, exit status {}", ended.code));
    }
    Err(format!("exit status {} without what and why", ended.code))
}

fn fails(act: Act, (failing, errno): &(Call, Errno)) -> Result<Taken, String> {
    let before = Host::now();
    let scene = Scene::before(act);
    let ended =
        scene.trace(&mut |call| if call.is(failing) { Then::Fail(*errno) } else { Then::Go });
    let said = Said::last(&scene);
    let case = |why: String| format!("{act:?}, {failing} = {errno:?}: {why}\n{said}");
    let taken = judge(failing, ended, &said).map_err(case)?;
    // A create that failed has cleaned up by itself.
    if act.moment == Moment::Create && taken == Taken::Told && !cleaning(failing) {
        scene.is_clean().map_err(case)?;
    }
    scene.left(&before).map_err(case)?;
    Ok(taken)
}

/// Calls of the cleaning itself: what it could not take away, `delete` does.
fn cleaning(call: &Call) -> bool {
    matches!(call.name, Sysno::unlinkat | Sysno::unlink | Sysno::rmdir)
}

#[test]
fn a_call_that_fails_is_told_and_leaves_nothing() {
    needs!(Root, Program("busybox"));
    let (mut tried, mut all, mut wrong) = (0, 0, Vec::new());
    for act in Act::tried() {
        let faults = faults(act);
        let sample = act.sample(&faults, (3, 31), EVERY);
        let taken: Vec<_> = sample.into_iter().map(|fault| fails(act, fault)).collect();
        let count = |how: Taken| taken.iter().filter(|it| **it == Ok(how)).count();
        println!(
            "{act:?}: {} of {} faults: {} survived, {} told, {} before main",
            taken.len(),
            faults.len(),
            count(Taken::Well),
            count(Taken::Told),
            count(Taken::BeforeMain)
        );
        tried += taken.len() - count(Taken::Never);
        all += faults.len();
        wrong.extend(taken.into_iter().filter_map(Result::err));
    }
    println!("faults: {tried} cases of {all}");
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
}

/// A hook that would run for long, and the first call of this name that fails while it is waited for.
#[track_caller]
fn hook_ends(name: Sysno, errno: Errno, why: &str) {
    let before = Host::now();
    let scene = Scene::before(Act::CREATE);
    scene.change(|config| {
        let env = [format!("{MARK}={}", own_mark())];
        let hook =
            json!({"path": "/bin/sleep", "args": ["sleep", "1000"], "env": env, "timeout": 1});
        config["hooks"] = json!({"createRuntime": [hook]});
    });
    let mut is_waited_for = false;
    let ended = scene.trace(&mut |call| {
        is_waited_for |= call.process == 0 && call.name == Sysno::pidfd_open;
        let fails = is_waited_for && call.process == 0 && call.name == name;
        if fails { Then::Fail(errno) } else { Then::Go }
    });
    let said = Said::last(&scene);
    assert!(ended.disturbed && ended.code != 0 && said.contains(why), "{ended:?} {said}");
    scene.left(&before).unwrap();
}

#[test]
fn a_hook_does_not_outlive_what_fails_while_it_is_waited_for() {
    needs!(Root, Program("busybox"));
    hook_ends(Sysno::pidfd_open, Errno::EMFILE, "/bin/sleep: EMFILE");
    // Interrupted is not failed: its time goes on.
    hook_ends(Sysno::poll, Errno::EINTR, "/bin/sleep took longer than 1 s");
    hook_ends(Sysno::poll, Errno::ENOMEM, "/bin/sleep: ENOMEM");
}

#[test]
fn on_cgroup_v2_it_is_so_as_well() {
    needs!(In(Place::GuestRoot), Program("busybox"));
    scene::in_guest("a_call_that_fails_is_told_and_leaves_nothing", EVERY);
}
